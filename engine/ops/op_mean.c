// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Global average of every channel (the unfused graph's squeeze-excite).
#include "ops/ops.h"

bool op_mean_prepare(struct op_env *env, const struct node *node, GError **error)
{
    const struct value *input = graph_value(env->graph, node->inputs[0]);
    int window, blocks = channel_blocks(input->channels);
    if (!op_window(env, &node->inputs[0], 1, &window, error)) {
        return false;
    }
    for (int first = 0; first < blocks; first += window) {
        int count = MIN(window, blocks - first);
        struct slice x = op_slice(env, node->inputs[0], first, count, false);
        struct slice y = op_slice(env, node->output, first, count, true);
        struct mean_push push = {.pixels = (uint32_t)input->pixels,
                                 .x_first = x.first,
                                 .x_pitch = x.pitch,
                                 .y_first = y.first,
                                 .y_pitch = y.pitch};
        struct launch launch;
        launch_init(&launch, env, node, "mean", plan_for(env->device, env->cpu_plan)->plain);
        launch_bind(&launch, 0, x.binding);
        launch_bind_float(&launch, 1, y.binding);
        launch.dispatch.flops = (double)input->pixels * 4 * count;
        if (!launch_emit(&launch, &push, sizeof push, 1, (uint32_t)count, error)) {
            return false;
        }
    }
    return true;
}
