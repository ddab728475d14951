// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Which frame goes to the device when, and what comes back. The device gets few submissions at a
// time; what comes meanwhile waits, and goes as one when one is done: the streams' frames in the
// order of their times. There is no thread of its own: whoever submits or collects drives it.
#include "engine_private.h"

#include "base/error.h"

// A stream that is further from the others than this has jumped, or joins: its times are counted
// from where the others are. Thus none starves the others, nor is starved, by what its clock says.
#define MAX_DISTANCE_NS ((gint64)G_USEC_PER_SEC * 1000)

static struct launch *nth_launch(EffdetEngine *engine, guint n)
{
    return &engine->launches[(engine->first_launch + n) % MAX_QUEUE_DEPTH];
}

struct slot *schedule_take(EffdetEngine *engine)
{
    for (int i = 0; i < engine->n_slots; i++) {
        struct slot *slot = &engine->slots[(engine->head + i) % engine->n_slots];
        if (slot->state == SLOT_FREE) {
            engine->head = (engine->head + i + 1) % engine->n_slots;
            slot->state = SLOT_FILLING;
            return slot;
        }
    }
    return NULL;
}

// The frame's place among those of all streams. Never before an earlier frame of its stream.
static gint64 order_of(const EffdetEngine *engine, EffdetStream *stream, gint64 time_ns)
{
    gint64 order_ns = time_ns + stream->offset_ns;
    if (time_ns < 0) {
        order_ns = stream->anchored ? stream->last_ns : engine->order_ns;
    } else if (!stream->anchored || ABS(order_ns - engine->order_ns) > MAX_DISTANCE_NS) {
        stream->anchored = true;
        stream->offset_ns = engine->order_ns - time_ns;
        order_ns = engine->order_ns;
    }
    return order_ns;
}

void schedule_add(EffdetEngine *engine, struct slot *slot, gint64 time_ns)
{
    EffdetStream *stream = slot->stream;
    gint64 order_ns = order_of(engine, stream, MIN(time_ns, G_MAXINT64 / 4));
    slot->order_ns = stream->n > 0 ? MAX(order_ns, stream->last_ns) : order_ns;
    stream->last_ns = slot->order_ns;
    slot->state = SLOT_WAITING;
    stream->frames[(stream->first + stream->n++) % MAX_QUEUE_DEPTH] = slot;
    schedule_launch(engine);
}

// The waiting frame to go next.
static struct slot *next_waiting(EffdetEngine *engine)
{
    struct slot *next = NULL;
    for (int i = 0; i < engine->n_slots; i++) {
        struct slot *slot = &engine->slots[i];
        if (slot->state == SLOT_WAITING &&
            (!next || slot->order_ns < next->order_ns ||
             (slot->order_ns == next->order_ns && slot->submitted_us < next->submitted_us))) {
            next = slot;
        }
    }
    return next;
}

// The frame has come to its end, for better or worse.
static void finish(struct slot *slot, const GError *failure)
{
    slot->failure = failure ? g_error_copy(failure) : NULL;
    slot->state = SLOT_DONE;
    if (!slot->stream) {
        g_clear_error(&slot->failure);
        slot->state = SLOT_FREE;
    }
}

// A lost device is everybody's misfortune, anything else that of the frame.
static void note_failure(EffdetEngine *engine, const GError *error)
{
    if (!engine->failure && g_error_matches(error, EFFDET_ERROR, EFFDET_ERROR_DEVICE_LOST)) {
        engine->failure = g_error_copy(error);
        g_cond_broadcast(&engine->change);
    }
}

// FALSE where nothing of the batch went to the device.
static bool submit(EffdetEngine *engine, struct slot **slots, int n, GError **error)
{
    struct recorder *recorders[MAX_BATCH];
    for (int i = 0; i < n; i++) {
        recorders[i] = slot_recorder(slots[i]);
    }
    if (!recorder_submit_batch(recorders, n, error)) {
        return false;
    }
    struct launch *launch = nth_launch(engine, engine->n_launches++);
    *launch = (struct launch){.n = n};
    for (int i = 0; i < n; i++) {
        launch->slots[i] = slots[i];
        slots[i]->state = SLOT_RUNNING;
        engine->order_ns = MAX(engine->order_ns, slots[i]->order_ns);
    }
    return true;
}

void schedule_launch(EffdetEngine *engine)
{
    int limit = MAX_BATCH;
    struct slot *next;
    while (!engine->failure && engine->n_launches < engine->max_launches &&
           (next = next_waiting(engine))) {
        struct slot *batch[MAX_BATCH];
        g_autoptr(GError) error = NULL;
        int n = 0;
        for (; next && n < limit; next = next_waiting(engine)) {
            next->state = SLOT_RUNNING;
            batch[n++] = next;
        }
        if (submit(engine, batch, n, &error)) {
            continue;
        }
        note_failure(engine, error);
        // Together they may be too much for the device; then it is one that fails.
        limit = 1;
        for (int i = 0; i < n; i++) {
            batch[i]->state = SLOT_WAITING;
        }
        if (n == 1 || engine->failure) {
            finish(batch[0], error);
        }
    }
}

// One frame of the launch is done. A second run counts as a frame that waits.
static void arrive(EffdetEngine *engine, struct slot *slot)
{
    g_autoptr(GError) error = NULL;
    bool done, again = false;
    if (!recorder_wait(slot_recorder(slot), 0, &done, &error) ||
        (slot->stream && !slot_arrive(slot, &engine->context, &again, &error))) {
        note_failure(engine, error);
        finish(slot, error);
    } else if (again) {
        slot->state = SLOT_WAITING;
    } else {
        finish(slot, NULL);
    }
}

static void retire(EffdetEngine *engine)
{
    struct launch *launch = nth_launch(engine, 0);
    for (int i = 0; i < launch->n; i++) {
        arrive(engine, launch->slots[i]);
    }
    engine->first_launch = (engine->first_launch + 1) % MAX_QUEUE_DEPTH;
    engine->n_launches--;
    schedule_launch(engine);
}

bool schedule_wait(EffdetEngine *engine, gint64 deadline_us, GError **error)
{
    struct launch *launch = nth_launch(engine, 0);
    struct recorder *recorder = slot_recorder(launch->slots[launch->n - 1]);
    gint64 left_us = engine->timeout_ms == G_MAXUINT
                         ? G_MAXINT64
                         : (gint64)engine->timeout_ms * launch->n * 1000 - launch->waited_us;
    left_us = MAX(left_us, 0);
    gint64 start_us = g_get_monotonic_time();
    gint64 wait_us = CLAMP(deadline_us - start_us, 0, left_us);
    uint64_t wait_ns =
        deadline_us == G_MAXINT64 && left_us == G_MAXINT64 ? UINT64_MAX : (uint64_t)wait_us * 1000;
    g_autoptr(GError) failure = NULL;
    bool done = false;
    engine->waiting = true;
    g_mutex_unlock(&engine->lock);
    bool ok = recorder_wait(recorder, wait_ns, &done, &failure);
    g_mutex_lock(&engine->lock);
    engine->waiting = false;
    launch->waited_us += g_get_monotonic_time() - start_us;
    if (ok && !done && wait_us == left_us) {
        g_atomic_int_set(&engine->device->lost, 1);
        g_set_error(&failure, EFFDET_ERROR, EFFDET_ERROR_DEVICE_LOST,
                    "device %s did not finish a frame within %u ms; raise the GPU timeout or use a "
                    "smaller model",
                    engine->device->name, engine->timeout_ms);
    }
    if (failure) {
        note_failure(engine, failure);
    }
    if (done && !engine->failure) {
        retire(engine);
    }
    g_cond_broadcast(&engine->change);
    if (failure) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    return true;
}

void schedule_drop(EffdetEngine *engine, struct slot *slot)
{
    slot->stream = NULL;
    if (slot->state != SLOT_RUNNING) {
        g_clear_error(&slot->failure);
        slot->state = SLOT_FREE;
    }
}

void schedule_drain(EffdetEngine *engine)
{
    for (int i = 0; i < engine->n_slots; i++) {
        schedule_drop(engine, &engine->slots[i]);
    }
    bool ok = true;
    while (ok && engine->n_launches > 0 && !engine->failure) {
        ok = schedule_wait(engine, G_MAXINT64, NULL);
    }
}
