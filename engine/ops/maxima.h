// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The largest of each tile of the class head's results, which its kernels leave beside them, so
// that decode reads only the logits of tiles where one may pass. What a kernel cannot leave, decode
// does without: it reads all logits.
#pragma once

#include "ops/op.h"

// A 32-bit key a tile, of the order of the results: [rows][columns]. The tile of row r and column c
// is of the channel blocks from r * blocks on, and of `pixels` pixels, `lanes` apart: (c / lanes *
// pixels + i) * lanes + c % lanes. It may reach past the last of them. What NaN does is said in
// shaders/maxima.glsl.
struct maxima {
    uint32_t rows, columns; // 0: there are none; columns: a multiple of 4
    uint32_t lanes, pixels, blocks;
    uint64_t bytes;       // also of what the kernel leaves of other parts
    struct buffer buffer; // of so many, made by the network after the operations
};

// The bias of channels past the last one: no maximum, though finite in both precisions.
#define MAXIMA_NO_LOGIT (-60000.0f)

// Whether a node with this output makes all class logits, as its only or first part, and decode
// wants to know their maxima.
bool maxima_wanted(const struct op_env *env, int output);
// Takes note of the tiles that the node's kernel leaves, `all_rows` of them with those of other
// parts. False if there cannot be so many; else where they go.
bool maxima_leave(const struct op_env *env, const struct maxima *tiles, uint32_t all_rows,
                  struct binding *binding);
