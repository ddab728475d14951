// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// One overlay rectangle for each shape, painted with the raster code.
#include "composition.h"

void composition_video_info(GstVideoInfo *info, const GstVideoInfo *video)
{
    if (video == NULL || GST_VIDEO_FORMAT_INFO_IS_RGB(video->finfo)) {
        gst_video_info_set_format(info, GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_RGB, 1, 1);
        return;
    }
    gst_video_info_set_format(info, GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_YUV, 1, 1);
    info->colorimetry = video->colorimetry;
}

// An empty picture, mapped into the frame; NULL if it cannot be.
static GstBuffer *begin_pixels(GstVideoFrame *frame, GstVideoFormat format, const Rect *rect)
{
    guint w = (guint)rect->w, h = (guint)rect->h;
    GstVideoInfo info;
    GstBuffer *pixels;

    gst_video_info_set_format(&info, format, w, h);
    pixels = gst_buffer_new_allocate(NULL, info.size, NULL);
    gst_buffer_add_video_meta(pixels, GST_VIDEO_FRAME_FLAG_NONE, format, w, h);
    if (!gst_video_frame_map(frame, &info, pixels, GST_MAP_WRITE)) {
        gst_clear_buffer(&pixels);
    }
    return pixels;
}

// Takes the pixels.
static GstVideoOverlayRectangle *end_pixels(GstVideoFrame *frame, GstBuffer *pixels,
                                            const Rect *rect)
{
    GstVideoOverlayRectangle *rectangle;

    gst_video_frame_unmap(frame);
    rectangle =
        gst_video_overlay_rectangle_new_raw(pixels, rect->x, rect->y, (guint)rect->w,
                                            (guint)rect->h, GST_VIDEO_OVERLAY_FORMAT_FLAG_NONE);
    gst_buffer_unref(pixels);
    return rectangle;
}

static GstVideoOverlayRectangle *rectangle_new(const Shape *shape, const InkSet *inks,
                                               GstVideoFormat format, guint alpha)
{
    GstVideoOverlayRectangle *rectangle;
    GstVideoFrame frame;
    GstBuffer *pixels = begin_pixels(&frame, format, &shape->rect);
    Raster raster;

    if (pixels == NULL) {
        return NULL;
    }
    raster_init(&raster, &frame);
    if (shape->stamp != NULL) {
        raster_put(&raster, 0, 0, shape->stamp, RASTER_OPAQUE);
    } else {
        raster_fill(&raster, &(Rect){0, 0, shape->rect.w, shape->rect.h}, &inks->plate[shape->ink],
                    RASTER_OPAQUE);
    }
    rectangle = end_pixels(&frame, pixels, &shape->rect);
    if (alpha != RASTER_OPAQUE && !shape->opaque) {
        gst_video_overlay_rectangle_set_global_alpha(rectangle, (gfloat)alpha / RASTER_OPAQUE);
    }
    return rectangle;
}

// ---- coverages ----------------------------------------------------------------------------------

#define BAND_PX 64 // height of a rectangle: a slanting line is not all of the rectangle around it

// Cuts columns off both sides in which nothing is covered. FALSE if that is all of them.
static gboolean trim(const Coverage *coverage, Rect *band)
{
    gint left = band->w, right = 0;

    for (gint y = 0; y < band->h; y++) {
        const guint8 *row = coverage->data + (gssize)(band->y + y) * coverage->stride;
        gint x = 0, end = band->w;

        while (x < left && row[x] == 0) {
            x++;
        }
        while (end > right && row[end - 1] == 0) {
            end--;
        }
        left = MIN(left, x);
        right = MAX(right, end);
    }
    band->x = left;
    band->w = right - left;
    return band->w > 0;
}

// A band within the coverage.
static GstVideoOverlayRectangle *band_new(const Coverage *coverage, const Rect *band,
                                          const Ink *ink, GstVideoFormat format)
{
    Rect place = {coverage->rect.x + band->x, coverage->rect.y + band->y, band->w, band->h};
    GstVideoFrame frame;
    GstBuffer *pixels = begin_pixels(&frame, format, &place);
    Raster raster;

    if (pixels == NULL) {
        return NULL;
    }
    raster_init(&raster, &frame);
    for (gint y = 0; y < band->h; y++) {
        const guint8 *row = coverage->data + (gssize)(band->y + y) * coverage->stride + band->x;

        for (guint i = 0; i < 3; i++) {
            raster_write(&raster.component[i], 0, y, &ink->sample[i], band->w, 0);
        }
        for (gint x = 0; x < band->w; x++) {
            raster_write(&raster.component[3], x, y, &(guint16){row[x]}, 1, 0);
        }
    }
    return end_pixels(&frame, pixels, &place);
}

GPtrArray *composition_rectangles(const Coverage *coverage, const Ink *ink, GstVideoFormat format)
{
    GPtrArray *rectangles =
        g_ptr_array_new_with_free_func((GDestroyNotify)gst_video_overlay_rectangle_unref);

    for (gint y = 0; y < coverage->rect.h; y += BAND_PX) {
        Rect band = {0, y, coverage->rect.w, MIN(BAND_PX, coverage->rect.h - y)};
        GstVideoOverlayRectangle *rectangle =
            trim(coverage, &band) ? band_new(coverage, &band, ink, format) : NULL;

        if (rectangle != NULL) {
            g_ptr_array_add(rectangles, rectangle);
        }
    }
    return rectangles;
}

// ---- compositions -------------------------------------------------------------------------------

static void add(GstVideoOverlayComposition **composition, GstVideoOverlayRectangle *rectangle)
{
    if (*composition == NULL) {
        *composition = gst_video_overlay_composition_new(rectangle);
    } else {
        gst_video_overlay_composition_add_rectangle(*composition, rectangle);
    }
}

GstVideoOverlayComposition *composition_new(const GPtrArray *rectangles, const GArray *shapes,
                                            const InkSet *inks, GstVideoFormat format, guint alpha)
{
    GstVideoOverlayComposition *composition = NULL;

    for (guint i = 0; rectangles != NULL && i < rectangles->len; i++) {
        add(&composition, g_ptr_array_index(rectangles, i));
    }
    for (guint i = 0; i < shapes->len; i++) {
        GstVideoOverlayRectangle *rectangle =
            rectangle_new(&g_array_index(shapes, Shape, i), inks, format, alpha);

        if (rectangle != NULL) {
            add(&composition, rectangle);
            gst_video_overlay_rectangle_unref(rectangle);
        }
    }
    return composition;
}
