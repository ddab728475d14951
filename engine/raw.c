// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The network alone: raw head outputs and timings, for tools and tests. Nothing here runs on a
// video frame's path.
#include "engine_internal.h"
#include "engine_private.h"

#include <stdlib.h>

static bool check_idle(EffdetEngine *engine, GError **error)
{
    guint frames = effdet_engine_in_flight(engine);
    if (frames > 0) {
        g_set_error(
            error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE,
            "the network cannot run alone while %u frames are in flight: collect them first",
            frames);
        return false;
    }
    return true;
}

static bool hand_out(EffdetEngine *engine, const char *kind, int id, EffdetTensorFunc func,
                     gpointer user_data, GError **error)
{
    const struct value *value = graph_value(engine->network.graph, id);
    for (int l = 0; l < value->n_levels; l++) {
        const struct extent *extent = &value->level[l];
        EffdetTensor tensor = {.kind = kind,
                               .level = (guint)(engine->model->arch.min_level + l),
                               .channels = (guint)value->channels,
                               .height = (guint)extent->height,
                               .width = (guint)extent->width};
        g_autofree float *data =
            g_new(float, (gsize)value->channels *(gsize)extent->height *(gsize)extent->width);
        if (!network_read_value(&engine->network, id, l, data, error)) {
            return false;
        }
        tensor.data = data;
        func(&tensor, user_data);
    }
    return true;
}

gboolean effdet_engine_infer(EffdetEngine *engine, const float *input, EffdetTensorFunc func,
                             gpointer user_data, GError **error)
{
    struct network *network = &engine->network;
    return check_idle(engine, error) && network_poison(network, error) &&
           network_write_input(network, input, error) && network_run(network, error) &&
           hand_out(engine, "class", network->graph->classes, func, user_data, error) &&
           hand_out(engine, "box", network->graph->boxes, func, user_data, error);
}

const struct dispatch *effdet_engine_dispatches(EffdetEngine *engine, int *n)
{
    *n = (int)engine->network.dispatches->len;
    return (const struct dispatch *)(void *)engine->network.dispatches->data;
}

// Records the network with a timestamp before, and after each dispatch when `marks` is set.
static struct recorder *record(EffdetEngine *engine, int *marks, GError **error)
{
    int n;
    const struct dispatch *dispatches = effdet_engine_dispatches(engine, &n);
    struct recorder *recorder = recorder_new(engine->device, n, marks ? n + 1 : 0, error);
    bool ok = recorder && recorder_begin(recorder, error);
    if (ok && marks) {
        marks[0] = recorder_timestamp(recorder);
    }
    for (int i = 0; ok && i < n; i++) {
        ok = recorder_dispatch(recorder, &dispatches[i], error);
        if (marks) {
            marks[i + 1] = recorder_timestamp(recorder);
        }
    }
    if (!ok || !recorder_end(recorder, error)) {
        recorder_free(&recorder);
    }
    return recorder;
}

static bool run_once(struct recorder *recorder, GError **error)
{
    bool done;
    return recorder_submit(recorder, error) && recorder_wait(recorder, UINT64_MAX, &done, error);
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

bool effdet_engine_time_dispatches(EffdetEngine *engine, int runs, double *us, GError **error)
{
    int n = (int)engine->network.dispatches->len;
    g_autofree int *marks = g_new(int, n + 1);
    g_autofree double *samples = g_new(double, (gsize)n *(gsize)runs);
    struct recorder *recorder = check_idle(engine, error) ? record(engine, marks, error) : NULL;
    bool ok = recorder != NULL;
    for (int run = -1; ok && run < runs; run++) { // run -1 warms up
        ok = run_once(recorder, error);
        for (int i = 0; ok && run >= 0 && i < n; i++) {
            int64_t ns = recorder_elapsed_ns(recorder, marks[i], marks[i + 1]);
            samples[i * runs + run] = ns < 0 ? -1 : (double)ns / 1000.0;
        }
    }
    for (int i = 0; ok && i < n; i++) {
        qsort(samples + i * runs, (size_t)runs, sizeof(double), compare_doubles);
        us[i] = samples[i * runs + runs / 2];
    }
    recorder_free(&recorder);
    return ok;
}

bool effdet_engine_time_network(EffdetEngine *engine, int runs, double *ms, GError **error)
{
    struct recorder *recorder = check_idle(engine, error) ? record(engine, NULL, error) : NULL;
    bool ok = recorder != NULL;
    for (int run = -1; ok && run < runs; run++) {
        gint64 start = g_get_monotonic_time();
        ok = run_once(recorder, error);
        if (run >= 0) {
            ms[run] = (double)(g_get_monotonic_time() - start) / 1000.0;
        }
    }
    recorder_free(&recorder);
    return ok;
}
