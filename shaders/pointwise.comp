// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// 1x1 convolution: y = activation(scale * sum(x * weight) + bias) + residual. One invocation makes CHANNELS output channels of PIXELS
// pixels in registers; lanes run along pixels, so that weight addresses are uniform. All levels of a pyramid at once.
//   -DCHANNELS=16 -DPIXELS=4    register tile
//   -DSQUEEZE=1                 works the input factors out from partial sums
#version 450
#extension GL_GOOGLE_include_directive : require
#include "pointwise.glsl"
#define BLOCKS (CHANNELS / 4)
// Input blocks of a trip. lavapipe merges every sum with its masked value once a trip; elsewhere the compiler knows best.
#if TEXEL
#define TRIP POINTWISE_TEXEL_TRIP
#else
#define TRIP 1
#endif

layout(constant_id = POINTWISE_SPEC_TAIL) const uint TAIL = 0;    // input blocks after the last full trip: 0 or 1
layout(constant_id = POINTWISE_SPEC_LOOP) const bool LOOP = true; // there is a full trip

uint x_first, block;
uint pixel[PIXELS]; // clamped: lanes past the end repeat the last pixel and store nothing
vec4 sum[BLOCKS * PIXELS];

void add(uint k)
{
    vec4 v[PIXELS];
    [[unroll]] for (uint p = 0; p < PIXELS; p++)
        v[p] = LOAD(x, x_first + k * push.x_pitch + pixel[p]);
    if (INPUT_SCALE) {
        const vec4 factor = FACTOR(push.k_first + k);
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

void main()
{
#if SQUEEZE
    find_factors();
#endif
    const uint local = gl_WorkGroupSize.x;
    const uint first = group_across() * (local * PIXELS) + gl_LocalInvocationID.x;
    const uint part = gl_WorkGroupID.y / push.part_tiles;
    block = part * push.part_blocks + (gl_WorkGroupID.y - part * push.part_tiles) * BLOCKS;
    // a tile does not reach into the next part
    const uint end = (part + 1) * push.part_tiles < gl_NumWorkGroups.y ? (part + 1) * push.part_blocks : push.blocks;
    x_first = push.x_first + part * push.part_x;
    [[unroll]] for (uint p = 0; p < PIXELS; p++)
        pixel[p] = min(first + p * local, push.pixels - 1);

    [[unroll]] for (uint i = 0; i < BLOCKS * PIXELS; i++)
        sum[i] = vec4(0);
    // Tested at its end: lavapipe runs the rest of a loop's body once more with no lane left.
    for (uint k = 0; LOOP;) {
        [[unroll]] for (uint u = 0; u < TRIP; u++)
            add(k + u);
        k += TRIP;
        if (k >= push.k_count - TAIL)
            break;
    }
    if (TAIL > 0)
        add(push.k_count - 1);

    start_results();
    [[unroll]] for (uint p = 0; p < PIXELS; p++) {
        if (first + p * local >= push.pixels)
            continue;
        const uint level = LEVELS > 1 ? level_of(pixel[p]) : 0;
        [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
            if (block + b >= end)
                continue;
            finish(pixel[p], block + b, level, sum[p * BLOCKS + b]);
        }
    }
#if !SQUEEZE
    leave_maximum(gl_WorkGroupID.y, group_across() * local + gl_LocalInvocationID.x, groups_across() * local);
#endif
}
