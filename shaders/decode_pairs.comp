// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Visits every (anchor, class) pair at or above the threshold. One invocation a pixel of DECODE_BLOCKS channel blocks.
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_DECODE
#include "access.glsl"
#include "interface.h"

layout(local_size_x = DECODE_LOCAL) in;
INPUT(2, classes); // [A * classes / 4][pitch][4]: this window
#include "decode.glsl"
#include "decode_visit.glsl"
#include "decode_finish.glsl"

void main()
{
    const uint pixel = gl_GlobalInvocationID.x;
    const uint block = push.block_first + gl_WorkGroupID.y * DECODE_BLOCKS; // of the whole value
    if (pixel < push.pixels)
        visit_blocks(pixel, block, min(block + DECODE_BLOCKS, push.block_end));
    finish_stage();
}
