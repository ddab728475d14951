// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Weighted sum, activation and depthwise convolution as sum_depthwise.comp, in vectors of a CPU (lanes.glsl): the eight lanes of a subgroup are two
// pixels of four channels. A tile is the subgroup's; each of its cells is formed once. Vectors of cells begin in odd columns, -1 the first, so that
// those of the left and right taps of results are there, and those of the middle taps are halves of two.
//   -DROWS=4 -DCOLS=8
#version 450
#extension GL_GOOGLE_include_directive : require
#define ADDRESS 1
#define LANES 1
#include "sums_lanes.glsl"
#define WEIGHT_ROWS 13 // of eight: bias, taps, and three that are not needed here

// Of two vectors side by side, the second pixel of the first and the first one of the second.
float between(float first, float second)
{
    const float low = swapped(first), high = swapped(second); // not in branches
    return gl_SubgroupInvocationID < 4 ? low : high;
}

void main()
{
    const int lane = int(gl_SubgroupInvocationID);
    const uint tile = gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID;
    if (tile < push.tiles) {
        const uint tile_y = tile / push.tiles_x;
        to = ivec2((tile - tile_y * push.tiles_x) * COLS, tile_y * ROWS);
        y_size = unpack_size(push.y_size);
        [[unroll]] for (int j = 0; j < CELLS; j++) {
            const int at = to.x + 2 * j - 1 + lane / 4;
            inside[j] = at >= 0 && at < y_size.x ? -1 : 0;
        }
        const int pixel = pair_pixel();
        int stores[VECTORS / 2]; // a bool that crosses blocks is packed and unpacked by LLVM
        [[unroll]] for (int v = 0; v < VECTORS; v += 2)
            stores[v / 2] = to.x + v * 2 + pixel < y_size.x ? 1 : 0;
        floats weights = floats(packUint2x32(push.weights) + uint64_t((push.block_first + gl_WorkGroupID.y) * WEIGHT_ROWS) * 32);
        const int first = int(push.y_first + gl_WorkGroupID.y * push.y_pitch) + to.y * y_size.x + to.x;
        const uint64_t y_at = packUint2x32(push.inputs) + uint64_t(first) * ELEMENT_BYTES + pixel * ELEMENT_BYTES + (lane & 1) * (ELEMENT_BYTES / 2);
        float line[3][CELLS];
        find_cells(to.y - 1, line[0]);
        find_cells(to.y, line[1]);
        [[unroll]] for (int row = 0; row < ROWS; row++) {
            find_cells(to.y + row + 1, line[(row + 2) % 3]);
            float sum[VECTORS];
            [[unroll]] for (int v = 0; v < VECTORS; v++)
                sum[v] = load_lanes(weights, 0);
            [[unroll]] for (int t = 0; t < 3; t++) { // each weight for all vectors, that it can stay in its register
                [[unroll]] for (int v = 0; v < VECTORS; v++) {
                    const float left = line[(row + t) % 3][v], right = line[(row + t) % 3][v + 1];
                    sum[v] += load_lanes(weights, 2 + 6 * t) * left;
                    sum[v] += load_lanes(weights, 4 + 6 * t) * between(left, right);
                    sum[v] += load_lanes(weights, 6 + 6 * t) * right;
                }
            }
            [[unroll]] for (int v = 0; v < VECTORS; v += 4) {
                const vec4 result = activate(vec4(sum[v], sum[v + 1], sum[v + 2], sum[v + 3]));
                [[unroll]] for (int i = 0; i < 4; i++)
                    sum[v + i] = result[i];
            }
            [[unroll]] for (int v = 0; v < VECTORS; v += 2) {
                const PAIR pair = pair_of(sum[v], sum[v + 1]);
                if (stores[v / 2] != 0 && to.y + row < y_size.y)
                    stored_pair(y_at + uint64_t(row * y_size.x + v * 2) * ELEMENT_BYTES).value = pair;
            }
        }
    }
}
