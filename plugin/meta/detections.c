// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Layout of detections in region-of-interest metas (DL Streamer's parameters) and GstAnalytics. No
// engine types here.
#include "detections.h"

#include <gst/video/gstvideometa.h>

#ifdef HAVE_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

#define NO_PARENT (-1)

// Rounded to whole pixels at its edges and clipped to the picture.
typedef struct {
    guint x, y, w, h;
} PixelBox;

static PixelBox pixel_box(const EffdetDetection *object, guint width, guint height)
{
    double left = CLAMP(object->x, 0.0, width), right = CLAMP(object->x + object->w, 0.0, width);
    double top = CLAMP(object->y, 0.0, height), bottom = CLAMP(object->y + object->h, 0.0, height);
    PixelBox box = {.x = (guint)(left + 0.5), .y = (guint)(top + 0.5)};

    box.w = (guint)(right + 0.5) - box.x;
    box.h = (guint)(bottom + 0.5) - box.y;
    return box;
}

static GstVideoRegionOfInterestMeta *next_roi(GstBuffer *buffer, gpointer *state)
{
    return (GstVideoRegionOfInterestMeta *)gst_buffer_iterate_meta_filtered(
        buffer, state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
}

// ---- reading ----

static void read_roi(GstVideoRegionOfInterestMeta *roi, EffdetDetection *object)
{
    const GstStructure *detection = gst_video_region_of_interest_meta_get_param(roi, "detection");
    const GstStructure *tracked = gst_video_region_of_interest_meta_get_param(roi, "object_id");
    gint track_id;

    *object = (EffdetDetection){.label = roi->roi_type,
                                .label_id = -1,
                                .confidence = -1.0,
                                .x = roi->x,
                                .y = roi->y,
                                .w = roi->w,
                                .h = roi->h,
                                .id = roi->id};
    if (detection != NULL) {
        gst_structure_get_double(detection, "confidence", &object->confidence);
        gst_structure_get_int(detection, "label_id", &object->label_id);
    }
    if (tracked != NULL && gst_structure_get_int(tracked, "id", &track_id)) {
        object->track_id = track_id;
    }
}

#ifdef HAVE_ANALYTICS
static gint64 related_track(GstAnalyticsRelationMeta *relations, guint id)
{
    gpointer state = NULL;
    GstAnalyticsMtd track;
    guint64 track_id;
    GstClockTime first_seen, last_seen;
    gboolean lost;

    if (gst_analytics_relation_meta_get_direct_related(relations, id, GST_ANALYTICS_REL_TYPE_ANY,
                                                       gst_analytics_tracking_mtd_get_mtd_type(),
                                                       &state, &track) &&
        gst_analytics_tracking_mtd_get_info(&track, &track_id, &first_seen, &last_seen, &lost)) {
        return (gint64)track_id;
    }
    return 0;
}

static guint read_relations(GstBuffer *buffer, GArray *objects)
{
    GstAnalyticsRelationMeta *relations = gst_buffer_get_analytics_relation_meta(buffer);
    gpointer state = NULL;
    GstAnalyticsMtd od;
    guint n = 0;

    while (relations != NULL && gst_analytics_relation_meta_iterate(
                                    relations, &state, gst_analytics_od_mtd_get_mtd_type(), &od)) {
        gint x, y, w, h;
        gfloat confidence;
        guint id = gst_analytics_mtd_get_id(&od);

        if (!gst_analytics_od_mtd_get_location(&od, &x, &y, &w, &h, &confidence)) {
            continue;
        }
        EffdetDetection object = {.label = gst_analytics_od_mtd_get_obj_type(&od),
                                  .label_id = -1,
                                  .confidence = confidence,
                                  .x = x,
                                  .y = y,
                                  .w = w,
                                  .h = h,
                                  .id = (gint)id,
                                  .track_id = related_track(relations, id)};
        g_array_append_val(objects, object);
        n++;
    }
    return n;
}
#else
static guint read_relations(GstBuffer *buffer, GArray *objects)
{
    return 0;
}
#endif

guint effdet_meta_read(GstBuffer *buffer, GArray *objects)
{
    guint first = objects->len, n_relations = read_relations(buffer, objects);
    GstVideoRegionOfInterestMeta *roi;
    gpointer state = NULL;

    while ((roi = next_roi(buffer, &state)) != NULL) {
        EffdetDetection object, *twin = NULL;

        read_roi(roi, &object);
        for (guint i = 0; i < n_relations && twin == NULL; i++) {
            EffdetDetection *other = &g_array_index(objects, EffdetDetection, first + i);
            if (other->id == object.id && other->label == object.label) {
                twin = other;
            }
        }
        if (twin == NULL) {
            g_array_append_val(objects, object);
            continue;
        }
        twin->label_id = object.label_id;
        if (twin->track_id == 0) {
            twin->track_id = object.track_id;
        }
    }
    return objects->len - first;
}

// ---- writing ----

static void attach_roi(GstBuffer *buffer, const EffdetDetection *object, guint width, guint height)
{
    PixelBox box = pixel_box(object, width, height);
    GstVideoRegionOfInterestMeta *roi = gst_buffer_add_video_region_of_interest_meta_id(
        buffer, object->label, box.x, box.y, box.w, box.h);

    roi->id = object->id;
    roi->parent_id = NO_PARENT;
    gst_video_region_of_interest_meta_add_param(
        roi, gst_structure_new(
                 "detection", "x_min", G_TYPE_DOUBLE, CLAMP(object->x / width, 0.0, 1.0), "x_max",
                 G_TYPE_DOUBLE, CLAMP((object->x + object->w) / width, 0.0, 1.0), "y_min",
                 G_TYPE_DOUBLE, CLAMP(object->y / height, 0.0, 1.0), "y_max", G_TYPE_DOUBLE,
                 CLAMP((object->y + object->h) / height, 0.0, 1.0), "confidence", G_TYPE_DOUBLE,
                 object->confidence, "label_id", G_TYPE_INT, object->label_id, NULL));
}

#ifdef HAVE_ANALYTICS
void effdet_meta_attach(GstBuffer *buffer, EffdetDetection *objects, guint n_objects, guint width,
                        guint height, gboolean with_roi)
{
    GstAnalyticsRelationMeta *relations;

    if (n_objects == 0) {
        return;
    }
    relations = gst_buffer_add_analytics_relation_meta(buffer);
    for (guint i = 0; i < n_objects; i++) {
        EffdetDetection *object = &objects[i];
        PixelBox box = pixel_box(object, width, height);
        GstAnalyticsODMtd od;

        if (!gst_analytics_relation_meta_add_od_mtd(relations, object->label, (gint)box.x,
                                                    (gint)box.y, (gint)box.w, (gint)box.h,
                                                    (gfloat)object->confidence, &od)) {
            continue;
        }
        object->id = (gint)gst_analytics_mtd_get_id((GstAnalyticsMtd *)&od);
        if (with_roi) {
            attach_roi(buffer, object, width, height);
        }
    }
}
#else
void effdet_meta_attach(GstBuffer *buffer, EffdetDetection *objects, guint n_objects, guint width,
                        guint height, gboolean with_roi)
{
    GstVideoRegionOfInterestMeta *roi;
    gpointer state = NULL;
    gint next_id = 0;

    while ((roi = next_roi(buffer, &state)) != NULL) {
        next_id = MAX(next_id, roi->id + 1);
    }
    for (guint i = 0; i < n_objects; i++) {
        objects[i].id = next_id++;
        attach_roi(buffer, &objects[i], width, height);
    }
}
#endif
