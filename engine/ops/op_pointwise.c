// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// 1x1 convolution: weights [outputs / 4][inputs / 4][4][4], one table of bias (and scale) a level.
#include "ops/ops.h"

#include "effdet/effdet.h"
#include "ops/maxima.h"
#include "ops/pointwise.h"

#include <limits.h>
#include <math.h>

#define SLAB 4            // input blocks that pointwise_tiled.comp keeps in shared memory
#define MAX_TILE_BLOCKS 4 // channel blocks of the largest tile of registers without addresses
#define LANES_REST 27.0   // a tile of lanes besides its sums, in input blocks of a pixel (measured)
#define MAXIMA_LEAST_RESULTS 8 // of an invocation, to be worth one more

struct shape {
    int pixels, outputs, inputs; // outputs, inputs: blocks of four channels, of the largest part
    int parts;
    int invocations, groups; // that a workgroup, and a dispatch, may have
    bool squeeze;
    double prologue; // products of squeeze-excite, which every workgroup does
};

// Tiles that are built with squeeze-excite before them.
static bool has_squeeze(const struct variant *variant)
{
    static const char *const tiles[] = {"16x4", "16x2", "8x8", "8x4", "4x4", "4x1", NULL};
    return g_strv_contains(tiles, variant->tile);
}

static double cost(const struct class_plan *plan, const struct variant *variant, const void *data)
{
    const struct shape *shape = data;
    int groups_x = ceil_div(shape->pixels, variant_pixels(variant));
    if (variant->local > shape->invocations || groups_x > shape->groups ||
        (shape->squeeze && !has_squeeze(variant))) {
        return INFINITY;
    }
    double groups =
        (double)groups_x * ceil_div(shape->outputs * 4, variant_channels(variant)) * shape->parts;
    // kernels with shared memory go by whole slabs, and wait for it to be filled and added up
    int step = variant->split > 1 ? variant->split : variant->across > 1 ? SLAB : 1;
    double inputs = ceil_div(shape->inputs, step) * step + (step > 1 ? 2 * SLAB : 0);
    double results = (double)variant_pixels(variant) * variant_channels(variant);
    if (variant->lanes) {
        inputs += LANES_REST / variant->cols;
    }
    return variant_cost(plan, variant, groups, inputs * 4 + shape->prologue / results);
}

static void bind_factors(struct launch *launch, const struct pointwise *op,
                         struct pointwise_push *push)
{
    struct slice factors = op_slice(launch->env, op->node->scale, 0, op->inputs, false);
    if (op->variant->lanes) {
        push->factors_first = launch_from_start(launch, factors, true) + push->k_first;
    }
    launch_bind_float(launch, 4, factors.binding);
}

static void bind_squeeze(struct launch *launch, const struct pointwise *op,
                         struct pointwise_push *push)
{
    const struct node *node = op->node;
    struct slice partial = op_slice(launch->env, node->partial, 0, op->inputs, false);
    push->hidden = (uint32_t)node->squeeze;
    push->partials = (uint32_t)op_partials(launch->env, node->partial);
    push->partial_first = partial.first;
    push->partial_pitch = partial.pitch;
    push->inverse_pixels = (float)(1 / node->divisor);
    launch->suffix = "_squeeze";
    launch_spec(launch, POINTWISE_SPEC_INPUT_SCALE, true);
    launch_spec(launch, POINTWISE_SPEC_SQUEEZE_ACTIVATION, (uint32_t)node->act_in);
    launch_spec(launch, POINTWISE_SPEC_MEANS, (uint32_t)MAX(op->inputs, op->variant->local));
    launch_spec(launch, POINTWISE_SPEC_HIDDEN, (uint32_t)MAX(node->squeeze, op->variant->local));
    launch_bind_float(launch, 4, partial.binding);
    launch_bind_float(launch, 6, op->reduce);
    launch_bind_float(launch, 7, op->expand);
}

// Where the invocations of one dispatch make all of them, each some.
static bool leaves_maxima(const struct op_env *env, const struct node *node,
                          const struct variant *variant)
{
    return maxima_wanted(env, node->output) && variant->split <= 1 && node->partial < 0 &&
           variant->channels * variant->rows * variant->cols >= MAXIMA_LEAST_RESULTS;
}

// rows: of workgroups. Where no maxima are left, the results take their place.
static void bind_maxima(struct launch *launch, const struct pointwise *op, struct binding y,
                        uint32_t rows)
{
    launch_bind_storage(launch, 6, y);
    if (!op->maxima) {
        return;
    }
    const struct graph *graph = launch->env->graph;
    const struct value *classes = graph_value(graph, graph->classes);
    const struct variant *variant = op->variant;
    const int across = MAX(1, variant->across), blocks = variant->channels / 4;
    const int groups = ceil_div(classes->pixels, variant_pixels(variant));
    const struct maxima tiles = {
        .rows = (uint32_t)ceil_div(channel_blocks(classes->channels), blocks),
        .columns = (uint32_t)(groups * (variant_tiles(variant) / across)),
        .lanes = variant->lanes ? 1 : (uint32_t)(variant->local / across),
        .pixels = (uint32_t)(variant->rows * variant->cols),
        .blocks = (uint32_t)blocks,
    };
    struct binding binding;
    if (maxima_leave(launch->env, &tiles, rows * (uint32_t)across, &binding)) {
        launch_spec(launch, POINTWISE_SPEC_MAXIMA, true);
        launch_bind_storage(launch, 6, binding);
    }
}

// Input blocks of a trip of pointwise_lanes.comp: few trips, because between two of them there is
// nothing to do for a while, but not much code. Some are left for before the trips: constants that
// are first met in a loop and met again after it become variables of the loop in Mesa, and what
// they cost is more than all of the sums.
static int lanes_trip(int blocks)
{
    if (blocks <= POINTWISE_LANES_CODE) {
        return 0;
    }
    int trips = 1, trip = MIN(POINTWISE_LANES_TRIP, blocks - 2);
    while (trip + blocks - trips * trip > POINTWISE_LANES_CODE) {
        trips++;
        trip = MIN(POINTWISE_LANES_TRIP, (blocks - 2) / trips);
    }
    return trip;
}

// Input blocks before the trips.
static int lanes_head(int blocks, int trip)
{
    return trip ? (blocks - 2) % trip + 2 : blocks;
}

// Kernels without shared memory go through the inputs by trips of several blocks.
static void set_trips(struct launch *launch, const struct variant *variant, int k_count)
{
    if (variant->lanes) {
        const int trip = lanes_trip(k_count);
        launch_spec(launch, POINTWISE_SPEC_TRIP, (uint32_t)MAX(1, trip));
        launch_spec(launch, POINTWISE_SPEC_TAIL, (uint32_t)lanes_head(k_count, trip));
        launch_spec(launch, POINTWISE_SPEC_LOOP, trip > 0);
        return;
    }
    const bool direct = variant->across == 0 && variant->split == 0;
    const bool texel = op_use_texel(launch->env, launch->stem, launch->dispatch.bindings,
                                    launch->kernel.n_bindings);
    const int trip = variant->address ? POINTWISE_TRIP : direct && texel ? POINTWISE_TEXEL_TRIP : 1;
    launch_spec(launch, POINTWISE_SPEC_TAIL, (uint32_t)(k_count % trip));
    launch_spec(launch, POINTWISE_SPEC_LOOP, k_count >= trip);
}

// Sets where parts are; returns rows of workgroups.
static uint32_t set_parts(const struct pointwise *op, const struct pointwise_window *window,
                          struct pointwise_push *push)
{
    const int channels = variant_channels(op->variant);
    push->part_tiles = (uint32_t)ceil_div(4 * window->count, channels);
    push->part_blocks = (uint32_t)window->count;
    if (window->n_parts <= 1) {
        return push->part_tiles;
    }
    const struct part *second = &op->node->parts[1];
    const int last = window->count - (window->n_parts - 1) * (second->first_output / 4);
    push->part_blocks = (uint32_t)second->first_output / 4;
    push->part_x = (uint32_t)second->first_input / 4 * push->x_pitch;
    push->part_tiles = (uint32_t)ceil_div(4 * MAX((int)push->part_blocks, last), channels);
    return (uint32_t)(window->n_parts - 1) * push->part_tiles +
           (uint32_t)ceil_div(4 * last, channels);
}

static void bind_residual(struct launch *launch, const struct pointwise *op,
                          const struct pointwise_window *window, struct pointwise_push *push)
{
    struct slice residual =
        op_slice(launch->env, op->node->residual, window->first, window->count, false);
    push->residual_first =
        op->variant->lanes ? launch_from_start(launch, residual, false) : residual.first;
    push->residual_pitch = residual.pitch;
    launch_bind(launch, 5, residual.binding);
}

// Whether workgroups that follow each other have the same pixels, not the same channels: on CPUs,
// which do one after the other, the larger of inputs and weights is read from far only once.
static bool channels_first(const struct op_env *env, const struct variant *variant, uint32_t groups,
                           int pixels, int outputs)
{
    const bool can = variant->lanes || !(variant->address || variant->across || variant->split);
    return can && env->device->is_cpu && pixels >= outputs &&
           groups <= env->device->limits.max_group_count[2];
}

static bool emit_window(struct op_env *env, const struct pointwise *op,
                        const struct pointwise_window *window, GError **error)
{
    const int first = window->first, count = window->count, k_first = window->k_first;
    const int k_count = window->k_count;
    const struct node *node = op->node;
    const struct value *output = graph_value(env->graph, node->output);
    const struct variant *variant = op->variant;
    struct slice x = op_slice(env, node->inputs[0], window->x_first, window->x_count, false);
    struct slice y = op_slice(env, node->output, first, count, true);
    struct pointwise_push push = {
        .pixels = (uint32_t)output->pixels,
        .blocks = (uint32_t)count,
        .block_first = (uint32_t)first,
        .table_blocks = (uint32_t)op->rows,
        .k_first = (uint32_t)k_first,
        .k_count = (uint32_t)k_count,
        .k_total = (uint32_t)op->inputs,
        .x_first = x.first,
        .x_pitch = x.pitch,
        .y_first = y.first,
        .y_pitch = y.pitch,
    };
    const uint32_t rows = set_parts(op, window, &push);
    for (int l = 0; l < output->n_levels; l++) {
        push.level_first[l] = (uint32_t)output->level[l].offset;
    }
    bool finish = k_first + k_count == op->inputs;
    struct launch launch;
    launch_init(&launch, env, node, "pointwise", op->variant);
    launch_spec(&launch, POINTWISE_SPEC_INPUT_SCALE, node->scale >= 0);
    launch_spec(&launch, POINTWISE_SPEC_RESIDUAL, node->residual >= 0 && finish && !variant->lanes);
    launch_spec(&launch, POINTWISE_SPEC_LEVELS, (uint32_t)op->folded->n_levels);
    launch_spec(&launch, POINTWISE_SPEC_ACCUMULATE, k_first > 0);
    launch_spec(&launch, POINTWISE_SPEC_FINISH, finish);
    launch_bind(&launch, 0, x.binding);
    struct binding weights = op->weights;
    if (variant->address) {
        weights = variant->lanes ? pointwise_pack_lanes(env, op, window, &push, rows)
                                 : pointwise_pack_address(env, op, window, &push, rows);
        launch_bind_address(&launch, 1, weights);
        launch.storage |= 1u << 4; // what is uniform is not read as texels
    } else {
        launch_bind(&launch, 1, weights);
    }
    launch_bind_float(&launch, 2, op->table);
    launch_bind(&launch, 3, y.binding);
    launch_bind_float(&launch, 4, op->table); // unless there is a vector
    launch_bind(&launch, 5, weights);         // unless there is a residual
    if (node->scale >= 0) {
        bind_factors(&launch, op, &push);
    }
    if (op->squeeze) {
        bind_squeeze(&launch, op, &push);
    } else {
        bind_maxima(&launch, op, y.binding, rows);
    }
    if (node->residual >= 0 && finish) {
        bind_residual(&launch, op, window, &push);
    }
    if (variant->lanes) {
        push.x_first = launch_from_start(&launch, x, false);
        push.y_first = launch_from_start(&launch, y, false);
    }
    set_trips(&launch, variant, k_count);
    launch.dispatch.flops = 2.0 * output->pixels * MIN(4 * count, output->channels) *
                            MIN(4 * k_count, op->folded->inputs);
    const uint32_t groups = (uint32_t)ceil_div(output->pixels, variant_pixels(variant));
    launch.along_z = channels_first(env, variant, groups, output->pixels, 4 * count);
    return launch_emit(&launch, &push, sizeof push, groups, rows, error);
}

// All parts in one dispatch; where values exceed the storage range, each in dispatches of its own.
static bool emit_windows(struct op_env *env, const struct pointwise *op, int most, int k_most,
                         GError **error)
{
    const struct node *node = op->node;
    int x_blocks = channel_blocks(graph_value(env->graph, node->inputs[0])->channels);
    const struct part whole = {.channels = op->folded->outputs};
    if (most >= op->outputs && k_most >= x_blocks) {
        struct pointwise_window window = {.count = op->outputs,
                                          .k_count = op->inputs,
                                          .x_count = x_blocks,
                                          .n_parts = node->n_parts};
        return emit_window(env, op, &window, error);
    }
    for (int p = 0; p < MAX(1, node->n_parts); p++) {
        const struct part *part = node->n_parts > 1 ? &node->parts[p] : &whole;
        int end = channel_blocks(part->channels);
        for (int block = 0; block < end; block += most) {
            for (int k = 0; k < op->inputs; k += k_most) {
                struct pointwise_window window = {.first = part->first_output / 4 + block,
                                                  .count = MIN(most, end - block),
                                                  .k_first = k,
                                                  .k_count = MIN(k_most, op->inputs - k),
                                                  .x_first = part->first_input / 4 + k};
                window.x_count = window.k_count;
                if (!emit_window(env, op, &window, error)) {
                    return false;
                }
            }
        }
    }
    return true;
}

// The parts follow each other at equal distances, in the output and in the input.
static bool parts_fit(const struct node *node, const struct value *input,
                      const struct folded *folded)
{
    for (int p = 0; p < node->n_parts; p++) {
        const struct part *part = &node->parts[p], *second = &node->parts[1];
        if (part->inputs != folded->inputs || part->first_output % 4 || part->first_input % 4 ||
            part->first_output != p * second->first_output ||
            part->first_input != p * second->first_input ||
            (p < node->n_parts - 1 && part->channels > second->first_output) ||
            part->first_input + part->inputs > input->channels ||
            part->first_output + part->channels > folded->outputs) {
            return false;
        }
    }
    return true;
}

bool op_pointwise_squeeze_dispatch(struct op_env *env, const struct node *node,
                                   const struct folded *folded,
                                   const struct squeeze_weights *squeeze, GError **error)
{
    const struct value *input = graph_value(env->graph, node->inputs[0]);
    const struct value *output = graph_value(env->graph, node->output);
    bool fits =
        node->n_parts > 1 ? parts_fit(node, input, folded) : input->channels == folded->inputs;
    if (!fits || input->pixels != output->pixels || output->channels != folded->outputs ||
        (folded->n_levels > 1 && folded->n_levels != output->n_levels)) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED,
                    "node '%s': %d pixels of %d channels to %d of %d with weights for %d to %d",
                    node->name, input->pixels, input->channels, output->pixels, output->channels,
                    folded->inputs, folded->outputs);
        return false;
    }
    struct pointwise op = {.node = node,
                           .folded = folded,
                           .outputs = channel_blocks(folded->outputs),
                           .inputs = channel_blocks(folded->inputs),
                           .squeeze = squeeze != NULL};
    int window, k_window;
    const int written[] = {node->output, node->residual};
    if (!op_window(env, written, 2, &window, error) ||
        !op_window(env, &node->inputs[0], 1, &k_window, error)) {
        return false;
    }
    int parts = MAX(1, node->n_parts);
    int largest = parts > 1 ? channel_blocks(node->parts[0].channels) : op.outputs;
    struct shape shape = {.pixels = output->pixels,
                          .outputs = MIN(window, largest),
                          .inputs = op.inputs,
                          .parts = parts,
                          .invocations = (int)env->device->limits.max_invocations,
                          .groups = (int)MIN(env->device->limits.max_group_count[0], INT_MAX),
                          .squeeze = op.squeeze};
    if (squeeze) { // a factor of four: each product loads its weight
        shape.prologue = 16.0 * op.inputs * (2 * node->squeeze + op_partials(env, node->partial));
    }
    op.variant = op_choose(env, "pointwise", cost, &shape, error);
    if (!op.variant) {
        return false;
    }
    if (squeeze) {
        if (!has_squeeze(op.variant)) { // forced
            op.variant = variant_find(class_plan(CLASS_DEFAULT)->pointwise, "8x4");
        }
        op_squeeze_pack(env, squeeze, folded->inputs, node->squeeze, &op.reduce, &op.expand);
    }
    // a tile at the end of any window may reach past the last row
    op.rows = op.outputs + MAX(MAX_TILE_BLOCKS, op.variant->channels / 4) - 1;
    if (!op.variant->address) {
        op.weights = op_pack_pointwise(env, folded, op.rows);
    }
    op.maxima = leaves_maxima(env, node, op.variant) && window >= op.outputs &&
                k_window >= channel_blocks(input->channels);
    op.logits = op.maxima ? graph_value(env->graph, env->graph->classes)->channels : 0;
    op.table = pointwise_pack_table(env, folded, op.rows, op.logits);
    return emit_windows(env, &op, window, k_window, error);
}

bool op_pointwise_dispatch(struct op_env *env, const struct node *node, const struct folded *folded,
                           GError **error)
{
    return op_pointwise_squeeze_dispatch(env, node, folded, NULL, error);
}

bool op_pointwise_prepare(struct op_env *env, const struct node *node, GError **error)
{
    struct folded folded = {0};
    struct squeeze_weights squeeze = {0};
    bool squeezes = node->partial >= 0;
    bool ok = fold_node(env->checkpoint, env->graph, node, &folded, error) &&
              (!squeezes || fold_squeeze(env->checkpoint, env->graph, node, &squeeze, error)) &&
              op_pointwise_squeeze_dispatch(env, node, &folded, squeezes ? &squeeze : NULL, error);
    folded_finish(&folded);
    squeeze_weights_finish(&squeeze);
    return ok;
}
