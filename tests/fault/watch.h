// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What the plugin's tests on the fault layer share: an element of its own bus, and what it says
// there.
#pragma once

#include "fault.h"

#include <gst/gst.h>

extern const struct fault_interface *fault;

typedef struct {
    GstBus *bus;
    GstElement *element;
    guint n_errors, n_warnings; // read so far
    GError *last;
} Watch;

// g_test, GStreamer, the element and the layer, with a fake device.
void watch_start(int *argc, char ***argv);
// What g_test_run() says, after gst_deinit().
int watch_run(void);

void watch_init(Watch *watch, gboolean recover);
// Reads the bus; every message is one line.
void watch_read(Watch *watch);
// The element goes to NULL and away.
void watch_finish(Watch *watch);
// The last message is a resource error of that code and says all parts (NULL-terminated).
void watch_says(const Watch *watch, gint code, const gchar *const *parts);
// READY to PAUSED fails with one error; after cure() the same element starts.
void watch_start_fails(gint code, const gchar *const *parts, void (*cure)(void));
