// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// effdetzones in a harness: messages, metas, configuration while playing, hostile buffers. The
// rules themselves are tested in tests/zones.
#include "fixture.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "meta/frame_meta.h"
#include "meta/zone_meta.h"
#include "zones/gsteffdetzones.h"

#define LEFT                                                                                       \
    "{\"zones\": [{\"name\": \"left\", \"dwell\": 1, \"polygon\": [[0, 0], [0.5, 0], [0.5, 1], "   \
    "[0, 1]]}], \"lines\": [{\"name\": \"gate\", \"from\": [0.5, 0], \"to\": [0.5, 1]}]}"
#define LEFT_X 10.0
#define RIGHT_X 50.0

static GstHarness *new_harness(const gchar *zones)
{
    GstElement *element =
        gst_object_ref_sink(gst_element_factory_make_full("effdetzones", "zones", zones, NULL));
    GstHarness *h = gst_harness_new_with_element(element, "sink", "src");
    g_autoptr(GstBus) bus = gst_bus_new();

    gst_element_set_bus(element, bus);
    gst_object_unref(element);
    gst_harness_set_src_caps_str(h, FRAME_CAPS);
    return h;
}

// The bus goes with the messages on it, which hold the element.
static void end_harness(GstHarness *h)
{
    gst_element_set_bus(h->element, NULL);
    gst_harness_teardown(h);
}

static GstStructure *next_event(GstHarness *h)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(h->element);
    g_autoptr(GstMessage) message = gst_bus_pop_filtered(bus, GST_MESSAGE_ELEMENT);

    return message != NULL ? gst_structure_copy(gst_message_get_structure(message)) : NULL;
}

static GstStructure *expect_event(GstHarness *h, const gchar *event, const gchar *name)
{
    GstStructure *structure = next_event(h);

    g_assert_nonnull(structure);
    g_assert_true(gst_structure_has_name(structure, "effdet-zone"));
    g_assert_cmpstr(gst_structure_get_string(structure, "event"), ==, event);
    g_assert_cmpstr(gst_structure_get_string(structure, "name"), ==, name);
    return structure;
}

static void expect_silence(GstHarness *h)
{
    g_autoptr(GstStructure) structure = next_event(h);

    if (structure != NULL) {
        g_error("unexpected: %s", gst_structure_get_string(structure, "event"));
    }
}

// The n-th frame, with an object of 8x16 pixels that stands at x; track 0 = none.
static GstBuffer *frame_with(guint n, gint64 track, double x)
{
    GstBuffer *buffer = fixture_frame(n);
    EffdetDetection object = {.label = g_quark_from_static_string("person"),
                              .label_id = 0,
                              .confidence = 0.5,
                              .x = x - 4.0,
                              .y = 8.0,
                              .w = 8.0,
                              .h = 16.0,
                              .track_id = track};

    effdet_frame_meta_set(buffer, TRUE, GST_BUFFER_PTS(buffer));
    effdet_meta_attach(buffer, &object, 1, FRAME_WIDTH, FRAME_HEIGHT, TRUE);
    if (track > 0) {
        effdet_meta_set_track(buffer, &object, 0, GST_BUFFER_PTS(buffer));
    }
    return buffer;
}

// n frames from this one on; the last comes back.
static GstBuffer *stand(GstHarness *h, guint *frame, guint n, gint64 track, double x)
{
    GstBuffer *buffer = NULL;

    for (guint i = 0; i < n; i++) {
        gst_clear_buffer(&buffer);
        buffer = gst_harness_push_and_pull(h, frame_with((*frame)++, track, x));
        g_assert_nonnull(buffer);
    }
    return buffer;
}

static void expect_counts(GstHarness *h, guint inside, guint64 entered, guint64 left,
                          guint64 forward, guint64 backward)
{
    g_autoptr(GstStructure) counts = NULL;
    const GstStructure *zone, *line;
    guint found_inside;
    guint64 found[4];

    g_object_get(h->element, "counts", &counts, NULL);
    zone = gst_value_get_structure(
        gst_value_array_get_value(gst_structure_get_value(counts, "zones"), 0));
    line = gst_value_get_structure(
        gst_value_array_get_value(gst_structure_get_value(counts, "lines"), 0));
    g_assert_true(gst_structure_get(zone, "inside", G_TYPE_UINT, &found_inside, "entered",
                                    G_TYPE_UINT64, &found[0], "left", G_TYPE_UINT64, &found[1],
                                    NULL));
    g_assert_true(gst_structure_get(line, "forward", G_TYPE_UINT64, &found[2], "backward",
                                    G_TYPE_UINT64, &found[3], NULL));
    g_assert_cmpuint(found_inside, ==, inside);
    g_assert_cmpuint(found[0], ==, entered);
    g_assert_cmpuint(found[1], ==, left);
    g_assert_cmpuint(found[2], ==, forward);
    g_assert_cmpuint(found[3], ==, backward);
}

static guint64 uint64_field(const GstStructure *structure, const gchar *name)
{
    guint64 value;

    g_assert_true(gst_structure_get_uint64(structure, name, &value));
    return value;
}

static double double_field(const GstStructure *structure, const gchar *name)
{
    double value;

    g_assert_true(gst_structure_get_double(structure, name, &value));
    return value;
}

static void test_messages(void)
{
    GstHarness *h = new_harness(LEFT);
    g_autoptr(GstStructure) enter = NULL, dwell = NULL, leave = NULL, cross = NULL;
    GstSegment segment;
    guint frame = 100, inside;
    gint64 track;

    gst_segment_init(&segment, GST_FORMAT_TIME);
    segment.start = 2 * GST_SECOND;
    g_assert_true(gst_harness_push_event(h, gst_event_new_segment(&segment)));
    gst_buffer_unref(stand(h, &frame, 8, 7, LEFT_X)); // 280 ms
    expect_silence(h);
    gst_buffer_unref(stand(h, &frame, 1, 7, LEFT_X));
    enter = expect_event(h, "enter", "left");
    g_assert_cmpstr(gst_structure_get_string(enter, "kind"), ==, "zone");
    g_assert_cmpstr(gst_structure_get_string(enter, "label"), ==, "person");
    g_assert_true(gst_structure_get_int64(enter, "track", &track) && track == 7);
    g_assert_true(gst_structure_get_uint(enter, "inside", &inside) && inside == 1);
    g_assert_cmpuint(uint64_field(enter, "timestamp"), ==, 108 * FRAME_TIME);
    g_assert_cmpuint(uint64_field(enter, "running-time"), ==, 108 * FRAME_TIME - 2 * GST_SECOND);
    g_assert_cmpuint(uint64_field(enter, "entered"), ==, 1);
    gst_buffer_unref(stand(h, &frame, 17, 7, LEFT_X));
    dwell = expect_event(h, "dwell", "left");
    g_assert_cmpfloat_with_epsilon(double_field(dwell, "dwell"), 1.0, 1e-9);
    gst_buffer_unref(stand(h, &frame, 9, 7, RIGHT_X));
    leave = expect_event(h, "leave", "left");
    g_assert_cmpfloat_with_epsilon(double_field(leave, "dwell"), 26 * 0.04, 1e-9);
    g_assert_cmpuint(uint64_field(leave, "left"), ==, 1);
    g_assert_true(gst_structure_has_field_typed(leave, "lost", G_TYPE_BOOLEAN));
    cross = expect_event(h, "cross", "gate");
    g_assert_cmpstr(gst_structure_get_string(cross, "kind"), ==, "line");
    g_assert_cmpstr(gst_structure_get_string(cross, "direction"), ==, "backward");
    g_assert_cmpuint(uint64_field(cross, "backward"), ==, 1);
    expect_silence(h);
    expect_counts(h, 0, 1, 1, 0, 1);
    end_harness(h);
}

static const GstStructure *nth(const GstStructure *content, const gchar *field, guint n)
{
    const GValue *array = gst_structure_get_value(content, field);

    g_assert_true(array != NULL && GST_VALUE_HOLDS_ARRAY(array));
    g_assert_cmpuint(gst_value_array_get_size(array), >, n);
    return gst_value_get_structure(gst_value_array_get_value(array, n));
}

static void expect_left(const GValue *names)
{
    g_assert_true(names != NULL && GST_VALUE_HOLDS_ARRAY(names));
    g_assert_cmpuint(gst_value_array_get_size(names), ==, 1);
    g_assert_cmpstr(g_value_get_string(gst_value_array_get_value(names, 0)), ==, "left");
}

static void expect_content(GstBuffer *buffer)
{
    const GstStructure *content = effdet_zone_meta_get(buffer), *object;
    gint64 track;
    guint inside;
    gint id;

    g_assert_nonnull(content);
    g_assert_true(gst_structure_get_uint(nth(content, "zones", 0), "inside", &inside));
    g_assert_cmpuint(inside, ==, 1);
    g_assert_cmpuint(uint64_field(nth(content, "zones", 0), "entered"), ==, 1);
    g_assert_cmpuint(uint64_field(nth(content, "lines", 0), "forward"), ==, 0);
    object = nth(content, "objects", 0);
    g_assert_true(
        gst_structure_get(object, "track", G_TYPE_INT64, &track, "id", G_TYPE_INT, &id, NULL));
    g_assert_cmpint(track, ==, 3);
    expect_left(gst_structure_get_value(object, "zones"));
}

static void test_metas(void)
{
    GstHarness *h = new_harness(LEFT), *scale;
    g_autoptr(GstBuffer) buffer = NULL;
    g_autoptr(GstBuffer) outside = NULL;
    GstVideoRegionOfInterestMeta *roi;
    GstStructure *param;
    guint frame = 0;

    buffer = stand(h, &frame, 10, 3, LEFT_X);
    expect_content(buffer);
    roi = gst_buffer_get_video_region_of_interest_meta(buffer);
    param = gst_video_region_of_interest_meta_get_param(roi, "zones");
    g_assert_nonnull(param);
    expect_left(gst_structure_get_value(param, "inside"));

    outside = stand(h, &frame, 1, 3, RIGHT_X);
    roi = gst_buffer_get_video_region_of_interest_meta(outside);
    g_assert_null(gst_video_region_of_interest_meta_get_param(roi, "zones"));
    g_assert_cmpuint(
        gst_value_array_get_size(gst_structure_get_value(effdet_zone_meta_get(outside), "objects")),
        ==, 0);

    scale = gst_harness_new_parse("videoconvert ! videoscale"); // nothing of it is lost
    gst_harness_set_caps_str(scale, FRAME_CAPS,
                             "video/x-raw,format=RGB,width=32,height=24,framerate=25/1");
    buffer = gst_harness_push_and_pull(scale, g_steal_pointer(&buffer));
    g_assert_nonnull(buffer);
    expect_content(buffer);
    gst_harness_teardown(scale);
    end_harness(h);
}

// A second element adds to what the first wrote.
static void test_two_elements(void)
{
    GstHarness *first = new_harness(LEFT);
    GstHarness *second = new_harness("{\"zones\": [{\"name\": \"all\", \"polygon\": [[0, 0], "
                                     "[1, 0], [1, 1], [0, 1]]}]}");
    g_autoptr(GstBuffer) buffer = NULL;
    const GstStructure *content;
    GstStructure *param;
    guint frame = 0;

    buffer = gst_harness_push_and_pull(second, stand(first, &frame, 1, 3, LEFT_X));
    content = effdet_zone_meta_get(buffer);
    g_assert_cmpstr(gst_structure_get_string(nth(content, "zones", 0), "name"), ==, "left");
    g_assert_cmpstr(gst_structure_get_string(nth(content, "zones", 1), "name"), ==, "all");
    param = gst_video_region_of_interest_meta_get_param(
        gst_buffer_get_video_region_of_interest_meta(buffer), "zones");
    g_assert_cmpuint(gst_value_array_get_size(gst_structure_get_value(param, "inside")), ==, 2);
    end_harness(first);
    end_harness(second);
}

// Pixels, times and flags go out as they came in, other people's references keep what they had.
static void test_untouched(void)
{
    GstHarness *h = new_harness(LEFT);
    g_autoptr(GstBuffer) in = frame_with(3, 1, LEFT_X);
    g_autoptr(GstBuffer) out = NULL;

    GST_BUFFER_FLAG_SET(in, GST_BUFFER_FLAG_GAP | GST_BUFFER_FLAG_DISCONT);
    out = gst_harness_push_and_pull(h, gst_buffer_ref(in));
    g_assert_true(out != in);
    g_assert_null(effdet_zone_meta_get(in));
    g_assert_nonnull(effdet_zone_meta_get(out));
    g_assert_true(gst_buffer_peek_memory(in, 0) == gst_buffer_peek_memory(out, 0));
    g_assert_cmpuint(GST_BUFFER_PTS(out), ==, GST_BUFFER_PTS(in));
    g_assert_cmpuint(GST_BUFFER_DURATION(out), ==, GST_BUFFER_DURATION(in));
    g_assert_cmpuint(GST_BUFFER_OFFSET(out), ==, GST_BUFFER_OFFSET(in));
    g_assert_true(GST_BUFFER_FLAG_IS_SET(out, GST_BUFFER_FLAG_GAP));
    end_harness(h);
}

static guint pop(GstHarness *h, GstMessageType type, GError **error)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(h->element);

    return fixture_messages(bus, type, error);
}

static void test_bad_at_start(void)
{
    GstElement *element = gst_object_ref_sink(
        gst_element_factory_make_full("effdetzones", "zones", "{\"zone\": 1}", NULL));
    g_autoptr(GstBus) bus = gst_bus_new();
    g_autoptr(GError) error = NULL;

    gst_element_set_bus(element, bus);
    g_assert_cmpint(gst_element_set_state(element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
    g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_ERROR, &error), ==, 1);
    g_assert_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS);
    g_assert_nonnull(strstr(error->message, "wanted zones or lines, found the key \"zone\""));
    gst_element_set_state(element, GST_STATE_NULL);

    g_object_set(element, "zones-file", "/nowhere/zones.json", NULL); // replaces `zones`
    g_assert_cmpint(gst_element_set_state(element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
    g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_ERROR, &error), ==, 1);
    g_assert_nonnull(strstr(error->message, "/nowhere/zones.json: wanted a file"));
    gst_element_set_state(element, GST_STATE_NULL);

    g_object_set(element, "zones", LEFT, NULL); // mended
    g_assert_cmpint(gst_element_set_state(element, GST_STATE_PAUSED), !=, GST_STATE_CHANGE_FAILURE);
    gst_element_set_state(element, GST_STATE_NULL);
    gst_element_set_bus(element, NULL);
    gst_object_unref(element);
}

static void test_change_while_playing(void)
{
    GstHarness *h = new_harness(LEFT);
    g_autofree gchar *path = g_build_filename(g_get_tmp_dir(), "effdet-zones-test.json", NULL);
    g_autofree gchar *text = NULL, *file = NULL, *moved = NULL;
    g_autoptr(GError) error = NULL;
    guint frame = 0;

    gst_buffer_unref(stand(h, &frame, 10, 1, LEFT_X));
    g_object_set(h->element, "zones", "{\"zones\": [{\"name\": 3}]}", NULL);
    g_assert_cmpuint(pop(h, GST_MESSAGE_WARNING, &error), ==, 1);
    g_assert_nonnull(strstr(error->message, "zones[0].name: wanted a name, found 3"));
    g_object_get(h->element, "zones", &text, NULL);
    g_assert_cmpstr(text, ==, LEFT);
    gst_buffer_unref(stand(h, &frame, 10, 1, LEFT_X));
    expect_counts(h, 1, 1, 0, 0, 0);

    moved = g_strdup(LEFT);
    memcpy(strstr(moved, "left"), "LEFT", 4); // another name: another zone
    g_assert_true(g_file_set_contents(path, moved, -1, NULL));
    g_object_set(h->element, "zones-file", path, NULL);
    gst_buffer_unref(stand(h, &frame, 1, 1, LEFT_X));
    expect_counts(h, 0, 0, 0, 0, 0);
    gst_buffer_unref(stand(h, &frame, 10, 1, LEFT_X));
    expect_counts(h, 1, 1, 0, 0, 0);
    g_clear_pointer(&text, g_free);
    g_object_get(h->element, "zones", &text, "zones-file", &file, NULL);
    g_assert_null(text);
    g_assert_cmpstr(file, ==, path);

    g_object_set(h->element, "zones-file", NULL, NULL); // none at all
    g_object_set(h->element, "zones", "", NULL);
    {
        g_autoptr(GstBuffer) buffer = stand(h, &frame, 1, 1, LEFT_X);
        g_assert_null(effdet_zone_meta_get(buffer));
    }
    g_unlink(path);
    end_harness(h);
}

static void test_properties(void)
{
    GstHarness *h = new_harness(LEFT);
    guint frame = 0;

    g_object_set(h->element, "debounce", 0, "lost-time", 80, NULL);
    gst_buffer_unref(stand(h, &frame, 1, 1, LEFT_X));
    gst_structure_free(expect_event(h, "enter", "left"));
    for (guint i = 0; i < 4; i++) { // looked at, and nobody there
        GstBuffer *buffer = fixture_frame(frame++);
        effdet_frame_meta_set(buffer, TRUE, GST_BUFFER_PTS(buffer));
        gst_buffer_unref(gst_harness_push_and_pull(h, buffer));
        if (i < 2) {
            expect_silence(h);
        }
    }
    {
        g_autoptr(GstStructure) leave = expect_event(h, "leave", "left");
        gboolean lost;
        g_assert_true(gst_structure_get_boolean(leave, "lost", &lost) && lost);
    }
    end_harness(h);

    // The lower edge at 24 of 48 pixels is below the zone, the middle at 16 inside.
    h = new_harness("{\"zones\": [{\"name\": \"top\", \"polygon\": [[0, 0], [1, 0], [1, 0.4], "
                    "[0, 0.4]]}]}");
    g_object_set(h->element, "debounce", 0, NULL);
    gst_buffer_unref(stand(h, &frame, 1, 1, LEFT_X));
    expect_silence(h);
    gst_util_set_object_arg(G_OBJECT(h->element), "anchor", "centre");
    gst_buffer_unref(stand(h, &frame, 1, 1, LEFT_X));
    gst_structure_free(expect_event(h, "enter", "top"));
    end_harness(h);
}

// Frames without inference and without objects change nothing, however many there are.
static void test_not_looked(void)
{
    GstHarness *h = new_harness(LEFT);
    guint frame = 0;

    gst_buffer_unref(stand(h, &frame, 10, 1, LEFT_X));
    for (guint i = 0; i < 200; i++) {
        GstBuffer *buffer = fixture_frame(frame++);
        effdet_frame_meta_set(buffer, FALSE, GST_CLOCK_TIME_NONE);
        buffer = gst_harness_push_and_pull(h, buffer);
        g_assert_nonnull(effdet_zone_meta_get(buffer));
        gst_buffer_unref(buffer);
    }
    expect_counts(h, 1, 1, 0, 0, 0);
    end_harness(h);
}

static void test_resets(void)
{
    GstHarness *h = new_harness(LEFT);
    guint frame = 0;

    gst_buffer_unref(stand(h, &frame, 10, 1, LEFT_X));
    expect_counts(h, 1, 1, 0, 0, 0);
    gst_harness_push_event(h, gst_event_new_flush_start());
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    expect_counts(h, 0, 1, 0, 0, 0);
    gst_harness_push_event(h, gst_event_new_stream_start("another"));
    expect_counts(h, 0, 0, 0, 0, 0);
    end_harness(h);
}

// Half the picture is half the picture at every size.
static void test_caps_change(void)
{
    GstHarness *h = new_harness(LEFT);
    guint frame = 0;

    gst_buffer_unref(stand(h, &frame, 10, 1, 20.0));
    gst_structure_free(expect_event(h, "enter", "left"));
    gst_harness_set_src_caps_str(h, "video/x-raw,format=NV12,width=32,height=48,framerate=25/1");
    gst_buffer_unref(stand(h, &frame, 10, 1, 20.0));
    gst_structure_free(expect_event(h, "leave", "left"));
    gst_structure_free(expect_event(h, "cross", "gate"));
    gst_harness_set_src_caps_str(
        h, "video/x-raw(memory:VulkanImage),format=RGBA,width=64,height=48,framerate=25/1");
    gst_buffer_unref(stand(h, &frame, 10, 1, 20.0));
    gst_structure_free(expect_event(h, "enter", "left"));
    end_harness(h);
}

static void test_hostile(void)
{
    GstHarness *h = new_harness(LEFT);
    const GstClockTime times[] = {GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE - 1, 0, 5, 1,
                                  G_MAXINT64};
    const double places[] = {NAN, INFINITY, -1e30, 1e30, 0.0, 32.0};

    g_object_set(h->element, "debounce", 0, "lost-time", 0, NULL);
    for (guint i = 0; i < 3000; i++) {
        GstBuffer *buffer = fixture_frame(i);
        GstVideoRegionOfInterestMeta *roi = gst_buffer_add_video_region_of_interest_meta(
            buffer, i % 3 ? "x" : "y", i % 5 ? G_MAXUINT : 3, 5, i % 7 ? 3 : G_MAXUINT, G_MAXUINT);
        EffdetDetection object = {.label = g_quark_from_static_string("odd"),
                                  .x = places[i % 6],
                                  .y = places[i / 6 % 6],
                                  .w = places[i / 36 % 6],
                                  .h = places[i / 216 % 6]};

        gst_video_region_of_interest_meta_add_param(
            roi, gst_structure_new("object_id", "id", G_TYPE_INT,
                                   (gint)g_test_rand_int_range(G_MININT, G_MAXINT), NULL));
        effdet_meta_attach(buffer, &object, 1, FRAME_WIDTH, FRAME_HEIGHT, i % 2);
        GST_BUFFER_PTS(buffer) = times[g_test_rand_int_range(0, G_N_ELEMENTS(times))];
        gst_buffer_unref(gst_harness_push_and_pull(h, buffer));
    }
    end_harness(h);
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_assert_true(GST_ELEMENT_REGISTER(effdetzones, NULL));
    g_test_add_func("/plugin/zones/messages", test_messages);
    g_test_add_func("/plugin/zones/metas", test_metas);
    g_test_add_func("/plugin/zones/two-elements", test_two_elements);
    g_test_add_func("/plugin/zones/untouched", test_untouched);
    g_test_add_func("/plugin/zones/bad-at-start", test_bad_at_start);
    g_test_add_func("/plugin/zones/change-while-playing", test_change_while_playing);
    g_test_add_func("/plugin/zones/properties", test_properties);
    g_test_add_func("/plugin/zones/not-looked", test_not_looked);
    g_test_add_func("/plugin/zones/resets", test_resets);
    g_test_add_func("/plugin/zones/caps-change", test_caps_change);
    g_test_add_func("/plugin/zones/hostile", test_hostile);
    return fixture_run();
}
