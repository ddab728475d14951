// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What depends on an object's class or track: colours and what is not drawn. Texts are in
// test_overlay_labels.c.
#include "fixture.h"
#include "meta/frame_meta.h"
#include "overlay/class_list.h"
#include "overlay/ink.h"
#include "overlay/overlay.h"
#include "overlay_video.h"

// Luma of the box of one object.
static guint8 box_colour(GstHarness *harness, const GstVideoInfo *info, gint label_id,
                         gint track_id)
{
    GstBuffer *buffer = overlay_noise(info, 0);
    GstVideoRegionOfInterestMeta *roi =
        overlay_add_object(buffer, "person", label_id, 0.75, 20, 30, 80, 60);
    guint8 luma;

    if (track_id > 0) {
        overlay_add_track(roi, track_id, NULL);
    }
    buffer = gst_harness_push_and_pull(harness, buffer);
    gst_buffer_extract(buffer, 30 * 160 + 50, &luma, 1);
    gst_buffer_unref(buffer);
    return luma;
}

static void test_colour_by(void)
{
    GstVideoInfo info = overlay_info(GST_VIDEO_FORMAT_GRAY8, 160, 120, NULL);
    GstHarness *harness = overlay_harness(&info, NULL);
    guint8 of_class[2], of_track[2];

    for (gint i = 0; i < 2; i++) {
        of_class[i] = box_colour(harness, &info, i, 7 + i);
    }
    g_assert_cmpuint(of_class[0], !=, of_class[1]);
    gst_util_set_object_arg(G_OBJECT(harness->element), "colour-by", "track");
    for (gint i = 0; i < 2; i++) {
        of_track[i] = box_colour(harness, &info, 0, 3 + i);
        g_assert_cmpuint(box_colour(harness, &info, 1 - i, 3 + i), ==, of_track[i]);
        g_assert_cmpuint(box_colour(harness, &info, i, 3 + INK_N_CLASSES), ==, of_track[0]);
        g_assert_cmpuint(box_colour(harness, &info, i, 0), ==, of_class[i]);
    }
    g_assert_cmpuint(of_track[0], !=, of_track[1]);
    gst_util_set_object_arg(G_OBJECT(harness->element), "colour-by", "class");
    g_assert_cmpuint(box_colour(harness, &info, 1, 3), ==, of_class[1]);
    gst_harness_teardown(harness);
}

static void test_class_lists(void)
{
    const GQuark person = g_quark_from_string("person"), car = g_quark_from_string("Car");
    const EffdetDetection objects[] = {
        {.label = person, .label_id = 0},
        {.label = car, .label_id = 2},
        {.label = person, .label_id = 0, .track_label = car},
        {.label_id = 2},
        {.label = car, .label_id = -1},
        {.label_id = -1},
    };
    // which objects are in the list: by what is shown, and by what anybody takes them for
    static const struct {
        const gchar *text, *shown, *any;
    } cases[] = {
        {"person", "100000", "101000"},
        {" PERSON ,, ", "100000", "101000"},
        {"car", "011010", "011010"},
        {"2", "010100", "010100"},
        {"person,2", "110100", "111100"},
        {"-person", "011111", "011111"},
        {"-car, - 2", "100001", "101001"},
        {"person,car,-2", "101010", "101010"},
        {"0", "100000", "101000"},
        {"person,-person", "000000", "000000"},
        {"nobody,-1,99,2x", "000000", "000000"},
        {"+2", "000000", "000000"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        ClassList *list = class_list_new(cases[i].text);
        for (guint k = 0; k < G_N_ELEMENTS(objects); k++) {
            if (class_list_has_shown(list, &objects[k]) != (cases[i].shown[k] == '1') ||
                class_list_has_any(list, &objects[k]) != (cases[i].any[k] == '1')) {
                g_error("'%s', object %u", cases[i].text, k);
            }
        }
        class_list_free(list);
    }
    g_assert_null(class_list_new(NULL));
    g_assert_null(class_list_new(" , -,"));
}

// Pushes the n-th frame, with two objects if it was inferred; returns how many bytes the overlay
// changed.
static gsize changed(GstHarness *harness, const GstVideoInfo *info, guint frame, gboolean inferred)
{
    GstBuffer *buffer = overlay_noise(info, 0);
    GBytes *before = overlay_bytes(buffer), *after;
    gsize n;

    GST_BUFFER_PTS(buffer) = frame * 40 * GST_MSECOND;
    effdet_frame_meta_set(buffer, inferred, GST_BUFFER_PTS(buffer));
    for (guint i = 0; i < 2 && inferred; i++) {
        overlay_add_object(buffer, "person", 0, 0.75, 20 + 30 * i, 30, 25, 50);
    }
    buffer = gst_harness_push_and_pull(harness, buffer);
    after = overlay_bytes(buffer);
    n = overlay_n_different(before, after);
    g_bytes_unref(before);
    g_bytes_unref(after);
    gst_buffer_unref(buffer);
    return n;
}

static void test_hide(void)
{
    GstVideoInfo info = overlay_info(GST_VIDEO_FORMAT_NV12, 160, 120, NULL);
    GstHarness *harness = overlay_harness(&info, NULL);
    GObject *element = G_OBJECT(harness->element);
    gsize usual = changed(harness, &info, 0, TRUE);

    g_object_set(element, "hide", "dog,person", NULL);
    g_assert_cmpuint(changed(harness, &info, 1, TRUE), ==, 0);
    g_assert_cmpuint(changed(harness, &info, 2, FALSE), ==, 0);
    g_object_set(element, "hide", "dog", NULL);
    g_assert_cmpuint(changed(harness, &info, 3, FALSE), >, 0);
    g_assert_cmpuint(changed(harness, &info, 4, TRUE), ==, usual);
    g_object_set(element, "hide", "-person", NULL);
    g_assert_cmpuint(changed(harness, &info, 5, TRUE), ==, usual);
    g_object_set(element, "hide", NULL, NULL);
    g_assert_cmpuint(changed(harness, &info, 6, TRUE), ==, usual);
    gst_harness_teardown(harness);
}

// Lit pixels of a tracked object's box on black, and whether its four corners are among them.
static guint lit(GstHarness *harness, const GstVideoInfo *info, gboolean inferred, gint side)
{
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, info->size, NULL);
    gint edge = side - 1;
    GstMapInfo map;
    guint n = 0;

    gst_buffer_memset(buffer, 0, 0, info->size);
    effdet_frame_meta_set(buffer, inferred, 0);
    overlay_add_track(overlay_add_object(buffer, "person", 0, 0.75, 0, 0, side, side), 1, NULL);
    buffer = gst_harness_push_and_pull(harness, buffer);
    gst_buffer_map(buffer, &map, GST_MAP_READ);
    for (gsize i = 0; i < map.size; i++) {
        n += map.data[i] > 0;
    }
    g_assert_true(map.data[0] > 0 && map.data[edge] > 0 && map.data[edge * info->stride[0]] > 0 &&
                  map.data[edge * info->stride[0] + edge] > 0);
    gst_buffer_unmap(buffer, &map);
    gst_buffer_unref(buffer);
    return n;
}

static void test_predicted_is_dashed(void)
{
    GstVideoInfo info = overlay_info(GST_VIDEO_FORMAT_GRAY8, 160, 120, NULL);
    GstHarness *harness = overlay_harness(&info, "labels", FALSE, "line-width", 2, NULL);

    for (gint side = 1; side <= 120; side++) {
        guint seen = lit(harness, &info, TRUE, side), predicted = lit(harness, &info, FALSE, side);
        guint box = (guint)(side > 4 ? 4 * 2 * (side - 2) : side * side);

        g_assert_cmpuint(seen, ==, box);
        if (side < 20) {
            g_assert_cmpuint(predicted, <=, seen);
        } else if (predicted * 10 < seen * 4 || predicted * 10 > seen * 8) {
            g_error("a box of %d pixels has %u lit dashed, %u whole", side, predicted, seen);
        }
    }
    g_assert_cmpuint(lit(harness, &info, FALSE, 28), <, lit(harness, &info, TRUE, 28) * 8 / 10);
    gst_harness_teardown(harness);
}

// ---- all properties, from another thread ------------------------------------------------------

static gpointer turn_knobs(gpointer data)
{
    static const gchar *const values[][2] = {
        {"hide", "car,3"},
        {"label-format", "{id} {label}"},
        {"obscure", "-car"},
        {"trails", "900"},
        {"colour-by", "track"},
        {"obscure-mode", "pixelate"},
        {"font", "Monospace"},
        {"statistics", "true"},
        {"confidence-bar", "true"},
        {"attach", "true"},
        {"hide", ""},
        {"label-format", "{label}"},
        {"obscure", ""},
        {"trails", "0"},
        {"colour-by", "class"},
        {"font", "Sans"},
        {"statistics", "false"},
        {"label-format", "{"},
    };
    GObject *element = data;

    for (guint i = 0; i < 40 * G_N_ELEMENTS(values); i++) {
        const gchar *const *value = values[i % G_N_ELEMENTS(values)];
        g_autofree gchar *format = NULL;

        gst_util_set_object_arg(element, value[0], value[1]);
        g_object_get(element, "label-format", &format, NULL);
        g_assert_cmpstr(format, !=, "{");
        g_usleep(200);
    }
    return NULL;
}

static void test_changes_while_drawing(void)
{
    GstVideoInfo info = overlay_info(GST_VIDEO_FORMAT_NV12, 160, 120, NULL);
    GstHarness *harness = overlay_harness(&info, NULL);
    GThread *thread = g_thread_new("knobs", turn_knobs, harness->element);

    for (guint i = 0; i < 300; i++) {
        GstBuffer *buffer = overlay_noise(&info, 0);

        GST_BUFFER_PTS(buffer) = i * 40 * GST_MSECOND;
        effdet_frame_meta_set(buffer, i % 2 == 0, GST_BUFFER_PTS(buffer));
        overlay_add_track(overlay_add_object(buffer, "car", 3, 0.7, i % 100, 30, 40, 40), 5, NULL);
        overlay_add_object(buffer, "dog", 1, 0.7, 50, i % 60, 40, 40);
        g_assert_cmpint(gst_harness_push(harness, buffer), ==, GST_FLOW_OK);
        gst_buffer_unref(gst_harness_pull(harness));
        g_usleep(300);
    }
    g_thread_join(thread);
    gst_harness_teardown(harness);
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_assert_true(GST_ELEMENT_REGISTER(effdetoverlay, NULL));
    g_test_add_func("/overlay/classes/colour-by", test_colour_by);
    g_test_add_func("/overlay/classes/lists", test_class_lists);
    g_test_add_func("/overlay/classes/hide", test_hide);
    g_test_add_func("/overlay/classes/predicted", test_predicted_is_dashed);
    g_test_add_func("/overlay/classes/changes-while-drawing", test_changes_while_drawing);
    return fixture_run();
}
