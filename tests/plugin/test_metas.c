// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Layout and reading of the metas: names, GTypes, ids, what other people's metas look like to us.
#include "fixture.h"

#include "meta/detections.h"
#include "meta/frame_meta.h"

#ifdef HAVE_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

static EffdetDetection object_at(double x, double y, double w, double h)
{
    return (EffdetDetection){.label = g_quark_from_static_string("person"),
                             .label_id = 7,
                             .confidence = 0.875,
                             .x = x,
                             .y = y,
                             .w = w,
                             .h = h};
}

static GstVideoRegionOfInterestMeta *nth_roi(GstBuffer *buffer, guint n)
{
    gpointer state = NULL;
    GstMeta *meta = NULL;

    for (guint i = 0; i <= n; i++) {
        meta = gst_buffer_iterate_meta_filtered(buffer, &state,
                                                GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
    }
    return (GstVideoRegionOfInterestMeta *)meta;
}

static double double_field(const GstStructure *structure, const gchar *name)
{
    g_assert_cmpuint(gst_structure_get_field_type(structure, name), ==, G_TYPE_DOUBLE);
    return g_value_get_double(gst_structure_get_value(structure, name));
}

static void test_roi_layout(void)
{
    g_autoptr(GstBuffer) buffer = gst_buffer_new();
    EffdetDetection objects[2] = {object_at(16.4, 12.6, 32.0, 24.0),
                                  object_at(-8.0, 40.0, 200.0, 20.0)};
    GstVideoRegionOfInterestMeta *roi;
    GstStructure *detection;

    effdet_meta_attach(buffer, objects, 2, 64, 48, TRUE);
    roi = nth_roi(buffer, 0);
    g_assert_nonnull(roi);
    g_assert_cmpstr(g_quark_to_string(roi->roi_type), ==, "person");
    g_assert_cmpuint(roi->x, ==, 16);
    g_assert_cmpuint(roi->y, ==, 13);
    g_assert_cmpuint(roi->w, ==, 32);
    g_assert_cmpuint(roi->h, ==, 24);
    g_assert_cmpint(roi->id, ==, objects[0].id);
    g_assert_cmpint(roi->parent_id, ==, -1);
    detection = gst_video_region_of_interest_meta_get_param(roi, "detection");
    g_assert_nonnull(detection);
    g_assert_cmpfloat_with_epsilon(double_field(detection, "x_min"), 16.4 / 64, 1e-9);
    g_assert_cmpfloat_with_epsilon(double_field(detection, "x_max"), 48.4 / 64, 1e-9);
    g_assert_cmpfloat_with_epsilon(double_field(detection, "y_min"), 12.6 / 48, 1e-9);
    g_assert_cmpfloat_with_epsilon(double_field(detection, "y_max"), 36.6 / 48, 1e-9);
    g_assert_cmpfloat(double_field(detection, "confidence"), ==, 0.875);
    g_assert_cmpuint(gst_structure_get_field_type(detection, "label_id"), ==, G_TYPE_INT);
    g_assert_cmpint(g_value_get_int(gst_structure_get_value(detection, "label_id")), ==, 7);
    g_assert_cmpint(gst_structure_n_fields(detection), ==, 6);

    roi = nth_roi(buffer, 1); // clipped to the picture
    g_assert_cmpuint(roi->x, ==, 0);
    g_assert_cmpuint(roi->y, ==, 40);
    g_assert_cmpuint(roi->w, ==, 64);
    g_assert_cmpuint(roi->h, ==, 8);
    g_assert_cmpint(roi->id, !=, objects[0].id);
    detection = gst_video_region_of_interest_meta_get_param(roi, "detection");
    g_assert_cmpfloat(double_field(detection, "x_min"), ==, 0.0);
    g_assert_cmpfloat(double_field(detection, "x_max"), ==, 1.0);
    g_assert_cmpfloat(double_field(detection, "y_max"), ==, 1.0);
}

static void test_ids_do_not_collide(void)
{
    g_autoptr(GstBuffer) buffer = gst_buffer_new();
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));
    EffdetDetection first = object_at(0, 0, 8, 8), second = object_at(8, 8, 8, 8);

    effdet_meta_attach(buffer, &first, 1, 64, 48, TRUE);
    effdet_meta_attach(buffer, &second, 1, 64, 48, TRUE);
    g_assert_cmpint(first.id, !=, second.id);
    g_assert_cmpuint(effdet_meta_read(buffer, found), ==, 2);
}

static void test_read_own(void)
{
    g_autoptr(GstBuffer) buffer = gst_buffer_new();
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));
    EffdetDetection objects[2] = {object_at(1, 2, 30, 40), object_at(5, 6, 7, 8)};
    EffdetDetection *object;

    g_assert_cmpuint(effdet_meta_read(buffer, found), ==, 0);
    effdet_meta_attach(buffer, objects, 2, 64, 48, TRUE);
    gst_video_region_of_interest_meta_add_param(
        nth_roi(buffer, 1), gst_structure_new("object_id", "id", G_TYPE_INT, 31, NULL));
    g_assert_cmpuint(effdet_meta_read(buffer, found), ==, 2);
    object = &g_array_index(found, EffdetDetection, 1);
    g_assert_cmpstr(g_quark_to_string(object->label), ==, "person");
    g_assert_cmpint(object->label_id, ==, 7);
    g_assert_cmpfloat(object->confidence, ==, 0.875);
    g_assert_cmpfloat(object->x, ==, 5);
    g_assert_cmpfloat(object->y, ==, 6);
    g_assert_cmpfloat(object->w, ==, 7);
    g_assert_cmpfloat(object->h, ==, 8);
    g_assert_cmpint(object->track_id, ==, 31);
    g_assert_cmpint(g_array_index(found, EffdetDetection, 0).track_id, ==, 0);
}

// A rectangle with a label is all that other elements and converters guarantee.
static void test_read_foreign(void)
{
    g_autoptr(GstBuffer) buffer = gst_buffer_new();
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));
    EffdetDetection own = object_at(1, 2, 3, 4), *object;

    gst_buffer_add_video_region_of_interest_meta(buffer, "dog", 9, 10, 11, 12);
    effdet_meta_attach(buffer, &own, 1, 64, 48, TRUE);
    g_assert_cmpuint(effdet_meta_read(buffer, found), ==, 2);
    object = &g_array_index(found, EffdetDetection, 0);
    if (object->label_id == 7) { // GstAnalytics objects come first
        object = &g_array_index(found, EffdetDetection, 1);
    }
    g_assert_cmpstr(g_quark_to_string(object->label), ==, "dog");
    g_assert_cmpint(object->label_id, ==, -1);
    g_assert_cmpfloat(object->confidence, <, 0.0);
    g_assert_cmpfloat(object->x, ==, 9);
    g_assert_cmpfloat(object->h, ==, 12);
}

#ifdef HAVE_ANALYTICS
static void test_analytics(void)
{
    g_autoptr(GstBuffer) buffer = gst_buffer_new();
    g_autoptr(GstBuffer) bare = gst_buffer_new();
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));
    EffdetDetection objects[2] = {object_at(1, 2, 30, 40), object_at(5, 6, 7, 8)};
    GstAnalyticsRelationMeta *relations;
    GstAnalyticsODMtd od;
    GstAnalyticsTrackingMtd track;
    gint x, y, w, h;
    gfloat confidence;

    effdet_meta_attach(buffer, objects, 2, 64, 48, TRUE);
    relations = gst_buffer_get_analytics_relation_meta(buffer);
    g_assert_nonnull(relations);
    g_assert_cmpuint(gst_analytics_relation_get_length(relations), ==, 2);
    for (guint i = 0; i < 2; i++) {
        g_assert_cmpint(nth_roi(buffer, i)->id, ==, objects[i].id);
        g_assert_true(gst_analytics_relation_meta_get_od_mtd(relations, (guint)objects[i].id, &od));
        g_assert_true(gst_analytics_od_mtd_get_location(&od, &x, &y, &w, &h, &confidence));
        g_assert_cmpint(w, ==, (gint)objects[i].w);
        g_assert_cmpfloat(confidence, ==, 0.875f);
        g_assert_cmpstr(g_quark_to_string(gst_analytics_od_mtd_get_obj_type(&od)), ==, "person");
    }
    g_assert_true(gst_analytics_relation_meta_add_tracking_mtd(relations, 77, 0, &track));
    g_assert_true(gst_analytics_relation_meta_set_relation(
        relations, GST_ANALYTICS_REL_TYPE_RELATE_TO, (guint)objects[1].id, track.id));
    g_assert_cmpuint(effdet_meta_read(buffer, found), ==, 2);
    g_assert_cmpint(g_array_index(found, EffdetDetection, 0).label_id, ==, 7);
    g_assert_cmpint(g_array_index(found, EffdetDetection, 1).track_id, ==, 77);

    effdet_meta_attach(bare, objects, 2, 64, 48, FALSE);
    g_assert_null(nth_roi(bare, 0));
    g_array_set_size(found, 0);
    g_assert_cmpuint(effdet_meta_read(bare, found), ==, 2);
}
#endif

static void test_frame_meta_survives(void)
{
    g_autoptr(GstBuffer) buffer = gst_buffer_new_allocate(NULL, 64 * 48 * 3 / 2, NULL);
    g_autoptr(GstBuffer) copy = NULL;
    GstHarness *h = gst_harness_new_parse("videoconvert ! videoscale");
    EffdetFrameMeta *meta;

    effdet_frame_meta_set(buffer, TRUE, 42);
    effdet_frame_meta_set(buffer, TRUE, 43); // one meta, overwritten
    g_assert_cmpuint(gst_buffer_get_n_meta(buffer, effdet_frame_meta_api_get_type()), ==, 1);
    copy = gst_buffer_copy(buffer);
    meta = effdet_frame_meta_get(copy);
    g_assert_true(meta != NULL && meta->inferred && meta->source_pts == 43);
    g_assert_null(gst_meta_api_type_get_tags(effdet_frame_meta_api_get_type()));

    gst_harness_set_caps_str(h, "video/x-raw,format=NV12,width=64,height=48,framerate=25/1",
                             "video/x-raw,format=RGB,width=32,height=24,framerate=25/1");
    buffer = gst_harness_push_and_pull(h, g_steal_pointer(&buffer));
    meta = effdet_frame_meta_get(buffer);
    g_assert_true(meta != NULL && meta->inferred && meta->source_pts == 43);
    gst_harness_teardown(h);
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_test_add_func("/plugin/metas/roi-layout", test_roi_layout);
    g_test_add_func("/plugin/metas/ids", test_ids_do_not_collide);
    g_test_add_func("/plugin/metas/read-own", test_read_own);
    g_test_add_func("/plugin/metas/read-foreign", test_read_foreign);
#ifdef HAVE_ANALYTICS
    g_test_add_func("/plugin/metas/analytics", test_analytics);
#endif
    g_test_add_func("/plugin/metas/frame-meta", test_frame_meta_survives);
    return fixture_run();
}
