// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// y = activation(sum of a_i * resample_i(x_i)): the nodes of the feature pyramid, and plain addition, resampling, pooling or activation.
// One invocation makes one pixel of up to BLOCKS blocks of four channels; with one input and no resampling this is a copy.
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_NODE
#include "access.glsl"
#include "interface.h"
#include "activation.glsl"

layout(local_size_x_id = SPEC_LOCAL_SIZE) in;
layout(constant_id = NODE_SPEC_RESAMPLE + 0) const uint RESAMPLE_0 = RESAMPLING_NONE;
layout(constant_id = NODE_SPEC_RESAMPLE + 1) const uint RESAMPLE_1 = RESAMPLING_ABSENT;
layout(constant_id = NODE_SPEC_RESAMPLE + 2) const uint RESAMPLE_2 = RESAMPLING_ABSENT;
layout(constant_id = NODE_SPEC_RESAMPLE + 3) const uint RESAMPLE_3 = RESAMPLING_ABSENT;
layout(constant_id = NODE_SPEC_FLAT) const bool FLAT = false; // nothing is resampled: pixels need no coordinates
layout(constant_id = NODE_SPEC_SYMMETRIC) const bool SYMMETRIC = false; // pool padding before the first row: symmetric, else SAME
layout(constant_id = NODE_SPEC_ZERO) const bool ZERO = false;           // cells outside count as 0 in a pool, else not at all
layout(constant_id = NODE_SPEC_BLOCKS) const uint BLOCKS = 1;

INPUT(0, x0);  // each [C / 4][x_pitch][4]
INPUT(1, x1);
INPUT(2, x2);
INPUT(3, x3);
OUTPUT(4, y);  // [C / 4][y_pitch][4]

ivec2 pool_from(ivec2 at, ivec2 size)
{
    const ivec2 total = max(((size + 1) / 2 - 1) * 2 + 3 - size, ivec2(0));
    return at * 2 - (SYMMETRIC ? ivec2(1) : total / 2);
}

// Half-pixel coordinates: first of two neighbours, second, weight of the second.
void bilinear(int at, int from, int to, out int a, out int b, out float t)
{
    const float position = max((float(at) + 0.5) * (float(from) / float(to)) - 0.5, 0.0);
    a = min(int(position), from - 1);
    b = min(a + 1, from - 1);
    t = position - float(a);
}

// One function an input, because buffers are not values in GLSL. start: of the channel block; at: output coordinates (x, y).
#define DEFINE_SAMPLE(sample_name, tensor, RESAMPLE, n)                                                              \
    vec4 sample_name(uint block, uint pixel, ivec2 at, ivec2 y_size)                                            \
    {                                                                                                           \
        const int start = int(push.x_first[n] + block * push.x_pitch[n]);                                       \
        if (RESAMPLE == RESAMPLING_NONE)                                                                        \
            return LOAD(tensor, start + int(pixel));                                                                 \
        const ivec2 size = ivec2(push.x_size[n] >> 16, push.x_size[n] & 0xffff);                                \
        if (RESAMPLE == RESAMPLING_NEAREST) {                                                                   \
            const ivec2 from = at * size / y_size;                                                              \
            return LOAD(tensor, start + from.y * size.x + from.x);                                                   \
        }                                                                                                       \
        if (RESAMPLE == RESAMPLING_BILINEAR) {                                                                  \
            ivec2 a, b;                                                                                         \
            vec2 t;                                                                                             \
            bilinear(at.x, size.x, y_size.x, a.x, b.x, t.x);                                                    \
            bilinear(at.y, size.y, y_size.y, a.y, b.y, t.y);                                                    \
            const vec4 top = mix(LOAD(tensor, start + a.y * size.x + a.x), LOAD(tensor, start + a.y * size.x + b.x), t.x); \
            const vec4 low = mix(LOAD(tensor, start + b.y * size.x + a.x), LOAD(tensor, start + b.y * size.x + b.x), t.x); \
            return mix(top, low, t.y);                                                                          \
        }                                                                                                       \
        const ivec2 from = pool_from(at, size);                                                                 \
        vec4 best = vec4(0);                                                                                    \
        bool any_yet = false;                                                                                   \
        [[unroll]] for (int i = 0; i < 9; i++) {                                                                \
            const ivec2 tap = from + ivec2(i % 3, i / 3), near = clamp(tap, ivec2(0), size - 1);                \
            const vec4 v = ZERO && tap != near ? vec4(0) : LOAD(tensor, start + near.y * size.x + near.x);           \
            best = any_yet ? max(best, v) : v;                                                                  \
            any_yet = true;                                                                                     \
        }                                                                                                       \
        return best;                                                                                            \
    }

DEFINE_SAMPLE(sample_0, x0, RESAMPLE_0, 0)
DEFINE_SAMPLE(sample_1, x1, RESAMPLE_1, 1)
DEFINE_SAMPLE(sample_2, x2, RESAMPLE_2, 2)
DEFINE_SAMPLE(sample_3, x3, RESAMPLE_3, 3)

void main()
{
    const uint pixel = gl_GlobalInvocationID.x;
    if (pixel >= push.pixels)
        return;
    const ivec2 y_size = ivec2(push.y_size >> 16, push.y_size & 0xffff);
    ivec2 at = ivec2(0);
    if (!FLAT) {
        at.y = int(pixel) / y_size.x;
        at.x = int(pixel) - at.y * y_size.x;
    }
    const uint end = min((gl_WorkGroupID.y + 1) * BLOCKS, push.blocks);
    for (uint block = gl_WorkGroupID.y * BLOCKS; block < end; block++) {
        vec4 sum = push.factor[0] * sample_0(block, pixel, at, y_size);
        if (RESAMPLE_1 != RESAMPLING_ABSENT)
            sum += push.factor[1] * sample_1(block, pixel, at, y_size);
        if (RESAMPLE_2 != RESAMPLING_ABSENT)
            sum += push.factor[2] * sample_2(block, pixel, at, y_size);
        if (RESAMPLE_3 != RESAMPLING_ABSENT)
            sum += push.factor[3] * sample_3(block, pixel, at, y_size);
        STORE(y, push.y_first + block * push.y_pitch + pixel, activate(sum));
    }
}
