// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The activation of every operation that has one, chosen by specialisation constant 0. Always in 32 bit: exp overflows fp16 at 11.
layout(constant_id = SPEC_ACTIVATION) const uint ACTIVATION = ACTIVATION_NONE;

vec4 activate_as(uint activation, vec4 x)
{
    if (activation == ACTIVATION_SWISH)
        return x / (1.0 + exp(-x));
    if (activation == ACTIVATION_RELU6)
        return clamp(x, 0.0, 6.0);
    if (activation == ACTIVATION_RELU)
        return max(x, 0.0);
    if (activation == ACTIVATION_SIGMOID)
        return 1.0 / (1.0 + exp(-x));
    return x;
}

vec4 activate(vec4 x)
{
    return activate_as(ACTIVATION, x);
}
