// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Squeeze-excite by one workgroup: mean, fully connected layer, activation, fully connected layer, sigmoid. No atomics: sums are formed in a
// fixed order. The file that includes this one declares partial, reduce, expand, the sizes MEANS and HIDDEN, and SQUEEZE_ACTIVATION.
shared vec4 means[MEANS];
shared float hidden[HIDDEN];

// Everything up to the second layer, of `blocks` blocks of four channels. The lanes share `n` sums in `slices` slices; the results end in the
// first n places.
void squeeze_hidden(uint blocks)
{
    const uint lane = gl_LocalInvocationID.x, lanes = gl_WorkGroupSize.x;

    uint slices = max(lanes / blocks, 1);
    for (uint i = lane; i < blocks * slices; i += lanes) {
        const uint block = i % blocks;
        vec4 sum = vec4(0);
        // four at a time: Mesa 22.3 ends an invocation's loops after 65535 trips in all
        for (uint t = i / blocks; t < push.partials; t += 4 * slices) {
            [[unroll]] for (uint u = 0; u < 4; u++) {
                if (t + u * slices < push.partials)
                    sum += LOAD_FLOAT(partial, push.partial_first + block * push.partial_pitch + t + u * slices);
            }
        }
        means[i] = sum * push.inverse_pixels;
    }
    barrier();
    if (slices > 1 && lane < blocks) {
        for (uint s = 1; s < slices; s++)
            means[lane] += means[lane + s * blocks];
    }
    barrier();

    slices = max(lanes / push.hidden, 1);
    for (uint i = lane; i < push.hidden * slices; i += lanes) {
        const uint unit = i % push.hidden;
        float sum = 0;
        for (uint block = i / push.hidden; block < blocks; block += slices)
            sum += dot(LOAD_FLOAT(reduce, block * push.hidden + unit), means[block]);
        hidden[i] = sum;
    }
    barrier();
    for (uint unit = lane; unit < push.hidden; unit += lanes) {
        float sum = hidden[unit];
        for (uint s = 1; s < slices; s++)
            sum += hidden[unit + s * push.hidden];
        const vec4 bias = LOAD_FLOAT(reduce, blocks * push.hidden + unit / 4);
        hidden[unit] = activate_as(SQUEEZE_ACTIVATION, vec4(sum + bias[unit % 4])).x;
    }
    barrier();
}

// The factor of one block.
vec4 squeeze_factor(uint block, uint blocks)
{
    vec4 sum = LOAD_FLOAT(expand, push.hidden * blocks + block);
    for (uint unit = 0; unit < push.hidden; unit++)
        sum += hidden[unit] * LOAD_FLOAT(expand, unit * blocks + block);
    return 1.0 / (1.0 + exp(-sum));
}
