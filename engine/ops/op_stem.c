// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The first convolution: weights [outputs / 4][4][3 * 3][R, G, B, 0].
#include "ops/ops.h"

#include "effdet/effdet.h"

#define MAX_TILE_BLOCKS 4 // channel blocks of the largest tile
#define TAPS 9

struct shape {
    int pixels, blocks;
};

static double cost(const struct class_plan *plan, const struct variant *variant, const void *data)
{
    const struct shape *shape = data;
    double groups = (double)ceil_div(shape->pixels, variant_pixels(variant)) *
                    ceil_div(shape->blocks * 4, variant->channels);
    return variant_cost(plan, variant, groups, 3 * TAPS);
}

// For stem_lanes.comp, of the blocks of a window: eight zeros, then [rows of workgroups][bias, then
// 9 taps of 3 colours][variant->channels in the order of lanes].
static struct binding pack_lanes(struct op_env *env, const struct folded *folded, int tile,
                                 int first, int count)
{
    const int entries = 1 + 3 * TAPS, end = MIN(folded->outputs, 4 * (first + count));
    const size_t floats = 8 + (size_t)ceil_div(4 * count, tile) * (size_t)(entries * tile);
    g_autofree float *packed = g_new0(float, floats);
    for (int o = 4 * first; o < end; o++) {
        const int in = o - 4 * first;
        float *to = packed + 8 + in / tile * entries * tile + op_lane(in % tile);
        to[0] = folded->bias[o];
        for (int i = 0; i < 3 * TAPS; i++) {
            to[(1 + i % TAPS * 3 + i / TAPS) * tile] = folded->weight[o * 3 * TAPS + i];
        }
    }
    return op_pack(env, packed, floats, false);
}

static bool emit_window(struct op_env *env, const struct node *node, const struct folded *folded,
                        const struct variant *variant, struct binding weights, struct binding bias,
                        int first, int count, GError **error)
{
    const struct value *input = graph_value(env->graph, node->inputs[0]);
    const struct value *output = graph_value(env->graph, node->output);
    struct slice x = op_slice(env, node->inputs[0], 0, 1, false);
    struct slice y = op_slice(env, node->output, first, count, true);
    struct extent from = input->level[0];
    struct stem_push push = {
        .pixels = (uint32_t)output->pixels,
        .blocks = (uint32_t)count,
        .block_first = (uint32_t)first,
        .x_first = x.first,
        .x_width = (uint32_t)from.width,
        .x_height = (uint32_t)from.height,
        .y_first = y.first,
        .y_pitch = y.pitch,
        .y_width = (uint32_t)output->level[0].width,
        .pad_x = pad_before(node->pad, from.width, 3, 2),
        .pad_y = pad_before(node->pad, from.height, 3, 2),
    };
    struct launch launch;
    launch_init(&launch, env, node, "stem", variant);
    launch_bind(&launch, 0, x.binding);
    if (variant->lanes) {
        weights = bias = pack_lanes(env, folded, variant->channels, first, count);
        push.x_first = launch_from_start(&launch, x, false);
        push.y_first = launch_from_start(&launch, y, false);
    }
    if (variant->address) {
        launch_bind_address(&launch, 1, weights);
    } else {
        launch_bind(&launch, 1, weights);
    }
    launch_bind_float(&launch, 2, bias);
    launch_bind(&launch, 3, y.binding);
    launch.dispatch.flops = 2.0 * output->pixels * MIN(4 * count, output->channels) * 3 * TAPS;
    return launch_emit(&launch, &push, sizeof push,
                       (uint32_t)ceil_div(output->pixels, variant_pixels(variant)),
                       (uint32_t)ceil_div(4 * count, variant->channels), error);
}

// For stem_address.comp: [outputs / 4][9 taps of 3 colours, then the bias][4].
static struct binding pack_blocks(struct op_env *env, const struct folded *folded)
{
    const int rows = 3 * TAPS + 1;
    const size_t count = (size_t)channel_blocks(folded->outputs) * (size_t)rows * 4;
    g_autofree float *packed = g_new0(float, count);
    for (int o = 0; o < folded->outputs; o++) {
        float *to = packed + o / 4 * rows * 4 + o % 4;
        for (int i = 0; i < 3 * TAPS; i++) {
            to[(i % TAPS * 3 + i / TAPS) * 4] = folded->weight[o * 3 * TAPS + i];
        }
        to[3 * TAPS * 4] = folded->bias[o];
    }
    return op_pack(env, packed, count, false);
}

static void pack_tables(struct op_env *env, const struct folded *folded, struct binding *weights,
                        struct binding *bias)
{
    // a tile at the end of a window may reach past the last
    const int rows = channel_blocks(folded->outputs) + MAX_TILE_BLOCKS - 1;
    g_autofree float *packed = g_new0(float, (size_t)rows * 4 * TAPS * 4);
    g_autofree float *table = g_new0(float, (size_t)rows * 4);
    for (int o = 0; o < folded->outputs; o++) {
        table[o] = folded->bias[o];
        for (int c = 0; c < 3; c++) {
            for (int t = 0; t < TAPS; t++) {
                packed[(o * TAPS + t) * 4 + c] = folded->weight[(o * 3 + c) * TAPS + t];
            }
        }
    }
    *weights = op_pack(env, packed, (size_t)rows * 4 * TAPS * 4, env->half);
    *bias = op_pack(env, table, (size_t)rows * 4, false);
}

bool op_stem_dispatch(struct op_env *env, const struct node *node, const struct folded *folded,
                      GError **error)
{
    int window, input_window, blocks = channel_blocks(folded->outputs);
    if (folded->inputs != 3 || folded->kernel != 3 || node->stride != 2) {
        g_set_error(
            error, EFFDET_ERROR, EFFDET_ERROR_FAILED,
            "node '%s': a stem is 3x3, stride 2, of 3 channels, not %dx%d, stride %d, of %d",
            node->name, folded->kernel, folded->kernel, node->stride, folded->inputs);
        return false;
    }
    if (!op_window(env, &node->output, 1, &window, error) ||
        !op_window(env, &node->inputs[0], 1, &input_window, error)) {
        return false;
    }
    struct shape shape = {graph_value(env->graph, node->output)->pixels, MIN(window, blocks)};
    const struct variant *variant = op_choose(env, "stem", cost, &shape, error);
    if (!variant) {
        return false;
    }
    struct binding weights = {0}, bias = {0};
    if (variant->lanes) {
        // by window
    } else if (variant->address) {
        weights = bias = pack_blocks(env, folded);
    } else {
        pack_tables(env, folded, &weights, &bias);
    }
    for (int first = 0; first < blocks; first += window) {
        if (!emit_window(env, node, folded, variant, weights, bias, first,
                         MIN(window, blocks - first), error)) {
            return false;
        }
    }
    return true;
}

bool op_stem_prepare(struct op_env *env, const struct node *node, GError **error)
{
    struct folded folded = {0};
    bool ok = fold_node(env->checkpoint, env->graph, node, &folded, error) &&
              op_stem_dispatch(env, node, &folded, error);
    folded_finish(&folded);
    return ok;
}
