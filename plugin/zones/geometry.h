// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Points, polygons and lines in the plane of the picture: x to the right, y down, both from 0 to 1.
// It knows nothing of objects or time.
#pragma once

#include <glib.h>

typedef struct {
    double x, y;
} ZonesPoint;

// Whether the polygon contains the point by the even-odd rule: where a polygon crosses itself, what
// is surrounded twice is outside. Polygons that share an edge share no point.
gboolean zones_contain(const ZonesPoint *polygon, guint n_points, ZonesPoint point);

// Whether all points lie on one line (or in one place), so that they surround nothing.
gboolean zones_is_flat(const ZonesPoint *points, guint n_points);

// On which side of the infinite line a point is, looking from `from` to `to` on the picture:
// 1 = right or on it, -1 = left.
gint zones_side(const ZonesPoint line[2], ZonesPoint point);

// Whether the straight way from one point to another, which lie on different sides, passes between
// the line's ends. The first end belongs to the line, the second does not.
gboolean zones_pass(const ZonesPoint line[2], ZonesPoint before, ZonesPoint now);
