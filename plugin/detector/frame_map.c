// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// GstBuffer → EffdetFrame: formats, planes, colorimetry, and the proof that every row lies inside
// the mapped memory.
#include "frame_map.h"

// A plane in units of the smallest group of pixels that has its own bytes.
typedef struct {
    guint8 shift_x, shift_y; // pixels per group, as powers of two
    guint8 bytes;            // of one group; 0 = no such plane
} PlaneLayout;

static const PlaneLayout layouts[EFFDET_N_FORMATS][3] = {
    [EFFDET_FORMAT_NV12] = {{0, 0, 1}, {1, 1, 2}},
    [EFFDET_FORMAT_I420] = {{0, 0, 1}, {1, 1, 1}, {1, 1, 1}},
    [EFFDET_FORMAT_P010] = {{0, 0, 2}, {1, 1, 4}},
    [EFFDET_FORMAT_YUY2] = {{1, 0, 4}},
    [EFFDET_FORMAT_UYVY] = {{1, 0, 4}},
    [EFFDET_FORMAT_RGB] = {{0, 0, 3}},
    [EFFDET_FORMAT_BGR] = {{0, 0, 3}},
    [EFFDET_FORMAT_RGBX] = {{0, 0, 4}},
    [EFFDET_FORMAT_BGRX] = {{0, 0, 4}},
    [EFFDET_FORMAT_XRGB] = {{0, 0, 4}},
    [EFFDET_FORMAT_XBGR] = {{0, 0, 4}},
    [EFFDET_FORMAT_GRAY8] = {{0, 0, 1}},
};

static EffdetFormat engine_format(GstVideoFormat format)
{
    switch (format) {
    case GST_VIDEO_FORMAT_NV12:
        return EFFDET_FORMAT_NV12;
    case GST_VIDEO_FORMAT_I420:
        return EFFDET_FORMAT_I420;
    case GST_VIDEO_FORMAT_P010_10LE:
        return EFFDET_FORMAT_P010;
    case GST_VIDEO_FORMAT_YUY2:
        return EFFDET_FORMAT_YUY2;
    case GST_VIDEO_FORMAT_UYVY:
        return EFFDET_FORMAT_UYVY;
    case GST_VIDEO_FORMAT_RGB:
        return EFFDET_FORMAT_RGB;
    case GST_VIDEO_FORMAT_BGR:
        return EFFDET_FORMAT_BGR;
    case GST_VIDEO_FORMAT_RGBx:
    case GST_VIDEO_FORMAT_RGBA:
        return EFFDET_FORMAT_RGBX;
    case GST_VIDEO_FORMAT_BGRx:
    case GST_VIDEO_FORMAT_BGRA:
        return EFFDET_FORMAT_BGRX;
    case GST_VIDEO_FORMAT_xRGB:
    case GST_VIDEO_FORMAT_ARGB:
        return EFFDET_FORMAT_XRGB;
    case GST_VIDEO_FORMAT_xBGR:
    case GST_VIDEO_FORMAT_ABGR:
        return EFFDET_FORMAT_XBGR;
    case GST_VIDEO_FORMAT_GRAY8:
        return EFFDET_FORMAT_GRAY8;
    default:
        return EFFDET_N_FORMATS;
    }
}

static EffdetMatrix engine_matrix(const GstVideoInfo *info)
{
    switch (info->colorimetry.matrix) {
    case GST_VIDEO_COLOR_MATRIX_BT709:
        return EFFDET_MATRIX_BT709;
    case GST_VIDEO_COLOR_MATRIX_BT2020:
        return EFFDET_MATRIX_BT2020;
    case GST_VIDEO_COLOR_MATRIX_FCC:
        return EFFDET_MATRIX_FCC;
    case GST_VIDEO_COLOR_MATRIX_SMPTE240M:
        return EFFDET_MATRIX_SMPTE240M;
    case GST_VIDEO_COLOR_MATRIX_BT601:
        return EFFDET_MATRIX_BT601;
    default: // as GStreamer guesses for caps without colorimetry
        return info->height > 576 ? EFFDET_MATRIX_BT709 : EFFDET_MATRIX_BT601;
    }
}

// FALSE where a row of the plane would end outside what was mapped for it.
static gboolean map_plane(const GstVideoFrame *video, guint index, const PlaneLayout *layout,
                          const GstVideoRectangle *crop, EffdetPlane *plane)
{
    const guint8 *data = GST_VIDEO_FRAME_PLANE_DATA(video, index);
    const GstMapInfo *memory = &video->map[video->meta != NULL ? index : 0];
    gint stride = GST_VIDEO_FRAME_PLANE_STRIDE(video, index);
    gsize round_x = (1u << layout->shift_x) - 1, round_y = (1u << layout->shift_y) - 1;
    gsize row_bytes = (((gsize)crop->w + round_x) >> layout->shift_x) * layout->bytes;
    gsize rows = ((gsize)crop->h + round_y) >> layout->shift_y;
    gsize first, available;

    if (stride <= 0 || (gsize)stride < row_bytes || data < memory->data ||
        data > memory->data + memory->size) {
        return FALSE;
    }
    first = ((gsize)crop->y >> layout->shift_y) * (gsize)stride +
            ((gsize)crop->x >> layout->shift_x) * layout->bytes;
    available = memory->size - (gsize)(data - memory->data);
    if (first + (rows - 1) * (gsize)stride + row_bytes > available) {
        return FALSE;
    }
    *plane = (EffdetPlane){.data = data + first, .stride_bytes = (gsize)stride};
    return TRUE;
}

// The part of the buffer that the caps' width and height mean.
static gboolean visible_rectangle(const GstVideoFrame *video, const GstVideoInfo *info,
                                  GstVideoRectangle *visible)
{
    const GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta(video->buffer);

    *visible = (GstVideoRectangle){.w = info->width, .h = info->height};
    if (crop != NULL) {
        if (crop->x > G_MAXUINT16 || crop->y > G_MAXUINT16 || crop->width > G_MAXUINT16 ||
            crop->height > G_MAXUINT16) {
            return FALSE;
        }
        // Chroma is shared by pairs of pixels: an odd corner moves to the even one before it.
        *visible = (GstVideoRectangle){.x = (gint)(crop->x & ~1u),
                                       .y = (gint)(crop->y & ~1u),
                                       .w = (gint)crop->width,
                                       .h = (gint)crop->height};
    }
    return visible->w > 0 && visible->h > 0 &&
           visible->x + visible->w <= GST_VIDEO_FRAME_WIDTH(video) &&
           visible->y + visible->h <= GST_VIDEO_FRAME_HEIGHT(video);
}

gboolean frame_map(FrameMap *map, const GstVideoInfo *info, GstBuffer *buffer)
{
    EffdetFormat format = engine_format(GST_VIDEO_INFO_FORMAT(info));
    const GstVideoMeta *meta = gst_buffer_get_video_meta(buffer);
    GstVideoRectangle visible;

    // GStreamer takes another format and a picture smaller than the caps for mistakes of the
    // program.
    if (format == EFFDET_N_FORMATS ||
        (meta != NULL &&
         (meta->format != GST_VIDEO_INFO_FORMAT(info) || meta->width < (guint)info->width ||
          meta->height < (guint)info->height)) ||
        !gst_video_frame_map(&map->video, info, buffer,
                             GST_MAP_READ | GST_VIDEO_FRAME_MAP_FLAG_NO_REF)) {
        return FALSE;
    }
    if (GST_VIDEO_FRAME_FORMAT(&map->video) != GST_VIDEO_INFO_FORMAT(info) ||
        !visible_rectangle(&map->video, info, &visible)) {
        goto error;
    }
    map->frame = (EffdetFrame){
        .format = format,
        .width = (guint)visible.w,
        .height = (guint)visible.h,
        .matrix = engine_matrix(info),
        .full_range = info->colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255,
        .pixel_aspect = info->par_d > 0 ? (float)info->par_n / (float)info->par_d : 1.0f,
    };
    for (guint i = 0; i < 3 && layouts[format][i].bytes != 0; i++) {
        if (!map_plane(&map->video, i, &layouts[format][i], &visible, &map->frame.planes[i])) {
            goto error;
        }
    }
    return TRUE;
error:
    gst_video_frame_unmap(&map->video);
    return FALSE;
}

void frame_unmap(FrameMap *map)
{
    gst_video_frame_unmap(&map->video);
}
