// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Sliding percentiles over the last inferences. Sorted when asked, never per frame.
#include "stats.h"

#include <string.h>

// How the pictures reach the device: copied from the buffer's memory into the engine's staging
// memory.
#define PATH_OF_SYSTEM_MEMORY "system-memory"

void stats_add_result(Stats *stats, const EffdetResult *result)
{
    guint at = stats->next_time;

    stats->inferred++;
    stats->times_us[STATS_LATENCY][at] = result->latency_us;
    stats->times_us[STATS_PREPROCESS][at] = result->gpu_preprocess_us;
    stats->times_us[STATS_NETWORK][at] = result->gpu_network_us;
    stats->times_us[STATS_DECODE][at] = result->gpu_decode_us;
    stats->next_time = (at + 1) % STATS_WINDOW;
    stats->n_times = MIN(stats->n_times + 1, STATS_WINDOW);
}

static int compare_times(const void *a, const void *b)
{
    gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;

    return (x > y) - (x < y);
}

// Nearest rank; -1 of an empty window.
static gint64 percentile(const gint64 *sorted, guint n, guint percent)
{
    return n == 0 ? -1 : sorted[(n * percent + 99) / 100 - 1];
}

gint64 stats_latency_us(const Stats *stats, guint percent)
{
    gint64 sorted[STATS_WINDOW];

    memcpy(sorted, stats->times_us[STATS_LATENCY], stats->n_times * sizeof(gint64));
    qsort(sorted, stats->n_times, sizeof(gint64), compare_times);
    return percentile(sorted, stats->n_times, percent);
}

GstStructure *stats_to_structure(const Stats *stats, const gchar *device)
{
    gint64 sorted[N_STATS_TIMES][STATS_WINDOW];
    guint n = stats->n_times;

    for (guint i = 0; i < N_STATS_TIMES; i++) {
        memcpy(sorted[i], stats->times_us[i], n * sizeof(gint64));
        qsort(sorted[i], n, sizeof(gint64), compare_times);
    }
    return gst_structure_new(
        "effdet-stats", "frames", G_TYPE_UINT64, stats->frames, "inferred", G_TYPE_UINT64,
        stats->inferred, "skipped", G_TYPE_UINT64, stats->skipped, "dropped", G_TYPE_UINT64,
        stats->dropped, "late", G_TYPE_UINT64, stats->late, "latency-p50", G_TYPE_INT64,
        percentile(sorted[STATS_LATENCY], n, 50), "latency-p95", G_TYPE_INT64,
        percentile(sorted[STATS_LATENCY], n, 95), "latency-p99", G_TYPE_INT64,
        percentile(sorted[STATS_LATENCY], n, 99), "gpu-preprocess", G_TYPE_INT64,
        percentile(sorted[STATS_PREPROCESS], n, 50), "gpu-network", G_TYPE_INT64,
        percentile(sorted[STATS_NETWORK], n, 50), "gpu-decode", G_TYPE_INT64,
        percentile(sorted[STATS_DECODE], n, 50), "device", G_TYPE_STRING, device, "path",
        G_TYPE_STRING, PATH_OF_SYSTEM_MEMORY, NULL);
}
