// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Vectors of a CPU, for drivers that run one subgroup of eight lanes as one vector and load uniform values once: eight loads of neighbours, each
// put into its lane, become one load of a vector, as the machine has it. After access.glsl, with ADDRESS=1.
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require

// Two values in storage precision, as a word.
#if HALF
#define PAIR uint
#define PACK_PAIR(v) packHalf2x16(v)
#define UNPACK_PAIR(w) unpackHalf2x16(w)
#else
#define PAIR uint64_t
#define PACK_PAIR(v) packUint2x32(floatBitsToUint(v))
#define UNPACK_PAIR(w) uintBitsToFloat(unpackUint2x32(w))
#endif
layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer floats { vec4 at[]; };
layout(buffer_reference, std430, buffer_reference_align = 8) readonly buffer stored { STORED at[]; };
layout(buffer_reference, std430, buffer_reference_align = 4) buffer stored_pair { PAIR value; };
#define ELEMENT_BYTES (HALF == 1 ? 8 : 16) // of a tensor: four channels of a pixel

// A lane gets one of eight values: by selects that are gone once the compiler has made one load of them.
float to_lanes(vec4 low, vec4 high)
{
    float own = low.x;
    [[unroll]] for (uint i = 1; i < 8; i++)
        own = gl_SubgroupInvocationID == i ? (i < 4 ? low[i % 4] : high[i % 4]) : own;
    return own;
}

// Eight neighbours of 32 bit.
float load_lanes(floats from, uint first)
{
    return to_lanes(from.at[first], from.at[first + 1]);
}

// The four channels of two pixels.
float load_pixels(stored from, uint first, uint second)
{
    return to_lanes(vec4(from.at[first]), vec4(from.at[second]));
}

// Two vectors, of two pixels each, as words of two channels: half the stores, which are made lane by lane. Word lane % 2 of pixel pair_pixel().
PAIR pair_of(float first, float second)
{
    const uint lane = gl_SubgroupInvocationID, from = (lane & 4) + (lane & 1) * 2;
    const vec2 a = vec2(subgroupShuffle(first, from), subgroupShuffle(first, from + 1));
    const vec2 b = vec2(subgroupShuffle(second, from), subgroupShuffle(second, from + 1));
    return PACK_PAIR(vec2((lane & 2) == 0 ? a.x : b.x, (lane & 2) == 0 ? a.y : b.y));
}

int pair_pixel()
{
    return int(gl_SubgroupInvocationID & 2) + int(gl_SubgroupInvocationID) / 4;
}
