// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Who is inferred, held, skipped or dropped when: interval, rate, overload, latency, run-time
// changes.
#include "fixture.h"

#include "meta/detections.h"
#include "meta/frame_meta.h"

static const EffdetObject one_object[] = {{0, 0.9f, 8, 6, 16, 12}};
static const FakeScript fast = {.objects = one_object, .n_objects = 1};
static const FakeScript gated = {.objects = one_object, .n_objects = 1, .gated = TRUE};

// Pulls a buffer and checks its place in the stream. Returns the PTS its result came from, NONE
// without a result.
static GstClockTime pull_source(GstHarness *h, guint n)
{
    GstBuffer *buffer = gst_harness_pull(h);
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));
    EffdetFrameMeta *meta;
    GstClockTime source;

    g_assert_nonnull(buffer);
    g_assert_cmpuint(GST_BUFFER_PTS(buffer), ==, n * FRAME_TIME);
    meta = effdet_frame_meta_get(buffer);
    g_assert_nonnull(meta);
    g_assert_cmpuint(effdet_meta_read(buffer, found), ==, meta->inferred ? 1 : 0);
    g_assert_cmpint(GST_CLOCK_TIME_IS_VALID(meta->source_pts), ==, meta->inferred);
    source = meta->source_pts;
    gst_buffer_unref(buffer);
    return source;
}

static void push_all(GstHarness *h, guint first, guint n)
{
    for (guint i = first; i < first + n; i++) {
        g_assert_cmpint(fixture_push(h, i), ==, GST_FLOW_OK);
    }
}

static void test_interval(void)
{
    GstHarness *h;

    fake_script(&fast);
    h = fixture_harness(FALSE, "interval", 3, NULL);
    push_all(h, 0, 12);
    for (guint i = 0; i < 12; i++) {
        g_assert_cmpuint(pull_source(h, i), ==, i % 3 == 0 ? i * FRAME_TIME : GST_CLOCK_TIME_NONE);
    }
    g_assert_cmpuint(fake_log().n_submitted, ==, 4);
    g_assert_cmpuint(fixture_stat(h, "frames"), ==, 12);
    g_assert_cmpuint(fixture_stat(h, "inferred"), ==, 4);
    g_assert_cmpuint(fixture_stat(h, "skipped"), ==, 0);
    g_object_set(h->element, "interval", 1, NULL);
    push_all(h, 12, 1);
    g_assert_cmpuint(pull_source(h, 12), ==, 12 * FRAME_TIME);
    gst_harness_teardown(h);
}

// 25 frames a second of video, however fast they come.
static void test_max_rate(void)
{
    static const struct {
        double rate;
        guint n; // of 100 frames
    } cases[] = {{5.0, 20},     {10.0, 40}, {24.0, 96}, {25.0, 100},
                 {1000.0, 100}, {0.0, 100}, {0.5, 2}};

    for (guint c = 0; c < G_N_ELEMENTS(cases); c++) {
        GstHarness *h;
        guint n;

        fake_script(&fast);
        h = fixture_harness(FALSE, "max-rate", cases[c].rate, NULL);
        for (guint i = 0; i < 100; i++) {
            push_all(h, i, 1);
            pull_source(h, i);
        }
        n = fake_log().n_submitted;
        if (n > cases[c].n || n + 1 < cases[c].n) {
            g_error("max-rate %g: %u of 100 frames instead of %u", cases[c].rate, n, cases[c].n);
        }
        push_all(h, 0, 1); // time went backwards
        g_assert_cmpuint(pull_source(h, 0), ==, 0);
        gst_harness_teardown(h);
    }
}

static gpointer push_in_thread(gpointer data)
{
    push_all(data, 0, 8);
    return NULL;
}

// Frames wait for a slot: none is skipped, none lost, none out of order, however slow the engine.
static void test_block(void)
{
    GstHarness *h;
    GThread *pusher;

    fake_script(&gated);
    h = fixture_harness(FALSE, NULL);
    pusher = g_thread_new("push", push_in_thread, h);
    fixture_wait_until(fake_log().n_submitted == 2);
    g_usleep(20000);
    g_assert_cmpuint(fake_log().n_submitted, ==, 2);
    g_assert_cmpuint(gst_harness_buffers_in_queue(h), ==, 0);
    fake_release(1);
    g_assert_cmpuint(pull_source(h, 0), ==, 0);
    fixture_wait_until(fake_log().n_submitted == 3);
    fake_release(7);
    for (guint i = 1; i < 8; i++) {
        g_assert_cmpuint(pull_source(h, i), ==, i * FRAME_TIME);
    }
    g_thread_join(pusher);
    g_assert_cmpuint(fixture_stat(h, "skipped"), ==, 0);
    g_assert_cmpuint(fixture_stat(h, "inferred"), ==, 8);
    g_assert_cmpuint(fake_log().n_busy, ==, 0);
    gst_harness_teardown(h);
}

// The engine never answers: the streaming thread still comes through, with far more frames than may
// be held.
static void test_skip_never_blocks(gconstpointer live)
{
    GstHarness *h;
    gint64 longest_us = 0;

    fake_script(&gated);
    h = fixture_harness(live != NULL, "overload", 2, NULL);
    for (guint i = 0; i < 100; i++) {
        gint64 start_us = g_get_monotonic_time();

        push_all(h, i, 1);
        longest_us = MAX(longest_us, g_get_monotonic_time() - start_us);
    }
    g_assert_cmpint(longest_us, <, 50000);
    for (guint i = 0; i < 84; i++) { // 16 may be held
        g_assert_cmpuint(pull_source(h, i), ==, GST_CLOCK_TIME_NONE);
    }
    g_assert_cmpuint(fake_log().n_submitted, ==, 2);
    g_assert_cmpuint(fixture_stat(h, "skipped"), ==, 98);
    fake_release(100);
    gst_harness_teardown(h);
}

static void test_auto(void)
{
    GstHarness *h;

    fake_script(&gated);
    h = fixture_harness(TRUE, "max-latency", 10000, NULL); // live: as skip
    push_all(h, 0, 5);
    g_assert_cmpuint(fixture_stat(h, "skipped"), ==, 3);
    fake_release(2);
    for (guint i = 0; i < 5; i++) {
        g_assert_cmpuint(pull_source(h, i), ==, i < 2 ? i * FRAME_TIME : GST_CLOCK_TIME_NONE);
    }
    gst_harness_teardown(h);
}

static void test_drop(void)
{
    GstHarness *h;

    fake_script(&gated);
    h = fixture_harness(FALSE, "overload", 3, "queue-depth", 1, NULL);
    push_all(h, 0, 4);
    g_assert_cmpuint(fixture_stat(h, "dropped"), ==, 3);
    fake_release(1);
    g_assert_cmpuint(pull_source(h, 0), ==, 0);
    push_all(h, 4, 2);
    fake_release(1);
    g_assert_cmpuint(pull_source(h, 4), ==, 4 * FRAME_TIME);
    g_assert_cmpuint(fixture_stat(h, "dropped"), ==, 4);
    g_assert_cmpuint(fixture_stat(h, "frames"), ==, 6);

    g_object_set(h->element, "interval", 6, NULL);
    push_all(h, 6, 100); // frames that want no slot pile up behind one that has it
    g_assert_cmpuint(fake_log().n_submitted, ==, 3);
    g_assert_cmpuint(fixture_stat(h, "dropped"), >=, 4 + 100 - 16);
    fake_release(1);
    gst_harness_teardown(h);
}

// A frame goes out without its result after max-latency; the result is on the next one out and says
// whose it is.
static void test_max_latency(void)
{
    GstHarness *h;
    gint64 start_us;

    fake_script(&gated);
    h = fixture_harness(TRUE, "max-latency", 60, NULL);
    start_us = g_get_monotonic_time();
    push_all(h, 0, 1);
    g_assert_cmpuint(pull_source(h, 0), ==, GST_CLOCK_TIME_NONE);
    g_assert_cmpint(g_get_monotonic_time() - start_us, >=, 60000);
    g_assert_cmpint(g_get_monotonic_time() - start_us, <, 160000);
    g_assert_cmpuint(fixture_stat(h, "late"), ==, 1);
    fake_release(1);
    fixture_wait_until(fixture_stat(h, "inferred") == 1);
    push_all(h, 1, 1); // held for its own result, which does not come: takes the late one
    g_assert_cmpuint(pull_source(h, 1), ==, 0);
    fake_release(1);
    fixture_wait_until(fixture_stat(h, "inferred") == 2);
    fake_release(1);
    push_all(h, 2, 1); // its own result is there: the late one is of no use
    g_assert_cmpuint(pull_source(h, 2), ==, 2 * FRAME_TIME);
    g_object_set(h->element, "interval", 1000, NULL);
    push_all(h, 3, 1);
    g_assert_cmpuint(pull_source(h, 3), ==, GST_CLOCK_TIME_NONE);
    gst_harness_teardown(h);
}

// 0 never holds; a late result of another picture size is not shown in the wrong place.
static void test_never_held(void)
{
    GstHarness *h;

    fake_script(&gated);
    h = fixture_harness(TRUE, "max-latency", 0, NULL);
    push_all(h, 0, 1);
    g_assert_cmpuint(pull_source(h, 0), ==, GST_CLOCK_TIME_NONE);
    fake_release(1);
    fixture_wait_until(fixture_stat(h, "inferred") == 1);
    gst_harness_set_src_caps_str(h, "video/x-raw,format=NV12,width=32,height=32,framerate=25/1");
    push_all(h, 1, 1);
    g_assert_cmpuint(pull_source(h, 1), ==, GST_CLOCK_TIME_NONE);
    fake_release(1);
    gst_harness_teardown(h);
}

static void test_latency_query(void)
{
    GstHarness *h;
    g_autoptr(GstQuery) query = gst_query_new_latency();
    GstClockTime min, max, min_bare, max_bare;
    gboolean live;

    fake_script(&fast);
    h = fixture_harness(TRUE, "max-latency", 70, NULL);
    gst_harness_set_upstream_latency(h, 5 * GST_MSECOND);
    g_assert_true(gst_pad_peer_query(h->sinkpad, query));
    gst_query_parse_latency(query, &live, &min, &max);
    g_assert_true(live);
    g_assert_cmpuint(min, ==, 75 * GST_MSECOND);
    g_object_set(h->element, "enabled", FALSE, NULL);
    g_assert_true(gst_pad_peer_query(h->sinkpad, query));
    gst_query_parse_latency(query, &live, &min_bare, &max_bare);
    g_assert_cmpuint(min_bare, ==, 5 * GST_MSECOND);
    g_assert_true(max == max_bare || max == max_bare + 70 * GST_MSECOND);
    g_object_set(h->element, "enabled", TRUE, NULL);
    gst_harness_set_live(h, FALSE);
    g_assert_true(gst_pad_peer_query(h->sinkpad, query));
    gst_query_parse_latency(query, &live, &min, NULL);
    g_assert_false(live);
    g_assert_cmpuint(min, ==, 5 * GST_MSECOND);
    gst_harness_teardown(h);
}

static GstClockTime latency_of(GstHarness *h)
{
    g_autoptr(GstQuery) query = gst_query_new_latency();
    GstClockTime min;

    g_assert_true(gst_pad_peer_query(h->sinkpad, query));
    gst_query_parse_latency(query, NULL, &min, NULL);
    return min;
}

// What is reported follows the measured times, with a message, and holding follows the answer.
static void test_latency_measured(void)
{
    g_autoptr(GstBus) bus = gst_bus_new();
    GstHarness *h;
    guint64 n_before;
    gint64 start_us;

    fake_script(&(FakeScript){.completion_us = 2000});
    h = fixture_harness(TRUE, "max-latency", 5000, "overload", 1, NULL);
    g_assert_cmpuint(latency_of(h), ==, 16 * FRAME_TIME); // no more than that can be held
    gst_element_set_bus(h->element, bus);
    start_us = g_get_monotonic_time();
    for (guint i = 0; fixture_messages(bus, GST_MESSAGE_LATENCY, NULL) == 0; i++) {
        g_assert_cmpint(g_get_monotonic_time() - start_us, <, 10 * G_USEC_PER_SEC);
        push_all(h, i, 1);
        gst_buffer_unref(gst_harness_pull(h));
        g_assert_cmpuint(latency_of(h), >=, 5 * GST_MSECOND);
    }
    g_assert_cmpint(g_get_monotonic_time() - start_us, >, 2 * G_USEC_PER_SEC);
    g_assert_cmpuint(latency_of(h), <, 60 * GST_MSECOND);
    n_before = fixture_stat(h, "inferred");
    fake_script(&(FakeScript){.completion_us = 60000});
    start_us = g_get_monotonic_time();
    for (guint i = 0; fixture_messages(bus, GST_MESSAGE_LATENCY, NULL) == 0; i++) {
        g_assert_cmpint(g_get_monotonic_time() - start_us, <, 10 * G_USEC_PER_SEC);
        push_all(h, i, 1);
        gst_buffer_unref(gst_harness_pull(h));
        g_usleep(1000);
    }
    g_assert_cmpuint(latency_of(h), >=, 60 * GST_MSECOND); // up again
    fixture_wait_until(fixture_stat(h, "inferred") == n_before + fake_log().n_submitted);
    fake_script(&gated);
    start_us = g_get_monotonic_time();
    push_all(h, 0, 1);
    gst_buffer_unref(gst_harness_pull(h));
    g_assert_cmpint(g_get_monotonic_time() - start_us, <, 400000);
    fake_release(1);
    gst_element_set_bus(h->element, NULL);
    gst_harness_teardown(h);
}

static void test_enabled(void)
{
    GstHarness *h;
    GstBuffer *in, *out;

    fake_script(&fast);
    h = fixture_harness(FALSE, "enabled", FALSE, NULL);
    in = gst_buffer_ref(fixture_frame(0)); // shared: a pass-through does not copy it
    out = gst_harness_push_and_pull(h, in);
    g_assert_true(out == in);
    g_assert_null(effdet_frame_meta_get(out));
    gst_buffer_unref(out);
    gst_buffer_unref(in);
    g_assert_cmpuint(fake_log().n_submitted, ==, 0);
    g_object_set(h->element, "enabled", TRUE, NULL);
    push_all(h, 1, 1);
    g_assert_cmpuint(pull_source(h, 1), ==, FRAME_TIME);
    g_assert_cmpuint(fake_log().n_new, ==, 1);
    gst_harness_teardown(h);
}

// What is set while frames run reaches the engine at the next one; an unknown class is refused and
// leaves the old ones.
static void test_filter_while_playing(void)
{
    g_autoptr(GstBus) bus = gst_bus_new();
    g_autoptr(GError) error = NULL;
    g_autofree gchar *classes = NULL;
    GstHarness *h;
    FakeLog log;

    fake_script(&fast);
    h = fixture_harness(FALSE, "classes", "person", "score-threshold", 0.25, NULL);
    gst_element_set_bus(h->element, bus);
    log = fake_log();
    g_assert_cmpfloat(log.filter.score_threshold, ==, 0.25f);
    g_assert_cmpfloat(log.filter.iou_threshold, ==, 0.5f);
    g_assert_cmpuint(log.filter.max_detections, ==, 100);
    g_assert_cmpstr(log.classes, ==, "person");
    g_object_set(h->element, "iou-threshold", 0.75, "max-detections", 7, "classes", "car,-person",
                 NULL);
    push_all(h, 0, 1);
    pull_source(h, 0);
    log = fake_log();
    g_assert_cmpfloat(log.filter.iou_threshold, ==, 0.75f);
    g_assert_cmpuint(log.filter.max_detections, ==, 7);
    g_assert_cmpstr(log.classes, ==, "car,-person");
    g_object_set(h->element, "classes", "unicorn", "score-threshold", 0.5, NULL);
    push_all(h, 1, 2);
    pull_source(h, 1);
    pull_source(h, 2);
    log = fake_log();
    g_assert_cmpfloat(log.filter.score_threshold, ==, 0.5f);
    g_assert_cmpstr(log.classes, ==, "car,-person");
    g_object_get(h->element, "classes", &classes, NULL);
    g_assert_cmpstr(classes, ==, "car,-person");
    g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_WARNING, &error), ==, 1);
    g_assert_nonnull(strstr(error->message, "unicorn"));
    gst_element_set_bus(h->element, NULL);
    gst_harness_teardown(h);
}

static gpointer push_third(gpointer h)
{
    return GINT_TO_POINTER(fixture_push(h, 2));
}

// A streaming thread that waits for a slot follows a change of the properties at once.
static void test_change_while_blocked(gconstpointer property)
{
    GstHarness *h;
    GThread *thread;
    gboolean disable = g_str_equal(property, "enabled");
    gint64 start_us;

    fake_script(&gated);
    h = fixture_harness(FALSE, "overload", 1, NULL);
    push_all(h, 0, 2);
    thread = g_thread_new("push", push_third, h);
    fixture_wait_until(fixture_stat(h, "frames") == 3);
    g_usleep(20000);
    start_us = g_get_monotonic_time();
    g_object_set(h->element, property, disable ? 0 : 2, NULL);
    g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(thread)), ==, GST_FLOW_OK);
    g_assert_cmpint(g_get_monotonic_time() - start_us, <, G_USEC_PER_SEC); // the gate holds for 3 s
    g_assert_cmpuint(fake_log().n_submitted, ==, 2);
    g_assert_cmpuint(fixture_stat(h, "skipped"), ==, disable ? 0 : 1);
    fake_release(2);
    gst_harness_teardown(h);
}

static gpointer turn_knobs(gpointer data)
{
    GstElement *element = data;

    for (guint i = 0; i < 400; i++) {
        g_autoptr(GstStructure) stats = NULL;

        g_object_set(element, "score-threshold", (i % 10) / 10.0, "classes",
                     i % 2 != 0 ? "person" : "car", "interval", i % 3 + 1, "enabled", i % 5 != 0,
                     "max-rate", (double)(i % 7), "overload", i % 3 + 1, NULL);
        g_object_get(element, "stats", &stats, NULL);
        g_usleep(200);
    }
    return NULL;
}

static void test_properties_from_another_thread(void)
{
    GstHarness *h;
    GThread *thread;
    guint n = 0;

    fake_script(&fast);
    h = fixture_harness(FALSE, NULL);
    gst_harness_set_drop_buffers(h, TRUE);
    thread = g_thread_new("knobs", turn_knobs, h->element);
    while (n < 3000) {
        push_all(h, n++, 1);
    }
    g_thread_join(thread);
    gst_harness_push_event(h, gst_event_new_eos());
    fixture_wait_until(gst_harness_buffers_received(h) + fixture_stat(h, "dropped") == n);
    gst_harness_teardown(h);
}

static void test_stats(void)
{
    static const gchar *const counters[] = {"frames", "inferred", "skipped", "dropped", "late"};
    static const gchar *const times[] = {"latency-p50",    "latency-p95", "latency-p99",
                                         "gpu-preprocess", "gpu-network", "gpu-decode"};
    g_autoptr(GstStructure) stats = NULL;
    gint64 us[G_N_ELEMENTS(times)];
    GstHarness *h;

    fake_script(&(FakeScript){.completion_us = 2000});
    h = fixture_harness(FALSE, NULL);
    for (guint i = 0; i < 300; i++) {
        push_all(h, i, 1);
        gst_buffer_unref(gst_harness_pull(h));
    }
    g_object_get(h->element, "stats", &stats, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(counters); i++) {
        g_assert_cmpuint(gst_structure_get_field_type(stats, counters[i]), ==, G_TYPE_UINT64);
    }
    for (guint i = 0; i < G_N_ELEMENTS(times); i++) {
        g_assert_true(gst_structure_get_int64(stats, times[i], &us[i]));
    }
    g_assert_cmpint(us[0], >=, 2000);
    g_assert_cmpint(us[1], >=, us[0]);
    g_assert_cmpint(us[2], >=, us[1]);
    g_assert_cmpint(us[3], ==, 10);
    g_assert_cmpint(us[4], ==, 20);
    g_assert_cmpint(us[5], ==, -1);
    g_assert_cmpstr(gst_structure_get_string(stats, "device"), ==, "Fake device");
    g_assert_cmpstr(gst_structure_get_string(stats, "path"), ==, "system-memory");
    gst_harness_teardown(h);
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_test_add_func("/plugin/schedule/interval", test_interval);
    g_test_add_func("/plugin/schedule/max-rate", test_max_rate);
    g_test_add_func("/plugin/schedule/block", test_block);
    g_test_add_data_func("/plugin/schedule/skip-never-blocks/live", "live", test_skip_never_blocks);
    g_test_add_data_func("/plugin/schedule/skip-never-blocks/file", NULL, test_skip_never_blocks);
    g_test_add_func("/plugin/schedule/auto", test_auto);
    g_test_add_func("/plugin/schedule/drop", test_drop);
    g_test_add_func("/plugin/schedule/max-latency", test_max_latency);
    g_test_add_func("/plugin/schedule/never-held", test_never_held);
    g_test_add_func("/plugin/schedule/latency-query", test_latency_query);
    g_test_add_func("/plugin/schedule/latency-measured", test_latency_measured);
    g_test_add_func("/plugin/schedule/enabled", test_enabled);
    g_test_add_func("/plugin/schedule/filter", test_filter_while_playing);
    g_test_add_data_func("/plugin/schedule/blocked/overload", "overload",
                         test_change_while_blocked);
    g_test_add_data_func("/plugin/schedule/blocked/enabled", "enabled", test_change_while_blocked);
    g_test_add_func("/plugin/schedule/threads", test_properties_from_another_thread);
    g_test_add_func("/plugin/schedule/stats", test_stats);
    return fixture_run();
}
