// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The network alone: raw head outputs and timings, for tools and tests. Nothing here runs on a
// video frame's path.
#include "ceiling.h"
#include "engine_internal.h"
#include "engine_private.h"

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

bool effdet_engine_measure_ceiling(EffdetEngine *engine, double *gflops, double *gbytes_s,
                                   GError **error)
{
    struct ceiling ceiling = {0};
    bool ok = check_idle(engine, error) && ceiling_measure(&engine->network, &ceiling, error);
    *gflops = ceiling.gflops;
    *gbytes_s = ceiling.gbytes_s;
    return ok;
}

void effdet_engine_count(EffdetEngine *engine, int *barriers, int *submits)
{
    const struct recorder *recorder = engine->slots[0].passes[PASS_QUICK].recorder;
    *barriers = recorder_barriers(recorder);
    *submits = recorder_submits(recorder);
}

bool effdet_engine_time_dispatches(EffdetEngine *engine, int runs, double *us, GError **error)
{
    return check_idle(engine, error) && network_time(&engine->network, runs, 0.5, us, error);
}

bool effdet_engine_time_network(EffdetEngine *engine, int runs, double *ms, GError **error)
{
    struct recorder *recorder =
        check_idle(engine, error) ? network_record(&engine->network, NULL, error) : NULL;
    bool ok = recorder != NULL;
    for (int run = -1; ok && run < runs; run++) {
        gint64 start = g_get_monotonic_time();
        ok = recorder_run(recorder, error);
        if (run >= 0) {
            ms[run] = (double)(g_get_monotonic_time() - start) / 1000.0;
        }
    }
    recorder_free(&recorder);
    return ok;
}
