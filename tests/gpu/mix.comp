// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Test shader, built like the engine's: target = source * a + target * b + bias + ADDED, elementwise
// on vec4. No operation of the network.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "access.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const float ADDED = 0.0;
INPUT(0, source);
OUTPUT(1, target);
layout(set = 0, binding = 2) uniform values { float bias; };
layout(push_constant) uniform block { uint count; float a, b; } push;

void main()
{
    uint i = gl_GlobalInvocationID.x;
    if (i < push.count) {
        STORE(target, i, LOAD(source, i) * push.a + vec4(target[i]) * push.b + bias + ADDED);
    }
}
