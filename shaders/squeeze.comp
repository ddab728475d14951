// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Squeeze-excite from the partial sums of a depthwise convolution to the factor of every channel: mean, fully connected layer, activation,
// fully connected layer, sigmoid. Every workgroup does the first layer for itself and its own share of the second. No atomics: sums are
// formed in a fixed order.
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

shared vec4 means[MEANS];
shared float hidden[HIDDEN];

// The lanes share `n` sums in `slices` slices; the results end in the first n places.
void main()
{
    const uint lane = gl_LocalInvocationID.x, lanes = gl_WorkGroupSize.x;

    uint slices = max(lanes / push.blocks, 1);
    for (uint i = lane; i < push.blocks * slices; i += lanes) {
        const uint block = i % push.blocks;
        vec4 sum = vec4(0);
        // four at a time: Mesa 22.3 ends an invocation's loops after 65535 trips in all
        for (uint t = i / push.blocks; t < push.partials; t += 4 * slices) {
            [[unroll]] for (uint u = 0; u < 4; u++) {
                if (t + u * slices < push.partials)
                    sum += LOAD_FLOAT(partial, push.partial_first + block * push.partial_pitch + t + u * slices);
            }
        }
        means[i] = sum * push.inverse_pixels;
    }
    barrier();
    if (slices > 1 && lane < push.blocks) {
        for (uint s = 1; s < slices; s++)
            means[lane] += means[lane + s * push.blocks];
    }
    barrier();

    slices = max(lanes / push.hidden, 1);
    for (uint i = lane; i < push.hidden * slices; i += lanes) {
        const uint unit = i % push.hidden;
        float sum = 0;
        for (uint block = i / push.hidden; block < push.blocks; block += slices)
            sum += dot(LOAD_FLOAT(reduce, block * push.hidden + unit), means[block]);
        hidden[i] = sum;
    }
    barrier();
    for (uint unit = lane; unit < push.hidden; unit += lanes) {
        float sum = hidden[unit];
        for (uint s = 1; s < slices; s++)
            sum += hidden[unit + s * push.hidden];
        const vec4 bias = LOAD_FLOAT(reduce, push.blocks * push.hidden + unit / 4);
        hidden[unit] = activate(vec4(sum + bias[unit % 4])).x;
    }
    barrier();

    const uint block = gl_WorkGroupID.x * lanes + lane;
    if (block >= push.blocks)
        return;
    vec4 sum = LOAD_FLOAT(expand, push.hidden * push.blocks + block);
    for (uint unit = 0; unit < push.hidden; unit++)
        sum += hidden[unit] * LOAD_FLOAT(expand, unit * push.blocks + block);
    STORE_FLOAT(y, push.y_first + block * push.y_pitch, 1.0 / (1.0 + exp(-sum)));
}
