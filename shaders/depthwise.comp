// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Depthwise convolution, bias, activation; on request the sums of the results, for squeeze-excite. One invocation makes a tile of ROWS x
// COLS results of four channels, in any level of a pyramid; each input row is loaded once.
//   -DKERNEL=3 -DSTRIDE=1 -DROWS=4 -DCOLS=2
#version 450
#extension GL_GOOGLE_include_directive : require
#include "depthwise.glsl"
// GPUs keep weights in scalar registers, which 25 of them overflow: a row at a time there.
#if KERNEL == 5 && !TEXEL
#define LINE_LOOP [[dont_unroll]]
#else
#define LINE_LOOP [[unroll]]
#endif

void main()
{
    find_tile(gl_GlobalInvocationID.x);
    const uint weight_block = push.block_first + block;
    vec4 sum[ROWS * COLS];
    const vec4 start = LOAD_FLOAT(bias, weight_block);
    [[unroll]] for (int i = 0; i < ROWS * COLS; i++)
        sum[i] = start;
    LINE_LOOP for (int line = 0; line < LINES; line++) {
        vec4 v[SPAN];
        [[unroll]] for (int i = 0; i < SPAN; i++)
            v[i] = load(line, i);
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
    start_sums();
    const int first = first_result();
    [[unroll]] for (int r = 0; r < ROWS; r++) {
        [[unroll]] for (int c = 0; c < COLS; c++)
            finish(first, r, c, sum[r * COLS + c]);
    }
    finish_sums();
}
