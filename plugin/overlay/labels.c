// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Text rendering with Pango and cairo, and the cache of its results. Nothing is placed here.
#include "labels.h"

#include <pango/pangocairo.h>
#include <string.h>

#define MAX_BYTES (8u << 20)

struct LabelCache {
    const GstVideoFormatInfo *finfo;
    const InkSet *inks;
    PangoFontMap *fonts;
    PangoContext *context;
    PangoLayout *layout;
    guint size_px, max_width_px;
    GHashTable *stamps; // colour character + text -> Stamp
    GString *key;
    gsize bytes;
    guint n_rendered;
};

LabelCache *label_cache_new(const GstVideoFormatInfo *finfo, const InkSet *inks, const gchar *font,
                            guint size_px, guint max_width_px)
{
    LabelCache *cache = g_new0(LabelCache, 1);
    PangoFontDescription *description = pango_font_description_from_string(font);
    cairo_font_options_t *options = cairo_font_options_create();

    cache->finfo = finfo;
    cache->inks = inks;
    cache->size_px = size_px;
    cache->max_width_px = max_width_px;
    cache->fonts = pango_cairo_font_map_new();
    cache->context = pango_font_map_create_context(cache->fonts);
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_FULL);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_ON);
    pango_cairo_context_set_font_options(cache->context, options);
    cairo_font_options_destroy(options);

    cache->layout = pango_layout_new(cache->context);
    pango_font_description_set_absolute_size(description, (gdouble)size_px * PANGO_SCALE);
    pango_layout_set_font_description(cache->layout, description);
    pango_font_description_free(description);
    pango_layout_set_single_paragraph_mode(cache->layout, TRUE);
    pango_layout_set_ellipsize(cache->layout, PANGO_ELLIPSIZE_END);

    cache->stamps =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)stamp_free);
    cache->key = g_string_sized_new(128);
    return cache;
}

void label_cache_free(LabelCache *cache)
{
    if (cache == NULL) {
        return;
    }
    g_hash_table_unref(cache->stamps);
    g_string_free(cache->key, TRUE);
    g_object_unref(cache->layout);
    g_object_unref(cache->context);
    g_object_unref(cache->fonts);
    g_free(cache);
}

void label_cache_trim(LabelCache *cache)
{
    if (cache->bytes > MAX_BYTES) {
        g_hash_table_remove_all(cache->stamps);
        cache->bytes = 0;
    }
}

static Stamp *render(LabelCache *cache, const gchar *text, guint ink)
{
    gint pad_x = MAX((gint)cache->size_px / 4, 1), pad_y = MAX((gint)cache->size_px / 10, 1);
    gint w, h, room = MAX((gint)cache->max_width_px - 2 * pad_x, 1);
    guint grid_x = (guint)raster_grid_x(cache->finfo), grid_y = (guint)raster_grid_y(cache->finfo);
    g_autofree gchar *valid = g_utf8_make_valid(text, -1);
    cairo_surface_t *surface;
    Stamp *stamp;
    cairo_t *cr;

    pango_layout_set_width(cache->layout, -1);
    pango_layout_set_text(cache->layout, valid, -1);
    pango_layout_get_pixel_size(cache->layout, &w, &h);
    if (w > room) {
        pango_layout_set_width(cache->layout, room * PANGO_SCALE);
        w = room;
    }
    w += 2 * pad_x;
    h += 2 * pad_y;

    surface = cairo_image_surface_create(CAIRO_FORMAT_A8, (gint)GST_ROUND_UP_N((guint)w, grid_x),
                                         (gint)GST_ROUND_UP_N((guint)h, grid_y));
    cr = cairo_create(surface);
    cairo_move_to(cr, pad_x, pad_y);
    pango_cairo_show_layout(cr, cache->layout);
    cairo_destroy(cr);
    cairo_surface_flush(surface);
    stamp = stamp_new(cache->finfo, cairo_image_surface_get_data(surface),
                      cairo_image_surface_get_stride(surface), w, h, &cache->inks->plate[ink],
                      &cache->inks->text[ink]);
    cairo_surface_destroy(surface);
    return stamp;
}

const Stamp *label_cache_get(LabelCache *cache, const gchar *text, guint ink)
{
    Stamp *stamp;

    g_string_truncate(cache->key, 0);
    g_string_append_c(cache->key, (gchar)('A' + ink));
    g_string_append(cache->key, text);
    stamp = g_hash_table_lookup(cache->stamps, cache->key->str);
    if (stamp == NULL) {
        stamp = render(cache, text, ink);
        cache->bytes += stamp->bytes;
        cache->n_rendered++;
        g_hash_table_insert(cache->stamps, g_strdup(cache->key->str), stamp);
    }
    return stamp;
}

guint label_cache_n_rendered(const LabelCache *cache)
{
    return cache->n_rendered;
}
