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
#define STEP 4 // input blocks of a trip: what a trip costs apart from its sums is paid once

layout(constant_id = POINTWISE_SPEC_TAIL) const uint TAIL = 0; // input blocks after the last full trip
layout(constant_id = POINTWISE_SPEC_LOOP) const bool LOOP = true; // there is a full trip

vec4 sum[BLOCKS];

void add(uint row, uint k, uint at)
{
    vec4 v = LOAD(x, at);
    if (INPUT_SCALE)
        v *= LOAD_FLOAT(factors, push.k_first + k);
    [[unroll]] for (uint i = 0; i < 4; i++) {
        [[unroll]] for (uint b = 0; b < BLOCKS; b++)
            sum[b] += v[i] * push.weights.rows[row + k].value[i * BLOCKS + b];
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
    const uint row = gl_WorkGroupID.y * push.k_count;
    uint at = push.x_first + part * push.part_x + pixel;

    [[unroll]] for (uint b = 0; b < BLOCKS; b++)
        sum[b] = vec4(0);
    // Tested at its end: lavapipe runs the rest of a loop's body with no lane left, and reads uniform values even so.
    for (uint k = 0; LOOP;) {
        [[unroll]] for (uint u = 0; u < STEP; u++) {
            add(row, k + u, at);
            at += push.x_pitch;
        }
        k += STEP;
        if (k >= push.k_count - TAIL)
            break;
    }
    [[unroll]] for (uint u = TAIL; u > 0; u--) {
        add(row, push.k_count - u, at);
        at += push.x_pitch;
    }

    if (ACCUMULATE && first + gl_LocalInvocationID.x > last)
        return; // else the last pixel's sums would be added twice
    if (LEVELS == 1) {
        finish_tile(pixel, block, end, 0);
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
}
