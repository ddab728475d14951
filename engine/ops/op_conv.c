// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Dense convolution: weights [outputs / 4][k * k][inputs / 4][4 outputs][4 inputs].
#include "ops/ops.h"

#include "effdet/effdet.h"

#include <math.h>

#define MAX_TILE_BLOCKS 4 // channel blocks of the largest tile

struct shape {
    int pixels, blocks, terms;
    int groups; // that a dispatch may have in one dimension
};

static double cost(const struct class_plan *plan, const struct variant *variant, const void *data)
{
    const struct shape *shape = data;
    int groups_x = ceil_div(shape->pixels, variant->local * variant->cols);
    if (groups_x > shape->groups) {
        return INFINITY;
    }
    double groups = (double)groups_x * ceil_div(shape->blocks * 4, variant->channels);
    return variant_cost(plan, variant, groups, shape->terms);
}

// Everything of a node that its dispatches share.
struct conv {
    const struct node *node;
    const struct folded *folded;
    const struct variant *variant;
    struct binding weights, bias;
};

static bool emit_window(struct op_env *env, const struct conv *op, int first, int count,
                        GError **error)
{
    const struct node *node = op->node;
    const struct variant *variant = op->variant;
    const struct value *output = graph_value(env->graph, node->output);
    const struct extent from = graph_value(env->graph, node->inputs[0])->level[0];
    const int inputs = channel_blocks(op->folded->inputs);
    struct slice x = op_slice(env, node->inputs[0], 0, inputs, false);
    struct slice y = op_slice(env, node->output, first, count, true);
    struct conv_push push = {
        .pixels = (uint32_t)output->pixels,
        .blocks = (uint32_t)count,
        .block_first = (uint32_t)first,
        .x_blocks = (uint32_t)inputs,
        .x_first = x.first,
        .x_pitch = x.pitch,
        .x_width = (uint32_t)from.width,
        .x_height = (uint32_t)from.height,
        .y_first = y.first,
        .y_pitch = y.pitch,
        .y_width = (uint32_t)output->level[0].width,
        .pad_x = pad_before(node->pad, from.width, node->kernel, node->stride),
        .pad_y = pad_before(node->pad, from.height, node->kernel, node->stride),
    };
    struct launch launch;
    launch_init(&launch, env, node, "conv", variant);
    launch_spec(&launch, CONV_SPEC_KERNEL, (uint32_t)node->kernel);
    launch_spec(&launch, CONV_SPEC_STRIDE, (uint32_t)node->stride);
    launch_bind(&launch, 0, x.binding);
    launch_bind(&launch, 1, op->weights);
    launch_bind_float(&launch, 2, op->bias);
    launch_bind(&launch, 3, y.binding);
    launch.dispatch.flops = 2.0 * output->pixels * MIN(4 * count, output->channels) *
                            op->folded->inputs * node->kernel * node->kernel;
    return launch_emit(&launch, &push, sizeof push,
                       (uint32_t)ceil_div(output->pixels, variant->local * variant->cols),
                       (uint32_t)ceil_div(4 * count, variant->channels), error);
}

static struct binding pack_weights(struct op_env *env, const struct folded *folded, int rows)
{
    const size_t taps = (size_t)folded->kernel * (size_t)folded->kernel;
    const size_t inputs = (size_t)channel_blocks(folded->inputs);
    const size_t count = (size_t)rows * taps * inputs * 16;
    g_autofree float *packed = g_new0(float, count);
    for (int o = 0; o < folded->outputs; o++) {
        for (int i = 0; i < folded->inputs; i++) {
            const float *from =
                folded->weight + ((size_t)o * (size_t)folded->inputs + (size_t)i) * taps;
            for (size_t t = 0; t < taps; t++) {
                size_t block = ((size_t)(o / 4) * taps + t) * inputs + (size_t)(i / 4);
                packed[block * 16 + (size_t)(o % 4 * 4 + i % 4)] = from[t];
            }
        }
    }
    return op_pack(env, packed, count, env->half);
}

bool op_conv_dispatch(struct op_env *env, const struct node *node, const struct folded *folded,
                      GError **error)
{
    int most, blocks = channel_blocks(folded->outputs);
    // a tile at the end of a window may reach past the last
    int rows = blocks + MAX_TILE_BLOCKS - 1;
    if (!op_window(env, &node->output, 1, &most, error)) {
        return false;
    }
    struct shape shape = {.pixels = graph_value(env->graph, node->output)->pixels,
                          .blocks = MIN(most, blocks),
                          .terms = folded->inputs * folded->kernel * folded->kernel,
                          .groups = (int)MIN(env->device->limits.max_group_count[0], G_MAXINT)};
    struct conv op = {node, folded, op_choose(env, "conv", cost, &shape, error), {0}, {0}};
    if (!op.variant) {
        return false;
    }
    op.weights = pack_weights(env, folded, rows);
    op.bias = op_pack_bias(env, folded, rows);
    for (int first = 0; first < blocks; first += most) {
        if (!emit_window(env, &op, first, MIN(most, blocks - first), error)) {
            return false;
        }
    }
    return true;
}

bool op_conv_prepare(struct op_env *env, const struct node *node, GError **error)
{
    struct folded folded = {0};
    bool ok = fold_node(env->checkpoint, env->graph, node, &folded, error) &&
              op_conv_dispatch(env, node, &folded, error);
    folded_finish(&folded);
    return ok;
}
