// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Shared parts of the plugin's tests on the fault layer. No test is in here.
#include "watch.h"

#include "detector/gsteffdet.h"

#include <string.h>

const struct fault_interface *fault;

void watch_start(int *argc, char ***argv)
{
    g_test_init(argc, argv, NULL);
    gst_init(argc, argv);
    fault = fault_interface();
    g_assert_nonnull(fault);
    fault->fake(1000);
    g_assert_true(GST_ELEMENT_REGISTER(effdet, NULL));
}

int watch_run(void)
{
    int status = g_test_run();

    gst_deinit();
    return status;
}

void watch_init(Watch *watch, gboolean recover)
{
    *watch = (Watch){.bus = gst_bus_new(),
                     .element = gst_object_ref_sink(gst_element_factory_make("effdet", NULL))};
    gst_element_set_bus(watch->element, watch->bus);
    g_object_set(watch->element, "on-device-lost", recover, NULL);
}

void watch_read(Watch *watch)
{
    GstMessage *message;

    while ((message = gst_bus_pop_filtered(watch->bus, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING))) {
        g_clear_error(&watch->last);
        if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
            gst_message_parse_error(message, &watch->last, NULL);
            watch->n_errors++;
        } else {
            gst_message_parse_warning(message, &watch->last, NULL);
            watch->n_warnings++;
        }
        g_test_message("%s", watch->last->message);
        g_assert_null(strchr(watch->last->message, '\n'));
        gst_message_unref(message);
    }
}

void watch_finish(Watch *watch)
{
    g_assert_cmpint(gst_element_set_state(watch->element, GST_STATE_NULL), ==,
                    GST_STATE_CHANGE_SUCCESS);
    gst_bus_set_flushing(watch->bus, TRUE);
    gst_element_set_bus(watch->element, NULL);
    gst_object_unref(watch->element);
    gst_object_unref(watch->bus);
    g_clear_error(&watch->last);
}

void watch_says(const Watch *watch, gint code, const gchar *const *parts)
{
    g_assert_error(watch->last, GST_RESOURCE_ERROR, code);
    for (; *parts != NULL; parts++) {
        if (strstr(watch->last->message, *parts) == NULL) {
            g_error("\"%s\" does not say \"%s\"", watch->last->message, *parts);
        }
    }
}

void watch_start_fails(gint code, const gchar *const *parts, void (*cure)(void))
{
    Watch watch;

    watch_init(&watch, FALSE);
    g_assert_cmpint(gst_element_set_state(watch.element, GST_STATE_PAUSED), ==,
                    GST_STATE_CHANGE_FAILURE);
    watch_read(&watch);
    g_assert_cmpuint(watch.n_errors, ==, 1);
    g_assert_cmpuint(watch.n_warnings, ==, 0);
    watch_says(&watch, code, parts);
    g_assert_cmpint(gst_element_set_state(watch.element, GST_STATE_NULL), ==,
                    GST_STATE_CHANGE_SUCCESS);
    cure();
    g_assert_cmpint(gst_element_set_state(watch.element, GST_STATE_PAUSED), ==,
                    GST_STATE_CHANGE_SUCCESS);
    watch_finish(&watch);
}
