// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What the overlay's tests share: noise as video of any format, its pixels, and objects on it.
#pragma once

#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#include "meta/detections.h"

// A harness around `effdetoverlay`; properties and values as for g_object_set().
GstHarness *overlay_harness(const GstVideoInfo *info, ...) G_GNUC_NULL_TERMINATED;

// A video description; colorimetry NULL = the format's default.
GstVideoInfo overlay_info(GstVideoFormat format, gint width, gint height, const gchar *colorimetry);

// A buffer full of noise, always the same; pad > 0 adds so many bytes to each row, and a
// GstVideoMeta.
GstBuffer *overlay_noise(const GstVideoInfo *info, guint pad);

// One object on the buffer, as a detector would leave it. confidence < 0: none. (transfer none)
GstVideoRegionOfInterestMeta *overlay_add_object(GstBuffer *buffer, const gchar *label,
                                                 gint label_id, gdouble confidence, gdouble x,
                                                 gdouble y, gdouble w, gdouble h);

// What a tracker adds to it; label NULL: the tracker does not differ.
void overlay_add_track(GstVideoRegionOfInterestMeta *roi, gint id, const gchar *label);

// One zone or line without name and counts, as effdetzones would leave it on a buffer.
// (transfer full)
GstStructure *overlay_zone_content(gboolean is_line, const gdouble (*points)[2], guint n);

// Pixels as [height][width][4] of 16 bits: alpha and the format's three components. Free with
// g_free().
guint16 *overlay_pixels(GstBuffer *buffer, const GstVideoInfo *info);

// Bytes of the buffer. Free with g_bytes_unref().
GBytes *overlay_bytes(GstBuffer *buffer);

// How many bytes differ.
gsize overlay_n_different(GBytes *a, GBytes *b);
