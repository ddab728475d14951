// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// 1x1 convolution in vectors of a CPU (lanes.glsl). A subgroup makes CHANNELS output channels of PIXELS pixels; its eight lanes run along channels,
// so that a weight is a vector in memory and an input one value for all lanes. Of sixteen channels one sum has the even ones and one the odd
// ones: a lane has two neighbours, which it stores as one word.
//   -DCHANNELS=16 -DPIXELS=6    tile of a subgroup
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#define ADDRESS 1
#define LANES 1
#include "pointwise.glsl"
#define GROUPS (CHANNELS / 16)
#define SUMS (GROUPS * PIXELS)

layout(constant_id = POINTWISE_SPEC_TAIL) const uint TAIL = 0; // input blocks before the trips
layout(constant_id = POINTWISE_SPEC_LOOP) const bool LOOP = true; // there are trips
layout(constant_id = POINTWISE_SPEC_TRIP) const uint TRIP = 8; // input blocks of one

float sum[2 * SUMS];   // [PIXELS][GROUPS][even, odd]
uint64_t x_at[PIXELS]; // addresses of the pixels in the first input block

// Adds what `count` input blocks from k give. The weights of a row follow its table.
void add(uint64_t weights, uint k, uint count)
{
    const uint64_t pitch = uint64_t(push.x_pitch) * ELEMENT_BYTES;
    floats w = floats(weights + k * (CHANNELS * 16));
    floats factor = floats(packUint2x32(push.inputs) + uint64_t(push.factors_first + k) * 16);
    uint64_t to_block = k * pitch;
    [[unroll]] for (uint u = 0; u < count; u++) {
        vec4 v[PIXELS];
        [[unroll]] for (uint p = 0; p < PIXELS; p++)
            v[p] = vec4(stored(x_at[p] + to_block).at[0]);
        const vec4 f = INPUT_SCALE ? factor.at[u] : vec4(1); // of the weights, which are fewer here than inputs
        [[unroll]] for (uint i = 0; i < 4; i++) {
            [[unroll]] for (uint g = 0; g < GROUPS; g++) {
                const uint at = ((u * 4 + i) * CHANNELS + g * 16) / 4;
                const vec2 weight = vec2(load_lanes(w, at), load_lanes(w, at + 2)) * f[i];
                [[unroll]] for (uint p = 0; p < PIXELS; p++) {
                    sum[2 * (p * GROUPS + g)] += v[p][i] * weight.x;
                    sum[2 * (p * GROUPS + g) + 1] += v[p][i] * weight.y;
                }
            }
        }
        to_block += pitch;
    }
}

// Residual of the even or odd channels of a group.
float residual_of(uint pixel, uint block, uint end, uint is_odd)
{
    vec2 value[4];
    [[unroll]] for (uint b = 0; b < 4; b++) { // a tile may reach past the end
        const uint at = push.residual_first + min(block + b, end - 1) * push.residual_pitch + pixel;
        const vec4 all = vec4(stored(packUint2x32(push.inputs) + uint64_t(at) * ELEMENT_BYTES).at[0]);
        value[b] = vec2(all[is_odd], all[2 + is_odd]);
    }
    return to_lanes(vec4(value[0], value[1]), vec4(value[2], value[3]));
}

// What finish() of pointwise.glsl does, for all sums. table: of the row, [LEVELS][bias, and scale if LEVELS > 1][CHANNELS]
void finish_sums(floats table, uint pixel, uint block, uint end, bool live)
{
    const uint lane = gl_SubgroupInvocationID;
    const uint64_t y_pitch = uint64_t(push.y_pitch) * ELEMENT_BYTES;
    const uint64_t y_at = packUint2x32(push.inputs) + uint64_t(push.y_first) * ELEMENT_BYTES + (block + lane / 2) * y_pitch + lane % 2 * (ELEMENT_BYTES / 2);
    uint own[PIXELS]; // pixels past the end do the last one once more
    [[unroll]] for (uint p = 0; p < PIXELS; p++)
        own[p] = min(pixel + p, push.pixels - 1);
    int stores[GROUPS]; // a bool that crosses blocks is packed and unpacked by LLVM
    [[unroll]] for (uint g = 0; g < GROUPS; g++)
        stores[g] = live && block + g * 4 + lane / 2 < end ? 1 : 0;
    [[unroll]] for (uint i = 0; i < SUMS; i++) {
        const uint p = i / GROUPS, g = i % GROUPS;
        const uint entry = ((LEVELS > 1 ? level_of(own[p]) * 2 * CHANNELS : 0) + g * 16) / 4;
        vec2 result = vec2(sum[2 * i], sum[2 * i + 1]);
        if (ACCUMULATE && stores[g] != 0) // beyond the end is other memory
            result += UNPACK_PAIR(stored_pair(y_at + g * 4 * y_pitch + own[p] * ELEMENT_BYTES).value);
        if (FINISH && LEVELS > 1)
            result *= vec2(load_lanes(table, entry + CHANNELS / 4), load_lanes(table, entry + CHANNELS / 4 + 2));
        if (FINISH)
            result += vec2(load_lanes(table, entry), load_lanes(table, entry + 2));
        sum[2 * i] = result.x;
        sum[2 * i + 1] = result.y;
    }
    if (FINISH) {
        [[unroll]] for (uint i = 0; i < 2 * SUMS; i += 4) {
            const vec4 result = activate(vec4(sum[i], sum[i + 1], sum[i + 2], sum[i + 3]));
            [[unroll]] for (uint c = 0; c < 4; c++)
                sum[i + c] = result[c];
        }
    }
    if (FINISH && push.residual_pitch != 0) { // not by a constant: pipelines are what a start with full caches waits for
        [[unroll]] for (uint i = 0; i < SUMS; i++) {
            sum[2 * i] += residual_of(own[i / GROUPS], block + i % GROUPS * 4, end, 0);
            sum[2 * i + 1] += residual_of(own[i / GROUPS], block + i % GROUPS * 4, end, 1);
        }
    }
    [[unroll]] for (uint i = 0; MAXIMA && FINISH && i < SUMS; i++)
        note_result(vec2(sum[2 * i], sum[2 * i + 1]).xyxy);
    [[unroll]] for (uint i = 0; i < SUMS; i++) {
        const uint p = i / GROUPS, g = i % GROUPS;
        if (stores[g] != 0)
            stored_pair(y_at + g * 4 * y_pitch + own[p] * ELEMENT_BYTES).value = PACK_PAIR(vec2(sum[2 * i], sum[2 * i + 1]));
    }
}

void main()
{
    const uint subgroup = group_across() * gl_NumSubgroups + gl_SubgroupID;
    const uint pixel = subgroup * PIXELS;
    start_results();
    const uint part = gl_WorkGroupID.y / push.part_tiles;
    const uint block = part * push.part_blocks + (gl_WorkGroupID.y - part * push.part_tiles) * (CHANNELS / 4);
    // a tile does not reach into the next part
    const uint end = (part + 1) * push.part_tiles < gl_NumWorkGroups.y ? (part + 1) * push.part_blocks : push.blocks;
    const uint entries = LEVELS * (LEVELS > 1 ? 2 : 1);
    const uint first = gl_WorkGroupID.y * (entries + push.k_count * 4);
    const uint64_t table = packUint2x32(push.weights) + uint64_t(first) * (CHANNELS * 4);
    [[unroll]] for (uint i = 0; i < 2 * SUMS; i++)
        sum[i] = 0;
    // In a branch of their own: else LLVM moves additions to the stores of their sums, and leaves the products on the stack.
    if (pixel < push.pixels) {
        const uint64_t weights = packUint2x32(push.weights) + uint64_t(first + entries) * (CHANNELS * 4);
        [[unroll]] for (uint p = 0; p < PIXELS; p++) {
            const uint own = min(pixel + p, push.pixels - 1);
            x_at[p] = packUint2x32(push.inputs) + uint64_t(push.x_first + part * push.part_x + own) * ELEMENT_BYTES;
        }
        if (TAIL > 0)
            add(weights, 0, TAIL);
        for (uint k = TAIL; LOOP;) {
            add(weights, k, TRIP);
            k += TRIP;
            if (k >= push.k_count)
                break;
        }
    }
    finish_sums(floats(table), pixel, block, end, pixel < push.pixels);
    // of the whole tile: lanes are not apart for decode
    if (MAXIMA) {
        largest = subgroupMax(largest);
        if (pixel >= push.pixels) // what was added up are no results
            start_results();
        if (gl_SubgroupInvocationID == 0)
            leave_maximum(gl_WorkGroupID.y, subgroup, groups_across() * gl_NumSubgroups);
    }
}
