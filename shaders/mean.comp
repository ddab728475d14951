// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Global average of every channel. One workgroup a block of four channels: every lane sums a share of the pixels, then a tree in shared
// memory, so that the order of the sums is always the same.
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_MEAN
#include "access.glsl"
#include "interface.h"

layout(local_size_x_id = SPEC_LOCAL_SIZE) in;

INPUT(0, x);         // [C / 4][x_pitch][4]
OUTPUT_FLOAT(1, y);  // [C / 4][y_pitch][4], one pixel

shared vec4 sums[gl_WorkGroupSize.x];

void main()
{
    const uint lane = gl_LocalInvocationID.x, block = gl_WorkGroupID.y;
    vec4 sum = vec4(0);
    for (uint pixel = lane; pixel < push.pixels; pixel += gl_WorkGroupSize.x)
        sum += LOAD(x, push.x_first + block * push.x_pitch + pixel);
    sums[lane] = sum;
    for (uint half_size = gl_WorkGroupSize.x / 2; half_size > 0; half_size /= 2) {
        barrier();
        if (lane < half_size)
            sums[lane] += sums[lane + half_size];
    }
    if (lane == 0)
        STORE_FLOAT(y, push.y_first + block * push.y_pitch, sums[0] / float(push.pixels));
}
