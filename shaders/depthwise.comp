// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Depthwise convolution, bias, activation; on request the sums of the results, for squeeze-excite. One invocation makes a tile of ROWS x
// COLS results of four channels, in any level of a pyramid; each input row is loaded once.
//   -DKERNEL=3 -DSTRIDE=1 -DROWS=4 -DCOLS=2
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_DEPTHWISE
#include "access.glsl"
#include "interface.h"
#include "activation.glsl"
#define SPAN ((COLS - 1) * STRIDE + KERNEL) // input columns of a tile
#define LINES ((ROWS - 1) * STRIDE + KERNEL)
// GPUs keep weights in scalar registers, which 25 of them overflow: a row at a time there.
#if KERNEL == 5 && !TEXEL
#define LINE_LOOP [[dont_unroll]]
#else
#define LINE_LOOP [[unroll]]
#endif

// Partial sums are of 4 x 2 results (net/tiles.h), which larger tiles hold several of.
#define SUMS_DOWN (ROWS > 4 ? ROWS / 4 : 1)
#define SUMS_ACROSS (COLS > 2 ? COLS / 2 : 1)

layout(local_size_x_id = SPEC_LOCAL_SIZE) in;
layout(constant_id = DEPTHWISE_SPEC_LEVELS) const uint LEVELS = 1;
layout(constant_id = DEPTHWISE_SPEC_PARTIAL) const uint PARTIAL = PARTIAL_NONE;

INPUT(0, x);               // [C / 4][x_pitch][4]
INPUT(1, weights);         // [C / 4][KERNEL * KERNEL][4]
INPUT_FLOAT(2, bias);      // [C / 4][4]
OUTPUT(3, y);              // [C / 4][y_pitch][4]
OUTPUT_FLOAT(4, partial);  // [C / 4][partial_pitch][4]

shared vec4 group_sums[PARTIAL == PARTIAL_GROUP ? gl_WorkGroupSize.x : 1];

int pad_before(int size)
{
    if (push.symmetric != 0)
        return (STRIDE - 1 + KERNEL - 1) / 2;
    return max(((size + STRIDE - 1) / STRIDE - 1) * STRIDE + KERNEL - size, 0) / 2;
}

void main()
{
    const uint block = gl_WorkGroupID.y, weight_block = push.block_first + block, x_block = block % push.x_blocks;
    const uint tile = min(gl_GlobalInvocationID.x, push.tiles - 1); // lanes past the end repeat the last tile and store nothing
    const bool live = gl_GlobalInvocationID.x < push.tiles;
    uint packed_size = push.level_size[0], x_level = push.x_level[0], y_level = push.y_level[0], first_tile = 0;
    [[unroll]] for (uint l = 1; l < LEVELS_MAX; l++) {
        if (l < LEVELS && tile >= push.level_tile[l]) {
            packed_size = push.level_size[l];
            x_level = push.x_level[l];
            y_level = push.y_level[l];
            first_tile = push.level_tile[l];
        }
    }
    const ivec2 size = ivec2(packed_size >> 16, packed_size & 0xffff); // width, height
    const ivec2 y_size = (size + STRIDE - 1) / STRIDE;
    const int tiles_x = (y_size.x + COLS - 1) / COLS;
    const int tile_y = int(tile - first_tile) / tiles_x;
    const ivec2 to = ivec2((int(tile - first_tile) - tile_y * tiles_x) * COLS, tile_y * ROWS);
    const ivec2 from = to * STRIDE - ivec2(pad_before(size.x), pad_before(size.y));

    vec4 sum[ROWS * COLS];
    const vec4 start = LOAD_FLOAT(bias, weight_block);
    [[unroll]] for (int i = 0; i < ROWS * COLS; i++)
        sum[i] = start;
    LINE_LOOP for (int line = 0; line < LINES; line++) {
        const int in_y = from.y + line;
        const int row_start = int(x_level + x_block * push.x_pitch) + clamp(in_y, 0, size.y - 1) * size.x;
        vec4 v[SPAN];
        [[unroll]] for (int i = 0; i < SPAN; i++) {
            const int in_x = from.x + i;
            const bool inside = in_y >= 0 && in_y < size.y && in_x >= 0 && in_x < size.x;
            v[i] = LOAD(x, row_start + clamp(in_x, 0, size.x - 1));
            v[i] = inside ? v[i] : vec4(0);
        }
        [[unroll]] for (int r = 0; r < ROWS; r++) {
            const int tap = line - r * STRIDE;
            if (tap < 0 || tap >= KERNEL)
                continue;
            [[unroll]] for (int c = 0; c < COLS; c++) {
                [[unroll]] for (int i = 0; i < KERNEL; i++)
                    sum[r * COLS + c] += LOAD(weights, weight_block * (KERNEL * KERNEL) + tap * KERNEL + i) * v[c * STRIDE + i];
            }
        }
    }

    vec4 total[SUMS_DOWN * SUMS_ACROSS];
    [[unroll]] for (uint i = 0; i < SUMS_DOWN * SUMS_ACROSS; i++)
        total[i] = vec4(0);
    const uint at = y_level + block * push.y_pitch + uint(to.y * y_size.x + to.x);
    [[unroll]] for (int r = 0; r < ROWS; r++) {
        [[unroll]] for (int c = 0; c < COLS; c++) {
            const vec4 result = activate(sum[r * COLS + c]);
            if (live && to.y + r < y_size.y && to.x + c < y_size.x) {
                STORE(y, at + r * y_size.x + c, result);
                total[r / 4 * SUMS_ACROSS + (SUMS_ACROSS > 1 ? c / 2 : 0)] += result;
            }
        }
    }
    if (PARTIAL == PARTIAL_INVOCATION && live) {
        const int sums_x = (y_size.x + 1) / 2;
        const uint first = push.partial_first + block * push.partial_pitch;
        [[unroll]] for (int i = 0; i < SUMS_DOWN * SUMS_ACROSS; i++) {
            const ivec2 sum_at = ivec2(to.x / 2 + i % SUMS_ACROSS, to.y / 4 + i / SUMS_ACROSS);
            if (sum_at.x < sums_x && sum_at.y * 4 < y_size.y)
                STORE_FLOAT(partial, first + sum_at.y * sums_x + sum_at.x, total[i]);
        }
    }
    if (PARTIAL == PARTIAL_GROUP) {
        const uint lane = gl_LocalInvocationID.x;
        group_sums[lane] = total[0];
        for (uint half_size = gl_WorkGroupSize.x / 2; half_size > 0; half_size /= 2) {
            barrier();
            if (lane < half_size)
                group_sums[lane] += group_sums[lane + half_size];
        }
        if (lane == 0)
            STORE_FLOAT(partial, push.partial_first + block * push.partial_pitch + gl_WorkGroupID.x, group_sums[0]);
    }
}
