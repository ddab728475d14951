// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Fusion rules of the backbone's blocks: residual, squeeze-excite, expansion.
#include "net/fuse.h"
#include "net/tiles.h"

static bool is_plain_sum(const struct node *node)
{
    bool plain = node->op == OP_NODE && node->fusion == FUSION_SUM && node->act == ACT_NONE;
    for (int i = 0; i < node->n_inputs; i++) {
        plain = plain && node->resample[i] == RESAMPLE_NONE;
    }
    return plain;
}

// pointwise, then + block input: the pointwise adds it
void fuse_residual(struct pass *pass, int index)
{
    struct node *add = graph_node(pass->graph, index);
    if (!is_plain_sum(add) || add->n_inputs != 2) {
        return;
    }
    int from;
    struct node *pointwise = sole_producer(pass, add->inputs[0], OP_POINTWISE, &from);
    if (pointwise && pointwise->act == ACT_NONE && pointwise->residual < 0) {
        struct node merged = *pointwise;
        merged.residual = add->inputs[1];
        merged.output = add->output;
        *add = merged; // at the sum's place: the other operand is there by then
        kill_node(pass, from);
    }
}

// value * channel vector, then pointwise: the pointwise scales what it loads
void fuse_scale(struct pass *pass, int index)
{
    struct node *pointwise = graph_node(pass->graph, index);
    if (pointwise->op != OP_POINTWISE || pointwise->scale >= 0) {
        return;
    }
    int from;
    struct node *scale = sole_producer(pass, pointwise->inputs[0], OP_SCALE, &from);
    if (scale) {
        pointwise->inputs[0] = scale->inputs[0];
        pointwise->scale = scale->scale;
        kill_node(pass, from);
    }
}

// depthwise, mean, squeeze: the depthwise leaves partial sums, the squeeze reduces them
void fuse_squeeze(struct pass *pass, int index)
{
    struct node *squeeze = graph_node(pass->graph, index);
    if (squeeze->op != OP_SQUEEZE) {
        return;
    }
    int from;
    struct node *mean = sole_producer(pass, squeeze->partial, OP_MEAN, &from);
    int depthwise_index = mean ? producer(pass, mean->inputs[0]) : -1;
    if (depthwise_index < 0 || graph_node(pass->graph, depthwise_index)->op != OP_DEPTHWISE) {
        return;
    }
    struct node *depthwise = graph_node(pass->graph, depthwise_index);
    struct value *value = graph_value(pass->graph, depthwise->output);
    struct value *partial = graph_value(pass->graph, mean->output); // becomes the partial sums
    int tiles = depthwise_tiles(value->level[0].height, value->level[0].width);
    partial->pixels = tiles;
    partial->level[0] = (struct extent){1, tiles, 0};
    depthwise->partial = mean->output;
    squeeze->divisor = (double)value->level[0].height * value->level[0].width;
    kill_node(pass, from);
}

// squeeze, then pointwise that scales its input: the pointwise works the factors out itself
void fuse_squeeze_scale(struct pass *pass, int index)
{
    struct node *pointwise = graph_node(pass->graph, index);
    if (pointwise->op != OP_POINTWISE || pointwise->scale < 0) {
        return;
    }
    int from;
    struct node *squeeze = sole_producer(pass, pointwise->scale, OP_SQUEEZE, &from);
    if (!squeeze || squeeze->squeeze * graph_value(pass->graph, squeeze->output)->channels >
                        pass->options->squeeze_products) {
        return;
    }
    pointwise->scale = -1;
    pointwise->partial = squeeze->partial;
    pointwise->squeeze = squeeze->squeeze;
    pointwise->divisor = squeeze->divisor;
    pointwise->act_in = squeeze->act;
    g_strlcpy(pointwise->reduce, squeeze->reduce, NAME_SIZE);
    g_strlcpy(pointwise->reduce_bias, squeeze->reduce_bias, NAME_SIZE);
    g_strlcpy(pointwise->expand, squeeze->expand, NAME_SIZE);
    g_strlcpy(pointwise->expand_bias, squeeze->expand_bias, NAME_SIZE);
    kill_node(pass, from);
}

static bool is_expansion(const struct pass *pass, const struct node *pointwise,
                         const struct node *depthwise)
{
    const struct value *expanded = graph_value(pass->graph, pointwise->output);
    const struct value *input = graph_value(pass->graph, pointwise->inputs[0]);
    uint64_t elements =
        4 * (uint64_t)channel_blocks(expanded->channels) * (uint64_t)expanded->pixels;
    return pointwise->scale < 0 && pointwise->residual < 0 && pointwise->partial < 0 &&
           pointwise->n_parts == 1 && depthwise->n_parts == 1 &&
           pointwise->n_bn == depthwise->n_bn && pointwise->n_bn <= 1 &&
           pointwise->bn_eps == depthwise->bn_eps && expanded->n_levels == 1 &&
           elements >= pass->options->expand_elements && binds_whole(pass, input, input->channels);
}

// pointwise, then depthwise: what is between, the largest tensors of the network, is never stored
void fuse_expand(struct pass *pass, int index)
{
    struct node *depthwise = graph_node(pass->graph, index);
    int from;
    struct node *pointwise = depthwise->op == OP_DEPTHWISE
                                 ? sole_producer(pass, depthwise->inputs[0], OP_POINTWISE, &from)
                                 : NULL;
    if (!pointwise || !is_expansion(pass, pointwise, depthwise)) {
        return;
    }
    depthwise->op = OP_EXPAND_DEPTHWISE;
    depthwise->inputs[0] = pointwise->inputs[0];
    depthwise->act_in = pointwise->act;
    depthwise->parts[1] = depthwise->parts[0];
    depthwise->parts[0] = pointwise->parts[0];
    depthwise->n_parts = 2;
    if (depthwise->partial >= 0) {
        const struct extent *extent = &graph_value(pass->graph, depthwise->output)->level[0];
        struct value *partial = graph_value(pass->graph, depthwise->partial);
        partial->pixels = expand_depthwise_strips(extent->height, extent->width);
        partial->level[0] = (struct extent){1, partial->pixels, 0};
    }
    kill_node(pass, from);
}
