// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Reading the meta, and which pictures of the frame before are still good.
#include "zone_layer.h"

#include <math.h>

#include "stencil.h"

#define FIRST_INK 6     // not the colours of the first classes
#define FAR_OUTSIDE 4.0 // picture sizes: beyond, places are moved there
#define TEXT_GAP 0.5    // between a line and its texts, in thicknesses

// One zone or line.
typedef struct {
    GVariant *points; // as they came
    gboolean is_line, visible;
    guint ink;
    CoveragePoint *corners; // pixels
    guint n_corners;
    CoverageAnchors anchors;
    // of these, one is made when it is first drawn; NULL then: it is outside the frame
    gboolean painted;
    Stencil *stencil;
    GPtrArray *rectangles;
} Picture;

struct ZoneLayer {
    LayoutStyle style;            // what the pictures are made for
    GPtrArray *pictures, *before; // of this frame and the one before; slots may be NULL
    GPtrArray *rectangles;        // of all pictures
};

static void picture_free(gpointer data)
{
    Picture *picture = data;

    if (picture != NULL) {
        g_variant_unref(picture->points);
        g_free(picture->corners);
        stencil_free(picture->stencil);
        g_clear_pointer(&picture->rectangles, g_ptr_array_unref);
        g_free(picture);
    }
}

ZoneLayer *zone_layer_new(void)
{
    ZoneLayer *layer = g_new0(ZoneLayer, 1);

    layer->pictures = g_ptr_array_new_with_free_func(picture_free);
    layer->before = g_ptr_array_new_with_free_func(picture_free);
    layer->rectangles = g_ptr_array_new();
    return layer;
}

void zone_layer_free(ZoneLayer *layer)
{
    if (layer != NULL) {
        g_ptr_array_unref(layer->pictures);
        g_ptr_array_unref(layer->before);
        g_ptr_array_unref(layer->rectangles);
        g_free(layer);
    }
}

void zone_layer_clear(ZoneLayer *layer)
{
    g_ptr_array_set_size(layer->rectangles, 0);
    g_ptr_array_set_size(layer->pictures, 0);
    g_ptr_array_set_size(layer->before, 0);
}

// ---- pictures -----------------------------------------------------------------------------------

// FALSE if there is nothing to draw: too few points, or some that are no numbers.
static gboolean read_points(Picture *picture, const LayoutStyle *style)
{
    gsize n;
    const gdouble *pairs = g_variant_get_fixed_array(picture->points, &n, 2 * sizeof(gdouble));

    if (n < (picture->is_line ? 2 : 3)) {
        return FALSE;
    }
    picture->n_corners = picture->is_line ? 2 : (guint)n;
    picture->corners = g_new(CoveragePoint, picture->n_corners);
    for (guint i = 0; i < picture->n_corners; i++) {
        gdouble x = pairs[2 * i], y = pairs[2 * i + 1];

        if (!isfinite(x) || !isfinite(y)) {
            return FALSE;
        }
        picture->corners[i] =
            (CoveragePoint){CLAMP(x, -FAR_OUTSIDE, 1.0 + FAR_OUTSIDE) * style->width,
                            CLAMP(y, -FAR_OUTSIDE, 1.0 + FAR_OUTSIDE) * style->height};
    }
    return TRUE;
}

static Picture *picture_new(GVariant *points, gboolean is_line, guint ink, const LayoutStyle *style)
{
    Picture *picture = g_new0(Picture, 1);

    picture->points = g_variant_ref(points);
    picture->is_line = is_line;
    picture->ink = ink;
    picture->visible = read_points(picture, style);
    picture->painted = !picture->visible;
    if (picture->visible) {
        picture->anchors = is_line
                               ? coverage_line_anchors(picture->corners, style)
                               : coverage_zone_anchors(picture->corners, picture->n_corners, style);
    }
    return picture;
}

static gboolean fits(const Picture *picture, GVariant *points, gboolean is_line, guint ink)
{
    return picture != NULL && picture->is_line == is_line && picture->ink == ink &&
           (picture->points == points || g_variant_equal(picture->points, points));
}

// The picture of the frame before, mostly at the same place, or a new one.
static Picture *picture_for(ZoneLayer *layer, GVariant *points, gboolean is_line)
{
    guint n = layer->pictures->len, ink = (FIRST_INK + n) % INK_N_CLASSES;

    for (guint i = 0; i < layer->before->len; i++) {
        gpointer *slot = &layer->before->pdata[(n + i) % layer->before->len];

        if (fits(*slot, points, is_line, ink)) {
            return g_steal_pointer(slot);
        }
    }
    return picture_new(points, is_line, ink, &layer->style);
}

// FALSE where it is outside the frame. To be cleared either way.
static gboolean paint(Picture *picture, const LayoutStyle *style, Coverage *coverage)
{
    picture->painted = TRUE;
    return picture->is_line ? coverage_line(coverage, picture->corners, style)
                            : coverage_zone(coverage, picture->corners, picture->n_corners, style);
}

void zone_layer_draw(const ZoneLayer *layer, const GstVideoFormatInfo *finfo, const Raster *raster,
                     const InkSet *inks)
{
    for (guint i = 0; i < layer->pictures->len; i++) {
        Picture *picture = g_ptr_array_index(layer->pictures, i);
        Coverage coverage;

        if (!picture->painted) {
            if (paint(picture, &layer->style, &coverage)) {
                picture->stencil = stencil_new(finfo, &coverage);
            }
            coverage_clear(&coverage);
        }
        if (picture->stencil != NULL) {
            stencil_draw(picture->stencil, raster, &inks->plate[picture->ink]);
        }
    }
}

const GPtrArray *zone_layer_rectangles(ZoneLayer *layer, const InkSet *inks, GstVideoFormat format)
{
    g_ptr_array_set_size(layer->rectangles, 0);
    for (guint i = 0; i < layer->pictures->len; i++) {
        Picture *picture = g_ptr_array_index(layer->pictures, i);
        Coverage coverage;

        if (!picture->painted) {
            if (paint(picture, &layer->style, &coverage)) {
                picture->rectangles =
                    composition_rectangles(&coverage, &inks->plate[picture->ink], format);
            }
            coverage_clear(&coverage);
        }
        for (guint k = 0; picture->rectangles != NULL && k < picture->rectangles->len; k++) {
            g_ptr_array_add(layer->rectangles, g_ptr_array_index(picture->rectangles, k));
        }
    }
    return layer->rectangles;
}

// ---- texts --------------------------------------------------------------------------------------

// Centred on a point that is half a text and so many pixels away from another, all of it in the
// frame; none where it would fill the frame.
static void add_text(GArray *shapes, const gchar *text, guint ink, CoveragePoint from,
                     CoveragePoint away, gdouble gap_px, const LayoutStyle *style,
                     LabelCache *labels)
{
    Shape shape = {.ink = ink, .stamp = label_cache_get(labels, text, ink), .opaque = TRUE};
    gint w = shape.stamp->w, h = shape.stamp->h, x, y;
    gdouble far_px = gap_px + (fabs(away.x) * w + fabs(away.y) * h) / 2.0;

    if (h > style->height / 3) {
        return;
    }
    x = (gint)CLAMP(from.x + far_px * away.x - w / 2.0, 0.0, MAX(style->width - w, 0));
    y = (gint)CLAMP(from.y + far_px * away.y - h / 2.0, 0.0, style->height - h);
    shape.rect = (Rect){x - x % style->grid_x, y - y % style->grid_y, w, h};
    g_array_append_val(shapes, shape);
}

static void add_count(GArray *shapes, const GstStructure *entry, const gchar *field,
                      const Picture *picture, gdouble side, const LayoutStyle *style,
                      LabelCache *labels)
{
    const CoverageAnchors *at = &picture->anchors;
    CoveragePoint away = {side * at->ahead.x, side * at->ahead.y};
    gdouble gap = TEXT_GAP * style->line_px + (side > 0.0 ? at->reach_px : style->line_px);
    gchar text[32];
    guint64 n;

    if (gst_structure_get_uint64(entry, field, &n)) {
        g_snprintf(text, sizeof text, "%" G_GUINT64_FORMAT, n);
        add_text(shapes, text, picture->ink, at->middle, away, gap, style, labels);
    }
}

static void add_texts(GArray *shapes, const GstStructure *entry, const Picture *picture,
                      const LayoutStyle *style, LabelCache *labels)
{
    const CoverageAnchors *at = &picture->anchors;
    const gchar *name = gst_structure_get_string(entry, "name");
    gchar text[160];
    guint inside;

    g_strlcpy(text, name != NULL ? name : "", sizeof text);
    if (picture->is_line) {
        add_count(shapes, entry, "forward", picture, 1.0, style, labels);
        add_count(shapes, entry, "backward", picture, -1.0, style, labels);
    } else if (gst_structure_get_uint(entry, "inside", &inside)) {
        g_snprintf(text, sizeof text, "%.120s: %u", name != NULL ? name : "", inside);
    }
    if (text[0] != '\0') {
        add_text(shapes, text, picture->ink, picture->is_line ? at->begin : at->middle,
                 at->begin_away, TEXT_GAP * style->line_px, style, labels);
    }
}

// ---- a frame ------------------------------------------------------------------------------------

static void add_entries(ZoneLayer *layer, const GstStructure *content, gboolean of_lines,
                        LabelCache *labels, GArray *shapes)
{
    const GValue *entries = gst_structure_get_value(content, of_lines ? "lines" : "zones");
    guint n =
        entries != NULL && GST_VALUE_HOLDS_ARRAY(entries) ? gst_value_array_get_size(entries) : 0;

    for (guint i = 0; i < n; i++) {
        const GValue *value = gst_value_array_get_value(entries, i), *points = NULL;
        const GstStructure *entry =
            GST_VALUE_HOLDS_STRUCTURE(value) ? gst_value_get_structure(value) : NULL;
        Picture *picture;

        if (entry != NULL) {
            points = gst_structure_get_value(entry, "points");
        }
        if (points == NULL || !G_VALUE_HOLDS_VARIANT(points) ||
            g_value_get_variant(points) == NULL ||
            !g_variant_is_of_type(g_value_get_variant(points), G_VARIANT_TYPE("a(dd)"))) {
            continue;
        }
        picture = picture_for(layer, g_value_get_variant(points), of_lines);
        g_ptr_array_add(layer->pictures, picture);
        if (picture->visible) {
            add_texts(shapes, entry, picture, &layer->style, labels);
        }
    }
}

void zone_layer_layout(ZoneLayer *layer, const GstStructure *content, const LayoutStyle *style,
                       LabelCache *labels, GArray *shapes)
{
    const LayoutStyle *old = &layer->style;
    GPtrArray *before = layer->pictures;

    if (old->width != style->width || old->height != style->height ||
        old->grid_x != style->grid_x || old->grid_y != style->grid_y ||
        old->line_px != style->line_px) {
        zone_layer_clear(layer);
    }
    layer->style = *style;
    layer->pictures = layer->before;
    layer->before = before;
    add_entries(layer, content, FALSE, labels, shapes);
    add_entries(layer, content, TRUE, labels, shapes);
    g_ptr_array_set_size(layer->before, 0);
}
