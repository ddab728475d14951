// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// 1x1 convolution and the depthwise one after it in one dispatch. Weights: [outputs / 4][inputs /
// 4][4][4] and [outputs / 4][k * k][4], both padded so that a workgroup may reach past the last
// row.
#include "ops/ops.h"

#include "effdet/effdet.h"
#include "net/tiles.h"

_Static_assert(EXPAND_TILE == EXPAND_DEPTHWISE_TILE && EXPAND_STRIP == EXPAND_DEPTHWISE_STRIP,
               "the graph sizes the partial sums");

#define LOCAL (EXPAND_TILE * EXPAND_TILE)

static const struct variant variant = {
    .tile = "", .channels = 4, .rows = 1, .cols = 1, .local = LOCAL, .rate = 1};

// Everything that the dispatches of a node share.
struct expansion {
    const struct node *node;
    struct binding expand, expand_bias, depthwise, depthwise_bias;
    int inputs, outputs; // blocks
    int blocks;          // of a workgroup
};

static void fill_push(struct expand_depthwise_push *push, const struct node *node,
                      const struct extent *in, const struct extent *out)
{
    push->x_size = packed_size(*in);
    push->tiles_x = (uint32_t)ceil_div(out->width, EXPAND_TILE);
    push->tiles = push->tiles_x * (uint32_t)ceil_div(out->height, EXPAND_TILE);
    push->pad_x = pad_before(node->pad, in->width, node->kernel, node->stride);
    push->pad_y = pad_before(node->pad, in->height, node->kernel, node->stride);
}

// Output blocks first..first + count - 1.
static bool emit_window(struct op_env *env, const struct expansion *op, int first, int count,
                        GError **error)
{
    const struct node *node = op->node;
    const struct value *input = graph_value(env->graph, node->inputs[0]);
    const struct value *output = graph_value(env->graph, node->output);
    struct slice x = op_slice(env, node->inputs[0], 0, op->inputs, false);
    struct slice y = op_slice(env, node->output, first, count, true);
    struct expand_depthwise_push push = {.inputs = (uint32_t)op->inputs,
                                         .blocks = (uint32_t)count,
                                         .block_first = (uint32_t)first,
                                         .x_first = x.first,
                                         .x_pitch = x.pitch,
                                         .y_first = y.first,
                                         .y_pitch = y.pitch};
    fill_push(&push, node, &input->level[0], &output->level[0]);
    struct launch launch;
    launch_init(&launch, env, node, "expand_depthwise", &variant);
    g_autofree char *suffix = g_strdup_printf("_k%ds%d", node->kernel, node->stride);
    launch.suffix = suffix;
    launch_spec(&launch, EXPAND_SPEC_INNER_ACTIVATION, (uint32_t)node->act_in);
    launch_spec(&launch, EXPAND_SPEC_PARTIAL, node->partial >= 0);
    launch_bind(&launch, 0, x.binding);
    launch_bind(&launch, 1, op->expand);
    launch_bind_float(&launch, 2, op->expand_bias);
    launch_bind(&launch, 3, y.binding);
    launch_bind_float(&launch, 4, y.binding); // unless there are partial sums
    launch_bind(&launch, 5, op->depthwise);
    launch_bind_float(&launch, 6, op->depthwise_bias);
    if (node->partial >= 0) {
        struct slice partial = op_slice(env, node->partial, first, count, true);
        push.partial_first = partial.first;
        push.partial_pitch = partial.pitch;
        launch_bind_float(&launch, 4, partial.binding);
    }
    launch.dispatch.flops = 2.0 * MIN(4 * count, output->channels) *
                            ((double)input->pixels * input->channels +
                             (double)output->pixels * node->kernel * node->kernel);
    // x: workgroups that read the same pixels run next to each other
    return launch_emit(&launch, &push, sizeof push, (uint32_t)ceil_div(count, op->blocks),
                       (uint32_t)ceil_div((int)push.tiles, EXPAND_STRIP), error);
}

static bool check(const struct op_env *env, const struct node *node, const struct folded *expand,
                  const struct folded *depthwise, GError **error)
{
    const struct value *input = graph_value(env->graph, node->inputs[0]);
    const struct value *output = graph_value(env->graph, node->output);
    const struct extent *in = &input->level[0], *out = &output->level[0];
    bool fits = input->channels == expand->inputs && output->channels == expand->outputs &&
                output->channels == depthwise->outputs && expand->n_levels == 1 &&
                depthwise->n_levels == 1 && input->n_levels == 1 && output->n_levels == 1 &&
                (node->kernel == 3 || node->kernel == 5) && node->stride >= 1 &&
                node->stride <= 2 && in->height < 65536 && in->width < 65536 &&
                out->height == conv_output_size(in->height, node->stride) &&
                out->width == conv_output_size(in->width, node->stride);
    if (node->partial >= 0) {
        fits = fits && graph_value(env->graph, node->partial)->pixels ==
                           expand_depthwise_strips(out->height, out->width);
    }
    if (!fits) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED,
                    "node '%s': no expansion and depthwise %dx%d, stride %d, from %d channels of "
                    "%dx%d to %d of %dx%d",
                    node->name, node->kernel, node->kernel, node->stride, input->channels,
                    in->width, in->height, output->channels, out->width, out->height);
    }
    return fits;
}

bool op_expand_depthwise_dispatch(struct op_env *env, const struct node *node,
                                  const struct folded *expand, const struct folded *depthwise,
                                  GError **error)
{
    const int written[] = {node->output, node->partial};
    int window, x_window;
    if (!check(env, node, expand, depthwise, error) ||
        !op_window(env, written, 2, &window, error) ||
        !op_window(env, &node->inputs[0], 1, &x_window, error)) {
        return false;
    }
    struct expansion op = {.node = node,
                           .inputs = channel_blocks(expand->inputs),
                           .outputs = channel_blocks(expand->outputs),
                           .blocks = EXPAND_BLOCKS(env->half, node->stride)};
    if (x_window < op.inputs) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED,
                    "node '%s' needs all %d input channels at once, more than this device binds: "
                    "use a smaller input size or the plan for CPUs",
                    node->name, expand->inputs);
        return false;
    }
    int rows = op.outputs + op.blocks;
    op.expand = op_pack_pointwise(env, expand, rows);
    op.expand_bias = op_pack_bias(env, expand, rows);
    op.depthwise = op_pack_depthwise(env, depthwise, rows);
    op.depthwise_bias = op_pack_bias(env, depthwise, rows);
    for (int first = 0; first < op.outputs; first += window) {
        if (!emit_window(env, &op, first, MIN(window, op.outputs - first), error)) {
            return false;
        }
    }
    return true;
}

bool op_expand_depthwise_prepare(struct op_env *env, const struct node *node, GError **error)
{
    struct folded folded[2] = {0};
    static const enum op halves[] = {OP_POINTWISE, OP_DEPTHWISE};
    bool ok = true;
    for (int i = 0; i < 2 && ok; i++) {
        struct node half = *node;
        half.op = halves[i];
        half.parts[0] = node->parts[i];
        half.n_parts = 1;
        ok = fold_node(env->checkpoint, env->graph, &half, &folded[i], error);
    }
    ok = ok && op_expand_depthwise_dispatch(env, node, &folded[0], &folded[1], error);
    folded_finish(&folded[0]);
    folded_finish(&folded[1]);
    return ok;
}
