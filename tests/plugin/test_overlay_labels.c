// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The texts at the boxes: what a template becomes for which object, and what becomes of a template
// that cannot be read; and that each text is rendered once.
#include "fixture.h"
#include "overlay/label_format.h"
#include "overlay/labels.h"
#include "overlay/overlay.h"
#include "overlay_video.h"

#include <locale.h>
#include <string.h>

static EffdetDetection whole(void)
{
    return (EffdetDetection){.label = g_quark_from_string("person"),
                             .label_id = 3,
                             .confidence = 0.874,
                             .w = 10,
                             .h = 10,
                             .track_id = 17};
}

static void check(const gchar *pattern, const EffdetDetection *object, gboolean confidence,
                  const gchar *expected)
{
    gchar *why = NULL, text[160];
    LabelFormat *format = label_format_new(pattern, &why);

    if (format == NULL) {
        g_error("'%s': %s", pattern, why);
    }
    memset(text, 'x', sizeof text);
    label_format_write(format, object, confidence, text, sizeof text);
    if (strcmp(text, expected) != 0) {
        g_error("'%s' became '%s', not '%s'", pattern, text, expected);
    }
    label_format_free(format);
}

static void test_fields(void)
{
    EffdetDetection object = whole();

    check(LABEL_FORMAT_DEFAULT, &object, TRUE, "person 0.87 #17");
    check("{confidence}", &object, TRUE, "0.87");
    check("{confidence:.0f}|{confidence:.6f}", &object, TRUE, "1|0.874000");
    check("{label} {confidence:.0%}", &object, TRUE, "person 87%");
    check("{confidence:.1%}", &object, TRUE, "87.4%");
    check("{id:4}{id:04}{id:04d}{id:1}", &object, TRUE, "  170017001717");
    check("{class}/{class:3d}", &object, TRUE, "3/  3");
    check("{{{label}}}", &object, TRUE, "{person}");
    check("", &object, TRUE, "");
    check("größe: {label}", &object, TRUE, "größe: person");
    check("  {label}   {id} ", &object, TRUE, "person   17");
    object.confidence = 7.0;
    check("{confidence:.0%}", &object, TRUE, "100%");
    object.track_label = g_quark_from_string("dog");
    check("{label} {class}", &object, TRUE, "dog 3");
}

static void test_missing_parts(void)
{
    EffdetDetection object = whole();

    check(LABEL_FORMAT_DEFAULT, &object, FALSE, "person #17");
    object.track_id = 0;
    check(LABEL_FORMAT_DEFAULT, &object, TRUE, "person 0.87");
    check("(#{id}) {label}", &object, TRUE, "person");
    check("{label} #{id}x {class}", &object, TRUE, "person 3");
    check("a{id}{label} b", &object, TRUE, "b");
    object.confidence = -1.0;
    check(LABEL_FORMAT_DEFAULT, &object, TRUE, "person");
    check("{confidence}%", &object, TRUE, "");
    object.label = 0;
    check(LABEL_FORMAT_DEFAULT, &object, TRUE, "class 3");
    object.label_id = -1;
    check(LABEL_FORMAT_DEFAULT, &object, TRUE, "");
    check("{class} {label} {id}", &object, TRUE, "");
    check("there", &object, TRUE, "there");
}

static void test_long_texts_are_cut(void)
{
    g_autofree gchar *many = g_strnfill(500, 'a');
    g_autofree gchar *pattern = g_strconcat(many, " {label} {id}", NULL);
    EffdetDetection object = whole();
    LabelFormat *format = label_format_new(pattern, NULL);

    for (gsize size = 1; size < 40; size++) {
        gchar text[41];

        memset(text, 'x', sizeof text);
        label_format_write(format, &object, TRUE, text, size);
        g_assert_cmpuint(strlen(text), ==, size - 1);
        g_assert_cmpint(text[size], ==, 'x');
    }
    label_format_free(format);
}

// The numbers of a German desktop must not have a comma in half of the pipeline.
static void test_locale(void)
{
    EffdetDetection object = whole();

    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL) {
        g_test_message("no German locale here: only the C locale was seen");
    }
    check("{confidence:.2f}", &object, TRUE, "0.87");
    setlocale(LC_NUMERIC, "C");
}

static const gchar *const unreadable[] = {
    "{",
    "}",
    "{label",
    "label}",
    "{nobody}",
    "{}",
    "{Label}",
    "{label:.2f}",
    "{confidence:}",
    "{confidence:.7f}",
    "{confidence:2f}",
    "{confidence:.2}",
    "{confidence:.2d}",
    "{confidence:.2f%}",
    "{id:.2f}",
    "{id:}",
    "{id:10}",
    "{class:-3}",
    "{id:99999999999999999999999}",
    "{confidence:.2%n}",
    "{label }",
    "{{label}",
};

static void test_unreadable(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(unreadable); i++) {
        gchar *why = NULL;

        if (label_format_new(unreadable[i], &why) != NULL) {
            g_error("'%s' was read", unreadable[i]);
        }
        g_assert_nonnull(why);
        g_assert_null(strchr(why, '\n'));
        g_free(why);
    }
}

static gchar *format_of(GstHarness *harness)
{
    gchar *text;

    g_object_get(harness->element, "label-format", &text, NULL);
    return text;
}

// Pushes one object and returns the picture.
static GBytes *drawn(GstHarness *harness, const GstVideoInfo *info)
{
    GstBuffer *buffer = overlay_noise(info, 0);
    GBytes *bytes;

    overlay_add_track(overlay_add_object(buffer, "person", 0, 0.75, 30, 60, 80, 80), 5, NULL);
    buffer = gst_harness_push_and_pull(harness, buffer);
    bytes = overlay_bytes(buffer);
    gst_buffer_unref(buffer);
    return bytes;
}

static void assert_same(GBytes *a, GBytes *b, gboolean same)
{
    g_assert_true(g_bytes_equal(a, b) == same);
    g_bytes_unref(b);
}

static void test_property(void)
{
    GstVideoInfo info = overlay_info(GST_VIDEO_FORMAT_NV12, 320, 240, NULL);
    GstHarness *harness = overlay_harness(&info, NULL);
    GstBus *bus = gst_bus_new();
    g_autofree gchar *usual = format_of(harness), *kept = NULL, *back = NULL;
    GBytes *first = drawn(harness, &info);
    GError *error = NULL;

    gst_element_set_bus(harness->element, bus);
    g_assert_cmpstr(usual, ==, LABEL_FORMAT_DEFAULT);
    g_object_set(harness->element, "label-format", "no {such} thing", NULL);
    g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_WARNING, &error), ==, 1);
    g_assert_error(error, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS);
    g_clear_error(&error);
    kept = format_of(harness);
    g_assert_cmpstr(kept, ==, usual);
    assert_same(first, drawn(harness, &info), TRUE);
    // what an object has goes into the picture, and what it lacks does not matter
    g_object_set(harness->element, "label-format", "{label} 0.75 #5", NULL);
    assert_same(first, drawn(harness, &info), TRUE);
    g_object_set(harness->element, "label-format", "{label}", NULL);
    assert_same(first, drawn(harness, &info), FALSE);
    g_object_set(harness->element, "label-format", NULL, NULL);
    back = format_of(harness);
    g_assert_cmpstr(back, ==, usual);
    assert_same(first, drawn(harness, &info), TRUE);
    g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_WARNING, NULL), ==, 0);
    g_bytes_unref(first);
    gst_element_set_bus(harness->element, NULL);
    gst_object_unref(bus);
    gst_harness_teardown(harness);
}

// As on a command line: the property is set before the element has a bus.
static void test_objection_waits_for_a_bus(void)
{
    GstElement *element = gst_object_ref_sink(gst_element_factory_make("effdetoverlay", NULL));
    GstBus *bus = gst_bus_new();

    g_object_set(element, "label-format", "{", NULL);
    gst_element_set_bus(element, bus);
    g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_WARNING, NULL), ==, 0);
    gst_element_set_state(element, GST_STATE_PAUSED);
    g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_WARNING, NULL), ==, 1);
    gst_element_set_state(element, GST_STATE_NULL);
    gst_element_set_state(element, GST_STATE_PAUSED);
    g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_WARNING, NULL), ==, 0);
    gst_element_set_state(element, GST_STATE_NULL);
    gst_element_set_bus(element, NULL);
    gst_object_unref(bus);
    gst_object_unref(element);
}

// ---- rendering
// --------------------------------------------------------------------------------------

static void test_text_is_rendered_once(void)
{
    GstVideoInfo info = overlay_info(GST_VIDEO_FORMAT_NV12, 640, 480, NULL);
    const Stamp *first, *again, *other;
    LabelCache *cache;
    InkSet inks;

    ink_set_init(&inks, &info);
    cache = label_cache_new(info.finfo, &inks, "Sans Bold", 14, 200);
    first = label_cache_get(cache, "person 87 %", 0);
    again = label_cache_get(cache, "person 87 %", 0);
    other = label_cache_get(cache, "person 87 %", 1);
    g_assert_true(first == again && first != other);
    g_assert_cmpuint(label_cache_n_rendered(cache), ==, 2);
    g_assert_cmpint(first->w % 2, ==, 0);
    g_assert_cmpint(first->h % 2, ==, 0);
    g_assert_cmpint(first->w, >, 50);
    g_assert_cmpint(first->h, >=, 14);
    // too long, empty, no UTF-8, markup, right to left, several lines
    other =
        label_cache_get(cache, "a label which is a good deal wider than all the room there is", 0);
    g_assert_cmpint(other->w, <=, 200);
    label_cache_get(cache, "", 0);
    label_cache_get(cache, "\xff\xfe\x80", 2);
    label_cache_get(cache, "<b>&amp;", 3);
    label_cache_get(cache, "שלום 87 %", 4);
    other = label_cache_get(cache, "two\nlines", 4);
    g_assert_cmpint(other->h, <, 2 * 14 + 10);
    label_cache_free(cache);
}

// Many different texts must not pile up for ever.
static void test_texts_are_forgotten(void)
{
    GstVideoInfo info = overlay_info(GST_VIDEO_FORMAT_NV12, 3840, 2160, NULL);
    guint rendered;
    LabelCache *cache;
    InkSet inks;

    ink_set_init(&inks, &info);
    cache = label_cache_new(info.finfo, &inks, "Sans Bold", 200, 3840);
    for (guint i = 0; i < 40; i++) {
        g_autofree gchar *text = g_strdup_printf("person %u", i);
        label_cache_trim(cache);
        label_cache_get(cache, text, 0);
    }
    rendered = label_cache_n_rendered(cache);
    label_cache_get(cache, "person 0", 0);
    g_assert_cmpuint(label_cache_n_rendered(cache), ==, rendered + 1);
    label_cache_free(cache);
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_assert_true(GST_ELEMENT_REGISTER(effdetoverlay, NULL));
    g_test_add_func("/overlay/labels/fields", test_fields);
    g_test_add_func("/overlay/labels/missing-parts", test_missing_parts);
    g_test_add_func("/overlay/labels/cut", test_long_texts_are_cut);
    g_test_add_func("/overlay/labels/locale", test_locale);
    g_test_add_func("/overlay/labels/unreadable", test_unreadable);
    g_test_add_func("/overlay/labels/property", test_property);
    g_test_add_func("/overlay/labels/objection-waits", test_objection_waits_for_a_bus);
    g_test_add_func("/overlay/text/once", test_text_is_rendered_once);
    g_test_add_func("/overlay/text/forgotten", test_texts_are_forgotten);
    return fixture_run();
}
