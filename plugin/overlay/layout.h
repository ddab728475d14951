// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Which rectangles and texts a set of detections becomes. Knows sizes and no pixels.
#pragma once

#include "label_format.h"
#include "labels.h"

G_BEGIN_DECLS

// One thing to draw: a solid rectangle, or a text where stamp is set (rect then has its size).
typedef struct {
    Rect rect;
    guint ink;
    const Stamp *stamp;
    gboolean opaque; // however faint the rest is drawn
} Shape;

typedef struct {
    gint width, height;  // of the frame, pixels
    gint grid_x, grid_y; // every edge lies on a multiple of these, or on the frame's border
    gint line_px;        // thickness of a box
    gboolean labels;     // texts at all
    gboolean confidence; // as a field of the texts
    gboolean confidence_bar;
    const LabelFormat *label_format;
    gboolean colour_by_track; // where an object has one
} LayoutStyle;

// Thickness and text size that read well on a frame of that height.
guint layout_auto_line_px(guint frame_height);
guint layout_auto_text_px(guint frame_height);

// The part of an object inside the frame, on the grid. FALSE if there is none: objects outside the
// frame, without area or with coordinates that are no numbers.
gboolean layout_box(Rect *box, const EffdetDetection *object,
                    const LayoutStyle *style) G_GNUC_WARN_UNUSED_RESULT;

// Adds texts (NULL behind the last, n at most) side by side in the upper left corner.
void layout_corner(GArray *shapes, const gchar *const *texts, guint n, const LayoutStyle *style,
                   LabelCache *cache);

// Adds an opaque rectangle over each object.
void layout_covers(GArray *shapes, const GArray *objects, const LayoutStyle *style);

// Adds the boxes of the objects (element type EffdetDetection), dashed where the place is a
// tracker's estimate, the surest object's last.
void layout_boxes(GArray *shapes, const GArray *objects, const LayoutStyle *style);

// Adds their texts in the same order. The shapes stay valid until the cache is trimmed.
void layout_texts(GArray *shapes, const GArray *objects, const LayoutStyle *style,
                  LabelCache *cache);

G_END_DECLS
