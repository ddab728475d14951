// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Trials of kernel variants.
#include "tune.h"

#include "base/log.h"

#define RUNS 3 // timed, after one that compiles and warms up

static bool measure(struct tuning *tuning, struct network *network, GError **error)
{
    int n = (int)network->dispatches->len;
    g_autofree double *us = g_new(double, n);
    if (!network_time(network, RUNS, us, error)) {
        return false;
    }
    for (int i = 0; i < n; i++) {
        tuning_report(tuning, g_array_index(network->dispatches, struct dispatch, i).label, us[i]);
    }
    return true;
}

bool tune_network(struct tuning *tuning, struct device *device, struct checkpoint *checkpoint,
                  const struct network_options *options, double limit_s, GError **error)
{
    if (!device->features.timestamps) {
        log_info("variants are not measured: device %s has no timestamps", device->name);
        return true;
    }
    gint64 start = g_get_monotonic_time(), before = start;
    for (int rank = 0; rank < MAX_CANDIDATES; rank++) {
        struct network_options trial = *options;
        struct network network;
        trial.tuning = tuning;
        tuning_begin_trial(tuning, rank);
        if (!network_init(&network, device, checkpoint, &trial, error)) {
            return false;
        }
        bool ok = measure(tuning, &network, error);
        network_finish(&network);
        if (!ok) {
            return false;
        }
        gint64 now = g_get_monotonic_time();
        double next_end_s = (double)(now - start + (now - before)) / G_USEC_PER_SEC;
        before = now;
        if (!tuning_end_trial(tuning) || next_end_s > limit_s) {
            break;
        }
    }
    tuning_begin_trial(tuning, -1);
    tuning_save(tuning);
    return true;
}
