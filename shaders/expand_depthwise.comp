// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// 1x1 convolution, bias, activation, and the depthwise convolution of the result, which is never stored; bias, activation, and on request the
// sums of the results, for squeeze-excite. A workgroup makes BLOCKS blocks of four channels of EXPAND_STRIP tiles, one after the other: the
// expanded channels that a tile needs into shared memory, from there a lane's own pixel. Weight addresses are uniform.
//   -DKERNEL=3 -DSTRIDE=1
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_EXPAND_DEPTHWISE
#include "access.glsl"
#include "interface.h"
#include "activation.glsl"
#define BLOCKS EXPAND_BLOCKS(HALF, STRIDE)
#define HALO_SIDE ((EXPAND_TILE - 1) * STRIDE + KERNEL)
#define HALO (HALO_SIDE * HALO_SIDE)
#define LANES (EXPAND_TILE * EXPAND_TILE)
#define PIXELS ((HALO + LANES * STRIDE - 1) / (LANES * STRIDE)) // expanded ones that a lane makes at a time, in STRIDE rounds

layout(local_size_x_id = SPEC_LOCAL_SIZE) in;
layout(constant_id = EXPAND_SPEC_INNER_ACTIVATION) const uint INNER_ACTIVATION = ACTIVATION_NONE;
layout(constant_id = EXPAND_SPEC_PARTIAL) const bool PARTIAL = false;

INPUT(0, x);                    // [inputs / 4][x_pitch][4]
INPUT(1, expand);               // [outputs / 4][inputs / 4][4 outputs][4 inputs]
INPUT_FLOAT(2, expand_bias);    // [outputs / 4][4]
OUTPUT(3, y);                   // [outputs / 4][y_pitch][4]
OUTPUT_FLOAT(4, partial);       // [outputs / 4][partial_pitch][4]
INPUT(5, depthwise);            // [outputs / 4][KERNEL * KERNEL][4]
INPUT_FLOAT(6, depthwise_bias); // [outputs / 4][4]

#if HALF
shared uvec2 halo[BLOCKS * HALO];
#define KEEP(at, v) halo[at] = uvec2(packHalf2x16((v).xy), packHalf2x16((v).zw))
#define KEPT(at) vec4(unpackHalf2x16(halo[at].x), unpackHalf2x16(halo[at].y))
#else
shared vec4 halo[BLOCKS * HALO];
#define KEEP(at, v) halo[at] = v
#define KEPT(at) halo[at]
#endif
shared vec4 lane_sums[PARTIAL ? LANES : 1];

// Expanded channels of PIXELS places of the halo, from `place` on and LANES apart.
void fill(uint place, uint first, ivec2 from, ivec2 size)
{
    uint at[PIXELS];
    bool inside[PIXELS];
    vec4 sum[PIXELS * BLOCKS];
    [[unroll]] for (uint p = 0; p < PIXELS; p++) {
        const int to = int(min(place + p * LANES, HALO - 1));
        const ivec2 pixel = from + ivec2(to % HALO_SIDE, to / HALO_SIDE), near = clamp(pixel, ivec2(0), size - 1);
        inside[p] = pixel == near;
        at[p] = push.x_first + uint(near.y * size.x + near.x);
        [[unroll]] for (uint b = 0; b < BLOCKS; b++)
            sum[p * BLOCKS + b] = LOAD_FLOAT(expand_bias, first + b);
    }
    for (uint k = 0; k < push.inputs; k++) {
        vec4 v[PIXELS];
        [[unroll]] for (uint p = 0; p < PIXELS; p++)
            v[p] = LOAD(x, at[p] + k * push.x_pitch);
        [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
            [[unroll]] for (uint o = 0; o < 4; o++) {
                const vec4 w = LOAD(expand, ((first + b) * push.inputs + k) * 4 + o);
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
        if (place + p * LANES >= HALO)
            continue;
        [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
            const vec4 v = activate_as(INNER_ACTIVATION, sum[p * BLOCKS + b]);
            KEEP(b * HALO + place + p * LANES, inside[p] ? v : vec4(0)); // the padding is of expanded channels
        }
    }
}

void main()
{
    const uint lane = gl_LocalInvocationID.x, block = gl_WorkGroupID.x * BLOCKS, first = push.block_first + block;
    const ivec2 size = ivec2(push.x_size >> 16, push.x_size & 0xffff), y_size = (size + STRIDE - 1) / STRIDE;
    const ivec2 own = ivec2(lane % EXPAND_TILE, lane / EXPAND_TILE);
    vec4 total[BLOCKS];
    [[unroll]] for (uint b = 0; b < BLOCKS; b++)
        total[b] = vec4(0);
    const uint end = min((gl_WorkGroupID.y + 1) * EXPAND_STRIP, push.tiles);
    for (uint tile = gl_WorkGroupID.y * EXPAND_STRIP; tile < end; tile++) {
        const uint tile_y = tile / push.tiles_x;
        const ivec2 to = ivec2(tile - tile_y * push.tiles_x, tile_y) * EXPAND_TILE;
        barrier(); // the tile before has been read
        [[dont_unroll]] for (uint round = 0; round < STRIDE; round++)
            fill(lane + round * PIXELS * LANES, first, to * STRIDE - ivec2(push.pad_x, push.pad_y), size);
        barrier();
        const ivec2 pixel = to + own;
        const bool live = pixel.x < y_size.x && pixel.y < y_size.y;
        [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
            vec4 sum = LOAD_FLOAT(depthwise_bias, first + b);
            const uint corner = b * HALO + uint(own.y * HALO_SIDE + own.x) * STRIDE, taps = (first + b) * (KERNEL * KERNEL);
            [[dont_unroll]] for (uint line = 0; line < KERNEL; line++) {
                [[unroll]] for (uint i = 0; i < KERNEL; i++)
                    sum += LOAD(depthwise, taps + line * KERNEL + i) * KEPT(corner + line * HALO_SIDE + i);
            }
            const vec4 result = activate(sum);
            if (live && block + b < push.blocks) {
                STORE(y, push.y_first + (block + b) * push.y_pitch + uint(pixel.y * y_size.x + pixel.x), result);
                total[b] += result;
            }
        }
    }
    [[unroll]] for (uint b = 0; PARTIAL && b < BLOCKS; b++) {
        barrier();
        lane_sums[lane] = total[b];
        for (uint half_size = LANES / 2; half_size > 0; half_size /= 2) {
            barrier();
            if (lane < half_size)
                lane_sums[lane] += lane_sums[lane + half_size];
        }
        if (lane == 0 && block + b < push.blocks)
            STORE_FLOAT(partial, push.partial_first + (block + b) * push.partial_pitch + gl_WorkGroupID.y, lane_sums[0]);
    }
}
