// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Between listing the pairs and the stages over capacity: how many workgroups these have, none if there was room for all. One workgroup.
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_DECODE
#include "interface.h"

layout(local_size_x = DECODE_LOCAL) in;
layout(set = 0, binding = 1, std430) buffer Scratch { uint words[]; };

void main()
{
    const uint lane = gl_LocalInvocationID.x;
    const bool over = words[DECODE_FOUND] > push.capacity;
    if (over) {
        for (uint i = lane; i < DECODE_BINS; i += DECODE_LOCAL)
            words[DECODE_HISTOGRAM + i] = 0;
        for (uint i = lane; i < DECODE_BITMAP_WORDS; i += DECODE_LOCAL)
            words[DECODE_BITMAP + i] = 0;
    }
    if (lane < push.windows) {
        words[DECODE_SELECT + 4 * lane] = over ? push.window_x : 0;
        words[DECODE_SELECT + 4 * lane + 1] = lane + 1 < push.windows ? push.window_y : push.window_y_last;
        words[DECODE_SELECT + 4 * lane + 2] = 1;
    }
    if (lane == 0)
        words[DECODE_NEED] = push.capacity;
}
