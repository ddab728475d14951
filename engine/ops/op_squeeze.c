// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Squeeze-excite: partial sums to channel factors in one dispatch. All in 32 bit.
#include "ops/ops.h"

#include "effdet/effdet.h"

// [C / 4][hidden][4 inputs], then bias [ceil(hidden / 4)][4]
static struct binding pack_reduce(struct op_env *env, const struct squeeze_weights *weights,
                                  int channels, int hidden)
{
    size_t matrix = (size_t)channel_blocks(channels) * (size_t)hidden * 4;
    size_t count = matrix + (size_t)channel_blocks(hidden) * 4;
    g_autofree float *packed = g_new0(float, count);
    for (int unit = 0; unit < hidden; unit++) {
        packed[matrix + (size_t)unit] = weights->reduce_bias[unit];
        for (int c = 0; c < channels; c++) {
            packed[(c / 4 * hidden + unit) * 4 + c % 4] = weights->reduce[unit * channels + c];
        }
    }
    return op_pack(env, packed, count, false);
}

// [hidden][C / 4][4 outputs], then bias [C / 4][4]
static struct binding pack_expand(struct op_env *env, const struct squeeze_weights *weights,
                                  int channels, int hidden)
{
    size_t row = (size_t)channel_blocks(channels) * 4;
    size_t count = row * (size_t)(hidden + 1);
    g_autofree float *packed = g_new0(float, count);
    for (int c = 0; c < channels; c++) {
        packed[row * (size_t)hidden + (size_t)c] = weights->expand_bias[c];
        for (int unit = 0; unit < hidden; unit++) {
            packed[row * (size_t)unit + (size_t)c] = weights->expand[c * hidden + unit];
        }
    }
    return op_pack(env, packed, count, false);
}

void op_squeeze_pack(struct op_env *env, const struct squeeze_weights *weights, int channels,
                     int hidden, struct binding *reduce, struct binding *expand)
{
    *reduce = pack_reduce(env, weights, channels, hidden);
    *expand = pack_expand(env, weights, channels, hidden);
}

// As struct squeeze_lanes_push says.
static struct binding pack_lanes(struct op_env *env, const struct squeeze_weights *weights,
                                 int channels, int hidden)
{
    const int trip = SQUEEZE_LANES_TRIP, units = ceil_div(hidden, 8);
    const size_t rows = (size_t)ceil_div(channels, trip) * (size_t)trip + 1; // of eight units
    const size_t expand = (size_t)units * rows * 8, outputs = (size_t)units * 8 + 1;
    const size_t count = expand + (size_t)ceil_div(channels, trip) * outputs * (size_t)trip;
    g_autofree float *packed = g_new0(float, count);
    for (int unit = 0; unit < hidden; unit++) {
        float *to = packed + (size_t)(unit / 8) * rows * 8 + unit % 8;
        to[0] = weights->reduce_bias[unit];
        for (int c = 0; c < channels; c++) {
            to[(1 + c) * 8] = weights->reduce[unit * channels + c];
        }
    }
    for (int c = 0; c < channels; c++) {
        float *to = packed + expand + (size_t)(c / trip) * outputs * (size_t)trip + c % trip;
        to[0] = weights->expand_bias[c];
        for (int unit = 0; unit < hidden; unit++) {
            to[(1 + unit) * trip] = weights->expand[c * hidden + unit];
        }
    }
    return op_pack(env, packed, count, false);
}

static bool fits_lanes(const struct op_env *env, int channels, int hidden)
{
    return env->device->features.lanes && !plan_for(env->device, env->cpu_plan)->group_partial &&
           channels <= SQUEEZE_LANES_MEANS && hidden <= SQUEEZE_LANES_HIDDEN &&
           env->device->limits.shared_bytes >= 4 * (SQUEEZE_LANES_MEANS + SQUEEZE_LANES_HIDDEN);
}

static bool dispatch_lanes(struct op_env *env, const struct node *node,
                           const struct squeeze_weights *weights, GError **error)
{
    static const struct variant variant = {"lanes", 8, 1, 1, 8, 1, 0, 0, true, 8};
    const int channels = graph_value(env->graph, node->output)->channels;
    const int blocks = channel_blocks(channels);
    struct slice partial = op_slice(env, node->partial, 0, blocks, false);
    struct slice y = op_slice(env, node->output, 0, blocks, true);
    struct launch launch;
    launch_init(&launch, env, node, "squeeze", &variant);
    launch_bind_float(&launch, 0, partial.binding);
    launch_bind_address(&launch, 1, pack_lanes(env, weights, channels, node->squeeze));
    launch_bind_float(&launch, 2, y.binding);
    struct squeeze_lanes_push push = {.blocks = (uint32_t)blocks,
                                      .trips = (uint32_t)ceil_div(channels, SQUEEZE_LANES_TRIP),
                                      .hidden = (uint32_t)node->squeeze,
                                      .partials = (uint32_t)op_partials(env, node->partial),
                                      .partial_first = launch_from_start(&launch, partial, true),
                                      .partial_pitch = partial.pitch,
                                      .y_first = launch_from_start(&launch, y, true),
                                      .y_pitch = y.pitch,
                                      .inverse_pixels = (float)(1 / node->divisor)};
    launch.dispatch.flops = 4.0 * channels * node->squeeze + (double)channels * push.partials;
    return launch_emit(&launch, &push, sizeof push, 1, 1, error);
}

bool op_squeeze_dispatch(struct op_env *env, const struct node *node,
                         const struct squeeze_weights *weights, GError **error)
{
    const struct value *output = graph_value(env->graph, node->output);
    int channels = output->channels, blocks = channel_blocks(channels), hidden = node->squeeze;
    const struct class_plan *plan = plan_for(env->device, env->cpu_plan);
    const struct variant *variant = plan->plain;
    if (fits_lanes(env, channels, hidden)) {
        return dispatch_lanes(env, node, weights, error);
    }
    int means = MAX(blocks, variant->local), room = MAX(hidden, variant->local);
    // where no partial sums are formed in a workgroup, little else should be
    const bool lone = !plan->group_partial && (uint32_t)(4 * hidden * (variant->local + 1)) <=
                                                  env->device->limits.shared_bytes;
    if (!lone && (uint32_t)(16 * means + 4 * room) > env->device->limits.shared_bytes) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED,
                    "node '%s': squeeze-excite of %d channels needs %d bytes of shared memory, but "
                    "this device has %u: use a smaller model",
                    node->name, channels, 16 * means + 4 * room, env->device->limits.shared_bytes);
        return false;
    }
    struct slice partial = op_slice(env, node->partial, 0, blocks, false);
    struct slice y = op_slice(env, node->output, 0, blocks, true);
    struct squeeze_push push = {.blocks = (uint32_t)blocks,
                                .hidden = (uint32_t)hidden,
                                .partials = (uint32_t)op_partials(env, node->partial),
                                .partial_first = partial.first,
                                .partial_pitch = partial.pitch,
                                .y_first = y.first,
                                .y_pitch = y.pitch,
                                .inverse_pixels = (float)(1 / node->divisor)};
    struct launch launch;
    launch_init(&launch, env, node, "squeeze", variant);
    launch_spec(&launch, SQUEEZE_SPEC_MEANS, (uint32_t)means);
    launch_spec(&launch, SQUEEZE_SPEC_HIDDEN, (uint32_t)room);
    if (lone) {
        launch.stem = "squeeze_lone";
        launch_spec(&launch, SQUEEZE_SPEC_EACH, (uint32_t)ceil_div(blocks, variant->local));
        launch_spec(&launch, SQUEEZE_SPEC_HIDDEN, (uint32_t)hidden);
    }
    launch_bind_float(&launch, 0, partial.binding);
    launch_bind_float(&launch, 1, pack_reduce(env, weights, channels, hidden));
    launch_bind_float(&launch, 2, pack_expand(env, weights, channels, hidden));
    launch_bind_float(&launch, 3, y.binding);
    launch.dispatch.flops = 4.0 * channels * hidden + (double)channels * push.partials;
    return launch_emit(&launch, &push, sizeof push,
                       lone ? 1 : (uint32_t)ceil_div(blocks, variant->local), 1, error);
}

bool op_squeeze_prepare(struct op_env *env, const struct node *node, GError **error)
{
    struct squeeze_weights weights = {0};
    bool ok = fold_squeeze(env->checkpoint, env->graph, node, &weights, error) &&
              op_squeeze_dispatch(env, node, &weights, error);
    squeeze_weights_finish(&weights);
    return ok;
}
