// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The second half of each op_STEM_prepare(), after the weights were read and folded: packs them and
// appends the dispatches. Tests call these with weights of their own.
#pragma once

#include "interface.h"
#include "ops/launch.h"

// Weights as several kernels read them (pack.c). rows: blocks of four outputs in the binding, at
// least the folded ones; a workgroup may read beyond those. 1x1, in the precision of the network:
// [rows][inputs / 4][4 outputs][4 inputs].
struct binding op_pack_pointwise(struct op_env *env, const struct folded *folded, int rows);
// [rows][kernel * kernel][4], in the precision of the network.
struct binding op_pack_depthwise(struct op_env *env, const struct folded *folded, int rows);
// For kernels that read weights by address, 32-bit: [outputs / 4][kernel * kernel taps, bias][4].
struct binding op_pack_depthwise_blocks(struct op_env *env, const struct folded *folded);
// For the lanes kernels, 32-bit: [outputs / 4][bias, kernel * kernel taps, zeros for a row of
// taps][two pixels][4].
struct binding op_pack_depthwise_lanes(struct op_env *env, const struct folded *folded);
// Where the lanes kernels have a channel in a row of weights: of each sixteen, the even ones come
// before the odd ones.
int op_lane(int channel);
// [rows][4], 32-bit.
struct binding op_pack_bias(struct op_env *env, const struct folded *folded, int rows);

bool op_stem_dispatch(struct op_env *env, const struct node *node, const struct folded *folded,
                      GError **error) WARN_UNUSED;
bool op_conv_dispatch(struct op_env *env, const struct node *node, const struct folded *folded,
                      GError **error) WARN_UNUSED;
bool op_pointwise_dispatch(struct op_env *env, const struct node *node, const struct folded *folded,
                           GError **error) WARN_UNUSED;
bool op_depthwise_dispatch(struct op_env *env, const struct node *node, const struct folded *folded,
                           GError **error) WARN_UNUSED;
bool op_expand_depthwise_dispatch(struct op_env *env, const struct node *node,
                                  const struct folded *expand, const struct folded *depthwise,
                                  GError **error) WARN_UNUSED;
bool op_squeeze_dispatch(struct op_env *env, const struct node *node,
                         const struct squeeze_weights *weights, GError **error) WARN_UNUSED;
// The weights of squeeze-excite as its kernels read them.
void op_squeeze_pack(struct op_env *env, const struct squeeze_weights *weights, int channels,
                     int hidden, struct binding *reduce, struct binding *expand);
// op_pointwise_dispatch() with the weights of a node with partial sums; NULL for others.
bool op_pointwise_squeeze_dispatch(struct op_env *env, const struct node *node,
                                   const struct folded *folded,
                                   const struct squeeze_weights *squeeze,
                                   GError **error) WARN_UNUSED;
bool op_node_dispatch(struct op_env *env, const struct node *node, const float factors[MAX_INPUTS],
                      GError **error) WARN_UNUSED;
bool op_sum_depthwise_dispatch(struct op_env *env, const struct node *node,
                               const struct folded *folded, const float factors[MAX_INPUTS],
                               GError **error) WARN_UNUSED;
// How many partial sums of each channel a convolution left in a value: where it was prepared and
// leaves fewer than the value has room for (each tile of lanes, or each workgroup, one), those.
int op_partials(const struct op_env *env, int value);
