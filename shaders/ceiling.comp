// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What the device can do at best, to compare the network's kernels with: independent multiply-adds in registers, or a copy.
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_CEILING
#include "access.glsl"
#include "interface.h"

layout(local_size_x = CEILING_LOCAL) in;
layout(constant_id = CEILING_SPEC_COPY) const bool COPY = false;
INPUT(0, x);
OUTPUT(1, y);

void main()
{
    const uint lane = gl_LocalInvocationID.x;
    if (COPY) {
        const uint first = gl_WorkGroupID.x * CEILING_LOCAL * CEILING_COPIES + lane;
        [[unroll]] for (uint i = 0; i < CEILING_COPIES; i++)
            STORE(y, first + i * CEILING_LOCAL, LOAD(x, first + i * CEILING_LOCAL));
        return;
    }
    float sums[CEILING_SUMS];
    [[unroll]] for (uint s = 0; s < CEILING_SUMS; s++)
        sums[s] = float(lane + s);
    for (uint round = 0; round < CEILING_ROUNDS; round++) {
        [[unroll]] for (uint step_ = 0; step_ < CEILING_STEPS; step_++) {
            [[unroll]] for (uint s = 0; s < CEILING_SUMS; s++)
                sums[s] = sums[s] * push.factor + push.term;
        }
    }
    float sum = 0.0;
    [[unroll]] for (uint s = 0; s < CEILING_SUMS; s++)
        sum += sums[s];
    STORE(y, gl_GlobalInvocationID.x, vec4(sum));
}
