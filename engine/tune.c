// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Trials of kernel variants.
#include "tune.h"

#include "base/log.h"

#define RUNS 5            // timed, after one that compiles and warms up
#define FIRST_START_S 2.0 // a GPU measures by itself no longer than this

// What a measurement is good for: the shapes of this network.
static char *model_key(const struct model *model, const struct network_options *options)
{
    return g_strdup_printf("%s-%dx%d-%s-%s%s", model->arch.name, model->input_width,
                           model->input_height, options->half ? "fp16" : "fp32",
                           options->cpu_plan ? "cpu" : "gpu", options->fuse ? "" : "-plain");
}

static bool measure(struct tuning *tuning, struct network *network, GError **error)
{
    int n = (int)network->dispatches->len;
    g_autofree double *us = g_new(double, n);
    if (!network_time(network, RUNS, 0, us, error)) {
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
    int rank = 0;
    while (rank < MAX_CANDIDATES) {
        struct network_options trial = *options;
        struct network network;
        trial.tuning = tuning;
        trial.trial = true;
        tuning_begin_trial(tuning, rank);
        if (!network_init(&network, device, checkpoint, &trial, error)) {
            return false;
        }
        bool ok = measure(tuning, &network, error);
        kernels_save(network.kernels); // the next trial, and the network, want many of them again
        network_finish(&network);
        if (!ok) {
            return false;
        }
        gint64 now = g_get_monotonic_time();
        double next_end_s = (double)(now - start + (now - before)) / G_USEC_PER_SEC;
        before = now;
        rank++;
        if (!tuning_end_trial(tuning) || next_end_s > limit_s) {
            break;
        }
    }
    tuning_begin_trial(tuning, -1);
    g_autofree char *model = model_key(checkpoint_model(checkpoint), options);
    tuning_set_known(tuning, model);
    tuning_save(tuning);
    log_info("variants for %s on %s: %d trials in %.1f s", model, device->name, rank,
             (double)(before - start) / G_USEC_PER_SEC);
    return true;
}

bool tune_at_first_start(struct tuning *tuning, struct device *device,
                         struct checkpoint *checkpoint, const struct network_options *options,
                         GError **error)
{
    g_autofree char *model = model_key(checkpoint_model(checkpoint), options);
    g_autoptr(GError) failure = NULL;
    if (device->is_cpu || tuning_is_known(tuning, model) ||
        tune_network(tuning, device, checkpoint, options, FIRST_START_S, &failure)) {
        return true;
    }
    tuning_begin_trial(tuning, -1);
    if (g_atomic_int_get(&device->lost)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    log_info("the measurement of variants ended early: %s", failure->message);
    return true;
}
