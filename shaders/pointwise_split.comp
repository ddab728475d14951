// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// 1x1 convolution for few pixels and many input channels: SPLIT shares of a workgroup's invocations sum up different input blocks, and add
// their sums in shared memory. Lanes run along pixels; each makes CHANNELS output channels of PIXELS pixels.
//   -DCHANNELS=8 -DPIXELS=2 -DSPLIT=8
#version 450
#extension GL_GOOGLE_include_directive : require
#include "pointwise.glsl"
#define BLOCKS (CHANNELS / 4)
#define RESULTS (BLOCKS * PIXELS)
#define ROUND 2 // results that are added at once
#define LANES (gl_WorkGroupSize.x / SPLIT)

shared vec4 shares[ROUND * gl_WorkGroupSize.x]; // [ROUND][SPLIT][LANES]

void main()
{
    const uint lane = gl_LocalInvocationID.x % LANES, share = gl_LocalInvocationID.x / LANES;
    const uint first = gl_WorkGroupID.x * (LANES * PIXELS) + lane;
    const uint part = gl_WorkGroupID.y / push.part_tiles;
    const uint block = part * push.part_blocks + (gl_WorkGroupID.y - part * push.part_tiles) * BLOCKS;
    // a tile does not reach into the next part
    const uint end = (part + 1) * push.part_tiles < gl_NumWorkGroups.y ? (part + 1) * push.part_blocks : push.blocks;
    const uint x_first = push.x_first + part * push.part_x;
    uint pixel[PIXELS], row[BLOCKS]; // clamped: what is past the end is not stored
    [[unroll]] for (uint p = 0; p < PIXELS; p++)
        pixel[p] = min(first + p * LANES, push.pixels - 1);
    [[unroll]] for (uint b = 0; b < BLOCKS; b++)
        row[b] = (push.block_first + min(block + b, push.blocks - 1)) * push.k_total + push.k_first;

    vec4 sum[RESULTS];
    [[unroll]] for (uint i = 0; i < RESULTS; i++)
        sum[i] = vec4(0);
    for (uint k = share; k < push.k_count; k += SPLIT) {
        vec4 v[PIXELS];
        [[unroll]] for (uint p = 0; p < PIXELS; p++) {
            v[p] = LOAD(x, x_first + k * push.x_pitch + pixel[p]);
            if (INPUT_SCALE)
                v[p] *= LOAD_FLOAT(factors, push.k_first + k);
        }
        [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
            [[unroll]] for (uint o = 0; o < 4; o++) {
                const vec4 w = LOAD(weights, (row[b] + k) * 4 + o);
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

    [[unroll]] for (uint start = 0; start < RESULTS; start += ROUND) {
        if (start > 0)
            barrier();
        [[unroll]] for (uint i = 0; i < ROUND; i++)
            shares[(i * SPLIT + share) * LANES + lane] = sum[start + i];
        barrier();
        [[unroll]] for (uint i = 0; i < ROUND; i++) {
            const uint p = (start + i) / BLOCKS, b = (start + i) % BLOCKS;
            // the shares finish in turn
            if ((start + i) % SPLIT != share || first + p * LANES >= push.pixels || block + b >= end)
                continue;
            vec4 total = vec4(0);
            for (uint s = 0; s < SPLIT; s++)
                total += shares[(i * SPLIT + s) * LANES + lane];
            finish(pixel[p], block + b, LEVELS > 1 ? level_of(pixel[p]) : 0, total);
        }
    }
}
