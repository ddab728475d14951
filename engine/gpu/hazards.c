// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Derivation of barriers. One global memory barrier serves every hazard in front of a command:
// there is one queue, and per-buffer barriers cost the same on today's drivers.
#include "gpu/hazards.h"

#define ALL_KINDS (KIND_COMPUTE | KIND_TRANSFER | KIND_INDIRECT)

struct entry {
    struct access access;
    unsigned covered; // kinds of command that a barrier already protects from this access
};

void hazards_init(struct hazards *hazards)
{
    *hazards = (struct hazards){.pending = g_array_new(FALSE, FALSE, sizeof(struct entry))};
}

void hazards_finish(struct hazards *hazards)
{
    g_clear_pointer(&hazards->pending, g_array_unref);
}

void hazards_reset(struct hazards *hazards)
{
    g_array_set_size(hazards->pending, 0);
    hazards->used = 0;
}

static bool conflict(const struct entry *earlier, const struct access *later)
{
    const struct access *access = &earlier->access;
    return (access->write || later->write) && access->buffer == later->buffer &&
           access->begin < later->end && later->begin < access->end &&
           !(earlier->covered & later->kind);
}

// A barrier covers everything before it for the kinds in its second scope.
static void cover(struct hazards *hazards, unsigned kinds)
{
    guint kept = 0;
    for (guint i = 0; i < hazards->pending->len; i++) {
        struct entry entry = g_array_index(hazards->pending, struct entry, i);
        entry.covered |= kinds;
        if (entry.covered != ALL_KINDS) {
            g_array_index(hazards->pending, struct entry, kept++) = entry;
        }
    }
    g_array_set_size(hazards->pending, kept);
}

struct barrier hazards_add(struct hazards *hazards, const struct access *accesses, int count,
                           bool force)
{
    struct barrier barrier = {0};
    bool needed = force && hazards->used;
    unsigned kinds = 0;
    for (int i = 0; i < count; i++) {
        kinds |= accesses[i].kind;
        for (guint j = 0; j < hazards->pending->len && !needed; j++) {
            needed = conflict(&g_array_index(hazards->pending, struct entry, j), &accesses[i]);
        }
    }
    if (needed) {
        // Transfers and indirect reads are rare: they enter the scopes only where they occur, since
        // they flush more caches. Compute always follows.
        barrier.from = hazards->used;
        barrier.to = force ? ALL_KINDS : kinds | KIND_COMPUTE;
        cover(hazards, barrier.to);
    }
    for (int i = 0; i < count; i++) {
        struct entry entry = {.access = accesses[i]};
        g_array_append_val(hazards->pending, entry);
    }
    hazards->used |= kinds;
    return barrier;
}

VkPipelineStageFlags hazard_stages(unsigned kinds)
{
    return (kinds & KIND_COMPUTE ? VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT : 0) |
           (kinds & KIND_TRANSFER ? VK_PIPELINE_STAGE_TRANSFER_BIT : 0) |
           (kinds & KIND_INDIRECT ? VK_PIPELINE_STAGE_DRAW_INDIRECT_BIT : 0);
}

VkAccessFlags hazard_writes(unsigned kinds)
{
    return (kinds & KIND_COMPUTE ? VK_ACCESS_SHADER_WRITE_BIT : 0) |
           (kinds & KIND_TRANSFER ? VK_ACCESS_TRANSFER_WRITE_BIT : 0);
}

VkAccessFlags hazard_accesses(unsigned kinds)
{
    return (kinds & KIND_COMPUTE ? VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                                       VK_ACCESS_UNIFORM_READ_BIT
                                 : 0) |
           (kinds & KIND_TRANSFER ? VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT
                                  : 0) |
           (kinds & KIND_INDIRECT ? VK_ACCESS_INDIRECT_COMMAND_READ_BIT : 0);
}
