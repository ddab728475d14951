// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Order and liveness of the stream: events and queries among frames in flight, flush, end of
// stream, caps changes, downstream errors.
#include "fixture.h"

#include "meta/frame_meta.h"

static const FakeScript fast = {.n_objects = 0};
static const FakeScript gated = {.gated = TRUE};

static void push_all(GstHarness *h, guint first, guint n)
{
    for (guint i = first; i < first + n; i++) {
        g_assert_cmpint(fixture_push(h, i), ==, GST_FLOW_OK);
    }
}

static void pull_inferred(GstHarness *h, guint n)
{
    GstBuffer *buffer = gst_harness_pull(h);

    g_assert_nonnull(buffer);
    g_assert_cmpuint(GST_BUFFER_PTS(buffer), ==, n * FRAME_TIME);
    g_assert_true(effdet_frame_meta_get(buffer)->inferred);
    g_assert_cmpuint(effdet_frame_meta_get(buffer)->source_pts, ==, n * FRAME_TIME);
    gst_buffer_unref(buffer);
}

static void forget_events(GstHarness *h)
{
    GstEvent *event;

    while ((event = gst_harness_try_pull_event(h)) != NULL) {
        gst_event_unref(event);
    }
}

// Serialised events wait behind frames in flight, others do not.
static void test_events_in_order(void)
{
    GstHarness *h;
    GstEvent *event;

    fake_script(&gated);
    h = fixture_harness(FALSE, NULL);
    fake_release(1);
    push_all(h, 0, 1);
    pull_inferred(h, 0);
    forget_events(h);
    push_all(h, 1, 2);
    g_assert_true(
        gst_harness_push_event(h, gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "t", NULL))));
    g_assert_true(gst_harness_push_event(h, gst_event_new_gap(3 * FRAME_TIME, FRAME_TIME)));
    g_assert_true(gst_harness_push_event(
        h, gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM_OOB, gst_structure_new_empty("now"))));
    event = gst_harness_pull_event(h);
    g_assert_cmpint(GST_EVENT_TYPE(event), ==, GST_EVENT_CUSTOM_DOWNSTREAM_OOB);
    gst_event_unref(event);
    g_usleep(10000);
    g_assert_null(gst_harness_try_pull_event(h));
    g_assert_cmpuint(gst_harness_buffers_in_queue(h), ==, 0);
    fake_release(2);
    event = gst_harness_pull_event(h);
    g_assert_cmpint(GST_EVENT_TYPE(event), ==, GST_EVENT_TAG);
    gst_event_unref(event);
    g_assert_cmpuint(gst_harness_buffers_in_queue(h), ==, 2); // they were before it
    event = gst_harness_pull_event(h);
    g_assert_cmpint(GST_EVENT_TYPE(event), ==, GST_EVENT_GAP);
    gst_event_unref(event);
    pull_inferred(h, 1);
    pull_inferred(h, 2);
    gst_harness_teardown(h);
}

// The end of stream lets every frame in flight finish, on live pipelines too, where they would be
// overdue.
static void test_eos_drains(gconstpointer live)
{
    GstHarness *h;
    gboolean at_end = FALSE;

    fake_script(&gated);
    h = fixture_harness(live != NULL, "max-latency", 200, NULL);
    push_all(h, 0, 2);
    g_assert_true(gst_harness_push_event(h, gst_event_new_eos()));
    g_assert_cmpint(fixture_push(h, 2), ==, GST_FLOW_EOS);
    g_usleep(300000);
    g_assert_cmpuint(gst_harness_buffers_in_queue(h), ==, 0);
    fake_release(2);
    pull_inferred(h, 0);
    pull_inferred(h, 1);
    while (!at_end) {
        g_autoptr(GstEvent) event = gst_harness_pull_event(h);

        g_assert_nonnull(event);
        at_end = GST_EVENT_TYPE(event) == GST_EVENT_EOS;
    }
    gst_harness_teardown(h);
}

typedef struct {
    GstHarness *h;
    GstFlowReturn flow;
    gint64 end_us;
} Pusher;

static gpointer push_until_refused(gpointer data)
{
    Pusher *pusher = data;
    guint n = 0;

    do {
        pusher->flow = fixture_push(pusher->h, n++);
    } while (pusher->flow == GST_FLOW_OK);
    pusher->end_us = g_get_monotonic_time();
    return NULL;
}

// A flush frees a streaming thread that waits for the engine, discards what is held, and what the
// engine still has never shows up.
static void test_flush_during_inference(void)
{
    Pusher pusher = {0};
    GThread *thread;
    GstSegment segment;
    gint64 start_us;

    fake_script(&gated);
    pusher.h = fixture_harness(FALSE, NULL);
    thread = g_thread_new("push", push_until_refused, &pusher);
    fixture_wait_until(fake_log().n_submitted == 2);
    g_usleep(10000);
    start_us = g_get_monotonic_time();
    g_assert_true(gst_harness_push_event(pusher.h, gst_event_new_flush_start()));
    g_thread_join(thread);
    g_assert_cmpint(pusher.flow, ==, GST_FLOW_FLUSHING);
    g_assert_cmpint(pusher.end_us - start_us, <, 50000);
    g_assert_cmpint(fixture_push(pusher.h, 50), ==, GST_FLOW_FLUSHING);
    g_assert_true(gst_harness_push_event(pusher.h, gst_event_new_flush_stop(TRUE)));
    g_assert_cmpint(g_get_monotonic_time() - start_us, <, 50000);
    gst_segment_init(&segment, GST_FORMAT_TIME);
    g_assert_true(gst_harness_push_event(pusher.h, gst_event_new_segment(&segment)));
    g_assert_cmpuint(gst_harness_buffers_received(pusher.h), ==, 0);
    fake_release(1000);
    push_all(pusher.h, 7, 2);
    pull_inferred(pusher.h, 7);
    pull_inferred(pusher.h, 8);
    g_assert_cmpuint(gst_harness_buffers_received(pusher.h), ==, 2);
    gst_harness_teardown(pusher.h);
}

// Caps that lie between the pads when a flush comes are not lost with the frames.
static void test_flush_keeps_caps(void)
{
    GstHarness *h;
    GstSegment segment;
    g_autoptr(GstCaps) caps = NULL;

    fake_script(&gated);
    h = fixture_harness(FALSE, NULL);
    push_all(h, 0, 1);
    gst_harness_set_src_caps_str(h, "video/x-raw,format=RGB,width=16,height=16,framerate=25/1");
    gst_harness_push_event(h, gst_event_new_flush_start());
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(h, gst_event_new_segment(&segment));
    fake_release(2);
    push_all(h, 1, 1);
    pull_inferred(h, 1);
    caps = gst_pad_get_current_caps(h->sinkpad);
    g_assert_cmpstr(gst_structure_get_string(gst_caps_get_structure(caps, 0), "format"), ==, "RGB");
    gst_harness_teardown(h);
}

// Frames of the old size come out before the new caps, those of the new size after them.
static void test_renegotiation(void)
{
    static const gchar *const formats[] = {"NV12", "RGB", "I420", "BGRx", "YUY2", "GRAY8"};
    GstHarness *h;
    guint n = 0;

    fake_script(&(FakeScript){.completion_us = 1000});
    h = fixture_harness(FALSE, "queue-depth", 4, NULL);
    for (guint i = 0; i < 60; i++) {
        g_autofree gchar *caps =
            g_strdup_printf("video/x-raw,format=%s,width=%u,height=%u,framerate=25/1",
                            formats[i % 6], 16 + i % 7, 12 + i % 5);

        gst_harness_set_src_caps_str(h, caps);
        push_all(h, n, 2);
        n += 2;
    }
    gst_harness_push_event(h, gst_event_new_eos());
    for (guint i = 0; i < n; i++) {
        pull_inferred(h, i);
    }
    g_assert_cmpuint(fake_log().frame.width, ==, 16 + 59 % 7);
    g_assert_cmpuint(fake_log().n_busy, ==, 0);
    gst_harness_teardown(h);
}

static GstFlowReturn next_flow = GST_FLOW_OK;

static GstPadProbeReturn answer_flow(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    if (next_flow == GST_FLOW_OK) {
        return GST_PAD_PROBE_OK;
    }
    gst_buffer_unref(GST_PAD_PROBE_INFO_BUFFER(info));
    GST_PAD_PROBE_INFO_DATA(info) = NULL;
    GST_PAD_PROBE_INFO_FLOW_RETURN(info) = next_flow;
    return GST_PAD_PROBE_HANDLED;
}

// What downstream says reaches upstream; after the end of stream the element reports an error
// itself.
static void test_downstream_flow(void)
{
    static const GstFlowReturn flows[] = {GST_FLOW_ERROR, GST_FLOW_NOT_NEGOTIATED,
                                          GST_FLOW_NOT_LINKED, GST_FLOW_EOS, GST_FLOW_FLUSHING};

    fake_script(&fast);
    for (guint i = 0; i < G_N_ELEMENTS(flows); i++) {
        Pusher pusher = {.h = fixture_harness(FALSE, NULL)};
        g_autoptr(GstPad) srcpad = gst_element_get_static_pad(pusher.h->element, "src");

        next_flow = flows[i];
        gst_pad_add_probe(srcpad, GST_PAD_PROBE_TYPE_BUFFER, answer_flow, NULL, NULL);
        push_until_refused(&pusher);
        g_assert_cmpint(pusher.flow, ==, flows[i]);
        if (flows[i] == GST_FLOW_EOS) { // a new segment starts anew
            GstSegment segment;

            next_flow = GST_FLOW_OK;
            gst_segment_init(&segment, GST_FORMAT_TIME);
            gst_harness_push_event(pusher.h, gst_event_new_segment(&segment));
            fixture_wait_until(fixture_push(pusher.h, 0) == GST_FLOW_OK);
        }
        if (flows[i] == GST_FLOW_NOT_LINKED) { // so does a new peer
            next_flow = GST_FLOW_OK;
            gst_harness_push_upstream_event(pusher.h, gst_event_new_reconfigure());
            push_all(pusher.h, 1, 1);
        }
        gst_harness_teardown(pusher.h);
    }
}

static void test_error_behind_eos(void)
{
    g_autoptr(GstBus) bus = gst_bus_new();
    g_autoptr(GstPad) srcpad = NULL;
    g_autoptr(GError) error = NULL;
    guint n = 0;
    GstHarness *h;

    fake_script(&gated);
    h = fixture_harness(FALSE, NULL);
    gst_element_set_bus(h->element, bus);
    srcpad = gst_element_get_static_pad(h->element, "src");
    next_flow = GST_FLOW_ERROR;
    gst_pad_add_probe(srcpad, GST_PAD_PROBE_TYPE_BUFFER, answer_flow, NULL, NULL);
    push_all(h, 0, 1);
    gst_harness_push_event(h, gst_event_new_eos());
    fake_release(1);
    fixture_wait_until((n += fixture_messages(bus, GST_MESSAGE_ERROR, &error)) > 0);
    g_assert_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED);
    gst_element_set_bus(h->element, NULL);
    gst_harness_teardown(h);
}

// Downstream's answer comes back from behind the frames in flight, with room for them in its pools.
static void test_allocation(void)
{
    GstHarness *h;
    g_autoptr(GstCaps) caps = gst_caps_from_string(FRAME_CAPS);
    g_autoptr(GstQuery) query = gst_query_new_allocation(caps, TRUE);
    g_autoptr(GstQuery) bare = gst_query_new_allocation(caps, TRUE);
    GstStructure *params = gst_structure_new_empty("video-meta");
    guint min, max;

    fake_script(&fast);
    h = fixture_harness(FALSE, "queue-depth", 5, NULL);
    g_assert_true(gst_pad_peer_query(h->srcpad, bare));
    // This downstream did not say that it takes padded buffers, and it is the one that gets them.
    g_assert_false(gst_query_find_allocation_meta(bare, GST_VIDEO_META_API_TYPE, NULL));
    gst_harness_add_propose_allocation_meta(h, GST_VIDEO_META_API_TYPE, params);
    gst_query_add_allocation_pool(query, NULL, 4608, 2, 4);
    push_all(h, 0, 1);
    g_assert_true(gst_pad_peer_query(h->srcpad, query));
    g_assert_true(gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, NULL));
    gst_query_parse_nth_allocation_pool(query, 0, NULL, NULL, &min, &max);
    g_assert_cmpuint(min, ==, 7);
    g_assert_cmpuint(max, ==, 9);
    pull_inferred(h, 0);
    gst_structure_free(params);
    gst_harness_teardown(h);
}

static gpointer query_drain(gpointer data)
{
    GstHarness *h = data;
    g_autoptr(GstQuery) query = gst_query_new_drain();

    return GINT_TO_POINTER(gst_pad_peer_query(h->srcpad, query));
}

static void test_query_is_flushed(void)
{
    GstHarness *h;
    GThread *thread;
    gint64 start_us;

    fake_script(&gated);
    h = fixture_harness(FALSE, NULL);
    push_all(h, 0, 1);
    thread = g_thread_new("query", query_drain, h);
    g_usleep(30000);
    start_us = g_get_monotonic_time();
    gst_harness_push_event(h, gst_event_new_flush_start());
    g_assert_false(GPOINTER_TO_INT(g_thread_join(thread)));
    g_assert_cmpint(g_get_monotonic_time() - start_us, <, 50000);
    gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
    fake_release(1);
    gst_harness_teardown(h);
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_test_add_func("/plugin/stream/events", test_events_in_order);
    g_test_add_data_func("/plugin/stream/eos/file", NULL, test_eos_drains);
    g_test_add_data_func("/plugin/stream/eos/live", "live", test_eos_drains);
    g_test_add_func("/plugin/stream/flush", test_flush_during_inference);
    g_test_add_func("/plugin/stream/flush-keeps-caps", test_flush_keeps_caps);
    g_test_add_func("/plugin/stream/renegotiation", test_renegotiation);
    g_test_add_func("/plugin/stream/downstream-flow", test_downstream_flow);
    g_test_add_func("/plugin/stream/error-behind-eos", test_error_behind_eos);
    g_test_add_func("/plugin/stream/allocation", test_allocation);
    g_test_add_func("/plugin/stream/query-flushed", test_query_is_flushed);
    return fixture_run();
}
