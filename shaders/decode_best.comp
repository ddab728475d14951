// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Visits the best class of every anchor, as decode_argmax left them, where it is at or above the threshold. Only when too many are.
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_DECODE
#include "access.glsl"
#include "interface.h"

layout(local_size_x = DECODE_LOCAL) in;
#include "decode.glsl"
#include "decode_finish.glsl"

void main()
{
    const uint first = gl_WorkGroupID.x * DECODE_LOCAL * DECODE_ITEMS + gl_LocalInvocationID.x;
    for (uint item = 0; item < DECODE_ITEMS; item++) {
        const uint anchor = first + item * DECODE_LOCAL; // of all pixels
        if (anchor < push.pixels * push.anchors) {
            const uint key = words[push.best_first + 2 * anchor], channel = words[push.best_first + 2 * anchor + 1];
            if (key >= LOWEST)
                visit(anchor / push.anchors * push.anchors * push.classes + channel, key);
        }
    }
    finish_stage();
}
