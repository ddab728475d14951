// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Pictures into the engine and buffers out of the element: formats, strides, colorimetry, metas,
// timestamps, broken buffers, properties.
#include "fixture.h"

#include "meta/detections.h"
#include "meta/frame_meta.h"

static const EffdetObject two_objects[] = {{0, 0.9f, 8, 6, 16, 12}, {2, 0.5f, 0, 0, 64, 48}};
static const FakeScript two = {.objects = two_objects, .n_objects = 2};

static void test_property_defaults(void)
{
    g_autoptr(GstElement) element = gst_object_ref_sink(gst_element_factory_make("effdet", NULL));
    guint n, n_checked = 0;
    g_autofree GParamSpec **specs = g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &n);

    for (guint i = 0; i < n; i++) {
        GValue value = G_VALUE_INIT;

        if (specs[i]->owner_type != G_OBJECT_TYPE(element) ||
            !(specs[i]->flags & G_PARAM_WRITABLE)) {
            continue;
        }
        g_value_init(&value, specs[i]->value_type);
        g_object_get_property(G_OBJECT(element), specs[i]->name, &value);
        if (!g_param_value_defaults(specs[i], &value)) {
            g_error("%s is not its default", specs[i]->name);
        }
        if (!(specs[i]->flags & (GST_PARAM_MUTABLE_READY | GST_PARAM_MUTABLE_PLAYING))) {
            g_error("%s does not say when it may be changed", specs[i]->name);
        }
        g_object_set_property(G_OBJECT(element), specs[i]->name, &value);
        g_value_unset(&value);
        n_checked++;
    }
    g_assert_cmpuint(n_checked, ==, 23);
}

static void check_metas(GstBuffer *buffer, GstClockTime pts)
{
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));
    EffdetFrameMeta *meta = effdet_frame_meta_get(buffer);
    const EffdetDetection *object;

    g_assert_nonnull(meta);
    g_assert_true(meta->inferred);
    g_assert_cmpuint(meta->source_pts, ==, pts);
    g_assert_cmpuint(effdet_meta_read(buffer, found), ==, 2);
    object = &g_array_index(found, EffdetDetection, 0);
    g_assert_cmpstr(g_quark_to_string(object[0].label), ==, "person");
    g_assert_cmpfloat_with_epsilon(object[0].confidence, 0.9, 1e-6);
    g_assert_cmpfloat(object[0].x, ==, 8);
    g_assert_cmpfloat(object[0].h, ==, 12);
    g_assert_cmpstr(g_quark_to_string(object[1].label), ==, "2"); // a class without a name
    g_assert_cmpint(object[1].label_id, ==, 2);
}

static void test_buffer_untouched(void)
{
    GstHarness *h;
    GstBuffer *in, *kept, *out;
    GstMapInfo map;

    fake_script(&two);
    h = fixture_harness(FALSE, NULL);
    in = fixture_frame(3);
    GST_BUFFER_DTS(in) = 123;
    GST_BUFFER_OFFSET_END(in) = 99;
    GST_BUFFER_FLAG_SET(in, GST_BUFFER_FLAG_DISCONT | GST_BUFFER_FLAG_MARKER);
    gst_buffer_add_video_region_of_interest_meta(in, "dog", 1, 2, 3, 4);
    kept = gst_buffer_ref(in); // not writable from here on
    out = gst_harness_push_and_pull(h, in);
    g_assert_true(out != kept);
    g_assert_true(gst_buffer_peek_memory(out, 0) == gst_buffer_peek_memory(kept, 0));
    g_assert_null(effdet_frame_meta_get(kept));
    g_assert_cmpuint(gst_buffer_get_n_meta(kept, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE), ==,
                     1);
    g_assert_cmpuint(gst_buffer_get_n_meta(out, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE), ==, 3);
    g_assert_cmpuint(GST_BUFFER_PTS(out), ==, 3 * FRAME_TIME);
    g_assert_cmpuint(GST_BUFFER_DTS(out), ==, 123);
    g_assert_cmpuint(GST_BUFFER_DURATION(out), ==, FRAME_TIME);
    g_assert_cmpuint(GST_BUFFER_OFFSET(out), ==, 3);
    g_assert_cmpuint(GST_BUFFER_OFFSET_END(out), ==, 99);
    g_assert_true(GST_BUFFER_FLAG_IS_SET(out, GST_BUFFER_FLAG_DISCONT));
    g_assert_true(GST_BUFFER_FLAG_IS_SET(out, GST_BUFFER_FLAG_MARKER));
    g_assert_true(gst_buffer_map(out, &map, GST_MAP_READ));
    g_assert_cmpuint(map.data[map.size - 1], ==, 3);
    gst_buffer_unmap(out, &map);
    gst_buffer_unref(out);
    gst_buffer_unref(kept);

    in = fixture_frame(4); // a writable one is passed on itself
    out = gst_harness_push_and_pull(h, in);
    g_assert_true(out == in);
    check_metas(out, 4 * FRAME_TIME);
    gst_buffer_unref(out);
    gst_harness_teardown(h);
}

typedef struct {
    const gchar *format;
    EffdetFormat expected;
    guint n_planes;
} FormatCase;

static const FormatCase format_cases[] = {
    {"NV12", EFFDET_FORMAT_NV12, 2},      {"I420", EFFDET_FORMAT_I420, 3},
    {"P010_10LE", EFFDET_FORMAT_P010, 2}, {"YUY2", EFFDET_FORMAT_YUY2, 1},
    {"UYVY", EFFDET_FORMAT_UYVY, 1},      {"RGB", EFFDET_FORMAT_RGB, 1},
    {"BGR", EFFDET_FORMAT_BGR, 1},        {"RGBx", EFFDET_FORMAT_RGBX, 1},
    {"RGBA", EFFDET_FORMAT_RGBX, 1},      {"BGRx", EFFDET_FORMAT_BGRX, 1},
    {"BGRA", EFFDET_FORMAT_BGRX, 1},      {"xRGB", EFFDET_FORMAT_XRGB, 1},
    {"ARGB", EFFDET_FORMAT_XRGB, 1},      {"xBGR", EFFDET_FORMAT_XBGR, 1},
    {"ABGR", EFFDET_FORMAT_XBGR, 1},      {"GRAY8", EFFDET_FORMAT_GRAY8, 1}};

static void push_picture(GstHarness *h, const FormatCase *c, guint width, guint height,
                         guint padding)
{
    GstVideoInfo info;
    GstBuffer *buffer;
    g_autoptr(GstBuffer) out = NULL;
    GstVideoAlignment align;
    g_autofree gchar *caps = g_strdup_printf(
        "video/x-raw,format=%s,width=%u,height=%u,framerate=25/1", c->format, width, height);
    gst_harness_set_src_caps_str(h, caps);
    gst_video_info_set_format(&info, gst_video_format_from_string(c->format), width, height);
    gst_video_alignment_reset(&align);
    align.padding_left = align.padding_right = align.padding_top = align.padding_bottom = padding;
    gst_video_info_align(&info, &align);
    buffer = gst_buffer_new_allocate(NULL, info.size, NULL);
    gst_buffer_memset(buffer, 0, 0xff, info.size); // what lies in the padding must not be seen
    if (padding != 0) {
        gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE,
                                       GST_VIDEO_INFO_FORMAT(&info), width, height,
                                       GST_VIDEO_INFO_N_PLANES(&info), info.offset, info.stride);
    }
    {
        GstVideoFrame frame;
        guint8 *row;

        g_assert_true(gst_video_frame_map(&frame, &info, buffer, GST_MAP_WRITE));
        for (guint p = 0; p < c->n_planes; p++) {
            guint comp[GST_VIDEO_MAX_COMPONENTS] = {0};
            gint components[GST_VIDEO_MAX_COMPONENTS];

            gst_video_format_info_component(info.finfo, p, components);
            comp[0] = (guint)components[0];
            guint rows = (guint)GST_VIDEO_FRAME_COMP_HEIGHT(&frame, comp[0]);
            guint row_bytes = (guint)(GST_VIDEO_FRAME_COMP_WIDTH(&frame, comp[0]) *
                                      GST_VIDEO_FRAME_COMP_PSTRIDE(&frame, comp[0]));

            if (c->expected == EFFDET_FORMAT_YUY2 || c->expected == EFFDET_FORMAT_UYVY) {
                row_bytes = (width + 1) / 2 * 4;
            }
            for (guint y = 0; y < rows; y++) {
                row = (guint8 *)GST_VIDEO_FRAME_PLANE_DATA(&frame, p) +
                      y * (gsize)GST_VIDEO_FRAME_PLANE_STRIDE(&frame, p);
                for (guint x = 0; x < row_bytes; x++) {
                    row[x] = 1;
                }
            }
        }
        gst_video_frame_unmap(&frame);
    }
    out = gst_harness_push_and_pull(h, buffer);
    g_assert_true(effdet_frame_meta_get(out)->inferred);
}

static void test_formats(void)
{
    static const guint sizes[][2] = {{64, 48}, {321, 243}, {1, 1}, {2, 3}, {17, 9}};
    GstHarness *h;

    fake_script(&two);
    h = fixture_harness(FALSE, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(format_cases); i++) {
        const FormatCase *c = &format_cases[i];

        for (guint s = 0; s < G_N_ELEMENTS(sizes); s++) {
            guint w = sizes[s][0], height = sizes[s][1], cw = (w + 1) / 2, ch = (height + 1) / 2;

            for (guint padding = 0; padding <= 16; padding += 16) {
                guint64 expected[3] = {0};
                FakeLog log;

                push_picture(h, c, w, height, padding);
                log = fake_log();
                switch (c->expected) {
                case EFFDET_FORMAT_NV12:
                    expected[0] = w * height;
                    expected[1] = 2 * cw * ch;
                    break;
                case EFFDET_FORMAT_I420:
                    expected[0] = w * height;
                    expected[1] = expected[2] = cw * ch;
                    break;
                case EFFDET_FORMAT_P010:
                    expected[0] = 2 * w * height;
                    expected[1] = 4 * cw * ch;
                    break;
                case EFFDET_FORMAT_YUY2:
                case EFFDET_FORMAT_UYVY:
                    expected[0] = 4 * cw * height;
                    break;
                case EFFDET_FORMAT_GRAY8:
                    expected[0] = w * height;
                    break;
                default:
                    expected[0] = (c->expected < EFFDET_FORMAT_RGBX ? 3 : 4) * w * height;
                }
                if (log.frame.format != c->expected || log.frame.width != w ||
                    log.frame.height != height ||
                    memcmp(log.plane_sum, expected, sizeof(expected)) != 0) {
                    g_error("%s %ux%u padding %u: format %d, %ux%u, sums %" G_GUINT64_FORMAT
                            " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
                            " instead of %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
                            " %" G_GUINT64_FORMAT,
                            c->format, w, height, padding, log.frame.format, log.frame.width,
                            log.frame.height, log.plane_sum[0], log.plane_sum[1], log.plane_sum[2],
                            expected[0], expected[1], expected[2]);
                }
            }
        }
    }
    gst_harness_teardown(h);
}

static void test_crop_meta(void)
{
    GstHarness *h;
    g_autoptr(GstBuffer) out = NULL;
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, 80 * 60 * 3 / 2, NULL);
    GstVideoCropMeta *crop;
    FakeLog log;

    fake_script(&two);
    h = fixture_harness(FALSE, NULL);
    gst_buffer_memset(buffer, 0, 0, 80 * 60 * 3 / 2);
    gst_buffer_memset(buffer, 80 * 6 + 8, 5, 1); // luma of the first visible pixel
    gst_buffer_memset(buffer, 80 * 60 + 80 * 3 + 8, 7, 2);
    gst_buffer_add_video_meta(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_NV12, 80, 60);
    crop = gst_buffer_add_video_crop_meta(buffer);
    crop->x = 8;
    crop->y = 6;
    crop->width = FRAME_WIDTH;
    crop->height = FRAME_HEIGHT;
    out = gst_harness_push_and_pull(h, buffer);
    log = fake_log();
    g_assert_cmpuint(log.frame.width, ==, FRAME_WIDTH);
    g_assert_cmpuint(log.plane_sum[0], ==, 5);
    g_assert_cmpuint(log.plane_sum[1], ==, 14);
    check_metas(out, GST_CLOCK_TIME_NONE);
    gst_harness_teardown(h);
}

static void test_colorimetry(void)
{
    static const struct {
        const gchar *caps;
        EffdetMatrix matrix;
        gboolean full_range;
    } cases[] = {
        {"format=NV12,width=64,height=48,colorimetry=bt601", EFFDET_MATRIX_BT601, FALSE},
        {"format=NV12,width=64,height=48,colorimetry=bt709", EFFDET_MATRIX_BT709, FALSE},
        {"format=NV12,width=64,height=48,colorimetry=bt2020", EFFDET_MATRIX_BT2020, FALSE},
        {"format=NV12,width=64,height=48,colorimetry=smpte240m", EFFDET_MATRIX_SMPTE240M, FALSE},
        {"format=NV12,width=64,height=48,colorimetry=(string)1:2:5:1", EFFDET_MATRIX_FCC, TRUE},
        {"format=NV12,width=64,height=48,colorimetry=(string)1:4:0:0", EFFDET_MATRIX_BT601, TRUE},
        {"format=NV12,width=64,height=48", EFFDET_MATRIX_BT601, FALSE},
        {"format=GRAY8,width=64,height=48", EFFDET_MATRIX_BT601, TRUE},
    };
    GstHarness *h;

    fake_script(&two);
    h = fixture_harness(FALSE, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree gchar *caps =
            g_strdup_printf("video/x-raw,framerate=25/1,pixel-aspect-ratio=4/3,%s", cases[i].caps);
        FakeLog log;

        gst_harness_set_src_caps_str(h, caps);
        gst_buffer_unref(gst_harness_push_and_pull(h, fixture_frame(i)));
        log = fake_log();
        if ((cases[i].matrix != log.frame.matrix && log.frame.format != EFFDET_FORMAT_GRAY8) ||
            log.frame.full_range != cases[i].full_range) {
            g_error("%s: matrix %d full_range %d", caps, log.frame.matrix, log.frame.full_range);
        }
        g_assert_cmpfloat_with_epsilon(log.frame.pixel_aspect, 4.0 / 3.0, 1e-6);
    }
    gst_harness_teardown(h);
}

// One warning for a stream of broken buffers, and none of them is lost.
static void test_broken_buffers(void)
{
    g_autoptr(GstBus) bus = gst_bus_new();
    GstHarness *h;
    GstBuffer *out;
    g_autoptr(GError) error = NULL;
    gsize stride[GST_VIDEO_MAX_PLANES] = {0};

    fake_script(&two);
    h = fixture_harness(FALSE, NULL);
    gst_element_set_bus(h->element, bus);
    for (guint i = 0; i < 4; i++) {
        GstBuffer *buffer =
            i == 0 ? gst_buffer_new() : gst_buffer_new_allocate(NULL, 100 * i, NULL);
        gint strides[GST_VIDEO_MAX_PLANES] = {i == 2 ? -64 : 1 << 20, 64};

        GST_BUFFER_PTS(buffer) = i;
        if (i >= 2) { // a meta that promises rows far outside
            gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_NV12,
                                           FRAME_WIDTH, FRAME_HEIGHT, 2, stride, strides);
        }
        out = gst_harness_push_and_pull(h, buffer);
        g_assert_cmpuint(GST_BUFFER_PTS(out), ==, i);
        g_assert_false(effdet_frame_meta_get(out)->inferred);
        gst_buffer_unref(out);
    }
    out = gst_harness_push_and_pull(h, fixture_frame(4));
    check_metas(out, 4 * FRAME_TIME);
    gst_buffer_unref(out);
    g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_WARNING, &error), ==, 1);
    g_assert_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT);
    g_assert_nonnull(strstr(error->message, "64x48 NV12"));
    gst_element_set_bus(h->element, NULL);
    gst_harness_teardown(h);
}

static void test_gap_buffer(void)
{
    GstHarness *h;
    GstBuffer *buffer = fixture_frame(0);
    g_autoptr(GstBuffer) out = NULL;

    fake_script(&two);
    h = fixture_harness(FALSE, NULL);
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_GAP);
    out = gst_harness_push_and_pull(h, buffer);
    g_assert_true(GST_BUFFER_FLAG_IS_SET(out, GST_BUFFER_FLAG_GAP));
    g_assert_false(effdet_frame_meta_get(out)->inferred);
    g_assert_cmpuint(fake_log().n_submitted, ==, 0);
    gst_harness_teardown(h);
}

static void test_not_negotiated(void)
{
    g_autoptr(GstCaps) caps = gst_caps_new_empty_simple("video/x-h264");
    GstHarness *h;

    fake_script(&two);
    h = fixture_harness(FALSE, NULL);
    gst_harness_push_event(h, gst_event_new_caps(caps));
    g_assert_cmpint(fixture_push(h, 0), ==, GST_FLOW_NOT_NEGOTIATED);
    gst_harness_teardown(h);
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_test_add_func("/plugin/frames/property-defaults", test_property_defaults);
    g_test_add_func("/plugin/frames/untouched", test_buffer_untouched);
    g_test_add_func("/plugin/frames/formats", test_formats);
    g_test_add_func("/plugin/frames/crop", test_crop_meta);
    g_test_add_func("/plugin/frames/colorimetry", test_colorimetry);
    g_test_add_func("/plugin/frames/broken", test_broken_buffers);
    g_test_add_func("/plugin/frames/gap", test_gap_buffer);
    g_test_add_func("/plugin/frames/not-negotiated", test_not_negotiated);
    return fixture_run();
}
