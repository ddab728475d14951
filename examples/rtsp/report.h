// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What watch.c prints: changes of state, and the objects on a buffer. It knows no sources.
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

// One line on the standard output about one camera: "camera 1: playing: 640x360", or the same as
// JSON, where fields (NULL or ',"name":value' as often as wanted) follows. Any thread.
void report_state(guint camera, gboolean json, const gchar *state, const gchar *detail,
                  const gchar *fields);

// One line about the objects on a buffer that left `effdet`: as JSON for each picture the network
// looked at, else where the count of some class is not what it was. seen holds the last text, NULL
// at first, and is the caller's to free. pad is where the buffer passes, running_time when it is
// due there, age how long ago that was by the pipeline's clock, in nanoseconds.
void report_objects(guint camera, gboolean json, GstPad *pad, GstBuffer *buffer,
                    GstClockTime running_time, GstClockTimeDiff age, gchar **seen);

G_END_DECLS
