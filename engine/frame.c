// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// One frame in flight: copies the picture, fills the parameters, owns the command buffer that is
// recorded once.
#include "frame.h"

#include <string.h>

#define STAGING_BYTES (1920 * 1088 * 4) // enough for 1080p in any 8-bit format
#define DECODE_PARAMS_OFFSET 512        // a multiple of any uniform alignment
#define EXTRA_DISPATCHES 64             // preprocess and decode

G_STATIC_ASSERT(sizeof(struct preprocess_params) <= DECODE_PARAMS_OFFSET);

bool frame_context_init(struct frame_context *context, struct network *network,
                        const struct model *model, GError **error)
{
    *context = (struct frame_context){.network = network, .model = model};
    return buffer_init(&context->scratch, network->device,
                       decode_scratch_bytes(model, network->graph), MEMORY_DEVICE, error);
}

void frame_context_finish(struct frame_context *context)
{
    if (context->network) {
        buffer_finish(&context->scratch, context->network->device);
        context->network = NULL;
    }
}

static bool record_all(struct slot *slot, const struct network *network, GArray *decode,
                       const struct dispatch *preprocess, GError **error)
{
    struct recorder *recorder = slot->recorder;
    if (!recorder_begin(recorder, error)) {
        return false;
    }
    if (g_strcmp0(g_getenv("EFFDET_POISON"), "1") == 0) {
        recorder_fill(recorder, network->env.arena, 0, network->arena.bytes, UINT32_MAX);
    }
    slot->marks[MARK_START] = recorder_timestamp(recorder);
    if (!recorder_dispatch(recorder, preprocess, error)) {
        return false;
    }
    slot->marks[MARK_PREPROCESSED] = recorder_timestamp(recorder);
    for (guint i = 0; i < network->dispatches->len; i++) {
        const struct dispatch *dispatch = &g_array_index(network->dispatches, struct dispatch, i);
        if (!recorder_dispatch(recorder, dispatch, error)) {
            return false;
        }
    }
    slot->marks[MARK_NETWORK] = recorder_timestamp(recorder);
    for (guint i = 0; i < decode->len; i++) {
        if (!recorder_dispatch(recorder, &g_array_index(decode, struct dispatch, i), error)) {
            return false;
        }
    }
    slot->marks[MARK_END] = recorder_timestamp(recorder);
    return recorder_end(recorder, error);
}

static bool record(struct slot *slot, struct frame_context *context, GError **error)
{
    struct network *network = context->network;
    struct dispatch preprocess;
    GArray *decode = g_array_new(FALSE, TRUE, sizeof(struct dispatch));
    bool ok = op_preprocess_prepare(&network->env, &context->model->pre, &slot->staging,
                                    &slot->params, 0, &preprocess, error) &&
              op_decode_prepare(&network->env, context->model, &slot->params, DECODE_PARAMS_OFFSET,
                                &slot->output, &context->scratch, decode, error) &&
              record_all(slot, network, decode, &preprocess, error);
    g_array_unref(decode);
    return ok;
}

bool slot_init(struct slot *slot, struct frame_context *context, GError **error)
{
    struct network *network = context->network;
    struct device *device = network->device;
    *slot = (struct slot){0};
    slot->recorder =
        recorder_new(device, (int)network->dispatches->len + EXTRA_DISPATCHES, N_MARKS, error);
    bool ok =
        slot->recorder &&
        buffer_init(&slot->staging, device, MIN(STAGING_BYTES, device->limits.storage_range),
                    MEMORY_UPLOAD, error) &&
        buffer_init(&slot->params, device, DECODE_PARAMS_OFFSET + sizeof(struct decode_params),
                    MEMORY_UPLOAD, error) &&
        buffer_init(&slot->output, device, decode_output_bytes(context->model, network->graph),
                    MEMORY_READBACK, error) &&
        record(slot, context, error);
    if (!ok) {
        slot_finish(slot, context);
    }
    return ok;
}

void slot_finish(struct slot *slot, struct frame_context *context)
{
    struct device *device = context->network->device;
    recorder_free(&slot->recorder);
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

bool slot_submit(struct slot *slot, struct frame_context *context, const EffdetFrame *frame,
                 GError **error)
{
    struct device *device = context->network->device;
    uint64_t offsets[3], strides[3], bytes;
    if (!frame_validate(frame, error)) {
        return false;
    }
    preprocess_layout(frame, offsets, strides, &bytes);
    if (bytes > slot->staging.bytes && !grow_staging(slot, context, bytes, error)) {
        return false;
    }
    copy_planes(slot, frame, offsets, strides);
    letterbox_init(&slot->letterbox, context->model, (int)frame->width, (int)frame->height,
                   (double)frame->pixel_aspect);
    guint8 *params = slot->params.map;
    preprocess_fill((struct preprocess_params *)params, frame, context->model, &slot->letterbox);
    decode_fill((struct decode_params *)(params + DECODE_PARAMS_OFFSET), context->model,
                slot->filter.score_threshold);
    return buffer_flush(&slot->staging, device, 0, bytes, error) &&
           buffer_flush(&slot->params, device, 0, slot->params.bytes, error) &&
           recorder_submit(slot->recorder, error);
}

uint64_t slot_bytes(const struct slot *slot)
{
    return slot->staging.bytes + slot->params.bytes + slot->output.bytes;
}
