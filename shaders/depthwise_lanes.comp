// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Depthwise convolution as depthwise.comp, in vectors of a CPU (lanes.glsl): the eight lanes of a subgroup are two pixels of four channels, as they
// lie in memory. A tile is the subgroup's.
//   -DKERNEL=3 -DSTRIDE=1 -DROWS=4 -DCOLS=8
#version 450
#extension GL_GOOGLE_include_directive : require
#define ADDRESS 1
#define LANES 1
#include "depthwise.glsl"
#define TAPS (KERNEL * KERNEL)
#define WEIGHT_ROWS (1 + TAPS + KERNEL) // of eight: bias, taps, and what taps outside are

#define VECTORS (COLS / 2) // of a row's results
// Vectors share pixels. A compiler that knows which loads a number for each lane, and no vector at all: what does not lie side by side is read
// from addresses that only we know to be the same.
#define BASES (2 * STRIDE)

stored line_at[LINES * BASES];
bool line_inside[LINES];
bool inside[VECTORS * KERNEL]; // whether the pixel of a tap is in the line

void find_lines()
{
    [[unroll]] for (int l = 0; l < LINES; l++) {
        const int in_y = from.y + l;
        line_inside[l] = in_y >= 0 && in_y < size.y;
        const int at = x_start + clamp(in_y, 0, size.y - 1) * size.x + from.x;
        [[unroll]] for (uint b = 0; b < BASES; b++)
            line_at[l * BASES + b] = stored(packUint2x32(push.inputs) + uint64_t(at + int(gl_WorkGroupID.z * b)) * ELEMENT_BYTES);
    }
    [[unroll]] for (int v = 0; v < VECTORS; v++) {
        [[unroll]] for (int s = 0; s < KERNEL; s++) {
            const int in_x = from.x + (v * 2 + int(gl_SubgroupInvocationID / 4)) * STRIDE + s;
            inside[v * KERNEL + s] = (v > 0 || in_x >= 0) && in_x < size.x;
        }
    }
}

// A row of results.
void row_sums(floats weights, int row, inout float sum[VECTORS])
{
    [[unroll]] for (int v = 0; v < VECTORS; v++)
        sum[v] = load_lanes(weights, 0);
    [[unroll]] for (int s = 0; s < KERNEL; s++) {
        float column[VECTORS];
        [[unroll]] for (int v = 0; v < VECTORS; v++)
            column[v] = 0;
        [[unroll]] for (int t = 0; t < KERNEL; t++) {
            const float weight = load_lanes(weights, 2 * ((line_inside[row * STRIDE + t] ? 1 + t * KERNEL : 1 + TAPS) + s));
            [[unroll]] for (int v = 0; v < VECTORS; v++) {
                const uint pixel = v * 2 * STRIDE + s;
                column[v] += weight * load_pixels(line_at[(row * STRIDE + t) * BASES + pixel % BASES], pixel, pixel + STRIDE);
            }
        }
        [[unroll]] for (int v = 0; v < VECTORS; v++)
            sum[v] += inside[v * KERNEL + s] ? column[v] : 0; // what is read outside is of other lines, or nothing at all
    }
}

void main()
{
    const uint lane = gl_SubgroupInvocationID;
    const uint tile = gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID;
    find_tile(tile);
    if (live) {
        find_lines();
        floats weights = floats(packUint2x32(push.weights) + uint64_t((push.block_first + block) * WEIGHT_ROWS) * 32);
        const uint64_t y_at = packUint2x32(push.inputs) + uint64_t(first_result() + pair_pixel()) * ELEMENT_BYTES + lane % 2 * (ELEMENT_BYTES / 2);
        float total[VECTORS];
        int counts[VECTORS], stores[VECTORS / 2]; // bools that cross blocks are packed and unpacked by LLVM
        [[unroll]] for (int v = 0; v < VECTORS; v++) {
            total[v] = 0;
            counts[v] = to.x + v * 2 + int(lane / 4) < y_size.x ? 1 : 0;
            if (v % 2 == 0)
                stores[v / 2] = to.x + v * 2 + pair_pixel() < y_size.x ? 1 : 0;
        }
        [[unroll]] for (int row = 0; row < ROWS; row++) {
            float result[VECTORS];
            [[unroll]] for (int v = 0; v < VECTORS; v++)
                result[v] = 0;
            const int there = to.y + row < y_size.y ? 1 : 0;
            if (there != 0)
                row_sums(weights, row, result);
            // four at a time, that constants are loaded once for them
            [[unroll]] for (int v = 0; v < VECTORS; v += 4) {
                const vec4 four = activate(vec4(result[v], result[v + 1], result[v + 2], result[v + 3]));
                [[unroll]] for (int i = 0; i < 4; i++)
                    result[v + i] = four[i];
            }
            [[unroll]] for (int v = 0; v < VECTORS; v++)
                total[v] += counts[v] * there != 0 ? result[v] : 0;
            [[unroll]] for (int v = 0; v < VECTORS; v += 2) {
                const PAIR pair = pair_of(result[v], result[v + 1]);
                if (stores[v / 2] * there != 0)
                    stored_pair(y_at + uint64_t(row * y_size.x + v * 2) * ELEMENT_BYTES).value = pair;
            }
        }
        if (PARTIAL == PARTIAL_INVOCATION) {
            float sum = 0;
            [[unroll]] for (int v = 0; v < VECTORS; v++)
                sum += total[v];
            sum += subgroupShuffle(sum, lane ^ 4);
            if (lane < 4)
                partial[(push.partial_first + block * push.partial_pitch + tile) * 4 + lane] = sum;
        }
    }
}
