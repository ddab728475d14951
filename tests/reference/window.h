// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The sliding window of the references: which input rows or columns an output position reads.
#pragma once

#include "reference.h"

struct ref_window {
    int out;    // output positions
    int before; // padding before the first input position
    int kernel, stride;
};
struct ref_window ref_window(int in, int kernel, int stride, enum pad_type pad);
// Adds one channel's window sums, outside positions counting as zero: out[to] += weight * in[from].
void ref_window_add(struct ref_tensor *out, int to, const struct ref_tensor *in, int from,
                    const float *weight, const struct ref_window *rows,
                    const struct ref_window *columns);
