// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// One frame in flight: copies the picture, fills the parameters, owns the command buffers that are
// recorded once, and chooses between them.
#include "frame.h"

#include "gpu/compile.h"

#include <string.h>

#define DECODE_PARAMS_OFFSET 512 // a multiple of any uniform alignment
#define EXTRA_DISPATCHES 64      // preprocess and decode
#define FULL_FRAMES 30           // below capacity, before frames are decoded quickly again

G_STATIC_ASSERT(sizeof(struct preprocess_params) <= DECODE_PARAMS_OFFSET);

bool frame_context_init(struct frame_context *context, struct network *network,
                        const struct model *model, GError **error)
{
    *context = (struct frame_context){.network = network, .model = model};
    g_mutex_init(&context->lock);
    return buffer_init(&context->scratch, network->device,
                       decode_scratch_bytes(model, network->graph), MEMORY_DEVICE, error);
}

void frame_context_finish(struct frame_context *context)
{
    if (context->network) {
        buffer_finish(&context->scratch, context->network->device);
        g_clear_pointer(&context->marks, g_free);
        g_mutex_clear(&context->lock);
        context->network = NULL;
    }
}

void frame_context_measure(struct frame_context *context)
{
    context->marks = g_new(int, context->network->dispatches->len + 1);
}

// A driver that compiles at the first dispatch makes the first frame no measure: the estimate
// bounds it on CPUs, which have no watchdog.
void frame_context_learn(struct frame_context *context, const struct slot *slot)
{
    const struct network *network = context->network;
    struct recorder *recorder = slot->passes[slot->kind].recorder;
    for (guint i = 0; i < network->dispatches->len; i++) {
        struct dispatch *dispatch = &g_array_index(network->dispatches, struct dispatch, i);
        int64_t ns = recorder_elapsed_ns(recorder, context->marks[i], context->marks[i + 1]);
        double us = (double)ns / 1000;
        if (ns >= 0 && !(network->device->is_cpu && us > dispatch->estimate_us)) {
            dispatch->estimate_us = us;
        }
    }
    g_clear_pointer(&context->marks, g_free);
}

static bool record_dispatches(struct recorder *recorder, const GArray *dispatches, int *marks,
                              GError **error)
{
    for (guint i = 0; i < dispatches->len; i++) {
        if (!recorder_dispatch(recorder, &g_array_index(dispatches, struct dispatch, i), error)) {
            return false;
        }
        if (marks) {
            marks[i + 1] = recorder_timestamp(recorder);
        }
    }
    return true;
}

static bool record_all(struct pass *pass, const struct frame_context *context, const GArray *decode,
                       const struct dispatch *preprocess, GError **error)
{
    const struct network *network = context->network;
    struct recorder *recorder = pass->recorder;
    if (!recorder_begin(recorder, error)) {
        return false;
    }
    if (g_strcmp0(g_getenv("EFFDET_POISON"), "1") == 0) {
        recorder_fill(recorder, network->env.arena, 0, network->arena.bytes, UINT32_MAX);
    }
    pass->marks[MARK_START] = recorder_timestamp(recorder);
    if (!recorder_dispatch(recorder, preprocess, error)) {
        return false;
    }
    pass->marks[MARK_PREPROCESSED] = recorder_timestamp(recorder);
    if (context->marks) {
        context->marks[0] = pass->marks[MARK_PREPROCESSED];
    }
    if (!record_dispatches(recorder, network->dispatches, context->marks, error)) {
        return false;
    }
    pass->marks[MARK_NETWORK] = recorder_timestamp(recorder);
    if (!record_dispatches(recorder, decode, NULL, error)) {
        return false;
    }
    pass->marks[MARK_END] = recorder_timestamp(recorder);
    return recorder_end(recorder, error);
}

// The first frame would do so too, on one thread.
static bool compile_all(const struct frame_context *context, const GArray *decode,
                        const struct dispatch *preprocess, GError **error)
{
    const struct network *network = context->network;
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(struct dispatch));
    g_array_append_vals(all, preprocess, 1);
    g_array_append_vals(all, network->dispatches->data, network->dispatches->len);
    g_array_append_vals(all, decode->data, decode->len);
    const struct compile_options options = compile_defaults();
    return compile_ahead(network->device, all, &options, NULL, error);
}

static bool record_pass(struct slot *slot, struct frame_context *context, enum pass_kind kind,
                        GError **error)
{
    static const unsigned parts[] = {
        [PASS_QUICK] = DECODE_PART_LIST | DECODE_PART_BOXES,
        [PASS_FULL] = DECODE_PART_LIST | DECODE_PART_SELECT | DECODE_PART_BOXES,
    };
    struct network *network = context->network;
    const struct decode_buffers buffers = {&slot->params, &slot->output, &context->scratch,
                                           DECODE_PARAMS_OFFSET};
    struct dispatch preprocess;
    g_autoptr(GArray) decode = g_array_new(FALSE, TRUE, sizeof(struct dispatch));
    if (!op_preprocess_prepare(&network->env, &context->model->pre, slot->shape, &slot->staging,
                               &slot->params, 0, &context->scratch, &preprocess, error) ||
        !op_decode_prepare(&network->env, context->model, &buffers, parts[kind], decode, error)) {
        return false;
    }
    preprocess.estimate_us = network_estimate_us(network, &preprocess);
    for (guint i = 0; i < decode->len; i++) {
        struct dispatch *dispatch = &g_array_index(decode, struct dispatch, i);
        dispatch->estimate_us = network_estimate_us(network, dispatch);
    }
    bool compiled = context->compiled || !network->device->is_cpu;
    context->compiled = true;
    return (compiled || compile_all(context, decode, &preprocess, error)) &&
           record_all(&slot->passes[kind], context, decode, &preprocess, error);
}

static bool record(struct slot *slot, struct frame_context *context, GError **error)
{
    return record_pass(slot, context, PASS_QUICK, error) &&
           (!slot->passes[PASS_FULL].recorder || record_pass(slot, context, PASS_FULL, error));
}

static bool make_recorders(struct slot *slot, const struct frame_context *context, GError **error)
{
    const struct network *network = context->network;
    int n = (int)network->dispatches->len + EXTRA_DISPATCHES;
    int marks = N_MARKS + (context->marks ? n : 0);
    int passes =
        decode_may_overflow(context->model, network->graph) && !context->marks ? N_PASSES : 1;
    for (int i = 0; i < passes; i++) {
        slot->passes[i].recorder = recorder_new(network->device, n, marks, error);
        if (!slot->passes[i].recorder) {
            return false;
        }
    }
    return true;
}

bool slot_init(struct slot *slot, struct frame_context *context, uint64_t staging_bytes,
               GError **error)
{
    struct network *network = context->network;
    struct device *device = network->device;
    *slot = (struct slot){.shape.rows = context->model->input_height};
    g_mutex_lock(&context->lock);
    bool ok =
        make_recorders(slot, context, error) &&
        buffer_init(&slot->staging, device, MIN(staging_bytes, device->limits.storage_range),
                    MEMORY_UPLOAD, error) &&
        buffer_init(&slot->params, device, DECODE_PARAMS_OFFSET + sizeof(struct decode_params),
                    MEMORY_UPLOAD, error) &&
        buffer_init(&slot->output, device, decode_output_bytes(context->model, network->graph),
                    MEMORY_READBACK, error) &&
        record(slot, context, error);
    g_mutex_unlock(&context->lock);
    if (!ok) {
        slot_finish(slot, context);
    }
    return ok;
}

void slot_finish(struct slot *slot, struct frame_context *context)
{
    struct device *device = context->network->device;
    for (int i = 0; i < N_PASSES; i++) {
        recorder_free(&slot->passes[i].recorder);
    }
    buffer_finish(&slot->staging, device);
    buffer_finish(&slot->params, device);
    buffer_finish(&slot->output, device);
    post_filter_finish(&slot->filter);
}

static bool grow_staging(struct slot *slot, struct frame_context *context, uint64_t bytes,
                         GError **error)
{
    struct device *device = context->network->device;
    struct buffer larger = {0};
    if (!buffer_init(&larger, device, align_up(bytes, 1 << 20), MEMORY_UPLOAD, error)) {
        return false;
    }
    struct buffer old = slot->staging;
    slot->staging = larger;
    if (!record(slot, context, error)) {
        // the old record is gone too: the slot must be recorded for the old buffer again
        slot->staging = old;
        buffer_finish(&larger, device);
        (void)!record(slot, context, NULL);
        return false;
    }
    buffer_finish(&old, device);
    return true;
}

// Records again for frames of another shape.
static bool fit_shape(struct slot *slot, struct frame_context *context,
                      struct preprocess_shape shape, GError **error)
{
    struct preprocess_shape old = slot->shape;
    if (shape.format == old.format && shape.rows == old.rows) {
        return true;
    }
    slot->shape = shape;
    if (!record(slot, context, error)) {
        slot->shape = old;
        (void)!record(slot, context, NULL);
        return false;
    }
    return true;
}

static void copy_planes(struct slot *slot, const EffdetFrame *frame, const uint64_t offsets[3],
                        const uint64_t strides[3])
{
    const struct format_info *info = format_info(frame->format);
    for (int p = 0; p < info->n_planes; p++) {
        size_t row = format_row_bytes(frame->format, p, frame->width);
        guint rows = format_rows(frame->format, p, frame->height);
        guint8 *to = (guint8 *)slot->staging.map + offsets[p];
        const EffdetPlane *plane = &frame->planes[p];
        if (plane->stride_bytes == strides[p]) {
            memcpy(to, plane->data, strides[p] * (rows - 1) + row);
            continue;
        }
        for (guint y = 0; y < rows; y++) {
            memcpy(to + y * strides[p], plane->data + y * plane->stride_bytes, row);
        }
    }
}

// The slot's memory and commands become fit for such frames: seldom, and one slot at a time.
static bool fit(struct slot *slot, struct frame_context *context, uint64_t bytes,
                struct preprocess_shape shape, GError **error)
{
    g_mutex_lock(&context->lock);
    bool ok = (bytes <= slot->staging.bytes || grow_staging(slot, context, bytes, error)) &&
              fit_shape(slot, context, shape, error);
    g_mutex_unlock(&context->lock);
    return ok;
}

bool slot_fill(struct slot *slot, struct frame_context *context, const EffdetFrame *frame,
               GError **error)
{
    struct device *device = context->network->device;
    uint64_t offsets[3], strides[3], bytes;
    if (!frame_validate(frame, error)) {
        return false;
    }
    preprocess_layout(frame, offsets, strides, &bytes);
    letterbox_init(&slot->letterbox, context->model, (int)frame->width, (int)frame->height,
                   (double)frame->pixel_aspect);
    struct preprocess_shape shape =
        preprocess_shape_of(&context->model->pre, frame->format, &slot->letterbox);
    if (!fit(slot, context, bytes, shape, error)) {
        return false;
    }
    slot->kind = g_atomic_int_get(&context->full_frames) > 0 ? PASS_FULL : PASS_QUICK;
    copy_planes(slot, frame, offsets, strides);
    guint8 *params = slot->params.map;
    preprocess_fill((struct preprocess_params *)params, frame, context->model, &slot->letterbox);
    decode_fill((struct decode_params *)(params + DECODE_PARAMS_OFFSET), context->model,
                slot->filter.score_threshold);
    return buffer_flush(&slot->staging, device, 0, bytes, error) &&
           buffer_flush(&slot->params, device, 0, slot->params.bytes, error);
}

struct recorder *slot_recorder(const struct slot *slot)
{
    return slot->passes[slot->kind].recorder;
}

bool slot_arrive(struct slot *slot, struct frame_context *context, bool *again, GError **error)
{
    const struct decode_output *output = slot->output.map;
    *again = false;
    if (!buffer_invalidate(&slot->output, context->network->device, 0, slot->output.bytes, error)) {
        return false;
    }
    int frames = g_atomic_int_get(&context->full_frames);
    if (output->found <= output->kept) {
        g_atomic_int_set(&context->full_frames, MAX(frames - 1, 0));
        return true;
    }
    g_atomic_int_set(&context->full_frames, FULL_FRAMES);
    *again = slot->kind == PASS_QUICK && slot->passes[PASS_FULL].recorder;
    if (*again) {
        slot->kind = PASS_FULL;
    }
    return true;
}

gint64 slot_elapsed_us(const struct slot *slot, int from, int to)
{
    const struct pass *pass = &slot->passes[slot->kind];
    int64_t ns = recorder_elapsed_ns(pass->recorder, pass->marks[from], pass->marks[to]);
    return ns < 0 ? -1 : ns / 1000;
}

uint64_t slot_bytes(const struct slot *slot)
{
    return slot->staging.bytes + slot->params.bytes + slot->output.bytes;
}
