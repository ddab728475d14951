// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The first convolution: dense 3x3, stride 2, on RGB0 pixels, with bias and activation. One invocation makes CHANNELS output channels of
// PIXELS pixels; lanes run along pixels.
//   -DCHANNELS=8 -DPIXELS=4    register tile
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_STEM
#include "access.glsl"
#include "interface.h"
#include "activation.glsl"
#define BLOCKS (CHANNELS / 4)
// GPUs keep weights in scalar registers, which nine taps of 16 channels overflow.
#if TEXEL
#define ROLLED
#else
#define ROLLED [[dont_unroll]]
#endif

layout(local_size_x_id = SPEC_LOCAL_SIZE) in;

INPUT(0, x);           // [1][x_pitch][4]: R, G, B, unused
INPUT(1, weights);     // [outputs / 4][4 outputs][3 * 3][R, G, B, 0]
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
        from[p] = ivec2(pixel - row * push.y_width, row) * 2 - ivec2(push.pad_x, push.pad_y);
    }
    vec4 sum[BLOCKS * PIXELS];
    [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
        const vec4 start = LOAD_FLOAT(bias, push.block_first + block + b);
        [[unroll]] for (uint p = 0; p < PIXELS; p++)
            sum[p * BLOCKS + b] = start;
    }
    ROLLED for (int line = 0; line < 3; line++) {
        [[unroll]] for (int i = 0; i < 3; i++) {
            vec3 v[PIXELS];
            [[unroll]] for (uint p = 0; p < PIXELS; p++) {
                const ivec2 at = from[p] + ivec2(i, line);
                const ivec2 near = clamp(at, ivec2(0), size - 1);
                const vec3 rgb = LOAD(x, push.x_first + near.y * size.x + near.x).rgb;
                v[p] = at == near ? rgb : vec3(0);
            }
            [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
                [[unroll]] for (uint o = 0; o < 4; o++) {
                    const vec3 w = LOAD(weights, ((push.block_first + block + b) * 4 + o) * 9 + line * 3 + i).rgb;
                    [[unroll]] for (uint p = 0; p < PIXELS; p++) {
                        float s = sum[p * BLOCKS + b][o];
                        s += v[p].r * w.r;
                        s += v[p].g * w.g;
                        s += v[p].b * w.b;
                        sum[p * BLOCKS + b][o] = s;
                    }
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
