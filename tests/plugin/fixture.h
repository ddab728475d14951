// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What the element's tests share: harnesses around `effdet` on the double of the engine, pictures,
// and the bus.
#pragma once

#include "fake_engine.h"

#include <gst/check/gstharness.h>
#include <gst/video/video.h>

// Registers the element, sets up g_test. Returns what g_test_run() says, after gst_deinit(): with
// GST_TRACERS=leaks a leak is fatal.
void fixture_init(int *argc, char ***argv);
int fixture_run(void);

// A harness in PLAYING; properties and values as for g_object_set() are set before. NV12
// caps of 64x48 are sent.
GstHarness *fixture_harness(gboolean live, ...) G_GNUC_NULL_TERMINATED;
#define FRAME_WIDTH 64
#define FRAME_HEIGHT 48
#define FRAME_CAPS "video/x-raw,format=NV12,width=64,height=48,framerate=25/1"
#define FRAME_TIME (40 * GST_MSECOND)

// The n-th NV12 picture of 64x48.
GstBuffer *fixture_frame(guint n);
// Pushes it and returns.
GstFlowReturn fixture_push(GstHarness *h, guint n);

// A counter of the element's stats.
guint64 fixture_stat(GstHarness *h, const gchar *name);
// Waits up to two seconds until the condition holds.
#define fixture_wait_until(condition)                                                              \
    do {                                                                                           \
        gint64 end_ = g_get_monotonic_time() + 2 * G_USEC_PER_SEC;                                 \
        gboolean met_;                                                                             \
        while (!(met_ = (condition)) && g_get_monotonic_time() < end_) {                           \
            g_usleep(500);                                                                         \
        }                                                                                          \
        if (!met_) {                                                                               \
            g_error("%s: not within two seconds", #condition);                                     \
        }                                                                                          \
    } while (0)

// Messages of the types on the bus now; the last one's error goes to *error. (nullable error)
guint fixture_messages(GstBus *bus, GstMessageType types, GError **error);
