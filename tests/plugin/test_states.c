// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Start, stop, errors on the bus, lost devices, and a model exchanged while frames run.
#include "fixture.h"

#include "meta/frame_meta.h"

static const FakeScript fast = {.n_objects = 0};

static GstElement *element_on_bus(GstBus *bus)
{
    GstElement *element = gst_object_ref_sink(gst_element_factory_make("effdet", NULL));

    gst_element_set_bus(element, bus);
    return element;
}

static void drop_element(GstElement *element)
{
    gst_element_set_state(element, GST_STATE_NULL);
    gst_element_set_bus(element, NULL);
    gst_object_unref(element);
}

// Every kind of failure: one error, the engine's own words, a domain that fits, and a next try that
// works.
static void test_start_errors(void)
{
    static const struct {
        EffdetErrorCode code;
        const gchar *domain;
        gint bus_code;
    } cases[] = {
        {EFFDET_ERROR_NOT_FOUND, "gst-resource-error-quark", GST_RESOURCE_ERROR_NOT_FOUND},
        {EFFDET_ERROR_NO_VULKAN, "gst-resource-error-quark", GST_RESOURCE_ERROR_NOT_FOUND},
        {EFFDET_ERROR_BAD_FILE, "gst-resource-error-quark", GST_RESOURCE_ERROR_READ},
        {EFFDET_ERROR_UNSUPPORTED, "gst-library-error-quark", GST_LIBRARY_ERROR_SETTINGS},
        {EFFDET_ERROR_BAD_VALUE, "gst-library-error-quark", GST_LIBRARY_ERROR_SETTINGS},
        {EFFDET_ERROR_OUT_OF_MEMORY, "gst-resource-error-quark", GST_RESOURCE_ERROR_NO_SPACE_LEFT},
        {EFFDET_ERROR_DEVICE_LOST, "gst-resource-error-quark", GST_RESOURCE_ERROR_FAILED},
        {EFFDET_ERROR_FAILED, "gst-library-error-quark", GST_LIBRARY_ERROR_INIT},
    };
    g_autoptr(GstBus) bus = gst_bus_new();
    GstElement *element = element_on_bus(bus);

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        fake_script(&(FakeScript){
            .new_error = "weights of d1 were wanted, none found: run `effdet fetch d1`",
            .new_code = cases[i].code});
        g_assert_cmpint(gst_element_set_state(element, GST_STATE_PAUSED), ==,
                        GST_STATE_CHANGE_FAILURE);
        g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_ERROR, &error), ==, 1);
        g_assert_cmpstr(g_quark_to_string(error->domain), ==, cases[i].domain);
        g_assert_cmpint(error->code, ==, cases[i].bus_code);
        g_assert_cmpstr(error->message, ==,
                        "weights of d1 were wanted, none found: run `effdet fetch d1`");
        gst_element_set_state(element, GST_STATE_NULL);
        fake_script(&fast);
        g_assert_cmpint(gst_element_set_state(element, GST_STATE_PAUSED), ==,
                        GST_STATE_CHANGE_SUCCESS);
        gst_element_set_state(element, GST_STATE_NULL);
        gst_bus_set_flushing(bus, TRUE);
        gst_bus_set_flushing(bus, FALSE);
    }
    drop_element(element);
}

static void test_unknown_class_at_start(void)
{
    g_autoptr(GstBus) bus = gst_bus_new();
    g_autoptr(GError) error = NULL;
    GstElement *element = element_on_bus(bus);

    fake_script(&fast);
    g_object_set(element, "classes", "unicorn", NULL);
    g_assert_cmpint(gst_element_set_state(element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
    g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_ERROR, &error), ==, 1);
    g_assert_error(error, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS);
    g_assert_cmpuint(fake_log().n_alive, ==, 0);
    drop_element(element);
}

static void test_progress(void)
{
    g_autoptr(GstBus) bus = gst_bus_new();
    GstElement *element = element_on_bus(bus);
    GstProgressType types[2];

    fake_script(&fast);
    g_assert_cmpint(gst_element_set_state(element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_SUCCESS);
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GstMessage) message = gst_bus_pop_filtered(bus, GST_MESSAGE_PROGRESS);

        g_assert_nonnull(message);
        gst_message_parse_progress(message, &types[i], NULL, NULL);
    }
    g_assert_cmpint(types[0], ==, GST_PROGRESS_TYPE_START);
    g_assert_cmpint(types[1], ==, GST_PROGRESS_TYPE_COMPLETE);
    drop_element(element);
}

typedef struct {
    GstElement *element;
    gint stop;
} Reader;

static gpointer read_stats(gpointer data)
{
    Reader *reader = data;

    while (!g_atomic_int_get(&reader->stop)) {
        g_autoptr(GstStructure) stats = NULL;

        g_object_get(reader->element, "stats", &stats, NULL);
        g_object_set(reader->element, "score-threshold", g_random_double(), NULL);
    }
    return NULL;
}

// Fifty lives of a pipeline that pushes as fast as it can: frames are in flight at every stop, and
// an application reads and sets properties all the time.
static void test_cycles(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GstElement) pipeline = NULL;
    g_autoptr(GstBus) bus = NULL;
    Reader reader = {0};
    GThread *thread;

    fake_script(&(FakeScript){.completion_us = 1000});
    pipeline = gst_parse_launch("videotestsrc ! video/x-raw,format=NV12,width=64,height=48 ! "
                                "effdet name=detector queue-depth=4 ! fakesink async=false",
                                &error);
    g_assert_no_error(error);
    bus = gst_element_get_bus(pipeline);
    reader.element = gst_bin_get_by_name(GST_BIN(pipeline), "detector");
    thread = g_thread_new("stats", read_stats, &reader);
    for (guint i = 0; i < 50; i++) {
        g_assert_cmpint(gst_element_set_state(pipeline, GST_STATE_PLAYING), !=,
                        GST_STATE_CHANGE_FAILURE);
        g_usleep(i % 5 * 2000);
        g_assert_cmpint(gst_element_set_state(pipeline, GST_STATE_NULL), ==,
                        GST_STATE_CHANGE_SUCCESS);
        g_assert_cmpuint(fake_log().n_alive, ==, 0);
    }
    g_atomic_int_set(&reader.stop, 1);
    g_thread_join(thread);
    gst_object_unref(reader.element);
    g_assert_cmpuint(fake_log().n_new, ==, 50);
    g_assert_cmpuint(fake_log().n_submitted, >, 50);
    g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_ERROR, NULL), ==, 0);
}

static void push_until_error(GstHarness *h)
{
    GstFlowReturn flow = GST_FLOW_OK;

    for (guint i = 0; i < 1000 && flow == GST_FLOW_OK; i++) {
        flow = fixture_push(h, i);
        g_usleep(500);
    }
    g_assert_cmpint(flow, ==, GST_FLOW_ERROR);
}

static void test_device_lost(gconstpointer at_submit)
{
    g_autoptr(GstBus) bus = gst_bus_new();
    g_autoptr(GError) error = NULL;
    GstHarness *h;

    fake_script(&(FakeScript){.fail_submit_at = at_submit != NULL ? 4 : 0,
                              .fail_collect_at = at_submit != NULL ? 0 : 4});
    h = fixture_harness(FALSE, NULL);
    gst_element_set_bus(h->element, bus);
    push_until_error(h);
    g_usleep(20000);
    g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_ERROR, &error), ==, 1);
    g_assert_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED);
    gst_element_set_state(h->element, GST_STATE_NULL); // a new start finds a new device
    fake_script(&fast);
    g_assert_cmpint(gst_element_set_state(h->element, GST_STATE_PLAYING), ==,
                    GST_STATE_CHANGE_SUCCESS);
    gst_element_set_bus(h->element, NULL);
    gst_harness_teardown(h);
}

static guint n_inferred(GstHarness *h, guint n)
{
    guint inferred = 0;

    for (guint i = 0; i < n; i++) {
        GstBuffer *buffer = gst_harness_pull(h);

        g_assert_cmpuint(GST_BUFFER_PTS(buffer), ==, i * FRAME_TIME);
        inferred += effdet_frame_meta_get(buffer)->inferred ? 1 : 0;
        gst_buffer_unref(buffer);
    }
    return inferred;
}

// Video passes, no frame is lost, and the detector comes back.
static void test_device_recovered(gconstpointer at_submit)
{
    g_autoptr(GstBus) bus = gst_bus_new();
    GstHarness *h;

    fake_script(&(FakeScript){.fail_submit_at = at_submit != NULL ? 4 : 0,
                              .fail_collect_at = at_submit != NULL ? 0 : 4,
                              .completion_us = 500});
    h = fixture_harness(FALSE, "on-device-lost", 1, NULL);
    gst_element_set_bus(h->element, bus);
    for (guint i = 0; i < 200; i++) {
        g_assert_cmpint(fixture_push(h, i), ==, GST_FLOW_OK);
        g_usleep(500);
    }
    g_assert_cmpuint(n_inferred(h, 200), >, 100);
    g_assert_cmpuint(fake_log().n_new, ==, 2);
    g_assert_cmpuint(fake_log().n_alive, ==, 1);
    g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_WARNING, NULL), ==, 1);
    g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_ERROR, NULL), ==, 0);
    gst_element_set_bus(h->element, NULL);
    gst_harness_teardown(h);
}

// What fails again before it gave a result will not do better the third time.
static void test_lost_twice(void)
{
    g_autoptr(GstBus) bus = gst_bus_new();
    GstFlowReturn flow = GST_FLOW_OK;
    GstHarness *h;

    fake_script(&(FakeScript){.fail_submit_at = 4, .fail_collect_at = 4, .completion_us = 100});
    h = fixture_harness(FALSE, "on-device-lost", 1, NULL);
    gst_element_set_bus(h->element, bus);
    for (guint i = 0; i < 200 && flow == GST_FLOW_OK; i++) {
        flow = fixture_push(h, i);
        g_usleep(5000);
    }
    g_assert_cmpint(flow, ==, GST_FLOW_ERROR);
    fixture_wait_until(fixture_messages(bus, GST_MESSAGE_ERROR, NULL) == 1);
    g_assert_cmpuint(fake_log().n_new, ==, 2);
    gst_element_set_bus(h->element, NULL);
    gst_harness_teardown(h);
}

static void test_no_recovery(void)
{
    g_autoptr(GstBus) bus = gst_bus_new();
    GstHarness *h;
    guint n = 0;

    fake_script(&fast);
    h = fixture_harness(FALSE, "on-device-lost", 1, NULL);
    gst_element_set_bus(h->element, bus);
    fake_script(&(FakeScript){
        .fail_collect_at = 1, .new_error = "no device", .new_code = EFFDET_ERROR_NO_VULKAN});
    push_until_error(h);
    fixture_wait_until((n += fixture_messages(bus, GST_MESSAGE_ERROR, NULL)) > 0);
    g_assert_cmpuint(n, ==, 1);
    gst_element_set_bus(h->element, NULL);
    gst_harness_teardown(h);
}

static gboolean model_is(GstHarness *h, const gchar *name)
{
    g_autofree gchar *model = NULL;

    g_object_get(h->element, "model", &model, NULL);
    return g_strcmp0(model, name) == 0;
}

// Of the messages that came since the last call; each loading starts and comes to an end.
static GstProgressType last_progress(GstBus *bus)
{
    static GstProgressType last = GST_PROGRESS_TYPE_COMPLETE;
    GstMessage *message;

    while ((message = gst_bus_pop_filtered(bus, GST_MESSAGE_PROGRESS)) != NULL) {
        GstProgressType type;

        gst_message_parse_progress(message, &type, NULL, NULL);
        g_assert_true((type == GST_PROGRESS_TYPE_START) == (last != GST_PROGRESS_TYPE_START));
        last = type;
        gst_message_unref(message);
    }
    return last;
}

// The new model takes over between two frames: in `block` each frame is inferred, by one of the
// two.
static void test_model_exchanged(void)
{
    g_autoptr(GstBus) bus = gst_bus_new();
    g_autoptr(GError) error = NULL;
    GstHarness *h;

    fake_script(&(FakeScript){.completion_us = 500, .new_us = 10000});
    h = fixture_harness(FALSE, NULL);
    gst_element_set_bus(h->element, bus);
    g_assert_cmpstr(fake_log().model, ==, "person");
    for (guint i = 0; i < 100; i++) {
        if (i == 10) {
            g_object_set(h->element, "model", "d0", NULL);
        }
        g_assert_cmpint(fixture_push(h, i), ==, GST_FLOW_OK);
    }
    fixture_wait_until(fake_log().n_new == 2 && fake_log().n_alive == 1);
    g_assert_cmpstr(fake_log().model, ==, "d0");
    g_assert_cmpuint(n_inferred(h, 100), ==, 100);

    fake_script(&(FakeScript){.new_error = "no such model", .new_code = EFFDET_ERROR_NOT_FOUND});
    g_object_set(h->element, "model", "d99", NULL);
    fixture_wait_until(fixture_messages(bus, GST_MESSAGE_WARNING, &error) > 0);
    g_assert_cmpint(fixture_push(h, 0), ==, GST_FLOW_OK);
    g_assert_cmpuint(n_inferred(h, 1), ==, 1);
    g_assert_cmpuint(fake_log().n_alive, ==, 1);
    fixture_wait_until(model_is(h, "d0")); // the one in force
    gst_bus_set_flushing(bus, TRUE);
    gst_bus_set_flushing(bus, FALSE);

    // the same again is no change; of several in a row the last one counts
    fake_script(&(FakeScript){.new_us = 20000, .completion_us = 500});
    g_object_set(h->element, "model", "d0", NULL);
    g_usleep(50000);
    g_assert_cmpuint(fake_log().n_new, ==, 0);
    for (guint i = 1; i < 6; i++) {
        g_autofree gchar *name = g_strdup_printf("d%u", i);

        g_object_set(h->element, "model", name, NULL);
    }
    fixture_wait_until(g_str_equal(fake_log().model, "d5") && fake_log().n_alive == 1);
    g_assert_true(model_is(h, "d5"));
    fixture_wait_until(last_progress(bus) == GST_PROGRESS_TYPE_COMPLETE);
    gst_element_set_bus(h->element, NULL);
    gst_harness_teardown(h);
}

static void test_stop_while_loading(void)
{
    GstHarness *h;

    fake_script(&(FakeScript){.new_us = 30000, .completion_us = 500});
    h = fixture_harness(FALSE, NULL);
    g_object_set(h->element, "model", "d0", NULL);
    g_assert_cmpint(fixture_push(h, 0), ==, GST_FLOW_OK);
    gst_harness_teardown(h);
    g_assert_cmpuint(fake_log().n_alive, ==, 0);
}

static void test_stats_messages(void)
{
    g_autoptr(GstBus) bus = gst_bus_new();
    GstHarness *h;
    GstMessage *message = NULL;

    fake_script(&fast);
    h = fixture_harness(FALSE, "stats-interval", 1, NULL);
    gst_element_set_bus(h->element, bus);
    for (guint i = 0; i < 300 && message == NULL; i++) {
        fixture_push(h, i);
        g_usleep(5000);
        message = gst_bus_pop_filtered(bus, GST_MESSAGE_ELEMENT);
    }
    g_assert_nonnull(message);
    g_assert_true(gst_message_has_name(message, "effdet-stats"));
    gst_message_unref(message);
    gst_element_set_bus(h->element, NULL);
    gst_harness_teardown(h);
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_test_add_func("/plugin/states/errors", test_start_errors);
    g_test_add_func("/plugin/states/unknown-class", test_unknown_class_at_start);
    g_test_add_func("/plugin/states/progress", test_progress);
    g_test_add_func("/plugin/states/cycles", test_cycles);
    g_test_add_data_func("/plugin/states/lost/collect", NULL, test_device_lost);
    g_test_add_data_func("/plugin/states/lost/submit", "submit", test_device_lost);
    g_test_add_data_func("/plugin/states/recovered/collect", NULL, test_device_recovered);
    g_test_add_data_func("/plugin/states/recovered/submit", "submit", test_device_recovered);
    g_test_add_func("/plugin/states/lost-twice", test_lost_twice);
    g_test_add_func("/plugin/states/no-recovery", test_no_recovery);
    g_test_add_func("/plugin/states/model", test_model_exchanged);
    g_test_add_func("/plugin/states/stop-while-loading", test_stop_while_loading);
    g_test_add_func("/plugin/states/stats-messages", test_stats_messages);
    return fixture_run();
}
