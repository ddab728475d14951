// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// How much of each pixel a zone or a line covers: edges of any slope, smooth. Colours and video
// formats are elsewhere.
#pragma once

#include "layout.h"

G_BEGIN_DECLS

#define COVERAGE_FAINT 38 // of 255: the inside of a zone

typedef struct {
    gdouble x, y; // pixels
} CoveragePoint;

typedef struct {
    Rect rect;          // on the grid; all of the shape that is in the frame
    gint stride;        // bytes from row to row
    const guint8 *data; // [rect.h][stride] of 0..255
    gpointer surface;   // owns data
} Coverage;

// Where texts belong: a zone's in its middle; those of a line at its beginning and behind both
// sides of its arrow, each centred `room` text sizes further along the direction.
typedef struct {
    CoveragePoint middle;            // of the zone: with room around it; of the line
    CoveragePoint begin, begin_away; // of the line; away: a unit vector
    CoveragePoint ahead;             // the line's forward direction, likewise
    gdouble reach_px;                // of the arrow, from the middle
} CoverageAnchors;

// The outline, inside the border and as thick as boxes, two pixels at least, and faintly what it
// surrounds by the even-odd rule. FALSE where nothing of it is in the frame. To be cleared either
// way.
gboolean coverage_zone(Coverage *coverage, const CoveragePoint *corners, guint n,
                       const LayoutStyle *style) G_GNUC_WARN_UNUSED_RESULT;

// A line with an arrow in its middle to the right of who looks from its first end to the second.
gboolean coverage_line(Coverage *coverage, const CoveragePoint ends[2],
                       const LayoutStyle *style) G_GNUC_WARN_UNUSED_RESULT;

void coverage_clear(Coverage *coverage);

CoverageAnchors coverage_zone_anchors(const CoveragePoint *corners, guint n,
                                      const LayoutStyle *style);
CoverageAnchors coverage_line_anchors(const CoveragePoint ends[2], const LayoutStyle *style);

G_END_DECLS
