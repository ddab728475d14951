// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The plugin with the real engine on a device in trouble: one error on the bus that says what is
// wrong, or one warning and video that flows on; every buffer comes out, in order.
#include "watch.h"

#include "meta/frame_meta.h"

#include <gst/check/gstharness.h>
#include <gst/video/video.h>
#include <string.h>
#include <vulkan/vulkan.h>

#define FRAME_TIME (40 * GST_MSECOND)
#define FRAME_CAPS "video/x-raw,format=NV12,width=64,height=48,framerate=25/1"
#define LARGE 48 // times larger: memory for it is allocated, and it is recorded anew
#define LARGE_CAPS "video/x-raw,format=NV12,width=3072,height=2304,framerate=25/1"

// ---- start

static void cure_faults(void)
{
    fault->set(NULL);
}

static void test_start_memory(void)
{
    const gchar *const parts[] = {"vkCreateCommandPool", "VK_ERROR_OUT_OF_DEVICE_MEMORY",
                                  "smaller model", NULL};

    fault->set("vkCreateCommandPool:1:VK_ERROR_OUT_OF_DEVICE_MEMORY");
    watch_start_fails(GST_RESOURCE_ERROR_NO_SPACE_LEFT, parts, cure_faults);
}

// ---- frames

// NV12, scale * 64 pixels wide.
static GstBuffer *new_scaled(guint n, guint scale)
{
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, scale * scale * 64 * 48 * 3 / 2, NULL);

    gst_buffer_memset(buffer, 0, (guint8)n, gst_buffer_get_size(buffer));
    GST_BUFFER_PTS(buffer) = n * FRAME_TIME;
    GST_BUFFER_DURATION(buffer) = FRAME_TIME;
    return buffer;
}

static GstBuffer *new_frame(guint n)
{
    return new_scaled(n, 1);
}

static GstHarness *play(Watch *watch)
{
    GstHarness *h = gst_harness_new_with_element(watch->element, "sink", "src");

    gst_harness_set_live(h, FALSE);
    gst_harness_set_src_caps_str(h, FRAME_CAPS);
    return h;
}

// What came out, which must be frames 0, 1, 2, ... Returns how many; *inferred: the last of them
// that was looked at, or -1.
static guint take_all(GstHarness *h, guint first, gint *inferred)
{
    GstBuffer *buffer;
    guint n = first;

    while ((buffer = gst_harness_try_pull(h)) != NULL) {
        EffdetFrameMeta *meta = effdet_frame_meta_get(buffer);

        g_assert_cmpuint(GST_BUFFER_PTS(buffer), ==, n * FRAME_TIME);
        if (meta != NULL && meta->inferred) {
            *inferred = (gint)n;
        }
        gst_buffer_unref(buffer);
        n++;
    }
    return n;
}

// Pushes until the element has had enough, then sees the one error; what was pushed came out in
// order.
static void check_error(gint code, const gchar *const *parts)
{
    Watch watch;
    GstHarness *h;
    GstFlowReturn flow = GST_FLOW_OK;
    gint inferred = -1;
    guint n;

    watch_init(&watch, FALSE);
    h = play(&watch);
    for (n = 0; n < 1000 && flow == GST_FLOW_OK; n++) {
        flow = gst_harness_push(h, new_frame(n));
        g_usleep(500);
    }
    g_assert_cmpint(flow, ==, GST_FLOW_ERROR);
    g_usleep(20000);
    watch_read(&watch);
    g_assert_cmpuint(watch.n_errors, ==, 1);
    g_assert_cmpuint(watch.n_warnings, ==, 0);
    watch_says(&watch, code, parts);
    g_assert_cmpuint(take_all(h, 0, &inferred), <=, n);
    fault->set(NULL);
    fault->hang(false);
    gst_harness_teardown(h);
    watch_finish(&watch);
}

// Video passes; not a buffer is missing or moved, and frames are looked at again.
static void check_recovery(void)
{
    Watch watch;
    GstHarness *h;
    gint inferred = -1, lost_at = -1;
    guint pushed = 0, out = 0;
    gint64 end_us = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;

    watch_init(&watch, TRUE);
    h = play(&watch);
    while ((lost_at < 0 || inferred <= lost_at + 5) && g_get_monotonic_time() < end_us) {
        g_assert_cmpint(gst_harness_push(h, new_frame(pushed++)), ==, GST_FLOW_OK);
        g_usleep(1000);
        out = take_all(h, out, &inferred);
        watch_read(&watch);
        if (lost_at < 0 && watch.n_warnings > 0) {
            lost_at = (gint)pushed;
            fault->hang(false);
        }
    }
    g_assert_cmpint(lost_at, >=, 0);
    g_assert_cmpint(inferred, >, lost_at);
    gst_harness_push_event(h, gst_event_new_eos());
    while (out < pushed && g_get_monotonic_time() < end_us) {
        g_usleep(1000);
        out = take_all(h, out, &inferred);
    }
    g_assert_cmpuint(out, ==, pushed);
    watch_read(&watch);
    g_assert_cmpuint(watch.n_errors, ==, 0);
    g_assert_cmpuint(watch.n_warnings, ==, 1);
    gst_harness_teardown(h);
    watch_finish(&watch);
}

// Calls that a start makes, so that a rule can name one after it.
static guint calls_of_start(const gchar *call)
{
    Watch watch;
    guint n;

    fault->set(NULL);
    fault->reset_counts();
    watch_init(&watch, FALSE);
    g_assert_cmpint(gst_element_set_state(watch.element, GST_STATE_PAUSED), ==,
                    GST_STATE_CHANGE_SUCCESS);
    n = fault->count(call);
    watch_finish(&watch);
    return n;
}

static void set_after_start(const gchar *call, const gchar *result)
{
    g_autofree gchar *rule = g_strdup_printf("%s:%u:%s", call, calls_of_start(call) + 3, result);

    g_assert_true(fault->set(rule));
}

static void test_lost(gconstpointer call)
{
    const gchar *const parts[] = {call, "VK_ERROR_DEVICE_LOST", NULL};

    set_after_start(call, "VK_ERROR_DEVICE_LOST");
    check_error(GST_RESOURCE_ERROR_FAILED, parts);
}

static void test_lost_recovered(gconstpointer call)
{
    set_after_start(call, "lose");
    check_recovery();
    g_assert_cmpuint(fault->injected(), ==, 1);
}

static void test_submit_memory(void)
{
    const gchar *const parts[] = {"vkQueueSubmit", "VK_ERROR_OUT_OF_DEVICE_MEMORY", NULL};

    set_after_start("vkQueueSubmit", "VK_ERROR_OUT_OF_DEVICE_MEMORY");
    check_error(GST_RESOURCE_ERROR_NO_SPACE_LEFT, parts);
}

static void test_submit_memory_recovered(void)
{
    set_after_start("vkQueueSubmit", "VK_ERROR_OUT_OF_DEVICE_MEMORY");
    check_recovery();
    g_assert_cmpuint(fault->injected(), ==, 1);
}

static void test_hung(gconstpointer recover)
{
    const gchar *const parts[] = {"did not finish a frame within 200 ms", "GPU timeout", NULL};
    Watch watch;
    GstHarness *h;
    gint64 start_us;
    gint inferred = -1;
    guint pushed = 0, out = 0;

    fault->set(NULL);
    watch_init(&watch, recover != NULL);
    g_object_set(watch.element, "gpu-timeout", 200, "overload", 1 /* skip */, NULL);
    h = play(&watch);
    g_assert_cmpint(gst_harness_push(h, new_frame(pushed++)), ==, GST_FLOW_OK);
    fault->hang(true);
    start_us = g_get_monotonic_time();
    while (watch.n_errors + watch.n_warnings == 0 &&
           g_get_monotonic_time() - start_us < 3 * G_USEC_PER_SEC) {
        if (gst_harness_push(h, new_frame(pushed)) == GST_FLOW_OK) {
            pushed++;
        }
        g_usleep(10000);
        watch_read(&watch);
    }
    g_test_message("after %.0f ms", (double)(g_get_monotonic_time() - start_us) / 1000);
    g_assert_cmpint(g_get_monotonic_time() - start_us, <, G_USEC_PER_SEC);
    watch_says(&watch, GST_RESOURCE_ERROR_FAILED, parts);
    g_assert_cmpuint(recover != NULL ? watch.n_warnings : watch.n_errors, ==, 1);
    if (recover != NULL) {
        gint lost_at = (gint)pushed;

        fault->hang(false);
        for (guint i = 0; i < 3000 && inferred <= lost_at; i++) {
            g_assert_cmpint(gst_harness_push(h, new_frame(pushed++)), ==, GST_FLOW_OK);
            g_usleep(2000);
            out = take_all(h, out, &inferred);
        }
        g_assert_cmpint(inferred, >, lost_at);
        watch_read(&watch);
        g_assert_cmpuint(watch.n_errors, ==, 0);
    }
    start_us = g_get_monotonic_time();
    g_assert_cmpint(gst_element_set_state(watch.element, GST_STATE_NULL), ==,
                    GST_STATE_CHANGE_SUCCESS);
    g_assert_cmpint(g_get_monotonic_time() - start_us, <, 5 * G_USEC_PER_SEC);
    fault->hang(false);
    gst_harness_teardown(h);
    watch_finish(&watch);
}

// Where the engine has a way around, or does without.
static gboolean has_fallback(const gchar *call)
{
    static const gchar *const calls[] = {"vkAllocateMemory", "vkMapMemory", "vkGetQueryPoolResults",
                                         NULL};

    return g_strv_contains(calls, call);
}

// The call fails once among frames that outgrow what was prepared: one warning; what came out is in
// order.
static void check_call(const gchar *call, gint result)
{
    g_autofree gchar *rule = g_strdup_printf("%s:1:%d", call, result);
    gint inferred = -1;
    guint n = 0;
    Watch watch;
    GstHarness *h;

    fault->set(NULL);
    watch_init(&watch, TRUE);
    h = play(&watch);
    for (; n < 3; n++) {
        g_assert_cmpint(gst_harness_push(h, new_frame(n)), ==, GST_FLOW_OK);
    }
    fault->set(rule);
    gst_harness_set_src_caps_str(h, LARGE_CAPS);
    for (GstFlowReturn flow = GST_FLOW_OK; n < 8 && flow == GST_FLOW_OK; n++) {
        flow = gst_harness_push(h, new_scaled(n, LARGE));
    }
    for (guint i = 0; i < 100 && watch.n_errors + watch.n_warnings == 0; i++) {
        g_usleep(i < 10 || fault->injected() > 0 ? 1000 : 0);
        watch_read(&watch);
    }
    g_assert_cmpuint(take_all(h, 0, &inferred), <=, n);
    g_assert_cmpuint(watch.n_errors + watch.n_warnings, <=, fault->injected());
    if (fault->injected() > 0 && !has_fallback(call)) {
        g_assert_cmpuint(watch.n_warnings, ==, 1);
        g_assert_cmpuint(watch.n_errors, ==, 0);
        g_assert_nonnull(strstr(watch.last->message, call));
    }
    if (fault->injected() > 0) {
        g_test_message("%s was met", rule);
    }
    fault->set(NULL);
    gst_harness_teardown(h);
    watch_finish(&watch);
}

static void test_each_call(void)
{
    static const gint results[] = {VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_OUT_OF_DEVICE_MEMORY,
                                   VK_ERROR_DEVICE_LOST};

    for (guint i = 0; fault->call_name(i) != NULL; i++) {
        for (guint r = 0; r < G_N_ELEMENTS(results); r++) {
            if (fault->may_return(fault->call_name(i), results[r])) {
                check_call(fault->call_name(i), results[r]);
            }
        }
    }
}

int main(int argc, char **argv)
{
    watch_start(&argc, &argv);
    g_test_add_func("/fault/element/start-memory", test_start_memory);
    g_test_add_data_func("/fault/element/lost/submit", "vkQueueSubmit", test_lost);
    g_test_add_data_func("/fault/element/lost/wait", "vkWaitForFences", test_lost);
    g_test_add_data_func("/fault/element/recovered/submit", "vkQueueSubmit", test_lost_recovered);
    g_test_add_data_func("/fault/element/recovered/wait", "vkWaitForFences", test_lost_recovered);
    g_test_add_func("/fault/element/submit-memory", test_submit_memory);
    g_test_add_func("/fault/element/recovered/memory", test_submit_memory_recovered);
    g_test_add_data_func("/fault/element/hung", NULL, test_hung);
    g_test_add_data_func("/fault/element/hung-recovered", "recover", test_hung);
    g_test_add_func("/fault/element/each-call", test_each_call);
    return watch_run();
}
