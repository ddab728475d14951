// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A 1x1 convolution in the making, and its weights as each of its kernels reads them. Which
// dispatches there are is in op_pointwise.c. Internal to ops/.
#pragma once

#include "interface.h"
#include "ops/launch.h"

// Everything of a node that its dispatches share.
struct pointwise {
    const struct node *node;
    const struct folded *folded;
    const struct variant *variant;
    struct binding weights, table;
    int outputs, inputs, rows; // blocks; rows: of the padded tables
    bool squeeze;
    struct binding reduce, expand; // of squeeze-excite
    bool maxima;                   // leaves them, if one dispatch does all
    int logits;                    // channels that are class logits with maxima, or 0
};

// What of a node one dispatch does. Blocks: of the output from `first`, of the weights' rows from
// k_first, of the input from x_first.
struct pointwise_window {
    int first, count, k_first, k_count, x_first, x_count;
    int n_parts; // convolutions side by side
};

// Bias, and scale if there are several levels: [2][levels][rows][4].
// logits: channels that are class logits with maxima, or 0.
struct binding pointwise_pack_table(struct op_env *env, const struct folded *folded, int rows,
                                    int logits);
// Weights for pointwise_address.comp, of what one dispatch with so many rows of workgroups does:
// [rows][trips][variant->channels / 4][inputs of the trip][4 outputs], where the last trip of a row
// may have fewer inputs, and a gap after it.
struct binding pointwise_pack_address(struct op_env *env, const struct pointwise *op,
                                      const struct pointwise_window *window,
                                      const struct pointwise_push *push, uint32_t rows);
// Weights for pointwise_lanes.comp: [rows][table, then inputs][variant->channels as op_lane()
// says], where the table is [levels][bias, and scale if there are several levels].
struct binding pointwise_pack_lanes(struct op_env *env, const struct pointwise *op,
                                    const struct pointwise_window *window,
                                    const struct pointwise_push *push, uint32_t rows);
