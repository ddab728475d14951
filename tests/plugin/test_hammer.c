// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Everything at once, from several threads: states, flushes, properties, queries, odd buffers.
// Nothing crashes, hangs or leaks, and no buffer is lost or comes out of order.
#include "fixture.h"

#ifdef __SANITIZE_THREAD__
#define SLOWNESS 10 // of a build with a sanitizer
#elif defined(__SANITIZE_ADDRESS__)
#define SLOWNESS 4
#else
#define SLOWNESS 1
#endif
#define FLUSH_US (50000 * SLOWNESS)

// The element between two pads of ours. The source side numbers its buffers by their offset.
typedef struct {
    GstElement *element;
    GstPad *src, *sink;
    GMutex streaming;      // held to push, and to end a flush as the thread that pushes would
    gint stop;             // atomic: the threads have to end
    gint n_out, unordered; // atomic; the offset that came back, or was smaller than its predecessor
    guint64 next;          // offset, of the pushing thread
    guint64 last;          // offset, of the thread that pushes into our sink
    gint refusals;         // atomic
} Rig;

// Without templates pads would only take the caps that they have.
static GstStaticPadTemplate from_any =
    GST_STATIC_PAD_TEMPLATE("from", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
static GstStaticPadTemplate to_any =
    GST_STATIC_PAD_TEMPLATE("to", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

static GstFlowReturn receive(GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
    Rig *rig = g_object_get_data(G_OBJECT(pad), "rig");

    if (GST_BUFFER_OFFSET(buffer) <= rig->last) {
        g_atomic_int_inc(&rig->unordered);
    }
    rig->last = GST_BUFFER_OFFSET(buffer);
    g_atomic_int_inc(&rig->n_out);
    gst_buffer_unref(buffer);
    return GST_FLOW_OK;
}

static void begin(Rig *rig, const gchar *format, guint width)
{
    g_autoptr(GstCaps) caps = gst_caps_new_simple(
        "video/x-raw", "format", G_TYPE_STRING, format, "width", G_TYPE_INT, (gint)width, "height",
        G_TYPE_INT, FRAME_HEIGHT, "framerate", GST_TYPE_FRACTION, 25, 1, NULL);
    GstSegment segment;

    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_pad_push_event(rig->src, gst_event_new_stream_start("hammer"));
    gst_pad_push_event(rig->src, gst_event_new_caps(caps));
    gst_pad_push_event(rig->src, gst_event_new_segment(&segment));
}

static void rig_init(Rig *rig)
{
    g_autoptr(GstPad) sink = NULL, src = NULL;

    *rig = (Rig){.element = gst_object_ref_sink(gst_element_factory_make("effdet", NULL))};
    rig->src = gst_object_ref_sink(gst_pad_new_from_static_template(&from_any, "from"));
    rig->sink = gst_object_ref_sink(gst_pad_new_from_static_template(&to_any, "to"));
    g_object_set_data(G_OBJECT(rig->sink), "rig", rig);
    gst_pad_set_chain_function(rig->sink, receive);
    sink = gst_element_get_static_pad(rig->element, "sink");
    src = gst_element_get_static_pad(rig->element, "src");
    g_assert_cmpint(gst_pad_link(rig->src, sink), ==, GST_PAD_LINK_OK);
    g_assert_cmpint(gst_pad_link(src, rig->sink), ==, GST_PAD_LINK_OK);
    gst_pad_set_active(rig->sink, TRUE);
    gst_pad_set_active(rig->src, TRUE);
    g_assert_cmpint(gst_element_set_state(rig->element, GST_STATE_PLAYING), ==,
                    GST_STATE_CHANGE_SUCCESS);
    begin(rig, "NV12", FRAME_WIDTH);
}

static void rig_finish(Rig *rig)
{
    g_assert_cmpint(gst_element_set_state(rig->element, GST_STATE_NULL), ==,
                    GST_STATE_CHANGE_SUCCESS);
    g_assert_cmpint(rig->unordered, ==, 0);
    gst_pad_set_active(rig->src, FALSE);
    gst_pad_set_active(rig->sink, FALSE);
    gst_object_unref(rig->element);
    gst_object_unref(rig->src);
    gst_object_unref(rig->sink);
    g_assert_cmpuint(fake_log().n_alive, ==, 0);
}

static GstBuffer *number(Rig *rig, GstBuffer *buffer)
{
    GST_BUFFER_OFFSET(buffer) = ++rig->next;
    return buffer;
}

static GstFlowReturn push(Rig *rig)
{
    return gst_pad_push(rig->src, number(rig, fixture_frame((guint)rig->next)));
}

// All that is pushed from now on arrives.
static void assert_whole(Rig *rig, guint n)
{
    gint before;

    gst_pad_push_event(rig->src, gst_event_new_flush_start());
    gst_pad_push_event(rig->src, gst_event_new_flush_stop(TRUE));
    begin(rig, "NV12", FRAME_WIDTH);
    before = g_atomic_int_get(&rig->n_out);
    for (guint i = 0; i < n; i++) {
        g_assert_cmpint(push(rig), ==, GST_FLOW_OK);
    }
    fixture_wait_until(g_atomic_int_get(&rig->n_out) == before + (gint)n);
}

// As a source does: after a refusal the stream begins anew.
static gpointer push_for_ever(gpointer data)
{
    Rig *rig = data;

    while (!g_atomic_int_get(&rig->stop)) {
        GstFlowReturn flow;

        g_mutex_lock(&rig->streaming);
        flow = push(rig);
        if (flow != GST_FLOW_OK) {
            begin(rig, "NV12", FRAME_WIDTH);
        }
        g_mutex_unlock(&rig->streaming);
        if (flow != GST_FLOW_OK) {
            g_atomic_int_inc(&rig->refusals);
            g_usleep(200);
        }
    }
    return NULL;
}

// A state may change between two events that the other thread sends; GStreamer says so, and that
// thread begins anew when the next buffer is refused.
static gboolean is_fatal(const gchar *domain, GLogLevelFlags level, const gchar *message,
                         gpointer data)
{
    return strstr(message, "Sticky event misordering") == NULL &&
           strstr(message, "Got data flow before") == NULL;
}

static void test_states(gconstpointer random)
{
    static const GstState to_null[] = {GST_STATE_NULL, GST_STATE_PLAYING};
    static const GstState any[] = {GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_PLAYING};
    Rig rig;
    GThread *thread;

    g_test_log_set_fatal_handler(is_fatal, NULL);
    fake_script(&(FakeScript){.completion_us = 300});
    rig_init(&rig);
    thread = g_thread_new("push", push_for_ever, &rig);
    for (guint i = 0; i < 400; i++) {
        GstState next = random != NULL ? any[g_test_rand_int_range(0, 3)] : to_null[i % 2];

        g_assert_cmpint(gst_element_set_state(rig.element, next), ==, GST_STATE_CHANGE_SUCCESS);
        g_usleep((gulong)g_test_rand_int_range(0, 1500));
    }
    g_assert_cmpint(gst_element_set_state(rig.element, GST_STATE_PLAYING), ==,
                    GST_STATE_CHANGE_SUCCESS);
    g_atomic_int_set(&rig.stop, 1);
    g_thread_join(thread);
    g_assert_cmpint(g_atomic_int_get(&rig.n_out), >, 10);
    assert_whole(&rig, 50);
    rig_finish(&rig);
}

// Flushes from a third thread free a pushing thread that waits for the engine, or for room, and
// leave a stream that works.
static void test_flushes(gconstpointer gated)
{
    Rig rig;
    GThread *thread;
    gint64 longest_us = 0;
    guint n_long = 0;

    fake_script(&(FakeScript){.completion_us = 300, .gated = gated != NULL});
    rig_init(&rig);
    thread = g_thread_new("push", push_for_ever, &rig);
    for (guint i = 0; i < 150; i++) {
        gint before;
        gint64 start_us;

        g_usleep((gulong)g_test_rand_int_range(0, 3000));
        before = g_atomic_int_get(&rig.refusals);
        start_us = g_get_monotonic_time();
        gst_pad_push_event(rig.src, gst_event_new_flush_start());
        fixture_wait_until(g_atomic_int_get(&rig.refusals) != before);
        longest_us = MAX(longest_us, g_get_monotonic_time() - start_us);
        n_long += g_get_monotonic_time() - start_us > FLUSH_US;
        if (i % 3 == 0) {
            g_usleep(500);
        }
        g_mutex_lock(&rig.streaming);
        gst_pad_push_event(rig.src, gst_event_new_flush_stop(TRUE));
        begin(&rig, "NV12", FRAME_WIDTH);
        for (guint k = 0; k < 3 && gated == NULL; k++) { // the flush leaves no refusal behind
            g_usleep(k * 500);
            g_assert_cmpint(push(&rig), ==, GST_FLOW_OK);
        }
        g_mutex_unlock(&rig.streaming);
        fake_release((guint)g_test_rand_int_range(0, 3));
    }
    g_test_message("longest wait after a flush: %" G_GINT64_FORMAT " us", longest_us);
    g_assert_cmpuint(n_long, <=, 150 / 50); // a busy machine may keep a thread waiting
    g_atomic_int_set(&rig.stop, 1);
    fake_release(1000000);
    g_thread_join(thread);
    assert_whole(&rig, 50);
    rig_finish(&rig);
}

static gpointer set_for_ever(gpointer data)
{
    static const gchar *const classes[] = {"person", "-car", "", "person,car"};
    static const gchar *const models[] = {"person", "d0"};
    Rig *rig = data;

    for (guint i = 0; !g_atomic_int_get(&rig->stop); i++) {
        g_object_set(rig->element, "score-threshold", g_random_double(), "iou-threshold",
                     g_random_double(), "max-detections", i % 7, "classes", classes[i % 4],
                     "interval", 1 + i % 3, "max-rate", i % 4 * 10.0, "overload", i % 3,
                     "max-latency", i % 50, "enabled", i % 5 != 0, "roi-meta", i % 2 == 0, NULL);
        if (i % 64 == 0) {
            g_object_set(rig->element, "model", models[i / 64 % 2], NULL);
        }
    }
    return NULL;
}

static gpointer query_for_ever(gpointer data)
{
    Rig *rig = data;
    g_autoptr(GstCaps) caps = gst_caps_from_string(FRAME_CAPS);
    g_autoptr(GstPad) src = gst_element_get_static_pad(rig->element, "src");

    for (guint i = 0; !g_atomic_int_get(&rig->stop); i++) {
        g_autoptr(GstQuery) latency = gst_query_new_latency();
        g_autoptr(GstQuery) possible = gst_query_new_caps(NULL);
        g_autoptr(GstStructure) stats = NULL;

        gst_pad_query(src, latency);
        gst_pad_peer_query(rig->src, possible);
        g_object_get(rig->element, "stats", &stats, NULL);
    }
    return NULL;
}

// Every property that may change while it plays does, at full speed, beside queries of all kinds;
// no policy that drops is among them, so each buffer comes out.
static void test_properties(void)
{
    Rig rig;
    GThread *threads[2];
    g_autoptr(GstCaps) caps = gst_caps_from_string(FRAME_CAPS);
    const guint n = 3000 / SLOWNESS;

    fake_script(&(FakeScript){.completion_us = 200, .new_us = 2000});
    rig_init(&rig);
    threads[0] = g_thread_new("set", set_for_ever, &rig);
    threads[1] = g_thread_new("query", query_for_ever, &rig);
    for (guint i = 0; i < n; i++) {
        g_autoptr(GstQuery) query =
            i % 2 == 0 ? gst_query_new_drain() : gst_query_new_allocation(caps, TRUE);

        g_assert_cmpint(push(&rig), ==, GST_FLOW_OK);
        if (i % 5 == 0) { // serialised: from the thread that pushes
            gst_pad_peer_query(rig.src, query);
        }
    }
    g_atomic_int_set(&rig.stop, 1);
    g_thread_join(threads[0]);
    g_thread_join(threads[1]);
    fixture_wait_until(g_atomic_int_get(&rig.n_out) == (gint)n);
    rig_finish(&rig);
}

// ---- buffers as they should not be

static GstBuffer *odd_frame(Rig *rig, guint kind)
{
    GstBuffer *buffer = fixture_frame((guint)rig->next);

    switch (kind) {
    case 0:
        GST_BUFFER_PTS(buffer) = GST_CLOCK_TIME_NONE;
        break;
    case 1:
        GST_BUFFER_PTS(buffer) = (rig->next % 100) * GST_MSECOND; // backwards
        break;
    case 2:
        GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT | GST_BUFFER_FLAG_CORRUPTED);
        break;
    case 3:
        GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_GAP);
        break;
    case 4:
        gst_buffer_set_size(buffer, 0);
        break;
    case 5:
        gst_buffer_set_size(buffer, 100); // truncated
        break;
    case 6:
        gst_buffer_add_video_meta(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_RGB,
                                  FRAME_WIDTH, FRAME_HEIGHT); // of more bytes than there are
        break;
    case 7:
        gst_buffer_add_video_meta(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_NV12, 4, 4);
        break;
    case 8:
        gst_buffer_remove_all_memory(buffer);
        break;
    }
    return number(rig, buffer);
}

static void test_odd_buffers(void)
{
    static const gchar *const formats[] = {"NV12", "RGB", "I420", "YUY2"};
    Rig rig;
    g_autoptr(GstBus) bus = gst_bus_new();

    fake_script(&(FakeScript){.completion_us = 100});
    rig_init(&rig);
    gst_element_set_bus(rig.element, bus);
    for (guint i = 0; i < 1000; i++) {
        if (i % 3 == 0) {
            begin(&rig, formats[i / 3 % 4], FRAME_WIDTH - i % 5); // stream-start mid-stream
        }
        if (i % 11 == 0) {
            gst_pad_push_event(rig.src, gst_event_new_gap(i * FRAME_TIME, FRAME_TIME));
        }
        g_assert_cmpint(gst_pad_push(rig.src, odd_frame(&rig, (guint)g_test_rand_int_range(0, 10))),
                        ==, GST_FLOW_OK);
    }
    fixture_wait_until(g_atomic_int_get(&rig.n_out) == 1000);
    g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_ERROR, NULL), ==, 0);
    gst_element_set_bus(rig.element, NULL);
    rig_finish(&rig);
}

// An end of stream, then a stream again; a hundred times.
static void test_restarts(void)
{
    Rig rig;

    fake_script(&(FakeScript){.completion_us = 300});
    rig_init(&rig);
    for (guint i = 0; i < 100; i++) {
        for (guint k = 0; k < i % 6; k++) {
            g_assert_cmpint(push(&rig), ==, GST_FLOW_OK);
        }
        gst_pad_push_event(rig.src, gst_event_new_eos());
        fixture_wait_until((guint64)g_atomic_int_get(&rig.n_out) == rig.next);
        gst_pad_push_event(rig.src, gst_event_new_flush_start());
        gst_pad_push_event(rig.src, gst_event_new_flush_stop(TRUE));
        begin(&rig, "NV12", FRAME_WIDTH);
    }
    rig_finish(&rig);
}

// Taken out of a pipeline that plays on.
static void test_removal(void)
{
    for (guint i = 0; i < 40; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GstElement) pipeline = NULL;
        GstElement *element;

        fake_script(&(FakeScript){.completion_us = 500});
        pipeline = gst_parse_launch("videotestsrc ! video/x-raw,format=NV12,width=64,height=48 ! "
                                    "effdet name=detector ! fakesink async=false",
                                    &error);
        g_assert_no_error(error);
        element = gst_bin_get_by_name(GST_BIN(pipeline), "detector");
        gst_element_set_state(pipeline, GST_STATE_PLAYING);
        g_usleep(i % 8 * 500);
        g_assert_true(gst_bin_remove(GST_BIN(pipeline), element));
        g_assert_cmpint(gst_element_set_state(element, GST_STATE_NULL), ==,
                        GST_STATE_CHANGE_SUCCESS);
        gst_object_unref(element);
        g_assert_cmpuint(fake_log().n_alive, ==, 0);
        gst_element_set_state(pipeline, GST_STATE_NULL);
    }
}

// What came after the last flush, in the order of the segment's rate.
typedef struct {
    gdouble rate;
    GstClockTime first, last;
    guint n, unordered;
    gint ended; // atomic
} Arrival;

static GstPadProbeReturn note_arrival(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    Arrival *arrival = data;
    const GstSegment *segment;

    if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
        GstClockTime pts = GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info));

        if (arrival->n++ == 0) {
            arrival->first = pts;
        } else if (arrival->rate > 0 ? pts <= arrival->last : pts >= arrival->last) {
            arrival->unordered++;
        }
        arrival->last = pts;
        return GST_PAD_PROBE_OK;
    }
    switch (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info))) {
    case GST_EVENT_SEGMENT:
        gst_event_parse_segment(GST_PAD_PROBE_INFO_EVENT(info), &segment);
        arrival->rate = segment->rate;
        arrival->n = 0;
        break;
    case GST_EVENT_FLUSH_STOP:
        g_atomic_int_set(&arrival->ended, FALSE);
        break;
    case GST_EVENT_EOS:
        g_atomic_int_set(&arrival->ended, TRUE);
        break;
    default:
        break;
    }
    return GST_PAD_PROBE_OK;
}

// Seeks of all kinds into a pipeline that plays, as fast as they go; the last plays one second.
static void test_seeks(void)
{
    static const gdouble rates[] = {1, 0.5, 2, -1};
    g_autoptr(GError) error = NULL;
    g_autoptr(GstElement) pipeline = NULL, out = NULL;
    g_autoptr(GstPad) pad = NULL;
    g_autoptr(GstBus) bus = NULL;
    Arrival arrival = {.rate = 1};

    fake_script(&(FakeScript){.completion_us = 200});
    pipeline = gst_parse_launch(
        "videotestsrc ! " FRAME_CAPS " ! effdet ! queue ! fakesink name=out sync=false", &error);
    g_assert_no_error(error);
    out = gst_bin_get_by_name(GST_BIN(pipeline), "out");
    pad = gst_element_get_static_pad(out, "sink");
    gst_pad_add_probe(pad,
                      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM |
                          GST_PAD_PROBE_TYPE_EVENT_FLUSH,
                      note_arrival, &arrival, NULL);
    bus = gst_element_get_bus(pipeline);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    g_assert_cmpint(gst_element_get_state(pipeline, NULL, NULL, GST_CLOCK_TIME_NONE), ==,
                    GST_STATE_CHANGE_SUCCESS);
    for (guint i = 0; i < 200; i++) {
        const gint flags[] = {GST_SEEK_FLAG_FLUSH, GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE,
                              GST_SEEK_FLAG_NONE, GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_SEGMENT};
        gint64 start = g_test_rand_int_range(0, 100) * GST_SECOND / 10;

        g_assert_true(gst_element_seek(pipeline, rates[g_test_rand_int_range(0, 4)],
                                       GST_FORMAT_TIME, (GstSeekFlags)flags[i % 4],
                                       GST_SEEK_TYPE_SET, start, GST_SEEK_TYPE_SET,
                                       start + GST_SECOND));
        g_usleep((gulong)g_test_rand_int_range(0, 3000));
    }
    g_assert_true(gst_element_seek(pipeline, 1, GST_FORMAT_TIME,
                                   GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE, GST_SEEK_TYPE_SET,
                                   2 * GST_SECOND, GST_SEEK_TYPE_SET, 3 * GST_SECOND));
    fixture_wait_until(g_atomic_int_get(&arrival.ended));
    g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_ERROR, NULL), ==, 0);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    g_assert_cmpuint(arrival.unordered, ==, 0);
    g_assert_cmpuint(arrival.n, ==, 25);
    g_assert_cmpuint(arrival.first, ==, 2 * GST_SECOND);
    g_assert_cmpuint(arrival.last, ==, 3 * GST_SECOND - FRAME_TIME);
    g_assert_cmpuint(fake_log().n_alive, ==, 0);
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_test_add_data_func("/plugin/hammer/states/null", NULL, test_states);
    g_test_add_data_func("/plugin/hammer/states/random", "random", test_states);
    g_test_add_data_func("/plugin/hammer/flushes/free", NULL, test_flushes);
    g_test_add_data_func("/plugin/hammer/flushes/blocked", "gated", test_flushes);
    g_test_add_func("/plugin/hammer/properties", test_properties);
    g_test_add_func("/plugin/hammer/odd-buffers", test_odd_buffers);
    g_test_add_func("/plugin/hammer/restarts", test_restarts);
    g_test_add_func("/plugin/hammer/removal", test_removal);
    g_test_add_func("/plugin/hammer/seeks", test_seeks);
    return fixture_run();
}
