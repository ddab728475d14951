// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The dispatches of decode: list the pairs that pass; find and gather the best, with no workgroups
// unless too many passed; then the boxes.
#include "ops/op_decode.h"

#include "effdet/effdet.h"
#include "ops/launch.h"
#include "ops/maxima.h"

#include <string.h>

#define DECODE_CPU_GROUPS 4 // of the boxes' stage

// Dispatches in the making.
struct decode {
    struct op_env *env;
    const struct model *model;
    GArray *dispatches;
    struct binding params, scratch;
    const struct value *classes;
    struct decode_push push;
    int window; // channel blocks of a window
};

// input, other: without a buffer where the stage has none.
static bool emit(struct decode *decode, const char *stem, uint32_t mode, struct slice input,
                 struct binding other, struct dispatch *dispatch, GError **error)
{
    static const char *const stages[] = {"append", "high", "low", "ties", "gather"};
    struct op_env *env = decode->env;
    bool reads = input.binding.buffer != NULL;
    bool texel = reads && op_use_texel(env, "decode", &input.binding, 1);
    struct kernel kernel = {
        .n_bindings = other.buffer ? 4
                      : reads      ? 3
                                   : 2,
        .bindings = {BINDING_UNIFORM, BINDING_STORAGE,
                     !texel      ? BINDING_STORAGE
                     : env->half ? BINDING_TEXEL_F16
                                 : BINDING_TEXEL_F32,
                     BINDING_STORAGE},
        .push_bytes = sizeof decode->push,
        .n_spec = DECODE_SPECS,
        .spec = {[DECODE_SPEC_MODE] = mode, [DECODE_SPEC_LOOP] = env->cpu_plan},
    };
    char name[64];
    op_kernel_name(name, sizeof name, stem, texel, env->half, "");
    kernel.spirv = spirv_find(name);
    dispatch->kernel = kernels_get(env->kernels, &kernel, error);
    dispatch->bindings[0] = decode->params;
    dispatch->bindings[1] = decode->scratch;
    dispatch->bindings[2] = input.binding;
    dispatch->bindings[3] = other;
    memcpy(dispatch->push, &decode->push, sizeof decode->push);
    dispatch->op = "decode";
    g_strlcpy(dispatch->variant, texel ? "texel" : "buffer", sizeof dispatch->variant);
    g_snprintf(dispatch->label, sizeof dispatch->label, "%s.%s", stem, stages[mode]);
    dispatch->bytes_moved = dispatch->indirect ? 0 : (double)input.binding.bytes;
    if (dispatch->kernel) {
        g_array_append_val(decode->dispatches, *dispatch);
    }
    return dispatch->kernel != NULL;
}

// All windows of a stage that goes through the class logits. Over capacity (mode is not
// DECODE_APPEND) the device sets the workgroups.
static bool visit_logits(struct decode *decode, const char *stem, uint32_t mode, GError **error)
{
    const bool argmax = g_str_equal(stem, "decode_argmax");
    const int classes = decode->model->num_classes;
    const int blocks = channel_blocks(decode->classes->channels);
    int window = 0;
    for (int block = 0; block < blocks; block += decode->window, window++) {
        int end = MIN(block + decode->window, blocks);
        struct slice slice =
            op_slice(decode->env, decode->env->graph->classes, block, end - block, false);
        int first_anchor = block * 4 / classes;
        int last_anchor = MIN(end * 4, decode->classes->channels) - 1;
        last_anchor /= classes;
        uint32_t groups_y = argmax ? (uint32_t)(last_anchor - first_anchor + 1)
                                   : (uint32_t)ceil_div(end - block, DECODE_BLOCKS);
        decode->push.block_first = (uint32_t)block;
        decode->push.block_end = (uint32_t)end;
        decode->push.window_first = slice.first;
        decode->push.anchor_first = (uint32_t)first_anchor;
        struct dispatch dispatch = {
            .groups = {(decode->push.pixels + DECODE_LOCAL - 1) / DECODE_LOCAL, groups_y, 1}};
        if (mode != DECODE_APPEND) {
            dispatch.indirect = decode->scratch.buffer;
            dispatch.indirect_offset = (DECODE_SELECT + 4 * (uint64_t)window) * sizeof(uint32_t);
        }
        if (!emit(decode, stem, mode, slice, (struct binding){0}, &dispatch, error)) {
            return false;
        }
    }
    return true;
}

// Whether the class head's kernel leaves maxima, and what it leaves serves.
static bool has_maxima(const struct decode *decode)
{
    const struct maxima *maxima = decode->env->maxima;
    return maxima && maxima->rows > 0 && maxima->buffer.bytes >= maxima->bytes &&
           decode->model->post.candidates != CANDIDATES_ARGMAX &&
           decode->window == channel_blocks(decode->classes->channels);
}

static bool visit_maxima(struct decode *decode, GError **error)
{
    struct maxima *maxima = decode->env->maxima;
    struct decode_push *push = &decode->push;
    struct slice slice =
        op_slice(decode->env, decode->env->graph->classes, 0, decode->window, false);
    push->block_first = 0;
    push->block_end = (uint32_t)decode->window;
    push->window_first = slice.first;
    push->quads = maxima->rows * maxima->columns / 4;
    push->columns = maxima->columns;
    push->lanes = maxima->lanes;
    push->tile_pixels = maxima->pixels;
    push->tile_blocks = maxima->blocks;
    const uint32_t each = DECODE_LOCAL * DECODE_QUADS;
    struct dispatch dispatch = {.groups = {(push->quads + each - 1) / each, 1, 1}};
    return emit(decode, "decode_maxima", DECODE_APPEND, slice,
                (struct binding){.buffer = &maxima->buffer, .bytes = maxima->bytes}, &dispatch,
                error);
}

static bool list_pairs(struct decode *decode, GError **error)
{
    const bool argmax = decode->model->post.candidates == CANDIDATES_ARGMAX;
    return has_maxima(decode) ? visit_maxima(decode, error)
                              : visit_logits(decode, argmax ? "decode_argmax" : "decode_pairs",
                                             DECODE_APPEND, error);
}

static bool visit_best(struct decode *decode, uint32_t mode, GError **error)
{
    struct dispatch dispatch = {
        .indirect = decode->scratch.buffer,
        .indirect_offset = DECODE_SELECT * sizeof(uint32_t),
    };
    return emit(decode, "decode_best", mode, (struct slice){0}, (struct binding){0}, &dispatch,
                error);
}

// Workgroups of a stage that goes through the class logits, all windows.
static uint32_t count_groups(const struct decode *decode)
{
    const int blocks = channel_blocks(decode->classes->channels);
    uint32_t rows = 0;
    for (int block = 0; block < blocks; block += decode->window) {
        rows += (uint32_t)ceil_div(MIN(decode->window, blocks - block), DECODE_BLOCKS);
    }
    return rows * ((decode->push.pixels + DECODE_LOCAL - 1) / DECODE_LOCAL);
}

static bool fill_push(struct decode *decode, GError **error)
{
    const struct model *model = decode->model;
    const struct value *value = decode->classes;
    const bool argmax = model->post.candidates == CANDIDATES_ARGMAX;
    const int anchors = model_anchors_per_cell(model);
    const int blocks = channel_blocks(value->channels);
    const int windows = ceil_div(blocks, decode->window);
    const int last = blocks - (windows - 1) * decode->window;
    const uint64_t pairs = (uint64_t)value->pixels * (uint64_t)value->channels;
    if (pairs > UINT32_MAX || anchors > DECODE_SHAPES || windows > DECODE_WINDOWS) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED,
                    "%d anchors a cell and %" G_GUINT64_FORMAT " pairs of anchor and class in %d "
                    "parts are more than the %d, %u and %d that can be decoded: use a smaller "
                    "input size",
                    anchors, pairs, windows, DECODE_SHAPES, UINT32_MAX, DECODE_WINDOWS);
        return false;
    }
    struct decode_push *push = &decode->push;
    push->pixels = (uint32_t)value->pixels;
    push->pitch = (uint32_t)value->pitch;
    push->anchors = (uint32_t)anchors;
    push->classes = (uint32_t)model->num_classes;
    push->capacity = decode_capacity(model);
    push->levels = (uint32_t)model_levels(model);
    push->best_first = DECODE_LIST + 2 * push->capacity;
    push->windows = argmax ? 1 : (uint32_t)windows;
    push->window_x = (push->pixels + DECODE_LOCAL - 1) / DECODE_LOCAL;
    push->window_y = (uint32_t)ceil_div(decode->window, DECODE_BLOCKS);
    push->window_y_last = (uint32_t)ceil_div(last, DECODE_BLOCKS);
    if (argmax) {
        const uint32_t each = DECODE_LOCAL * DECODE_ITEMS;
        push->window_x = (push->pixels * push->anchors + each - 1) / each;
        push->window_y_last = 1;
    }
    while (pairs >> push->shift >= DECODE_BINS) {
        push->shift++;
    }
    push->groups_all = argmax ? push->window_x : count_groups(decode);
    return true;
}

static bool select_best(struct decode *decode, GError **error)
{
    static const uint32_t modes[] = {DECODE_HIGH, DECODE_LOW, DECODE_TIES, DECODE_GATHER};
    const bool argmax = decode->model->post.candidates == CANDIDATES_ARGMAX;
    struct dispatch plan = {.groups = {1, 1, 1}};
    if (!emit(decode, "decode_plan", 0, (struct slice){0}, (struct binding){0}, &plan, error)) {
        return false;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(modes); i++) {
        if (modes[i] == DECODE_LOW && decode->env->half) {
            continue; // a key has 16 bits
        }
        bool ok = argmax ? visit_best(decode, modes[i], error)
                         : visit_logits(decode, "decode_pairs", modes[i], error);
        if (!ok) {
            return false;
        }
    }
    return true;
}

// Workgroups for as many pairs as there is room for: most of them find nothing to do. A CPU pays
// for those, so there are few, which loop.
static bool make_boxes(struct decode *decode, struct buffer *output, GError **error)
{
    const struct graph *graph = decode->env->graph;
    const struct value *boxes = graph_value(graph, graph->boxes);
    struct slice codes =
        op_slice(decode->env, graph->boxes, 0, channel_blocks(boxes->channels), false);
    uint32_t groups = (decode->push.capacity + DECODE_LOCAL - 1) / DECODE_LOCAL;
    if (decode->env->cpu_plan) {
        groups = MIN(groups, DECODE_CPU_GROUPS);
    }
    struct dispatch dispatch = {.groups = {groups, 1, 1}};
    decode->push.pitch = (uint32_t)boxes->pitch;
    decode->push.window_first = codes.first;
    return emit(decode, "decode_emit", 0, codes,
                (struct binding){output, 0, decode_output_bytes(decode->model, graph), true},
                &dispatch, error);
}

bool op_decode_prepare(struct op_env *env, const struct model *model,
                       const struct decode_buffers *buffers, unsigned parts, GArray *dispatches,
                       GError **error)
{
    const struct graph *graph = env->graph;
    struct decode decode = {
        .env = env,
        .model = model,
        .dispatches = dispatches,
        .params = {buffers->params, buffers->params_offset, sizeof(struct decode_params), false},
        .scratch = {buffers->scratch, 0, decode_scratch_bytes(model, graph), true},
        .classes = graph_value(graph, graph->classes),
    };
    if (!op_window(env, &graph->classes, 1, &decode.window, error)) {
        return false;
    }
    decode.window = MIN(decode.window, channel_blocks(decode.classes->channels));
    return fill_push(&decode, error) &&
           (!(parts & DECODE_PART_LIST) || list_pairs(&decode, error)) &&
           (!(parts & DECODE_PART_SELECT) || !decode_may_overflow(model, graph) ||
            select_best(&decode, error)) &&
           (!(parts & DECODE_PART_BOXES) || make_boxes(&decode, buffers->output, error));
}
