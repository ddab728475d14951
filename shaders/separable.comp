// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// y = activation(scale * pointwise(depthwise3x3(input activation(sum of a_i * resample_i(x_i)))) + bias): a node of the feature pyramid with
// its convolution, or a layer of all heads on all levels. One workgroup makes a tile of pixels of a range of output channels.
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_SEPARABLE
#include "access.glsl"
#include "interface.h"
#include "separable.glsl"
#include "maxima.glsl"

layout(constant_id = SEPARABLE_SPEC_RESAMPLE + 0) const uint RESAMPLE_0 = RESAMPLING_NONE;
layout(constant_id = SEPARABLE_SPEC_RESAMPLE + 1) const uint RESAMPLE_1 = RESAMPLING_ABSENT;
layout(constant_id = SEPARABLE_SPEC_RESAMPLE + 2) const uint RESAMPLE_2 = RESAMPLING_ABSENT;
layout(constant_id = SEPARABLE_SPEC_RESAMPLE + 3) const uint RESAMPLE_3 = RESAMPLING_ABSENT;

INPUT(2, x0);  // each [C / 4][x_pitch][4]
OUTPUT(3, y);  // [outputs / 4][y_pitch][4]
INPUT(4, x1);
INPUT(5, x2);
INPUT(6, x3);
layout(constant_id = SEPARABLE_SPEC_MAXIMA) const bool MAXIMA = false;
layout(set = 0, binding = 7, std430) writeonly buffer Maxima { uint maxima[]; }; // [rows of BLOCKS channel blocks][maxima_pitch]
DEFINE_SAMPLE(sample_0, x0)
DEFINE_SAMPLE(sample_1, x1)
DEFINE_SAMPLE(sample_2, x2)
DEFINE_SAMPLE(sample_3, x3)

#define PART(n, RESAMPLE)                                                                                                              \
    (tasks[task].factor[n] * sample_##n(RESAMPLE, int(tasks[task].x_first[n] + block * tasks[task].x_pitch[n]), at,                    \
                                        unpack_size(tasks[task].x_size[n]), y_size))

vec4 sum_inputs(uint task, uint block, ivec2 at, ivec2 y_size)
{
    vec4 sum = PART(0, RESAMPLE_0);
    if (RESAMPLE_1 != RESAMPLING_ABSENT)
        sum += PART(1, RESAMPLE_1);
    if (RESAMPLE_2 != RESAMPLING_ABSENT)
        sum += PART(2, RESAMPLE_2);
    if (RESAMPLE_3 != RESAMPLING_ABSENT)
        sum += PART(3, RESAMPLE_3);
    return sum;
}

void store_result(uint task, uint block, ivec2 at, ivec2 y_size, vec4 result)
{
    STORE(y, tasks[task].y_first + block * tasks[task].y_pitch + uint(at.y * y_size.x + at.x), result);
    if (MAXIMA)
        note_result(result);
}

void end_pixel(uint task, uint row, ivec2 at, ivec2 y_size)
{
    if (MAXIMA && task < push.maxima_tasks) {
        const uint pixel = tasks[task].y_first - tasks[0].y_first + uint(at.y * y_size.x + at.x); // of all levels
        maxima[row * push.maxima_pitch + pixel] = largest_key();
        start_results();
    }
}

void main()
{
    const uint group = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    if (group >= push.groups)
        return;
    uint task = 0;
    for (uint t = 1; t < push.tasks; t++)
        task += uint(group >= tasks[t].group_first);
    const uint rest = group - tasks[task].group_first, split = rest / tasks[task].tiles;
    start_results();
    convolve(task, rest - split * tasks[task].tiles, split);
}
