// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Depthwise convolution 3x3, stride 1, of activation(sum of a_i * resample_i(x_i)), the nodes of the feature pyramid: for devices where another
// dispatch costs more than the sums at the edges of tiles again. One invocation makes push.rows x COLS results of four channels, row by row.
//   -DCOLS=4 -DADDRESS=0
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_SUMS
#define KERNEL 3
#include "access.glsl"
#include "depthwise_weights.glsl"
#include "interface.h"
#include "activation.glsl"
#define RESAMPLE_SPEC_SYMMETRIC SUMS_SPEC_SYMMETRIC
#define RESAMPLE_SPEC_ZERO SUMS_SPEC_ZERO
#include "resample.glsl"
#define SPAN (COLS + KERNEL - 1) // sums in a line

layout(local_size_x_id = SPEC_LOCAL_SIZE) in;
layout(constant_id = SUMS_SPEC_INPUT_ACTIVATION) const uint INPUT_ACTIVATION = ACTIVATION_NONE;
layout(constant_id = SUMS_SPEC_RESAMPLE + 0) const uint RESAMPLE_0 = RESAMPLING_NONE;
layout(constant_id = SUMS_SPEC_RESAMPLE + 1) const uint RESAMPLE_1 = RESAMPLING_ABSENT;
layout(constant_id = SUMS_SPEC_RESAMPLE + 2) const uint RESAMPLE_2 = RESAMPLING_ABSENT;
layout(constant_id = SUMS_SPEC_RESAMPLE + 3) const uint RESAMPLE_3 = RESAMPLING_ABSENT;

INPUT(0, x0);          // each [C / 4][x_pitch][4]
INPUT(1, x1);
INPUT(2, x2);
INPUT(3, x3);
OUTPUT(4, y);          // [C / 4][y_pitch][4]
#if ADDRESS
#define TAP(block, t) push.weights.blocks[block].tap[t]
#define BIAS(block) push.weights.blocks[block].bias
#else
INPUT(5, weights);     // [C / 4][9][4]
INPUT_FLOAT(6, bias);  // [C / 4][4]
#define TAP(block, t) LOAD(weights, (block) * 9 + t)
#define BIAS(block) LOAD_FLOAT(bias, block)
#endif

ivec2 y_size;      // width, height
int columns[SPAN]; // of the cells of a line, clamped
vec4 cells[SPAN];

DEFINE_SAMPLE(sample_0, x0)
DEFINE_SAMPLE(sample_1, x1)
DEFINE_SAMPLE(sample_2, x2)
DEFINE_SAMPLE(sample_3, x3)

// Adds one input to the cells of a line. near: the columns of the input nearest to those of the cells, which are the same in every line.
#define DEFINE_ADD(add_name, sample_name, tensor, RESAMPLE, n)                                                      \
    void add_name(int line, const int near[SPAN])                                                                   \
    {                                                                                                               \
        if (RESAMPLE == RESAMPLING_ABSENT)                                                                          \
            return;                                                                                                 \
        const ivec2 size = unpack_size(push.x_size[n]);                                                             \
        const int start = int(push.x_first[n] + gl_WorkGroupID.y * push.x_pitch[n]);                                \
        const int row = start + (RESAMPLE == RESAMPLING_NONE ? line : line * size.y / y_size.y) * size.x;           \
        [[unroll]] for (int i = 0; i < SPAN; i++) {                                                                 \
            vec4 v;                                                                                                 \
            if (RESAMPLE == RESAMPLING_NONE || RESAMPLE == RESAMPLING_NEAREST)                                      \
                v = LOAD(tensor, row + near[i]);                                                                    \
            else                                                                                                    \
                v = sample_name(RESAMPLE, start, ivec2(columns[i], line), size, y_size);                            \
            cells[i] = n > 0 ? cells[i] + push.factor[n] * v : push.factor[n] * v;                                  \
        }                                                                                                           \
    }

DEFINE_ADD(add_0, sample_0, x0, RESAMPLE_0, 0)
DEFINE_ADD(add_1, sample_1, x1, RESAMPLE_1, 1)
DEFINE_ADD(add_2, sample_2, x2, RESAMPLE_2, 2)
DEFINE_ADD(add_3, sample_3, x3, RESAMPLE_3, 3)

void find_columns(uint resampling, uint packed_size, out int near[SPAN])
{
    [[unroll]] for (int i = 0; i < SPAN; i++)
        near[i] = resampling == RESAMPLING_NEAREST ? columns[i] * unpack_size(packed_size).x / y_size.x : columns[i];
}

void main()
{
    const bool live = gl_GlobalInvocationID.x < push.tiles; // lanes past the end repeat the last tile and store nothing
    const int tile = int(min(gl_GlobalInvocationID.x, push.tiles - 1));
    const int tile_y = tile / int(push.tiles_x);
    const ivec2 to = ivec2((tile - tile_y * int(push.tiles_x)) * COLS, tile_y * int(push.rows));
    const uint block = push.block_first + gl_WorkGroupID.y;
    y_size = unpack_size(push.y_size);
    [[unroll]] for (int i = 0; i < SPAN; i++)
        columns[i] = clamp(to.x + i - 1, 0, y_size.x - 1);
    int near_0[SPAN], near_1[SPAN], near_2[SPAN], near_3[SPAN];
    find_columns(RESAMPLE_0, push.x_size[0], near_0);
    find_columns(RESAMPLE_1, push.x_size[1], near_1);
    find_columns(RESAMPLE_2, push.x_size[2], near_2);
    find_columns(RESAMPLE_3, push.x_size[3], near_3);
    // Of the two rows of results that the lines so far are part of, the sums.
    vec4 older[COLS], newer[COLS];
    [[unroll]] for (int c = 0; c < COLS; c++)
        older[c] = newer[c] = BIAS(block);
    const int first = int(push.y_first + gl_WorkGroupID.y * push.y_pitch) + to.y * y_size.x + to.x;
    [[dont_unroll]] for (int line = -1; line <= int(push.rows); line++) {
        const int at_y = to.y + line, within = clamp(at_y, 0, y_size.y - 1);
        add_0(within, near_0);
        add_1(within, near_1);
        add_2(within, near_2);
        add_3(within, near_3);
        [[unroll]] for (int i = 0; i < SPAN; i++) {
            const int at_x = to.x + i - 1;
            const bool inside = at_y >= 0 && at_y < y_size.y && at_x >= 0 && at_x < y_size.x;
            cells[i] = inside ? activate_as(INPUT_ACTIVATION, cells[i]) : vec4(0);
        }
        const bool stores = live && line > 0 && at_y <= y_size.y;
        [[unroll]] for (int c = 0; c < COLS; c++) {
            vec4 done = older[c], next = newer[c], start = BIAS(block);
            [[unroll]] for (int i = 0; i < KERNEL; i++) {
                done += TAP(block, 6 + i) * cells[c + i];
                next += TAP(block, 3 + i) * cells[c + i];
                start += TAP(block, i) * cells[c + i];
            }
            if (stores && to.x + c < y_size.x)
                STORE(y, first + (line - 1) * y_size.x + c, activate(done));
            older[c] = next;
            newer[c] = start;
        }
    }
}
