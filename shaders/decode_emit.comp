// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The last stage of decode: the box of every listed pair (spec 6.4), into memory that the host reads. One invocation a pair on GPUs, a loop
// over pairs on CPUs, where an invocation without a pair costs as much as one with.
#version 450
#extension GL_GOOGLE_include_directive : require
#define INTERFACE_DECODE
#include "access.glsl"
#include "interface.h"

layout(local_size_x = DECODE_LOCAL) in;
layout(constant_id = DECODE_SPEC_LOOP) const uint LOOP = 0;
INPUT(2, boxes); // [A][pitch][4]: ty, tx, th, tw
layout(set = 0, binding = 3, std430) writeonly buffer Output {
    uint found, kept, unused[6];
    decode_record records[];
};
#include "decode.glsl"

// The exponential of a code is bounded, so that areas stay finite; what is not finite at all gives no box.
float grown(float code)
{
    return exp(code > 40.0 ? 40.0 : code);
}

void emit(uint i)
{
    const uint index = words[DECODE_LIST + 2 * i], anchor = index / push.classes;
    const uint pixel = anchor / push.anchors, shape = anchor - pixel * push.anchors;
    uint level = 0;
    for (uint l = 1; l < push.levels; l++)
        level += uint(pixel >= uint(params.level[l].x));
    const uint place = pixel - uint(params.level[level].x), width = uint(params.level[level].y);
    const vec2 cell = vec2(place % width, place / width);
    const vec2 centre = (cell + 0.5) * params.level[level].zw;
    const vec2 size = params.shape[shape].xy * params.level_scale[level].xy;
    const vec4 code = LOAD(boxes, push.window_first + shape * push.pitch + pixel);
    const uvec4 bits = floatBitsToUint(code) & 0x7fffffffu;
    const bool finite = all(lessThan(bits, uvec4(0x7f800000u)));
    const vec2 middle = code.yx * size + centre;
    const vec2 half_size = 0.5 * vec2(grown(code.w), grown(code.z)) * size;
    const float nan = uintBitsToFloat(0x7fc00000u);
    const vec4 box = finite ? vec4(middle - half_size, middle + half_size) : vec4(nan);
    records[i] = decode_record(box.x, box.y, box.z, box.w, logit_of(words[DECODE_LIST + 2 * i + 1]), anchor, index - anchor * push.classes, 0);
}

void main()
{
    const uint count = min(words[DECODE_FOUND], push.capacity);
    if (gl_GlobalInvocationID.x == 0) {
        found = words[DECODE_FOUND];
        kept = count;
    }
    if (LOOP != 0) {
        for (uint i = gl_GlobalInvocationID.x; i < count; i += gl_NumWorkGroups.x * DECODE_LOCAL)
            emit(i);
    } else if (gl_GlobalInvocationID.x < count) {
        emit(gl_GlobalInvocationID.x);
    }
}
