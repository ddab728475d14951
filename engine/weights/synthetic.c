// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Deterministic weights that follow from a tensor's name (spec 13.1): a hash of the name and the
// element's number, scaled by the kind of tensor.
#include "weights/synthetic.h"

#include <math.h>

static uint32_t scramble(uint32_t x)
{
    x = (x ^ (x >> 16)) * 0x85EBCA6Bu;
    x = (x ^ (x >> 13)) * 0xC2B2AE35u;
    return x ^ (x >> 16);
}

void synthetic_weight(const char *name, const int64_t *shape, int rank, double backbone_gain,
                      double head_gain, float *out)
{
    uint32_t hash = 0x811C9DC5u;
    double middle = 0.0, spread = 0.1; // biases and means
    int64_t n = 1;
    for (const char *c = name; *c; c++) {
        hash = (hash ^ (uint8_t)*c) * 0x01000193u;
    }
    for (int i = 0; i < rank; i++) {
        n *= shape[i];
    }
    if (rank == 4) {
        double gain = g_str_has_prefix(name, "backbone") ? backbone_gain : head_gain;
        spread = gain * sqrt(3.0 / (double)(shape[1] * shape[2] * shape[3]));
    } else if (g_str_has_suffix(name, ".running_var") || g_str_has_suffix(name, ".edge_weights")) {
        middle = 1.0;
        spread = 0.5;
    } else if (g_str_has_suffix(name, ".weight")) {
        middle = 1.0;
    }
    for (int64_t i = 0; i < n; i++) {
        double unit = scramble(hash + (uint32_t)i * 0x9E3779B9u) / 4294967296.0;
        out[i] = (float)(middle + spread * (2.0 * unit - 1.0));
    }
}
