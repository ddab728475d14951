// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Weighted sum of resampled inputs with activation: pyramid nodes, additions, pools, resampling.
#include "ops/ops.h"

#include "effdet/effdet.h"

_Static_assert(NODE_INPUTS == MAX_INPUTS && RESAMPLING_NONE == RESAMPLE_NONE &&
                   RESAMPLING_NEAREST == RESAMPLE_NEAREST &&
                   RESAMPLING_BILINEAR == RESAMPLE_BILINEAR &&
                   RESAMPLING_MAXPOOL == RESAMPLE_MAXPOOL,
               "shaders/interface.h repeats net/graph.h");

static bool check(const struct op_env *env, const struct node *node, GError **error)
{
    const struct value *output = graph_value(env->graph, node->output);
    for (int i = 0; i < node->n_inputs; i++) {
        const struct value *input = graph_value(env->graph, node->inputs[i]);
        const struct extent *in = &input->level[0], *out = &output->level[0];
        bool fits = input->channels == output->channels;
        if (node->resample[i] == RESAMPLE_NONE) {
            fits = fits && input->pixels == output->pixels;
        } else {
            fits = fits && input->n_levels == 1 && output->n_levels == 1 && in->height < 65536 &&
                   in->width < 65536;
        }
        if (node->resample[i] == RESAMPLE_MAXPOOL) {
            fits = fits && out->height == conv_output_size(in->height, 2) &&
                   out->width == conv_output_size(in->width, 2);
        }
        if (!fits) {
            g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED,
                        "node '%s': input %d of %d channels, %dx%d, does not give %d of %dx%d",
                        node->name, i, input->channels, in->width, in->height, output->channels,
                        out->width, out->height);
            return false;
        }
    }
    return true;
}

static bool emit_window(struct op_env *env, const struct node *node, const float *factors,
                        int first, int count, GError **error)
{
    const struct class_plan *plan = plan_for(env->device, env->cpu_plan);
    const struct value *output = graph_value(env->graph, node->output);
    struct slice y = op_slice(env, node->output, first, count, true);
    struct node_push push = {.pixels = (uint32_t)output->pixels,
                             .blocks = (uint32_t)count,
                             .y_first = y.first,
                             .y_pitch = y.pitch,
                             .y_size = packed_size(output->level[0])};
    int blocks = plan->node_blocks;
    bool flat = true;
    struct launch launch;
    launch_init(&launch, env, node, "node", plan->plain);
    for (int i = 0; i < MAX_INPUTS; i++) {
        int source = MIN(i, node->n_inputs - 1); // absent inputs need a binding all the same
        struct slice x = op_slice(env, node->inputs[source], first, count, false);
        launch_bind(&launch, i, x.binding);
        if (i >= node->n_inputs) {
            launch_spec(&launch, NODE_SPEC_RESAMPLE + i, RESAMPLING_ABSENT);
            continue;
        }
        launch_spec(&launch, NODE_SPEC_RESAMPLE + i, (uint32_t)node->resample[i]);
        flat = flat && node->resample[i] == RESAMPLE_NONE;
        push.x_first[i] = x.first;
        push.x_pitch[i] = x.pitch;
        push.x_size[i] = packed_size(graph_value(env->graph, node->inputs[i])->level[0]);
        push.factor[i] = factors[i];
    }
    launch_spec(&launch, NODE_SPEC_FLAT, flat);
    launch_spec(&launch, NODE_SPEC_SYMMETRIC, node->pad == PAD_SYMMETRIC);
    launch_spec(&launch, NODE_SPEC_ZERO, node->pool_padding == POOL_PAD_ZERO);
    launch_spec(&launch, NODE_SPEC_BLOCKS, (uint32_t)blocks);
    launch_bind(&launch, MAX_INPUTS, y.binding);
    launch.dispatch.flops = 2.0 * node->n_inputs * output->pixels * 4 * count;
    return launch_emit(&launch, &push, sizeof push,
                       (uint32_t)ceil_div(output->pixels, plan->plain->local),
                       (uint32_t)ceil_div(count, blocks), error);
}

bool op_node_dispatch(struct op_env *env, const struct node *node, const float factors[MAX_INPUTS],
                      GError **error)
{
    int values[MAX_INPUTS + 1], n = 0;
    for (int i = 0; i < node->n_inputs; i++) {
        values[n++] = node->inputs[i];
    }
    values[n++] = node->output;
    int window, blocks = channel_blocks(graph_value(env->graph, node->output)->channels);
    if (!check(env, node, error) || !op_window(env, values, n, &window, error)) {
        return false;
    }
    for (int first = 0; first < blocks; first += window) {
        if (!emit_window(env, node, factors, first, MIN(window, blocks - first), error)) {
            return false;
        }
    }
    return true;
}

bool op_node_prepare(struct op_env *env, const struct node *node, GError **error)
{
    float factors[MAX_INPUTS];
    return fold_fusion(env->checkpoint, node, factors, error) &&
           op_node_dispatch(env, node, factors, error);
}
