// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The engine object, shared by engine.c (making it), stream.c (frames in, results out), schedule.c
// (frames to the device and back) and raw.c (the network alone).
#pragma once

#include "effdet/effdet.h"

#include "frame.h"
#include "result.h"

#define MAX_QUEUE_DEPTH 16
#define MAX_SLOTS 256
#define MAX_BATCH 8 // frames of one submission; at most RECORDER_MAX_BATCH

// Frames that went to the device as one submission, in its order.
struct launch {
    struct slot *slots[MAX_BATCH];
    int n;
    gint64 waited_us; // since it is the oldest
};

struct EffdetStream {
    EffdetEngine *engine;
    struct post *post; // of the thread that collects
    guint depth;
    // under the engine's lock
    struct slot *frames[MAX_QUEUE_DEPTH]; // ring, in the order of submission
    guint first, n;
    struct post_filter filter;
    gint64 offset_ns, last_ns; // from the stream's times to the order; the last order
    bool anchored;             // offset_ns is set
};

struct EffdetEngine {
    struct device *device;
    struct checkpoint *checkpoint;
    const struct model *model;
    struct network network;
    struct frame_context context;
    struct result_pool *results;
    guint timeout_ms; // G_MAXUINT: never
    EffdetEngineInfo info;
    EffdetStream *own; // of effdet_engine_submit() and effdet_engine_collect()

    GMutex lock;  // guards everything below
    GCond change; // a frame is done, or nobody waits for the device any more
    struct slot slots[MAX_SLOTS];
    int n_slots;
    int head;                                // where the search for a free slot begins
    guint n_reserved;                        // slots that the streams may count on
    struct launch launches[MAX_QUEUE_DEPTH]; // ring
    guint first_launch, n_launches, max_launches;
    bool waiting;    // somebody waits for the oldest launch
    GError *failure; // the device is lost: why
    gint64 order_ns; // of the last frame that went to the device
};

// Makes slots until there are n. Not under the lock, one thread at a time.
bool engine_make_slots(EffdetEngine *engine, guint n, GError **error) WARN_UNUSED;

// ---- schedule.c; everything under the engine's lock ----

// A free slot, now SLOT_FILLING; NULL where there is none.
struct slot *schedule_take(EffdetEngine *engine);
// The slot holds its frame. time_ns: of the frame on its stream's own scale, negative = unknown.
void schedule_add(EffdetEngine *engine, struct slot *slot, gint64 time_ns);
// Hands waiting frames to the device as far as it may have more.
void schedule_launch(EffdetEngine *engine);
// Waits for the oldest launch, with the lock released, until deadline_us (monotonic; G_MAXINT64 =
// for ever) or as long as a device may take. Nobody else is waiting. Afterwards more may be done. A
// lost device is in engine->failure as well.
bool schedule_wait(EffdetEngine *engine, gint64 deadline_us, GError **error);
// Nobody wants the frame any more: its slot is free now, or when the device is done with it.
void schedule_drop(EffdetEngine *engine, struct slot *slot);
// Waits until the device has nothing of the engine. Forgets what waits for it.
void schedule_drain(EffdetEngine *engine);
