// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Layout of detections in region-of-interest metas (DL Streamer's parameters) and GstAnalytics. No
// engine types here.
#include "detections.h"

#include <gst/video/gstvideometa.h>

#include "frame_meta.h"

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
    const gchar *label;
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
        label = gst_structure_get_string(tracked, "label");
        object->track_label = label != NULL ? g_quark_from_string(label) : 0;
    }
}

#ifdef HAVE_ANALYTICS
static void read_track(GstAnalyticsRelationMeta *relations, guint id, EffdetDetection *object)
{
    gpointer state = NULL;
    GstAnalyticsMtd track, vote;
    guint64 track_id;
    GstClockTime first_seen, last_seen;
    gboolean lost;

    if (!gst_analytics_relation_meta_get_direct_related(relations, id, GST_ANALYTICS_REL_TYPE_ANY,
                                                        gst_analytics_tracking_mtd_get_mtd_type(),
                                                        &state, &track) ||
        !gst_analytics_tracking_mtd_get_info(&track, &track_id, &first_seen, &last_seen, &lost)) {
        return;
    }
    object->track_id = (gint64)track_id;
    state = NULL;
    if (gst_analytics_relation_meta_get_direct_related(
            relations, gst_analytics_mtd_get_id(&track), GST_ANALYTICS_REL_TYPE_RELATE_TO,
            gst_analytics_cls_mtd_get_mtd_type(), &state, &vote)) {
        object->track_label = gst_analytics_cls_mtd_get_quark(&vote, 0);
    }
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
                                  .id = (gint)id};
        read_track(relations, id, &object);
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
    const EffdetFrameMeta *frame = effdet_frame_meta_get(buffer);
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
            twin->track_label = object.track_label;
        }
    }
    for (guint i = first; i < objects->len; i++) {
        EffdetDetection *object = &g_array_index(objects, EffdetDetection, i);

        object->predicted = object->track_id > 0 && frame != NULL && !frame->inferred;
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

// ---- tracks ----

static void set_roi_track(GstVideoRegionOfInterestMeta *roi, const EffdetDetection *object)
{
    GstStructure *tracked = gst_video_region_of_interest_meta_get_param(roi, "object_id");

    if (tracked != NULL) {
        roi->params = g_list_remove(roi->params, tracked);
        gst_structure_free(tracked);
    }
    tracked = gst_structure_new("object_id", "id", G_TYPE_INT, (gint)object->track_id, NULL);
    if (object->track_label != 0 && object->track_label != object->label) {
        gst_structure_set(tracked, "label", G_TYPE_STRING, g_quark_to_string(object->track_label),
                          NULL);
    }
    if (object->predicted) {
        gst_structure_set(tracked, "predicted", G_TYPE_BOOLEAN, TRUE, NULL);
    }
    gst_video_region_of_interest_meta_add_param(roi, tracked);
}

#ifdef HAVE_ANALYTICS
static void set_relation_track(GstBuffer *buffer, const EffdetDetection *object,
                               GstClockTime first_seen, GstClockTime last_seen)
{
    GstAnalyticsRelationMeta *relations = gst_buffer_get_analytics_relation_meta(buffer);
    const guint id = (guint)object->id;
    gpointer state = NULL;
    GstAnalyticsMtd od, other;
    GstAnalyticsTrackingMtd track;
    GstAnalyticsClsMtd vote;

    if (relations == NULL ||
        !gst_analytics_relation_meta_get_mtd(relations, id, gst_analytics_od_mtd_get_mtd_type(),
                                             &od) ||
        gst_analytics_od_mtd_get_obj_type(&od) != object->label) {
        return;
    }
    while (gst_analytics_relation_meta_get_direct_related(relations, id, GST_ANALYTICS_REL_TYPE_ANY,
                                                          gst_analytics_tracking_mtd_get_mtd_type(),
                                                          &state, &other)) {
        gst_analytics_relation_meta_set_relation(relations, GST_ANALYTICS_REL_TYPE_NONE, id,
                                                 gst_analytics_mtd_get_id(&other));
    }
    if (!gst_analytics_relation_meta_add_tracking_mtd(relations, (guint64)object->track_id,
                                                      first_seen, &track)) {
        return;
    }
    gst_analytics_tracking_mtd_update_last_seen(&track, last_seen);
    gst_analytics_relation_meta_set_relation(relations, GST_ANALYTICS_REL_TYPE_RELATE_TO, id,
                                             gst_analytics_mtd_get_id((GstAnalyticsMtd *)&track));
    if (object->track_label != 0 && object->track_label != object->label &&
        gst_analytics_relation_meta_add_one_cls_mtd(relations, 1, object->track_label, &vote)) {
        gst_analytics_relation_meta_set_relation(
            relations, GST_ANALYTICS_REL_TYPE_RELATE_TO,
            gst_analytics_mtd_get_id((GstAnalyticsMtd *)&track),
            gst_analytics_mtd_get_id((GstAnalyticsMtd *)&vote));
    }
}
#else
static void set_relation_track(GstBuffer *buffer, const EffdetDetection *object,
                               GstClockTime first_seen, GstClockTime last_seen)
{
}
#endif

void effdet_meta_set_track(GstBuffer *buffer, const EffdetDetection *object,
                           GstClockTime first_seen, GstClockTime last_seen)
{
    GstVideoRegionOfInterestMeta *roi;
    gpointer state = NULL;

    while ((roi = next_roi(buffer, &state)) != NULL) {
        if (roi->id == object->id && roi->roi_type == object->label) {
            set_roi_track(roi, object);
        }
    }
    set_relation_track(buffer, object, first_seen, last_seen);
}
