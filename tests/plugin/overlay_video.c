// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Frames for the overlay's tests. No assertions about drawing here.
#include "overlay_video.h"

#include "overlay/overlay.h"

GstHarness *overlay_harness(const GstVideoInfo *info, ...)
{
    GstElement *element = gst_element_factory_make("effdetoverlay", NULL);
    const gchar *first;
    GstHarness *h;
    va_list args;

    g_assert_nonnull(element);
    va_start(args, info);
    first = va_arg(args, const gchar *);
    if (first != NULL) {
        g_object_set_valist(G_OBJECT(element), first, args);
    }
    va_end(args);
    gst_object_ref_sink(element);
    h = gst_harness_new_with_element(element, "sink", "src");
    gst_object_unref(element);
    if (info != NULL) {
        gst_harness_set_src_caps(h, gst_video_info_to_caps(info));
    }
    return h;
}

GstVideoInfo overlay_info(GstVideoFormat format, gint width, gint height, const gchar *colorimetry)
{
    GstVideoInfo info;

    g_assert_true(gst_video_info_set_format(&info, format, (guint)width, (guint)height));
    info.fps_n = 25;
    info.fps_d = 1;
    if (colorimetry != NULL) {
        g_assert_true(gst_video_colorimetry_from_string(&info.colorimetry, colorimetry));
    }
    return info;
}

GstBuffer *overlay_noise(const GstVideoInfo *info, guint pad)
{
    gsize offset[GST_VIDEO_MAX_PLANES] = {0}, size = 0;
    gint stride[GST_VIDEO_MAX_PLANES] = {0};
    guint n_planes = GST_VIDEO_INFO_N_PLANES(info);
    guint32 state = 12345;
    GstBuffer *buffer;
    GstMapInfo map;

    for (guint i = 0; i < n_planes; i++) {
        gsize next = i + 1 < n_planes ? info->offset[i + 1] : info->size;
        gsize rows = (next - info->offset[i]) / (gsize)info->stride[i];
        offset[i] = size;
        stride[i] = info->stride[i] + (gint)pad;
        size += pad > 0 ? rows * (gsize)stride[i] : next - info->offset[i];
    }
    buffer = gst_buffer_new_allocate(NULL, size, NULL);
    gst_buffer_map(buffer, &map, GST_MAP_WRITE);
    for (gsize i = 0; i < size; i++) {
        state = state * 1664525u + 1013904223u;
        map.data[i] = (guint8)(state >> 24);
    }
    gst_buffer_unmap(buffer, &map);
    if (pad > 0) {
        gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, info->finfo->format,
                                       (guint)info->width, (guint)info->height, n_planes, offset,
                                       stride);
    }
    return buffer;
}

GstVideoRegionOfInterestMeta *overlay_add_object(GstBuffer *buffer, const gchar *label,
                                                 gint label_id, gdouble confidence, gdouble x,
                                                 gdouble y, gdouble w, gdouble h)
{
    GstVideoRegionOfInterestMeta *roi = gst_buffer_add_video_region_of_interest_meta(
        buffer, label, (guint)x, (guint)y, (guint)w, (guint)h);

    roi->id = (gint)(x + y);
    gst_video_region_of_interest_meta_add_param(
        roi, gst_structure_new("detection", "confidence", G_TYPE_DOUBLE, confidence, "label_id",
                               G_TYPE_INT, label_id, NULL));
    return roi;
}

void overlay_add_track(GstVideoRegionOfInterestMeta *roi, gint id, const gchar *label)
{
    GstStructure *track = gst_structure_new("object_id", "id", G_TYPE_INT, id, NULL);

    if (label != NULL) {
        gst_structure_set(track, "label", G_TYPE_STRING, label, NULL);
    }
    gst_video_region_of_interest_meta_add_param(roi, track);
}

GstStructure *overlay_zone_content(gboolean is_line, const gdouble (*points)[2], guint n)
{
    GstStructure *entry = gst_structure_new_empty(is_line ? "line" : "zone");
    GstStructure *content = gst_structure_new_empty("content");
    GValue entries = G_VALUE_INIT, value = G_VALUE_INIT;

    gst_structure_set(
        entry, "points", G_TYPE_VARIANT,
        g_variant_new_fixed_array(G_VARIANT_TYPE("(dd)"), points, n, 2 * sizeof(gdouble)), NULL);
    g_value_init(&value, GST_TYPE_STRUCTURE);
    g_value_take_boxed(&value, entry);
    g_value_init(&entries, GST_TYPE_ARRAY);
    gst_value_array_append_and_take_value(&entries, &value);
    gst_structure_take_value(content, is_line ? "lines" : "zones", &entries);
    return content;
}

guint16 *overlay_pixels(GstBuffer *buffer, const GstVideoInfo *info)
{
    const GstVideoFormatInfo *finfo = info->finfo;
    const GstVideoFormatInfo *unpacked = gst_video_format_get_info(finfo->unpack_format);
    gsize row_samples = (gsize)info->width * 4;
    guint16 *pixels = g_new(guint16, row_samples * (gsize)info->height);
    guint8 *narrow = g_malloc(row_samples * 2);
    GstVideoFrame frame;

    g_assert_true(gst_video_frame_map(&frame, info, buffer, GST_MAP_READ));
    for (gint y = 0; y < info->height; y++) {
        guint16 *row = pixels + (gsize)y * row_samples;

        if (GST_VIDEO_FORMAT_INFO_DEPTH(unpacked, 0) > 8) {
            finfo->unpack_func(finfo, GST_VIDEO_PACK_FLAG_NONE, row, frame.data, frame.info.stride,
                               0, y, info->width);
            continue;
        }
        finfo->unpack_func(finfo, GST_VIDEO_PACK_FLAG_NONE, narrow, frame.data, frame.info.stride,
                           0, y, info->width);
        for (gsize i = 0; i < row_samples; i++) {
            row[i] = (guint16)(narrow[i] * 257);
        }
    }
    gst_video_frame_unmap(&frame);
    g_free(narrow);
    return pixels;
}

GBytes *overlay_bytes(GstBuffer *buffer)
{
    gsize size = gst_buffer_get_size(buffer);
    guint8 *bytes = g_malloc(size);

    g_assert_cmpuint(gst_buffer_extract(buffer, 0, bytes, size), ==, size);
    return g_bytes_new_take(bytes, size);
}

gsize overlay_n_different(GBytes *a, GBytes *b)
{
    gsize size, n = 0;
    const guint8 *x = g_bytes_get_data(a, &size), *y = g_bytes_get_data(b, NULL);

    for (gsize i = 0; i < size; i++) {
        n += x[i] != y[i];
    }
    return n;
}
