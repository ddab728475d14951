// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The struct of the `effdet` element and what its files call of each other. Private to this folder.
//
// Four threads meet here. The streaming thread (admit.c) decides on each buffer and submits it to
// the engine. The source pad's task (output.c) pushes buffers, events and queries in the order in
// which they came. The collector (engine.c) waits for the engine, and nobody else does. The loader
// (loader.c) exists only while a model is swapped or a device recovered.
#pragma once

#include "flight.h"
#include "gsteffdet.h"
#include "qos.h"
#include "settings.h"
#include "share.h"
#include "silence.h"
#include "stats.h"

#include <gst/base/gstqueuearray.h>
#include <gst/video/video.h>

GST_DEBUG_CATEGORY_EXTERN(gst_effdet_debug);
GST_DEBUG_CATEGORY_EXTERN(gst_effdet_sched_debug);  // what happens to each buffer
GST_DEBUG_CATEGORY_EXTERN(gst_effdet_engine_debug); // what comes of each inference
#define GST_CAT_DEFAULT gst_effdet_debug

typedef enum { ITEM_BUFFER, ITEM_EVENT, ITEM_QUERY } ItemKind;

// An engine in use by this element.
typedef struct {
    Share *share;
    EffdetStream *stream; // ours on it
    guint depth;          // frames that it takes at once
    GArray *labels;       // GQuark for each class
    gchar *model;         // as the property had it
} Use;

// What waits between the pads. The item owns buffer or event; a query belongs to the streaming
// thread that waits for it.
typedef struct {
    ItemKind kind;
    GstMiniObject *object; // NULL: a query whose thread has given up
    Flight *flight;        // NULL: a buffer without inference
    gboolean bypass;       // a buffer to be passed without any meta
    guint width, height;
    gint64 arrival_us; // monotonic
} Item;

struct _GstEffdet {
    GstElement parent;
    GstPad *sinkpad, *srcpad;

    // Under the object lock.
    Settings settings;
    gboolean filter_changed; // the engine has to be told
    gchar *classes_in_force;

    // Of the streaming thread.
    GstVideoInfo info; // finfo NULL before the first caps
    GstSegment segment;
    guint64 n_seen; // frames, for the interval
    GstClockTime rate_due;
    gboolean live_known, warned_unmappable;

    // Of the source pad's task.
    GArray *scratch; // EffdetDetection
    gint64 stats_due_us;

    // Under `lock`, from here on; `cond` is signalled at every change.
    GMutex lock;
    GCond cond;
    GstQueueArray *items; // Item
    guint n_buffers;      // among them
    Flight flights[N_FLIGHTS];
    guint n_in_engine;  // flights in FLIGHT_ENGINE
    guint n_submitted;  // those that the engine has accepted: what the collector waits for
    Flight *late;       // done and wanted by the next buffer out
    GstFlowReturn flow; // last result of pushing, or why nothing is taken any more
    gboolean flushing, eos, live;
    gboolean pushing;      // the task is downstream
    gboolean release_head; // the streaming thread lacks room and may not wait for the engine
    gboolean query_waits;  // a serialised query is under way
    gboolean query_ok;
    Stats stats;
    Qos qos;
    Silence silence;
    gint64 frame_time_us;        // of the caps; 0 = not known
    gint64 reported_us, held_us; // latency.c: what a query gets and got; -1 = none yet
    gint64 latency_due_us;       // no message before
    gint64 latency_low_since_us; // the estimate is far below; 0 = it is not

    // The engine. Changed by a state change (no other thread runs then) or under `lock` with no
    // frame and no collector in it.
    Use use;             // zeroed: none
    gboolean failed;     // an error was posted: nothing goes to the engine any more
    gboolean lost;       // the engine is dead; a new one is on its way
    gboolean unproven;   // that new one has given no result yet: if it fails, that is the end
    gboolean collecting; // the collector is in the engine
    gboolean draining;   // the engine is about to be replaced
    gboolean quit;       // collector and loader have to end
    GThread *collector, *loader;
    gboolean reload_wanted; // the loader has to look once more
};

// ---- engine.c ----

// READY→PAUSED: makes the engine and starts the collector. On failure one error is on the bus.
gboolean detector_start(GstEffdet *self) G_GNUC_WARN_UNUSED_RESULT;
// PAUSED→READY, with the pads inactive: undoes it.
void detector_stop(GstEffdet *self);
// Makes or joins an engine of the settings in force, filter included. FALSE with *error.
gboolean detector_open(GstEffdet *self, Use *use, GError **error) G_GNUC_WARN_UNUSED_RESULT;
// Leaves it and zeroes *use. Accepts a zeroed one.
void detector_close(Use *use);
// Hands changed thresholds and classes to the engine; what it refuses is undone with a warning.
// probe: with a score threshold of SILENCE_SCORE at most, until the next call. Streaming thread.
void detector_update_filter(GstEffdet *self, gboolean probe);
// The engine failed: ends the stream with one error, or has it built anew. Takes lock; consumes the
// error.
void detector_engine_failed(GstEffdet *self, GError *error);
// Ends the stream with one error. Takes lock; consumes the error.
void detector_fail(GstEffdet *self, GError *error);
// Posts in the domain that fits the engine's error. Consumes the error.
void detector_post(GstEffdet *self, GstMessageType type, GError *error);
// "MODEL on DEVICE" (transfer full).
gchar *detector_describe(const Use *use);
// Posts the progress of loading.
void detector_progress(GstEffdet *self, GstProgressType type, const gchar *text);

// ---- loader.c ----

// Loads the engine of the settings in force in the background and swaps it in between two frames.
void loader_kick(GstEffdet *self);
// Waits for the loader's end. quit is set.
void loader_join(GstEffdet *self);
