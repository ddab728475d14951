// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Layouts of weights that several kernels read. Those of a single one are packed in its op_STEM.c.
#include "ops/ops.h"

struct binding op_pack_pointwise(struct op_env *env, const struct folded *folded, int rows)
{
    size_t inputs = (size_t)channel_blocks(folded->inputs), count = (size_t)rows * inputs * 16;
    g_autofree float *packed = g_new0(float, count);
    for (int o = 0; o < folded->outputs; o++) {
        const float *from = folded->weight + (size_t)o * (size_t)folded->inputs;
        for (int i = 0; i < folded->inputs; i++) {
            size_t at = ((size_t)(o / 4) * inputs + (size_t)(i / 4)) * 16;
            packed[at + (size_t)(o % 4 * 4 + i % 4)] = from[i];
        }
    }
    return op_pack(env, packed, count, env->half);
}

struct binding op_pack_depthwise(struct op_env *env, const struct folded *folded, int rows)
{
    int taps = folded->kernel * folded->kernel;
    size_t count = (size_t)rows * (size_t)taps * 4;
    g_autofree float *packed = g_new0(float, count);
    for (int c = 0; c < folded->outputs; c++) {
        for (int t = 0; t < taps; t++) {
            packed[(c / 4 * taps + t) * 4 + c % 4] = folded->weight[c * taps + t];
        }
    }
    return op_pack(env, packed, count, env->half);
}

struct binding op_pack_depthwise_blocks(struct op_env *env, const struct folded *folded)
{
    const int taps = folded->kernel * folded->kernel, rows = taps + 1;
    const size_t count = (size_t)channel_blocks(folded->outputs) * (size_t)rows * 4;
    g_autofree float *packed = g_new0(float, count);
    for (int c = 0; c < folded->outputs; c++) {
        float *to = packed + (c / 4 * rows) * 4 + c % 4;
        for (int t = 0; t < taps; t++) {
            to[t * 4] = folded->weight[c * taps + t];
        }
        to[taps * 4] = folded->bias[c];
    }
    return op_pack(env, packed, count, false);
}

struct binding op_pack_depthwise_lanes(struct op_env *env, const struct folded *folded)
{
    const int taps = folded->kernel * folded->kernel, rows = 1 + taps + folded->kernel;
    const size_t count = (size_t)channel_blocks(folded->outputs) * (size_t)rows * 8;
    g_autofree float *packed = g_new0(float, count);
    for (int c = 0; c < folded->outputs; c++) {
        for (int pixel = 0; pixel < 2; pixel++) {
            float *to = packed + c / 4 * rows * 8 + pixel * 4 + c % 4;
            to[0] = folded->bias[c];
            for (int t = 0; t < taps; t++) {
                to[(1 + t) * 8] = folded->weight[c * taps + t];
            }
        }
    }
    return op_pack(env, packed, count, false);
}

int op_lane(int channel)
{
    return channel / 16 * 16 + channel % 2 * 8 + channel % 16 / 2;
}

struct binding op_pack_bias(struct op_env *env, const struct folded *folded, int rows)
{
    g_autofree float *packed = g_new0(float, (size_t)rows * 4);
    for (int c = 0; c < folded->outputs; c++) {
        packed[c] = folded->bias[c];
    }
    return op_pack(env, packed, (size_t)rows * 4, false);
}
