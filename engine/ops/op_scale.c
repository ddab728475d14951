// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Every channel times its factor (the unfused graph's squeeze-excite).
#include "ops/ops.h"

bool op_scale_prepare(struct op_env *env, const struct node *node, GError **error)
{
    const struct value *output = graph_value(env->graph, node->output);
    const int values[] = {node->inputs[0], node->output};
    int window, blocks = channel_blocks(output->channels);
    if (!op_window(env, values, 2, &window, error)) {
        return false;
    }
    const struct variant *variant = plan_for(env->device, env->cpu_plan)->plain;
    for (int first = 0; first < blocks; first += window) {
        int count = MIN(window, blocks - first);
        struct slice x = op_slice(env, node->inputs[0], first, count, false);
        struct slice factors = op_slice(env, node->scale, first, count, false);
        struct slice y = op_slice(env, node->output, first, count, true);
        struct scale_push push = {.pixels = (uint32_t)output->pixels,
                                  .x_first = x.first,
                                  .x_pitch = x.pitch,
                                  .factors_first = factors.first,
                                  .factors_pitch = factors.pitch,
                                  .y_first = y.first,
                                  .y_pitch = y.pitch};
        struct launch launch;
        launch_init(&launch, env, node, "scale", variant);
        launch_bind(&launch, 0, x.binding);
        launch_bind_float(&launch, 1, factors.binding);
        launch_bind(&launch, 2, y.binding);
        launch.dispatch.flops = (double)output->pixels * 4 * count;
        if (!launch_emit(&launch, &push, sizeof push,
                         (uint32_t)ceil_div(output->pixels, variant->local), (uint32_t)count,
                         error)) {
            return false;
        }
    }
    return true;
}
