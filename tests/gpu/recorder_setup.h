// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What the tests of the recorder share: an arena of six regions with known contents, the mix kernel
// and a recorder that has begun.
#pragma once

#include "gpu_test.h"

#define ELEMENTS 1000 // of vec4, in each of the regions; no multiple of the workgroup
#define REGION 16384  // bytes from one region to the next: any alignment
#define N_REGIONS 6

struct setup {
    struct device *device;
    struct kernels *kernels;
    const struct kernel *mix;
    struct recorder *recorder;
    struct buffer arena, uniform, readback;
};

bool setup_init(struct setup *s, int max_dispatches, int max_timestamps); // false: skipped
void setup_finish(struct setup *s);
struct binding region(struct setup *s, int index);
struct dispatch mix_regions(struct setup *s, int source, int target, float a, float b);
void record(struct setup *s, const struct dispatch *dispatch);
// target = source * a + target * b + 0.25; returns the number of barriers so far.
int mix(struct setup *s, int source, int target, float a, float b);
void run(struct setup *s); // submits and waits
void end_and_run(struct setup *s);
float *read_arena(struct setup *s);
float start_value(int region_index, int i);
