// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A network ready to run on a device: graph, arena, packed weights, and the list of dispatches
// between the normalised input and the head outputs. No frames and no command buffers here.
#pragma once

#include "ops/maxima.h"
#include "ops/tuning.h"

struct network {
    struct device *device;   // not owned
    struct kernels *kernels; // owned
    struct graph *graph;
    struct buffer arena, weights;
    struct maxima maxima;
    struct op_env env;  // what further operations (preprocess, decode) are prepared with
    GArray *dispatches; // struct dispatch
};

struct network_options {
    bool half;                // fp16 storage
    bool fuse;                // false: plain graph
    bool cpu_plan;            // plan for CPU devices
    struct tuning *tuning;    // measured variants, or NULL: by estimate
    uint64_t expand_elements; // as in struct fuse_options, instead of the plan's; 0: the plan's
    bool trial;               // only the first node of each shape: to be timed, not to be right
};

// Builds, folds, packs, uploads. Reads every tensor of the checkpoint and fails when one is missing
// or left over.
bool network_init(struct network *network, struct device *device, struct checkpoint *checkpoint,
                  const struct network_options *options, GError **error) WARN_UNUSED;
void network_finish(struct network *network); // accepts a zeroed or half-made network

// Fills the arena with NaN where EFFDET_POISON=1 asks for it, so that nothing can depend on what
// was there. Waits.
bool network_poison(struct network *network, GError **error) WARN_UNUSED;
// Puts a normalised [3][H][W] input into the arena. Waits; for tests and tools.
bool network_write_input(struct network *network, const float *input, GError **error) WARN_UNUSED;
// Runs every dispatch once on the input in the arena. Waits; for tests and tools.
bool network_run(struct network *network, GError **error) WARN_UNUSED;
// Records every dispatch; with a timestamp before and after each, whose indices go to marks[n + 1],
// unless marks is NULL.
struct recorder *network_record(struct network *network, int *marks, GError **error) WARN_UNUSED;
// What a dispatch may take on the device, microseconds: a cautious guess from FLOPs and bytes.
double network_estimate_us(const struct network *network, const struct dispatch *dispatch);
// Time of each dispatch, microseconds; -1 without timestamps: of `runs` runs the quantile (0 = the
// least, 0.5 = the median). Waits.
bool network_time(struct network *network, int runs, double quantile, double *us,
                  GError **error) WARN_UNUSED;
// Reads a value of the arena as [channels][height][width] of one level. Waits.
bool network_read_value(struct network *network, int value, int level, float *out,
                        GError **error) WARN_UNUSED;
