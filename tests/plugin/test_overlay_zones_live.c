// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Zones and lines from frame to frame: where their texts are, what is kept, changes while playing,
// the points on the buffers, hostile metas. Their pixels are in test_overlay_zones.c.
#include "fixture.h"
#include "meta/zone_meta.h"
#include "overlay/canvas.h"
#include "overlay/overlay.h"
#include "overlay_video.h"
#include "zones/gsteffdetzones.h"

#include <math.h>

// ---- texts --------------------------------------------------------------------------------------

#define CONFIG                                                                                     \
    "{\"zones\": [{\"name\": \"hall\", \"polygon\": [[0.125, 0.125], [0.4375, 0.125], "            \
    "[0.4375, 0.875], [0.125, 0.875]]}], "                                                         \
    "\"lines\": [{\"name\": \"gate\", \"from\": [0.75, 0.25], \"to\": [0.75, 0.875]}]}"

// effdetzones and the overlay behind it, in PLAYING.
static GstHarness *both(const GstVideoInfo *info)
{
    GstHarness *harness =
        gst_harness_new_parse("effdetzones name=zones debounce=0 ! effdetoverlay name=overlay");
    GstElement *zones = gst_harness_find_element(harness, "effdetzones");

    g_object_set(zones, "zones", CONFIG, NULL);
    gst_object_unref(zones);
    gst_harness_set_src_caps(harness, gst_video_info_to_caps(info));
    return harness;
}

static GstBuffer *frame(const GstVideoInfo *info, guint n)
{
    GstBuffer *buffer = overlay_noise(info, 0);

    GST_BUFFER_PTS(buffer) = n * 40 * GST_MSECOND;
    return buffer;
}

static gsize changed(GstHarness *harness, const GstVideoInfo *info, guint n)
{
    GstBuffer *buffer = frame(info, n);
    GBytes *before = overlay_bytes(buffer), *after;
    gsize n_different;

    buffer = gst_harness_push_and_pull(harness, buffer);
    after = overlay_bytes(buffer);
    n_different = overlay_n_different(before, after);
    g_bytes_unref(before);
    g_bytes_unref(after);
    gst_buffer_unref(buffer);
    return n_different;
}

// The n-th text that is placed for the zones and lines of the meta.
static Rect text_at(GArray *placed, guint n)
{
    const Shape *shape = &g_array_index(placed, Shape, n);

    g_assert_cmpuint(n, <, placed->len);
    g_assert_true(shape->opaque && shape->stamp != NULL);
    g_assert_true(shape->rect.w == shape->stamp->w && shape->rect.h == shape->stamp->h);
    return shape->rect;
}

static void test_texts(void)
{
    GstVideoInfo info = overlay_info(GST_VIDEO_FORMAT_NV12, 640, 360, NULL);
    LayoutStyle style = {.width = 640, .height = 360, .grid_x = 2, .grid_y = 2, .line_px = 2};
    GArray *placed = g_array_new(FALSE, FALSE, sizeof(Shape));
    GstHarness *harness = both(&info);
    ZoneLayer *layer = zone_layer_new();
    GstBuffer *buffer;
    LabelCache *labels;
    InkSet inks;
    Rect zone, forward, backward, name;

    ink_set_init(&inks, &info);
    labels = label_cache_new(info.finfo, &inks, "Sans Bold", 16, 640);
    for (guint i = 0; i < 3; i++) {
        g_array_set_size(placed, 0);
        buffer = gst_harness_push_and_pull(harness, frame(&info, i));
        zone_layer_layout(layer, effdet_zone_meta_get(buffer), &style, labels, placed);
        gst_buffer_unref(buffer);
        g_assert_cmpuint(placed->len, ==, 4);
        g_assert_cmpuint(label_cache_n_rendered(labels), ==, 3); // one 0 for both sides
    }
    zone = text_at(placed, 0);
    g_assert_true(zone.x >= 80 && zone.x + zone.w <= 280);
    g_assert_cmpint(ABS(2 * zone.x + zone.w - (80 + 280)), <=, 20);
    // down the picture, forward is to the left of it
    forward = text_at(placed, 1);
    backward = text_at(placed, 2);
    name = text_at(placed, 3);
    g_assert_cmpint(forward.x + forward.w, <=, 480 - 11 * 2);
    g_assert_cmpint(forward.x, >, 480 - 11 * 2 - 40);
    g_assert_cmpint(backward.x, >, 480);
    g_assert_cmpint(backward.x, <, 480 + 20);
    g_assert_cmpint(ABS(forward.y + forward.h / 2 - 202), <=, 2);
    g_assert_cmpint(name.y + name.h, <=, 90);
    g_assert_cmpint(ABS(name.x + name.w / 2 - 480), <=, 2);
    label_cache_free(labels);
    zone_layer_free(layer);
    g_array_unref(placed);
    gst_harness_teardown(harness);
}

// A line at each border: all of the texts are in the frame, on the grid.
static void test_texts_stay_in_the_frame(void)
{
    static const gdouble lines[][2][2] = {
        {{0, 0}, {1, 0}}, {{1, 0}, {0, 0}}, {{0, 1}, {0, 0}}, {{1, 0}, {1, 1}},
        {{0, 1}, {1, 1}}, {{3, 3}, {2, 2}}, {{0, 0}, {1, 1}}, {{0.5, 0.5}, {0.5, 0.5}},
    };
    LayoutStyle style = {.width = 161, .height = 121, .grid_x = 2, .grid_y = 2, .line_px = 2};
    GstVideoInfo info = overlay_info(GST_VIDEO_FORMAT_NV12, 161, 121, NULL);
    GArray *placed = g_array_new(FALSE, FALSE, sizeof(Shape));
    ZoneLayer *layer = zone_layer_new();
    LabelCache *labels;
    InkSet inks;

    ink_set_init(&inks, &info);
    labels = label_cache_new(info.finfo, &inks, "Sans Bold", 12, 161);
    for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autoptr(GstStructure) content = overlay_zone_content(TRUE, lines[i], 2);
        GstStructure *entry;

        entry = (GstStructure *)gst_value_get_structure(
            gst_value_array_get_value(gst_structure_get_value(content, "lines"), 0));
        gst_structure_set(entry, "name", G_TYPE_STRING, "a name of some length", "forward",
                          G_TYPE_UINT64, G_MAXUINT64, "backward", G_TYPE_UINT64,
                          G_GUINT64_CONSTANT(12), NULL);
        g_array_set_size(placed, 0);
        zone_layer_layout(layer, content, &style, labels, placed);
        g_assert_cmpuint(placed->len, ==, 3);
        for (guint k = 0; k < placed->len; k++) {
            Rect rect = text_at(placed, k);

            g_assert_true(rect.x >= 0 && rect.y >= 0 && rect.x % 2 == 0 && rect.y % 2 == 0);
            g_assert_true(rect.x + rect.w <= 162 && rect.y + rect.h <= 122);
        }
    }
    label_cache_free(labels);
    zone_layer_free(layer);
    g_array_unref(placed);
}

// Boxes do not cross out a zone's text, and it does not cover an object's.
static void test_order(void)
{
    static const gdouble corners[][2] = {{0.1, 0.1}, {0.9, 0.1}, {0.9, 0.9}, {0.1, 0.9}};
    GstVideoInfo info = overlay_info(GST_VIDEO_FORMAT_NV12, 320, 180, NULL);
    g_autoptr(GstStructure) content = overlay_zone_content(FALSE, corners, 4);
    g_autoptr(GstCaps) caps = gst_video_info_to_caps(&info);
    GstElement *element = gst_object_ref_sink(gst_element_factory_make("effdetoverlay", NULL));
    GArray *objects = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));
    GArray *nothing = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));
    EffdetDetection object = {.confidence = 0.5, .x = 100, .y = 90, .w = 90, .h = 80};
    CanvasScene scene = {
        .objects = objects, .obscured = nothing, .zones = content, .alpha = RASTER_OPAQUE / 2};
    GstStructure *entry = (GstStructure *)gst_value_get_structure(
        gst_value_array_get_value(gst_structure_get_value(content, "zones"), 0));
    GstBuffer *buffer = overlay_noise(&info, 0);
    Canvas canvas = {.own_mode = CANVAS_NEVER};
    OverlaySettings settings = {0};
    const Shape *shapes;

    overlay_settings_init(&settings, G_OBJECT_GET_CLASS(element));
    gst_structure_set(entry, "inside", G_TYPE_UINT, 3, NULL);
    g_array_append_val(objects, object);
    g_assert_true(canvas_set_caps(&canvas, caps));
    canvas_apply(&canvas, &settings);
    g_assert_true(canvas_draw(&canvas, buffer, &scene));
    shapes = (const Shape *)canvas.shapes->data;
    g_assert_cmpuint(canvas.shapes->len, ==, 6);
    for (guint i = 0; i < 4; i++) {
        g_assert_true(shapes[i].stamp == NULL && !shapes[i].opaque);
    }
    g_assert_true(shapes[4].stamp != NULL && shapes[4].opaque);
    g_assert_true(shapes[5].stamp != NULL && !shapes[5].opaque);
    canvas_finish(&canvas);
    overlay_settings_finish(&settings);
    gst_object_unref(element);
    gst_buffer_unref(buffer);
    g_array_unref(objects);
    g_array_unref(nothing);
}

// ---- while playing ------------------------------------------------------------------------------

static void test_while_playing(void)
{
    GstVideoInfo info = overlay_info(GST_VIDEO_FORMAT_NV12, 320, 180, NULL);
    GstHarness *harness = both(&info);
    GstElement *overlay = gst_harness_find_element(harness, "effdetoverlay");
    GstElement *zones = gst_harness_find_element(harness, "effdetzones");
    gsize all, without_line, thick;
    guint n = 0;

    all = changed(harness, &info, n++);
    g_assert_cmpuint(all, >, 320 * 180 / 5); // the zone is 0.23 of the picture
    g_assert_cmpuint(changed(harness, &info, n++), ==, all);
    g_object_set(overlay, "zones", FALSE, NULL);
    g_assert_cmpuint(changed(harness, &info, n++), ==, 0);
    g_object_set(overlay, "zones", TRUE, NULL);
    g_assert_cmpuint(changed(harness, &info, n++), ==, all);
    g_object_set(overlay, "line-width", 6, NULL);
    thick = changed(harness, &info, n++);
    g_assert_cmpuint(thick, >, all + 400); // the line, six times as thick
    g_object_set(overlay, "line-width", 0, NULL);
    g_assert_cmpuint(changed(harness, &info, n++), ==, all);
    g_object_set(zones, "zones",
                 "{\"zones\": [{\"name\": \"hall\", \"polygon\": [[0.125, 0.125], [0.4375, 0.125], "
                 "[0.4375, 0.875], [0.125, 0.875]]}]}",
                 NULL);
    without_line = changed(harness, &info, n++);
    g_assert_cmpuint(without_line, <, all);
    g_object_set(zones, "zones",
                 "{\"lines\": [{\"name\": \"l\", \"from\": [0, 0], \"to\": [1, 1]}]}", NULL);
    g_assert_cmpuint(changed(harness, &info, n++), <, without_line / 2);
    g_object_set(zones, "zones", "", NULL);
    g_assert_cmpuint(changed(harness, &info, n++), ==, 0);
    g_object_set(zones, "zones", CONFIG, NULL);
    g_assert_cmpuint(changed(harness, &info, n++), ==, all);
    info = overlay_info(GST_VIDEO_FORMAT_I420_10LE, 200, 300, NULL);
    gst_harness_set_src_caps(harness, gst_video_info_to_caps(&info));
    g_assert_cmpuint(changed(harness, &info, n++), >, 200 * 300 / 5);
    gst_object_unref(overlay);
    gst_object_unref(zones);
    gst_harness_teardown(harness);
}

// Nothing of the format before is left, whichever it was: the same bytes as without one before.
static void test_formats_change(void)
{
    static const GstVideoFormat formats[] = {GST_VIDEO_FORMAT_RGB, GST_VIDEO_FORMAT_GRAY8,
                                             GST_VIDEO_FORMAT_v210, GST_VIDEO_FORMAT_NV12};
    GstHarness *harness = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(formats); i++) {
        GstVideoInfo info = overlay_info(formats[i], 192, 96, NULL);
        GstHarness *fresh = both(&info);

        if (harness == NULL) {
            harness = both(&info);
        } else {
            gst_harness_set_src_caps(harness, gst_video_info_to_caps(&info));
        }
        g_assert_cmpuint(changed(harness, &info, i), ==, changed(fresh, &info, i));
        gst_harness_teardown(fresh);
    }
    gst_harness_teardown(harness);
}

// ---- the meta -----------------------------------------------------------------------------------

static GVariant *points_of(GstBuffer *buffer, const gchar *field)
{
    const GstStructure *content = effdet_zone_meta_get(buffer), *entry;

    entry = gst_value_get_structure(
        gst_value_array_get_value(gst_structure_get_value(content, field), 0));
    return g_value_get_variant(gst_structure_get_value(entry, "points"));
}

// As the user wrote them, and the same on all frames.
static void test_points(void)
{
    GstVideoInfo info = overlay_info(GST_VIDEO_FORMAT_NV12, 64, 48, NULL);
    GstHarness *harness = both(&info);
    GstBuffer *a = gst_harness_push_and_pull(harness, frame(&info, 0));
    GstBuffer *b = gst_harness_push_and_pull(harness, frame(&info, 1));
    g_autofree gchar *zone = g_variant_print(points_of(a, "zones"), FALSE);
    g_autofree gchar *line = g_variant_print(points_of(a, "lines"), FALSE);

    g_assert_cmpstr(zone, ==, "[(0.125, 0.125), (0.4375, 0.125), (0.4375, 0.875), (0.125, 0.875)]");
    g_assert_cmpstr(line, ==, "[(0.75, 0.25), (0.75, 0.875)]");
    g_assert_true(points_of(a, "zones") == points_of(b, "zones"));
    g_assert_true(points_of(a, "lines") == points_of(b, "lines"));
    gst_buffer_unref(a);
    gst_buffer_unref(b);
    gst_harness_teardown(harness);
}

// Whatever somebody else puts there: nothing is drawn, and nothing breaks.
static void test_hostile_metas(void)
{
    static const gdouble two[][2] = {{0.1, 0.1}, {0.9, 0.9}};
    static const gdouble no_number[][2] = {{0.1, 0.1}, {NAN, 0.9}, {0.3, INFINITY}};
    static const gdouble huge[][2] = {{1e300, 1e300}, {1e300, 2e300}, {2e300, 1e300}};
    GstVideoInfo info = overlay_info(GST_VIDEO_FORMAT_NV12, 64, 48, NULL);
    GstHarness *harness = overlay_harness(&info, NULL);

    for (guint i = 0; i < 7; i++) {
        g_autoptr(GstStructure) content = overlay_zone_content(FALSE,
                                                               i == 0   ? two
                                                               : i == 1 ? no_number
                                                                        : huge,
                                                               i == 0 ? 2 : 3);
        GstBuffer *buffer = overlay_noise(&info, 0);
        GBytes *before = overlay_bytes(buffer), *after;
        GstStructure *entry;

        entry = (GstStructure *)gst_value_get_structure(
            gst_value_array_get_value(gst_structure_get_value(content, "zones"), 0));
        if (i == 3) {
            gst_structure_set(entry, "points", G_TYPE_STRING, "here", NULL);
        } else if (i == 4) {
            gst_structure_set(entry, "points", G_TYPE_VARIANT, g_variant_new_string("here"), NULL);
        } else if (i == 5) {
            gst_structure_set(entry, "points", G_TYPE_VARIANT, NULL, NULL);
        } else if (i == 6) {
            gst_structure_set(content, "zones", G_TYPE_STRING, "none", "lines", G_TYPE_INT, 7,
                              NULL);
        }
        effdet_zone_meta_append(buffer, content);
        if (i == 6) { // which the function would not have appended
            gst_structure_set(gst_custom_meta_get_structure(
                                  gst_buffer_get_custom_meta(buffer, EFFDET_ZONE_META_NAME)),
                              "zones", G_TYPE_STRING, "none", NULL);
        }
        buffer = gst_harness_push_and_pull(harness, buffer);
        after = overlay_bytes(buffer);
        g_assert_true(g_bytes_equal(before, after));
        g_bytes_unref(before);
        g_bytes_unref(after);
        gst_buffer_unref(buffer);
    }
    gst_harness_teardown(harness);
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_assert_true(GST_ELEMENT_REGISTER(effdetoverlay, NULL));
    g_assert_true(GST_ELEMENT_REGISTER(effdetzones, NULL));
    g_test_add_func("/overlay/zones/texts", test_texts);
    g_test_add_func("/overlay/zones/texts-in-the-frame", test_texts_stay_in_the_frame);
    g_test_add_func("/overlay/zones/order", test_order);
    g_test_add_func("/overlay/zones/while-playing", test_while_playing);
    g_test_add_func("/overlay/zones/formats-change", test_formats_change);
    g_test_add_func("/overlay/zones/points", test_points);
    g_test_add_func("/overlay/zones/hostile-metas", test_hostile_metas);
    return fixture_run();
}
