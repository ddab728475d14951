// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// 1x1 convolution: y = activation(scale * sum(x * weight) + bias) + residual. One invocation makes CHANNELS output channels of PIXELS
// pixels in registers; lanes run along pixels, so that weight addresses are uniform. All levels of a pyramid at once.
//   -DCHANNELS=16 -DPIXELS=4    register tile
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_POINTWISE
#include "access.glsl"
#include "interface.h"
#include "activation.glsl"
#define BLOCKS (CHANNELS / 4)

layout(local_size_x_id = SPEC_LOCAL_SIZE) in;
layout(constant_id = POINTWISE_SPEC_INPUT_SCALE) const bool INPUT_SCALE = false; // input channels are multiplied by a vector
layout(constant_id = POINTWISE_SPEC_RESIDUAL) const bool RESIDUAL = false;
layout(constant_id = POINTWISE_SPEC_LEVELS) const uint LEVELS = 1;             // sets of bias and scale
layout(constant_id = POINTWISE_SPEC_ACCUMULATE) const bool ACCUMULATE = false; // go on from the sums that are in y
layout(constant_id = POINTWISE_SPEC_FINISH) const bool FINISH = true;          // else leave plain sums in y

INPUT(0, x);              // [inputs / 4][x_pitch][4]
INPUT(1, weights);        // [outputs / 4][inputs / 4][4 outputs][4 inputs]
INPUT_FLOAT(2, table);    // bias [LEVELS][table_blocks][4]; then, if LEVELS > 1, scale of the same shape
OUTPUT(3, y);             // [outputs / 4][y_pitch][4]
INPUT_FLOAT(4, factors);  // [inputs / 4][4]
INPUT(5, residual);       // [outputs / 4][residual_pitch][4]

uint level_of(uint pixel)
{
    uint level = 0;
    [[unroll]] for (uint l = 1; l < LEVELS_MAX; l++)
        level += uint(l < LEVELS && pixel >= push.level_first[l]);
    return level;
}

void main()
{
    const uint local = gl_WorkGroupSize.x;
    const uint first = gl_WorkGroupID.x * (local * PIXELS) + gl_LocalInvocationID.x;
    const uint block = gl_WorkGroupID.y * BLOCKS;
    uint pixel[PIXELS]; // clamped: lanes past the end repeat the last pixel and store nothing
    [[unroll]] for (uint p = 0; p < PIXELS; p++)
        pixel[p] = min(first + p * local, push.pixels - 1);

    vec4 sum[BLOCKS * PIXELS];
    [[unroll]] for (uint i = 0; i < BLOCKS * PIXELS; i++)
        sum[i] = vec4(0);
    for (uint k = 0; k < push.k_count; k++) {
        vec4 v[PIXELS];
        [[unroll]] for (uint p = 0; p < PIXELS; p++)
            v[p] = LOAD(x, push.x_first + k * push.x_pitch + pixel[p]);
        if (INPUT_SCALE) {
            const vec4 factor = LOAD_FLOAT(factors, push.k_first + k);
            [[unroll]] for (uint p = 0; p < PIXELS; p++)
                v[p] *= factor;
        }
        [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
            const uint row = ((push.block_first + block + b) * push.k_total + push.k_first + k) * 4;
            [[unroll]] for (uint o = 0; o < 4; o++) {
                const vec4 w = LOAD(weights, row + o);
                [[unroll]] for (uint p = 0; p < PIXELS; p++) {
                    float s = sum[p * BLOCKS + b][o];
                    s += v[p].x * w.x;
                    s += v[p].y * w.y;
                    s += v[p].z * w.z;
                    s += v[p].w * w.w;
                    sum[p * BLOCKS + b][o] = s;
                }
            }
        }
    }

    [[unroll]] for (uint p = 0; p < PIXELS; p++) {
        if (first + p * local >= push.pixels)
            continue;
        const uint level = LEVELS > 1 ? level_of(pixel[p]) : 0;
        [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
            if (block + b >= push.blocks)
                continue;
            const uint at = push.y_first + (block + b) * push.y_pitch + pixel[p];
            const uint entry = level * push.table_blocks + push.block_first + block + b;
            vec4 result = sum[p * BLOCKS + b];
            if (ACCUMULATE)
                result += vec4(y[at]);
            if (FINISH) {
                if (LEVELS > 1)
                    result *= LOAD_FLOAT(table, LEVELS * push.table_blocks + entry);
                result = activate(result + LOAD_FLOAT(table, entry));
                if (RESIDUAL)
                    result += LOAD(residual, push.residual_first + (block + b) * push.residual_pitch + pixel[p]);
            }
            STORE(y, at, result);
        }
    }
}
