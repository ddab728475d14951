// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Live pipelines: QoS, a network ten times slower than the video, what it costs, and the warning of
// a network that sees nothing.
#include "fixture.h"

#include "meta/detections.h"
#include "meta/frame_meta.h"

#include <sys/resource.h>

static const EffdetObject sure[] = {{0, 0.9f, 8, 6, 16, 12}};
static const EffdetObject unsure[] = {{0, 0.3f, 8, 6, 16, 12}};
static const FakeScript fast = {.objects = sure, .n_objects = 1};

// ---- QoS ----

static gboolean pull_inferred(GstHarness *h, guint n)
{
    GstBuffer *buffer = gst_harness_pull(h);
    gboolean inferred;

    g_assert_nonnull(buffer);
    g_assert_cmpuint(GST_BUFFER_PTS(buffer), ==, n * FRAME_TIME);
    inferred = effdet_frame_meta_get(buffer)->inferred;
    gst_buffer_unref(buffer);
    return inferred;
}

static guint n_events(GstHarness *h)
{
    guint n = 0;
    GstEvent *event;

    while ((event = gst_harness_try_pull_upstream_event(h)) != NULL) {
        n += GST_EVENT_TYPE(event) == GST_EVENT_QOS;
        gst_event_unref(event);
    }
    return n;
}

static void check_message(GstBus *bus, guint n)
{
    g_autoptr(GstMessage) message = gst_bus_pop_filtered(bus, GST_MESSAGE_QOS);
    guint64 running, stream, timestamp, duration, dropped;
    gint64 jitter;
    gdouble proportion;
    GstFormat format;

    g_assert_nonnull(message);
    gst_message_parse_qos(message, NULL, &running, &stream, &timestamp, &duration);
    g_assert_cmpuint(timestamp, ==, n * FRAME_TIME);
    g_assert_cmpuint(running, ==, n * FRAME_TIME);
    g_assert_cmpuint(duration, ==, FRAME_TIME);
    gst_message_parse_qos_values(message, &jitter, &proportion, NULL);
    g_assert_cmpint(jitter, ==, 2 * FRAME_TIME);
    g_assert_cmpfloat(proportion, ==, 2.0);
    gst_message_parse_qos_stats(message, &format, NULL, &dropped);
    g_assert_cmpint(format, ==, GST_FORMAT_BUFFERS);
    g_assert_cmpuint(dropped, >, 0);
}

// Frame 1 was two frame times late: what comes before frame 5 is not looked at, or is discarded.
static void test_qos(void)
{
    static const struct {
        const gchar *overload;
        gboolean qos, obeys, drops;
    } cases[] = {{"skip", TRUE, TRUE, FALSE},
                 {"auto", TRUE, TRUE, FALSE},
                 {"drop", TRUE, TRUE, TRUE},
                 {"block", TRUE, FALSE, FALSE},
                 {"skip", FALSE, FALSE, FALSE}};

    for (guint c = 0; c < G_N_ELEMENTS(cases); c++) {
        g_autoptr(GstBus) bus = gst_bus_new();
        GstSegment segment;
        GstHarness *h;

        fake_script(&fast);
        h = fixture_harness(TRUE, "qos", cases[c].qos, "max-latency", 1000, NULL);
        gst_util_set_object_arg(G_OBJECT(h->element), "overload", cases[c].overload);
        gst_element_set_bus(h->element, bus);
        for (guint i = 0; i < 10; i++) {
            gboolean late = cases[c].obeys && i >= 2 && i < 5;

            if (i == 2) {
                n_events(h);
                gst_harness_push_upstream_event(
                    h, gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 2.0, 2 * FRAME_TIME, FRAME_TIME));
                g_assert_cmpuint(n_events(h), ==, 1); // it travels on
            }
            if (i == 7) { // in time again
                gst_harness_push_upstream_event(h, gst_event_new_qos(GST_QOS_TYPE_OVERFLOW, 0.5,
                                                                     -(gint64)FRAME_TIME,
                                                                     6 * FRAME_TIME));
            }
            g_assert_cmpint(fixture_push(h, i), ==, GST_FLOW_OK);
            if (!late || !cases[c].drops) {
                g_assert_cmpint(pull_inferred(h, i), ==, !late);
            }
            if (late) {
                check_message(bus, i);
            }
        }
        g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_QOS, NULL), ==, 0);
        g_assert_cmpuint(fixture_stat(h, "skipped"), ==, cases[c].obeys && !cases[c].drops ? 3 : 0);
        g_assert_cmpuint(fixture_stat(h, "dropped"), ==, cases[c].drops ? 3 : 0);
        // a flush makes it forgotten
        gst_harness_push_upstream_event(
            h, gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 2.0, 10 * FRAME_TIME, 9 * FRAME_TIME));
        g_assert_true(gst_harness_push_event(h, gst_event_new_flush_start()));
        g_assert_true(gst_harness_push_event(h, gst_event_new_flush_stop(TRUE)));
        gst_segment_init(&segment, GST_FORMAT_TIME);
        g_assert_true(gst_harness_push_event(h, gst_event_new_segment(&segment)));
        g_assert_cmpint(fixture_push(h, 10), ==, GST_FLOW_OK);
        g_assert_true(pull_inferred(h, 10));
        gst_element_set_bus(h->element, NULL);
        gst_harness_teardown(h);
    }
}

// ---- a slow network ----

typedef struct {
    guint n_buffers, n_results;
    GstClockTime last_pts;
} Seen;

static void look(GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer data)
{
    Seen *seen = data;
    const EffdetFrameMeta *meta = effdet_frame_meta_get(buffer);

    g_assert_true(seen->n_buffers == 0 || GST_BUFFER_PTS(buffer) > seen->last_pts);
    seen->last_pts = GST_BUFFER_PTS(buffer);
    seen->n_buffers++;
    if (meta->inferred) {
        g_assert_cmpuint(meta->source_pts, <=, GST_BUFFER_PTS(buffer));
        seen->n_results++;
    }
}

// 30 frames a second, 333 ms each, a sink that drops what is 150 ms late, as every frame would be
// that waits for the network: nothing is, and every result arrives.
static void test_slow_network(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GstElement) pipeline = NULL, sink = NULL, effdet = NULL;
    g_autoptr(GstBus) bus = NULL;
    g_autoptr(GstStructure) stats = NULL, sink_stats = NULL;
    gint64 end_us = g_get_monotonic_time() + 4 * G_USEC_PER_SEC;
    Seen seen = {0};
    guint64 inferred, dropped, rendered;

    fake_script(&(FakeScript){.objects = sure, .n_objects = 1, .completion_us = 333000});
    pipeline = gst_parse_launch(
        "videotestsrc is-live=true pattern=black ! video/x-raw,format=NV12,width=64,height=48,"
        "framerate=30/1 ! effdet name=effdet ! fakesink name=sink sync=true qos=true "
        "max-lateness=150000000 signal-handoffs=true",
        &error);
    g_assert_no_error(error);
    sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
    effdet = gst_bin_get_by_name(GST_BIN(pipeline), "effdet");
    g_signal_connect(sink, "handoff", G_CALLBACK(look), &seen);
    bus = gst_element_get_bus(pipeline);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    while (g_get_monotonic_time() < end_us) {
        g_autoptr(GstMessage) message = gst_bus_timed_pop_filtered(
            bus, (GstClockTime)MAX(end_us - g_get_monotonic_time(), 0) * GST_USECOND,
            GST_MESSAGE_LATENCY | GST_MESSAGE_ERROR);

        if (message != NULL) {
            g_assert_cmpint(GST_MESSAGE_TYPE(message), ==, GST_MESSAGE_LATENCY);
            gst_bin_recalculate_latency(GST_BIN(pipeline));
        }
    }
    g_object_get(effdet, "stats", &stats, NULL);
    g_object_get(sink, "stats", &sink_stats, NULL);
    g_assert_true(gst_structure_get_uint64(stats, "inferred", &inferred));
    g_assert_true(gst_structure_get_uint64(sink_stats, "dropped", &dropped));
    g_assert_true(gst_structure_get_uint64(sink_stats, "rendered", &rendered));
    gst_element_set_state(pipeline, GST_STATE_NULL);
    g_test_message("%u buffers, %" G_GUINT64_FORMAT " rendered, %" G_GUINT64_FORMAT
                   " too late, %u results",
                   seen.n_buffers, rendered, dropped, seen.n_results);
    g_assert_cmpuint(dropped, ==, 0);
    g_assert_cmpuint(rendered, >, 90);
    g_assert_cmpuint(inferred, >=, 8);
    g_assert_cmpuint(seen.n_results + 2, >=, inferred);
}

// ---- cost ----

static gint64 cpu_us(void)
{
    struct rusage usage;

    g_assert_cmpint(getrusage(RUSAGE_SELF, &usage), ==, 0);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * G_USEC_PER_SEC +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static void count_notify(GObject *object, GParamSpec *spec, gpointer data)
{
    (*(guint *)data)++;
}

// What the element's threads take of a core at 30 frames a second of 1080p, without the copy, which
// is the engine's. The pushing and pulling of the test is in it. Nothing notifies of anything.
static void test_cost(void)
{
    const gsize bytes = 1920 * 1080 * 3 / 2;
    GstHarness *h;
    gint64 start_us, start_cpu_us;
    guint n_notified = 0;
    double percent;

    fake_script(
        &(FakeScript){.objects = sure, .n_objects = 1, .completion_us = 100000, .blind = TRUE});
    h = fixture_harness(TRUE, NULL);
    gst_harness_set_src_caps_str(h,
                                 "video/x-raw,format=NV12,width=1920,height=1080,framerate=30/1");
    g_signal_connect(h->element, "notify", G_CALLBACK(count_notify), &n_notified);
    start_us = g_get_monotonic_time();
    start_cpu_us = cpu_us();
    for (guint i = 0; i < 90; i++) {
        static guint8 picture[1920 * 1080 * 3 / 2];
        GstBuffer *buffer = gst_buffer_new_wrapped_full(GST_MEMORY_FLAG_READONLY, picture, bytes, 0,
                                                        bytes, NULL, NULL);
        gint64 due_us = start_us + (gint64)i * G_USEC_PER_SEC / 30;

        g_usleep((gulong)MAX(due_us - g_get_monotonic_time(), 0));
        GST_BUFFER_PTS(buffer) = i * GST_SECOND / 30;
        g_assert_cmpint(gst_harness_push(h, buffer), ==, GST_FLOW_OK);
        buffer = gst_harness_try_pull(h);
        gst_clear_buffer(&buffer);
    }
    percent =
        100.0 * (double)(cpu_us() - start_cpu_us) / (double)(g_get_monotonic_time() - start_us);
    g_test_message("%.2f %% of a core at 30 frames a second of 1080p, %u inferred", percent,
                   (guint)fixture_stat(h, "inferred"));
    g_assert_cmpfloat(percent, <, 10); // sanitizers and busy machines included
    g_assert_cmpuint(n_notified, ==, 0);
    gst_harness_teardown(h);
}

// ---- silence ----

// Runs frames for so long; how many of them carried objects.
static guint run_for(GstHarness *h, gint64 us, guint *n)
{
    gint64 end_us = g_get_monotonic_time() + us;
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));
    guint n_with_objects = 0;

    while (g_get_monotonic_time() < end_us) {
        GstBuffer *buffer;

        g_assert_cmpint(fixture_push(h, (*n)++), ==, GST_FLOW_OK);
        buffer = gst_harness_pull(h);
        n_with_objects += effdet_meta_read(buffer, found) > 0;
        g_array_set_size(found, 0);
        gst_buffer_unref(buffer);
        g_usleep(10000);
    }
    return n_with_objects;
}

static void test_silence(void)
{
    g_autoptr(GstBus) bus = gst_bus_new();
    g_autoptr(GError) error = NULL;
    GstHarness *h;
    guint n = 0;

    fake_script(&(FakeScript){.n_objects = 0});
    h = fixture_harness(FALSE, "silence-warning", 1, NULL);
    gst_element_set_bus(h->element, bus);
    run_for(h, 800000, &n);
    g_assert_cmpfloat_with_epsilon(fake_log().filter.score_threshold, 0.4, 1e-6);
    run_for(h, 3200000, &n);
    g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_WARNING, &error), ==, 1);
    g_assert_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, "0.05"));
    g_assert_cmpfloat_with_epsilon(fake_log().filter.score_threshold, 0.4, 1e-6); // again
    run_for(h, 1500000, &n);                                                      // said once
    g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_WARNING, NULL), ==, 0);
    // seen, and then nothing but what is below the threshold: no silence, and nothing to report
    fake_script(&fast);
    g_assert_cmpuint(run_for(h, 50000, &n), >, 0);
    fake_script(&(FakeScript){.objects = unsure, .n_objects = 1});
    run_for(h, 20000, &n);
    g_assert_cmpuint(run_for(h, 3500000, &n), ==, 0);
    g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_WARNING, NULL), ==, 0);
    gst_element_set_bus(h->element, NULL);
    gst_harness_teardown(h);
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_test_add_func("/plugin/live/qos", test_qos);
    g_test_add_func("/plugin/live/slow-network", test_slow_network);
    g_test_add_func("/plugin/live/cost", test_cost);
    g_test_add_func("/plugin/live/silence", test_silence);
    return fixture_run();
}
