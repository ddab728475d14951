// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What drawing costs a frame, effdetoverlay beside GStreamer's objectdetectionoverlay: the same
// frames with the same GstAnalytics objects, in turns, in one process.
//
//     meson devenv -C build tests/bench/overlay_cost [ROUNDS]
#include <gst/analytics/analytics.h>
#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#include <stdlib.h>
#include <time.h>

#define WIDTH 1920
#define HEIGHT 1080
#define N_OBJECTS 20
#define N_FRAMES 8 // that go round: more bytes than the nearer caches hold
#define ROUNDS 15
#define ROUND_MS 150.0 // of one contender in one round
#define MAX_ROUNDS 1000

// Two zones of 9 % of the picture each, two lines.
#define ZONES                                                                                      \
    "{\"zones\": [{\"name\": \"door\", \"polygon\": [[0.1, 0.2], [0.4, 0.25], [0.35, 0.6], "       \
    "[0.12, "                                                                                      \
    "0.55]]}, {\"name\": \"hall\", \"polygon\": [[0.5, 0.5], [0.9, 0.45], [0.8, 0.8], [0.6, "      \
    "0.75]]}], \"lines\": [{\"name\": \"gate\", \"from\": [0.5, 0.1], \"to\": [0.45, 0.9]}, "      \
    "{\"name\": \"kerb\", \"from\": [0.1, 0.8], \"to\": [0.9, 0.9]}]}"

typedef struct {
    const gchar *name, *launch;
    GstHarness *harness;
    guint n; // frames in a round
    gdouble ms[MAX_ROUNDS];
} Contender;

static Contender contenders[] = {
    {"`identity`: the harness itself", "identity"},
    {"`overlay`", "effdetoverlay zones=false"},
    {"`overlay` with 2 zones and 2 lines", "effdetoverlay"},
    {"`objectdetectionoverlay`", "objectdetectionoverlay"},
};

static const GstVideoFormat formats[] = {GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_BGRx};

static gdouble cpu_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (gdouble)now.tv_sec * 1e3 + (gdouble)now.tv_nsec / 1e6;
}

// Boxes of 120x240 pixels that move from frame to frame.
static GstBuffer *make_frame(const GstVideoInfo *info, guint n)
{
    static const gchar *const labels[] = {"person", "car", "bicycle", "traffic light", "dog"};
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, info->size, NULL);
    GstAnalyticsRelationMeta *relations = gst_buffer_add_analytics_relation_meta(buffer);

    gst_buffer_memset(buffer, 0, 100, info->size);
    GST_BUFFER_PTS(buffer) = n * 40 * GST_MSECOND;
    for (guint i = 0; i < N_OBJECTS; i++) {
        GstAnalyticsODMtd object;

        gst_analytics_relation_meta_add_od_mtd(
            relations, g_quark_from_static_string(labels[i % G_N_ELEMENTS(labels)]),
            (gint)(60 + 370 * (i % 5) + 7 * n), (gint)(40 + 255 * (i / 5) + 3 * n), 120, 240,
            0.5f + 0.01f * (gfloat)((7 * i + 3 * n) % 50), &object);
    }
    return buffer;
}

static GstHarness *harness_for(const gchar *launch, const GstVideoInfo *info)
{
    g_autoptr(GError) error = NULL;
    GstElement *bin = gst_parse_bin_from_description(launch, TRUE, &error);
    GstHarness *harness;

    if (bin == NULL || error != NULL) {
        g_printerr("wanted an element for \"%s\", found: %s; it needs the plugins of this build "
                   "(meson devenv) and gst-plugins-bad 1.26\n",
                   launch, error != NULL ? error->message : "nothing");
        exit(1);
    }
    gst_object_ref_sink(bin);
    harness = gst_harness_new_with_element(bin, "sink", "src");
    gst_object_unref(bin);
    gst_harness_set_src_caps(harness, gst_video_info_to_caps(info));
    return harness;
}

// Each frame comes back, and goes in again the next time.
static void push(GstHarness *harness, GstBuffer **frames, guint n)
{
    for (guint i = 0; i < n; i++) {
        GstBuffer **frame = &frames[i % N_FRAMES];

        *frame = gst_harness_push_and_pull(harness, *frame);
        if (*frame == NULL) {
            g_printerr("wanted a frame back, found none\n");
            exit(1);
        }
    }
}

static void run_rounds(GstBuffer **frames, guint n_rounds)
{
    for (guint i = 0; i < G_N_ELEMENTS(contenders); i++) {
        gdouble start_ms;

        push(contenders[i].harness, frames, 2 * N_FRAMES); // texts get into the cache
        start_ms = cpu_ms();
        push(contenders[i].harness, frames, N_FRAMES);
        contenders[i].n = (guint)CLAMP(ROUND_MS * N_FRAMES / (cpu_ms() - start_ms), 8, 1000);
    }
    for (guint round = 0; round < n_rounds; round++) {
        for (guint i = 0; i < G_N_ELEMENTS(contenders); i++) {
            Contender *contender = &contenders[i];
            gdouble start_ms = cpu_ms();

            push(contender->harness, frames, contender->n);
            contender->ms[round] = (cpu_ms() - start_ms) / contender->n;
        }
    }
}

static int ascending(const void *a, const void *b)
{
    gdouble x = *(const gdouble *)a, y = *(const gdouble *)b;

    return (x > y) - (x < y);
}

static void measure(GstVideoFormat format, guint n_rounds)
{
    GstBuffer *frames[N_FRAMES];
    GstElement *element;
    GstHarness *zones;
    GstVideoInfo info;

    gst_video_info_set_format(&info, format, WIDTH, HEIGHT);
    for (guint i = 0; i < N_FRAMES; i++) {
        frames[i] = make_frame(&info, i);
    }
    // who draws them finds them on all frames, who does not pays nothing
    zones = harness_for("effdetzones", &info);
    element = gst_harness_find_element(zones, "effdetzones");
    g_object_set(element, "zones", ZONES, NULL);
    gst_object_unref(element);
    push(zones, frames, N_FRAMES);
    gst_harness_teardown(zones);
    for (guint i = 0; i < G_N_ELEMENTS(contenders); i++) {
        contenders[i].harness = harness_for(contenders[i].launch, &info);
    }
    run_rounds(frames, n_rounds);
    for (guint i = 0; i < G_N_ELEMENTS(contenders); i++) {
        gdouble *ms = contenders[i].ms;

        qsort(ms, n_rounds, sizeof *ms, ascending);
        g_print("| %s | %s | %.3f (%.3f-%.3f) | %.3f |\n", info.finfo->name, contenders[i].name,
                ms[n_rounds / 2], ms[n_rounds / 4], ms[3 * n_rounds / 4], ms[0]);
        gst_harness_teardown(contenders[i].harness);
    }
    for (guint i = 0; i < N_FRAMES; i++) {
        gst_buffer_unref(frames[i]);
    }
}

int main(int argc, char **argv)
{
    guint n_rounds = argc > 1 ? (guint)CLAMP(atoi(argv[1]), 1, MAX_ROUNDS) : ROUNDS;

    gst_init(&argc, &argv);
    g_print("%s, %u objects, %dx%d, %u rounds\n\n", gst_version_string(), N_OBJECTS, WIDTH, HEIGHT,
            n_rounds);
    g_print("| format | element | CPU ms a frame: median (quartiles) | min |\n"
            "| --- | --- | --- | --- |\n");
    for (guint i = 0; i < G_N_ELEMENTS(formats); i++) {
        measure(formats[i], n_rounds);
    }
    gst_deinit();
    return 0;
}
