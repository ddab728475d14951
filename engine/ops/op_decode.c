// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The dispatches of decode: clear, visit all pairs, and - with no workgroups unless too many passed
// - find and gather the best; then the boxes.
#include "ops/op_decode.h"

#include "effdet/effdet.h"
#include "ops/launch.h"

#include <string.h>

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

static bool emit(struct decode *decode, const char *stem, uint32_t mode, struct slice input,
                 const struct buffer *indirect, uint32_t groups_x, uint32_t groups_y,
                 struct dispatch *dispatch, GError **error)
{
    static const char *const stages[] = {"append", "high", "low", "ties", "gather"};
    struct op_env *env = decode->env;
    bool reads = input.binding.buffer != NULL;
    bool texel = reads && op_use_texel(env, "decode", &input.binding, 1);
    struct kernel kernel = {
        .n_bindings = reads ? 3 : 2,
        .bindings = {BINDING_UNIFORM, BINDING_STORAGE,
                     !texel      ? BINDING_STORAGE
                     : env->half ? BINDING_TEXEL_F16
                                 : BINDING_TEXEL_F32},
        .push_bytes = sizeof decode->push,
        .n_spec = DECODE_SPECS,
        .spec = {[DECODE_SPEC_MODE] = mode},
    };
    bool emits = dispatch->bindings[3].buffer != NULL;
    if (emits) {
        kernel.bindings[kernel.n_bindings++] = BINDING_STORAGE;
    }
    char name[64];
    op_kernel_name(name, sizeof name, stem, texel, env->half, "");
    kernel.spirv = spirv_find(name);
    kernel.push_bytes = g_str_equal(stem, "decode_clear") ? 0 : kernel.push_bytes;
    dispatch->kernel = kernels_get(env->kernels, &kernel, error);
    dispatch->bindings[0] = decode->params;
    dispatch->bindings[1] = decode->scratch;
    dispatch->bindings[2] = input.binding;
    memcpy(dispatch->push, &decode->push, sizeof decode->push);
    dispatch->groups[0] = groups_x;
    dispatch->groups[1] = groups_y;
    dispatch->groups[2] = 1;
    dispatch->op = "decode";
    g_strlcpy(dispatch->variant, texel ? "texel" : "buffer", sizeof dispatch->variant);
    g_snprintf(dispatch->label, sizeof dispatch->label, "%s.%s", stem, stages[mode]);
    dispatch->bytes_moved = indirect ? 0 : (double)input.binding.bytes;
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
        struct dispatch dispatch = {0};
        if (mode != DECODE_APPEND) {
            dispatch.indirect = decode->scratch.buffer;
            dispatch.indirect_offset = (DECODE_SELECT + 4 * (uint64_t)window) * sizeof(uint32_t);
        }
        if (!emit(decode, stem, mode, slice, dispatch.indirect,
                  (decode->push.pixels + DECODE_LOCAL - 1) / DECODE_LOCAL, groups_y, &dispatch,
                  error)) {
            return false;
        }
    }
    return true;
}

static bool visit_best(struct decode *decode, uint32_t mode, GError **error)
{
    struct dispatch dispatch = {
        .indirect = decode->scratch.buffer,
        .indirect_offset = DECODE_SELECT * sizeof(uint32_t),
    };
    return emit(decode, "decode_best", mode, (struct slice){0}, dispatch.indirect, 1, 1, &dispatch,
                error);
}

// Workgroups of the first stage, all windows.
static uint32_t count_groups(const struct decode *decode, bool argmax)
{
    const int classes = decode->model->num_classes;
    const int blocks = channel_blocks(decode->classes->channels);
    uint32_t rows = 0;
    for (int block = 0; block < blocks; block += decode->window) {
        int end = MIN(block + decode->window, blocks);
        int last_channel = MIN(end * 4, decode->classes->channels) - 1;
        rows += argmax ? (uint32_t)(last_channel / classes - block * 4 / classes + 1)
                       : (uint32_t)ceil_div(end - block, DECODE_BLOCKS);
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
    push->groups_all = count_groups(decode, argmax);
    return true;
}

// Only where more can pass than there is room for.
static bool select_best(struct decode *decode, bool argmax, GError **error)
{
    static const uint32_t modes[] = {DECODE_HIGH, DECODE_LOW, DECODE_TIES, DECODE_GATHER};
    decode->push.groups_all = argmax ? decode->push.window_x : decode->push.groups_all;
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

bool op_decode_prepare(struct op_env *env, const struct model *model, struct buffer *params,
                       uint64_t params_offset, struct buffer *output, struct buffer *scratch,
                       GArray *dispatches, GError **error)
{
    const struct graph *graph = env->graph;
    const bool argmax = model->post.candidates == CANDIDATES_ARGMAX;
    struct decode decode = {
        .env = env,
        .model = model,
        .dispatches = dispatches,
        .params = {params, params_offset, sizeof(struct decode_params), false},
        .scratch = {scratch, 0, decode_scratch_bytes(model, graph), true},
        .classes = graph_value(graph, graph->classes),
    };
    const uint64_t pairs = (uint64_t)decode.classes->pixels * (uint64_t)decode.classes->channels;
    if (!op_window(env, &graph->classes, 1, &decode.window, error)) {
        return false;
    }
    decode.window = MIN(decode.window, channel_blocks(decode.classes->channels));
    struct dispatch clear = {0}, boxes = {0};
    if (!fill_push(&decode, error) ||
        !emit(&decode, "decode_clear", 0, (struct slice){0}, NULL, 1, 1, &clear, error) ||
        !visit_logits(&decode, argmax ? "decode_argmax" : "decode_pairs", DECODE_APPEND, error)) {
        return false;
    }
    const uint64_t most = argmax ? pairs / (uint64_t)model->num_classes : pairs;
    if (most > decode.push.capacity && !select_best(&decode, argmax, error)) {
        return false;
    }
    decode.push.pitch = (uint32_t)graph_value(graph, graph->boxes)->pitch;
    boxes.indirect = scratch;
    boxes.indirect_offset = DECODE_EMIT * sizeof(uint32_t);
    boxes.bindings[3] = (struct binding){output, 0, decode_output_bytes(model, graph), true};
    struct slice codes = op_slice(
        env, graph->boxes, 0, channel_blocks(graph_value(graph, graph->boxes)->channels), false);
    decode.push.window_first = codes.first;
    return emit(&decode, "decode_emit", 0, codes, boxes.indirect, 1, 1, &boxes, error);
}
