// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Squeeze-excite as in squeeze.comp, by a single vector of a CPU (lanes.glsl): its lanes are two partial sums of four channels, then eight units,
// then eight channels. What a layer leaves in shared memory is one value for all lanes in the next. Loops end with their tests: of a loop that
// begins with it, all lanes do the last trip once more, and read what is not there.
#version 450
#extension GL_GOOGLE_include_directive : require
#define ADDRESS 1
#define LANES 1
#define INTERFACE_SQUEEZE_LANES
#include "access.glsl"
#include "lanes.glsl"
#include "interface.h"
#include "activation.glsl"
#define TRIP SQUEEZE_LANES_TRIP
#define VECTORS 16 // of partial sums in a trip

layout(local_size_x_id = SPEC_LOCAL_SIZE) in;

shared vec4 means[SQUEEZE_LANES_MEANS / 4]; // of four at a time the bounds are checked once
shared vec4 hidden[SQUEEZE_LANES_HIDDEN / 4];

layout(buffer_reference, std430, buffer_reference_align = 4) writeonly buffer number { float value; };

uint lane, part; // of the vector, and which of its halves

// One vector runs in order; a barrier of control would make coroutines of the program.
void wait()
{
    subgroupMemoryBarrierShared();
}

// Mesa turns constants that it first meets in a loop into variables of those after it: those of vectors it meets here.
void meet_constants()
{
    lane = gl_SubgroupInvocationID;
    part = gl_SubgroupInvocationID / 4;
    float any = 0;
    [[unroll]] for (uint i = 0; i < TRIP; i++)
        any += load_lanes(floats(packUint2x32(push.weights)), 2 * i);
    means[part][lane % 4] = any; // another takes its place
    wait();
}

// Sums of four channels, of every other of up to 32 partial sums in each half of the lanes. The last 16 may begin elsewhere.
float sum_of(uint64_t at, uint64_t second, int left)
{
    float sum[4] = float[4](0, 0, 0, 0);
    [[unroll]] for (int v = 0; v < VECTORS; v++) {
        const float value = load_lanes(floats(v < VECTORS / 2 ? at : second), 2 * v % VECTORS);
        sum[v % 4] += left > 2 * v ? value : 0;
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// Two blocks at a time, the last one perhaps twice.
void find_means()
{
    [[unroll]] for (uint i = 0; i < TRIP; i += 8) // those past the last channel count nothing, but are read
        means[((push.trips - 1) * TRIP + i) / 4 + part][lane % 4] = 0;
    wait();
    for (uint block = 0;;) {
        const uint64_t from = packUint2x32(push.inputs) + uint64_t(push.partial_first + block * push.partial_pitch) * 16;
        const uint64_t next = block + 1 < push.blocks ? uint64_t(push.partial_pitch) * 16 : 0;
        vec2 sum = vec2(0);
        for (uint first = 0;;) {
            const int left = int(push.partials - first) - int(part);
            const uint64_t at = from + first * 16;
            const uint64_t second = at + (first + VECTORS < push.partials ? 16 * VECTORS : 0); // not further past the end than there is memory
            sum.x += sum_of(at, second, left);
            sum.y += sum_of(at + next, second + next, left);
            first += 2 * VECTORS;
            if (first >= push.partials)
                break;
        }
        const float own = part == 0 ? sum.x : sum.y, other = part == 0 ? sum.y : sum.x;
        means[block + part][lane % 4] = (own + subgroupShuffle(other, lane ^ 4)) * push.inverse_pixels;
        block += 2;
        if (block >= push.blocks)
            break;
    }
    wait();
}

void find_hidden()
{
    const uint rows = 1 + push.trips * TRIP;
    for (uint unit = 0;;) {
        const uint64_t weights = packUint2x32(push.weights) + uint64_t(unit * rows) * 4;
        vec4 sum = vec4(load_lanes(floats(weights), 0), 0, 0, 0);
        for (uint trip = 0;;) {
            floats row = floats(weights + 32 + trip * (TRIP * 32));
            [[unroll]] for (uint i = 0; i < TRIP; i += 4) {
                const vec4 mean = means[trip * (TRIP / 4) + i / 4];
                [[unroll]] for (uint c = 0; c < 4; c++)
                    sum[c] += mean[c] * load_lanes(row, 2 * (i + c));
            }
            trip++;
            if (trip >= push.trips)
                break;
        }
        hidden[unit / 4 + part][lane % 4] = activate(vec4((sum.x + sum.y) + (sum.z + sum.w))).x;
        unit += 8;
        if (unit >= push.hidden)
            break;
    }
    wait();
}

void find_factors()
{
    const uint eights = (push.hidden + 7) / 8; // of units
    const uint64_t expand = packUint2x32(push.weights) + uint64_t(eights * (1 + push.trips * TRIP)) * 32;
    for (uint trip = 0;;) {
        const uint64_t weights = expand + uint64_t(trip * (1 + eights * 8)) * (TRIP * 4);
        vec4 sum; // [TRIP / 8]
        [[unroll]] for (uint i = 0; i < 4; i++)
            sum[i] = load_lanes(floats(weights), 2 * i);
        for (uint unit = 0;;) {
            floats row = floats(weights + TRIP * 4 + unit * (8 * TRIP * 4));
            const vec4 low = hidden[2 * unit], high = hidden[2 * unit + 1];
            [[unroll]] for (uint u = 0; u < 8; u++) {
                [[unroll]] for (uint i = 0; i < 4; i++)
                    sum[i] += (u < 4 ? low[u % 4] : high[u % 4]) * load_lanes(row, TRIP / 4 * u + 2 * i);
            }
            unit++;
            if (unit >= eights)
                break;
        }
        sum = 1.0 / (1.0 + exp(-sum));
        const uint block = trip * (TRIP / 4) + part;
        const uint64_t y = packUint2x32(push.inputs) + uint64_t(push.y_first + block * push.y_pitch) * 16 + lane % 4 * 4;
        [[unroll]] for (uint i = 0; i < 4; i++) {
            if (block + 2 * i < push.blocks)
                number(y + uint64_t(2 * i * push.y_pitch) * 16).value = sum[i];
        }
        trip++;
        if (trip >= push.trips)
            break;
    }
}

void main()
{
    meet_constants();
    find_means();
    find_hidden();
    find_factors();
}
