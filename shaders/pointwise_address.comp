// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// 1x1 convolution with weights behind a device address, for devices that load uniform values once for all lanes. One invocation makes CHANNELS
// output channels of one pixel; lanes run along pixels. Weights, bias and vectors are uniform, activations are read one block a lane.
//   -DCHANNELS=32    register tile
#version 450
#extension GL_GOOGLE_include_directive : require
#define ADDRESS 1
#include "pointwise.glsl"
#define BLOCKS (CHANNELS / 4)

layout(constant_id = POINTWISE_SPEC_TAIL) const uint TAIL = 0; // input blocks after the last full trip
layout(constant_id = POINTWISE_SPEC_LOOP) const bool LOOP = true; // there is a full trip

vec4 sum[BLOCKS];

// Adds what the input blocks from k, `count` of them, give to all sums. Inputs come first, then one block of sums at a time is done with them:
// in other orders more values are alive than a CPU has registers.
void add(uint trip, uint k, uint count, uint at)
{
    vec4 v[POINTWISE_TRIP];
    [[unroll]] for (uint u = 0; u < count; u++) {
        v[u] = LOAD(x, at + u * push.x_pitch);
        if (INPUT_SCALE)
            v[u] *= LOAD_FLOAT(factors, push.k_first + k + u);
    }
    [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
        vec4 s = sum[b];
        [[unroll]] for (uint i = 0; i < count * 4; i++)
            s += v[i / 4][i % 4] * push.weights.trips[trip].value[b * count * 4 + i];
        sum[b] = s;
    }
}

void finish_tile(uint pixel, uint block, uint end, uint level)
{
    [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
        if (block + b < end)
            finish(pixel, block + b, level, sum[b]);
    }
}

void main()
{
    const uint local = gl_WorkGroupSize.x;
    const uint last = push.pixels - 1;
    const uint first = gl_WorkGroupID.x * local;
    const uint pixel = min(first + gl_LocalInvocationID.x, last); // lanes past the end do the last pixel once more
    const uint part = gl_WorkGroupID.y / push.part_tiles;
    const uint block = part * push.part_blocks + (gl_WorkGroupID.y - part * push.part_tiles) * BLOCKS;
    // a tile does not reach into the next part
    const uint end = (part + 1) * push.part_tiles < gl_NumWorkGroups.y ? (part + 1) * push.part_blocks : push.blocks;
    uint trip = gl_WorkGroupID.y * ((push.k_count + POINTWISE_TRIP - 1) / POINTWISE_TRIP);
    uint at = push.x_first + part * push.part_x + pixel;

    [[unroll]] for (uint b = 0; b < BLOCKS; b++)
        sum[b] = vec4(0);
    // Tested at its end: lavapipe runs the rest of a loop's body with no lane left, and reads uniform values even so.
    for (uint k = 0; LOOP;) {
        add(trip, k, POINTWISE_TRIP, at);
        at += POINTWISE_TRIP * push.x_pitch;
        trip++;
        k += POINTWISE_TRIP;
        if (k >= push.k_count - TAIL)
            break;
    }
    if (TAIL > 0)
        add(trip, push.k_count - TAIL, TAIL, at);

    if (ACCUMULATE && first + gl_LocalInvocationID.x > last)
        return; // else the last pixel's sums would be added twice
    const uint columns = gl_NumWorkGroups.x * local;
    start_results();
    if (LEVELS == 1) {
        finish_tile(pixel, block, end, 0);
        leave_maximum(gl_WorkGroupID.y, gl_GlobalInvocationID.x, columns);
        return;
    }
    // one trip for nearly every workgroup: that keeps the level, and with it the addresses in the table, uniform
    const uint own_level = level_of(pixel);
    const uint last_level = level_of(min(first + local - 1, last));
    for (uint level = level_of(first);;) {
        if (level == own_level)
            finish_tile(pixel, block, end, level);
        level++;
        if (level > last_level)
            break;
    }
    leave_maximum(gl_WorkGroupID.y, gl_GlobalInvocationID.x, columns);
}
