// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Zones and lines on the picture: every sample of every format against a naive picture of them,
// drawn or attached. Their texts and what changes while playing are in test_overlay_zones_live.c.
#include "fixture.h"
#include "meta/zone_meta.h"
#include "overlay/canvas.h"
#include "overlay/overlay.h"
#include "overlay_video.h"

#include <math.h>
#include <string.h>

#define WIDTH 97
#define HEIGHT 65
#define LINE_PX 5
#define FIRST_INK 6 // of the zone or line of a buffer that has one
#define FINE 6      // sub-pixels along a side
#define TOLERANCE                                                                                  \
    0.13 // of coverage: 36 sub-pixels, 15 levels of cairo's, two smooth edges on a pixel

typedef struct {
    const gchar *name;
    gboolean is_line;
    guint n;
    gdouble points[8][2];
} Shape2D;

static const Shape2D shapes[] = {
    {"notched", FALSE, 5, {{0.07, 0.12}, {0.93, 0.2}, {0.5, 0.45}, {0.83, 0.95}, {0.2, 0.8}}},
    {"partly outside", FALSE, 3, {{-0.5, 0.3}, {0.6, 0.55}, {0.3, 1.7}}},
    {"steep line", TRUE, 2, {{0.35, 0.95}, {0.62, 0.08}}},
#define N_SHAPES_OF_ALL 3
    {"rectangle", FALSE, 4, {{0.1, 0.1}, {0.8, 0.1}, {0.8, 0.9}, {0.1, 0.9}}},
    {"crossed", FALSE, 4, {{0.1, 0.1}, {0.9, 0.9}, {0.9, 0.1}, {0.1, 0.9}}},
    {"all around", FALSE, 4, {{-2, -2}, {3, -2}, {3, 3}, {-2, 3}}},
    {"to the corners", FALSE, 4, {{0, 0}, {1, 0}, {1, 1}, {0, 1}}},
    {"elsewhere", FALSE, 3, {{1.2, 0.2}, {1.6, 0.2}, {1.4, 0.8}}},
    {"upright line", TRUE, 2, {{0.5, 0}, {0.5, 1}}},
    {"level line", TRUE, 2, {{0.9, 0.4}, {0.1, 0.4}}},
    {"flat line", TRUE, 2, {{0.05, 0.3}, {1.3, 0.62}}},
};

// ---- the naive picture --------------------------------------------------------------------------

static gdouble to_segment(const gdouble a[2], const gdouble b[2], gdouble x, gdouble y)
{
    gdouble dx = b[0] - a[0], dy = b[1] - a[1], squared = dx * dx + dy * dy;
    gdouble t = squared > 0 ? ((x - a[0]) * dx + (y - a[1]) * dy) / squared : 0;

    t = CLAMP(t, 0, 1);
    return hypot(x - a[0] - t * dx, y - a[1] - t * dy);
}

static gdouble zone_at(const Shape2D *shape, const gdouble (*px)[2], gdouble line_px, gdouble x,
                       gdouble y)
{
    gdouble nearest = G_MAXDOUBLE;
    gboolean inside = FALSE;

    for (guint i = 0, k = shape->n - 1; i < shape->n; k = i++) {
        nearest = MIN(nearest, to_segment(px[k], px[i], x, y));
        if ((px[i][1] > y) != (px[k][1] > y) &&
            x < px[i][0] + (px[k][0] - px[i][0]) * (y - px[i][1]) / (px[k][1] - px[i][1])) {
            inside = !inside;
        }
    }
    return !inside ? 0.0 : nearest <= line_px ? 1.0 : COVERAGE_FAINT / 255.0;
}

// The line, and an arrow of 11 thicknesses to the right, the last six of which are its head.
static gdouble line_at(const gdouble (*px)[2], gdouble line_px, gdouble x, gdouble y)
{
    gdouble dx = px[1][0] - px[0][0], dy = px[1][1] - px[0][1], length = hypot(dx, dy);
    gdouble ahead[2] = {-dy / length, dx / length};
    gdouble middle[2] = {(px[0][0] + px[1][0]) / 2, (px[0][1] + px[1][1]) / 2};
    gdouble neck[2] = {middle[0] + 5 * line_px * ahead[0], middle[1] + 5 * line_px * ahead[1]};
    gdouble along = ((x - neck[0]) * ahead[0] + (y - neck[1]) * ahead[1]) / (6 * line_px);
    gdouble aside = fabs((x - neck[0]) * ahead[1] - (y - neck[1]) * ahead[0]) / (3.5 * line_px);

    return to_segment(px[0], px[1], x, y) <= line_px / 2.0 ||
           to_segment(middle, neck, x, y) <= line_px / 2.0 || (along >= 0 && along + aside <= 1);
}

// Coverage of each pixel, [height][width].
static gdouble *naive(const Shape2D *shape, gdouble line_px, gint width, gint height)
{
    gdouble *coverage = g_new0(gdouble, (gsize)width * (gsize)height), px[8][2];

    for (guint i = 0; i < shape->n; i++) {
        px[i][0] = shape->points[i][0] * WIDTH;
        px[i][1] = shape->points[i][1] * HEIGHT;
    }
    for (gint at = 0; at < width * height; at++) {
        for (gint k = 0; k < FINE * FINE; k++) {
            gdouble x = at % width + (k % FINE + 0.5) / FINE;
            gdouble y = at / width + (k / FINE + 0.5) / FINE;

            coverage[at] += shape->is_line ? line_at((const gdouble(*)[2])px, line_px, x, y)
                                           : zone_at(shape, (const gdouble(*)[2])px, line_px, x, y);
        }
        coverage[at] /= FINE * FINE;
    }
    return coverage;
}

// ---- frames with one shape ----------------------------------------------------------------------

// Noise with one zone or line that has neither name nor counts, so no texts.
static GstBuffer *frame_with(const GstVideoInfo *info, const Shape2D *shape)
{
    g_autoptr(GstStructure) content = overlay_zone_content(shape->is_line, shape->points, shape->n);
    GstBuffer *buffer = overlay_noise(info, 0);

    effdet_zone_meta_append(buffer, content);
    return buffer;
}

// Mean of the naive coverage of the pixels that a sample stands for; those beyond the frame have
// the picture going on. Exactly 0 only where there is nothing next to them either.
static gdouble sample_coverage(const gdouble *coverage, gint width, const RasterComponent *c,
                               gint x, gint y)
{
    gint left = x << c->w_sub, right = (x + 1) << c->w_sub;
    gint top = y << c->h_sub, bottom = (y + 1) << c->h_sub;
    gdouble sum = 0;

    for (gint py = MAX(top - 1, 0); py <= bottom; py++) {
        for (gint px = MAX(left - 1, 0); px <= right; px++) {
            gboolean own = px >= left && px < right && py >= top && py < bottom;
            sum += coverage[py * width + px] * (own ? 1 : 1e-9);
        }
    }
    return sum / ((right - left) * (bottom - top));
}

// How many samples are further off than the tolerance; none may be by far.
static guint compare(const Shape2D *shape, const gdouble *coverage, gint width,
                     const GstVideoInfo *info, GstBuffer *was, GstBuffer *is)
{
    GstVideoFrame before, after;
    Raster old, new;
    InkSet inks;
    guint n_off = 0;

    g_assert_true(gst_video_frame_map(&before, info, was, GST_MAP_READ));
    g_assert_true(gst_video_frame_map(&after, info, is, GST_MAP_READ));
    raster_init(&old, &before);
    raster_init(&new, &after);
    ink_set_init(&inks, info);
    for (guint i = 0; i < old.n_components; i++) {
        const RasterComponent *c = &old.component[i];
        gdouble ink = inks.plate[FIRST_INK].sample[i];

        for (gint at = 0; at < c->width * c->height; at++) {
            gint x = at % c->width, y = at / c->width;
            gdouble a = sample_coverage(coverage, width, c, x, y), from = raster_read(c, x, y);
            gdouble got = raster_read(&new.component[i], x, y), wanted = from + a * (ink - from);
            gdouble step = (c->mask + 1) / 256.0; // 8-bit coverage
            gdouble off = fabs(got - wanted) - step, contrast = fabs(ink - from);

            if (off > 0.3 * contrast || (a == 0 && got != from)) {
                g_error("%s in %s: component %u at %d,%d is %g, wanted %g (covered %g, was %g)",
                        shape->name, info->finfo->name, i, x, y, got, wanted, a, from);
            }
            n_off += off > TOLERANCE * contrast;
        }
    }
    gst_video_frame_unmap(&before);
    gst_video_frame_unmap(&after);
    return n_off;
}

static void draw_and_compare(const Shape2D *shape, const gdouble *coverage, gint width,
                             GstVideoFormat format)
{
    GstVideoInfo info = overlay_info(format, WIDTH, HEIGHT, NULL);
    GstHarness *harness = overlay_harness(&info, "line-width", LINE_PX, NULL);
    GstBuffer *was = overlay_noise(&info, 0);

    for (guint i = 0; i < 2; i++) { // the second is drawn with what was kept
        GstBuffer *is = gst_harness_push_and_pull(harness, frame_with(&info, shape));
        guint n_off = compare(shape, coverage, width, &info, was, is);

        if (n_off > (shape->is_line ? 24 : 4)) { // where the arrow's parts meet
            g_error("%s in %s: %u samples are off", shape->name, info.finfo->name, n_off);
        }
        gst_buffer_unref(is);
    }
    gst_buffer_unref(was);
    gst_harness_teardown(harness);
}

// Formats that the video library draws into lose some of the noise's colour: only what is covered
// by all of its surroundings is compared.
static void blend_and_compare(const Shape2D *shape, const gdouble *coverage, gint width,
                              GstVideoFormat format)
{
    GstVideoInfo info = overlay_info(format, WIDTH, HEIGHT, NULL);
    GstVideoInfo unpacked = overlay_info(info.finfo->unpack_format, WIDTH, HEIGHT, NULL);
    GstHarness *harness = overlay_harness(&info, "line-width", 2 * LINE_PX, NULL);
    GstBuffer *buffer = gst_harness_push_and_pull(harness, frame_with(&info, shape));
    guint16 *pixels = overlay_pixels(buffer, &info);
    guint n = 0, depth = GST_VIDEO_FORMAT_INFO_DEPTH(unpacked.finfo, 0);
    InkSet inks;

    unpacked.colorimetry = info.colorimetry;
    ink_set_init(&inks, &unpacked);
    for (gint y = 4; y < HEIGHT - 4; y++) {
        for (gint x = 4; x < WIDTH - 4; x++) {
            gdouble least = 1;

            for (gint k = 0; k < 49; k++) {
                least = MIN(least, coverage[(y - 3 + k / 7) * width + x - 3 + k % 7]);
            }
            n += least == 1;
            for (guint i = 0; i < GST_VIDEO_FORMAT_INFO_N_COMPONENTS(info.finfo) && i < 3; i++) {
                gdouble wanted = inks.plate[FIRST_INK].sample[i] * 65535.0 / ((1 << depth) - 1);
                gdouble got = pixels[4 * (y * WIDTH + x) + (gint)i + 1];

                if (least == 1 && fabs(got - wanted) > 9 * 257) {
                    g_error("%s in %s: component %u at %d,%d is %g, wanted %g", shape->name,
                            info.finfo->name, i, x, y, got, wanted);
                }
            }
        }
    }
    g_assert_cmpuint(n, >, 20);
    g_free(pixels);
    gst_buffer_unref(buffer);
    gst_harness_teardown(harness);
}

static gboolean library_draws(const GstVideoFormatInfo *finfo)
{
    return finfo->unpack_func != NULL && finfo->pack_func != NULL &&
           (finfo->flags & (GST_VIDEO_FORMAT_FLAG_PALETTE | GST_VIDEO_FORMAT_FLAG_TILED)) == 0;
}

// Every format with one of the first shapes, every shape in formats of each kind.
static gboolean wanted(GstVideoFormat format, guint shape)
{
    return (guint)format % N_SHAPES_OF_ALL == shape || format == GST_VIDEO_FORMAT_NV12 ||
           format == GST_VIDEO_FORMAT_YUY2 || format == GST_VIDEO_FORMAT_RGB ||
           format == GST_VIDEO_FORMAT_I420_10LE;
}

static void test_every_format(void)
{
    const gint width = GST_ROUND_UP_8(WIDTH + 8), height = GST_ROUND_UP_8(HEIGHT + 8);
    GEnumClass *formats = g_type_class_ref(GST_TYPE_VIDEO_FORMAT);
    guint n_own = 0, n_blended = 0;

    for (guint k = 0; k < G_N_ELEMENTS(shapes); k++) {
        gdouble *coverage = naive(&shapes[k], LINE_PX, width, height);
        gdouble *thick = naive(&shapes[k], 2 * LINE_PX, width, height);

        for (guint i = 0; i < formats->n_values; i++) {
            GstVideoFormat format = formats->values[i].value;
            const GstVideoFormatInfo *finfo =
                format > GST_VIDEO_FORMAT_ENCODED ? gst_video_format_get_info(format) : NULL;

            if (!wanted(format, k)) {
                continue;
            }
            if (finfo != NULL && raster_can_draw(finfo)) {
                draw_and_compare(&shapes[k], coverage, width, format);
                n_own++;
            } else if (finfo != NULL && library_draws(finfo)) {
                blend_and_compare(&shapes[k], thick, width, format);
                n_blended++;
            }
        }
        g_free(coverage);
        g_free(thick);
    }
    g_test_message("%u pictures by our own code, %u by the video library", n_own, n_blended);
    g_assert_cmpuint(n_own, >, 40 + 3 * G_N_ELEMENTS(shapes));
    g_assert_cmpuint(n_blended, >, 20);
    g_type_class_unref(formats);
}

// ---- compositions -------------------------------------------------------------------------------

static GstVideoOverlayComposition *attached(GstHarness *harness, GstBuffer *frame)
{
    GBytes *before = overlay_bytes(frame), *after;
    GstBuffer *buffer = gst_harness_push_and_pull(harness, frame);
    GstVideoOverlayCompositionMeta *meta = gst_buffer_get_video_overlay_composition_meta(buffer);
    GstVideoOverlayComposition *composition =
        meta != NULL ? gst_video_overlay_composition_ref(meta->overlay) : NULL;

    after = overlay_bytes(buffer);
    g_assert_true(g_bytes_equal(before, after));
    g_bytes_unref(before);
    g_bytes_unref(after);
    gst_buffer_unref(buffer);
    return composition;
}

// What downstream makes of it is what our own code would have drawn, and the pictures of the next
// frame are the same ones.
static void test_attached(void)
{
    GstVideoInfo info = overlay_info(GST_VIDEO_FORMAT_NV12, WIDTH, HEIGHT, NULL);
    GstVideoInfo rgb = overlay_info(GST_VIDEO_FORMAT_RGB, WIDTH, HEIGHT, NULL);
    const gint width = GST_ROUND_UP_8(WIDTH + 8), height = GST_ROUND_UP_8(HEIGHT + 8);

    for (guint k = 0; k < G_N_ELEMENTS(shapes); k++) {
        GstHarness *harness = overlay_harness(NULL, "line-width", LINE_PX, "attach", TRUE, NULL);
        gdouble *coverage = naive(&shapes[k], LINE_PX, width, height);
        GstBuffer *was = overlay_noise(&rgb, 0), *is = overlay_noise(&rgb, 0);
        GstVideoOverlayComposition *first, *second;
        GstVideoFrame frame;

        gst_harness_add_propose_allocation_meta(harness,
                                                GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);
        gst_harness_set_src_caps(harness, gst_video_info_to_caps(&info));
        first = attached(harness, frame_with(&info, &shapes[k]));
        second = attached(harness, frame_with(&info, &shapes[k]));
        g_assert_true((first != NULL) == (strcmp(shapes[k].name, "elsewhere") != 0));
        g_assert_true((second != NULL) == (first != NULL));
        for (guint i = 0; first != NULL && i < gst_video_overlay_composition_n_rectangles(first);
             i++) {
            g_assert_true(gst_video_overlay_composition_get_rectangle(first, i) ==
                          gst_video_overlay_composition_get_rectangle(second, i));
        }
        if (first != NULL) {
            g_assert_true(gst_video_frame_map(&frame, &rgb, is, GST_MAP_READWRITE));
            g_assert_true(gst_video_overlay_composition_blend(first, &frame));
            gst_video_frame_unmap(&frame);
            gst_video_overlay_composition_unref(first);
            gst_video_overlay_composition_unref(second);
        }
        g_assert_cmpuint(compare(&shapes[k], coverage, width, &rgb, was, is), <=, 24);
        gst_buffer_unref(was);
        gst_buffer_unref(is);
        g_free(coverage);
        gst_harness_teardown(harness);
    }
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_assert_true(GST_ELEMENT_REGISTER(effdetoverlay, NULL));
    g_test_add_func("/overlay/zones/every-format", test_every_format);
    g_test_add_func("/overlay/zones/attached", test_attached);
    return fixture_run();
}
