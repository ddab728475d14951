// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Paths of tracks: the line they make, what is forgotten when, and that memory has its bound.
#include "fixture.h"
#include "meta/frame_meta.h"
#include "overlay/overlay.h"
#include "overlay/trails.h"
#include "overlay_video.h"

#include <math.h>
#include <string.h>

#define SECOND GST_SECOND
#define WIDTH 161
#define HEIGHT 119

static const LayoutStyle style = {
    .width = WIDTH, .height = HEIGHT, .grid_x = 2, .grid_y = 2, .line_px = 3};

// A track whose foot is at x, y.
static void move(Trails *trails, gint64 track_id, gdouble x, gdouble y, GstClockTime pts,
                 GstClockTime age)
{
    GArray *objects = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));
    EffdetDetection object = {.x = x - 10, .y = y - 30, .w = 20, .h = 30, .track_id = track_id};

    g_array_append_val(objects, object);
    trails_update(trails, objects, pts, age);
    g_array_unref(objects);
}

// Pixels on the paths; each at most once, as dimmed ones would show.
static guint draw(const Trails *trails, gboolean (*on)[WIDTH])
{
    GArray *shapes = g_array_new(FALSE, FALSE, sizeof(Shape));
    guint n = 0;

    memset(on, 0, sizeof *on * HEIGHT);
    trails_layout(trails, shapes, &style);
    for (guint i = 0; i < shapes->len; i++) {
        Rect r = g_array_index(shapes, Shape, i).rect;

        g_assert_true(r.x >= 0 && r.y >= 0 && r.w > 0 && r.h > 0);
        g_assert_true(r.x + r.w <= WIDTH && r.y + r.h <= HEIGHT);
        g_assert_true(r.x % 2 == 0 && r.y % 2 == 0);
        for (gint y = r.y; y < r.y + r.h; y++) {
            for (gint x = r.x; x < r.x + r.w; x++) {
                n += !on[y][x];
                on[y][x] = TRUE;
            }
        }
    }
    g_array_unref(shapes);
    return n;
}

static void check_line(gdouble x0, gdouble y0, gdouble x1, gdouble y1)
{
    static gboolean on[HEIGHT][WIDTH];
    Trails *trails = trails_new();
    gdouble length = hypot(x1 - x0, y1 - y0);

    move(trails, 1, x0, y0, 0, SECOND);
    g_assert_false(trails_any(trails));
    move(trails, 1, x1, y1, SECOND / 2, SECOND);
    g_assert_true(trails_any(trails));
    draw(trails, on);
    for (gint y = 0; y < HEIGHT; y++) {
        for (gint x = 0; x < WIDTH; x++) {
            gdouble t = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / (length * length);
            gdouble near_x = x0 + CLAMP(t, 0, 1) * (x1 - x0),
                    near_y = y0 + CLAMP(t, 0, 1) * (y1 - y0);

            // cells of 4x4: none is further off than its diagonal and half a cell
            if (on[y][x] && hypot(x - near_x, y - near_y) > 8) {
                g_error("%g,%g to %g,%g: pixel %d,%d is off the line", x0, y0, x1, y1, x, y);
            }
        }
    }
    // every point of the line but the start's cell has a drawn pixel nearby
    for (gdouble d = 8; d < length; d += 1) {
        gint x = (gint)(x0 + d / length * (x1 - x0)), y = (gint)(y0 + d / length * (y1 - y0));
        gboolean found = FALSE;

        for (gint v = MAX(y - 3, 0); v <= MIN(y + 3, HEIGHT - 1); v++) {
            for (gint u = MAX(x - 3, 0); u <= MIN(x + 3, WIDTH - 1); u++) {
                found |= on[v][u];
            }
        }
        if (!found) {
            g_error("%g,%g to %g,%g: a gap at %d,%d", x0, y0, x1, y1, x, y);
        }
    }
    trails_free(trails);
}

static void test_lines(void)
{
    static const gdouble ends[][4] = {
        {20, 30, 150, 30},  {150, 30, 20, 30},   {80, 5, 80, 110},
        {80, 110, 80, 5},   {10, 10, 110, 110},  {110, 110, 10, 10},
        {10, 100, 150, 70}, {150, 40, 100, 115}, {3, 118, 160, 1},
    };
    gboolean on[HEIGHT][WIDTH];
    Trails *trails = trails_new();

    for (guint i = 0; i < G_N_ELEMENTS(ends); i++) {
        check_line(ends[i][0], ends[i][1], ends[i][2], ends[i][3]);
    }
    // outside the frame, and no numbers at all
    move(trails, 1, -1e300, 50, 0, SECOND);
    move(trails, 1, 1e300, 1e300, SECOND / 2, SECOND);
    move(trails, 1, NAN, 3, SECOND / 2, SECOND);
    move(trails, 1, INFINITY, 3, SECOND / 2, SECOND);
    g_assert_cmpuint(draw(trails, on), >, 0);
    // an object without a track leaves none
    trails_clear(trails);
    move(trails, 0, 10, 10, 0, SECOND);
    move(trails, 0, 90, 90, 1, SECOND);
    g_assert_false(trails_any(trails));
    trails_free(trails);
}

// ---- what is forgotten --------------------------------------------------------------------------

static void test_age(void)
{
    static gboolean on[HEIGHT][WIDTH];
    Trails *trails = trails_new();
    GArray *nobody = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));

    // a minute at 100 frames a second, 1 s kept: a pixel each frame, to and fro
    for (guint i = 0; i < 6000; i++) {
        gint x = (gint)i % 300;
        move(trails, 1, x < 150 ? x : 299 - x, 50, i * SECOND / 100, SECOND);
    }
    // frame 5999 is at x = 0, and one second before at x = 100
    g_assert_cmpuint(draw(trails, on), >=, 80 * 4);
    g_assert_true(on[50][5] && on[50][95]);
    g_assert_false(on[50][106]);
    // gone: its path is shown until it is too old
    trails_update(trails, nobody, 6040 * SECOND / 100, SECOND);
    draw(trails, on);
    g_assert_true(on[50][5]);
    g_assert_false(on[50][75]);
    trails_update(trails, nobody, 6100 * SECOND / 100, SECOND);
    g_assert_false(trails_any(trails));
    trails_free(trails);
    g_array_unref(nobody);
}

static void test_time(void)
{
    Trails *trails = trails_new();

    move(trails, 1, 10, 50, 5 * SECOND, SECOND);
    move(trails, 1, 90, 50, 5 * SECOND + 1, SECOND);
    g_assert_true(trails_any(trails));
    move(trails, 1, 90, 50, 5 * SECOND, SECOND); // back
    g_assert_false(trails_any(trails));
    move(trails, 1, 10, 50, 6 * SECOND, SECOND);
    g_assert_true(trails_any(trails));
    move(trails, 1, 10, 50, GST_CLOCK_TIME_NONE, SECOND);
    g_assert_false(trails_any(trails));
    move(trails, 1, 10, 50, 0, SECOND);
    move(trails, 1, 90, 50, 1, SECOND);
    g_assert_true(trails_any(trails));
    trails_clear(trails);
    g_assert_false(trails_any(trails));
    trails_free(trails);
}

// More tracks than there is room for: the latest ones have a path.
static void test_many_tracks(void)
{
    static gboolean on[HEIGHT][WIDTH];
    Trails *trails = trails_new();

    for (gint64 id = 1; id <= 1000; id++) {
        move(trails, id, 10, 50, (GstClockTime)id * 2, SECOND);
        move(trails, id, 60, 50, (GstClockTime)id * 2 + 1, SECOND);
    }
    move(trails, 1000, 150, 50, 3000, SECOND);
    draw(trails, on);
    g_assert_true(on[50][145]);
    trails_free(trails);
}

// ---- in the element -----------------------------------------------------------------------------

// Pushes a black frame with the track at x, or without objects; whether the path over x = 60 shows.
static gboolean shows(GstHarness *harness, const GstVideoInfo *info, guint frame, gint x)
{
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, info->size, NULL);
    guint8 row[4];

    gst_buffer_memset(buffer, 0, 0, info->size);
    GST_BUFFER_PTS(buffer) = frame * 40 * GST_MSECOND;
    effdet_frame_meta_set(buffer, TRUE, GST_BUFFER_PTS(buffer));
    if (x > 0) {
        overlay_add_track(overlay_add_object(buffer, "person", 0, 0.9, x - 5, 50, 10, 30), 4, NULL);
    }
    buffer = gst_harness_push_and_pull(harness, buffer);
    g_assert_nonnull(buffer);
    gst_buffer_extract(buffer, (gsize)(80 * info->stride[0] + 60), row, 4);
    gst_buffer_unref(buffer);
    return row[0] > 0;
}

static void push_segment(GstHarness *harness)
{
    GstSegment segment;

    gst_segment_init(&segment, GST_FORMAT_TIME);
    g_assert_true(gst_harness_push_event(harness, gst_event_new_segment(&segment)));
}

static void test_element(void)
{
    GstVideoInfo info = overlay_info(GST_VIDEO_FORMAT_GRAY8, 160, 120, NULL);
    GstHarness *harness = overlay_harness(&info, "labels", FALSE, NULL);
    guint frame = 0;

    shows(harness, &info, frame++, 20);
    g_assert_false(shows(harness, &info, frame++, 120));
    g_object_set(harness->element, "trails", 1000, NULL);
    g_assert_false(shows(harness, &info, frame++, 20));
    g_assert_true(shows(harness, &info, frame++, 120));
    g_assert_true(shows(harness, &info, frame, 0));
    g_assert_true(shows(harness, &info, frame + 23, 0));
    g_assert_false(shows(harness, &info, frame + 24, 0));
    frame += 27;
    shows(harness, &info, frame++, 20);
    g_assert_true(shows(harness, &info, frame++, 120));
    g_object_set(harness->element, "hide", "person", NULL);
    g_object_set(harness->element, "hide", NULL, "trails", 0, NULL);
    g_assert_false(shows(harness, &info, frame++, 120));
    g_object_set(harness->element, "trails", 1000, NULL);
    g_assert_false(shows(harness, &info, frame++, 120));
    g_assert_true(shows(harness, &info, frame++, 20));
    gst_harness_push_event(harness, gst_event_new_flush_start());
    gst_harness_push_event(harness, gst_event_new_flush_stop(TRUE));
    push_segment(harness);
    g_assert_false(shows(harness, &info, frame++, 120));
    g_assert_true(shows(harness, &info, frame++, 20));
    gst_harness_push_event(harness, gst_event_new_stream_start("another"));
    gst_harness_set_src_caps(harness, gst_video_info_to_caps(&info));
    push_segment(harness);
    g_assert_false(shows(harness, &info, frame++, 120));
    g_assert_true(shows(harness, &info, frame++, 20));
    info = overlay_info(GST_VIDEO_FORMAT_GRAY8, 160, 124, NULL);
    gst_harness_set_src_caps(harness, gst_video_info_to_caps(&info));
    g_assert_false(shows(harness, &info, frame++, 120));
    g_object_set(harness->element, "hide", "person", NULL);
    g_assert_false(shows(harness, &info, frame++, 20));
    gst_harness_teardown(harness);
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_assert_true(GST_ELEMENT_REGISTER(effdetoverlay, NULL));
    g_test_add_func("/overlay/trails/lines", test_lines);
    g_test_add_func("/overlay/trails/age", test_age);
    g_test_add_func("/overlay/trails/time", test_time);
    g_test_add_func("/overlay/trails/many-tracks", test_many_tracks);
    g_test_add_func("/overlay/trails/element", test_element);
    return fixture_run();
}
