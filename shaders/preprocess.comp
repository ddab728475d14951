// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A picture of any size and format in one dispatch: resize into the top-left of the network input, colour conversion, normalisation. Linear
// filters commute with the colour matrix, so the components are filtered each on its own grid and converted once. Clears decode's counters, too.
// An invocation makes a tile of ACROSS x DOWN results: several by the triangle filter BY_WORDS, one BY_SAMPLES or by bilinear interpolation.
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_PREPROCESS
#include "access.glsl"
#include "interface.h"

layout(local_size_x_id = PREPROCESS_SPEC_LOCAL_SIZE) in;
layout(constant_id = PREPROCESS_SPEC_ROUND_TO_U8) const bool ROUND_TO_U8 = false;
layout(constant_id = PREPROCESS_SPEC_WIDE) const bool WIDE = false;
layout(constant_id = PREPROCESS_SPEC_STEP_Y) const int STEP_Y = 1;
layout(constant_id = PREPROCESS_SPEC_STEP_C) const int STEP_C = 2;
layout(constant_id = PREPROCESS_SPEC_BYTE_Y) const int BYTE_Y = 0;
layout(constant_id = PREPROCESS_SPEC_BYTE_U) const int BYTE_U = 0;
layout(constant_id = PREPROCESS_SPEC_BYTE_V) const int BYTE_V = 1;
// The picture, rows of bytes: see preprocess_params.
#if TEXEL
layout(set = 0, binding = 0) uniform usamplerBuffer picture;
#define WORD(i) texelFetch(picture, int(i)).x
#else
layout(set = 0, binding = 0, std430) readonly buffer Picture { uint words[]; };
#define WORD(i) words[i]
#endif
OUTPUT(2, y); // [1][y_height * y_width][4]
layout(set = 0, binding = 3, std430) writeonly buffer Scratch { uint scratch[]; }; // see DECODE_COUNTERS

vec3 components[ACROSS * DOWN]; // of the tile

vec4 normalised(vec3 c3)
{
    const vec4 c = vec4(c3, 1.0);
    vec3 rgb = vec3(dot(c, vec4(params.r0, params.r1, params.r2, params.r3)), dot(c, vec4(params.g0, params.g1, params.g2, params.g3)),
                    dot(c, vec4(params.b0, params.b1, params.b2, params.b3)));
    rgb = ROUND_TO_U8 ? floor(clamp(rgb, 0.0, 255.0) + 0.5) : clamp(rgb, 0.0, 255.0);
    rgb = rgb * vec3(params.gain_r, params.gain_g, params.gain_b) + vec3(params.bias_r, params.bias_g, params.bias_b);
    return vec4(rgb, 0.0);
}

#if BY_WORDS
#include "triangle_words.glsl"
#elif BY_SAMPLES
#include "triangle_samples.glsl"
#else
#include "bilinear.glsl"
#endif

// Leaves the components of the tile at `column`, `row` in `components`.
void filter_tile(uint column, uint row)
{
    const ivec2 size = ivec2(params.width, params.height), resized = ivec2(params.resized_width, params.resized_height);
    const axis x = axis_of(int(column), size.x, resized.x, false, 0.0), y = axis_of(int(row), size.y, resized.y, false, 0.0);
#if BY_SAMPLES
    components[0] = triangle_of_samples(x, y);
#else
    axis x1 = x, y1 = y;
    if (params.half_x != 0)
        x1 = axis_of(int(column), size.x, resized.x, true, params.centred_x != 0 ? 0.5 : 0.0);
    if (params.half_y != 0)
        y1 = axis_of(int(row), size.y, resized.y, true, 0.5);
#if BY_WORDS
    const vec2 apart = vec2(size) / vec2(resized), apart1 = apart * vec2(0.5, params.half_y != 0 ? 0.5 : 1.0);
    triangle_of_words(params.offset0, params.stride0, STEP_Y, BYTE_Y, -1, x, y, apart);
    [[unroll]] for (int i = 0; i < ACROSS * DOWN; i++)
        components[i].x = totals[i].x;
    triangle_of_words(params.offset1, params.stride1, STEP_C, BYTE_U, BYTE_V, x1, y1, apart1);
    [[unroll]] for (int i = 0; i < ACROSS * DOWN; i++)
        components[i].yz = totals[i];
    if (BYTE_V == PREPROCESS_NO_BYTE) {
        triangle_of_words(params.offset2, params.stride2, STEP_C, BYTE_U, -1, x1, y1, apart1);
        [[unroll]] for (int i = 0; i < ACROSS * DOWN; i++)
            components[i].z = totals[i].x;
    }
#else
    components[0] = vec3(bilinear(x, y, params.offset0, params.stride0, params.step0), bilinear(x1, y1, params.offset1, params.stride1, params.step1),
                         bilinear(x1, y1, params.offset2, params.stride2, params.step2));
#endif
#endif
}

void main()
{
    const uint x = gl_GlobalInvocationID.x * ACROSS, tile = gl_WorkGroupID.y, row = tile * DOWN;
    if (tile == 0 && gl_GlobalInvocationID.x < DECODE_COUNTERS)
        scratch[gl_GlobalInvocationID.x] = 0;
    const vec4 fill = vec4(params.fill_r, params.fill_g, params.fill_b, 0.0);
    vec4 value[ACROSS * DOWN];
    [[unroll]] for (int i = 0; i < ACROSS * DOWN; i++)
        value[i] = fill;
    if (row < params.resized_height) { // the same for the whole workgroup: columns without a picture go along
        filter_tile(min(x, params.resized_width - 1u), row);
        [[unroll]] for (int i = 0; i < ACROSS * DOWN; i++)
            value[i] = x + i % ACROSS < params.resized_width && row + i / ACROSS < params.resized_height ? normalised(components[i]) : fill;
    }
    if (x >= push.y_width)
        return;
    const uint at = push.y_first + x, rows = gl_NumWorkGroups.y * DOWN;
    [[unroll]] for (int i = 0; i < ACROSS * DOWN; i++)
        if (x + i % ACROSS < push.y_width && row + i / ACROSS < push.y_height)
            STORE(y, at + i % ACROSS + (row + i / ACROSS) * push.y_width, value[i]);
    for (uint below = rows + tile; below < push.y_height; below += gl_NumWorkGroups.y) {
        [[unroll]] for (int p = 0; p < ACROSS; p++)
            if (x + p < push.y_width)
                STORE(y, at + p + below * push.y_width, fill);
    }
}
