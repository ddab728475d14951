// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Which memory barriers a sequence of commands needs, from the byte ranges that each reads and
// writes. Knows no command buffer.
#pragma once

#include "gpu/memory.h"

// What a command does with memory; a set of bits.
enum hazard_kind { KIND_COMPUTE = 1, KIND_TRANSFER = 2, KIND_INDIRECT = 4 };

struct access {
    VkBuffer buffer;
    uint64_t begin, end; // bytes
    bool write;
    enum hazard_kind kind;
};

struct hazards {
    GArray *pending; // accesses that some kind of command may still have to wait for
    unsigned used;   // kinds seen since the last reset
};

struct barrier {
    unsigned from, to; // kinds; from == 0 means that none is needed
};

void hazards_init(struct hazards *hazards);
void hazards_finish(struct hazards *hazards);
void hazards_reset(struct hazards *hazards);
// The barrier to put in front of a command with these accesses (read after write, write after read,
// write after write), and remembers them. force: as if there were a hazard with everything.
struct barrier hazards_add(struct hazards *hazards, const struct access *accesses, int count,
                           bool force);
VkPipelineStageFlags hazard_stages(unsigned kinds);
VkAccessFlags hazard_writes(unsigned kinds);
VkAccessFlags hazard_accesses(unsigned kinds);
