// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Frames in, results out: the streams of an engine, and the functions of the engine's own one. When
// a frame goes to the device is schedule.c's matter.
#include "base/error.h"
#include "engine_private.h"

// ---- life ----

EffdetStream *effdet_stream_new(EffdetEngine *engine, guint queue_depth, GError **error)
{
    guint depth = queue_depth ? queue_depth : engine->info.queue_depth;
    if (depth > MAX_QUEUE_DEPTH) {
        fail_value(error, "queue depth %u is out of range: use 1 to %d", depth, MAX_QUEUE_DEPTH);
        return NULL;
    }
    g_mutex_lock(&engine->lock);
    guint reserved = engine->n_reserved + depth;
    if (reserved <= MAX_SLOTS) {
        engine->n_reserved = reserved;
    }
    g_mutex_unlock(&engine->lock);
    if (reserved > MAX_SLOTS) {
        fail_value(error,
                   "the streams of one engine may have %d frames in flight together, this one "
                   "would make it %u: use a lower queue depth, or a second engine",
                   MAX_SLOTS, reserved);
        return NULL;
    }
    EffdetStream *stream = g_new0(EffdetStream, 1);
    stream->engine = engine;
    stream->depth = depth;
    stream->post = post_new(engine->model);
    if (!engine_make_slots(engine, reserved, error)) {
        effdet_stream_free(&stream);
        return NULL;
    }
    g_mutex_lock(&engine->lock);
    post_filter_copy(&stream->filter, &engine->own->filter);
    g_mutex_unlock(&engine->lock);
    return stream;
}

void effdet_stream_free(EffdetStream **stream)
{
    EffdetStream *self = stream ? g_steal_pointer(stream) : NULL;
    if (!self) {
        return;
    }
    EffdetEngine *engine = self->engine;
    g_mutex_lock(&engine->lock);
    for (guint i = 0; i < self->n; i++) {
        schedule_drop(engine, self->frames[(self->first + i) % MAX_QUEUE_DEPTH]);
    }
    engine->n_reserved -= self->depth;
    g_mutex_unlock(&engine->lock);
    post_filter_finish(&self->filter);
    post_free(&self->post);
    g_free(self);
}

gboolean effdet_stream_set_filter(EffdetStream *stream, const EffdetFilter *filter, GError **error)
{
    struct post_filter parsed = {0};
    if (!post_filter_init(&parsed, stream->engine->model, filter, error)) {
        return FALSE;
    }
    g_mutex_lock(&stream->engine->lock);
    struct post_filter old = stream->filter;
    stream->filter = parsed;
    g_mutex_unlock(&stream->engine->lock);
    post_filter_finish(&old);
    return TRUE;
}

// ---- in ----

// Takes the stream's last frame back, with what was wrong with it. Under lock.
static EffdetStatus give_back(EffdetStream *stream, struct slot *slot, GError **error)
{
    stream->n--;
    g_propagate_error(error, g_steal_pointer(&slot->failure));
    schedule_drop(stream->engine, slot);
    return EFFDET_FAILED;
}

static bool failed(const EffdetEngine *engine, GError **error)
{
    if (engine->failure) {
        g_propagate_error(error, g_error_copy(engine->failure));
    }
    return engine->failure != NULL;
}

EffdetStatus effdet_stream_submit(EffdetStream *stream, const EffdetFrame *frame, gint64 time_ns,
                                  gpointer cookie, GError **error)
{
    EffdetEngine *engine = stream->engine;
    struct slot *slot = NULL;
    g_mutex_lock(&engine->lock);
    bool lost = failed(engine, error);
    if (!lost && stream->n < stream->depth && (slot = schedule_take(engine))) {
        slot->stream = stream;
        slot->cookie = cookie;
        slot->submitted_us = g_get_monotonic_time();
        post_filter_copy(&slot->filter, &stream->filter);
    }
    g_mutex_unlock(&engine->lock);
    if (!slot) {
        return lost ? EFFDET_FAILED : EFFDET_BUSY;
    }
    bool filled = slot_fill(slot, &engine->context, frame, error);
    EffdetStatus status = filled ? EFFDET_OK : EFFDET_FAILED;
    g_mutex_lock(&engine->lock);
    if (!filled) {
        schedule_drop(engine, slot);
    } else {
        schedule_add(engine, slot, time_ns);
        if (slot->failure) {
            status = give_back(stream, slot, error);
        } else if (failed(engine, error)) {
            status = give_back(stream, slot, NULL);
        } else if (slot->state == SLOT_WAITING && !engine->waiting && engine->n_launches > 0) {
            // Nobody may be collecting: then what is done makes room now.
            (void)!schedule_wait(engine, 0, NULL);
        }
        g_cond_broadcast(&engine->change);
    }
    g_mutex_unlock(&engine->lock);
    return status;
}

// ---- out ----

// Waits until the stream's oldest frame is done. Under lock.
static EffdetStatus wait_for_oldest(EffdetStream *stream, gint64 deadline_us, GError **error)
{
    EffdetEngine *engine = stream->engine;
    bool polled = false; // even after the deadline the device is asked once
    while (stream->n > 0 && stream->frames[stream->first]->state != SLOT_DONE) {
        if (failed(engine, error)) {
            return EFFDET_FAILED;
        }
        if (polled && g_get_monotonic_time() >= deadline_us) {
            return EFFDET_AGAIN;
        }
        polled = true;
        if (!engine->waiting && engine->n_launches > 0) {
            if (!schedule_wait(engine, deadline_us, error)) {
                return EFFDET_FAILED;
            }
        } else if (deadline_us == G_MAXINT64) {
            g_cond_wait(&engine->change, &engine->lock);
        } else {
            g_cond_wait_until(&engine->change, &engine->lock, deadline_us);
        }
    }
    return stream->n > 0 ? EFFDET_OK : EFFDET_AGAIN;
}

static EffdetResult *make_result(EffdetStream *stream, const struct slot *slot)
{
    const struct decode_output *output = slot->output.map;
    EffdetResult *result =
        result_pool_take(stream->engine->results, post_capacity(stream->post, output));
    result->cookie = slot->cookie;
    post_run(stream->post, output, &slot->filter, &slot->letterbox, result);
    result->gpu_preprocess_us = slot_elapsed_us(slot, MARK_START, MARK_PREPROCESSED);
    result->gpu_network_us = slot_elapsed_us(slot, MARK_PREPROCESSED, MARK_NETWORK);
    result->gpu_decode_us = slot_elapsed_us(slot, MARK_NETWORK, MARK_END);
    result->latency_us = g_get_monotonic_time() - slot->submitted_us;
    return result;
}

EffdetStatus effdet_stream_collect(EffdetStream *stream, gint64 timeout_us, EffdetResult **result,
                                   GError **error)
{
    EffdetEngine *engine = stream->engine;
    gint64 now_us = g_get_monotonic_time();
    bool unbounded = timeout_us < 0 || timeout_us > G_MAXINT64 / 2;
    g_mutex_lock(&engine->lock);
    EffdetStatus status =
        wait_for_oldest(stream, unbounded ? G_MAXINT64 : now_us + timeout_us, error);
    struct slot *slot = status == EFFDET_OK ? stream->frames[stream->first] : NULL;
    g_mutex_unlock(&engine->lock);
    if (!slot) {
        return status;
    }
    if (!slot->failure) {
        *result = make_result(stream, slot);
    }
    g_mutex_lock(&engine->lock);
    if (slot->failure) {
        g_propagate_error(error, g_steal_pointer(&slot->failure));
        status = EFFDET_FAILED;
    }
    stream->first = (stream->first + 1) % MAX_QUEUE_DEPTH;
    stream->n--;
    schedule_drop(engine, slot);
    g_mutex_unlock(&engine->lock);
    return status;
}

guint effdet_stream_in_flight(EffdetStream *stream)
{
    g_mutex_lock(&stream->engine->lock);
    guint n = stream->n;
    g_mutex_unlock(&stream->engine->lock);
    return n;
}

// ---- the engine's own stream ----

gboolean effdet_engine_set_filter(EffdetEngine *engine, const EffdetFilter *filter, GError **error)
{
    return effdet_stream_set_filter(engine->own, filter, error);
}

EffdetStatus effdet_engine_submit(EffdetEngine *engine, const EffdetFrame *frame, gpointer cookie,
                                  GError **error)
{
    return effdet_stream_submit(engine->own, frame, -1, cookie, error);
}

EffdetStatus effdet_engine_collect(EffdetEngine *engine, gint64 timeout_us, EffdetResult **result,
                                   GError **error)
{
    return effdet_stream_collect(engine->own, timeout_us, result, error);
}

guint effdet_engine_in_flight(EffdetEngine *engine)
{
    guint n = 0;
    g_mutex_lock(&engine->lock);
    for (int i = 0; i < engine->n_slots; i++) {
        n += engine->slots[i].state != SLOT_FREE;
    }
    g_mutex_unlock(&engine->lock);
    return n;
}
