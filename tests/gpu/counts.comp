// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Test shader: writes the workgroup counts of an indirect dispatch.
#version 450

layout(local_size_x = 1) in;
layout(set = 0, binding = 0, std430) buffer counts { uint x, y, z; };
layout(push_constant) uniform block { uint groups; } push;

void main()
{
    x = push.groups;
    y = 1;
    z = 1;
}
