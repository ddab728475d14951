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

static GstVideoOverlayRectangle *rectangle_new(const Shape *shape, const InkSet *inks,
                                               GstVideoFormat format, guint alpha)
{
    guint w = (guint)shape->rect.w, h = (guint)shape->rect.h;
    GstVideoOverlayRectangle *rectangle;
    GstVideoFrame frame;
    GstVideoInfo info;
    GstBuffer *pixels;
    Raster raster;

    gst_video_info_set_format(&info, format, w, h);
    pixels = gst_buffer_new_allocate(NULL, info.size, NULL);
    gst_buffer_add_video_meta(pixels, GST_VIDEO_FRAME_FLAG_NONE, format, w, h);
    if (!gst_video_frame_map(&frame, &info, pixels, GST_MAP_WRITE)) {
        gst_buffer_unref(pixels);
        return NULL;
    }
    raster_init(&raster, &frame);
    if (shape->stamp != NULL) {
        raster_put(&raster, 0, 0, shape->stamp, RASTER_OPAQUE);
    } else {
        raster_fill(&raster, &(Rect){0, 0, shape->rect.w, shape->rect.h}, &inks->plate[shape->ink],
                    RASTER_OPAQUE);
    }
    gst_video_frame_unmap(&frame);
    rectangle = gst_video_overlay_rectangle_new_raw(pixels, shape->rect.x, shape->rect.y, w, h,
                                                    GST_VIDEO_OVERLAY_FORMAT_FLAG_NONE);
    if (alpha != RASTER_OPAQUE && !shape->opaque) {
        gst_video_overlay_rectangle_set_global_alpha(rectangle, (gfloat)alpha / RASTER_OPAQUE);
    }
    gst_buffer_unref(pixels);
    return rectangle;
}

GstVideoOverlayComposition *composition_new(const GArray *shapes, const InkSet *inks,
                                            GstVideoFormat format, guint alpha)
{
    GstVideoOverlayComposition *composition = NULL;

    for (guint i = 0; i < shapes->len; i++) {
        GstVideoOverlayRectangle *rectangle =
            rectangle_new(&g_array_index(shapes, Shape, i), inks, format, alpha);

        if (rectangle == NULL) {
            continue;
        }
        if (composition == NULL) {
            composition = gst_video_overlay_composition_new(rectangle);
        } else {
            gst_video_overlay_composition_add_rectangle(composition, rectangle);
        }
        gst_video_overlay_rectangle_unref(rectangle);
    }
    return composition;
}
