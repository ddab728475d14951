// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// effdet bench: how fast an engine starts and runs, and what memory it takes.
#include "cli/cli.h"
#include "cli/options.h"
#include "engine_internal.h"

#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

// The frame: what a camera gives.
#define FRAME_WIDTH 1920
#define FRAME_HEIGHT 1080
#define WARM_UP_RUNS 3

struct bench {
    struct model_options model;
    int runs;
    gboolean random_weights, per_op, json;
    EffdetEngine *engine;
    double cold_ms, warm_ms;
    GArray *network_ms, *frame_ms; // double, one a run
    const struct dispatch *dispatches;
    int n_dispatches;
    int n_barriers, n_submits;
    // with --per-op only
    double *us;                        // of each dispatch, NaN without timestamps; else NULL
    double peak_gflops, peak_gbytes_s; // what the device can do at best
    GArray *sums;                      // struct sum, longest first
};

// All dispatches of an operation.
struct sum {
    const char *op;
    int dispatches;
    double us, flops, bytes;
};

struct summary {
    double median, min, p95;
};

static gint compare_doubles(gconstpointer a, gconstpointer b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct summary summarise(GArray *values)
{
    g_array_sort(values, compare_doubles);
    const double *sorted = (const double *)(void *)values->data;
    guint n = values->len;
    return (struct summary){
        .median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2,
        .min = sorted[0],
        .p95 = sorted[(guint)ceil(0.95 * n) - 1],
    };
}

// ---- measuring ---------------------------------------------------------------------------------

static void remove_tree(const char *path)
{
    g_autoptr(GDir) dir =
        g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(path, 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        remove_tree(child);
    }
    g_remove(path);
}

// Starts twice: once with caches that are empty, once with what the first start left in them.
static bool start(struct bench *bench, const EffdetEngineParams *params, GError **error)
{
    for (int i = 0; i < 2; i++) {
        effdet_engine_free(&bench->engine);
        gint64 begin = g_get_monotonic_time();
        bench->engine = effdet_engine_new(params, error);
        if (!bench->engine) {
            return false;
        }
        *(i ? &bench->warm_ms : &bench->cold_ms) = (double)(g_get_monotonic_time() - begin) / 1e3;
    }
    return true;
}

// A picture with edges and gradients everywhere, so that no branch of the decoder is taken for
// free.
static guint8 *make_frame(EffdetFrame *frame)
{
    guint8 *data = g_malloc(FRAME_WIDTH * FRAME_HEIGHT * 3 / 2);
    for (guint y = 0; y < FRAME_HEIGHT * 3 / 2; y++) {
        for (guint x = 0; x < FRAME_WIDTH; x++) {
            data[y * FRAME_WIDTH + x] = (guint8)(16 + (x * 3 + y * 5 + (x * y >> 6)) % 220);
        }
    }
    *frame = (EffdetFrame){
        .format = EFFDET_FORMAT_NV12,
        .width = FRAME_WIDTH,
        .height = FRAME_HEIGHT,
        .planes = {{data, FRAME_WIDTH}, {data + FRAME_WIDTH * FRAME_HEIGHT, FRAME_WIDTH}},
        .matrix = EFFDET_MATRIX_BT709,
    };
    return data;
}

static bool run_frames(struct bench *bench, GError **error)
{
    EffdetFrame frame;
    g_autofree guint8 *data = make_frame(&frame);
    // random weights give every class a score about the middle; a trained network finds few objects
    EffdetFilter filter = {.score_threshold = bench->random_weights ? 0.999f : 0.4f,
                           .iou_threshold = 0.5f,
                           .max_detections = 100};
    if (!effdet_engine_set_filter(bench->engine, &filter, error)) {
        return false;
    }
    for (int i = -WARM_UP_RUNS; i < bench->runs; i++) {
        EffdetResult *result = NULL;
        gint64 begin = g_get_monotonic_time();
        if (effdet_engine_submit(bench->engine, &frame, NULL, error) != EFFDET_OK ||
            effdet_engine_collect(bench->engine, -1, &result, error) != EFFDET_OK) {
            return false;
        }
        double frame_ms = (double)(g_get_monotonic_time() - begin) / 1e3;
        if (i >= 0) {
            g_array_append_val(bench->frame_ms, frame_ms);
        }
        if (i >= 0 && result->gpu_network_us >= 0) {
            double network_ms = (double)result->gpu_network_us / 1e3;
            g_array_append_val(bench->network_ms, network_ms);
        }
        effdet_result_free(&result);
    }
    if (bench->network_ms->len == 0) { // the next best: the host's clock from submission to fence
        g_array_set_size(bench->network_ms, (guint)bench->runs);
        return effdet_engine_time_network(bench->engine, bench->runs,
                                          (double *)(void *)bench->network_ms->data, error);
    }
    return true;
}

static bool time_dispatches(struct bench *bench, GError **error)
{
    bench->dispatches = effdet_engine_dispatches(bench->engine, &bench->n_dispatches);
    bench->us = g_new0(double, bench->n_dispatches);
    if (!effdet_engine_time_dispatches(bench->engine, bench->runs, bench->us, error)) {
        return false;
    }
    for (int i = 0; i < bench->n_dispatches; i++) {
        bench->us[i] = bench->us[i] < 0 ? NAN : bench->us[i];
    }
    return effdet_engine_measure_ceiling(bench->engine, &bench->peak_gflops, &bench->peak_gbytes_s,
                                         error);
}

static gint by_falling_time(gconstpointer a, gconstpointer b)
{
    double x = ((const struct sum *)a)->us, y = ((const struct sum *)b)->us;
    return (x < y) - (x > y);
}

static void sum_up(struct bench *bench)
{
    bench->sums = g_array_new(FALSE, FALSE, sizeof(struct sum));
    for (int i = 0; i < bench->n_dispatches; i++) {
        const struct dispatch *dispatch = &bench->dispatches[i];
        guint at = 0;
        while (at < bench->sums->len &&
               !g_str_equal(g_array_index(bench->sums, struct sum, at).op, dispatch->op)) {
            at++;
        }
        if (at == bench->sums->len) {
            struct sum new = {.op = dispatch->op};
            g_array_append_val(bench->sums, new);
        }
        struct sum *sum = &g_array_index(bench->sums, struct sum, at);
        sum->dispatches++;
        sum->us += bench->us[i];
        sum->flops += dispatch->flops;
        sum->bytes += dispatch->bytes_moved;
    }
    g_array_sort(bench->sums, by_falling_time);
}

// How near to what the device can do at best: by arithmetic or by memory, whichever is nearer.
static double percent(const struct bench *bench, double us, double flops, double bytes)
{
    return 100 * MAX(flops / bench->peak_gflops, bytes / bench->peak_gbytes_s) / us / 1e3;
}

// ---- output ------------------------------------------------------------------------------------

static void add_summary(JsonBuilder *json, const char *member, struct summary summary)
{
    json_builder_set_member_name(json, member);
    json_builder_begin_object(json);
    json_double(json, "median", summary.median);
    json_double(json, "min", summary.min);
    json_double(json, "p95", summary.p95);
    json_builder_end_object(json);
}

static void add_ops(JsonBuilder *json, const struct bench *bench)
{
    json_builder_set_member_name(json, "ops");
    json_builder_begin_array(json);
    for (int i = 0; i < bench->n_dispatches; i++) {
        const struct dispatch *dispatch = &bench->dispatches[i];
        json_builder_begin_object(json);
        json_string(json, "op", dispatch->op);
        json_string(json, "variant", dispatch->variant);
        json_string(json, "node", dispatch->label);
        json_double(json, "us", bench->us[i]);
        json_double(json, "gflops", dispatch->flops / bench->us[i] / 1e3);
        json_double(json, "gbytes_s", dispatch->bytes_moved / bench->us[i] / 1e3);
        json_double(json, "percent",
                    percent(bench, bench->us[i], dispatch->flops, dispatch->bytes_moved));
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
    json_builder_set_member_name(json, "by_op");
    json_builder_begin_array(json);
    for (guint i = 0; i < bench->sums->len; i++) {
        const struct sum *sum = &g_array_index(bench->sums, struct sum, i);
        json_builder_begin_object(json);
        json_string(json, "op", sum->op);
        json_int(json, "dispatches", sum->dispatches);
        json_double(json, "us", sum->us);
        json_double(json, "gflops", sum->flops / sum->us / 1e3);
        json_double(json, "gbytes_s", sum->bytes / sum->us / 1e3);
        json_double(json, "percent", percent(bench, sum->us, sum->flops, sum->bytes));
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
    json_builder_set_member_name(json, "ceiling");
    json_builder_begin_object(json);
    json_double(json, "gflops", bench->peak_gflops);
    json_double(json, "gbytes_s", bench->peak_gbytes_s);
    json_builder_end_object(json);
}

static void print_json(const struct bench *bench)
{
    const EffdetEngineInfo *info = effdet_engine_info(bench->engine);
    g_autoptr(JsonBuilder) json = json_builder_new();
    json_builder_begin_object(json);
    json_string(json, "device", info->device);
    json_string(json, "driver", info->driver);
    json_string(json, "model", info->model);
    json_builder_set_member_name(json, "size");
    json_builder_begin_array(json);
    json_builder_add_int_value(json, info->input_width);
    json_builder_add_int_value(json, info->input_height);
    json_builder_end_array(json);
    json_string(json, "precision", info->precision);
    json_string(json, "plan", info->plan);
    json_int(json, "runs", bench->runs);
    add_summary(json, "network_ms", summarise(bench->network_ms));
    add_summary(json, "frame_ms", summarise(bench->frame_ms));
    json_int(json, "dispatches", info->n_dispatches);
    json_int(json, "pipelines", info->n_pipelines);
    json_int(json, "barriers", bench->n_barriers);
    json_int(json, "submits", bench->n_submits);
    json_builder_set_member_name(json, "bytes");
    json_builder_begin_object(json);
    json_int(json, "arena", (gint64)info->arena_bytes);
    json_int(json, "arena_lower_bound", (gint64)info->arena_lower_bound_bytes);
    json_int(json, "weights", (gint64)info->weights_bytes);
    json_int(json, "staging", (gint64)info->staging_bytes);
    json_builder_end_object(json);
    json_builder_set_member_name(json, "start_ms");
    json_builder_begin_object(json);
    json_double(json, "cold", bench->cold_ms);
    json_double(json, "warm", bench->warm_ms);
    json_builder_end_object(json);
    if (bench->us) {
        add_ops(json, bench);
    }
    json_builder_end_object(json);
    cli_print_json(json, true);
}

static void print_summary(const char *name, struct summary summary)
{
    printf("%-11s %.2f ms median, %.2f min, %.2f p95\n", name, summary.median, summary.min,
           summary.p95);
}

static void print_sums(const struct bench *bench)
{
    printf("ceiling     %.0f GFLOP/s by multiply-adds, %.1f GB/s by copies\n", bench->peak_gflops,
           bench->peak_gbytes_s);
    printf("\n%10s %9s %9s %5s  %-12s %s\n", "us", "GFLOP/s", "GB/s", "%", "OP", "DISPATCHES");
    for (guint i = 0; i < bench->sums->len; i++) {
        const struct sum *sum = &g_array_index(bench->sums, struct sum, i);
        printf("%10.1f %9.2f %9.2f %5.1f  %-12s %d\n", sum->us, sum->flops / sum->us / 1e3,
               sum->bytes / sum->us / 1e3, percent(bench, sum->us, sum->flops, sum->bytes), sum->op,
               sum->dispatches);
    }
}

static void print_ops(const struct bench *bench)
{
    printf("\n%10s %9s %9s %5s  %-12s %-24s %s\n", "us", "GFLOP/s", "GB/s", "%", "OP", "VARIANT",
           "NODE");
    for (int i = 0; i < bench->n_dispatches; i++) {
        const struct dispatch *dispatch = &bench->dispatches[i];
        printf("%10.1f %9.2f %9.2f %5.1f  %-12s %-24s %s\n", bench->us[i],
               dispatch->flops / bench->us[i] / 1e3, dispatch->bytes_moved / bench->us[i] / 1e3,
               percent(bench, bench->us[i], dispatch->flops, dispatch->bytes_moved), dispatch->op,
               dispatch->variant, dispatch->label);
    }
}

static void print_text(const struct bench *bench)
{
    const EffdetEngineInfo *info = effdet_engine_info(bench->engine);
    const double mib = 1024 * 1024;
    printf("device      %s\n", info->device);
    printf("driver      %s\n", info->driver);
    printf("model       %s, %ux%u, %s, %s plan\n", info->model, info->input_width,
           info->input_height, info->precision, info->plan);
    print_summary("network", summarise(bench->network_ms));
    print_summary("frame", summarise(bench->frame_ms));
    printf("            (NV12 %dx%d in, objects out, one frame at a time, %d runs)\n", FRAME_WIDTH,
           FRAME_HEIGHT, bench->runs);
    printf("dispatches  %u, with %u pipelines, %d barriers, in %d submissions\n",
           info->n_dispatches, info->n_pipelines, bench->n_barriers, bench->n_submits);
    printf("memory      arena %.1f MiB (at least %.1f), weights %.1f, staging %.1f\n",
           (double)info->arena_bytes / mib, (double)info->arena_lower_bound_bytes / mib,
           (double)info->weights_bytes / mib, (double)info->staging_bytes / mib);
    printf("start       %.0f ms with empty caches, %.0f ms with full ones\n", bench->cold_ms,
           bench->warm_ms);
    if (bench->us && bench->n_dispatches > 0 && isnan(bench->us[0])) {
        puts("\nno times of single dispatches: the device has no timestamps");
    } else if (bench->us) {
        print_sums(bench);
        print_ops(bench);
    }
}

// ---- command -----------------------------------------------------------------------------------

static int run(struct bench *bench, EffdetEngineParams *params)
{
    g_autoptr(GError) error = NULL;
    params->random_weights = bench->random_weights;
    // Our pipeline cache and the driver's shader cache both live below this variable.
    g_autofree char *cache = g_dir_make_tmp("effdet-bench-XXXXXX", &error);
    if (!cache) {
        return cli_fail("%s", error->message);
    }
    g_setenv("XDG_CACHE_HOME", cache, TRUE);
    bool ok = start(bench, params, &error) && run_frames(bench, &error) &&
              (!bench->per_op || time_dispatches(bench, &error));
    if (ok) {
        effdet_engine_count(bench->engine, &bench->n_barriers, &bench->n_submits);
    }
    if (ok && bench->us) {
        sum_up(bench);
    }
    if (ok && bench->json) {
        print_json(bench);
    } else if (ok) {
        print_text(bench);
    }
    effdet_engine_free(&bench->engine); // may still write to the cache
    remove_tree(cache);
    return ok ? EXIT_DONE : cli_fail("%s", error->message);
}

int command_bench(int argc, char **argv)
{
    struct bench bench = {.runs = 20};
    const GOptionEntry entries[] = {
        {"random-weights", 0, 0, G_OPTION_ARG_NONE, &bench.random_weights,
         "synthetic weights, no file needed; --model must be an architecture", NULL},
        {"runs", 0, 0, G_OPTION_ARG_INT, &bench.runs, "frames to measure, 1 to 100000 (20)", "N"},
        {"per-op", 0, 0, G_OPTION_ARG_NONE, &bench.per_op,
         "also time every dispatch by itself, and what the device can do at best", NULL},
        {"json", 0, 0, G_OPTION_ARG_NONE, &bench.json, "print one JSON document", NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context = cli_context(
        NULL, "Measures start, speed and memory of a network on a device.",
        "\"network\" is the device's own time for backbone, BiFPN and heads; \"frame\" is the\n"
        "whole way of one frame by the host's clock, from pixels to objects. The start is\n"
        "measured twice in a temporary cache folder: with nothing in it, then with what the\n"
        "first start left. A device without timestamps is measured by the host's clock, and has\n"
        "no times of single dispatches. --per-op compares each with the device's ceiling: what\n"
        "small kernels of nothing but multiply-adds or copies reach (\"%\": of the nearer one).\n"
        "--plan gpu shows the kernels for GPUs on any device.\n\n"
        "Example:\n"
        "  effdet bench --model d0 --random-weights --per-op\n");
    g_option_context_add_main_entries(context, entries, NULL);
    model_options_add(&bench.model, context);
    EffdetEngineParams params;
    int status = EXIT_USAGE;
    if (cli_parse(context, argc, argv) && model_options_params(&bench.model, &params)) {
        if (bench.runs < 1 || bench.runs > 100000) {
            cli_usage("--runs %d: wanted 1 to 100000", bench.runs);
        } else {
            bench.network_ms = g_array_new(FALSE, FALSE, sizeof(double));
            bench.frame_ms = g_array_new(FALSE, FALSE, sizeof(double));
            status = run(&bench, &params);
            g_array_unref(bench.network_ms);
            g_array_unref(bench.frame_ms);
        }
    }
    model_options_finish(&bench.model);
    g_free(bench.us);
    g_clear_pointer(&bench.sums, g_array_unref);
    return status;
}
