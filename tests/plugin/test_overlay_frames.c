// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What the overlay shows when: hold, live changes of properties and caps, buffers it may not write,
// memory it cannot map; and how long it takes. Colours of pixels are in test_overlay_formats.c.
#include "fixture.h"
#include "meta/frame_meta.h"
#include "overlay/canvas.h"
#include "overlay/overlay.h"
#include "overlay_video.h"

#include <math.h>

#define FRAME_MS 40

typedef enum {
    NO_META,
    INFERRED,
    NOT_INFERRED,
} Look;

typedef struct {
    GstHarness *harness;
    GstVideoInfo info;
} Stream;

static Stream stream_new(GstVideoFormat format, gint width, gint height)
{
    Stream stream = {.info = overlay_info(format, width, height, NULL)};

    stream.harness = overlay_harness(&stream.info, NULL);
    return stream;
}

// Pushes one frame with so many objects; returns how many bytes the overlay changed.
static gsize changed(Stream *stream, GstClockTime pts, Look look, guint n_objects)
{
    GstBuffer *buffer = overlay_noise(&stream->info, 0), *drawn;
    GBytes *before = overlay_bytes(buffer), *after;
    gsize n;

    GST_BUFFER_PTS(buffer) = pts;
    if (look != NO_META) {
        effdet_frame_meta_set(buffer, look == INFERRED,
                              look == INFERRED ? pts : GST_CLOCK_TIME_NONE);
    }
    for (guint i = 0; i < n_objects; i++) {
        overlay_add_object(buffer, "person", 0, 0.75, 20 + 30 * i, 30, 25, 50);
    }
    drawn = gst_harness_push_and_pull(stream->harness, buffer);
    g_assert_nonnull(drawn);
    g_assert_cmpuint(GST_BUFFER_PTS(drawn), ==, pts);
    after = overlay_bytes(drawn);
    n = overlay_n_different(before, after);
    g_bytes_unref(before);
    g_bytes_unref(after);
    gst_buffer_unref(drawn);
    return n;
}

static GstClockTime frame_pts(guint n)
{
    return n * FRAME_MS * GST_MSECOND;
}

// ---- hold ---------------------------------------------------------------------------------------

static void test_hold(void)
{
    Stream stream = stream_new(GST_VIDEO_FORMAT_NV12, 160, 120);
    gsize one, two;
    guint n = 0;

    g_assert_cmpuint(changed(&stream, frame_pts(n++), NOT_INFERRED, 0), ==, 0);
    one = changed(&stream, frame_pts(n++), INFERRED, 1);
    g_assert_cmpuint(one, >, 0);
    // 12 frames of 40 ms are within 500 ms; dimming leaves a few bytes of noise as they are
    for (guint i = 0; i < 12; i++) {
        gsize held = changed(&stream, frame_pts(n++), NOT_INFERRED, 0);
        g_assert_cmpuint(held, >, one * 9 / 10);
    }
    for (guint i = 0; i < 3; i++) {
        g_assert_cmpuint(changed(&stream, frame_pts(n++), NOT_INFERRED, 0), ==, 0);
    }
    // a newer result replaces the older one
    two = changed(&stream, frame_pts(n++), INFERRED, 2);
    g_assert_cmpuint(two, >, one);
    g_assert_cmpuint(changed(&stream, frame_pts(n++), NOT_INFERRED, 0), >, one);
    // looked, and found nothing: nothing is shown, then or later
    g_assert_cmpuint(changed(&stream, frame_pts(n++), INFERRED, 0), ==, 0);
    g_assert_cmpuint(changed(&stream, frame_pts(n++), NOT_INFERRED, 0), ==, 0);
    gst_harness_teardown(stream.harness);
}

static void test_hold_dims(void)
{
    Stream stream = stream_new(GST_VIDEO_FORMAT_GRAY8, 160, 120);
    GstBuffer *buffer = NULL;
    guint8 shown[2];

    g_object_set(stream.harness->element, "labels", FALSE, NULL);
    for (guint i = 0; i < 2; i++) {
        buffer = gst_buffer_new_allocate(NULL, stream.info.size, NULL);
        gst_buffer_memset(buffer, 0, 0, stream.info.size);
        GST_BUFFER_PTS(buffer) = frame_pts(i);
        effdet_frame_meta_set(buffer, i == 0, frame_pts(0));
        if (i == 0) {
            overlay_add_object(buffer, "person", 0, 0.75, 20, 30, 25, 50);
        }
        buffer = gst_harness_push_and_pull(stream.harness, buffer);
        gst_buffer_extract(buffer, 30 * 160 + 20, &shown[i], 1);
        gst_buffer_unref(buffer);
    }
    g_assert_cmpuint(shown[0], >, 100);
    g_assert_cmpint(ABS(shown[1] - shown[0] / 2), <=, 1);
    gst_harness_teardown(stream.harness);
}

static void test_hold_is_set_and_forgotten(void)
{
    Stream stream = stream_new(GST_VIDEO_FORMAT_I420, 160, 120);

    g_object_set(stream.harness->element, "hold", 0, NULL);
    changed(&stream, frame_pts(10), INFERRED, 1);
    g_assert_cmpuint(changed(&stream, frame_pts(11), NOT_INFERRED, 0), ==, 0);
    g_object_set(stream.harness->element, "hold", 1000, NULL);
    g_assert_cmpuint(changed(&stream, frame_pts(12), NOT_INFERRED, 0), >, 0);
    g_assert_cmpuint(changed(&stream, frame_pts(10) + GST_SECOND, NOT_INFERRED, 0), >, 0);
    g_assert_cmpuint(changed(&stream, frame_pts(10) + GST_SECOND + 1, NOT_INFERRED, 0), ==, 0);
    // back in time, without time, after a flush, on a frame of nobody's
    g_assert_cmpuint(changed(&stream, frame_pts(9), NOT_INFERRED, 0), ==, 0);
    g_assert_cmpuint(changed(&stream, GST_CLOCK_TIME_NONE, NOT_INFERRED, 0), ==, 0);
    g_assert_cmpuint(changed(&stream, frame_pts(12), NO_META, 0), ==, 0);
    g_assert_cmpuint(changed(&stream, frame_pts(12), NOT_INFERRED, 0), >, 0);
    gst_harness_push_event(stream.harness, gst_event_new_flush_start());
    gst_harness_push_event(stream.harness, gst_event_new_flush_stop(TRUE));
    g_assert_true(gst_harness_push_event(
        stream.harness, gst_event_new_segment(&(GstSegment){.rate = 1.0,
                                                            .applied_rate = 1.0,
                                                            .format = GST_FORMAT_TIME,
                                                            .stop = GST_CLOCK_TIME_NONE,
                                                            .duration = GST_CLOCK_TIME_NONE})));
    g_assert_cmpuint(changed(&stream, frame_pts(12), NOT_INFERRED, 0), ==, 0);
    // objects of somebody else (a tracker) on a frame not inferred are shown as they are
    g_assert_cmpuint(changed(&stream, frame_pts(13), NOT_INFERRED, 1), >, 0);
    g_assert_cmpuint(changed(&stream, frame_pts(14), NO_META, 1), >, 0);
    gst_harness_teardown(stream.harness);
}

// ---- properties, caps, buffers ------------------------------------------------------------------

static void test_properties_while_playing(void)
{
    Stream stream = stream_new(GST_VIDEO_FORMAT_NV12, 320, 240);
    GstElement *element = stream.harness->element;
    gsize usual = changed(&stream, 0, NO_META, 1), other;
    g_autofree gchar *font = NULL;

    g_object_set(element, "confidence", FALSE, NULL);
    other = changed(&stream, 0, NO_META, 1);
    g_assert_cmpuint(other, <, usual);
    g_object_set(element, "labels", FALSE, NULL);
    g_assert_cmpuint(changed(&stream, 0, NO_META, 1), <, other);
    g_object_set(element, "labels", TRUE, "confidence", TRUE, NULL);
    g_assert_cmpuint(changed(&stream, 0, NO_META, 1), ==, usual);
    g_object_set(element, "font-size", 30, NULL);
    g_assert_cmpuint(changed(&stream, 0, NO_META, 1), >, usual);
    g_object_set(element, "font-size", 0, "line-width", 10, NULL);
    g_assert_cmpuint(changed(&stream, 0, NO_META, 1), >, usual);
    g_object_set(element, "line-width", 0, "font", "Monospace Italic", NULL);
    g_assert_cmpuint(changed(&stream, 0, NO_META, 1), >, 0);
    g_object_set(element, "font", NULL, NULL);
    g_assert_cmpuint(changed(&stream, 0, NO_META, 1), ==, usual);
    g_object_get(element, "font", &font, NULL);
    g_assert_cmpstr(font, ==, "Sans Bold");
    gst_harness_teardown(stream.harness);
}

static void test_caps_change(void)
{
    Stream stream = stream_new(GST_VIDEO_FORMAT_NV12, 320, 240);

    for (guint i = 0; i < 20; i++) {
        static const GstVideoFormat formats[] = {GST_VIDEO_FORMAT_YUY2, GST_VIDEO_FORMAT_RGBx,
                                                 GST_VIDEO_FORMAT_v210, GST_VIDEO_FORMAT_I420,
                                                 GST_VIDEO_FORMAT_RGB16};
        g_assert_cmpuint(changed(&stream, frame_pts(i), INFERRED, 1), >, 0);
        g_assert_cmpuint(changed(&stream, frame_pts(i), NOT_INFERRED, 0), >, 0);
        stream.info = overlay_info(formats[i % G_N_ELEMENTS(formats)], 101 + 37 * (gint)i,
                                   99 + (gint)i, NULL);
        gst_harness_set_src_caps(stream.harness, gst_video_info_to_caps(&stream.info));
    }
    gst_harness_teardown(stream.harness);
}

static void test_confidence_bar(void)
{
    static const gdouble sure[] = {0.0, 0.25, 0.5, 1.0, 7.0, -1.0};
    static const gint length_px[] = {0, 24, 48, 96, 96, 0};
    const Rect box = {20, 10, 100, 60}; // in lines of 2

    for (guint i = 0; i < G_N_ELEMENTS(sure); i++) {
        Stream stream = stream_new(GST_VIDEO_FORMAT_GRAY8, 160, 120);
        GstBuffer *buffer = gst_buffer_new_allocate(NULL, stream.info.size, NULL);
        guint8 row[160];
        gint n = 0;

        gst_buffer_memset(buffer, 0, 0, stream.info.size);
        g_object_set(stream.harness->element, "labels", FALSE, "line-width", 2, "confidence-bar",
                     TRUE, NULL);
        overlay_add_object(buffer, "person", 0, sure[i], box.x, box.y, box.w, box.h);
        buffer = gst_harness_push_and_pull(stream.harness, buffer);
        gst_buffer_extract(buffer, (gsize)(box.y + box.h - 4) * 160, row, sizeof row);
        for (gint x = box.x + 2; x < box.x + box.w - 2 && row[x] > 0; x++) {
            n++;
        }
        g_assert_cmpint(n, ==, length_px[i]);
        gst_buffer_unref(buffer);
        gst_harness_teardown(stream.harness);
    }
}

static void check_statistics(Statistics *s, const gchar *a, const gchar *b, const gchar *c)
{
    g_assert_cmpstr(s->texts[0], ==, a);
    g_assert_cmpstr(s->texts[1], ==, b);
    g_assert_cmpstr(s->texts[2], ==, c);
}

static void test_statistics_texts(void)
{
    EffdetFrameMeta looked = {.inferred = TRUE}, passed = {.inferred = FALSE};
    Statistics s = {0};

    for (guint i = 0; i < 25; i++) {
        statistics_add(&s, frame_pts(i), 0, 1, &looked);
        check_statistics(&s, "1 object", "inferred", NULL);
    }
    statistics_add(&s, frame_pts(25), 0, 0, &passed);
    check_statistics(&s, "25.0 frames/s", "0 objects", "not inferred");
    statistics_add(&s, frame_pts(26), 0, 3, NULL);
    check_statistics(&s, "25.0 frames/s", "3 objects", NULL);
    // slower, then back in time, then by the clock
    for (guint i = 27; i < 80; i += 5) {
        statistics_add(&s, frame_pts(i), 0, 3, NULL);
    }
    check_statistics(&s, "5.0 frames/s", "3 objects", NULL);
    statistics_add(&s, frame_pts(1), 0, 3, NULL);
    check_statistics(&s, "3 objects", NULL, NULL);
    for (guint i = 0; i < 12; i++) {
        statistics_add(&s, GST_CLOCK_TIME_NONE, i * GST_SECOND / 10, 3, NULL);
    }
    check_statistics(&s, "10.0 frames/s", "3 objects", NULL);
}

static void test_statistics(void)
{
    Stream stream = stream_new(GST_VIDEO_FORMAT_NV12, 320, 240);
    gsize one;

    g_assert_cmpuint(changed(&stream, frame_pts(0), INFERRED, 0), ==, 0);
    g_object_set(stream.harness->element, "statistics", TRUE, NULL);
    one = changed(&stream, frame_pts(1), NO_META, 0);
    g_assert_cmpuint(one, >, 0);
    g_assert_cmpuint(changed(&stream, frame_pts(2), INFERRED, 0), >, one * 3 / 2);
    g_object_set(stream.harness->element, "statistics", FALSE, NULL);
    g_assert_cmpuint(changed(&stream, frame_pts(3), INFERRED, 0), ==, 0);
    gst_harness_teardown(stream.harness);
}

// The caller's picture must stay as it is when somebody else holds the buffer or its memory.
static void test_shared_buffer(void)
{
    Stream stream = stream_new(GST_VIDEO_FORMAT_NV12, 160, 120);
    GstBuffer *mine = overlay_noise(&stream.info, 0), *drawn;
    GBytes *before = overlay_bytes(mine), *after, *shown;

    overlay_add_object(mine, "person", 0, 0.5, 20, 30, 25, 50);
    drawn = gst_harness_push_and_pull(stream.harness, gst_buffer_ref(mine));
    after = overlay_bytes(mine);
    shown = overlay_bytes(drawn);
    g_assert_true(drawn != mine);
    g_assert_true(g_bytes_equal(before, after));
    g_assert_false(g_bytes_equal(before, shown));
    g_bytes_unref(before);
    g_bytes_unref(after);
    g_bytes_unref(shown);
    gst_buffer_unref(mine);
    gst_buffer_unref(drawn);
    gst_harness_teardown(stream.harness);
}

static void test_odd_boxes(void)
{
    static const gdouble huge = 1e300;
    const EffdetDetection boxes[] = {
        {.x = NAN, .w = 10, .h = 10},
        {.w = NAN, .h = 10},
        {.x = -50, .y = -50, .w = 60, .h = 60},
        {.x = 90, .y = 70, .w = 60, .h = 60},
        {.x = -huge, .y = -huge, .w = huge, .h = huge},
        {.x = -1e9, .y = -1e9, .w = 3e9, .h = 3e9},
        {.x = 5, .y = 5, .w = -3, .h = 4},
        {.x = 5, .y = 5},
        {.x = 101, .y = 5, .w = 5, .h = 5},
        {.x = 5.5, .y = 5.5, .w = 0.01, .h = 0.01},
        {.x = INFINITY, .w = 1, .h = 1},
        {.w = INFINITY, .h = 1},
        {.x = 100, .y = 74, .w = 9, .h = 9},
    };
    static const gboolean shown[] = {0, 0, 1, 1, 0, 1, 0, 0, 0, 1, 0, 0, 1};
    const LayoutStyle style = {.width = 101, .height = 75, .grid_x = 2, .grid_y = 2, .line_px = 3};
    GArray *objects = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));
    GArray *shapes = g_array_new(FALSE, FALSE, sizeof(Shape));

    for (guint i = 0; i < G_N_ELEMENTS(boxes); i++) {
        g_array_set_size(objects, 0);
        g_array_append_val(objects, boxes[i]);
        g_array_set_size(shapes, 0);
        layout_boxes(shapes, objects, &style);
        if ((shapes->len > 0) != shown[i]) {
            g_error("box %u: %u shapes", i, shapes->len);
        }
        for (guint k = 0; k < shapes->len; k++) {
            Rect r = g_array_index(shapes, Shape, k).rect;
            g_assert_true(r.x >= 0 && r.y >= 0 && r.w > 0 && r.h > 0);
            g_assert_true(r.x + r.w <= style.width && r.y + r.h <= style.height);
            g_assert_true(r.x % 2 == 0 && r.y % 2 == 0);
        }
    }
    g_array_unref(objects);
    g_array_unref(shapes);
}

// ---- memory that is not ours --------------------------------------------------------------------

static void push_into_foreign_memory(gboolean downstream_draws, guint n_rectangles)
{
    const gchar *caps =
        "video/x-raw(memory:DMABuf),format=NV12,width=160,height=120,framerate=25/1";
    Stream stream = {.info = overlay_info(GST_VIDEO_FORMAT_NV12, 160, 120, NULL)};
    GstVideoOverlayCompositionMeta *meta;
    GstBus *bus = gst_bus_new();
    GstBuffer *buffer, *drawn;
    GBytes *before, *after;

    stream.harness = overlay_harness(NULL, NULL);
    gst_element_set_bus(stream.harness->element, bus);
    if (downstream_draws) {
        gst_harness_add_propose_allocation_meta(stream.harness,
                                                GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);
    }
    gst_harness_set_src_caps_str(stream.harness, caps);
    for (guint i = 0; i < 2; i++) {
        buffer = overlay_noise(&stream.info, 0);
        before = overlay_bytes(buffer);
        overlay_add_object(buffer, "person", 0, 0.9, 20, 40, 50, 50);
        drawn = gst_harness_push_and_pull(stream.harness, buffer);
        g_assert_nonnull(drawn);
        after = overlay_bytes(drawn);
        g_assert_true(g_bytes_equal(before, after));
        meta = gst_buffer_get_video_overlay_composition_meta(drawn);
        g_assert_cmpuint(meta != NULL ? gst_video_overlay_composition_n_rectangles(meta->overlay)
                                      : 0,
                         ==, n_rectangles);
        g_bytes_unref(before);
        g_bytes_unref(after);
        gst_buffer_unref(drawn);
    }
    // one warning for the whole stream, not one a frame
    g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_WARNING, NULL), ==,
                     downstream_draws ? 0 : 1);
    gst_element_set_bus(stream.harness->element, NULL);
    gst_object_unref(bus);
    gst_harness_teardown(stream.harness);
}

static void test_foreign_memory(void)
{
    push_into_foreign_memory(FALSE, 0);
    push_into_foreign_memory(TRUE, 5);
}

// ---- the alias and the time ---------------------------------------------------------------------

static void test_alias(void)
{
    GstElement *element = gst_element_factory_make("overlay", NULL);

    g_assert_nonnull(element);
    g_assert_cmpstr(G_OBJECT_TYPE_NAME(element), ==, "GstEffdetOverlay");
    gst_object_unref(gst_object_ref_sink(element));
}

// Everything at once: boxes with bars, a path of a thousand pixels each, a line of statistics.
static void test_speed_of_all(void)
{
    GstVideoInfo info = overlay_info(GST_VIDEO_FORMAT_NV12, 1920, 1080, NULL);
    GstHarness *harness = overlay_harness(&info, "trails", 2000, "confidence-bar", TRUE,
                                          "statistics", TRUE, "hide", "nobody,99", NULL);
    gint64 best_us = G_MAXINT64;

    for (guint i = 0; i < 150; i++) {
        GstBuffer *buffer = gst_buffer_new_allocate(NULL, info.size, NULL);
        gint64 start_us;

        GST_BUFFER_PTS(buffer) = frame_pts(i);
        effdet_frame_meta_set(buffer, TRUE, frame_pts(i));
        for (guint k = 0; k < 20; k++) {
            overlay_add_track(overlay_add_object(buffer, "person", (gint)(k % 7), 0.4 + 0.02 * k,
                                                 30 + 300 * (k % 5) + 10 * (i % 50),
                                                 40 + 200 * (k / 5) + 5 * (i % 50), 100, 200),
                              (gint)k + 1, NULL);
        }
        start_us = g_get_monotonic_time();
        buffer = gst_harness_push_and_pull(harness, buffer);
        best_us = i > 60 ? MIN(best_us, g_get_monotonic_time() - start_us) : best_us;
        gst_buffer_unref(buffer);
    }
    g_test_message("all at once, NV12 1920x1080, 20 objects: %.3f ms a frame",
                   (gdouble)best_us / 1000);
    g_assert_cmpint(best_us, <, 50000); // for slow machines and sanitizers, not the target
    gst_harness_teardown(harness);
}

static void test_speed(void)
{
    static const GstVideoFormat formats[] = {GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_YUY2,
                                             GST_VIDEO_FORMAT_BGRx, GST_VIDEO_FORMAT_P010_10LE};

    GstElement *element = gst_object_ref_sink(gst_element_factory_make("effdetoverlay", NULL));
    OverlaySettings settings = {0};

    overlay_settings_init(&settings, G_OBJECT_GET_CLASS(element));
    gst_object_unref(element);
    for (guint f = 0; f < G_N_ELEMENTS(formats); f++) {
        GstVideoInfo info = overlay_info(formats[f], 1920, 1080, NULL);
        GArray *objects = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));
        GstBuffer *buffer = overlay_noise(&info, 0);
        GstCaps *caps = gst_video_info_to_caps(&info);
        GArray *nothing = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));
        CanvasScene scene = {.objects = objects, .obscured = nothing, .alpha = RASTER_OPAQUE};
        Canvas canvas = {.own_mode = CANVAS_NEVER};
        gint64 best_us = G_MAXINT64;

        for (guint i = 0; i < 20; i++) {
            EffdetDetection object = {.label = g_quark_from_string("person"),
                                      .label_id = (gint)(i % 7),
                                      .confidence = 0.4 + 0.02 * i,
                                      .x = 30 + 370 * (i % 5),
                                      .y = 40 + 250 * (i / 5),
                                      .w = 200,
                                      .h = 400};
            g_array_append_val(objects, object);
        }
        g_assert_true(canvas_set_caps(&canvas, caps));
        canvas_apply(&canvas, &settings);
        for (guint i = 0; i < 100; i++) {
            gint64 start_us = g_get_monotonic_time();
            g_assert_true(canvas_draw(&canvas, buffer, &scene));
            best_us = MIN(best_us, g_get_monotonic_time() - start_us);
        }
        g_test_message("%s 1920x1080, 20 objects: %.3f ms a frame", info.finfo->name,
                       (gdouble)best_us / 1000);
        // an upper bound for slow machines and sanitizers, not the target
        g_assert_cmpint(best_us, <, 20000);
        canvas_finish(&canvas);
        g_array_unref(objects);
        g_array_unref(nothing);
        gst_caps_unref(caps);
        gst_buffer_unref(buffer);
    }
    overlay_settings_finish(&settings);
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_assert_true(GST_ELEMENT_REGISTER(effdetoverlay, NULL));
    g_assert_true(GST_ELEMENT_REGISTER(overlay, NULL));
    g_test_add_func("/overlay/hold/sequence", test_hold);
    g_test_add_func("/overlay/hold/dims", test_hold_dims);
    g_test_add_func("/overlay/hold/set-and-forgotten", test_hold_is_set_and_forgotten);
    g_test_add_func("/overlay/properties-while-playing", test_properties_while_playing);
    g_test_add_func("/overlay/confidence-bar", test_confidence_bar);
    g_test_add_func("/overlay/statistics/texts", test_statistics_texts);
    g_test_add_func("/overlay/statistics/shown", test_statistics);
    g_test_add_func("/overlay/caps-change", test_caps_change);
    g_test_add_func("/overlay/shared-buffer", test_shared_buffer);
    g_test_add_func("/overlay/odd-boxes", test_odd_boxes);
    g_test_add_func("/overlay/foreign-memory", test_foreign_memory);
    g_test_add_func("/overlay/alias", test_alias);
    g_test_add_func("/overlay/speed", test_speed);
    g_test_add_func("/overlay/speed-of-all", test_speed_of_all);
    return fixture_run();
}
