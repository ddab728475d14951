// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The arithmetic of polygons and lines, in double. No state.
#include "geometry.h"

// Twice the area of the smallest triangle that is none: about a pixel of a 16k picture.
#define FLAT 1e-8

// Twice the area of the triangle; positive where c is to the right of a → b, as y points down.
static double turn(ZonesPoint a, ZonesPoint b, ZonesPoint c)
{
    return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}

gboolean zones_contain(const ZonesPoint *polygon, guint n_points, ZonesPoint point)
{
    gboolean inside = FALSE;

    for (guint i = 0, k = n_points - 1; i < n_points; k = i++) {
        ZonesPoint a = polygon[i], b = polygon[k];

        // Half-open in y: a ray through a corner meets one of its two edges.
        if ((a.y > point.y) != (b.y > point.y) &&
            point.x < a.x + (point.y - a.y) / (b.y - a.y) * (b.x - a.x)) {
            inside = !inside;
        }
    }
    return inside;
}

gboolean zones_is_flat(const ZonesPoint *points, guint n_points)
{
    guint far = 0;
    double longest = 0.0;

    for (guint i = 1; i < n_points; i++) {
        double x = points[i].x - points[0].x, y = points[i].y - points[0].y;

        if (x * x + y * y > longest) {
            longest = x * x + y * y;
            far = i;
        }
    }
    for (guint i = 1; i < n_points; i++) {
        if (ABS(turn(points[0], points[far], points[i])) > FLAT) {
            return FALSE;
        }
    }
    return TRUE;
}

gint zones_side(const ZonesPoint line[2], ZonesPoint point)
{
    return turn(line[0], line[1], point) >= 0.0 ? 1 : -1;
}

gboolean zones_pass(const ZonesPoint line[2], ZonesPoint before, ZonesPoint now)
{
    // The ends lie on different sides of the way, or the first on it.
    double from = turn(before, now, line[0]), to = turn(before, now, line[1]);

    return zones_side(line, before) > 0 ? from <= 0.0 && to > 0.0 : from >= 0.0 && to < 0.0;
}
