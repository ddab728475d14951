// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Elements of one share-group: who has an engine in common with whom, what stays private, and that
// the trouble of one is not that of the others. What the engine makes of it is
// tests/engine/test_streams.c.
#include "fixture.h"

#include "meta/detections.h"
#include "meta/frame_meta.h"

#define N 4

static const EffdetObject objects[] = {{0, 0.9f, 8, 6, 16, 12}, {1, 0.5f, 8, 6, 16, 12}};
static const FakeScript fast = {.objects = objects, .n_objects = 2};
static const FakeScript gated = {.objects = objects, .n_objects = 2, .gated = TRUE};

// Pulls a buffer; how many objects it carries.
static guint pull(GstHarness *h, guint n)
{
    GstBuffer *buffer = gst_harness_pull(h);
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));
    guint count;

    g_assert_nonnull(buffer);
    g_assert_cmpuint(GST_BUFFER_PTS(buffer), ==, n * FRAME_TIME);
    count = effdet_meta_read(buffer, found);
    gst_buffer_unref(buffer);
    return count;
}

static void push(GstHarness *h, guint n)
{
    g_assert_cmpint(fixture_push(h, n), ==, GST_FLOW_OK);
}

static void run(GstHarness *h, guint n, guint n_objects)
{
    push(h, n);
    g_assert_cmpuint(pull(h, n), ==, n_objects);
}

static GstHarness *member(const gchar *group, const gchar *model)
{
    return fixture_harness(FALSE, "share-group", group, "model", model, NULL);
}

static void test_who(void)
{
    GstHarness *h[7];

    fake_script(&fast);
    h[0] = member("hall", "d0");
    h[1] = member("hall", "d0");
    g_assert_cmpuint(fake_log().n_new, ==, 1);
    h[2] = member("hall", "d1"); // another model
    h[3] = member("yard", "d0"); // another group
    h[4] = member("", "d0");     // no group
    h[5] = member(NULL, "d0");
    h[6] = fixture_harness(FALSE, "share-group", "hall", "model", "d0", "device", "1", NULL);
    g_assert_cmpuint(fake_log().n_new, ==, 6);
    for (guint i = 0; i < G_N_ELEMENTS(h); i++) {
        run(h[i], 0, 2);
    }
    gst_harness_teardown(h[0]); // the engine stays as long as one is left
    g_assert_cmpuint(fake_log().n_alive, ==, 6);
    run(h[1], 1, 2);
    gst_harness_teardown(h[1]);
    g_assert_cmpuint(fake_log().n_alive, ==, 5);
    h[0] = member("hall", "d0"); // and is made anew afterwards
    g_assert_cmpuint(fake_log().n_new, ==, 7);
    run(h[0], 0, 2);
    gst_harness_teardown(h[0]);
    for (guint i = 2; i < G_N_ELEMENTS(h); i++) {
        gst_harness_teardown(h[i]);
    }
    g_assert_cmpuint(fake_log().n_alive, ==, 0);
}

static gpointer make_member(gpointer data)
{
    return member("hall", "d0");
}

// They start at the same moment: one makes the engine, the others wait for it.
static void test_start_at_once(void)
{
    FakeScript slow = fast;
    GThread *threads[N];
    GstHarness *h[N];

    slow.new_us = 100000;
    fake_script(&slow);
    for (guint i = 0; i < N; i++) {
        threads[i] = g_thread_new("start", make_member, NULL);
    }
    for (guint i = 0; i < N; i++) {
        h[i] = g_thread_join(threads[i]);
        run(h[i], 0, 2);
    }
    g_assert_cmpuint(fake_log().n_new, ==, 1);
    for (guint i = 0; i < N; i++) {
        gst_harness_teardown(h[i]);
    }
    g_assert_cmpuint(fake_log().n_alive, ==, 0);
}

static gpointer start_element(gpointer data)
{
    return GINT_TO_POINTER(gst_element_set_state(data, GST_STATE_PAUSED));
}

// No engine: each of those that wait tries for itself, and has its own error.
static void test_start_fails(void)
{
    FakeScript broken = fast;
    GstElement *elements[N];
    GThread *threads[N];

    broken.new_us = 50000;
    broken.new_error = "no such model";
    broken.new_code = EFFDET_ERROR_NOT_FOUND;
    fake_script(&broken);
    for (guint i = 0; i < N; i++) {
        elements[i] = gst_object_ref_sink(gst_element_factory_make("effdet", NULL));
        g_object_set(elements[i], "share-group", "hall", NULL);
        threads[i] = g_thread_new("start", start_element, elements[i]);
    }
    for (guint i = 0; i < N; i++) {
        g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(threads[i])), ==, GST_STATE_CHANGE_FAILURE);
        gst_element_set_state(elements[i], GST_STATE_NULL);
        gst_object_unref(elements[i]);
    }
    g_assert_cmpuint(fake_log().n_alive, ==, 0);
}

static void test_private_filter(void)
{
    GstHarness *h[2];

    fake_script(&fast);
    h[0] = member("hall", "d0");
    h[1] =
        fixture_harness(FALSE, "share-group", "hall", "model", "d0", "score-threshold", 0.6, NULL);
    run(h[0], 0, 2);
    run(h[1], 0, 1);
    g_object_set(h[0]->element, "score-threshold", 0.95, NULL);
    run(h[0], 1, 0);
    run(h[1], 1, 1);
    gst_harness_teardown(h[0]);
    gst_harness_teardown(h[1]);
}

// Flush, end of stream, a wrong buffer and removal of one, with frames of both in the engine.
static void test_trouble_of_one(void)
{
    GstHarness *stay, *leave;

    fake_script(&gated);
    stay = member("hall", "d0");
    for (guint i = 0; i < 8; i++) {
        leave = member("hall", "d0");
        push(stay, i);
        push(leave, 0);
        push(leave, 1);
        if (i % 4 == 0) {
            g_assert_true(gst_harness_push_event(leave, gst_event_new_flush_start()));
            g_assert_true(gst_harness_push_event(leave, gst_event_new_flush_stop(TRUE)));
        } else if (i % 4 == 1) {
            g_assert_true(gst_harness_push_event(leave, gst_event_new_eos()));
        } else if (i % 4 == 2) {
            GstBuffer *buffer = gst_buffer_new_allocate(NULL, 7, NULL);

            fake_release(2);
            pull(leave, 0);
            pull(leave, 1);
            GST_BUFFER_PTS(buffer) = 2 * FRAME_TIME;
            g_assert_cmpint(gst_harness_push(leave, buffer), ==, GST_FLOW_OK);
            g_assert_cmpuint(pull(leave, 2), ==, 0);
        }
        fake_release(4);
        g_assert_cmpuint(pull(stay, i), ==, 2);
        gst_harness_teardown(leave);
    }
    g_assert_cmpuint(fake_log().n_new, ==, 1);
    gst_harness_teardown(stay);
    g_assert_cmpuint(fake_log().n_alive, ==, 0);
}

// The device is everybody's: each member recovers, and they have one new engine.
static void test_lost(void)
{
    FakeScript lost = fast;
    GstHarness *h[N];

    lost.fail_collect_at = 2 * N;
    fake_script(&lost);
    for (guint i = 0; i < N; i++) {
        h[i] = member("hall", "d0");
        gst_util_set_object_arg(G_OBJECT(h[i]->element), "on-device-lost", "recover");
    }
    for (guint n = 0; n < 3; n++) {
        for (guint i = 0; i < N; i++) {
            push(h[i], n);
        }
        for (guint i = 0; i < N; i++) {
            guint found = pull(h[i], n);

            g_assert_true(n == 1 || n == 2 || found == 2);
        }
    }
    for (guint i = 0; i < N; i++) {
        guint n = 3;

        for (; n < 400; n++) {
            push(h[i], n);
            if (pull(h[i], n) == 2) {
                break;
            }
            g_usleep(1000);
        }
        g_assert_cmpuint(n, <, 400);
    }
    fixture_wait_until(fake_log().n_alive == 1);
    g_assert_cmpuint(fake_log().n_new, ==, 2);
    for (guint i = 0; i < N; i++) {
        gst_harness_teardown(h[i]);
    }
    g_assert_cmpuint(fake_log().n_alive, ==, 0);
}

// One changes its model while all play: it leaves, and can come back.
static void test_change_model(void)
{
    GstHarness *h[2];

    fake_script(&fast);
    h[0] = member("hall", "d0");
    h[1] = member("hall", "d0");
    g_object_set(h[1]->element, "model", "d1", NULL);
    fixture_wait_until(fake_log().n_alive == 2);
    run(h[0], 0, 2);
    run(h[1], 0, 2);
    g_object_set(h[1]->element, "model", "d0", NULL);
    fixture_wait_until(fake_log().n_alive == 1);
    g_assert_cmpuint(fake_log().n_new, ==, 2);
    run(h[0], 1, 2);
    run(h[1], 1, 2);
    gst_harness_teardown(h[0]);
    gst_harness_teardown(h[1]);
    g_assert_cmpuint(fake_log().n_alive, ==, 0);
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_test_add_func("/share/who", test_who);
    g_test_add_func("/share/start-at-once", test_start_at_once);
    g_test_add_func("/share/start-fails", test_start_fails);
    g_test_add_func("/share/private-filter", test_private_filter);
    g_test_add_func("/share/trouble-of-one", test_trouble_of_one);
    g_test_add_func("/share/lost", test_lost);
    g_test_add_func("/share/change-model", test_change_model);
    return fixture_run();
}
