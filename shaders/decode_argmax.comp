// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The best class of every anchor, lowest first where equal, kept in the scratch memory; visits those at or above the threshold. One invocation
// an anchor of a pixel. Where the classes of an anchor are split between windows, the later one goes on from the earlier one's result.
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_DECODE
#include "access.glsl"
#include "interface.h"

layout(local_size_x = DECODE_LOCAL) in;
INPUT(2, classes); // [A * classes / 4][pitch][4]: this window
#include "decode.glsl"

void main()
{
    const uint pixel = gl_GlobalInvocationID.x, anchor = push.anchor_first + gl_WorkGroupID.y;
    if (pixel < push.pixels) {
        const uint channel_first = anchor * push.classes, channel_end = channel_first + push.classes;
        const uint block_first = max(channel_first / 4, push.block_first), block_end = min((channel_end + 3) / 4, push.block_end);
        const uint best = push.best_first + 2 * (pixel * push.anchors + anchor);
        uint key = 0, channel = channel_first;
        if (block_first * 4 > channel_first) {
            key = words[best];
            channel = words[best + 1];
        }
        for (uint block = block_first; block < block_end; block++) {
            const vec4 logits = LOAD(classes, push.window_first + (block - push.block_first) * push.pitch + pixel);
            [[unroll]] for (uint c = 0; c < 4; c++) {
                const uint at = block * 4 + c, this_key = key_of(logits[c]);
                const bool better = this_key > key && at >= channel_first && at < channel_end;
                key = better ? this_key : key;
                channel = better ? at : channel;
            }
        }
        words[best] = key;
        words[best + 1] = channel;
        if (block_end * 4 >= channel_end && key >= LOWEST)
            visit(pixel * push.anchors * push.classes + channel, key);
    }
}
