// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Internal to weights/: from the names that a file uses to canonical ones. Canonical are
// rwightman's names with head batch norms as "bn_rep.REPEAT.LEVEL.bn" (spec 9.2, 9.7).
#pragma once

#include "net/fpn_layout.h"
#include "weights/container.h"

enum naming { NAMING_NONE, NAMING_RWIGHTMAN, NAMING_ZYLO117, NAMING_AUTOML };

// The axes of a tensor as it is stored: PyTorch's, or TensorFlow's of convolutions (height, width,
// inputs, outputs) and of depthwise ones (height, width, channels, 1).
enum order { ORDER_SAME, ORDER_HWIO, ORDER_HWCM };

// A tensor of the network that the file stores in another order, or as one scalar an element.
#define MAX_VIEW_PARTS 8
struct view {
    struct tensor_info info; // in PyTorch's order; the name is the file's, of the first part
    enum order order;
    int parts[MAX_VIEW_PARTS]; // indices in the container, in order; -1: not there
    int n_parts;
};

struct names {
    enum naming naming;
    bool head_bn_level_first; // the file counts levels before repeats in its head batch norms
    GHashTable *index;        // canonical name -> index in the container, or the number of its
                              // tensors and more: a view; a name that no rule knows stands for
                              // itself
    GArray *views;            // struct view
};

// EFFDET_ERROR_UNSUPPORTED when the names are of no known network; EFFDET_ERROR_BAD_FILE when two
// tensors claim one name.
struct names *names_new(const struct container *container, GError **error) WARN_UNUSED;
void names_free(struct names **names);
enum naming naming_detect(const struct container *container);
const char *naming_name(enum naming naming); // "rwightman", "zylo117", "automl" or NULL
int names_find(const struct names *names, const char *canonical); // index or -1
// views.c: what is found under an index of names_find(): shape, and elements in PyTorch's order.
int names_count(const struct names *names, const struct container *container);
const struct tensor_info *names_tensor(const struct names *names, const struct container *container,
                                       int index);
bool names_read(const struct names *names, struct container *container, int index, float *dst,
                GError **error) WARN_UNUSED;
// Puts a tensor of the container under a canonical name, in another order or as a part of it (-1:
// the whole). False where there is one already.
bool names_add(struct names *names, const struct container *container, const char *canonical,
               int tensor, enum order order, int part) WARN_UNUSED;
void names_finish(struct names *names, const struct container *container); // after the last

// Blocks that are counted through; stages begin where the width changes.
#define MAX_FLAT_BLOCKS 128
struct flat_blocks {
    int n;
    struct {
        int stage, index;
        bool expand;
        int64_t out; // channels
    } block[MAX_FLAT_BLOCKS];
};
void flat_blocks_number(struct flat_blocks *blocks); // fills stage and index from out

// naming_zylo117.c: the shape of a file that its flat names need.
struct zylo117 {
    struct flat_blocks blocks;
    int top_level; // 7 or 8
};
void zylo117_init(struct zylo117 *zylo, const struct container *container);
// The canonical name (transfer full); NULL for a tensor that no detector needs.
char *zylo117_canonical(const struct zylo117 *zylo, const char *name) WARN_UNUSED;

// naming_automl.c: the same for the names of TensorFlow's variables and of Keras's attributes.
struct automl {
    struct flat_blocks blocks;
    struct fpn_cell cell; // whose inputs the attributes count
};
void automl_init(struct automl *automl, const struct container *container);
// As above; *part is the element that a scalar stands for, -1 for whole tensors.
char *automl_canonical(const struct automl *automl, const char *name, enum order *order,
                       int *part) WARN_UNUSED;
