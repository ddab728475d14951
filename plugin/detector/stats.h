// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Counters and latencies of one stream. No locking: the owner's.
#pragma once

#include <effdet/effdet.h>
#include <gst/gst.h>

#define STATS_WINDOW 256 // inferences

typedef enum {
    STATS_LATENCY,
    STATS_PREPROCESS,
    STATS_NETWORK,
    STATS_DECODE,
    N_STATS_TIMES
} StatsTime;

// All zero is an empty one.
typedef struct {
    guint64 frames, inferred, skipped, dropped, late;
    gint64 times_us[N_STATS_TIMES][STATS_WINDOW]; // ring
    guint n_times, next_time;
} Stats;

void stats_add_result(Stats *stats, const EffdetResult *result);

// Percentile of submit to result, -1 of none.
gint64 stats_latency_us(const Stats *stats, guint percent);

// (transfer full) device may be NULL.
GstStructure *stats_to_structure(const Stats *stats, const gchar *device);
