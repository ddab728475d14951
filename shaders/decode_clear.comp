// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The first stage of decode: nothing found yet, and no workgroups for the stages that are only needed when too much is. One workgroup.
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_DECODE
#include "interface.h"

layout(local_size_x = DECODE_LOCAL) in;
layout(set = 0, binding = 1, std430) buffer Scratch { uint words[]; };

void main()
{
    for (uint i = gl_LocalInvocationID.x; i < DECODE_BITMAP; i += DECODE_LOCAL)
        words[i] = i == DECODE_EMIT + 1 || i == DECODE_EMIT + 2 ? 1 : 0;
}
