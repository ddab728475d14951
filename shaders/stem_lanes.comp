// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The first convolution as stem.comp, in vectors of a CPU (lanes.glsl): a subgroup makes CHANNELS output channels of PIXELS pixels, with lanes and
// sums as in pointwise_lanes.comp.
//   -DCHANNELS=32 -DPIXELS=2
#version 450
#extension GL_GOOGLE_include_directive : require
#define ADDRESS 1
#define LANES 1
#define INTERFACE_STEM
#include "access.glsl"
#include "lanes.glsl"
#include "interface.h"
#include "activation.glsl"
#define GROUPS (CHANNELS / 16)
#define SUMS (GROUPS * PIXELS)
#define ROW_VECTORS (CHANNELS / 4) // of weights

layout(local_size_x_id = SPEC_LOCAL_SIZE) in;

float sum[2 * SUMS]; // [PIXELS][GROUPS][even, odd]
ivec2 from[PIXELS];  // first input

// Adds a line of taps. weights: [3 columns][R, G, B][CHANNELS]; zeros: what is outside
void add_line(floats weights, uint64_t zeros, int line)
{
    const ivec2 size = ivec2(push.x_width, push.x_height);
    [[unroll]] for (int t = 0; t < 3; t++) {
        vec4 v[PIXELS];
        [[unroll]] for (uint p = 0; p < PIXELS; p++) {
            const ivec2 at = from[p] + ivec2(t, line);
            const bool inside = at.x >= 0 && at.x < size.x && at.y >= 0 && at.y < size.y;
            const uint64_t element = packUint2x32(push.inputs) + uint64_t(push.x_first + at.y * size.x + at.x) * ELEMENT_BYTES;
            v[p] = vec4(stored(inside ? element : zeros).at[0]);
        }
        [[unroll]] for (uint c = 0; c < 3; c++) {
            [[unroll]] for (uint i = 0; i < 2 * GROUPS; i++) {
                const float weight = load_lanes(weights, ((line * 3 + t) * 3 + c) * ROW_VECTORS + i * 2);
                [[unroll]] for (uint p = 0; p < PIXELS; p++)
                    sum[p * 2 * GROUPS + i] += v[p][c] * weight;
            }
        }
    }
}

void main()
{
    const uint pixel = (gl_WorkGroupID.x * gl_NumSubgroups + gl_SubgroupID) * PIXELS;
    const uint lane = gl_SubgroupInvocationID, block = gl_WorkGroupID.y * (CHANNELS / 4);
    uint own[PIXELS]; // pixels past the end do the last one once more
    [[unroll]] for (uint p = 0; p < PIXELS; p++)
        own[p] = min(pixel + p, push.pixels - 1);
    [[unroll]] for (uint i = 0; i < 2 * SUMS; i++)
        sum[i] = 0;
    if (pixel < push.pixels) { // as in pointwise_lanes.comp
        const uint64_t zeros = packUint2x32(push.weights);
        const uint64_t table = zeros + 32 + uint64_t(gl_WorkGroupID.y) * (28 * CHANNELS * 4);
        floats weights = floats(table + CHANNELS * 4);
        [[unroll]] for (uint p = 0; p < PIXELS; p++) {
            const uint row = own[p] / push.y_width;
            from[p] = ivec2(own[p] - row * push.y_width, row) * 2 - ivec2(push.pad_x, push.pad_y);
            [[unroll]] for (uint i = 0; i < 2 * GROUPS; i++)
                sum[p * 2 * GROUPS + i] = load_lanes(floats(table), i * 2);
        }
        [[unroll]] for (int line = 0; line < 3; line++)
            add_line(weights, zeros, line);
    }
    [[unroll]] for (uint i = 0; i < 2 * SUMS; i += 4) {
        const vec4 result = activate(vec4(sum[i], sum[i + 1], sum[i + 2], sum[i + 3]));
        [[unroll]] for (uint c = 0; c < 4; c++)
            sum[i + c] = result[c];
    }
    const uint64_t y_pitch = uint64_t(push.y_pitch) * ELEMENT_BYTES;
    const uint64_t y_at = packUint2x32(push.inputs) + uint64_t(push.y_first) * ELEMENT_BYTES + (block + lane / 2) * y_pitch + lane % 2 * (ELEMENT_BYTES / 2);
    int stores[GROUPS]; // a bool that crosses blocks is packed and unpacked by LLVM
    [[unroll]] for (uint g = 0; g < GROUPS; g++)
        stores[g] = pixel < push.pixels && block + g * 4 + lane / 2 < push.blocks ? 1 : 0;
    [[unroll]] for (uint i = 0; i < SUMS; i++) {
        const uint g = i % GROUPS;
        if (stores[g] != 0)
            stored_pair(y_at + g * 4 * y_pitch + own[i / GROUPS] * ELEMENT_BYTES).value = PACK_PAIR(vec2(sum[2 * i], sum[2 * i + 1]));
    }
}
