// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Obscured objects: what is left of the picture there, in every format, against a naive reference;
// that nothing beside them changes; and what happens where the picture cannot be written.
#include "fixture.h"
#include "meta/frame_meta.h"
#include "overlay/canvas.h"
#include "overlay/overlay.h"
#include "overlay/privacy.h"
#include "overlay_video.h"

#include <math.h>
#include <string.h>

// ---- against the reference ----------------------------------------------------------------------

static gint cells(gint side, gint shorter)
{
    return MAX(MIN(MIN(PRIVACY_CELLS * side / shorter, 64), side / PRIVACY_MIN_CELL_PX), 1);
}

static gdouble clamped(gdouble value, gdouble most)
{
    return CLAMP(value, 0.0, most);
}

// What one sample of a grey picture [height][width] should become.
static gdouble reference(const guint8 *picture, gint width, const Rect *r, gint x, gint y,
                         gboolean smooth)
{
    gint n_x = cells(r->w, MIN(r->w, r->h)), n_y = cells(r->h, MIN(r->w, r->h));
    gdouble at_x = clamped((x + 0.5) * n_x / r->w - 0.5, n_x - 1), value = 0;
    gdouble at_y = clamped((y + 0.5) * n_y / r->h - 0.5, n_y - 1);

    for (gint cy = 0; cy < n_y; cy++) {
        for (gint cx = 0; cx < n_x; cx++) {
            gint x0 = cx * r->w / n_x, x1 = (cx + 1) * r->w / n_x;
            gint y0 = cy * r->h / n_y, y1 = (cy + 1) * r->h / n_y;
            gdouble weight = fmax(1 - fabs(at_x - cx), 0) * fmax(1 - fabs(at_y - cy), 0), sum = 0;

            if (!smooth) {
                weight = x >= x0 && x < x1 && y >= y0 && y < y1;
            }
            for (gint v = y0; v < y1 && weight > 0; v++) {
                for (gint u = x0; u < x1; u++) {
                    sum += picture[(r->y + v) * width + r->x + u];
                }
            }
            value += weight * sum / ((x1 - x0) * (y1 - y0));
        }
    }
    return value;
}

// Of noise, or of black and white blocks, between which nothing may swing over.
static void compare_with_reference(const Rect *r, gboolean smooth, gint block_px)
{
    GstVideoInfo info = overlay_info(GST_VIDEO_FORMAT_GRAY8, 160, 120, NULL);
    GstBuffer *buffer = overlay_noise(&info, 0), *before;
    GstVideoFrame frame;
    GstMapInfo was;
    Raster raster;

    for (gint i = 0; i < 160 * 120 && block_px > 0; i++) {
        gint odd = (i % 160 / block_px + i / 160 / block_px) % 2;
        gst_buffer_memset(buffer, (gsize)i, odd ? 255 : 0, 1);
    }
    before = gst_buffer_copy_deep(buffer);
    g_assert_true(gst_video_frame_map(&frame, &info, buffer, GST_MAP_READWRITE));
    g_assert_true(gst_buffer_map(before, &was, GST_MAP_READ));
    raster_init(&raster, &frame);
    privacy_obscure(&raster, r, smooth);
    for (gint y = 0; y < 120; y++) {
        for (gint x = 0; x < 160; x++) {
            gboolean in = x >= r->x && x < r->x + r->w && y >= r->y && y < r->y + r->h;
            gdouble expected = in ? reference(was.data, 160, r, x - r->x, y - r->y, smooth)
                                  : was.data[y * 160 + x];
            gint got = raster_read(&raster.component[0], x, y);

            // a mean is rounded, and two interpolations cut off
            if (fabs(got - expected) > (in ? 2.5 : 0)) {
                g_error("%s %dx%d at %d,%d: sample %d,%d is %d, not %.2f",
                        smooth ? "blur" : "pixelate", r->w, r->h, r->x, r->y, x, y, got, expected);
            }
        }
    }
    gst_buffer_unmap(before, &was);
    gst_video_frame_unmap(&frame);
    gst_buffer_unref(before);
    gst_buffer_unref(buffer);
}

static void test_reference(void)
{
    // cells of up to 15 pixels, of which every sample is read
    static const Rect rects[] = {
        {10, 60, 150, 60}, {7, 5, 60, 60},  {7, 5, 33, 65},   {50, 40, 61, 40},
        {10, 10, 1, 1},    {10, 10, 7, 9},  {10, 10, 16, 9},  {0, 30, 160, 8},
        {159, 0, 1, 120},  {3, 3, 31, 117}, {40, 20, 32, 32}, {1, 1, 15, 15},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rects); i++) {
        for (gint block_px = 0; block_px < 30; block_px++) {
            compare_with_reference(&rects[i], FALSE, block_px);
            compare_with_reference(&rects[i], TRUE, block_px);
        }
    }
}

// ---- every format -------------------------------------------------------------------------------

// Brightest minus darkest of one component of the unpacked pixels inside the rectangle, 0 to 1.
static gdouble contrast(const guint16 *pixels, gint width, const Rect *r, guint component)
{
    guint16 least = G_MAXUINT16, most = 0;

    for (gint y = r->y; y < r->y + r->h; y++) {
        for (gint x = r->x; x < r->x + r->w; x++) {
            guint16 value = pixels[((gsize)y * (gsize)width + (gsize)x) * 4 + component];
            least = MIN(least, value);
            most = MAX(most, value);
        }
    }
    return (most - least) / 65535.0;
}

static void check_format(GstVideoFormat format, const gchar *mode)
{
    const Rect box = {48, 24, 64, 80};
    GstVideoInfo info = overlay_info(format, 160, 120, NULL);
    GstHarness *harness =
        overlay_harness(&info, "labels", FALSE, "hide", "plate", "obscure", "plate", NULL);
    GstBuffer *buffer = overlay_noise(&info, 8), *drawn;
    guint16 *before = overlay_pixels(buffer, &info), *after;

    gst_util_set_object_arg(G_OBJECT(harness->element), "obscure-mode", mode);
    overlay_add_object(buffer, "plate", 0, 0.9, box.x, box.y, box.w, box.h);
    drawn = gst_harness_push_and_pull(harness, buffer);
    g_assert_nonnull(drawn);
    after = overlay_pixels(drawn, &info);
    for (guint i = 1; i < 4; i++) {
        gdouble left = contrast(after, 160, &box, i), was = contrast(before, 160, &box, i);

        // noise of 256 samples a cell has 1/16 of its deviation, chroma of 64 an eighth
        if (was > 0.8 && left > 0.3) {
            g_error("%s %s: component %u has contrast %.2f", info.finfo->name, mode, i, left);
        }
    }
    for (gint y = 0; y < 120; y++) {
        for (gint x = 0; x < 160; x++) {
            gsize at = ((gsize)y * 160 + (gsize)x) * 4;
            gboolean in = x >= box.x && x < box.x + box.w && y >= box.y && y < box.y + box.h;
            if (!in && memcmp(before + at, after + at, 8) != 0) {
                g_error("%s %s: pixel %d,%d beside the box has changed", info.finfo->name, mode, x,
                        y);
            }
        }
    }
    gst_buffer_unref(drawn);
    g_free(before);
    g_free(after);
    gst_harness_teardown(harness);
}

static void test_every_format(void)
{
    GEnumClass *formats = g_type_class_ref(GST_TYPE_VIDEO_FORMAT);
    guint n = 0;

    for (guint i = 0; i < formats->n_values; i++) {
        GstVideoFormat format = formats->values[i].value;

        if (format > GST_VIDEO_FORMAT_ENCODED &&
            raster_can_draw(gst_video_format_get_info(format))) {
            check_format(format, "blur");
            check_format(format, "pixelate");
            n++;
        }
    }
    g_assert_cmpuint(n, >, 40);
    g_type_class_unref(formats);
}

// ---- when ---------------------------------------------------------------------------------------

typedef struct {
    const gchar *label, *vote;
    gboolean obscured;
} Case;

// Whether the middle of a black frame's white object, which has no line there, has changed.
static gboolean obscures(GstHarness *harness, const GstVideoInfo *info, const Case *c, guint frame)
{
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, info->size, NULL);
    guint8 pixel;

    gst_buffer_memset(buffer, 0, 0, info->size);
    gst_buffer_memset(buffer, 60 * 160 + 80, 255, 1);
    GST_BUFFER_PTS(buffer) = frame * 40 * GST_MSECOND;
    effdet_frame_meta_set(buffer, c != NULL, GST_BUFFER_PTS(buffer));
    if (c != NULL) {
        overlay_add_track(overlay_add_object(buffer, c->label, 0, 0.9, 40, 20, 80, 80), 3, c->vote);
    }
    buffer = gst_harness_push_and_pull(harness, buffer);
    gst_buffer_extract(buffer, 60 * 160 + 80, &pixel, 1);
    gst_buffer_unref(buffer);
    return pixel != 255;
}

static void test_when(void)
{
    static const Case cases[] = {
        {"face", NULL, TRUE},  {"Face", "dog", TRUE}, {"dog", "face", TRUE},
        {"dog", "cat", FALSE}, {"dog", NULL, FALSE},
    };
    GstVideoInfo info = overlay_info(GST_VIDEO_FORMAT_GRAY8, 160, 120, NULL);
    GstHarness *harness = overlay_harness(&info, "obscure", "face,plate", NULL);
    guint frame = 0;

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_true(obscures(harness, &info, &cases[i], frame++) == cases[i].obscured);
        // and as long as they are held
        g_assert_true(obscures(harness, &info, NULL, frame++) == cases[i].obscured);
    }
    g_object_set(harness->element, "hide", "face", NULL);
    g_assert_true(obscures(harness, &info, &cases[0], frame++));
    g_object_set(harness->element, "obscure", NULL, NULL);
    g_assert_false(obscures(harness, &info, &cases[0], frame++));
    gst_harness_teardown(harness);
}

// ---- where the picture cannot be written --------------------------------------------------------

// A format that the video library blends into: the object is covered, also when it is held.
static void test_blended_format(void)
{
    GstVideoInfo info = overlay_info(GST_VIDEO_FORMAT_v210, 192, 120, NULL);
    GstHarness *harness = overlay_harness(&info, "labels", FALSE, "obscure", "face", NULL);
    const Rect inside = {60, 30, 60, 60};
    GstBus *bus = gst_bus_new();

    gst_element_set_bus(harness->element, bus);
    for (guint i = 0; i < 3; i++) {
        GstBuffer *buffer = overlay_noise(&info, 0);
        guint16 *pixels;

        GST_BUFFER_PTS(buffer) = i * 40 * GST_MSECOND;
        effdet_frame_meta_set(buffer, i == 0, 0);
        if (i == 0) {
            overlay_add_object(buffer, "face", 0, 0.9, 48, 20, 80, 80);
        }
        buffer = gst_harness_push_and_pull(harness, buffer);
        pixels = overlay_pixels(buffer, &info);
        for (guint k = 1; k < 4; k++) {
            g_assert_cmpfloat(contrast(pixels, 192, &inside, k), <, 0.01);
        }
        g_free(pixels);
        gst_buffer_unref(buffer);
    }
    g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_WARNING, NULL), ==, 1);
    gst_element_set_bus(harness->element, NULL);
    gst_object_unref(bus);
    gst_harness_teardown(harness);
}

static GstHarness *foreign_harness(gboolean downstream_draws)
{
    GstHarness *harness = overlay_harness(NULL, "labels", FALSE, "obscure", "face", NULL);

    if (downstream_draws) {
        gst_harness_add_propose_allocation_meta(harness,
                                                GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);
    }
    gst_harness_set_src_caps_str(
        harness, "video/x-raw(memory:DMABuf),format=NV12,width=160,height=120,framerate=25/1");
    return harness;
}

static void test_attached(void)
{
    GstVideoInfo info = overlay_info(GST_VIDEO_FORMAT_NV12, 160, 120, NULL);
    GstHarness *harness = foreign_harness(TRUE);

    for (guint i = 0; i < 2; i++) {
        GstBuffer *buffer = overlay_noise(&info, 0);
        GstVideoOverlayRectangle *cover;
        gint x, y;
        guint w, h;

        GST_BUFFER_PTS(buffer) = i * 40 * GST_MSECOND;
        effdet_frame_meta_set(buffer, i == 0, 0);
        if (i == 0) {
            overlay_add_object(buffer, "face", 0, 0.9, 20, 40, 50, 60);
        }
        buffer = gst_harness_push_and_pull(harness, buffer);
        cover = gst_video_overlay_composition_get_rectangle(
            gst_buffer_get_video_overlay_composition_meta(buffer)->overlay, 0);
        g_assert_true(gst_video_overlay_rectangle_get_render_rectangle(cover, &x, &y, &w, &h));
        g_assert_true(x == 20 && y == 40 && w == 50 && h == 60);
        g_assert_cmpfloat(gst_video_overlay_rectangle_get_global_alpha(cover), ==, 1.0);
        gst_buffer_unref(buffer);
    }
    gst_harness_teardown(harness);
}

// Bytes changed inside and outside of the object, and rectangles for downstream.
typedef struct {
    gsize inside, outside;
    guint n_rectangles;
} Effect;

static Effect effect_on(GstHarness *harness, const GstVideoInfo *info, const gchar *label)
{
    const Rect r = {40, 40, 50, 60};
    GstBuffer *buffer = overlay_noise(info, 0);
    GBytes *before = overlay_bytes(buffer), *after;
    GstVideoOverlayCompositionMeta *meta;
    const guint8 *a, *b;
    Effect effect = {0};

    overlay_add_object(buffer, label, 0, 0.9, r.x, r.y, r.w, r.h);
    buffer = gst_harness_push_and_pull(harness, buffer);
    after = overlay_bytes(buffer);
    a = g_bytes_get_data(before, NULL);
    b = g_bytes_get_data(after, NULL);
    for (gint i = 0; i < info->width * info->height; i++) {
        gint x = i % info->width, y = i / info->width;
        gboolean in = x >= r.x && x < r.x + r.w && y >= r.y && y < r.y + r.h;

        effect.inside += in && a[i] != b[i];
        effect.outside += !in && a[i] != b[i];
    }
    meta = gst_buffer_get_video_overlay_composition_meta(buffer);
    effect.n_rectangles =
        meta != NULL ? gst_video_overlay_composition_n_rectangles(meta->overlay) : 0;
    g_bytes_unref(before);
    g_bytes_unref(after);
    gst_buffer_unref(buffer);
    return effect;
}

static gboolean same(const Effect *a, const Effect *b)
{
    return a->inside == b->inside && a->outside == b->outside && a->n_rectangles == b->n_rectangles;
}

// `attach` leaves the picture alone, but for what must not be seen; and only if downstream draws.
static void test_attach_property(void)
{
    GstVideoInfo info = overlay_info(GST_VIDEO_FORMAT_GRAY8, 160, 120, NULL);

    for (guint draws = 0; draws < 2; draws++) {
        GstHarness *harness = overlay_harness(NULL, "obscure", "face", NULL);
        Effect own, attached, obscured;

        if (draws) {
            gst_harness_add_propose_allocation_meta(
                harness, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);
        }
        gst_harness_set_src_caps(harness, gst_video_info_to_caps(&info));
        own = effect_on(harness, &info, "dog");
        g_assert_true(own.inside > 0 && own.outside > 0 && own.n_rectangles == 0);
        g_object_set(harness->element, "attach", TRUE, NULL);
        attached = effect_on(harness, &info, "dog");
        obscured = effect_on(harness, &info, "face");
        if (draws) {
            g_assert_true(attached.inside == 0 && attached.outside == 0);
            g_assert_cmpuint(attached.n_rectangles, ==, 5);
            g_assert_cmpuint(obscured.inside, >, 50 * 60 * 9 / 10);
            g_assert_true(obscured.outside == 0 && obscured.n_rectangles == 5);
        } else {
            g_assert_true(same(&own, &attached));
        }
        g_object_set(harness->element, "attach", FALSE, NULL);
        attached = effect_on(harness, &info, "dog");
        g_assert_true(same(&own, &attached));
        gst_harness_teardown(harness);
    }
}

// Nobody draws: the stream ends rather than to show what must not be seen.
static void test_nobody_draws(void)
{
    GstVideoInfo info = overlay_info(GST_VIDEO_FORMAT_NV12, 160, 120, NULL);
    GstHarness *harness = foreign_harness(FALSE);
    GstBus *bus = gst_bus_new();
    GstBuffer *buffer = overlay_noise(&info, 0);
    GError *error = NULL;

    gst_element_set_bus(harness->element, bus);
    overlay_add_object(buffer, "face", 0, 0.9, 20, 40, 50, 50);
    g_assert_cmpint(gst_harness_push(harness, buffer), ==, GST_FLOW_ERROR);
    g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_ERROR, &error), ==, 1);
    g_assert_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT);
    g_error_free(error);
    gst_element_set_bus(harness->element, NULL);
    gst_object_unref(bus);
    gst_harness_teardown(harness);
}

static void test_speed(void)
{
    GstVideoInfo info = overlay_info(GST_VIDEO_FORMAT_NV12, 1920, 1080, NULL);

    for (guint smooth = 0; smooth < 2; smooth++) {
        GstBuffer *buffer = overlay_noise(&info, 0);
        gint64 best_us = G_MAXINT64;
        GstVideoFrame frame;
        Raster raster;

        g_assert_true(gst_video_frame_map(&frame, &info, buffer, GST_MAP_READWRITE));
        raster_init(&raster, &frame);
        for (guint i = 0; i < 20; i++) {
            gint64 start_us = g_get_monotonic_time();
            for (gint k = 0; k < 20; k++) {
                Rect rect = {30 + 370 * (k % 5), 40 + 250 * (k / 5), 100, 200};
                privacy_obscure(&raster, &rect, smooth != 0);
            }
            best_us = MIN(best_us, g_get_monotonic_time() - start_us);
        }
        g_test_message("%s, 20 objects of 100x200 on NV12: %.3f ms a frame",
                       smooth ? "blur" : "pixelate", (gdouble)best_us / 1000);
        g_assert_cmpint(best_us, <, 50000); // for slow machines and sanitizers, not the target
        gst_video_frame_unmap(&frame);
        gst_buffer_unref(buffer);
    }
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_assert_true(GST_ELEMENT_REGISTER(effdetoverlay, NULL));
    g_test_add_func("/overlay/privacy/reference", test_reference);
    g_test_add_func("/overlay/privacy/every-format", test_every_format);
    g_test_add_func("/overlay/privacy/when", test_when);
    g_test_add_func("/overlay/privacy/blended-format", test_blended_format);
    g_test_add_func("/overlay/privacy/attached", test_attached);
    g_test_add_func("/overlay/privacy/attach-property", test_attach_property);
    g_test_add_func("/overlay/privacy/nobody-draws", test_nobody_draws);
    g_test_add_func("/overlay/privacy/speed", test_speed);
    return fixture_run();
}
