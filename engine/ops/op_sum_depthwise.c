// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Weighted sum of resampled inputs, activation, and the depthwise convolution 3x3 of that: nodes of
// the feature pyramid where a dispatch costs more than sums at the edges of tiles again.
#include "ops/ops.h"

#include "effdet/effdet.h"

#include <limits.h>
#include <math.h>

#define MAX_ROWS 32
#define INPUT_TERMS 3       // multiply-adds that load an input of a sum for four channels,
#define ACTIVATION_TERMS 12 // and its activation, take the time of

struct shape {
    struct extent extent;
    int blocks, n_inputs;
    int groups; // that a dispatch may have in one dimension
    bool bilinear;
};

static int tiles_of(const struct shape *shape, const struct variant *variant, int rows)
{
    return ceil_div(shape->extent.width, variant->cols) * ceil_div(shape->extent.height, rows);
}

// Every tile forms the sums of its border too: long ones few, but then lanes have no tile.
static double cost_of_rows(const struct class_plan *plan, const struct variant *variant,
                           const struct shape *shape, int rows)
{
    int groups_x = ceil_div(tiles_of(shape, variant, rows), variant_tiles(variant));
    if (groups_x > shape->groups || (variant->lanes && shape->bilinear)) {
        return INFINITY;
    }
    double sums = (double)(rows + 2) * (variant->cols + 2) / variant->cols;
    double terms = rows * 9 + sums * (INPUT_TERMS * shape->n_inputs + ACTIVATION_TERMS);
    return variant_cost(plan, variant, (double)groups_x * shape->blocks, terms / variant->rows);
}

static int best_rows(const struct class_plan *plan, const struct variant *variant,
                     const struct shape *shape)
{
    if (variant->lanes) { // rows are unrolled
        return variant->rows;
    }
    int best = 1;
    for (int rows = 2; rows <= MAX_ROWS; rows *= 2) {
        if (cost_of_rows(plan, variant, shape, rows) < cost_of_rows(plan, variant, shape, best)) {
            best = rows;
        }
    }
    return best;
}

static double cost(const struct class_plan *plan, const struct variant *variant, const void *data)
{
    return cost_of_rows(plan, variant, data, best_rows(plan, variant, data));
}

// The best variant; a forced one that has no bilinear inputs is passed over.
static const struct variant *choose(const struct op_env *env, const struct shape *shape,
                                    GError **error)
{
    const struct variant *variant = op_choose(env, "sum_depthwise", cost, shape, error);
    if (variant && variant->lanes && shape->bilinear) {
        const struct class_plan *plan = plan_for(env->device, env->cpu_plan);
        variant = variant_find(variants_of(plan, "sum_depthwise"), "address4");
    }
    return variant;
}

static bool check(const struct op_env *env, const struct node *node, const struct folded *folded,
                  GError **error)
{
    const struct value *output = graph_value(env->graph, node->output);
    const struct extent *out = &output->level[0];
    bool fits = folded->kernel == 3 && folded->outputs == output->channels &&
                folded->n_levels == 1 && output->n_levels == 1 && node->stride == 1 &&
                node->partial < 0 && out->height < 65536 && out->width < 65536;
    for (int i = 0; fits && i < node->n_inputs; i++) {
        const struct value *input = graph_value(env->graph, node->inputs[i]);
        const struct extent *in = &input->level[0];
        fits = input->channels == output->channels && input->n_levels == 1 && in->height < 65536 &&
               in->width < 65536;
        if (node->resample[i] == RESAMPLE_NONE) {
            fits = fits && in->height == out->height && in->width == out->width;
        } else if (node->resample[i] == RESAMPLE_MAXPOOL) {
            fits = fits && out->height == conv_output_size(in->height, 2) &&
                   out->width == conv_output_size(in->width, 2);
        }
    }
    if (!fits) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED,
                    "node '%s': its %d inputs do not give %d channels of %dx%d by a depthwise "
                    "convolution 3x3, stride 1",
                    node->name, node->n_inputs, output->channels, out->width, out->height);
    }
    return fits;
}

// Everything that the dispatches of a node share.
struct sums {
    const struct node *node;
    const float *factors;
    const struct variant *variant;
    int rows;
    struct binding weights, bias;
};

static void bind_inputs(struct launch *launch, const struct sums *op, int first, int count,
                        struct sum_depthwise_push *push)
{
    const struct node *node = op->node;
    for (int i = 0; i < MAX_INPUTS; i++) {
        int source = MIN(i, node->n_inputs - 1); // absent inputs need a binding all the same
        struct slice x = op_slice(launch->env, node->inputs[source], first, count, false);
        launch_bind(launch, i, x.binding);
        launch_spec(launch, SUMS_SPEC_RESAMPLE + i,
                    i < node->n_inputs ? (uint32_t)node->resample[i] : RESAMPLING_ABSENT);
        push->x_first[i] = launch->variant->lanes ? launch_from_start(launch, x, false) : x.first;
        push->x_pitch[i] = x.pitch;
        push->x_size[i] =
            packed_size(graph_value(launch->env->graph, node->inputs[source])->level[0]);
        push->factor[i] = op->factors[source];
    }
}

static bool emit_window(struct op_env *env, const struct sums *op, int first, int count,
                        GError **error)
{
    const struct node *node = op->node;
    const struct value *output = graph_value(env->graph, node->output);
    const struct extent *out = &output->level[0];
    struct slice y = op_slice(env, node->output, first, count, true);
    struct sum_depthwise_push push = {
        .tiles_x = (uint32_t)ceil_div(out->width, op->variant->cols),
        .rows = (uint32_t)op->rows,
        .block_first = (uint32_t)first,
        .y_first = y.first,
        .y_pitch = y.pitch,
        .y_size = packed_size(*out),
    };
    push.tiles = push.tiles_x * (uint32_t)ceil_div(out->height, op->rows);
    struct launch launch;
    launch_init(&launch, env, node, "sum_depthwise", op->variant);
    launch_spec(&launch, SUMS_SPEC_INPUT_ACTIVATION, (uint32_t)node->act_in);
    launch_spec(&launch, SUMS_SPEC_SYMMETRIC, node->pad == PAD_SYMMETRIC);
    launch_spec(&launch, SUMS_SPEC_ZERO, node->pool_padding == POOL_PAD_ZERO);
    bind_inputs(&launch, op, first, count, &push);
    launch_bind(&launch, 4, y.binding);
    if (op->variant->address) {
        launch_bind_address(&launch, 5, op->weights);
    } else {
        launch_bind(&launch, 5, op->weights);
    }
    launch_bind_float(&launch, 6, op->bias); // by address: the weights again
    if (op->variant->lanes) {
        push.y_first = launch_from_start(&launch, y, false);
    }
    launch.dispatch.flops =
        2.0 * output->pixels * MIN(4 * count, output->channels) * (node->n_inputs + 9);
    return launch_emit(&launch, &push, sizeof push,
                       (uint32_t)ceil_div((int)push.tiles, variant_tiles(op->variant)),
                       (uint32_t)count, error);
}

bool op_sum_depthwise_dispatch(struct op_env *env, const struct node *node,
                               const struct folded *folded, const float factors[MAX_INPUTS],
                               GError **error)
{
    int values[MAX_INPUTS + 1], n = 0, window, blocks = channel_blocks(folded->outputs);
    for (int i = 0; i < node->n_inputs; i++) {
        values[n++] = node->inputs[i];
    }
    values[n++] = node->output;
    if (!check(env, node, folded, error) || !op_window(env, values, n, &window, error)) {
        return false;
    }
    struct shape shape = {graph_value(env->graph, node->output)->level[0], MIN(window, blocks),
                          node->n_inputs, (int)MIN(env->device->limits.max_group_count[0], INT_MAX),
                          false};
    struct sums op = {.node = node, .factors = factors};
    for (int i = 0; i < node->n_inputs; i++) {
        shape.bilinear = shape.bilinear || node->resample[i] == RESAMPLE_BILINEAR;
    }
    op.variant = choose(env, &shape, error);
    if (!op.variant) {
        return false;
    }
    op.rows = best_rows(plan_for(env->device, env->cpu_plan), op.variant, &shape);
    if (op.variant->lanes) {
        op.weights = op.bias = op_pack_depthwise_lanes(env, folded);
    } else if (op.variant->address) {
        op.weights = op.bias = op_pack_depthwise_blocks(env, folded);
    } else {
        op.weights = op_pack_depthwise(env, folded, blocks);
        op.bias = op_pack_bias(env, folded, blocks);
    }
    for (int first = 0; first < blocks; first += window) {
        if (!emit_window(env, &op, first, MIN(window, blocks - first), error)) {
            return false;
        }
    }
    return true;
}

bool op_sum_depthwise_prepare(struct op_env *env, const struct node *node, GError **error)
{
    float factors[MAX_INPUTS];
    struct folded folded = {0};
    bool ok = fold_node(env->checkpoint, env->graph, node, &folded, error) &&
              fold_fusion(env->checkpoint, node, factors, error) &&
              op_sum_depthwise_dispatch(env, node, &folded, factors, error);
    folded_finish(&folded);
    return ok;
}
