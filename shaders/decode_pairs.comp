// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Visits every (anchor, class) pair at or above the threshold. One invocation a pixel of DECODE_BLOCKS channel blocks: first a mask without
// branches, then the few that pass (drivers that run both sides of a branch pay for the second part once an invocation).
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_DECODE
#include "access.glsl"
#include "interface.h"

layout(local_size_x = DECODE_LOCAL) in;
INPUT(2, classes); // [A * classes / 4][pitch][4]: this window
#include "decode.glsl"
#include "decode_finish.glsl"

void main()
{
    const uint pixel = gl_GlobalInvocationID.x;
    const uint block = push.block_first + gl_WorkGroupID.y * DECODE_BLOCKS; // of the whole value
    if (pixel < push.pixels) {
        const uint first = push.window_first + gl_WorkGroupID.y * DECODE_BLOCKS * push.pitch + pixel;
        uint mask = 0;
        [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++) {
            const uint at = min(block + b, push.block_end - 1) - block;
            const vec4 logits = LOAD(classes, first + at * push.pitch);
            [[unroll]] for (uint c = 0; c < 4; c++)
                mask |= uint(logits[c] >= params.threshold) << (4 * b + c);
        }
        const uint channels = min(push.block_end * 4, push.anchors * push.classes) - block * 4;
        mask &= channels < 32 ? (1u << channels) - 1 : 0xffffffffu;
        while (mask != 0) {
            const uint bit = uint(findLSB(mask));
            mask &= mask - 1;
            const uint key = key_of(LOAD(classes, first + (bit >> 2) * push.pitch)[bit & 3u]);
            if (key >= LOWEST) // with anchor = channel / classes, class = channel % classes
                visit(pixel * push.anchors * push.classes + block * 4 + bit, key);
        }
    }
    finish_stage();
}
