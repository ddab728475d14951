// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The element with the real engine on odd, huge and padded pictures in every format, on a stream
// that changes its caps between frames, and in half precision.
#include "golden.h"

#include <gst/check/gstharness.h>

#define PICTURE "one-person.jpg"

typedef struct {
    const gchar *format;
    guint width, height, padding;
} Kind;

static GstSample *picture; // PICTURE

// The picture as caps of this kind say (transfer full).
static GstSample *convert(const Kind *kind)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GstCaps) caps =
        gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, kind->format, "width",
                            G_TYPE_INT, (gint)kind->width, "height", G_TYPE_INT, (gint)kind->height,
                            "pixel-aspect-ratio", GST_TYPE_FRACTION, 1, 1, NULL);
    GstSample *sample = gst_video_convert_sample(picture, caps, 20 * GST_SECOND, &error);

    g_assert_no_error(error);
    return sample;
}

static GstBuffer *make_buffer(GstSample *sample, guint padding)
{
    GstVideoInfo info;

    g_assert_true(gst_video_info_from_caps(&info, gst_sample_get_caps(sample)));
    return padding != 0 ? golden_padded(gst_sample_get_buffer(sample), &info, padding)
                        : gst_buffer_copy_deep(gst_sample_get_buffer(sample));
}

static GArray *detect(GstHarness *h, const Kind *kind)
{
    g_autoptr(GstSample) sample = convert(kind);
    g_autoptr(GstBuffer) out = NULL;

    gst_harness_set_src_caps(h, gst_caps_ref(gst_sample_get_caps(sample)));
    g_assert_cmpint(gst_harness_push(h, make_buffer(sample, kind->padding)), ==, GST_FLOW_OK);
    out = gst_harness_pull(h);
    g_assert_nonnull(out);
    return golden_found(out, kind->width, kind->height);
}

// With the overlay behind, which must cope with the same frames.
static GstHarness *make_harness(const gchar *properties)
{
    g_autofree gchar *launch =
        g_strdup_printf("effdet score-threshold=0.2 %s ! overlay", properties);
    GstHarness *h = gst_harness_new_parse(launch);

    gst_harness_set_live(h, FALSE); // every frame waits for its result
    return h;
}

// ---- sizes ----

static const guint sizes[][2] = {{321, 243}, {1279, 719}, {3840, 2160}};

// Every format of a size shows the objects that RGB shows in that size.
static void test_sizes(void)
{
    static const struct {
        const gchar *format;
        GoldenLimits limits;
        guint padding;
    } formats[] = {
        {"BGRx", {0.3, 0.98, 0.01, 0}, 20},   {"xRGB", {0.3, 0.98, 0.01, 0}, 0},
        {"NV12", {0.4, 0.9, 0.05, 0.03}, 0},  {"NV12", {0.4, 0.9, 0.05, 0.03}, 10},
        {"I420", {0.4, 0.9, 0.05, 0.03}, 6},  {"YUY2", {0.4, 0.9, 0.05, 0.03}, 0},
        {"UYVY", {0.4, 0.9, 0.05, 0.03}, 34}, {"P010_10LE", {0.4, 0.9, 0.05, 0.03}, 0},
    };
    GstHarness *h = make_harness("precision=fp32");

    for (guint s = 0; s < G_N_ELEMENTS(sizes); s++) {
        Kind kind = {"RGB", sizes[s][0], sizes[s][1], 0};
        g_autoptr(GArray) wanted = detect(h, &kind);

        g_assert_cmpuint(wanted->len, >, 0);
        for (guint f = 0; f < G_N_ELEMENTS(formats); f++) {
            g_autoptr(GArray) boxes = NULL;
            g_autofree gchar *what = g_strdup_printf("%s %ux%u, padded by %u", formats[f].format,
                                                     kind.width, kind.height, formats[f].padding);

            kind.format = formats[f].format;
            kind.padding = formats[f].padding;
            boxes = detect(h, &kind);
            golden_assert(what, wanted, boxes, &formats[f].limits);
        }
    }
    gst_harness_teardown(h);
}

// ---- a stream that changes ----

static void assert_same(const GArray *a, const GArray *b)
{
    g_assert_cmpuint(a->len, ==, b->len);
    g_assert_cmpmem(a->data, a->len * sizeof(Box), b->data, b->len * sizeof(Box));
}

// Caps change between frames while others are in flight: every buffer comes out, in order, with its
// times and flags, under its own caps, and with the boxes that it gets in a stream of its own.
static void test_changes(void)
{
    static const Kind kinds[] = {
        {"NV12", 768, 432, 0},  {"I420", 321, 243, 0}, {"RGB", 1920, 1080, 0}, {"BGRx", 64, 48, 4},
        {"YUY2", 1279, 719, 6}, {"GRAY8", 97, 201, 0}, {"NV12", 768, 434, 0},
    };
    GArray *alone[G_N_ELEMENTS(kinds)];
    GstSample *samples[G_N_ELEMENTS(kinds)];
    const guint n = 2 * G_N_ELEMENTS(kinds);
    GstHarness *h = make_harness("precision=fp32 queue-depth=3");

    for (guint k = 0; k < G_N_ELEMENTS(kinds); k++) {
        alone[k] = detect(h, &kinds[k]);
        samples[k] = convert(&kinds[k]);
    }
    for (guint i = 0; i < n; i++) {
        guint k = i % G_N_ELEMENTS(kinds);
        GstBuffer *buffer = make_buffer(samples[k], kinds[k].padding);

        GST_BUFFER_PTS(buffer) = (100 + 7 * i) * GST_MSECOND;
        GST_BUFFER_DTS(buffer) = (90 + 7 * i) * GST_MSECOND;
        GST_BUFFER_DURATION(buffer) = (3 + i) * GST_MSECOND;
        GST_BUFFER_OFFSET(buffer) = 1000 + i;
        GST_BUFFER_OFFSET_END(buffer) = 1001 + i;
        GST_BUFFER_FLAG_UNSET(buffer, GST_BUFFER_FLAG_DISCONT | GST_BUFFER_FLAG_MARKER);
        GST_BUFFER_FLAG_SET(buffer, i % 3 == 0 ? GST_BUFFER_FLAG_DISCONT : GST_BUFFER_FLAG_MARKER);
        gst_harness_set_src_caps(h, gst_caps_ref(gst_sample_get_caps(samples[k])));
        g_assert_cmpint(gst_harness_push(h, buffer), ==, GST_FLOW_OK);
    }
    for (guint i = 0; i < n; i++) {
        guint k = i % G_N_ELEMENTS(kinds);
        g_autoptr(GstBuffer) out = gst_harness_pull(h);
        g_autoptr(GArray) boxes = NULL;

        g_assert_nonnull(out);
        g_assert_cmpuint(GST_BUFFER_PTS(out), ==, (100 + 7 * i) * GST_MSECOND);
        g_assert_cmpuint(GST_BUFFER_DTS(out), ==, (90 + 7 * i) * GST_MSECOND);
        g_assert_cmpuint(GST_BUFFER_DURATION(out), ==, (3 + i) * GST_MSECOND);
        g_assert_cmpuint(GST_BUFFER_OFFSET(out), ==, 1000 + i);
        g_assert_cmpuint(GST_BUFFER_OFFSET_END(out), ==, 1001 + i);
        g_assert_cmpint(GST_BUFFER_FLAG_IS_SET(out, GST_BUFFER_FLAG_DISCONT), ==, i % 3 == 0);
        g_assert_cmpint(GST_BUFFER_FLAG_IS_SET(out, GST_BUFFER_FLAG_MARKER), ==, i % 3 != 0);
        boxes = golden_found(out, kinds[k].width, kinds[k].height);
        assert_same(boxes, alone[k]);
    }
    g_assert_cmpuint(gst_harness_buffers_in_queue(h), ==, 0);
    for (guint k = 0; k < G_N_ELEMENTS(kinds); k++) {
        g_array_unref(alone[k]);
        gst_sample_unref(samples[k]);
    }
    gst_harness_teardown(h);
}

// The caps events on the way are as many as changes, each before its buffers.
static GstPadProbeReturn count_caps(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    GString *order = data;

    if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
        g_string_append_c(order, 'b');
    } else if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_CAPS) {
        GstCaps *caps;
        gint width = 0;

        gst_event_parse_caps(GST_PAD_PROBE_INFO_EVENT(info), &caps);
        gst_structure_get_int(gst_caps_get_structure(caps, 0), "width", &width);
        g_string_append_printf(order, "[%d]", width);
    }
    return GST_PAD_PROBE_OK;
}

static void test_order(void)
{
    static const Kind kinds[] = {{"NV12", 320, 240, 0}, {"RGB", 321, 243, 0}};
    GstHarness *h = make_harness("precision=fp32 queue-depth=4");
    GString *order = g_string_new(NULL);
    GstSample *samples[] = {convert(&kinds[0]), convert(&kinds[1])};

    gst_pad_add_probe(h->sinkpad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
                      count_caps, order, NULL);
    for (guint i = 0; i < 6; i++) {
        guint k = i / 2 % 2;

        gst_harness_set_src_caps(h, gst_caps_ref(gst_sample_get_caps(samples[k])));
        g_assert_cmpint(gst_harness_push(h, make_buffer(samples[k], 0)), ==, GST_FLOW_OK);
    }
    g_assert_true(gst_harness_push_event(h, gst_event_new_eos()));
    for (guint i = 0; i < 6; i++) {
        g_autoptr(GstBuffer) out = gst_harness_pull(h);

        g_assert_nonnull(out);
    }
    g_assert_cmpstr(order->str, ==, "[320]bb[321]bb[320]bb");
    g_string_free(order, TRUE);
    gst_sample_unref(samples[0]);
    gst_sample_unref(samples[1]);
    gst_harness_teardown(h);
}

// ---- half precision ----

static void test_half(void)
{
    static const gchar *const pictures[] = {PICTURE, "aisle.jpg"};
    // the codes of a box are off by some 2^-10 of their size, and so is its overlap
    static const GoldenLimits limits = {0.3, 0.95, 0.02, 0.005};
    GstHarness *h = make_harness("precision=fp16");

    for (guint p = 0; p < G_N_ELEMENTS(pictures); p++) {
        g_autoptr(GstSample) sample = golden_picture(pictures[p]);
        g_autoptr(GArray) golden = golden_boxes(pictures[p]), boxes = NULL;
        g_autoptr(GstBuffer) out = NULL;
        GstVideoInfo info;

        g_assert_true(gst_video_info_from_caps(&info, gst_sample_get_caps(sample)));
        gst_harness_set_src_caps(h, gst_caps_ref(gst_sample_get_caps(sample)));
        g_assert_cmpint(gst_harness_push(h, make_buffer(sample, 0)), ==, GST_FLOW_OK);
        out = gst_harness_pull(h);
        g_assert_nonnull(out);
        boxes = golden_found(out, info.width, info.height);
        golden_assert(pictures[p], golden, boxes, &limits);
    }
    gst_harness_teardown(h);
}

int main(int argc, char **argv)
{
    GstPlugin *plugin;
    GError *error = NULL;
    int status;

    g_test_init(&argc, &argv, NULL);
    gst_init(&argc, &argv);
    plugin = gst_plugin_load_file(g_getenv("EFFDET_PLUGIN"), &error);
    g_assert_no_error(error);
    gst_object_unref(plugin);
    picture = golden_picture(PICTURE);
    g_test_add_func("/plugin/sizes/formats", test_sizes);
    g_test_add_func("/plugin/sizes/changes", test_changes);
    g_test_add_func("/plugin/sizes/order", test_order);
    g_test_add_func("/plugin/sizes/half-precision", test_half);
    status = g_test_run();
    gst_sample_unref(picture);
    gst_deinit();
    return status;
}
