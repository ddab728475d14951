// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Squeeze-excite as in squeeze.comp, in one workgroup, for devices where waking up costs more than the arithmetic and memory of a workgroup is
// slow: every lane keeps its own channel blocks in registers through both layers.
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_SQUEEZE
#include "access.glsl"
#include "interface.h"
#include "activation.glsl"

layout(local_size_x_id = SPEC_LOCAL_SIZE) in;
layout(constant_id = SQUEEZE_SPEC_EACH) const uint EACH = 1;      // channel blocks of a lane
layout(constant_id = SQUEEZE_SPEC_HIDDEN) const uint HIDDEN = 32; // units

INPUT_FLOAT(0, partial); // as in squeeze.comp
INPUT_FLOAT(1, reduce);
INPUT_FLOAT(2, expand);
OUTPUT_FLOAT(3, y);

shared float sums[HIDDEN * gl_WorkGroupSize.x]; // of each unit by lane; then the units
shared float hidden[HIDDEN];

void main()
{
    const uint lane = gl_LocalInvocationID.x, lanes = gl_WorkGroupSize.x;
    vec4 mean[EACH];
    for (uint e = 0; e < EACH; e++) {
        const uint block = lane + e * lanes;
        vec4 sum = vec4(0);
        // four at a time: Mesa 22.3 ends an invocation's loops after 65535 trips in all
        for (uint t = 0; block < push.blocks && t < push.partials; t += 4) {
            [[unroll]] for (uint u = 0; u < 4; u++) {
                const vec4 v = LOAD_FLOAT(partial, push.partial_first + block * push.partial_pitch + min(t + u, push.partials - 1));
                sum += t + u < push.partials ? v : vec4(0);
            }
        }
        mean[e] = sum * push.inverse_pixels;
    }
    for (uint unit = 0; unit < push.hidden; unit++) {
        float sum = 0;
        for (uint e = 0; e < EACH; e++)
            sum += dot(LOAD_FLOAT(reduce, min(lane + e * lanes, push.blocks - 1) * push.hidden + unit), mean[e]); // past the end 0
        sums[unit * lanes + lane] = sum;
    }
    barrier();
    for (uint unit = lane; unit < push.hidden; unit += lanes) {
        float sum = LOAD_FLOAT(reduce, push.blocks * push.hidden + unit / 4)[unit % 4];
        for (uint l = 0; l < min(lanes, push.blocks); l++)
            sum += sums[unit * lanes + l];
        hidden[unit] = activate(vec4(sum)).x;
    }
    barrier();
    vec4 sum[EACH];
    for (uint e = 0; e < EACH; e++)
        sum[e] = LOAD_FLOAT(expand, push.hidden * push.blocks + min(lane + e * lanes, push.blocks - 1));
    for (uint unit = 0; unit < push.hidden; unit++) {
        const float factor = hidden[unit];
        for (uint e = 0; e < EACH; e++)
            sum[e] += factor * LOAD_FLOAT(expand, unit * push.blocks + min(lane + e * lanes, push.blocks - 1));
    }
    for (uint e = 0; e < EACH; e++) {
        if (lane + e * lanes < push.blocks)
            STORE_FLOAT(y, push.y_first + (lane + e * lanes) * push.y_pitch, 1.0 / (1.0 + exp(-sum[e])));
    }
}
