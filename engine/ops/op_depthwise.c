// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Depthwise convolution: weights [C / 4][k * k][4], by address with the bias after the taps of each
// block. With partial sums the tile is the one that the graph sized them for.
#include "ops/ops.h"

#include "effdet/effdet.h"
#include "net/tiles.h"

#include <limits.h>
#include <math.h>

#define PARTIAL_LOCAL 64 // workgroup size where every workgroup leaves one partial sum

static int tile_count(const struct value *output, int rows, int cols)
{
    int tiles = 0;
    for (int l = 0; l < output->n_levels; l++) {
        tiles += ceil_div(output->level[l].height, rows) * ceil_div(output->level[l].width, cols);
    }
    return tiles;
}

int op_partials(const struct op_env *env, int value)
{
    gpointer left = g_hash_table_lookup(env->partials, GINT_TO_POINTER(value));
    return left ? GPOINTER_TO_INT(left) : graph_value(env->graph, value)->pixels;
}

struct shape {
    const struct value *output;
    int blocks, kernel;
    bool partial;
    int groups; // that a dispatch may have in one dimension
};

// Partial sums are one for each tile of the size that the graph knows (a larger tile leaves
// several, one of lanes a single one), or one a workgroup of PARTIAL_LOCAL.
static bool leaves_partials(const struct class_plan *plan, const struct variant *variant)
{
    if (plan->group_partial) {
        return variant->rows == DEPTHWISE_TILE_ROWS && variant->cols == DEPTHWISE_TILE_COLS &&
               variant->local == PARTIAL_LOCAL && variant->lanes == 0;
    }
    return variant->rows % DEPTHWISE_TILE_ROWS == 0 && variant->cols % DEPTHWISE_TILE_COLS == 0;
}

static double cost(const struct class_plan *plan, const struct variant *variant, const void *data)
{
    const struct shape *shape = data;
    if (shape->partial && !leaves_partials(plan, variant)) {
        return INFINITY;
    }
    int tiles = tile_count(shape->output, variant->rows, variant->cols);
    int groups_x = ceil_div(tiles, variant_tiles(variant));
    if (groups_x > shape->groups) {
        return INFINITY;
    }
    return variant_cost(plan, variant, (double)groups_x * shape->blocks,
                        shape->kernel * shape->kernel);
}

static const struct variant *find_with_partials(const struct op_env *env,
                                                const struct variant *variants)
{
    const struct class_plan *plan = plan_for(env->device, env->cpu_plan);
    for (; variants->tile; variants++) {
        if (leaves_partials(plan, variants) && variant_runs(variants, &env->device->features)) {
            return variants;
        }
    }
    return NULL;
}

// The best variant; a forced one that cannot leave the partial sums is passed over.
static const struct variant *choose(const struct op_env *env, const struct shape *shape,
                                    GError **error)
{
    const struct class_plan *plan = plan_for(env->device, env->cpu_plan);
    const struct variant *variant = op_choose(env, "depthwise", cost, shape, error);
    if (variant && shape->partial && !leaves_partials(plan, variant)) {
        variant = find_with_partials(env, plan->depthwise);
        if (!variant) { // this class's own all need a feature that the device lacks
            variant = find_with_partials(env, class_plan(CLASS_CPU_OLD)->depthwise);
        }
    }
    return variant;
}

static void fill_levels(struct depthwise_push *push, const struct value *input,
                        const struct value *output, const struct variant *variant)
{
    for (int l = 0; l < output->n_levels; l++) {
        push->level_size[l] = packed_size(input->level[l]);
        push->level_tile[l] = push->tiles;
        if (output->n_levels > 1) { // of a view, the slice has the offset already
            push->level_pixel[l] = (uint32_t)output->level[l].offset;
        }
        push->tiles += (uint32_t)(ceil_div(output->level[l].height, variant->rows) *
                                  ceil_div(output->level[l].width, variant->cols));
    }
}

// Channel blocks of one dispatch.
struct window {
    int first, count, x_first, x_count;
};

static bool emit_window(struct op_env *env, const struct node *node, const struct variant *variant,
                        struct binding weights, struct binding bias, struct window window,
                        GError **error)
{
    const struct value *input = graph_value(env->graph, node->inputs[0]);
    const struct value *output = graph_value(env->graph, node->output);
    int first = window.first, count = window.count;
    struct slice x = op_slice(env, node->inputs[0], window.x_first, window.x_count, false);
    struct slice y = op_slice(env, node->output, first, count, true);
    struct depthwise_push push = {.block_first = (uint32_t)first,
                                  .x_blocks = (uint32_t)window.x_count,
                                  .symmetric = node->pad == PAD_SYMMETRIC,
                                  .x_first = x.first,
                                  .x_pitch = x.pitch,
                                  .y_first = y.first,
                                  .y_pitch = y.pitch};
    fill_levels(&push, input, output, variant);
    bool groups = plan_for(env->device, env->cpu_plan)->group_partial;
    struct launch launch;
    launch_init(&launch, env, node, "depthwise", variant);
    g_autofree char *suffix = g_strdup_printf("_k%ds%d", node->kernel, node->stride);
    launch.suffix = suffix;
    launch_spec(&launch, DEPTHWISE_SPEC_LEVELS, (uint32_t)output->n_levels);
    launch_spec(&launch, DEPTHWISE_SPEC_PARTIAL, PARTIAL_NONE);
    launch_bind(&launch, 0, x.binding);
    if (variant->address) {
        launch_bind_address(&launch, 1, weights);
    } else {
        launch_bind(&launch, 1, weights);
    }
    launch_bind_float(&launch, 2, bias); // by address: the weights again
    launch_bind(&launch, 3, y.binding);
    if (variant->lanes) {
        push.x_first = launch_from_start(&launch, x, false);
        push.y_first = launch_from_start(&launch, y, false);
    }
    launch_bind_float(&launch, 4, y.binding); // unless there are partial sums
    if (node->partial >= 0) {
        struct slice partial = op_slice(env, node->partial, first, count, true);
        push.partial_first = partial.first;
        push.partial_pitch = partial.pitch;
        launch_spec(&launch, DEPTHWISE_SPEC_PARTIAL, groups ? PARTIAL_GROUP : PARTIAL_INVOCATION);
        launch_bind_float(&launch, 4, partial.binding);
        if (groups || variant->lanes) { // fewer than the graph has room for
            int left = groups ? ceil_div((int)push.tiles, variant_tiles(variant)) : (int)push.tiles;
            g_hash_table_insert(env->partials, GINT_TO_POINTER(node->partial),
                                GINT_TO_POINTER(left));
        }
    }
    launch.dispatch.flops =
        2.0 * output->pixels * MIN(4 * count, output->channels) * node->kernel * node->kernel;
    return launch_emit(&launch, &push, sizeof push,
                       (uint32_t)ceil_div((int)push.tiles, variant_tiles(variant)), (uint32_t)count,
                       error);
}

// All parts in one dispatch; where they exceed the storage range, each in dispatches of its own.
static bool emit_windows(struct op_env *env, const struct node *node, const struct variant *variant,
                         struct binding weights, struct binding bias, int most, int x_most,
                         GError **error)
{
    int blocks = channel_blocks(graph_value(env->graph, node->output)->channels);
    int x_blocks = channel_blocks(graph_value(env->graph, node->inputs[0])->channels);
    const struct part whole = {.channels = 4 * blocks};
    int each = MIN(most, x_most);
    if (most >= blocks && x_most >= x_blocks) {
        struct window window = {0, blocks, 0, x_blocks};
        return emit_window(env, node, variant, weights, bias, window, error);
    }
    for (int p = 0; p < MAX(1, node->n_parts); p++) {
        const struct part *part = node->n_parts > 1 ? &node->parts[p] : &whole;
        int end = channel_blocks(part->channels);
        for (int block = 0; block < end; block += each) {
            int count = MIN(each, end - block);
            struct window window = {part->first_output / 4 + block, count,
                                    part->first_input / 4 + block, count};
            if (!emit_window(env, node, variant, weights, bias, window, error)) {
                return false;
            }
        }
    }
    return true;
}

static bool reads_inside(const struct value *input, const struct node *node)
{
    for (int p = 0; p < node->n_parts; p++) {
        const struct part *part = &node->parts[p];
        // blocks are read in turn
        if (part->first_input != part->first_output % (4 * channel_blocks(input->channels)) ||
            part->first_input + part->inputs > input->channels) {
            return false;
        }
    }
    return true;
}

static bool check(const struct op_env *env, const struct node *node, const struct folded *folded,
                  GError **error)
{
    const struct value *input = graph_value(env->graph, node->inputs[0]);
    const struct value *output = graph_value(env->graph, node->output);
    bool fits =
        (node->n_parts > 1 ? reads_inside(input, node) : input->channels == folded->outputs) &&
        output->channels == folded->outputs && folded->n_levels == 1 &&
        input->n_levels == output->n_levels && (node->kernel == 3 || node->kernel == 5) &&
        node->stride >= 1 && node->stride <= 2;
    for (int l = 0; fits && l < output->n_levels; l++) {
        const struct extent *in = &input->level[l], *out = &output->level[l];
        fits = out->height == conv_output_size(in->height, node->stride) &&
               out->width == conv_output_size(in->width, node->stride) && in->height < 65536 &&
               in->width < 65536 && (l == 0 || in->offset == out->offset);
    }
    if (node->partial >= 0) {
        const struct extent *out = &output->level[0];
        fits = fits && output->n_levels == 1 &&
               graph_value(env->graph, node->partial)->pixels ==
                   depthwise_tiles(out->height, out->width);
    }
    if (!fits) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED,
                    "node '%s': no depthwise %dx%d, stride %d, from %d channels of %dx%d to %d of "
                    "%dx%d",
                    node->name, node->kernel, node->kernel, node->stride, input->channels,
                    input->level[0].width, input->level[0].height, output->channels,
                    output->level[0].width, output->level[0].height);
    }
    return fits;
}

bool op_depthwise_dispatch(struct op_env *env, const struct node *node, const struct folded *folded,
                           GError **error)
{
    const int written[] = {node->output, node->partial};
    int window, x_window, blocks = channel_blocks(folded->outputs);
    if (!check(env, node, folded, error) || !op_window(env, written, 2, &window, error) ||
        !op_window(env, &node->inputs[0], 1, &x_window, error)) {
        return false;
    }
    struct shape shape = {graph_value(env->graph, node->output), MIN(window, blocks), node->kernel,
                          node->partial >= 0,
                          (int)MIN(env->device->limits.max_group_count[0], INT_MAX)};
    const struct variant *variant = choose(env, &shape, error);
    if (!variant) {
        return false;
    }
    struct binding weights, bias;
    if (variant->lanes) {
        weights = bias = op_pack_depthwise_lanes(env, folded);
    } else if (variant->address) {
        weights = bias = op_pack_depthwise_blocks(env, folded);
    } else {
        weights = op_pack_depthwise(env, folded, blocks);
        bias = op_pack_bias(env, folded, blocks);
    }
    return emit_windows(env, node, variant, weights, bias, window, x_window, error);
}

bool op_depthwise_prepare(struct op_env *env, const struct node *node, GError **error)
{
    struct folded folded = {0};
    bool ok = fold_node(env->checkpoint, env->graph, node, &folded, error) &&
              op_depthwise_dispatch(env, node, &folded, error);
    folded_finish(&folded);
    return ok;
}
