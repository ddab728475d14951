// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Every channel times its factor (squeeze-excite in the unfused graph). One invocation a pixel of four channels.
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_SCALE
#include "access.glsl"
#include "interface.h"

layout(local_size_x_id = SPEC_LOCAL_SIZE) in;

INPUT(0, x);              // [C / 4][x_pitch][4]
INPUT_FLOAT(1, factors);  // [C / 4][factors_pitch][4], one pixel
OUTPUT(2, y);             // [C / 4][y_pitch][4]

void main()
{
    const uint pixel = gl_GlobalInvocationID.x, block = gl_WorkGroupID.y;
    if (pixel >= push.pixels)
        return;
    const vec4 factor = LOAD_FLOAT(factors, push.factors_first + block * push.factors_pitch);
    STORE(y, push.y_first + block * push.y_pitch + pixel, LOAD(x, push.x_first + block * push.x_pitch + pixel) * factor);
}
