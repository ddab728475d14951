// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Batch norms folded into convolutions: float arrays ready to be packed for a kernel. Folding is
// done in double.
#pragma once

#include "net/graph.h"
#include "weights/checkpoint.h"

// A convolution with everything that follows it linearly: y = scale[l] * conv(x, weight) + bias[l]
// when `scale` is set, else the scale is in the weights. Arrays are owned.
struct folded {
    int outputs, inputs, kernel; // weight: [outputs][inputs][kernel][kernel]; depthwise: inputs = 1
    int n_levels;                // sets of bias (and scale): 1, or one a level
    float *weight;
    float *bias;  // [n_levels][outputs]; zeros where the network has none
    float *scale; // [n_levels][outputs], or NULL when n_levels == 1 (folded into weight)
};
// Reads and folds the weights of a STEM, POINTWISE, DEPTHWISE or SUM_DEPTHWISE node, or the
// pointwise half of a SEPARABLE one. Its parts are stacked: outputs = channels of the node's output, in which those
// between the parts are zero.
bool fold_node(struct checkpoint *checkpoint, const struct graph *graph, const struct node *node,
               struct folded *folded, GError **error) WARN_UNUSED;
// Depthwise weights [inputs][3][3] of a part of a SEPARABLE node, owned; NULL with *error.
float *fold_depthwise(struct checkpoint *checkpoint, const struct part *part,
                      GError **error) WARN_UNUSED;
void folded_finish(struct folded *folded);
// SQUEEZE, POINTWISE with partial: FC1 [squeeze][C], bias [squeeze], FC2 [C][squeeze], bias [C];
// four owned arrays.
struct squeeze_weights {
    float *reduce, *reduce_bias, *expand, *expand_bias;
};
bool fold_squeeze(struct checkpoint *checkpoint, const struct graph *graph, const struct node *node,
                  struct squeeze_weights *weights, GError **error) WARN_UNUSED;
void squeeze_weights_finish(struct squeeze_weights *weights);
// NODE: the factors a_i of its inputs (spec 4.4); all 1 for FUSION_SUM.
bool fold_fusion(struct checkpoint *checkpoint, const struct node *node, float factors[MAX_INPUTS],
                 GError **error) WARN_UNUSED;
