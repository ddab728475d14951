// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Shared parts of the tests of effdetpublish. No test is in here.
#include "publish_video.h"

#include <glib/gstdio.h>
#include <string.h>

#include "meta/frame_meta.h"
#include "publish/gsteffdetpublish.h"

GstHarness *publish_harness(const gchar *location, ...)
{
    GstElement *element = gst_object_ref_sink(
        gst_element_factory_make_full("effdetpublish", "location", location, NULL));
    g_autoptr(GstBus) bus = gst_bus_new();
    const gchar *first_property;
    GstHarness *h;
    va_list args;

    va_start(args, location);
    first_property = va_arg(args, const gchar *);
    if (first_property != NULL) {
        g_object_set_valist(G_OBJECT(element), first_property, args);
    }
    va_end(args);
    gst_element_set_bus(element, bus);
    h = gst_harness_new_with_element(element, "sink", "src");
    gst_object_unref(element);
    gst_harness_set_src_caps_str(h, FRAME_CAPS);
    return h;
}

gint64 publish_stop(GstHarness *h)
{
    gint64 begin = g_get_monotonic_time(), time;

    gst_element_set_state(h->element, GST_STATE_NULL);
    time = g_get_monotonic_time() - begin;
    gst_element_set_bus(h->element, NULL);
    gst_harness_teardown(h);
    return time;
}

GstBuffer *publish_frame(guint n, guint n_objects)
{
    GstBuffer *buffer = fixture_frame(n);
    g_autofree EffdetDetection *objects = g_new0(EffdetDetection, MAX(n_objects, 1));

    for (guint i = 0; i < n_objects; i++) {
        objects[i] = (EffdetDetection){.label = g_quark_from_static_string("person"),
                                       .label_id = 0,
                                       .confidence = 0.5,
                                       .x = i % 56,
                                       .y = 8.0,
                                       .w = 8.0,
                                       .h = 16.0};
    }
    effdet_frame_meta_set(buffer, TRUE, GST_BUFFER_PTS(buffer));
    effdet_meta_attach(buffer, objects, n_objects, FRAME_WIDTH, FRAME_HEIGHT, TRUE);
    return buffer;
}

void publish_push(GstHarness *h, guint n, guint n_objects, gint64 *longest_us)
{
    GstBuffer *buffer = publish_frame(n, n_objects);
    gint64 begin = g_get_monotonic_time();

    buffer = gst_harness_push_and_pull(h, buffer);
    if (longest_us != NULL) {
        *longest_us = MAX(*longest_us, g_get_monotonic_time() - begin);
    }
    g_assert_nonnull(buffer);
    gst_buffer_unref(buffer);
}

guint64 publish_stat(GstHarness *h, const gchar *name)
{
    return fixture_stat(h, name);
}

guint publish_messages(GstHarness *h, GstMessageType types, GError **error)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(h->element);

    return fixture_messages(bus, types, error);
}

JsonNode *publish_parse(const gchar *line)
{
    g_autoptr(GError) error = NULL;
    JsonNode *node;

    g_assert_true(g_utf8_validate(line, -1, NULL));
    g_assert_null(strpbrk(line, "\n\r"));
    node = json_from_string(line, &error);
    if (node == NULL) {
        g_error("not JSON: %s: %s", line, error != NULL ? error->message : "empty");
    }
    g_assert_true(JSON_NODE_HOLDS_OBJECT(node));
    return node;
}

guint publish_number(const gchar *line)
{
    g_autoptr(JsonNode) node = publish_parse(line);

    return (guint)(json_object_get_int_member(json_node_get_object(node), "timestamp") /
                   (gint64)FRAME_TIME);
}

gchar *publish_make_folder(void)
{
    g_autoptr(GError) error = NULL;
    gchar *folder = g_dir_make_tmp("effdet-publish-XXXXXX", &error);

    g_assert_no_error(error);
    return folder;
}

static void remove_tree(const gchar *path)
{
    GDir *entries = g_dir_open(path, 0, NULL);
    const gchar *name;

    while (entries != NULL && (name = g_dir_read_name(entries)) != NULL) {
        g_autofree gchar *entry = g_build_filename(path, name, NULL);

        remove_tree(entry);
    }
    g_clear_pointer(&entries, g_dir_close);
    g_remove(path);
}

void publish_remove_folder(gchar *folder)
{
    remove_tree(folder);
    g_free(folder);
}

GPtrArray *publish_read(const gchar *path)
{
    g_autofree gchar *text = NULL;
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) parts = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_true(*text == '\0' || g_str_has_suffix(text, "\n"));
    parts = g_strsplit(text, "\n", -1);
    for (guint i = 0; parts[i] != NULL && *parts[i] != '\0'; i++) {
        g_ptr_array_add(lines, g_strdup(parts[i]));
    }
    return lines;
}

void publish_assert_all(const GPtrArray *lines, guint n)
{
    guint next = 0;

    for (guint i = 0; i < lines->len; i++) {
        guint number = publish_number(lines->pdata[i]);

        if (number > next) {
            g_error("line %u is frame %u, and frame %u has not come", i, number, next);
        }
        next += number == next;
    }
    g_assert_cmpuint(next, ==, n);
}
