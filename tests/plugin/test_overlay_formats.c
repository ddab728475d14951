// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Every video format: a box has its class's colour on the pixels it should, and no other pixel
// changes. When objects are shown is in test_overlay_frames.c.
#include "fixture.h"
#include "overlay/canvas.h"
#include "overlay/overlay.h"
#include "overlay_video.h"

#include <math.h>
#include <string.h>

// What class 0 looks like.
static const gdouble first_color[3] = {50 / 255.0, 220 / 255.0, 80 / 255.0};

// The same by the textbook: kr and kb of the matrix, 8-bit levels of the range.
typedef struct {
    const gchar *name; // as in caps
    gdouble kr, kb;
    gboolean full;
} Colorimetry;

static const Colorimetry bt601 = {"bt601", 0.299, 0.114, FALSE};
static const Colorimetry bt709 = {"bt709", 0.2126, 0.0722, FALSE};
static const Colorimetry bt709_full = {"1:3:5:1", 0.2126, 0.0722, TRUE};
static const Colorimetry bt2020 = {"bt2020", 0.2627, 0.0593, FALSE};

static void expected_components(gdouble out[3], const GstVideoFormatInfo *finfo,
                                const Colorimetry *c)
{
    gdouble y =
        c->kr * first_color[0] + (1 - c->kr - c->kb) * first_color[1] + c->kb * first_color[2];
    gdouble u = (first_color[2] - y) / (2 - 2 * c->kb), v = (first_color[0] - y) / (2 - 2 * c->kr);

    if (GST_VIDEO_FORMAT_INFO_IS_RGB(finfo)) {
        memcpy(out, first_color, sizeof first_color);
        return;
    }
    out[0] = c->full ? y : (16 + 219 * y) / 255;
    out[1] = (128 + (c->full ? 255 : 224) * u) / 255;
    out[2] = (128 + (c->full ? 255 : 224) * v) / 255;
    if (GST_VIDEO_FORMAT_INFO_IS_GRAY(finfo)) {
        out[1] = out[2] = 128 / 255.0;
    }
}

// The box of every test, and the pixels it may touch: inside, and not further inside than the line.
typedef struct {
    gint left, top, right, bottom, line_x, line_y;
} Outline;

static Outline outline_of(const GstVideoInfo *info, gint x, gint y, gint w, gint h)
{
    gint grid_x = 1 << MAX(info->finfo->w_sub[1], info->finfo->w_sub[0]);
    gint grid_y = 1 << MAX(info->finfo->h_sub[1], info->finfo->h_sub[0]);
    gint line = MAX((info->height + 135) / 270, 1);

    if (GST_VIDEO_FORMAT_INFO_IS_GRAY(info->finfo)) {
        grid_x = grid_y = 1;
    }
    return (Outline){
        .left = x / grid_x * grid_x,
        .top = y / grid_y * grid_y,
        .right = MIN((x + w + grid_x - 1) / grid_x * grid_x, info->width),
        .bottom = MIN((y + h + grid_y - 1) / grid_y * grid_y, info->height),
        .line_x = (line + grid_x - 1) / grid_x * grid_x,
        .line_y = (line + grid_y - 1) / grid_y * grid_y,
    };
}

static gboolean on_outline(const Outline *o, gint x, gint y)
{
    return x >= o->left && x < o->right && y >= o->top && y < o->bottom &&
           (x < o->left + o->line_x || x >= o->right - o->line_x || y < o->top + o->line_y ||
            y >= o->bottom - o->line_y);
}

static gdouble distance(const guint16 *pixel, const gdouble expected[3])
{
    gdouble worst = 0;

    for (guint i = 0; i < 3; i++) {
        worst = MAX(worst, fabs(pixel[i + 1] / 65535.0 - expected[i]));
    }
    return worst;
}

static void compare(const GstVideoInfo *info, const guint16 *before, const guint16 *after,
                    const Outline *outline, const Colorimetry *colorimetry, gboolean exact)
{
    gdouble expected[3], tolerance = exact ? 1.6 / 255 : 9.0 / 255;
    gint strayed = 0;

    expected_components(expected, info->finfo, colorimetry);
    for (gint y = 0; y < info->height; y++) {
        for (gint x = 0; x < info->width; x++) {
            gsize at = ((gsize)y * (gsize)info->width + (gsize)x) * 4;
            if (on_outline(outline, x, y)) {
                gdouble off = distance(after + at, expected);
                if (off > tolerance) {
                    g_error("%s %dx%d %s: pixel %d,%d is %d %d %d, off by %.4f", info->finfo->name,
                            info->width, info->height, colorimetry->name, x, y, after[at + 1],
                            after[at + 2], after[at + 3], off);
                }
            } else if (memcmp(before + at, after + at, 8) != 0) {
                const gdouble was[3] = {before[at + 1] / 65535.0, before[at + 2] / 65535.0,
                                        before[at + 3] / 65535.0};
                strayed += distance(after + at, was) > 1.0 / 255;
                if (exact) {
                    g_error("%s %dx%d: pixel %d,%d beside the box has changed", info->finfo->name,
                            info->width, info->height, x, y);
                }
            }
        }
    }
    g_test_message("%s %dx%d: %d pixels beside the box changed", info->finfo->name, info->width,
                   info->height, strayed);
    g_assert_cmpint(strayed, <=, info->width * info->height / 4);
}

static void draw_and_compare(GstVideoFormat format, gint width, gint height,
                             const Colorimetry *colorimetry, guint pad)
{
    GstVideoFormatInfo const *finfo = gst_video_format_get_info(format);
    GstVideoInfo info = overlay_info(
        format, width, height, GST_VIDEO_FORMAT_INFO_IS_RGB(finfo) ? NULL : colorimetry->name);
    gint x = width / 7, y = height / 4, w = MAX(width / 2, 1), h = MAX(height / 2, 1);
    Outline outline = outline_of(&info, x, y, w, h);
    GstHarness *harness = overlay_harness(&info, "labels", FALSE, NULL);
    GstBuffer *buffer = overlay_noise(&info, pad), *drawn;
    guint16 *before = overlay_pixels(buffer, &info), *after;

    overlay_add_object(buffer, "person", 0, 0.9, x, y, w, h);
    drawn = gst_harness_push_and_pull(harness, buffer);
    g_assert_nonnull(drawn);
    after = overlay_pixels(drawn, &info);
    compare(&info, before, after, &outline, colorimetry, raster_can_draw(finfo));
    gst_buffer_unref(drawn);
    g_free(before);
    g_free(after);
    gst_harness_teardown(harness);
}

// ---- tests --------------------------------------------------------------------------------------

// Formats that design or speed demand in our own code.
static const GstVideoFormat own[] = {
    GST_VIDEO_FORMAT_NV12,      GST_VIDEO_FORMAT_I420,      GST_VIDEO_FORMAT_YUY2,
    GST_VIDEO_FORMAT_UYVY,      GST_VIDEO_FORMAT_RGBx,      GST_VIDEO_FORMAT_BGRx,
    GST_VIDEO_FORMAT_xRGB,      GST_VIDEO_FORMAT_xBGR,      GST_VIDEO_FORMAT_RGBA,
    GST_VIDEO_FORMAT_BGRA,      GST_VIDEO_FORMAT_ARGB,      GST_VIDEO_FORMAT_ABGR,
    GST_VIDEO_FORMAT_RGB,       GST_VIDEO_FORMAT_BGR,       GST_VIDEO_FORMAT_GRAY8,
    GST_VIDEO_FORMAT_YV12,      GST_VIDEO_FORMAT_NV21,      GST_VIDEO_FORMAT_Y42B,
    GST_VIDEO_FORMAT_Y444,      GST_VIDEO_FORMAT_AYUV,
#if G_BYTE_ORDER == G_LITTLE_ENDIAN
    GST_VIDEO_FORMAT_P010_10LE, GST_VIDEO_FORMAT_I420_10LE,
#endif
};

static void test_every_format(void)
{
    GEnumClass *formats = g_type_class_ref(GST_TYPE_VIDEO_FORMAT);
    guint n_own = 0, n_blended = 0;

    for (guint i = 0; i < G_N_ELEMENTS(own); i++) {
        g_assert_true(raster_can_draw(gst_video_format_get_info(own[i])));
    }
    for (guint i = 0; i < formats->n_values; i++) {
        GstVideoFormat format = formats->values[i].value;
        const GstVideoFormatInfo *finfo =
            format > GST_VIDEO_FORMAT_ENCODED ? gst_video_format_get_info(format) : NULL;

        if (finfo == NULL || finfo->unpack_func == NULL || finfo->pack_func == NULL ||
            (finfo->flags & (GST_VIDEO_FORMAT_FLAG_PALETTE | GST_VIDEO_FORMAT_FLAG_TILED))) {
            continue;
        }
        draw_and_compare(format, 96, 64, &bt601, 0);
        if (raster_can_draw(finfo)) {
            n_own++;
        } else {
            n_blended++;
        }
    }
    g_test_message("%u formats by our own code, %u by the video library", n_own, n_blended);
    g_assert_cmpuint(n_own, >=, G_N_ELEMENTS(own));
    g_type_class_unref(formats);
}

static void test_sizes(void)
{
    static const gint sizes[][2] = {{1, 1},   {2, 1},   {1, 2},     {3, 3},      {16, 16},
                                    {67, 45}, {96, 64}, {321, 243}, {1920, 1080}};

    for (guint i = 0; i < G_N_ELEMENTS(own); i++) {
        for (guint k = 0; k < G_N_ELEMENTS(sizes); k++) {
            draw_and_compare(own[i], sizes[k][0], sizes[k][1], &bt601, 0);
        }
    }
    draw_and_compare(GST_VIDEO_FORMAT_NV12, 3840, 2160, &bt601, 0);
}

static void test_stride_padding(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(own); i++) {
        draw_and_compare(own[i], 67, 45, &bt601, 24);
    }
}

static void test_colorimetry(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(own); i++) {
        draw_and_compare(own[i], 64, 48, &bt709, 0);
        draw_and_compare(own[i], 64, 48, &bt709_full, 0);
        draw_and_compare(own[i], 64, 48, &bt2020, 0);
    }
}

// Padding between rows belongs to somebody else: a box over the whole frame and its text touch no
// more bytes than the picture has.
static void test_padding_is_untouched(void)
{
    const guint pad = 32;

    for (guint i = 0; i < G_N_ELEMENTS(own); i++) {
        GstVideoInfo info = overlay_info(own[i], 61, 63, NULL);
        GstHarness *harness = overlay_harness(&info, "line-width", 100, NULL);
        GstBuffer *buffer = overlay_noise(&info, pad), *drawn;
        GBytes *before = overlay_bytes(buffer), *after;
        const guint8 *x, *y;

        overlay_add_object(buffer, "person", 0, 0.9, 0, 0, 200, 200);
        drawn = gst_harness_push_and_pull(harness, buffer);
        after = overlay_bytes(drawn);
        g_assert_cmpuint(overlay_n_different(before, after), >, 61 * 63 / 2);
        x = g_bytes_get_data(before, NULL);
        y = g_bytes_get_data(after, NULL);
        for (gsize at = 0; at < g_bytes_get_size(before); at++) {
            const GstVideoMeta *meta = gst_buffer_get_video_meta(drawn);
            guint plane = 0;
            while (plane + 1 < meta->n_planes && at >= meta->offset[plane + 1]) {
                plane++;
            }
            if ((at - meta->offset[plane]) % (gsize)meta->stride[plane] >=
                    (gsize)info.stride[plane] &&
                x[at] != y[at]) {
                g_error("%s: padding byte %" G_GSIZE_FORMAT " has changed", info.finfo->name, at);
            }
        }
        g_bytes_unref(before);
        g_bytes_unref(after);
        gst_buffer_unref(drawn);
        gst_harness_teardown(harness);
    }
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_assert_true(GST_ELEMENT_REGISTER(effdetoverlay, NULL));
    g_test_add_func("/overlay/formats/every", test_every_format);
    g_test_add_func("/overlay/formats/sizes", test_sizes);
    g_test_add_func("/overlay/formats/stride-padding", test_stride_padding);
    g_test_add_func("/overlay/formats/colorimetry", test_colorimetry);
    g_test_add_func("/overlay/formats/padding-untouched", test_padding_is_untouched);
    return fixture_run();
}
