// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Boxes of ours, drawn by GStreamer's objectdetectionoverlay. Runs without the tracer of leaks, as
// that element (1.26) never frees its last drawing.
#include "fixture.h"

#define WIDTH 160
#define HEIGHT 120
static const EffdetObject drawn[] = {{0, 0.9f, 40, 28, 72, 60}};
static const FakeScript drawn_script = {.objects = drawn, .n_objects = 1};

// How far the pixel is from the outline of the box, in pixels.
static gint distance(gint px, gint py, gint x, gint y, gint w, gint h)
{
    gint dx = MIN(ABS(px - x), ABS(px - (x + w))), dy = MIN(ABS(py - y), ABS(py - (y + h)));
    gint beside_x = MAX(MAX(x - px, px - (x + w)), 0), beside_y = MAX(MAX(y - py, py - (y + h)), 0);

    return MIN(MAX(dx, beside_y), MAX(dy, beside_x));
}

static gboolean is_lit(const GstVideoFrame *frame, gint x, gint y)
{
    const guint8 *pixel = GST_VIDEO_FRAME_PLANE_DATA(frame, 0);

    pixel += y * GST_VIDEO_FRAME_PLANE_STRIDE(frame, 0) + x * 4;
    return pixel[1] > 100;
}

// Along each side there is a line, and nowhere else is anything.
static void check_outline(GstBuffer *buffer, const GstVideoInfo *info, gint x, gint y, gint w,
                          gint h)
{
    GstVideoFrame frame;
    gint n_lit[4] = {0};

    g_assert_true(gst_video_frame_map(&frame, info, buffer, GST_MAP_READ));
    for (gint py = 0; py < GST_VIDEO_INFO_HEIGHT(info); py++) {
        for (gint px = 0; px < GST_VIDEO_INFO_WIDTH(info); px++) {
            if (!is_lit(&frame, px, py)) {
                continue;
            }
            if (distance(px, py, x, y, w, h) > 2) {
                g_error("%d,%d is drawn, the box is %d,%d %dx%d", px, py, x, y, w, h);
            }
            n_lit[0] += py >= y && py <= y + h && ABS(px - x) <= 2;
            n_lit[1] += py >= y && py <= y + h && ABS(px - (x + w)) <= 2;
            n_lit[2] += px >= x && px <= x + w && ABS(py - y) <= 2;
            n_lit[3] += px >= x && px <= x + w && ABS(py - (y + h)) <= 2;
        }
    }
    gst_video_frame_unmap(&frame);
    g_assert_cmpint(n_lit[0], >=, h - 2);
    g_assert_cmpint(n_lit[1], >=, h - 2);
    g_assert_cmpint(n_lit[2], >=, w - 2);
    g_assert_cmpint(n_lit[3], >=, w - 2);
}

typedef struct {
    const gchar *name, *elements;
    GstVideoFormat format;
    gint divided_by; // the size of what comes out
} Drawing;

static const Drawing drawings[] = {
    {"direct", "queue", GST_VIDEO_FORMAT_BGRx, 1},
    {"converted", "videoconvert", GST_VIDEO_FORMAT_NV12, 1},
    {"scaled", "videoscale", GST_VIDEO_FORMAT_BGRx, 2},
};

static void test_drawing(gconstpointer data)
{
    const Drawing *drawing = data;
    gint by = drawing->divided_by;
    g_autoptr(GstElementFactory) factory = gst_element_factory_find("objectdetectionoverlay");
    g_autofree gchar *line = g_strdup_printf(
        "effdet roi-meta=false ! %s ! objectdetectionoverlay draw-labels=false", drawing->elements);
    g_autoptr(GstBuffer) result = NULL;
    GstBuffer *buffer;
    GstVideoInfo in, out;
    GstHarness *h;

    if (factory == NULL) {
        g_test_skip("the element objectdetectionoverlay (gstreamer1.0-plugins-bad 1.24 or later)");
        return;
    }
    gst_video_info_set_format(&in, drawing->format, WIDTH, HEIGHT);
    gst_video_info_set_format(&out, GST_VIDEO_FORMAT_BGRx, WIDTH / by, HEIGHT / by);
    in.fps_n = out.fps_n = 25;
    fake_script(&drawn_script);
    h = gst_harness_new_parse(line);
    gst_harness_set_live(h, FALSE);
    gst_harness_set_caps(h, gst_video_info_to_caps(&in), gst_video_info_to_caps(&out));
    buffer = gst_buffer_new_allocate(NULL, in.size, NULL);
    gst_buffer_memset(buffer, 0, 0, in.size);
    if (drawing->format == GST_VIDEO_FORMAT_NV12) {
        gst_buffer_memset(buffer, 0, 16, in.offset[1]);
        gst_buffer_memset(buffer, in.offset[1], 128, in.size - in.offset[1]);
    }
    GST_BUFFER_PTS(buffer) = 0;
    g_assert_cmpint(gst_harness_push(h, buffer), ==, GST_FLOW_OK);
    g_assert_true(gst_harness_push_event(h, gst_event_new_eos()));
    result = gst_harness_pull(h);
    g_assert_nonnull(result);
    check_outline(result, &out, (gint)drawn[0].x / by, (gint)drawn[0].y / by, (gint)drawn[0].w / by,
                  (gint)drawn[0].h / by);
    gst_harness_teardown(h);
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    for (guint i = 0; i < G_N_ELEMENTS(drawings); i++) {
        g_autofree gchar *path = g_strdup_printf("/plugin/drawn/%s", drawings[i].name);

        g_test_add_data_func(path, &drawings[i], test_drawing);
    }
    return fixture_run();
}
