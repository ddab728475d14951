// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A picture of any size and format in one dispatch: resize into the top-left of the network input, colour conversion, normalisation. Linear
// filters commute with the colour matrix, so the components are filtered each on its own grid and converted once. Clears decode's counters, too.
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_PREPROCESS
#include "access.glsl"
#include "interface.h"

layout(local_size_x = 64) in;
layout(constant_id = PREPROCESS_SPEC_ANTIALIAS) const bool ANTIALIAS = false;
layout(constant_id = PREPROCESS_SPEC_ROUND_TO_U8) const bool ROUND_TO_U8 = false;
layout(constant_id = PREPROCESS_SPEC_SAMPLES) const bool SAMPLES = false;
// rows of bytes, see preprocess_params
#if TEXEL
layout(set = 0, binding = 0) uniform usamplerBuffer picture;
#define WORD(i) texelFetch(picture, int(i)).x
#else
layout(set = 0, binding = 0, std430) readonly buffer Picture { uint words[]; };
#define WORD(i) words[i]
#endif
OUTPUT(2, y); // [1][y_height * y_width][4]
layout(set = 0, binding = 3, std430) writeonly buffer Scratch { uint scratch[]; }; // see DECODE_COUNTERS

float sample_at(uint address)
{
    uint bits = WORD(address >> 2) >> (8 * (address & 3u));
    return params.wide != 0 ? float(bits & 0xffffu) / 256.0 : float(bits & 0xffu);
}

// From a whole number, which some drivers convert lane by lane.
int whole_of(float value)
{
    return floatBitsToInt(value + 12582912.0) - 0x4b400000;
}

// The first tap, how far the position is past its centre, and the taps' reach, along one axis of one component.
struct axis {
    int first, last; // taps, before clamping to the picture
    float centre;    // position in samples, relative to `first`
    float reach;     // half width of the triangle in samples
    int size;
};

// Sample position of result d: (d + 0.5) * size / resized - 0.5, in integers so that it is exact for large pictures (spec 7.5). Half-size
// components: sample i sits at picture position 2 i or, with a shift of 0.5, 2 i + 0.5.
axis axis_of(int d, int size, int resized, bool halved, float shift)
{
    const int numerator = (2 * d + 1) * size - resized, divisor = 2 * resized;
    int whole = whole_of(floor(float(numerator) / float(divisor))); // or one beside it
    const int rest = numerator - whole * divisor, carry = rest < 0 ? -1 : rest >= divisor ? 1 : 0;
    whole += carry;
    float part = float(rest - carry * divisor) / float(divisor);
    float scale = max(float(size) / float(resized), 1.0);
    axis a;
    a.size = size;
    if (halved) {
        const float position = (float(whole) + part - shift) * 0.5;
        whole = whole_of(floor(position));
        part = position - float(whole);
        scale = max(scale * 0.5, 1.0);
        a.size = (size + 1) / 2;
    }
    if (!ANTIALIAS) {
        a.first = whole;
        a.last = whole + 1;
        a.centre = part;
        a.reach = 1.0;
    } else {
        a.first = whole_of(floor(float(whole) + part - scale + 1.0));
        a.last = whole_of(ceil(float(whole) + part + scale - 1.0));
        a.centre = float(whole - a.first) + part;
        a.reach = scale;
    }
    return a;
}

float bilinear(axis h, axis v, uint offset, uint stride, uint step_bytes)
{
    const uint x0 = uint(clamp(h.first, 0, h.size - 1)) * step_bytes, x1 = uint(clamp(h.last, 0, h.size - 1)) * step_bytes;
    const uint y0 = offset + uint(clamp(v.first, 0, v.size - 1)) * stride, y1 = offset + uint(clamp(v.last, 0, v.size - 1)) * stride;
    const float top = mix(sample_at(y0 + x0), sample_at(y0 + x1), h.centre);
    const float bottom = mix(sample_at(y1 + x0), sample_at(y1 + x1), h.centre);
    return mix(top, bottom, v.centre);
}

#include "triangle.glsl"

vec4 normalised(vec3 components)
{
    const vec4 c = vec4(components, 1.0);
    vec3 rgb = vec3(dot(c, vec4(params.r0, params.r1, params.r2, params.r3)), dot(c, vec4(params.g0, params.g1, params.g2, params.g3)),
                    dot(c, vec4(params.b0, params.b1, params.b2, params.b3)));
    rgb = ROUND_TO_U8 ? floor(clamp(rgb, 0.0, 255.0) + 0.5) : clamp(rgb, 0.0, 255.0);
    rgb = rgb * vec3(params.gain_r, params.gain_g, params.gain_b) + vec3(params.bias_r, params.bias_g, params.bias_b);
    return vec4(rgb, 0.0);
}

void main()
{
    const uint pixels = ANTIALIAS && !SAMPLES ? PREPROCESS_PAIR : 1;
    const uint x = gl_GlobalInvocationID.x * pixels, row = gl_WorkGroupID.y;
    if (row == 0 && gl_GlobalInvocationID.x < DECODE_COUNTERS)
        scratch[gl_GlobalInvocationID.x] = 0;
    const vec4 fill = vec4(params.fill_r, params.fill_g, params.fill_b, 0.0);
    vec4 value = fill, beside = fill;
    if (row < params.resized_height) { // the same for the whole workgroup: columns without a picture go along
        const int width = int(params.width), height = int(params.height), column = int(min(x, params.resized_width - 1u));
        const axis h = axis_of(column, width, int(params.resized_width), false, 0.0);
        const axis v = axis_of(int(row), height, int(params.resized_height), false, 0.0);
        axis h1 = h, v1 = v;
        if (params.half_x != 0)
            h1 = axis_of(column, width, int(params.resized_width), true, params.centred_x != 0 ? 0.5 : 0.0);
        if (params.half_y != 0)
            v1 = axis_of(int(row), height, int(params.resized_height), true, 0.5);
        vec3 c = vec3(0), c_beside = vec3(0);
        if (ANTIALIAS && SAMPLES) {
            c = triangle_of_samples(h, v);
        } else if (ANTIALIAS) {
            const int next = int(min(x + 1u, params.resized_width - 1u));
            const axis b = axis_of(next, width, int(params.resized_width), false, 0.0);
            axis b1 = b;
            if (params.half_x != 0)
                b1 = axis_of(next, width, int(params.resized_width), true, params.centred_x != 0 ? 0.5 : 0.0);
            for (uint s = 0; s < params.streams; s++)
                triangle(s, s > 0 ? h1 : h, s > 0 ? b1 : b, s > 0 ? v1 : v, c, c_beside);
        } else {
            c.x = bilinear(h, v, params.offset0, params.stride0, params.step0);
            c.y = bilinear(h1, v1, params.offset1, params.stride1, params.step1);
            c.z = bilinear(h1, v1, params.offset2, params.stride2, params.step2);
        }
        value = x < params.resized_width ? normalised(c) : fill;
        beside = x + 1 < params.resized_width ? normalised(c_beside) : fill;
    }
    if (x >= push.y_width)
        return;
    const bool two = pixels > 1 && x + 1 < push.y_width;
    const uint at = push.y_first + x;
    STORE(y, at + row * push.y_width, value);
    if (two)
        STORE(y, at + row * push.y_width + 1, beside);
    for (uint below = row + gl_NumWorkGroups.y; below < push.y_height; below += gl_NumWorkGroups.y) {
        STORE(y, at + below * push.y_width, fill);
        if (two)
            STORE(y, at + below * push.y_width + 1, fill);
    }
}
