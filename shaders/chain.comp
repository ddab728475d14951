// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Several nodes on tiny maps, one after the other in one workgroup: separable convolutions as in separable.comp, and plain sums (pools). Later
// steps read what earlier ones wrote, so all tensors are one binding.
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_SEPARABLE
#include "access.glsl"
#include "interface.h"
#include "separable.glsl"

layout(set = 0, binding = 2, std430) coherent buffer Arena { STORED arena[]; };
#undef LOAD
#define LOAD(name, i) vec4(name[i])
DEFINE_SAMPLE(sample_arena, arena)

vec4 sum_inputs(uint task, uint block, ivec2 at, ivec2 y_size)
{
    vec4 sum = vec4(0);
    for (uint n = 0; n < NODE_INPUTS && tasks[task].resample[n] != RESAMPLING_ABSENT; n++) {
        const int start = int(tasks[task].x_first[n] + block * tasks[task].x_pitch[n]);
        const vec4 part = sample_arena(tasks[task].resample[n], start, at, unpack_size(tasks[task].x_size[n]), y_size);
        sum = n > 0 ? sum + tasks[task].factor[n] * part : tasks[task].factor[0] * part;
    }
    return sum;
}

void store_result(uint task, uint block, ivec2 at, ivec2 y_size, vec4 result)
{
    STORE(arena, tasks[task].y_first + block * tasks[task].y_pitch + uint(at.y * y_size.x + at.x), result);
}

void end_pixel(uint task, uint row, ivec2 at, ivec2 y_size)
{
}

void sum_only(uint task)
{
    const ivec2 y_size = unpack_size(tasks[task].size);
    const uint pixels = uint(y_size.x * y_size.y);
    for (uint i = gl_LocalInvocationID.x; i < pixels * tasks[task].outputs; i += gl_WorkGroupSize.x) {
        const uint block = i / pixels, pixel = i - block * pixels;
        const ivec2 at = ivec2(pixel % uint(y_size.x), pixel / uint(y_size.x));
        store_result(task, block, at, y_size, sum_inputs(task, block, at, y_size));
    }
}

void main()
{
    for (uint task = 0; task < push.tasks; task++) {
        if (tasks[task].plain != 0) {
            sum_only(task);
        } else {
            const uint range = GROUPS * BLOCKS, splits = (tasks[task].outputs + range - 1) / range;
            for (uint i = 0; i < splits * tasks[task].tiles; i++)
                convolve(task, i % tasks[task].tiles, i / tasks[task].tiles);
        }
        memoryBarrierBuffer();
        barrier();
    }
}
