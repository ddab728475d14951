// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Bilinear interpolation between the four nearest samples, for preprocess.
#include "axis.glsl"

float sample_at(uint address)
{
    uint bits = WORD(address >> 2) >> (8 * (address & 3u));
    return params.wide != 0 ? float(bits & 0xffffu) / 256.0 : float(bits & 0xffu);
}

float bilinear(axis h, axis v, uint offset, uint stride, uint step_bytes)
{
    const uint x0 = uint(clamp(h.first, 0, h.size - 1)) * step_bytes, x1 = uint(clamp(h.last, 0, h.size - 1)) * step_bytes;
    const uint y0 = offset + uint(clamp(v.first, 0, v.size - 1)) * stride, y1 = offset + uint(clamp(v.last, 0, v.size - 1)) * stride;
    const float top = mix(sample_at(y0 + x0), sample_at(y0 + x1), h.centre);
    const float bottom = mix(sample_at(y1 + x0), sample_at(y1 + x1), h.centre);
    return mix(top, bottom, v.centre);
}
