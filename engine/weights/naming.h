// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Internal to weights/: from the names that a file uses to canonical ones. Canonical are
// rwightman's names with head batch norms as "bn_rep.REPEAT.LEVEL.bn" (spec 9.2, 9.7).
#pragma once

#include "weights/container.h"

enum naming { NAMING_NONE, NAMING_RWIGHTMAN, NAMING_ZYLO117 };

struct names {
    enum naming naming;
    bool head_bn_level_first; // the file counts levels before repeats in its head batch norms
    GHashTable *index;        // canonical name -> index in the container; a name that no rule knows
                              // stands for itself
};

// EFFDET_ERROR_UNSUPPORTED when the names are of no known network; EFFDET_ERROR_BAD_FILE when two
// tensors claim one name.
struct names *names_new(const struct container *container, GError **error) WARN_UNUSED;
void names_free(struct names **names);
enum naming naming_detect(const struct container *container);
const char *naming_name(enum naming naming);                      // "rwightman", "zylo117" or NULL
int names_find(const struct names *names, const char *canonical); // index in the container or -1

// naming_zylo117.c: the shape of a file that its flat names need.
#define MAX_FLAT_BLOCKS 128
struct zylo117 {
    int n_blocks;
    struct {
        int stage, index;
        bool expand;
    } block[MAX_FLAT_BLOCKS];
    int top_level; // 7 or 8
};
void zylo117_init(struct zylo117 *zylo, const struct container *container);
// The canonical name (transfer full); NULL for a tensor that no detector needs.
char *zylo117_canonical(const struct zylo117 *zylo, const char *name) WARN_UNUSED;
