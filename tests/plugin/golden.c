// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Reading the pictures and golden boxes, reading boxes from metas, and comparing both.
#include "golden.h"

#include <json-glib/json-glib.h>

#define SUPPRESSION 0.5 // IoU, the default of the element and of the golden boxes

gchar *golden_file(const gchar *path)
{
    return g_build_filename(g_getenv("EFFDET_SOURCE_DIR"), "examples", path, NULL);
}

GstSample *golden_picture(const gchar *name)
{
    g_autoptr(GError) error = NULL;
    g_autofree gchar *path = golden_file("models/person-lite0");
    g_autofree gchar *launch = g_strdup_printf("filesrc location=\"%s/%s\" ! gdkpixbufdec ! "
                                               "video/x-raw,format=RGB ! fakesink name=sink",
                                               path, name);
    g_autoptr(GstElement) pipeline = gst_parse_launch(launch, &error);
    g_autoptr(GstElement) sink = NULL;
    g_autoptr(GstBus) bus = NULL;
    g_autoptr(GstMessage) message = NULL;
    GstSample *sample = NULL;

    g_assert_no_error(error);
    bus = gst_element_get_bus(pipeline);
    sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    message = gst_bus_timed_pop_filtered(bus, 20 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    g_assert_true(message != NULL && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS);
    g_object_get(sink, "last-sample", &sample, NULL);
    g_assert_nonnull(sample);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    return sample;
}

GArray *golden_boxes(const gchar *name)
{
    GArray *boxes = g_array_new(FALSE, FALSE, sizeof(Box));
    g_autofree gchar *path = golden_file("models/person-lite0/golden-free.json");
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonArray *pictures;

    g_assert_true(json_parser_load_from_file(parser, path, NULL));
    pictures = json_object_get_array_member(json_node_get_object(json_parser_get_root(parser)),
                                            "pictures");
    for (guint i = 0; i < json_array_get_length(pictures); i++) {
        JsonObject *picture = json_array_get_object_element(pictures, i);
        JsonArray *detections = json_object_get_array_member(picture, "detections");

        if (g_strcmp0(json_object_get_string_member(picture, "file"), name) != 0) {
            continue;
        }
        for (guint d = 0; d < json_array_get_length(detections); d++) {
            JsonObject *detection = json_array_get_object_element(detections, d);
            JsonArray *box = json_object_get_array_member(detection, "box");
            Box golden = {
                json_array_get_double_element(box, 0), json_array_get_double_element(box, 1),
                json_array_get_double_element(box, 2), json_array_get_double_element(box, 3),
                json_object_get_double_member(detection, "score")};

            g_array_append_val(boxes, golden);
        }
    }
    g_assert_cmpuint(boxes->len, >, 0);
    return boxes;
}

GArray *golden_found(GstBuffer *buffer, double width, double height)
{
    GArray *boxes = g_array_new(FALSE, FALSE, sizeof(Box));
    gpointer state = NULL;
    GstMeta *meta;

    while ((meta = gst_buffer_iterate_meta_filtered(buffer, &state,
                                                    GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))) {
        GstStructure *detection = gst_video_region_of_interest_meta_get_param(
            (GstVideoRegionOfInterestMeta *)meta, "detection");
        Box box;

        g_assert_nonnull(detection);
        g_assert_true(gst_structure_get(detection, "x_min", G_TYPE_DOUBLE, &box.x0, "y_min",
                                        G_TYPE_DOUBLE, &box.y0, "x_max", G_TYPE_DOUBLE, &box.x1,
                                        "y_max", G_TYPE_DOUBLE, &box.y1, "confidence",
                                        G_TYPE_DOUBLE, &box.score, NULL));
        box.x0 *= width;
        box.x1 *= width;
        box.y0 *= height;
        box.y1 *= height;
        g_array_append_val(boxes, box);
    }
    return boxes;
}

static double iou(const Box *a, const Box *b)
{
    double w = MIN(a->x1, b->x1) - MAX(a->x0, b->x0), h = MIN(a->y1, b->y1) - MAX(a->y0, b->y0);
    double both = MAX(w, 0.0) * MAX(h, 0.0);

    return both / ((a->x1 - a->x0) * (a->y1 - a->y0) + (b->x1 - b->x0) * (b->y1 - b->y0) - both);
}

// A stronger box overlaps this one so nearly by the threshold of suppression that it may be
// suppressed as well.
static gboolean is_undecided(const GArray *boxes, guint index, double margin)
{
    const Box *box = &g_array_index(boxes, Box, index);
    gboolean undecided = FALSE;

    for (guint i = 0; i < boxes->len; i++) {
        const Box *other = &g_array_index(boxes, Box, i);

        undecided |= other->score > box->score && ABS(iou(other, box) - SUPPRESSION) < margin;
    }
    return undecided;
}

// Of the other list, the box that suppressed this one may be suppressed itself.
static gboolean may_be_freed(const Box *box, const GArray *others, double margin)
{
    gboolean freed = FALSE;

    for (guint i = 0; i < others->len; i++) {
        const Box *other = &g_array_index(others, Box, i);

        freed |= other->score > box->score && iou(other, box) > SUPPRESSION - margin &&
                 is_undecided(others, i, margin);
    }
    return freed;
}

static void assert_found(const gchar *what, const GArray *wanted, const GArray *found,
                         const GoldenLimits *limits)
{
    for (guint i = 0; i < wanted->len; i++) {
        const Box *a = &g_array_index(wanted, Box, i);
        gboolean match = a->score < limits->from_score || is_undecided(wanted, i, limits->margin) ||
                         may_be_freed(a, found, limits->margin);
        double best = 0.0;

        for (guint j = 0; j < found->len && !match; j++) {
            const Box *b = &g_array_index(found, Box, j);

            match =
                iou(a, b) >= limits->min_iou && ABS(a->score - b->score) <= limits->max_difference;
            best = MAX(best, iou(a, b));
        }
        if (!match) {
            g_error(
                "%s: box %u (%.1f %.1f %.1f %.1f, score %.3f) has no like among %u, best IoU %.3f",
                what, i, a->x0, a->y0, a->x1, a->y1, a->score, found->len, best);
        }
    }
}

void golden_assert(const gchar *what, const GArray *wanted, const GArray *found,
                   const GoldenLimits *limits)
{
    assert_found(what, wanted, found, limits);
    assert_found(what, found, wanted, limits);
}

GstBuffer *golden_padded(GstBuffer *buffer, const GstVideoInfo *info, guint padding)
{
    GstVideoInfo padded = *info;
    GstVideoAlignment align;
    GstVideoFrame from, to;
    GstBuffer *copy;

    gst_video_alignment_reset(&align);
    align.padding_right = align.padding_bottom = padding;
    g_assert_true(gst_video_info_align(&padded, &align));
    copy = gst_buffer_new_allocate(NULL, padded.size, NULL);
    gst_buffer_memset(copy, 0, 0xff, padded.size);
    gst_buffer_add_video_meta_full(copy, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT(info),
                                   (guint)info->width, (guint)info->height,
                                   GST_VIDEO_INFO_N_PLANES(info), padded.offset, padded.stride);
    g_assert_true(gst_video_frame_map(&from, info, buffer, GST_MAP_READ));
    g_assert_true(gst_video_frame_map(&to, info, copy, GST_MAP_WRITE));
    g_assert_true(gst_video_frame_copy(&to, &from));
    gst_video_frame_unmap(&to);
    gst_video_frame_unmap(&from);
    return copy;
}
