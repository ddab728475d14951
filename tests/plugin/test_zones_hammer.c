// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// effdetzones while other threads change and read everything they may, and a handler on the bus
// does so from inside a message.
#include "fixture.h"

#include "zones/gsteffdetzones.h"

#define SECONDS 1

static const gchar *const configs[] = {
    "{\"zones\": [{\"name\": \"a\", \"polygon\": [[0, 0], [1, 0], [1, 1], [0, 1]]}]}",
    "{\"zones\": [{\"name\": \"b\", \"polygon\": [[0, 0], [1, 0], [1, 1]]}, {\"name\": \"a\", "
    "\"polygon\": [[0, 0], [0.5, 0], [0, 1]]}], \"lines\": [{\"name\": \"l\", \"from\": [0.5, 0], "
    "\"to\": [0.5, 1]}]}",
    "{\"zones\": 7}",
    "",
};

static gint ended; // atomic

static gpointer change(gpointer data)
{
    for (guint i = 0; !g_atomic_int_get(&ended); i++) {
        g_autoptr(GstStructure) counts = NULL;
        g_autofree gchar *text = NULL;

        g_object_set(data, "zones", configs[i % G_N_ELEMENTS(configs)], "debounce", i % 2, NULL);
        g_object_get(data, "counts", &counts, "zones", &text, NULL);
        g_assert_nonnull(counts);
        g_assert_cmpstr(text, !=, configs[2]);
    }
    return NULL;
}

static GstBusSyncReply from_inside(GstBus *bus, GstMessage *message, gpointer data)
{
    g_autoptr(GstStructure) counts = NULL;

    g_object_get(data, "counts", &counts, NULL);
    g_object_set(data, "lost-time", 40, NULL);
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ELEMENT) {
        g_object_set(data, "zones", configs[1], NULL);
        g_atomic_int_inc((gint *)g_object_get_data(data, "events"));
    }
    gst_message_unref(message);
    return GST_BUS_DROP;
}

static void test_hammer(void)
{
    GstElement *element = gst_object_ref_sink(gst_element_factory_make("effdetzones", NULL));
    GstHarness *h = gst_harness_new_with_element(element, "sink", "src");
    g_autoptr(GstBus) bus = gst_bus_new();
    gint64 end = g_get_monotonic_time() + SECONDS * G_USEC_PER_SEC;
    gint n_events = 0;
    GThread *threads[2];
    GstSegment segment;

    gst_segment_init(&segment, GST_FORMAT_TIME);
    g_object_set_data(G_OBJECT(element), "events", &n_events);
    gst_bus_set_sync_handler(bus, from_inside, element, NULL);
    gst_element_set_bus(element, bus);
    gst_harness_set_src_caps_str(h, FRAME_CAPS);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++) {
        threads[i] = g_thread_new("change", change, element);
    }
    for (guint i = 0; g_get_monotonic_time() < end; i++) {
        GstBuffer *buffer = fixture_frame(i);

        for (guint k = 0; k < 8; k++) {
            GstVideoRegionOfInterestMeta *roi = gst_buffer_add_video_region_of_interest_meta(
                buffer, "person", (i * (k + 1)) % FRAME_WIDTH, k * 4, 4, 4);
            gst_video_region_of_interest_meta_add_param(
                roi, gst_structure_new("object_id", "id", G_TYPE_INT, k + 1 + i / 50, NULL));
        }
        gst_buffer_unref(gst_harness_push_and_pull(h, buffer));
        if (i % 100 == 99) {
            gst_harness_push_event(h, gst_event_new_flush_start());
            gst_harness_push_event(h, gst_event_new_flush_stop(FALSE));
            gst_harness_push_event(h, gst_event_new_segment(&segment));
        }
    }
    g_atomic_int_set(&ended, 1);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_thread_join(threads[i]);
    }
    g_assert_cmpint(n_events, >, 0);
    gst_element_set_bus(element, NULL);
    gst_object_unref(element);
    gst_harness_teardown(h);
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_assert_true(GST_ELEMENT_REGISTER(effdetzones, NULL));
    g_test_add_func("/plugin/zones/hammer", test_hammer);
    return fixture_run();
}
