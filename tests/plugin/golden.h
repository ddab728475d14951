// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The bundled model's pictures and the boxes that its training code found in them, for tests with
// the real engine.
#pragma once

#include <gst/video/video.h>

typedef struct {
    double x0, y0, x1, y1, score; // pixels
} Box;

// A file of the examples (transfer full).
gchar *golden_file(const gchar *path);
// The picture as 8-bit RGB, by the decoder whose pixels the golden boxes were computed from.
GstSample *golden_picture(const gchar *name);
// The boxes of a picture (element-type Box).
GArray *golden_boxes(const gchar *name);
// The boxes of a buffer as its metas say, in pixels of a width x height picture.
GArray *golden_found(GstBuffer *buffer, double width, double height);
// How much alike the boxes of two lists must be. margin: where boxes overlap a stronger one by the
// threshold of suppression (0.5) within this, either decision is right; 0 where both come from the
// same arithmetic on the same pixels.
typedef struct {
    double from_score, min_iou, max_difference, margin;
} GoldenLimits;

// Every box of either list from the score on has its like in the other; aborts with it else.
void golden_assert(const gchar *what, const GArray *wanted, const GArray *found,
                   const GoldenLimits *limits);
// A copy with padded rows and a GstVideoMeta that says so.
GstBuffer *golden_padded(GstBuffer *buffer, const GstVideoInfo *info, guint padding);
