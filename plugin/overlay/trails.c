// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A fixed table of tracks with their latest points, and the lines between these.
#include "trails.h"

#include <math.h>
#include <string.h>

typedef struct {
    GstClockTime pts;
    gdouble x, y; // pixels
} Point;

typedef struct {
    EffdetDetection object; // the latest; its track_id is 0 where the slot is free
    guint n;
    Point points[TRAILS_N_POINTS]; // oldest first
} Track;

struct Trails {
    GstClockTime pts; // of the last update
    Track tracks[TRAILS_N_TRACKS];
};

Trails *trails_new(void)
{
    Trails *trails = g_new0(Trails, 1);

    trails->pts = GST_CLOCK_TIME_NONE;
    return trails;
}

void trails_free(Trails *trails)
{
    g_free(trails);
}

void trails_clear(Trails *trails)
{
    trails->pts = GST_CLOCK_TIME_NONE;
    for (guint i = 0; i < TRAILS_N_TRACKS; i++) {
        trails->tracks[i].object.track_id = 0;
        trails->tracks[i].n = 0;
    }
}

static void drop_first(Track *track, guint n)
{
    track->n -= n;
    memmove(track->points, track->points + n, track->n * sizeof *track->points);
}

static void expire(Track *track, GstClockTime pts, GstClockTime age)
{
    guint n = 0;

    while (n < track->n && pts - track->points[n].pts > age) {
        n++;
    }
    drop_first(track, n);
    if (track->n == 0) {
        track->object.track_id = 0;
    }
}

// The track's slot, else a free one, else that of the track not seen for longest.
static Track *slot_for(Trails *trails, gint64 track_id)
{
    Track *oldest = NULL;

    for (guint i = 0; i < TRAILS_N_TRACKS; i++) {
        Track *track = &trails->tracks[i];
        if (track->object.track_id == track_id) {
            return track;
        }
        if (oldest == NULL || track->n == 0 ||
            (oldest->n > 0 &&
             track->points[track->n - 1].pts < oldest->points[oldest->n - 1].pts)) {
            oldest = track;
        }
    }
    oldest->n = 0;
    return oldest;
}

// The newest point is always the object's place; older ones are so far apart that all fit.
static void add_point(Track *track, const Point *point, GstClockTime age)
{
    GstClockTime apart = age / (TRAILS_N_POINTS - 2);

    if (track->n > 1 && track->points[track->n - 1].pts - track->points[track->n - 2].pts < apart) {
        track->n--;
    } else if (track->n == TRAILS_N_POINTS) {
        drop_first(track, 1);
    }
    track->points[track->n++] = *point;
}

void trails_update(Trails *trails, const GArray *objects, GstClockTime pts, GstClockTime age)
{
    if (!GST_CLOCK_TIME_IS_VALID(pts) ||
        (GST_CLOCK_TIME_IS_VALID(trails->pts) && pts < trails->pts)) {
        trails_clear(trails);
    }
    trails->pts = pts;
    if (!GST_CLOCK_TIME_IS_VALID(pts)) {
        return;
    }
    for (guint i = 0; i < TRAILS_N_TRACKS; i++) {
        expire(&trails->tracks[i], pts, age);
    }
    for (guint i = 0; i < objects->len; i++) {
        const EffdetDetection *object = &g_array_index(objects, EffdetDetection, i);
        Point point = {pts, object->x + object->w / 2.0, object->y + object->h};

        if (object->track_id > 0 && isfinite(point.x) && isfinite(point.y)) {
            Track *track = slot_for(trails, object->track_id);
            track->object = *object;
            add_point(track, &point, age);
        }
    }
}

gboolean trails_any(const Trails *trails)
{
    for (guint i = 0; i < TRAILS_N_TRACKS; i++) {
        if (trails->tracks[i].n > 1) {
            return TRUE;
        }
    }
    return FALSE;
}

// ---- lines --------------------------------------------------------------------------------------

// A frame as cells of the line's thickness.
typedef struct {
    gint w, h;          // pixels of a cell
    gint n_x, n_y;      // cells, those cut off by the border too
    gint width, height; // pixels of the frame
} Lattice;

typedef struct {
    gint x, y;
} Cell;

static Cell cell_of(const Lattice *lattice, const Point *point)
{
    return (Cell){(gint)CLAMP(point->x / lattice->w, 0, lattice->n_x - 1),
                  (gint)CLAMP(point->y / lattice->h, 0, lattice->n_y - 1)};
}

// The i-th of n steps from a to b, rounded.
static gint step_of(gint a, gint b, gint i, gint n)
{
    gint64 twice = 2 * (gint64)(b - a) * i;

    return a + (gint)((twice + (twice < 0 ? -n : n)) / (2 * n));
}

// From behind a up to b, one rectangle for each run of cells in a row or a column.
static void add_line(GArray *shapes, guint ink, Cell a, Cell b, const Lattice *lattice)
{
    gint wide = ABS(b.x - a.x), high = ABS(b.y - a.y), n = MAX(wide, high);

    for (gint i = 1, next; i <= n; i = next) {
        Cell from = {step_of(a.x, b.x, i, n), step_of(a.y, b.y, i, n)}, to = from;
        Shape shape = {.ink = ink};

        for (next = i + 1; next <= n; next++) {
            Cell cell = {step_of(a.x, b.x, next, n), step_of(a.y, b.y, next, n)};
            if (wide >= high ? cell.y != from.y : cell.x != from.x) {
                break;
            }
            to = cell;
        }
        shape.rect.x = MIN(from.x, to.x) * lattice->w;
        shape.rect.y = MIN(from.y, to.y) * lattice->h;
        shape.rect.w = MIN((ABS(to.x - from.x) + 1) * lattice->w, lattice->width - shape.rect.x);
        shape.rect.h = MIN((ABS(to.y - from.y) + 1) * lattice->h, lattice->height - shape.rect.y);
        g_array_append_val(shapes, shape);
    }
}

void trails_layout(const Trails *trails, GArray *shapes, const LayoutStyle *style)
{
    Lattice lattice = {.w = (gint)GST_ROUND_UP_N((guint)style->line_px, (guint)style->grid_x),
                       .h = (gint)GST_ROUND_UP_N((guint)style->line_px, (guint)style->grid_y),
                       .width = style->width,
                       .height = style->height};

    lattice.n_x = (lattice.width + lattice.w - 1) / lattice.w;
    lattice.n_y = (lattice.height + lattice.h - 1) / lattice.h;
    for (guint i = 0; i < TRAILS_N_TRACKS; i++) {
        const Track *track = &trails->tracks[i];
        guint ink = ink_of(&track->object, style->colour_by_track);

        for (guint k = 1; k < track->n; k++) {
            add_line(shapes, ink, cell_of(&lattice, &track->points[k - 1]),
                     cell_of(&lattice, &track->points[k]), &lattice);
        }
    }
}
