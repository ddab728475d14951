// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Weights of a depthwise convolution behind a device address (ADDRESS=1). Before interface.h, whose push block begins with the address.
//   -DKERNEL=3
#if ADDRESS
#extension GL_EXT_buffer_reference : require
struct depthwise_block {
    vec4 tap[KERNEL * KERNEL];
    vec4 bias;
};
// [C / 4], 32-bit whatever the precision
layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer depthwise_weights { depthwise_block blocks[]; };
#endif
