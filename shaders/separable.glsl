// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// One tile of a separable convolution by one workgroup: weighted sum of resampled inputs and activation into shared memory, once an element;
// from there the depthwise convolution of a lane's own pixels, and the 1x1 convolution into register sums. Needs the tensors that the file that
// includes this one declares: sum_inputs() and store_result(). Weight addresses are uniform where GROUPS is 1.
//   -DCHANNELS=32 -DROWS=1    register tile: output channels x pixels of a column
#include "activation.glsl"
#define RESAMPLE_SPEC_SYMMETRIC SEPARABLE_SPEC_SYMMETRIC
#define RESAMPLE_SPEC_ZERO SEPARABLE_SPEC_ZERO
#include "resample.glsl"
#define BLOCKS (CHANNELS / 4)
#define TILE_HEIGHT (SEPARABLE_TILE * ROWS)
#define HALO_WIDTH (SEPARABLE_TILE + 2)
#define HALO (HALO_WIDTH * (TILE_HEIGHT + 2))

layout(local_size_x_id = SPEC_LOCAL_SIZE) in;
layout(constant_id = SEPARABLE_SPEC_INPUT_ACTIVATION) const uint INPUT_ACTIVATION = ACTIVATION_NONE;
layout(constant_id = SEPARABLE_SPEC_GROUPS) const uint GROUPS = 1; // shares of the invocations that make different output channels

layout(set = 0, binding = 0, std430) readonly buffer Table {
    separable_task tasks[SEPARABLE_TASKS];
    vec4 affine[]; // by task: scale, then bias of its output channels
};
INPUT(1, weights); // by part: depthwise [C / 4][9][4], and pointwise [C / 4][output blocks, padded][4 outputs][4 inputs]

// The sums of SLAB blocks of four channels, with a border of one pixel.
#if HALF
#define SLAB 8
shared uvec2 halo[SLAB * HALO];
#define KEEP(at, v) halo[at] = uvec2(packHalf2x16((v).xy), packHalf2x16((v).zw))
#define KEPT(at) vec4(unpackHalf2x16(halo[at].x), unpackHalf2x16(halo[at].y))
#else
#define SLAB (8 / ROWS)
shared vec4 halo[SLAB * HALO];
#define KEEP(at, v) halo[at] = v
#define KEPT(at) halo[at]
#endif

// Results that a lane holds: pixel (x, y) and the rows below it, from channel block `block` on.
vec4 sums[BLOCKS * ROWS];

vec4 sum_inputs(uint task, uint block, ivec2 at, ivec2 y_size);
void store_result(uint task, uint block, ivec2 at, ivec2 y_size, vec4 result);
void end_pixel(uint task, uint row, ivec2 at, ivec2 y_size); // row: of BLOCKS channel blocks, all of which are stored

void fill_halo(uint task, uint slab, uint count, ivec2 origin, ivec2 y_size)
{
    for (uint i = gl_LocalInvocationID.x; i < count * HALO; i += gl_WorkGroupSize.x) {
        const uint block = i / HALO, place = i - block * HALO;
        const ivec2 at = origin + ivec2(place % HALO_WIDTH, place / HALO_WIDTH) - 1;
        const bool inside = at.x >= 0 && at.y >= 0 && at.x < y_size.x && at.y < y_size.y;
        vec4 v = vec4(0);
        if (inside)
            v = activate_as(INPUT_ACTIVATION, sum_inputs(task, slab + block, at, y_size));
        KEEP(i, v);
    }
}

// All input channels; every invocation of the workgroup calls this.
void convolve(uint task, uint tile, uint split)
{
    const uint group = GROUPS > 1 ? gl_LocalInvocationID.x / (SEPARABLE_TILE * SEPARABLE_TILE) : 0;
    const uint lane = gl_LocalInvocationID.x % (SEPARABLE_TILE * SEPARABLE_TILE);
    const ivec2 y_size = unpack_size(tasks[task].size);
    const uint tile_y = tile / tasks[task].tiles_x, tile_x = tile - tile_y * tasks[task].tiles_x;
    const ivec2 origin = ivec2(tile_x * SEPARABLE_TILE, tile_y * TILE_HEIGHT);
    const ivec2 from = ivec2(lane % SEPARABLE_TILE, lane / SEPARABLE_TILE * ROWS); // in the tile
    const uint first = (split * GROUPS + group) * BLOCKS, padded = tasks[task].padded;
    [[unroll]] for (uint i = 0; i < BLOCKS * ROWS; i++)
        sums[i] = vec4(0);
    for (uint slab = 0; slab < push.inputs; slab += SLAB) {
        const uint count = min(SLAB, push.inputs - slab);
        barrier(); // the slab before has been read
        fill_halo(task, slab, count, origin, y_size);
        barrier();
        for (uint k = 0; k < count; k++) {
            vec4 v[ROWS];
            [[unroll]] for (uint r = 0; r < ROWS; r++)
                v[r] = vec4(0);
            const uint taps = tasks[task].depthwise_first + (slab + k) * 9;
            const uint corner = k * HALO + uint(from.y) * HALO_WIDTH + uint(from.x);
            [[unroll]] for (uint line = 0; line < ROWS + 2; line++) {
                [[unroll]] for (uint x = 0; x < 3; x++) {
                    const vec4 cell = KEPT(corner + line * HALO_WIDTH + x);
                    [[unroll]] for (uint r = 0; r < ROWS; r++) {
                        if (line >= r && line < r + 3)
                            v[r] += LOAD(weights, taps + (line - r) * 3 + x) * cell;
                    }
                }
            }
            const uint rows = tasks[task].pointwise_first + ((slab + k) * padded + first) * 4;
            [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
                [[unroll]] for (uint o = 0; o < 4; o++) {
                    const vec4 w = LOAD(weights, rows + b * 4 + o);
                    [[unroll]] for (uint r = 0; r < ROWS; r++) {
                        float s = sums[r * BLOCKS + b][o];
                        s += v[r].x * w.x;
                        s += v[r].y * w.y;
                        s += v[r].z * w.z;
                        s += v[r].w * w.w;
                        sums[r * BLOCKS + b][o] = s;
                    }
                }
            }
        }
    }
    [[unroll]] for (uint r = 0; r < ROWS; r++) {
        const ivec2 at = origin + from + ivec2(0, r);
        if (at.x >= y_size.x || at.y >= y_size.y)
            continue;
        [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
            if (first + b < tasks[task].outputs) {
                const uint entry = tasks[task].affine_first + first + b;
                store_result(task, first + b, at, y_size, activate(sums[r * BLOCKS + b] * affine[entry] + affine[entry + padded]));
            }
        }
        end_pixel(task, first / BLOCKS, at, y_size);
    }
}
