// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Shared parts of the element's tests. No test is in here.
#include "fixture.h"

#include "detector/gsteffdet.h"

void fixture_init(int *argc, char ***argv)
{
    g_test_init(argc, argv, NULL);
    gst_init(argc, argv);
    g_assert_true(GST_ELEMENT_REGISTER(effdet, NULL));
}

int fixture_run(void)
{
    int status = g_test_run();

    g_assert_cmpuint(fake_log().n_alive, ==, 0);
    gst_deinit();
    return status;
}

GstHarness *fixture_harness(gboolean live, ...)
{
    GstElement *element = gst_element_factory_make("effdet", NULL);
    const gchar *first_property;
    GstHarness *h;
    va_list args;

    g_assert_nonnull(element);
    va_start(args, live);
    first_property = va_arg(args, const gchar *);
    if (first_property != NULL) {
        g_object_set_valist(G_OBJECT(element), first_property, args);
    }
    va_end(args);
    gst_object_ref_sink(element);
    h = gst_harness_new_with_element(element, "sink", "src");
    gst_harness_set_live(h, live);
    gst_object_unref(element);
    gst_harness_set_src_caps_str(h, FRAME_CAPS);
    return h;
}

GstBuffer *fixture_frame(guint n)
{
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, FRAME_WIDTH * FRAME_HEIGHT * 3 / 2, NULL);

    gst_buffer_memset(buffer, 0, (guint8)n, gst_buffer_get_size(buffer));
    GST_BUFFER_PTS(buffer) = n * FRAME_TIME;
    GST_BUFFER_DURATION(buffer) = FRAME_TIME;
    GST_BUFFER_OFFSET(buffer) = n;
    return buffer;
}

GstFlowReturn fixture_push(GstHarness *h, guint n)
{
    return gst_harness_push(h, fixture_frame(n));
}

guint64 fixture_stat(GstHarness *h, const gchar *name)
{
    g_autoptr(GstStructure) stats = NULL;
    guint64 value;

    g_object_get(h->element, "stats", &stats, NULL);
    g_assert_true(gst_structure_get_uint64(stats, name, &value));
    return value;
}

guint fixture_messages(GstBus *bus, GstMessageType types, GError **error)
{
    GstMessage *message;
    guint n = 0;

    while ((message = gst_bus_pop_filtered(bus, types)) != NULL) {
        if (error != NULL) {
            g_clear_error(error);
            if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
                gst_message_parse_error(message, error, NULL);
            } else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING) {
                gst_message_parse_warning(message, error, NULL);
            }
        }
        gst_message_unref(message);
        n++;
    }
    return n;
}
