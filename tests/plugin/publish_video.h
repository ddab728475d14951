// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What the tests of effdetpublish share: a harness around it, frames with objects, its statistics,
// and messages read back.
#pragma once

#include "fixture.h"

#include <json-glib/json-glib.h>

#include "meta/detections.h"

// An element with a bus of its own, in PLAYING; NV12 of 64x48. Properties as for g_object_set().
GstHarness *publish_harness(const gchar *location, ...) G_GNUC_NULL_TERMINATED;
// Ends it, and returns how long that took (µs).
gint64 publish_stop(GstHarness *h);

// The n-th frame, with n_objects persons of 8x16 pixels in a row.
GstBuffer *publish_frame(guint n, guint n_objects);
// Pushes it, and raises *longest_us to the time it was in the element. (nullable)
void publish_push(GstHarness *h, guint n, guint n_objects, gint64 *longest_us);

guint64 publish_stat(GstHarness *h, const gchar *name);

// Messages on the bus, and the last one's error. (nullable error)
guint publish_messages(GstHarness *h, GstMessageType types, GError **error);

// A message taken apart; it fails where that is no JSON of one line.
JsonNode *publish_parse(const gchar *line);
// Which frame of publish_frame() it is about.
guint publish_number(const gchar *line);

// A new folder, and the end of it and of the files in it. (transfer full both ways)
gchar *publish_make_folder(void);
void publish_remove_folder(gchar *folder);
// The lines of a file (gchar *), of which every one has an end. (transfer full)
GPtrArray *publish_read(const gchar *path);

// Every line of the array (of gchar *) is a frame of [0, n): all are there, those that came twice
// left out in their order.
void publish_assert_all(const GPtrArray *lines, guint n);
