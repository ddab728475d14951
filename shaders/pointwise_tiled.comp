// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// 1x1 convolution by tiles of three levels: a workgroup keeps SLAB input blocks of its pixels and of its weights in shared memory, and each of
// its invocations makes CHANNELS output channels of PIXELS pixels in registers. Lanes run along pixels.
//   -DCHANNELS=8 -DPIXELS=4 -DACROSS=8    register tile, and invocations side by side along output channels
#version 450
#extension GL_GOOGLE_include_directive : require
#include "pointwise.glsl"
#define BLOCKS (CHANNELS / 4)
#define SLAB 4
#define LANES (gl_WorkGroupSize.x / ACROSS)
#define TILE_PIXELS (LANES * PIXELS)
#define TILE_BLOCKS (ACROSS * BLOCKS)

shared vec4 x_slab[SLAB * TILE_PIXELS];         // [SLAB][TILE_PIXELS]
shared vec4 weight_slab[SLAB * TILE_BLOCKS * 4]; // [TILE_BLOCKS][SLAB][4 outputs]

// Blocks past the last input repeat it, with weights of 0.
void fetch(uint k, uint first, uint block, uint x_first)
{
    for (uint i = gl_LocalInvocationID.x; i < SLAB * TILE_PIXELS; i += gl_WorkGroupSize.x) {
        const uint from = min(k + i / TILE_PIXELS, push.k_count - 1);
        const uint pixel = min(first + i % TILE_PIXELS, push.pixels - 1);
        vec4 v = LOAD(x, x_first + from * push.x_pitch + pixel);
        if (INPUT_SCALE)
            v *= LOAD_FLOAT(factors, push.k_first + from);
        x_slab[i] = v;
    }
    for (uint i = gl_LocalInvocationID.x; i < SLAB * TILE_BLOCKS * 4; i += gl_WorkGroupSize.x) {
        const uint from = k + i / 4 % SLAB;
        const uint row = push.block_first + min(block + i / (SLAB * 4), push.blocks - 1);
        const uint at = (row * push.k_total + push.k_first + min(from, push.k_count - 1)) * 4 + i % 4;
        weight_slab[i] = from < push.k_count ? LOAD(weights, at) : vec4(0);
    }
}

void main()
{
    const uint lane = gl_LocalInvocationID.x % LANES, column = gl_LocalInvocationID.x / LANES;
    const uint first = gl_WorkGroupID.x * TILE_PIXELS;
    const uint part = gl_WorkGroupID.y / push.part_tiles;
    const uint tile_block = part * push.part_blocks + (gl_WorkGroupID.y - part * push.part_tiles) * TILE_BLOCKS;
    // a tile does not reach into the next part
    const uint end = (part + 1) * push.part_tiles < gl_NumWorkGroups.y ? (part + 1) * push.part_blocks : push.blocks;
    const uint x_first = push.x_first + part * push.part_x;

    vec4 sum[BLOCKS * PIXELS];
    [[unroll]] for (uint i = 0; i < BLOCKS * PIXELS; i++)
        sum[i] = vec4(0);
    for (uint k = 0; k < push.k_count; k += SLAB) {
        fetch(k, first, tile_block, x_first);
        barrier();
        [[unroll]] for (uint i = 0; i < SLAB; i++) {
            vec4 v[PIXELS];
            [[unroll]] for (uint p = 0; p < PIXELS; p++)
                v[p] = x_slab[i * TILE_PIXELS + p * LANES + lane];
            [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
                [[unroll]] for (uint o = 0; o < 4; o++) {
                    const vec4 w = weight_slab[((column * BLOCKS + b) * SLAB + i) * 4 + o];
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
        barrier();
    }

    const uint block = tile_block + column * BLOCKS;
    start_results();
    [[unroll]] for (uint p = 0; p < PIXELS; p++) {
        const uint pixel = first + p * LANES + lane;
        if (pixel >= push.pixels)
            continue;
        const uint level = LEVELS > 1 ? level_of(pixel) : 0;
        [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
            if (block + b < end)
                finish(pixel, block + b, level, sum[p * BLOCKS + b]);
        }
    }
    leave_maximum(gl_WorkGroupID.y * ACROSS + column, gl_WorkGroupID.x * LANES + lane, gl_NumWorkGroups.x * LANES);
}
