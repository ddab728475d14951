// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Dense convolution of any kernel and stride, with bias and activation. One invocation makes CHANNELS output channels of PIXELS pixels; lanes run
// along pixels.
//   -DCHANNELS=8 -DPIXELS=4    register tile
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_CONV
#include "access.glsl"
#include "interface.h"
#include "activation.glsl"
#define BLOCKS (CHANNELS / 4)

layout(constant_id = CONV_SPEC_KERNEL) const int KERNEL = 3;
layout(constant_id = CONV_SPEC_STRIDE) const int STRIDE = 1;
layout(local_size_x_id = SPEC_LOCAL_SIZE) in;

INPUT(0, x);           // [inputs / 4][x_pitch][4]
INPUT(1, weights);     // [outputs / 4][KERNEL * KERNEL][inputs / 4][4 outputs][4 inputs]
INPUT_FLOAT(2, bias);  // [outputs / 4][4]
OUTPUT(3, y);          // [outputs / 4][y_pitch][4]

void main()
{
    const uint local = gl_WorkGroupSize.x;
    const uint first = gl_WorkGroupID.x * (local * PIXELS) + gl_LocalInvocationID.x;
    const uint block = gl_WorkGroupID.y * BLOCKS;
    const ivec2 size = ivec2(push.x_width, push.x_height);
    ivec2 from[PIXELS];
    [[unroll]] for (uint p = 0; p < PIXELS; p++) {
        const uint pixel = min(first + p * local, push.pixels - 1);
        const uint row = pixel / push.y_width;
        from[p] = ivec2(pixel - row * push.y_width, row) * STRIDE - ivec2(push.pad_x, push.pad_y);
    }
    vec4 sum[BLOCKS * PIXELS];
    [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
        const vec4 start = LOAD_FLOAT(bias, push.block_first + block + b);
        [[unroll]] for (uint p = 0; p < PIXELS; p++)
            sum[p * BLOCKS + b] = start;
    }
    const uint row_blocks = uint(KERNEL * KERNEL) * push.x_blocks * 4;
    [[dont_unroll]] for (int tap = 0; tap < KERNEL * KERNEL; tap++) {
        const ivec2 step = ivec2(tap % KERNEL, tap / KERNEL);
        uint at[PIXELS];
        bool inside[PIXELS];
        [[unroll]] for (uint p = 0; p < PIXELS; p++) {
            const ivec2 near = clamp(from[p] + step, ivec2(0), size - 1);
            inside[p] = from[p] + step == near;
            at[p] = push.x_first + near.y * size.x + near.x;
        }
        const uint tap_first = (push.block_first + block) * row_blocks + uint(tap) * push.x_blocks * 4;
        [[dont_unroll]] for (uint k = 0; k < push.x_blocks; k++) {
            vec4 v[PIXELS];
            [[unroll]] for (uint p = 0; p < PIXELS; p++) {
                const vec4 value = LOAD(x, k * push.x_pitch + at[p]);
                v[p] = inside[p] ? value : vec4(0);
            }
            [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
                [[unroll]] for (uint o = 0; o < 4; o++) {
                    const vec4 w = LOAD(weights, tap_first + b * row_blocks + k * 4 + o);
                    [[unroll]] for (uint p = 0; p < PIXELS; p++)
                        sum[p * BLOCKS + b][o] += dot(v[p], w);
                }
            }
        }
    }
    [[unroll]] for (uint p = 0; p < PIXELS; p++) {
        const uint pixel = first + p * local;
        [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
            if (pixel < push.pixels && block + b < push.blocks)
                STORE(y, push.y_first + (block + b) * push.y_pitch + pixel, activate(sum[p * BLOCKS + b]));
        }
    }
}
