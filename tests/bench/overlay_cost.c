// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What drawing costs a frame, effdetoverlay beside GStreamer's objectdetectionoverlay: the same
// frames with the same objects, in turns, in one process. Where GStreamer has no GstAnalytics,
// objectdetectionoverlay is not there either, and the objects are regions of interest.
//
//     build/tests/bench/overlay_cost [--rounds=N]
#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#include <stdlib.h>
#include <time.h>

#include "meta/detections.h"
#include "overlay/overlay.h"
#include "zones/gsteffdetzones.h"

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

static guint n_contenders = G_N_ELEMENTS(contenders);

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
    EffdetDetection objects[N_OBJECTS];

    gst_buffer_memset(buffer, 0, 100, info->size);
    GST_BUFFER_PTS(buffer) = n * 40 * GST_MSECOND;
    for (guint i = 0; i < N_OBJECTS; i++) {
        objects[i] =
            (EffdetDetection){.label = g_quark_from_static_string(labels[i % G_N_ELEMENTS(labels)]),
                              .label_id = (gint)(i % G_N_ELEMENTS(labels)),
                              .confidence = 0.5 + 0.01 * ((7 * i + 3 * n) % 50),
                              .x = 60 + 370 * (i % 5) + 7 * n,
                              .y = 40 + 255 * (i / 5) + 3 * n,
                              .w = 120,
                              .h = 240};
    }
    effdet_meta_attach(buffer, objects, N_OBJECTS, WIDTH, HEIGHT, FALSE);
    return buffer;
}

// NULL where there is no such element.
static GstHarness *harness_for(const gchar *launch, const GstVideoInfo *info)
{
    g_autoptr(GError) error = NULL;
    GstElement *bin = gst_parse_bin_from_description(launch, TRUE, &error);
    GstHarness *harness;

    if (bin == NULL) {
        return NULL;
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
    for (guint i = 0; i < n_contenders; i++) {
        gdouble start_ms;

        push(contenders[i].harness, frames, 2 * N_FRAMES); // texts get into the cache
        start_ms = cpu_ms();
        push(contenders[i].harness, frames, N_FRAMES);
        contenders[i].n = (guint)CLAMP(ROUND_MS * N_FRAMES / (cpu_ms() - start_ms), 8, 1000);
    }
    for (guint round = 0; round < n_rounds; round++) {
        for (guint i = 0; i < n_contenders; i++) {
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
    for (guint i = 0; i < n_contenders; i++) {
        contenders[i].harness = harness_for(contenders[i].launch, &info);
        if (contenders[i].harness == NULL) { // the last, which is not ours
            n_contenders = i;
        }
    }
    run_rounds(frames, n_rounds);
    for (guint i = 0; i < n_contenders; i++) {
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
    gint n_rounds = ROUNDS;
    const GOptionEntry entries[] = {
        {"rounds", 0, 0, G_OPTION_ARG_INT, &n_rounds, "rounds of all elements (15)", "N"}, {NULL}};
    g_autoptr(GOptionContext) context = g_option_context_new("- what drawing costs a frame");
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_add_group(context, gst_init_get_option_group());
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        g_printerr("%s; --help lists the options\n", error->message);
        return 2;
    }
    if (!GST_ELEMENT_REGISTER(effdetoverlay, NULL) || !GST_ELEMENT_REGISTER(effdetzones, NULL)) {
        g_printerr("wanted to register effdetoverlay and effdetzones, could not\n");
        return 1;
    }
    n_rounds = CLAMP(n_rounds, 1, MAX_ROUNDS);
    g_print("%s, %u objects, %dx%d, %d rounds\n\n", gst_version_string(), N_OBJECTS, WIDTH, HEIGHT,
            n_rounds);
    g_print("| format | element | CPU ms a frame: median (quartiles) | min |\n"
            "| --- | --- | --- | --- |\n");
    for (guint i = 0; i < G_N_ELEMENTS(formats); i++) {
        measure(formats[i], (guint)n_rounds);
    }
    if (n_contenders < G_N_ELEMENTS(contenders)) {
        g_print("\nwithout objectdetectionoverlay: wanted gst-plugins-bad of 1.24 or later, found "
                "none\n");
    }
    gst_deinit();
    return 0;
}
