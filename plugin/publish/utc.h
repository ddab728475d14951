// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// When a frame was taken, by the clock on the wall: as its source says, or else estimated.
#pragma once

#include <gst/gst.h>

typedef struct {
    gint64 unix_ns; // since 1970, UTC; 0 = unknown
    gboolean estimated;
    gboolean of_sender; // from the sender of an RTP stream
} FrameUtc;

// A reference timestamp meta with a Unix or NTP time counts. Without one: now, less what has passed
// since the frame's running time; or now where there is no clock or running time (NONE).
FrameUtc utc_of_frame(GstElement *element, GstBuffer *buffer, GstClockTime running_time);

// As RFC 3339 with microseconds; NULL where the year has no four digits. (transfer full)
gchar *utc_format(gint64 unix_ns);
