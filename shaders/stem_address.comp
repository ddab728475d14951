// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The first convolution as stem.comp, with weights behind a device address, for devices that load uniform values once for all lanes. One
// invocation makes CHANNELS output channels of one pixel.
//   -DCHANNELS=16
#version 450
#extension GL_GOOGLE_include_directive : require
#define ADDRESS 1
#define INTERFACE_STEM
#include "access.glsl"
#extension GL_EXT_buffer_reference : require
struct stem_block {
    vec4 tap[27]; // [3 * 3][R, G, B][4 outputs]
    vec4 bias;
};
// [outputs / 4], 32-bit whatever the precision
layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer stem_weights { stem_block blocks[]; };
#include "interface.h"
#include "activation.glsl"
#define BLOCKS (CHANNELS / 4)

layout(local_size_x_id = SPEC_LOCAL_SIZE) in;

INPUT(0, x);   // [1][x_pitch][4]: R, G, B, unused
OUTPUT(3, y);  // [outputs / 4][y_pitch][4]

void main()
{
    const uint pixel = min(gl_GlobalInvocationID.x, push.pixels - 1); // lanes past the end do the last pixel once more
    const uint block = gl_WorkGroupID.y * BLOCKS;
    const ivec2 size = ivec2(push.x_width, push.x_height);
    const uint row = pixel / push.y_width;
    const ivec2 from = ivec2(pixel - row * push.y_width, row) * 2 - ivec2(push.pad_x, push.pad_y);
    vec3 v[9];
    [[unroll]] for (int t = 0; t < 9; t++) {
        const ivec2 at = from + ivec2(t % 3, t / 3), near = clamp(at, ivec2(0), size - 1);
        const vec3 rgb = LOAD(x, push.x_first + near.y * size.x + near.x).rgb;
        v[t] = at == near ? rgb : vec3(0);
    }
    // A block is finished before the next: in other orders more values are alive than a CPU has registers.
    [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
        if (block + b >= push.blocks)
            break;
        const uint w = push.block_first + block + b;
        vec4 sum = push.weights.blocks[w].bias;
        [[unroll]] for (int i = 0; i < 27; i++)
            sum += v[i / 3][i % 3] * push.weights.blocks[w].tap[i];
        STORE(y, push.y_first + (block + b) * push.y_pitch + pixel, activate(sum));
    }
}
