// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Separable convolutions and sums on tiny maps, one after the other in one workgroup: where a
// dispatch of its own would cost more than the work. Table and weights are laid out in separable.c.
#include "effdet/effdet.h"
#include "interface.h"
#include "ops/separable.h"

#define TILE_PIXELS (SEPARABLE_TILE * SEPARABLE_TILE)
#define CHAIN_CHANNELS 16

// The part of the arena that the steps touch, as one range.
static struct binding touched(const struct op_env *env, const struct separable *steps, int n)
{
    uint64_t begin = UINT64_MAX, end = 0;
    for (int s = 0; s < n; s++) {
        for (int i = -1; i < steps[s].n_inputs; i++) {
            struct binding binding =
                op_bind(env, i < 0 ? steps[s].output : steps[s].inputs[i], true);
            begin = MIN(begin, binding.offset);
            end = MAX(end, binding.offset + binding.bytes);
        }
    }
    return (struct binding){env->arena, begin, end - begin, true};
}

// A value in the common range.
static struct slice slice_in(const struct op_env *env, const struct binding *range, int value)
{
    int blocks = channel_blocks(graph_value(env->graph, value)->channels);
    struct slice slice = op_slice(env, value, 0, blocks, false);
    slice.first += (uint32_t)((slice.binding.offset - range->offset) / (env->half ? 8 : 16));
    return slice;
}

static bool agree(const struct separable *steps, int n, const struct separable **first)
{
    *first = NULL;
    for (int s = 0; s < n; s++) {
        const struct separable *step = &steps[s];
        if (step->n_parts && !*first) {
            *first = step;
        }
        if (step->n_parts && (step->act != (*first)->act || step->act_in != (*first)->act_in ||
                              separable_inputs(step) != separable_inputs(*first))) {
            return false;
        }
        if (step->pad != steps[0].pad || step->pool_padding != steps[0].pool_padding ||
            (!step->n_parts && (step->act || step->act_in))) {
            return false;
        }
    }
    return true;
}

bool op_chain_fits(const struct op_env *env, const struct separable *steps, int n)
{
    const struct separable *first;
    return n <= SEPARABLE_TASKS && agree(steps, n, &first) &&
           touched(env, steps, n).bytes <= env->device->limits.storage_range;
}

bool op_chain_dispatch(struct op_env *env, const char *name, const struct separable *steps, int n,
                       GError **error)
{
    const uint32_t most = env->device->properties.limits.maxComputeWorkGroupInvocations;
    const struct variant variant = {"", CHAIN_CHANNELS, 1, 1, most >= 256 ? 256 : 128, 1};
    const struct separable *first;
    if (!op_chain_fits(env, steps, n) || !agree(steps, n, &first)) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED,
                    "chain '%s': its %d steps differ in kind, or are too many", name, n);
        return false;
    }
    struct node node = {.act = first ? first->act : ACT_NONE};
    struct binding range = touched(env, steps, n), table, packed;
    int groups = variant.local / TILE_PIXELS;
    struct launch launch;
    launch_init(&launch, env, &node, "chain", &variant);
    g_strlcpy(launch.dispatch.label, name, sizeof launch.dispatch.label);
    struct separable_pack pack;
    separable_pack_init(&pack, env);
    bool ok = true;
    for (int s = 0; s < n && ok; s++) {
        const struct separable *step = &steps[s];
        struct separable_weights weights = {0};
        struct slice x[MAX_INPUTS], y = slice_in(env, &range, step->output);
        for (int i = 0; i < step->n_inputs; i++) {
            x[i] = slice_in(env, &range, step->inputs[i]);
        }
        ok = separable_check(env, step, error);
        separable_pack_weights(&pack, step, groups * CHAIN_CHANNELS / 4, &weights);
        int blocks = channel_blocks(graph_value(env->graph, step->output)->channels);
        separable_pack_tasks(&pack, step, &weights, x, y, 0, blocks);
        launch.dispatch.flops += separable_flops(env, step);
    }
    for (guint t = 0; t < pack.tasks->len; t++) {
        struct separable_task *task = &g_array_index(pack.tasks, struct separable_task, t);
        task->tiles_x = (uint32_t)ceil_div((int)(task->size >> 16), SEPARABLE_TILE);
        task->tiles =
            task->tiles_x * (uint32_t)ceil_div((int)(task->size & 0xffff), SEPARABLE_TILE);
    }
    struct separable_push push = {.groups = 1,
                                  .tasks = pack.tasks->len,
                                  .inputs = (uint32_t)(first ? separable_inputs(first) : 0)};
    separable_pack_end(&pack, env, &table, &packed);
    separable_pack_finish(&pack);
    launch_spec(&launch, SEPARABLE_SPEC_INPUT_ACTIVATION, (uint32_t)(first ? first->act_in : 0));
    launch_spec(&launch, SEPARABLE_SPEC_GROUPS, (uint32_t)groups);
    launch_spec(&launch, SEPARABLE_SPEC_SYMMETRIC, steps[0].pad == PAD_SYMMETRIC);
    launch_spec(&launch, SEPARABLE_SPEC_ZERO, steps[0].pool_padding == POOL_PAD_ZERO);
    launch_bind_storage(&launch, 0, table);
    launch_bind(&launch, 1, packed);
    launch_bind(&launch, 2, range);
    return ok && launch_emit(&launch, &push, sizeof push, 1, 1, error);
}

bool op_chain_prepare(struct op_env *env, const struct node *node, GError **error)
{
    const struct node *steps = &g_array_index(env->graph->steps, struct node, node->first_step);
    int n = node->n_steps;
    g_autofree struct separable_node *read = g_new0(struct separable_node, n);
    g_autofree struct separable *separable = g_new(struct separable, n);
    bool ok = true;
    for (int s = 0; s < n && ok; s++) {
        ok = separable_node_init(&read[s], env, &steps[s], error);
        separable[s] = read[s].separable;
    }
    if (ok && op_chain_fits(env, separable, n)) {
        ok = op_chain_dispatch(env, node->name, separable, n, error);
    } else { // too far apart in memory
        for (int s = 0; s < n && ok; s++) {
            ok = op_table[steps[s].op].prepare(env, &steps[s], error);
        }
    }
    for (int s = 0; s < n; s++) {
        separable_node_finish(&read[s]);
    }
    return ok;
}
