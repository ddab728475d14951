// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What both forms of the depthwise convolution share: bindings, where an invocation's tile lies and what is done with results. Not the sums.
//   -DKERNEL=3 -DSTRIDE=1 -DROWS=4 -DCOLS=2
#define INTERFACE_DEPTHWISE
#include "access.glsl"
#if LANES
#include "lanes.glsl"
#else
#include "depthwise_weights.glsl"
#endif
#include "interface.h"
#include "activation.glsl"
#define SPAN ((COLS - 1) * STRIDE + KERNEL) // input columns of a tile
#define LINES ((ROWS - 1) * STRIDE + KERNEL)

layout(local_size_x_id = SPEC_LOCAL_SIZE) in;
layout(constant_id = DEPTHWISE_SPEC_LEVELS) const uint LEVELS = 1;
layout(constant_id = DEPTHWISE_SPEC_PARTIAL) const uint PARTIAL = PARTIAL_NONE;

#if !LANES
INPUT(0, x);               // [C / 4][x_pitch][4]
#endif
#if !ADDRESS
INPUT(1, weights);         // [C / 4][KERNEL * KERNEL][4]
INPUT_FLOAT(2, bias);      // [C / 4][4]
#endif
#if LANES
layout(set = 0, binding = 4, std430) buffer partial_block { float partial[]; };
#else
OUTPUT(3, y);              // [C / 4][y_pitch][4]
OUTPUT_FLOAT(4, partial);  // [C / 4][partial_pitch][4]
#endif

uint block;            // channel block, within this dispatch's window
bool live;             // lanes past the end repeat the last tile and store nothing
ivec2 size, y_size;    // width, height of the level
ivec2 to, from;        // first result and first input of the tile, x and y
int x_start, y_start;  // elements of the level's first pixel

int pad_before(int size)
{
    if (push.symmetric != 0)
        return (STRIDE - 1 + KERNEL - 1) / 2;
    return max(((size + STRIDE - 1) / STRIDE - 1) * STRIDE + KERNEL - size, 0) / 2;
}

void find_tile(uint index)
{
    block = gl_WorkGroupID.y;
    live = index < push.tiles;
    const uint tile = min(index, push.tiles - 1);
    uint packed_size = push.level_size[0], pixel = push.level_pixel[0], first_tile = 0;
    [[unroll]] for (uint l = 1; l < LEVELS_MAX; l++) {
        if (l < LEVELS && tile >= push.level_tile[l]) {
            packed_size = push.level_size[l];
            pixel = push.level_pixel[l];
            first_tile = push.level_tile[l];
        }
    }
    size = ivec2(packed_size >> 16, packed_size & 0xffff);
    y_size = (size + STRIDE - 1) / STRIDE;
    const int tiles_x = (y_size.x + COLS - 1) / COLS;
    const int tile_y = int(tile - first_tile) / tiles_x;
    to = ivec2((int(tile - first_tile) - tile_y * tiles_x) * COLS, tile_y * ROWS);
    from = to * STRIDE - ivec2(pad_before(size.x), pad_before(size.y));
    x_start = int(push.x_first + block % push.x_blocks * push.x_pitch + pixel);
    y_start = int(push.y_first + pixel);
}

// Element of the tile's first result.
int first_result()
{
    return y_start + int(block * push.y_pitch) + to.y * y_size.x + to.x;
}

#if !LANES
// Partial sums are of 4 x 2 results (net/tiles.h), which larger tiles hold several of.
#define SUMS_DOWN (ROWS > 4 ? ROWS / 4 : 1)
#define SUMS_ACROSS (COLS > 2 ? COLS / 2 : 1)

shared vec4 group_sums[PARTIAL == PARTIAL_GROUP ? gl_WorkGroupSize.x : 1];

vec4 total[SUMS_DOWN * SUMS_ACROSS];

// Input in the tile's line and column: 0 outside.
vec4 load(int line, int column)
{
    const int in_y = from.y + line, in_x = from.x + column;
    const int row_start = x_start + clamp(in_y, 0, size.y - 1) * size.x;
    const bool inside = in_y >= 0 && in_y < size.y && in_x >= 0 && in_x < size.x;
    const vec4 v = LOAD(x, row_start + clamp(in_x, 0, size.x - 1));
    return inside ? v : vec4(0);
}

void start_sums()
{
    [[unroll]] for (uint i = 0; i < SUMS_DOWN * SUMS_ACROSS; i++)
        total[i] = vec4(0);
}

void finish(int first, int row, int column, vec4 sum)
{
    const vec4 result = activate(sum);
    if (live && to.y + row < y_size.y && to.x + column < y_size.x) {
        STORE(y, first + row * y_size.x + column, result);
        total[row / 4 * SUMS_ACROSS + (SUMS_ACROSS > 1 ? column / 2 : 0)] += result;
    }
}

void finish_sums()
{
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
#endif
