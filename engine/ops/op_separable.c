// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Weighted sum, activation, depthwise and 1x1 convolution in one dispatch: all levels of a pyramid
// and all parts in one grid. Table and weights are laid out in separable.c.
#include "effdet/effdet.h"
#include "interface.h"
#include "ops/maxima.h"
#include "ops/separable.h"

#define TILE_PIXELS (SEPARABLE_TILE * SEPARABLE_TILE)
#define MAX_GROUPS_X 65535

static int range_of(const struct variant *variant)
{
    return variant->local / TILE_PIXELS * variant->channels / 4;
}

static int tiles_of(struct extent extent, const struct variant *variant)
{
    return ceil_div(extent.width, SEPARABLE_TILE) *
           ceil_div(extent.height, SEPARABLE_TILE * variant->rows);
}

struct shape {
    const struct op_env *env;
    const struct separable *step;
};

// Every workgroup does the depthwise part for itself.
static double cost(const struct class_plan *plan, const struct variant *variant, const void *data)
{
    const struct shape *shape = data;
    const struct separable *step = shape->step;
    const struct value *output = graph_value(shape->env->graph, step->output);
    double tiles = 0, groups = 0;
    for (int l = 0; l < output->n_levels; l++) {
        tiles += tiles_of(output->level[l], variant);
    }
    for (int p = 0; p < step->n_parts; p++) {
        groups += tiles * ceil_div(channel_blocks(step->parts[p].channels), range_of(variant));
    }
    double again = 9.0 + 2.0 * step->n_inputs;
    return variant_cost(plan, variant, groups,
                        step->parts[0].inputs * (1 + again / (4.0 * range_of(variant))));
}

// Numbers the workgroups of all tasks; returns how many there are.
static uint64_t number_groups(GArray *tasks, const struct variant *variant)
{
    uint64_t groups = 0;
    for (guint t = 0; t < tasks->len; t++) {
        struct separable_task *task = &g_array_index(tasks, struct separable_task, t);
        struct extent extent = {(int)(task->size & 0xffff), (int)(task->size >> 16), 0};
        task->group_first = (uint32_t)groups;
        task->tiles_x = (uint32_t)ceil_div(extent.width, SEPARABLE_TILE);
        task->tiles = (uint32_t)tiles_of(extent, variant);
        groups += (uint64_t)task->tiles * (uint64_t)ceil_div((int)task->outputs, range_of(variant));
    }
    return groups;
}

// One of each pixel and invocation's channels. True where they are left.
static bool bind_maxima(struct launch *launch, const struct variant *variant,
                        struct separable_push *push)
{
    const struct graph *graph = launch->env->graph;
    const struct value *classes = graph_value(graph, graph->classes);
    const int blocks = channel_blocks(classes->channels), range = range_of(variant);
    const int columns = ceil_div(classes->pixels, 4) * 4;
    const struct maxima tiles = {
        .rows = (uint32_t)ceil_div(blocks * 4, variant->channels),
        .columns = (uint32_t)columns,
        .lanes = (uint32_t)columns,
        .pixels = 1,
        .blocks = (uint32_t)(variant->channels / 4),
    };
    const int all_rows = ceil_div(blocks, range) * (variant->local / TILE_PIXELS);
    struct binding binding;
    if (!maxima_leave(launch->env, &tiles, (uint32_t)all_rows, &binding)) {
        return false;
    }
    push->maxima_tasks = (uint32_t)classes->n_levels; // of the first part
    push->maxima_pitch = tiles.columns;
    launch_spec(launch, SEPARABLE_SPEC_MAXIMA, true);
    launch_bind_storage(launch, 7, binding);
    return true;
}

static bool emit_window(struct op_env *env, const struct separable *step,
                        const struct variant *variant, int first, int count, GError **error)
{
    const struct node node = {.act = step->act};
    struct launch launch;
    struct slice x[MAX_INPUTS];
    struct slice y = op_slice(env, step->output, first, count, true);
    launch_init(&launch, env, &node, "separable", variant);
    g_strlcpy(launch.dispatch.label, step->name, sizeof launch.dispatch.label);
    static const int numbers[MAX_INPUTS] = {2, 4, 5, 6};
    for (int i = 0; i < MAX_INPUTS; i++) {
        int source = step->inputs[MIN(i, step->n_inputs - 1)]; // absent ones are bound all the same
        int blocks = channel_blocks(graph_value(env->graph, source)->channels);
        x[i] = op_slice(env, source, 0, blocks, false);
        launch_bind(&launch, numbers[i], x[i].binding);
        launch_spec(&launch, SEPARABLE_SPEC_RESAMPLE + i,
                    i < step->n_inputs ? (uint32_t)step->resample[i] : RESAMPLING_ABSENT);
    }
    launch_spec(&launch, SEPARABLE_SPEC_INPUT_ACTIVATION, (uint32_t)step->act_in);
    launch_spec(&launch, SEPARABLE_SPEC_GROUPS, (uint32_t)(variant->local / TILE_PIXELS));
    launch_spec(&launch, SEPARABLE_SPEC_SYMMETRIC, step->pad == PAD_SYMMETRIC);
    launch_spec(&launch, SEPARABLE_SPEC_ZERO, step->pool_padding == POOL_PAD_ZERO);
    struct separable_pack pack;
    struct separable_weights weights;
    struct binding table, packed;
    separable_pack_init(&pack, env);
    struct separable_push push = {.inputs = (uint32_t)separable_inputs(step)};
    launch_bind_storage(&launch, 7, y.binding); // unless there are maxima
    if (maxima_wanted(env, step->output) &&
        count == channel_blocks(graph_value(env->graph, step->output)->channels) &&
        bind_maxima(&launch, variant, &push)) {
        pack.logits = graph_value(env->graph, env->graph->classes)->channels;
    }
    separable_pack_weights(&pack, step, range_of(variant), &weights);
    separable_pack_tasks(&pack, step, &weights, x, y, first, count);
    uint64_t groups = number_groups(pack.tasks, variant);
    push.groups = (uint32_t)groups;
    push.tasks = pack.tasks->len;
    separable_pack_end(&pack, env, &table, &packed);
    separable_pack_finish(&pack);
    launch_bind_storage(&launch, 0, table);
    launch_bind(&launch, 1, packed);
    launch_bind(&launch, 3, y.binding);
    launch.dispatch.flops = separable_flops(env, step);
    uint64_t groups_x = MIN(groups, MAX_GROUPS_X);
    return launch_emit(&launch, &push, sizeof push, (uint32_t)groups_x,
                       (uint32_t)((groups + groups_x - 1) / groups_x), error);
}

bool op_separable_dispatch(struct op_env *env, const struct separable *step, GError **error)
{
    int window, input_window,
        blocks = channel_blocks(graph_value(env->graph, step->output)->channels);
    if (!separable_check(env, step, error) || !op_window(env, &step->output, 1, &window, error) ||
        !op_window(env, step->inputs, step->n_inputs, &input_window, error)) {
        return false;
    }
    for (int i = 0; i < step->n_inputs; i++) {
        const struct value *input = graph_value(env->graph, step->inputs[i]);
        if (channel_blocks(input->channels) > input_window) {
            g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED,
                        "node '%s' needs all %d channels of '%s' at once, more than this device "
                        "binds: use a smaller input size or the plan for CPUs",
                        step->name, input->channels, input->name);
            return false;
        }
    }
    struct shape shape = {env, step};
    const struct variant *variant = op_choose(env, "separable", cost, &shape, error);
    for (int first = 0; variant && first < blocks; first += window) {
        if (!emit_window(env, step, variant, first, MIN(window, blocks - first), error)) {
            return false;
        }
    }
    return variant != NULL;
}

bool op_separable_prepare(struct op_env *env, const struct node *node, GError **error)
{
    struct separable_node read;
    bool ok = separable_node_init(&read, env, node, error) &&
              op_separable_dispatch(env, &read.separable, error);
    separable_node_finish(&read);
    return ok;
}
