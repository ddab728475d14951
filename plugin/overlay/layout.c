// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Boxes clipped to the frame and snapped to its grid, and a place for each text.
#include "layout.h"

#include <math.h>

#define LINES_IN_PIECE 2 // length of a dash and of a gap, in thicknesses
#define MAX_PIECES 15    // of one side: compositions have a rectangle for each dash

guint layout_auto_line_px(guint frame_height)
{
    return MAX((frame_height + 135) / 270, 1);
}

guint layout_auto_text_px(guint frame_height)
{
    return MAX(frame_height / 45, 12);
}

static gint snap_down(gint value, gint grid)
{
    return value - value % grid;
}

static gint snap_up(gint value, gint grid)
{
    return snap_down(value + grid - 1, grid);
}

gboolean layout_box(Rect *box, const EffdetDetection *object, const LayoutStyle *style)
{
    gdouble right = object->x + object->w, bottom = object->y + object->h;
    gint left, top;

    if (!isfinite(object->x) || !isfinite(object->y) || !isfinite(right) || !isfinite(bottom) ||
        !(object->w > 0.0) || !(object->h > 0.0) || right <= 0.0 || bottom <= 0.0 ||
        object->x >= style->width || object->y >= style->height) {
        return FALSE;
    }
    left = snap_down((gint)MAX(object->x, 0.0), style->grid_x);
    top = snap_down((gint)MAX(object->y, 0.0), style->grid_y);
    box->x = left;
    box->y = top;
    box->w = MIN(snap_up((gint)ceil(MIN(right, style->width)), style->grid_x), style->width) - left;
    box->h =
        MIN(snap_up((gint)ceil(MIN(bottom, style->height)), style->grid_y), style->height) - top;
    return TRUE;
}

// How a strip of a box is cut up.
typedef struct {
    gint piece_px; // least length of a dash and of a gap; 0 = the strip is whole
    gint grid;
    gboolean level;
} Dashes;

static void add_rect(GArray *shapes, guint ink, gint x, gint y, gint w, gint h)
{
    Shape shape = {.rect = {x, y, w, h}, .ink = ink};

    if (w > 0 && h > 0) {
        g_array_append_val(shapes, shape);
    }
}

// One strip, or every other piece of it, both ends among them.
static void add_strip(GArray *shapes, guint ink, const Rect *strip, const Dashes *dashes)
{
    gboolean level = dashes->level;
    gint length = level ? strip->w : strip->h, grid = dashes->grid;
    gint n = dashes->piece_px > 0 ? MIN(length / dashes->piece_px, MAX_PIECES) : 1;

    n -= n % 2 == 0;
    if (n < 3) {
        add_rect(shapes, ink, strip->x, strip->y, strip->w, strip->h);
        return;
    }
    for (gint i = 0; i < n; i += 2) {
        gint start = snap_down(length * i / n, grid);
        gint end = i == n - 1 ? length : snap_down(length * (i + 1) / n, grid);

        if (level) {
            add_rect(shapes, ink, strip->x + start, strip->y, end - start, strip->h);
        } else {
            add_rect(shapes, ink, strip->x, strip->y + start, strip->w, end - start);
        }
    }
}

// Four strips inside the box that do not overlap, so that they can be blended; one if they would
// fill it.
static void add_outline(GArray *shapes, const Rect *box, guint ink, gboolean dashed,
                        const LayoutStyle *style)
{
    gint piece_px = dashed ? LINES_IN_PIECE * style->line_px : 0;
    Dashes level = {piece_px, style->grid_x, TRUE}, upright = {piece_px, style->grid_y, FALSE};
    gint line_x = snap_up(style->line_px, style->grid_x);
    gint line_y = snap_up(style->line_px, style->grid_y);
    gint right = snap_down(box->x + box->w - line_x, style->grid_x);
    gint bottom = snap_down(box->y + box->h - line_y, style->grid_y);
    gint inner_h = bottom - box->y - line_y;

    if (right <= box->x + line_x || inner_h <= 0) {
        add_rect(shapes, ink, box->x, box->y, box->w, box->h);
        return;
    }
    add_strip(shapes, ink, &(Rect){box->x, box->y, box->w, line_y}, &level);
    add_strip(shapes, ink, &(Rect){box->x, bottom, box->w, box->y + box->h - bottom}, &level);
    add_strip(shapes, ink, &(Rect){box->x, box->y + line_y, line_x, inner_h}, &upright);
    add_strip(shapes, ink, &(Rect){right, box->y + line_y, box->x + box->w - right, inner_h},
              &upright);
}

// On the foot of the box, from the left; none in a box that it would fill.
static void add_bar(GArray *shapes, const Rect *box, guint ink, gdouble confidence,
                    const LayoutStyle *style)
{
    gint line_x = snap_up(style->line_px, style->grid_x);
    gint line_y = snap_up(style->line_px, style->grid_y), high = 2 * line_y;
    gint foot = snap_down(box->y + box->h - line_y, style->grid_y), room = box->w - 2 * line_x;

    if (confidence >= 0.0 && foot - high > box->y + 2 * line_y && room > 0) {
        add_rect(shapes, ink, box->x + line_x, foot - high,
                 snap_down((gint)(MIN(confidence, 1.0) * room + 0.5), style->grid_x), high);
    }
}

// On top of the box, or inside it where there is no room above.
static void add_text(GArray *shapes, const Rect *box, const EffdetDetection *object,
                     const LayoutStyle *style, LabelCache *cache)
{
    Shape shape = {.ink = ink_of(object, style->colour_by_track)};
    gchar text[160];
    gint x, y;

    label_format_write(style->label_format, object, style->confidence, text, sizeof text);
    if (text[0] == '\0') {
        return;
    }
    shape.stamp = label_cache_get(cache, text, shape.ink);
    if (shape.stamp->h > style->height / 3) {
        return;
    }
    x = MAX(MIN(box->x, snap_down(style->width, style->grid_x) - shape.stamp->w), 0);
    y = box->y >= shape.stamp->h ? box->y - shape.stamp->h : box->y;
    shape.rect = (Rect){x, y, shape.stamp->w, shape.stamp->h};
    g_array_append_val(shapes, shape);
}

void layout_corner(GArray *shapes, const gchar *const *texts, guint n, const LayoutStyle *style,
                   LabelCache *cache)
{
    gint x = 0;

    for (guint i = 0; i < n && texts[i] != NULL; i++) {
        Shape shape = {.ink = INK_NEUTRAL};

        shape.stamp = label_cache_get(cache, texts[i], shape.ink);
        shape.rect = (Rect){x, 0, shape.stamp->w, shape.stamp->h};
        x += shape.rect.w;
        if (x > style->width || shape.rect.h > style->height) {
            break;
        }
        g_array_append_val(shapes, shape);
    }
}

void layout_covers(GArray *shapes, const GArray *objects, const LayoutStyle *style)
{
    Shape shape = {.ink = INK_NEUTRAL, .opaque = TRUE};

    for (guint i = 0; i < objects->len; i++) {
        if (layout_box(&shape.rect, &g_array_index(objects, EffdetDetection, i), style)) {
            g_array_append_val(shapes, shape);
        }
    }
}

void layout_boxes(GArray *shapes, const GArray *objects, const LayoutStyle *style)
{
    Rect box;

    for (guint i = objects->len; i > 0; i--) {
        const EffdetDetection *object = &g_array_index(objects, EffdetDetection, i - 1);
        if (layout_box(&box, object, style)) {
            add_outline(shapes, &box, ink_of(object, style->colour_by_track), object->predicted,
                        style);
            if (style->confidence_bar) {
                add_bar(shapes, &box, ink_of(object, style->colour_by_track), object->confidence,
                        style);
            }
        }
    }
}

void layout_texts(GArray *shapes, const GArray *objects, const LayoutStyle *style,
                  LabelCache *cache)
{
    Rect box;

    for (guint i = objects->len; i > 0 && style->labels; i--) {
        const EffdetDetection *object = &g_array_index(objects, EffdetDetection, i - 1);
        if (layout_box(&box, object, style)) {
            add_text(shapes, &box, object, style, cache);
        }
    }
}
