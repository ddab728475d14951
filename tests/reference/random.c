// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The deterministic values of the golden tests (spec 13.1): every tensor follows from its name.
#include "reference.h"

#include <math.h>
#include <string.h>

static guint32 mix(guint32 x)
{
    x ^= x >> 16;
    x *= 0x85EBCA6Bu;
    x ^= x >> 13;
    x *= 0xC2B2AE35u;
    x ^= x >> 16;
    return x;
}

static guint32 name_hash(const char *name)
{
    guint32 hash = 0x811C9DC5u;
    for (const char *c = name; *c; c++) {
        hash = (hash ^ (guint8)*c) * 0x01000193u;
    }
    return hash;
}

static double value_at(guint32 hash, gsize i)
{
    return 2.0 * (mix(hash + (guint32)i * 0x9E3779B9u) / 4294967296.0) - 1.0;
}

void ref_random(const char *name, double *out, int n)
{
    guint32 hash = name_hash(name);
    for (int i = 0; i < n; i++) {
        out[i] = value_at(hash, i);
    }
}

void ref_weight(const char *name, const int *shape, int rank, double backbone_gain,
                double head_gain, float *out)
{
    guint32 hash = name_hash(name);
    double offset = 0.0, factor = 0.1;
    gsize n = 1;
    for (int i = 0; i < rank; i++) {
        n *= shape[i];
    }
    if (rank == 4) {
        double gain = g_str_has_prefix(name, "backbone") ? backbone_gain : head_gain;
        factor = gain * sqrt(3.0 / ((double)shape[1] * shape[2] * shape[3]));
    } else if (g_str_has_suffix(name, ".running_mean")) {
        offset = 0.0;
    } else if (g_str_has_suffix(name, ".running_var") || g_str_has_suffix(name, ".edge_weights")) {
        offset = 1.0;
        factor = 0.5;
    } else if (g_str_has_suffix(name, ".weight")) {
        offset = 1.0;
    }
    for (gsize i = 0; i < n; i++) {
        out[i] = (float)(offset + factor * value_at(hash, i));
    }
}
