// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Live pipelines with the real engine for as long as one likes: random starts, stops, properties
// and caps. Fails where memory, descriptors or threads grow, where a stream stalls, or where one
// loses a buffer. Device memory is what the fault layer counts; without it that is none.
#include "fault.h"

#include <gst/gst.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STALL_US (2 * G_USEC_PER_SEC)

static gint n_streams = 2, seconds = 24, stall_factor = 1;
static const struct fault_interface *fault;
static gchar *csv_path, *model = NULL, *group = NULL;
static GOptionEntry options[] = {
    {"streams", 'n', 0, G_OPTION_ARG_INT, &n_streams, "pipelines at a time", "N"},
    {"seconds", 's', 0, G_OPTION_ARG_INT, &seconds, "how long; the first third warms up", "N"},
    {"stall-factor", 0, 0, G_OPTION_ARG_INT, &stall_factor, "of a slow machine", "N"},
    {"csv", 'o', 0, G_OPTION_ARG_FILENAME, &csv_path, "where the table goes", "FILE"},
    {"model", 'm', 0, G_OPTION_ARG_STRING, &model, "instead of the bundled one", "NAME"},
    {"share-group", 'g', 0, G_OPTION_ARG_STRING, &group, "of every other stream", "NAME"},
    {NULL}};

typedef struct {
    GstElement *pipeline, *caps, *detector;
    gboolean playing;
    // Under `lock`.
    GMutex lock;
    guint64 next_offset; // of the buffer that comes next; NONE after a start
    gint64 last_us;      // when a buffer came out
    guint64 n_out, n_lost;
} Stream;

typedef struct {
    gdouble rss_kib, device_kib, descriptors, threads;
} Sample;

static GstPadProbeReturn see(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    Stream *stream = data;
    guint64 offset = GST_BUFFER_OFFSET(GST_PAD_PROBE_INFO_BUFFER(info));

    g_mutex_lock(&stream->lock);
    if (stream->next_offset != GST_BUFFER_OFFSET_NONE && offset != stream->next_offset) {
        stream->n_lost++;
    }
    stream->next_offset = offset + 1;
    stream->last_us = g_get_monotonic_time();
    stream->n_out++;
    g_mutex_unlock(&stream->lock);
    return GST_PAD_PROBE_OK;
}

static void stream_init(Stream *stream, guint index)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GstElement) sink = NULL;
    g_autoptr(GstPad) pad = NULL;

    stream->pipeline =
        gst_parse_launch("videotestsrc is-live=true ! capsfilter name=caps "
                         "caps=video/x-raw,format=NV12,width=320,height=240,framerate=15/1 ! "
                         "effdet name=detector overload=skip ! fakesink name=sink sync=true",
                         &error);
    g_assert_no_error(error);
    stream->caps = gst_bin_get_by_name(GST_BIN(stream->pipeline), "caps");
    stream->detector = gst_bin_get_by_name(GST_BIN(stream->pipeline), "detector");
    sink = gst_bin_get_by_name(GST_BIN(stream->pipeline), "sink");
    pad = gst_element_get_static_pad(sink, "sink");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, see, stream, NULL);
    if (model != NULL) {
        g_object_set(stream->detector, "model", model, NULL);
    }
    if (group != NULL && index % 2 == 0) {
        g_object_set(stream->detector, "share-group", group, NULL);
    }
}

static void stream_switch(Stream *stream, gboolean playing)
{
    if (!playing) {
        gst_element_set_state(stream->pipeline, GST_STATE_NULL);
    }
    g_mutex_lock(&stream->lock);
    stream->next_offset = GST_BUFFER_OFFSET_NONE;
    g_mutex_unlock(&stream->lock);
    if (playing) {
        g_assert_cmpint(gst_element_set_state(stream->pipeline, GST_STATE_PLAYING), !=,
                        GST_STATE_CHANGE_FAILURE);
    }
    g_mutex_lock(&stream->lock);
    stream->last_us = g_get_monotonic_time();
    g_mutex_unlock(&stream->lock);
    stream->playing = playing;
}

static void disturb(Stream *stream)
{
    static const gchar *const formats[] = {"NV12", "RGB", "I420"};
    g_autoptr(GstCaps) caps = NULL;

    if (!stream->playing) {
        stream_switch(stream, TRUE);
        return;
    }
    switch (g_random_int_range(0, 6)) {
    case 0:
        stream_switch(stream, FALSE);
        break;
    case 1:
        caps = gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING,
                                   formats[g_random_int_range(0, 3)], "width", G_TYPE_INT,
                                   g_random_int_range(8, 40) * 16, "height", G_TYPE_INT, 240,
                                   "framerate", GST_TYPE_FRACTION, 15, 1, NULL);
        g_object_set(stream->caps, "caps", caps, NULL);
        break;
    default:
        g_object_set(stream->detector, "score-threshold", g_random_double(), "interval",
                     g_random_int_range(1, 4), "max-rate", (gdouble)g_random_int_range(0, 12),
                     "max-latency", g_random_int_range(0, 200), "enabled",
                     g_random_int_range(0, 4) > 0, NULL);
    }
}

// ---- what grows

static guint count_entries(const gchar *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint n = 0;

    while (dir != NULL && g_dir_read_name(dir) != NULL) {
        n++;
    }
    return n;
}

static Sample take_sample(void)
{
    g_autofree gchar *statm = NULL;
    guint64 pages = 0;

    g_assert_true(g_file_get_contents("/proc/self/statm", &statm, NULL, NULL));
    g_assert_nonnull(strchr(statm, ' '));
    pages = g_ascii_strtoull(strchr(statm, ' ') + 1, NULL, 10);
    return (Sample){.rss_kib = (gdouble)pages * (gdouble)sysconf(_SC_PAGESIZE) / 1024,
                    .device_kib = fault != NULL ? (gdouble)fault->memory() / 1024 : 0,
                    .descriptors = count_entries("/proc/self/fd"),
                    .threads = count_entries("/proc/self/task")};
}

static gint compare_doubles(gconstpointer a, gconstpointer b)
{
    gdouble x = *(const gdouble *)a, y = *(const gdouble *)b;

    return (x > y) - (x < y);
}

// The median of the slopes of all pairs (Theil and Sen), times the time: no single peak moves it.
static gdouble growth(const Sample *samples, guint n, gsize field)
{
    g_autoptr(GArray) slopes = g_array_new(FALSE, FALSE, sizeof(gdouble));

    for (guint i = 0; i < n; i++) {
        for (guint j = i + 1; j < n; j++) {
            gdouble slope = (*(const gdouble *)((const guint8 *)&samples[j] + field) -
                             *(const gdouble *)((const guint8 *)&samples[i] + field)) /
                            (j - i);

            g_array_append_val(slopes, slope);
        }
    }
    g_array_sort(slopes, compare_doubles);
    return slopes->len == 0 ? 0 : g_array_index(slopes, gdouble, slopes->len / 2) * n;
}

static guint check_growth(const GArray *samples)
{
    // A pipeline more at the end than at the beginning is no leak.
    const struct {
        const gchar *name;
        gsize field;
        gdouble limit;
    } rows[] = {{"rss_kib", offsetof(Sample, rss_kib), 40 * 1024.0 * n_streams},
                {"device_kib", offsetof(Sample, device_kib), 40 * 1024.0 * n_streams},
                {"descriptors", offsetof(Sample, descriptors), 8.0 * n_streams},
                {"threads", offsetof(Sample, threads), 12.0 * n_streams}};
    guint first = samples->len / 3, bad = 0;

    if ((gint)samples->len < seconds / 2) {
        printf("# %u samples in %d s\n", samples->len, seconds);
        bad++;
    }
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        gdouble grown =
            growth(&g_array_index(samples, Sample, first), samples->len - first, rows[i].field);
        gboolean ok = grown <= rows[i].limit;

        printf("%sok %u - %s: %+.0f after the warm-up, limit %.0f\n", ok ? "" : "not ", i + 1,
               rows[i].name, grown, rows[i].limit);
        bad += ok ? 0 : 1;
    }
    return bad;
}

static guint check_stall(Stream *stream, guint index)
{
    gint64 silent_us;

    g_mutex_lock(&stream->lock);
    silent_us = stream->playing ? g_get_monotonic_time() - stream->last_us : 0;
    g_mutex_unlock(&stream->lock);
    if (silent_us > STALL_US * stall_factor) {
        printf("# stream %u: no buffer for %.1f s\n", index, (gdouble)silent_us / G_USEC_PER_SEC);
        return 1;
    }
    return 0;
}

static guint soak(Stream *streams, GArray *samples, FILE *csv)
{
    guint stalls = 0;
    gint64 begin_us = g_get_monotonic_time(), next_us = begin_us;

    while (g_get_monotonic_time() < begin_us + (gint64)seconds * G_USEC_PER_SEC) {
        g_usleep(100000);
        for (gint i = 0; i < n_streams; i++) {
            stalls += check_stall(&streams[i], (guint)i);
            if (g_random_int_range(0, 10) == 0) {
                disturb(&streams[i]);
            }
        }
        if (g_get_monotonic_time() >= next_us) {
            Sample sample = take_sample();

            next_us += G_USEC_PER_SEC;
            g_array_append_val(samples, sample);
            if (csv != NULL) {
                fprintf(csv, "%u,%.0f,%.0f,%.0f,%.0f\n", samples->len, sample.rss_kib,
                        sample.device_kib, sample.descriptors, sample.threads);
                fflush(csv);
            }
        }
    }
    return stalls;
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new("- effdet under load");
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) samples = g_array_new(FALSE, FALSE, sizeof(Sample));
    g_autofree Stream *streams = NULL;
    FILE *csv = NULL;
    guint stalls, bad;
    guint64 lost = 0, out = 0, left = 0;

    g_option_context_add_main_entries(context, options, NULL);
    g_option_context_add_group(context, gst_init_get_option_group());
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "%s\n", error->message);
        return 2;
    }
    if (csv_path != NULL && (csv = fopen(csv_path, "w")) == NULL) {
        fprintf(stderr, "%s: cannot be written\n", csv_path);
        return 2;
    }
    if (csv != NULL) {
        fprintf(csv, "second,rss_kib,device_kib,descriptors,threads\n");
    }
    if (g_getenv("EFFDET_PLUGIN") != NULL) {
        g_autoptr(GstPlugin) plugin = gst_plugin_load_file(g_getenv("EFFDET_PLUGIN"), &error);

        g_assert_no_error(error);
    }
    fault = fault_interface();
    printf("1..7\n");
    streams = g_new0(Stream, n_streams);
    for (gint i = 0; i < n_streams; i++) {
        stream_init(&streams[i], (guint)i);
        stream_switch(&streams[i], TRUE);
    }
    stalls = soak(streams, samples, csv);
    for (gint i = 0; i < n_streams; i++) {
        stream_switch(&streams[i], FALSE);
        lost += streams[i].n_lost;
        out += streams[i].n_out;
        gst_object_unref(streams[i].caps);
        gst_object_unref(streams[i].detector);
        gst_object_unref(streams[i].pipeline);
    }
    bad = check_growth(samples);
    printf("%sok 5 - no stalls\n", stalls == 0 ? "" : "not ");
    printf("%sok 6 - %" G_GUINT64_FORMAT " buffers, %" G_GUINT64_FORMAT " gaps\n",
           lost == 0 && out > 0 ? "" : "not ", out, lost);
    if (fault != NULL) {
        left = fault->memory();
    }
    printf("%sok 7 - %" G_GUINT64_FORMAT " bytes of device memory left\n", left == 0 ? "" : "not ",
           left);
    if (csv != NULL) {
        fclose(csv);
    }
    return left > 0 || bad > 0 || stalls > 0 || lost > 0 || out == 0;
}
