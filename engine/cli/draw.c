// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A picture with boxes and labels on it, by cairo. Video is drawn by the overlay element, not here.
#include "cli/picture.h"

#include <cairo.h>
#include <math.h>
#include <stdio.h>

static cairo_surface_t *copy_to_surface(const GdkPixbuf *picture)
{
    EffdetFrame frame = picture_frame(picture);
    cairo_surface_t *surface =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)frame.width, (int)frame.height);
    if (cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS) {
        return surface;
    }
    int channels = gdk_pixbuf_get_n_channels(picture);
    int stride = cairo_image_surface_get_stride(surface);
    unsigned char *data = cairo_image_surface_get_data(surface);
    for (guint y = 0; y < frame.height; y++) {
        const guint8 *from = frame.planes[0].data + y * frame.planes[0].stride_bytes;
        uint32_t *to = (uint32_t *)(void *)(data + (size_t)y * (size_t)stride);
        for (guint x = 0; x < frame.width; x++, from += channels) {
            to[x] = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];
        }
    }
    cairo_surface_mark_dirty(surface);
    return surface;
}

// A bright colour for a class. Steps of the golden angle keep the hues of neighbouring classes
// apart.
static void class_colour(int label_id, double rgb[3])
{
    double hue = fmod(0.33 + label_id * 0.6180339887, 1.0) * 6;
    for (int i = 0; i < 3; i++) {
        double distance = fabs(fmod(hue + 6 - 2 * i, 6) - 3) - 1; // 0: absent, 1: full
        rgb[i] = 0.1 + 0.9 * CLAMP(distance, 0.0, 1.0);
    }
}

static void draw_label(cairo_t *cairo, const char *text, double x, double y, double height,
                       const double rgb[3])
{
    cairo_text_extents_t extents;
    cairo_text_extents(cairo, text, &extents);
    double width = extents.x_advance + height * 0.4;
    double top = y >= height ? y - height : y; // above the box, or inside where there is no room
    cairo_set_source_rgb(cairo, rgb[0], rgb[1], rgb[2]);
    cairo_rectangle(cairo, x, top, width, height);
    cairo_fill(cairo);
    bool bright = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] > 0.5;
    cairo_set_source_rgb(cairo, bright ? 0 : 1, bright ? 0 : 1, bright ? 0 : 1);
    cairo_move_to(cairo, x + height * 0.2, top + height * 0.76);
    cairo_show_text(cairo, text);
}

static void draw_objects(cairo_t *cairo, const EffdetResult *result, const gchar *const *labels,
                         double side)
{
    double line = MAX(1.0, side / 300);
    double font = MAX(10.0, side / 40);
    cairo_select_font_face(cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cairo, font);
    cairo_set_line_width(cairo, line);
    cairo_set_line_join(cairo, CAIRO_LINE_JOIN_MITER);
    for (guint i = result->n_objects; i-- > 0;) { // the most confident on top
        const EffdetObject *object = &result->objects[i];
        double rgb[3];
        class_colour(object->label_id, rgb);
        cairo_set_source_rgb(cairo, rgb[0], rgb[1], rgb[2]);
        cairo_rectangle(cairo, (double)object->x, (double)object->y, (double)object->w,
                        (double)object->h);
        cairo_stroke(cairo);
        const char *label = labels[object->label_id];
        g_autofree char *text =
            label[0] ? g_strdup_printf("%s %.0f%%", label, object->confidence * 100.0)
                     : g_strdup_printf("#%d %.0f%%", object->label_id, object->confidence * 100.0);
        draw_label(cairo, text, (double)object->x, (double)object->y, font * 1.3, rgb);
    }
}

bool picture_draw(const GdkPixbuf *picture, const EffdetResult *result, const gchar *const *labels,
                  const char *path, GError **error)
{
    cairo_surface_t *surface = copy_to_surface(picture);
    cairo_t *cairo = cairo_create(surface);
    draw_objects(cairo, result, labels,
                 MAX(gdk_pixbuf_get_width(picture), gdk_pixbuf_get_height(picture)));
    cairo_status_t status = cairo_status(cairo);
    if (status == CAIRO_STATUS_SUCCESS) {
        status = cairo_surface_write_to_png(surface, path);
    }
    cairo_destroy(cairo);
    cairo_surface_destroy(surface);
    if (status != CAIRO_STATUS_SUCCESS) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED, "%s: cannot write the picture: %s",
                    path, cairo_status_to_string(status));
        return false;
    }
    return true;
}
