// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Squeeze-excite from the partial sums of a depthwise convolution to the factor of every channel. Every workgroup does the first layer for
// itself and its own share of the second.
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_SQUEEZE
#include "access.glsl"
#include "interface.h"
#include "activation.glsl"

layout(local_size_x_id = SPEC_LOCAL_SIZE) in;
layout(constant_id = SQUEEZE_SPEC_MEANS) const uint MEANS = 32;  // room for max(C / 4, local size) vectors
layout(constant_id = SQUEEZE_SPEC_HIDDEN) const uint HIDDEN = 32; // room for max(hidden, local size) numbers

INPUT_FLOAT(0, partial);  // [C / 4][partial_pitch][4]
INPUT_FLOAT(1, reduce);   // [C / 4][hidden][4 inputs], then bias [ceil(hidden / 4)][4]
INPUT_FLOAT(2, expand);   // [hidden][C / 4][4 outputs], then bias [C / 4][4]
OUTPUT_FLOAT(3, y);       // [C / 4][y_pitch][4], one pixel

#define SQUEEZE_ACTIVATION ACTIVATION
#include "squeeze.glsl"

void main()
{
    squeeze_hidden(push.blocks);
    const uint block = gl_WorkGroupID.x * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    if (block < push.blocks)
        STORE_FLOAT(y, push.y_first + block * push.y_pitch, squeeze_factor(block, push.blocks));
}
