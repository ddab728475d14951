// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The element that numbers objects: which pictures count, when a world ends, and what is written to
// the metas. How well it recognises objects is tested in tests/track.
#include "fixture.h"

#include <math.h>

#include "meta/detections.h"
#include "meta/frame_meta.h"
#include "track/gsteffdettrack.h"

#ifdef HAVE_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

#define WIDTH 640
#define HEIGHT 480
#define CAPS "video/x-raw,format=NV12,width=640,height=480,framerate=25/1"

static GstHarness *start(const gchar *caps)
{
    GstHarness *h = gst_harness_new("effdettrack");

    g_object_set(h->element, "confirm-time", 0, NULL);
    gst_harness_set_src_caps_str(h, caps);
    return h;
}

static EffdetDetection object_at(const gchar *label, double x, double y)
{
    return (EffdetDetection){.label = g_quark_from_string(label),
                             .label_id = 7,
                             .confidence = 0.9,
                             .x = x,
                             .y = y,
                             .w = 60,
                             .h = 80};
}

// A frame at `ms` with these objects, looked at.
static GstBuffer *frame(guint ms, const EffdetDetection *objects, guint n)
{
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, WIDTH * HEIGHT * 3 / 2, NULL);
    EffdetDetection copies[4];

    GST_BUFFER_PTS(buffer) = ms * GST_MSECOND;
    for (guint i = 0; i < n; i++) {
        copies[i] = objects[i];
    }
    effdet_frame_meta_set(buffer, TRUE, GST_BUFFER_PTS(buffer));
    effdet_meta_attach(buffer, copies, n, WIDTH, HEIGHT, TRUE);
    return buffer;
}

static GstBuffer *blind_frame(guint ms)
{
    GstBuffer *buffer = frame(ms, NULL, 0);

    effdet_frame_meta_set(buffer, FALSE, GST_CLOCK_TIME_NONE);
    return buffer;
}

// What comes out, in the order of the objects.
static GArray *push(GstHarness *h, GstBuffer *in)
{
    g_autoptr(GstBuffer) out = NULL;
    GArray *objects = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));

    g_assert_cmpint(gst_harness_push(h, in), ==, GST_FLOW_OK);
    out = gst_harness_pull(h);
    effdet_meta_read(out, objects);
    return objects;
}

static EffdetDetection first_of(GstHarness *h, GstBuffer *in)
{
    g_autoptr(GArray) objects = push(h, in);

    g_assert_cmpuint(objects->len, ==, 1);
    return g_array_index(objects, EffdetDetection, 0);
}

static gint64 track_of(GstHarness *h, GstBuffer *in)
{
    return first_of(h, in).track_id;
}

static void test_numbers_stay(void)
{
    GstHarness *h = start(CAPS);

    for (guint i = 0; i < 20; i++) {
        EffdetDetection objects[] = {object_at("person", 20 + 6 * i, 100),
                                     object_at("dog", 500 - 6 * i, 300)};
        g_autoptr(GArray) found = push(h, frame(40 * i, objects, 2));

        g_assert_cmpuint(found->len, ==, 2);
        for (guint k = 0; k < 2; k++) {
            const EffdetDetection *object = &g_array_index(found, EffdetDetection, k);

            g_assert_cmpint(object->track_id, ==,
                            g_str_equal(g_quark_to_string(object->label), "person") ? 1 : 2);
            g_assert_false(object->predicted);
        }
    }
    gst_harness_teardown(h);
}

// Every fifth frame is looked at, as with interval=5; between, the object moves on.
static void test_between(void)
{
    GstHarness *h = start(CAPS);

    for (guint i = 0; i < 41; i++) {
        EffdetDetection object = object_at("person", 20 + 5 * i, 100);
        EffdetDetection found =
            first_of(h, i % 5 == 0 ? frame(40 * i, &object, 1)
                                   : (i < 5 ? frame(40 * i, &object, 1) : blind_frame(40 * i)));

        g_assert_cmpint(found.track_id, ==, 1);
        g_assert_cmpstr(g_quark_to_string(found.label), ==, "person");
        g_assert_cmpint(found.predicted, ==, i > 5 && i % 5 != 0);
        g_assert_cmpfloat(ABS(found.x - object.x), <=, 5.0);
        g_assert_cmpfloat(ABS(found.y - object.y), <=, 3.0);
        g_assert_cmpfloat(found.confidence, >=, 0.89);
    }
    gst_harness_teardown(h);
}

// Several at a time, each with its own metas.
static void test_several_between(void)
{
    GstHarness *h = start(CAPS);

    for (guint i = 0; i < 20; i++) {
        EffdetDetection objects[] = {object_at("person", 20 + 5 * i, 100),
                                     object_at("dog", 500 - 5 * i, 100),
                                     object_at("person", 300, 300)};
        g_autoptr(GArray) found = push(h, i < 6 ? frame(40 * i, objects, 3) : blind_frame(40 * i));
        guint seen = 0;

        g_assert_cmpuint(found->len, ==, 3);
        for (guint k = 0; k < 3; k++) {
            const EffdetDetection *object = &g_array_index(found, EffdetDetection, k);
            const EffdetDetection *truth = &objects[object->track_id - 1];

            seen |= 1u << object->track_id;
            g_assert_cmpuint(object->label, ==, truth->label);
            g_assert_cmpint(object->label_id, ==, i < 6 && object->label_id < 0 ? -1 : 7);
            g_assert_cmpfloat(ABS(object->x - truth->x), <=, 12.0);
        }
        g_assert_cmpuint(seen, ==, 14);
    }
    gst_harness_teardown(h);
}

// What nobody saw on the last picture is not shown between.
static void test_gone(void)
{
    GstHarness *h = start(CAPS);
    EffdetDetection object = object_at("person", 100, 100);
    g_autoptr(GArray) none = NULL, still_none = NULL;

    for (guint i = 0; i < 5; i++) {
        g_assert_cmpint(track_of(h, frame(40 * i, &object, 1)), ==, 1);
    }
    none = push(h, frame(200, NULL, 0));
    g_assert_cmpuint(none->len, ==, 0);
    still_none = push(h, blind_frame(240));
    g_assert_cmpuint(still_none->len, ==, 0);
    g_assert_cmpint(track_of(h, frame(280, &object, 1)), ==, 1);
    g_object_set(h->element, "memory", 500, NULL);
    g_array_unref(push(h, frame(320, NULL, 0)));
    g_array_unref(push(h, frame(1000, NULL, 0)));
    g_assert_cmpint(track_of(h, frame(2000, &object, 1)), ==, 2);
    gst_harness_teardown(h);
}

static void test_confirmation(void)
{
    GstHarness *h = start(CAPS);
    EffdetDetection object = object_at("person", 100, 100);

    g_object_set(h->element, "confirm-time", 100, NULL);
    g_assert_cmpint(track_of(h, frame(0, &object, 1)), ==, 0);
    g_assert_cmpint(track_of(h, frame(40, &object, 1)), ==, 0);
    g_assert_cmpint(track_of(h, frame(80, &object, 1)), ==, 0);
    g_assert_cmpint(track_of(h, frame(120, &object, 1)), ==, 1);
    object.confidence = 0.2; // continues, but would not begin
    g_assert_cmpint(track_of(h, frame(160, &object, 1)), ==, 1);
    object.x = 400;
    g_assert_cmpint(track_of(h, frame(200, &object, 1)), ==, 0);
    gst_harness_teardown(h);
}

// The result of an earlier picture, on a later buffer: it is of the earlier time.
static void test_late_results(void)
{
    GstHarness *h = start(CAPS);

    for (guint i = 0; i < 40; i++) {
        EffdetDetection then = object_at("person", 20 + 10.0 * (i - (i >= 4 ? 4 : 0)), 100);
        GstBuffer *buffer = i % 4 == 0 ? frame(40 * i, &then, 1) : blind_frame(40 * i);

        if (i % 4 == 0 && i >= 4) {
            effdet_frame_meta_set(buffer, TRUE, (40 * i - 160) * GST_MSECOND);
        }
        if (i < 13) {
            g_array_unref(push(h, buffer));
            continue;
        }
        EffdetDetection found = first_of(h, buffer);
        g_assert_cmpint(found.track_id, ==, 1);
        if (i % 4 != 0) {
            g_assert_cmpfloat(ABS(found.x - (20 + 10.0 * i)), <=, 12.0);
        }
    }
    gst_harness_teardown(h);
}

static void begin(GstHarness *h)
{
    GstSegment segment;

    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(h, gst_event_new_segment(&segment));
}

static void flush(GstHarness *h)
{
    gst_harness_push_event(h, gst_event_new_flush_start());
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    begin(h);
}

static void new_stream(GstHarness *h)
{
    g_autoptr(GstCaps) caps = gst_caps_from_string(CAPS);

    gst_harness_push_event(h, gst_event_new_stream_start("another"));
    gst_harness_push_event(h, gst_event_new_caps(caps));
    begin(h);
}

static void test_resets(void)
{
    GstHarness *h = start(CAPS);
    EffdetDetection object = object_at("person", 100, 100);
    GstBuffer *buffer;

    g_assert_cmpint(track_of(h, frame(0, &object, 1)), ==, 1);
    buffer = frame(40, &object, 1);
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
    g_assert_cmpint(track_of(h, buffer), ==, 1);
    flush(h);
    g_assert_cmpint(track_of(h, frame(80, &object, 1)), ==, 2);
    new_stream(h);
    g_assert_cmpint(track_of(h, frame(0, &object, 1)), ==, 1);
    gst_util_set_object_arg(G_OBJECT(h->element), "reset", "discont");
    new_stream(h);
    g_assert_cmpint(track_of(h, frame(40, &object, 1)), ==, 1);
    flush(h);
    g_assert_cmpint(track_of(h, frame(80, &object, 1)), ==, 1);
    buffer = frame(120, &object, 1);
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
    g_assert_cmpint(track_of(h, buffer), ==, 2);
    g_assert_cmpint(track_of(h, frame(20, &object, 1)), ==, 3); // back in time
    gst_harness_set_src_caps_str(
        h, "video/x-raw,format=NV12,width=320,height=240,framerate=25/1"); // other pixels
    g_assert_cmpint(track_of(h, frame(160, &object, 1)), ==, 4);
    gst_harness_teardown(h);
}

static void test_backwards(void)
{
    GstHarness *h = start(CAPS);
    GstSegment segment;

    gst_segment_init(&segment, GST_FORMAT_TIME);
    segment.rate = -1;
    segment.stop = 10 * GST_SECOND;
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    for (guint i = 0; i < 20; i++) {
        EffdetDetection object = object_at("person", 20 + 5 * i, 100);

        g_assert_cmpint(track_of(h, frame(8000 - 40 * i, &object, 1)), ==, 1);
    }
    gst_harness_teardown(h);
}

// Detectors that are not ours leave no frame meta, and buffers may lack times.
static void test_foreign(void)
{
    GstHarness *h = start(CAPS);

    for (guint i = 0; i < 10; i++) {
        GstBuffer *buffer = gst_buffer_new_allocate(NULL, WIDTH * HEIGHT * 3 / 2, NULL);
        GstVideoRegionOfInterestMeta *roi =
            gst_buffer_add_video_region_of_interest_meta(buffer, "thing", 100 + 4 * i, 50, 40, 40);

        roi->id = 3;
        g_assert_cmpint(track_of(h, buffer), ==, 1);
    }
    gst_harness_teardown(h);
}

static void test_other_tracker(void)
{
    GstHarness *h = start(CAPS);
    EffdetDetection object = object_at("person", 100, 100);
    GstBuffer *buffer = frame(0, &object, 1);
    g_autoptr(GArray) read = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));

    effdet_meta_read(buffer, read);
    g_array_index(read, EffdetDetection, 0).track_id = 77;
    effdet_meta_set_track(buffer, &g_array_index(read, EffdetDetection, 0), 0, 0);
    g_assert_cmpint(track_of(h, buffer), ==, 1);
    gst_harness_teardown(h);
}

// One picture of another class does not make a person a dog.
static void test_class_vote(void)
{
    GstHarness *h = start(CAPS);

    for (guint i = 0; i < 12; i++) {
        EffdetDetection object = object_at(i == 9 ? "dog" : "person", 100 + i, 100);
        EffdetDetection found;

        object.confidence = i == 9 ? 0.6 : 0.9;
        found = first_of(h, frame(40 * i, &object, 1));
        g_assert_cmpint(found.track_id, ==, 1);
        g_assert_cmpstr(g_quark_to_string(found.label), ==, i == 9 ? "dog" : "person");
        if (i == 9) {
            g_assert_cmpstr(g_quark_to_string(found.track_label), ==, "person");
        }
    }
    g_object_set(h->element, "per-class", TRUE, NULL);
    EffdetDetection dog = object_at("dog", 112, 100);
    g_assert_cmpint(track_of(h, frame(480, &dog, 1)), ==, 2);
    gst_harness_teardown(h);
}

static void test_layout(void)
{
    GstHarness *h = start(CAPS);
    EffdetDetection object = object_at("person", 100, 100);
    g_autoptr(GstBuffer) seen = NULL, blind = NULL;
    GstBuffer *buffers[2];
    gint id;

    g_array_unref(push(h, frame(0, &object, 1)));
    gst_harness_push(h, frame(40, &object, 1));
    buffers[0] = seen = gst_harness_pull(h);
    gst_harness_push(h, blind_frame(80));
    buffers[1] = blind = gst_harness_pull(h);
    for (guint i = 0; i < 2; i++) {
        GstVideoRegionOfInterestMeta *roi = (GstVideoRegionOfInterestMeta *)gst_buffer_get_meta(
            buffers[i], GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
        GstStructure *tracked;
        gboolean predicted = FALSE;

        g_assert_nonnull(roi);
        tracked = gst_video_region_of_interest_meta_get_param(roi, "object_id");
        g_assert_nonnull(tracked);
        g_assert_true(gst_structure_get_int(tracked, "id", &id));
        g_assert_cmpint(id, ==, 1);
        g_assert_cmpint(gst_structure_get_boolean(tracked, "predicted", &predicted) && predicted,
                        ==, i == 1);
        g_assert_nonnull(gst_video_region_of_interest_meta_get_param(roi, "detection"));
#ifdef HAVE_ANALYTICS
        GstAnalyticsRelationMeta *relations = gst_buffer_get_analytics_relation_meta(buffers[i]);
        GstAnalyticsMtd track;
        gpointer state = NULL;
        guint64 track_id;
        GstClockTime first, last;
        gboolean lost;

        g_assert_true(gst_analytics_relation_meta_get_direct_related(
            relations, (guint)roi->id, GST_ANALYTICS_REL_TYPE_RELATE_TO,
            gst_analytics_tracking_mtd_get_mtd_type(), &state, &track));
        g_assert_true(gst_analytics_tracking_mtd_get_info(&track, &track_id, &first, &last, &lost));
        g_assert_cmpuint(track_id, ==, 1);
        g_assert_cmpuint(first, ==, 0);
        g_assert_cmpuint(last, ==, 40 * GST_MSECOND);
        g_assert_false(lost);
#endif
    }
    gst_harness_teardown(h);
}

// It needs no pixels.
static void test_memories(void)
{
    GstHarness *h =
        start("video/x-raw(memory:Elsewhere),format=NV12,width=640,height=480,framerate=0/1");
    EffdetDetection object = object_at("person", 100, 100);

    g_assert_cmpint(track_of(h, frame(0, &object, 1)), ==, 1);
    gst_harness_teardown(h);
}

static void test_hostile(void)
{
    static const double numbers[] = {NAN, INFINITY, -INFINITY, -1e9, 1e9, 0, 1e300};
    GstHarness *h = start(CAPS);

    g_object_set(h->element, "max-tracks", 8, NULL);
    for (guint i = 0; i < 500; i++) {
        EffdetDetection objects[3];
        GstBuffer *buffer;

        for (guint k = 0; k < 3; k++) {
            objects[k] = object_at("person", g_test_rand_int_range(-100, 700),
                                   g_test_rand_int_range(-100, 500));
            double *fields[] = {&objects[k].x, &objects[k].y, &objects[k].w, &objects[k].h,
                                &objects[k].confidence};
            if (g_test_rand_bit()) {
                *fields[g_test_rand_int_range(0, 5)] =
                    numbers[g_test_rand_int_range(0, G_N_ELEMENTS(numbers))];
            }
        }
        buffer = g_test_rand_bit() ? frame((guint)g_test_rand_int_range(0, 5000), objects, 3)
                                   : blind_frame((guint)g_test_rand_int_range(0, 5000));
        if (g_test_rand_int_range(0, 10) == 0) {
            GST_BUFFER_PTS(buffer) = GST_CLOCK_TIME_NONE;
        }
        g_array_unref(push(h, buffer));
    }
    gst_harness_teardown(h);
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_assert_true(GST_ELEMENT_REGISTER(effdettrack, NULL));
    g_test_add_func("/plugin/track/numbers-stay", test_numbers_stay);
    g_test_add_func("/plugin/track/between", test_between);
    g_test_add_func("/plugin/track/several-between", test_several_between);
    g_test_add_func("/plugin/track/gone", test_gone);
    g_test_add_func("/plugin/track/confirmation", test_confirmation);
    g_test_add_func("/plugin/track/late-results", test_late_results);
    g_test_add_func("/plugin/track/resets", test_resets);
    g_test_add_func("/plugin/track/backwards", test_backwards);
    g_test_add_func("/plugin/track/foreign", test_foreign);
    g_test_add_func("/plugin/track/other-tracker", test_other_tracker);
    g_test_add_func("/plugin/track/class-vote", test_class_vote);
    g_test_add_func("/plugin/track/layout", test_layout);
    g_test_add_func("/plugin/track/memories", test_memories);
    g_test_add_func("/plugin/track/hostile", test_hostile);
    return fixture_run();
}
