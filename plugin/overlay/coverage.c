// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Zones and lines painted by cairo, and the places that are left for their texts.
#include "coverage.h"

#include <cairo.h>
#include <math.h>

// Of a line's arrow, in thicknesses.
#define ARROW_REACH 11.0
#define ARROW_HEAD 6.0
#define ARROW_HALF_WIDTH 3.5

#define MIN_LINE_PX 2 // a slanting line of one pixel is hardly there

#define SEARCH_STEPS 24 // across a zone, for the place of its text
#define TEXT_ASPECT 3.0 // about how much wider than high a text is
#define ENOUGH_ROOM 20  // parts of the frame's height between a text's middle and a border

static gint line_px(const LayoutStyle *style)
{
    return MAX(style->line_px, MIN_LINE_PX);
}

// ---- painting -----------------------------------------------------------------------------------

// The part of the bounds (left, top, right, bottom) in the frame, on the grid.
static gboolean clip(Rect *rect, const gdouble bounds[4], const LayoutStyle *style)
{
    gint left = (gint)MAX(floor(bounds[0]), 0.0), top = (gint)MAX(floor(bounds[1]), 0.0);
    gint right = (gint)MIN(ceil(bounds[2]), style->width);
    gint bottom = (gint)MIN(ceil(bounds[3]), style->height);

    if (right <= left || bottom <= top) {
        return FALSE;
    }
    rect->x = left - left % style->grid_x;
    rect->y = top - top % style->grid_y;
    rect->w = (gint)GST_ROUND_UP_N((guint)(right - rect->x), (guint)style->grid_x);
    rect->h = (gint)GST_ROUND_UP_N((guint)(bottom - rect->y), (guint)style->grid_y);
    return TRUE;
}

static void bounds_of(gdouble bounds[4], const CoveragePoint *points, guint n, gdouble margin)
{
    bounds[0] = bounds[1] = G_MAXDOUBLE;
    bounds[2] = bounds[3] = -G_MAXDOUBLE;
    for (guint i = 0; i < n; i++) {
        bounds[0] = MIN(bounds[0], points[i].x - margin);
        bounds[1] = MIN(bounds[1], points[i].y - margin);
        bounds[2] = MAX(bounds[2], points[i].x + margin);
        bounds[3] = MAX(bounds[3], points[i].y + margin);
    }
}

// NULL where nothing is in the frame, or there is no memory.
static cairo_t *begin(Coverage *coverage, const gdouble bounds[4], const LayoutStyle *style)
{
    cairo_t *cr;

    *coverage = (Coverage){.surface = NULL};
    if (!clip(&coverage->rect, bounds, style)) {
        return NULL;
    }
    coverage->surface =
        cairo_image_surface_create(CAIRO_FORMAT_A8, coverage->rect.w, coverage->rect.h);
    if (cairo_surface_status(coverage->surface) != CAIRO_STATUS_SUCCESS) {
        return NULL;
    }
    cr = cairo_create(coverage->surface);
    cairo_translate(cr, -coverage->rect.x, -coverage->rect.y);
    return cr;
}

static gboolean finish(Coverage *coverage, cairo_t *cr)
{
    gboolean painted = cairo_status(cr) == CAIRO_STATUS_SUCCESS;

    cairo_destroy(cr);
    cairo_surface_flush(coverage->surface);
    coverage->stride = cairo_image_surface_get_stride(coverage->surface);
    coverage->data = cairo_image_surface_get_data(coverage->surface);
    return painted;
}

void coverage_clear(Coverage *coverage)
{
    g_clear_pointer(&coverage->surface, cairo_surface_destroy);
    coverage->data = NULL;
}

static void trace(cairo_t *cr, const CoveragePoint *points, guint n)
{
    for (guint i = 0; i < n; i++) {
        cairo_line_to(cr, points[i].x, points[i].y);
    }
}

gboolean coverage_zone(Coverage *coverage, const CoveragePoint *corners, guint n,
                       const LayoutStyle *style)
{
    gdouble bounds[4];
    cairo_t *cr;

    bounds_of(bounds, corners, n, 0.0);
    cr = begin(coverage, bounds, style);
    if (cr == NULL) {
        return FALSE;
    }
    trace(cr, corners, n);
    cairo_close_path(cr);
    cairo_set_fill_rule(cr, CAIRO_FILL_RULE_EVEN_ODD);
    cairo_set_source_rgba(cr, 0.0, 0.0, 0.0, COVERAGE_FAINT / 255.0);
    cairo_fill_preserve(cr);
    cairo_clip_preserve(cr);
    cairo_set_source_rgba(cr, 0.0, 0.0, 0.0, 1.0);
    cairo_set_line_width(cr, 2.0 * line_px(style));
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    cairo_stroke(cr);
    return finish(coverage, cr);
}

gboolean coverage_line(Coverage *coverage, const CoveragePoint ends[2], const LayoutStyle *style)
{
    CoverageAnchors at = coverage_line_anchors(ends, style);
    CoveragePoint ahead = at.ahead, neck, tip, all[3] = {ends[0], ends[1]};
    gdouble half = ARROW_HALF_WIDTH * line_px(style), bounds[4];
    cairo_t *cr;

    tip = (CoveragePoint){at.middle.x + at.reach_px * ahead.x, at.middle.y + at.reach_px * ahead.y};
    neck = (CoveragePoint){tip.x - ARROW_HEAD * line_px(style) * ahead.x,
                           tip.y - ARROW_HEAD * line_px(style) * ahead.y};
    all[2] = tip;
    bounds_of(bounds, all, G_N_ELEMENTS(all), half);
    cr = begin(coverage, bounds, style);
    if (cr == NULL) {
        return FALSE;
    }
    cairo_set_line_width(cr, line_px(style));
    cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
    cairo_move_to(cr, ends[0].x, ends[0].y);
    cairo_line_to(cr, ends[1].x, ends[1].y);
    if (at.reach_px > 0.0) {
        cairo_move_to(cr, at.middle.x, at.middle.y);
        cairo_line_to(cr, neck.x, neck.y);
    }
    cairo_stroke(cr);
    if (at.reach_px > 0.0) {
        cairo_move_to(cr, tip.x, tip.y);
        cairo_line_to(cr, neck.x - half * ahead.y, neck.y + half * ahead.x);
        cairo_line_to(cr, neck.x + half * ahead.y, neck.y - half * ahead.x);
        cairo_fill(cr);
    }
    return finish(coverage, cr);
}

// ---- places for texts ---------------------------------------------------------------------------

CoverageAnchors coverage_line_anchors(const CoveragePoint ends[2], const LayoutStyle *style)
{
    gdouble dx = ends[1].x - ends[0].x, dy = ends[1].y - ends[0].y, length = hypot(dx, dy);
    CoverageAnchors at = {.begin = ends[0],
                          .middle = {(ends[0].x + ends[1].x) / 2.0, (ends[0].y + ends[1].y) / 2.0}};

    if (length > 0.0) {
        at.begin_away = (CoveragePoint){-dx / length, -dy / length};
        at.ahead = (CoveragePoint){-dy / length, dx / length};
        at.reach_px = ARROW_REACH * line_px(style);
    }
    return at;
}

static gboolean contains(const CoveragePoint *corners, guint n, CoveragePoint point)
{
    gboolean inside = FALSE;

    for (guint i = 0, k = n - 1; i < n; k = i++) {
        const CoveragePoint *a = &corners[i], *b = &corners[k];
        if ((a->y > point.y) != (b->y > point.y) &&
            point.x < (b->x - a->x) * (point.y - a->y) / (b->y - a->y) + a->x) {
            inside = !inside;
        }
    }
    return inside;
}

// In a plane that is narrowed so that a text is as wide as high.
static gdouble distance(CoveragePoint a, CoveragePoint b, CoveragePoint point)
{
    gdouble ax = a.x / TEXT_ASPECT, bx = b.x / TEXT_ASPECT, px = point.x / TEXT_ASPECT;
    gdouble dx = bx - ax, dy = b.y - a.y, squared = dx * dx + dy * dy;
    gdouble t = squared > 0.0 ? ((px - ax) * dx + (point.y - a.y) * dy) / squared : 0.0;

    t = CLAMP(t, 0.0, 1.0);
    return hypot(px - ax - t * dx, point.y - a.y - t * dy);
}

static gdouble room_at(const CoveragePoint *corners, guint n, CoveragePoint point,
                       const LayoutStyle *style)
{
    gdouble room = MIN(MIN(point.x, style->width - point.x) / TEXT_ASPECT,
                       MIN(point.y, style->height - point.y));

    if (!contains(corners, n, point)) {
        return -1.0;
    }
    for (guint i = 0, k = n - 1; i < n; k = i++) {
        room = MIN(room, distance(corners[k], corners[i], point));
    }
    return room;
}

CoverageAnchors coverage_zone_anchors(const CoveragePoint *corners, guint n,
                                      const LayoutStyle *style)
{
    CoverageAnchors at = {.reach_px = 0.0};
    CoveragePoint centre, size;
    gdouble bounds[4], best = -G_MAXDOUBLE;

    bounds_of(bounds, corners, n, 0.0);
    bounds[0] = CLAMP(bounds[0], 0.0, style->width);
    bounds[1] = CLAMP(bounds[1], 0.0, style->height);
    size.x = CLAMP(bounds[2], 0.0, style->width) - bounds[0];
    size.y = CLAMP(bounds[3], 0.0, style->height) - bounds[1];
    at.middle = centre = (CoveragePoint){bounds[0] + size.x / 2.0, bounds[1] + size.y / 2.0};
    for (guint i = 0; i < SEARCH_STEPS * SEARCH_STEPS; i++) {
        CoveragePoint point = {bounds[0] + (i % SEARCH_STEPS + 0.5) / SEARCH_STEPS * size.x,
                               bounds[1] + (i / SEARCH_STEPS + 0.5) / SEARCH_STEPS * size.y};
        gdouble score =
            MIN(room_at(corners, n, point, style), (gdouble)style->height / ENOUGH_ROOM);

        // of places with enough room, the one nearest to the middle
        score -= 0.01 * hypot((point.x - centre.x) / TEXT_ASPECT, point.y - centre.y);
        if (score > best) {
            best = score;
            at.middle = point;
        }
    }
    return at;
}
