// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Depthwise convolution as depthwise.comp, with weights behind a device address, for devices that load uniform values once for all lanes.
//   -DKERNEL=3 -DSTRIDE=1 -DROWS=4 -DCOLS=2
#version 450
#extension GL_GOOGLE_include_directive : require
#define ADDRESS 1
#include "depthwise.glsl"

void main()
{
    find_tile(gl_GlobalInvocationID.x);
    start_sums();
    const int first = first_result();
    const uint weight_block = push.block_first + block;
    vec4 v[LINES * SPAN];
    // A result is finished as soon as its inputs are there: in other orders more values are alive than a CPU has registers.
    [[unroll]] for (int line = 0; line < LINES; line++) {
        [[unroll]] for (int i = 0; i < SPAN; i++)
            v[line * SPAN + i] = load(line, i);
        const int first_line = line - KERNEL + 1;
        if (first_line < 0 || first_line % STRIDE != 0)
            continue;
        [[unroll]] for (int c = 0; c < COLS; c++) {
            vec4 sum = push.weights.blocks[weight_block].bias;
            [[unroll]] for (int t = 0; t < KERNEL * KERNEL; t++)
                sum += push.weights.blocks[weight_block].tap[t] * v[(first_line + t / KERNEL) * SPAN + c * STRIDE + t % KERNEL];
            finish(first, first_line / STRIDE, c, sum);
        }
    }
    finish_sums();
}
