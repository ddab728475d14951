// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Lists the (anchor, class) pairs at or above the threshold as decode_pairs does, but reads only the logits of tiles whose largest one, as the
// class head's kernels left it, may pass. One invocation DECODE_QUADS times four tiles.
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_DECODE
#include "access.glsl"
#include "interface.h"

layout(local_size_x = DECODE_LOCAL) in;
INPUT(2, classes); // [A * classes / 4][pitch][4]: all of them
layout(set = 0, binding = 3, std430) readonly buffer Maxima { uvec4 maxima[]; }; // [rows][columns], see ops/maxima.h
#include "decode.glsl"
#include "decode_visit.glsl"

void visit_tile(uint tile)
{
    const uint row = tile / push.columns, column = tile - row * push.columns;
    const uint group = column / push.lanes, lane = column - group * push.lanes;
    const uint end = min((row + 1) * push.tile_blocks, push.block_end);
    for (uint p = 0; p < push.tile_pixels; p++) {
        const uint pixel = (group * push.tile_pixels + p) * push.lanes + lane;
        for (uint block = row * push.tile_blocks; pixel < push.pixels && block < end; block += DECODE_BLOCKS)
            visit_blocks(pixel, block, min(block + DECODE_BLOCKS, end));
    }
}

void main()
{
    const uint first = gl_WorkGroupID.x * DECODE_LOCAL * DECODE_QUADS + gl_LocalInvocationID.x;
    uint mask = 0;
    [[unroll]] for (uint q = 0; q < DECODE_QUADS; q++) {
        const uint quad = first + q * DECODE_LOCAL;
        const uvec4 keys = maxima[min(quad, push.quads - 1)];
        [[unroll]] for (uint i = 0; i < 4; i++)
            mask |= uint(quad < push.quads && keys[i] >= params.threshold_key_maximum) << (4 * q + i);
    }
    while (mask != 0) {
        const uint bit = uint(findLSB(mask));
        mask &= mask - 1;
        visit_tile((first + (bit >> 2) * DECODE_LOCAL) * 4 + (bit & 3u));
    }
}
