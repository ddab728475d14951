// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Cells of a weighted sum in vectors of a CPU (lanes.glsl): two pixels of four channels. Vectors of a line begin in odd columns of its tile, -1 the
// first. Not for bilinear inputs.
//   -DROWS=4 -DCOLS=8    of the tile's results
#define INTERFACE_SUMS
#include "access.glsl"
#include "lanes.glsl"
#include "interface.h"
#include "activation.glsl"
#define RESAMPLE_SPEC_SYMMETRIC SUMS_SPEC_SYMMETRIC
#define RESAMPLE_SPEC_ZERO SUMS_SPEC_ZERO
#include "resample.glsl"
#define VECTORS (COLS / 2)      // of a row's results
#define CELLS (VECTORS + 1)     // vectors of a line
#define POOLED (2 * CELLS + 1)  // vectors of a line of the input of a pool

layout(local_size_x_id = SPEC_LOCAL_SIZE) in;
layout(constant_id = SUMS_SPEC_INPUT_ACTIVATION) const uint INPUT_ACTIVATION = ACTIVATION_NONE;
layout(constant_id = SUMS_SPEC_RESAMPLE + 0) const uint RESAMPLE_0 = RESAMPLING_NONE;
layout(constant_id = SUMS_SPEC_RESAMPLE + 1) const uint RESAMPLE_1 = RESAMPLING_ABSENT;
layout(constant_id = SUMS_SPEC_RESAMPLE + 2) const uint RESAMPLE_2 = RESAMPLING_ABSENT;
layout(constant_id = SUMS_SPEC_RESAMPLE + 3) const uint RESAMPLE_3 = RESAMPLING_ABSENT;

ivec2 y_size, to;    // width, height; first result of the tile
int inside[CELLS];   // bit masks: whether a pixel is in the line
float cells[CELLS];

uint resampling_of(uint n)
{
    return n == 0 ? RESAMPLE_0 : n == 1 ? RESAMPLE_1 : n == 2 ? RESAMPLE_2 : RESAMPLE_3;
}

stored at_element(int element)
{
    return stored(packUint2x32(push.inputs) + uint64_t(element) * ELEMENT_BYTES);
}

float swapped(float pixels)
{
    return subgroupShuffle(pixels, gl_SubgroupInvocationID ^ 4);
}

// A line of cells from an input of 3x3 pixels each.
void pool(int start, ivec2 size, int line, out float v[CELLS])
{
    const int lane = int(gl_SubgroupInvocationID);
    const ivec2 from = pool_from(ivec2(to.x - 1, line), size);
    float column[POOLED]; // largest of three lines
    [[unroll]] for (int t = 0; t < 3; t++) {
        const int row = clamp(from.y + t, 0, size.y - 1);
        stored x = at_element(start + row * size.x + from.x);
        [[unroll]] for (int k = 0; k < POOLED; k++) {
            float q = load_pixels(x, 2 * k, 2 * k + 1);
            if (ZERO)
                q = row == from.y + t ? q : 0;
            column[k] = t > 0 ? max(q, column[k]) : q;
        }
    }
    [[unroll]] for (int k = 0; k < POOLED; k++) {
        const int at = from.x + 2 * k + lane / 4;
        column[k] = at >= 0 && at < size.x ? column[k] : ZERO ? 0 : uintBitsToFloat(0xff800000u);
    }
    [[unroll]] for (int j = 0; j < CELLS; j++) {
        const float a = column[2 * j], b = column[2 * j + 1], c = column[2 * j + 2];
        const float low = swapped(a), middle = swapped(b), high = swapped(c);
        v[j] = max(max(lane < 4 ? a : middle, lane < 4 ? low : b), lane < 4 ? b : high);
    }
}

// Adds an input to a line of cells.
void add(uint n, int line)
{
    const uint resampling = resampling_of(n);
    if (resampling == RESAMPLING_ABSENT)
        return;
    const ivec2 size = unpack_size(push.x_size[n]);
    const int start = int(push.x_first[n] + gl_WorkGroupID.y * push.x_pitch[n]);
    float v[CELLS];
    if (resampling == RESAMPLING_NONE) {
        stored x = at_element(start + line * size.x + to.x - 1);
        [[unroll]] for (int j = 0; j < CELLS; j++)
            v[j] = load_pixels(x, 2 * j, 2 * j + 1);
    } else if (resampling == RESAMPLING_NEAREST) {
        stored x = at_element(start + line * size.y / y_size.y * size.x);
        [[unroll]] for (int j = 0; j < CELLS; j++) {
            const int first = clamp(to.x + 2 * j - 1, 0, y_size.x - 1), second = min(to.x + 2 * j, y_size.x - 1);
            v[j] = load_pixels(x, first * size.x / y_size.x, second * size.x / y_size.x);
        }
    } else {
        pool(start, size, line, v);
    }
    [[unroll]] for (int j = 0; j < CELLS; j++)
        cells[j] = n > 0 ? cells[j] + push.factor[n] * v[j] : push.factor[n] * v[j];
}

// Cells of the line `at`, 0 outside.
void find_cells(int at, out float line[CELLS])
{
    [[unroll]] for (uint n = 0; n < NODE_INPUTS; n++)
        add(n, clamp(at, 0, y_size.y - 1));
    const int line_inside = at >= 0 && at < y_size.y ? -1 : 0;
    [[unroll]] for (int j = 0; j < CELLS; j += 4) { // four at a time, that constants are loaded once for them
        const vec4 result = activate_as(INPUT_ACTIVATION, vec4(cells[j], cells[min(j + 1, CELLS - 1)], cells[min(j + 2, CELLS - 1)],
                                                               cells[min(j + 3, CELLS - 1)]));
        [[unroll]] for (int i = 0; i < min(CELLS - j, 4); i++)
            line[j + i] = intBitsToFloat(floatBitsToInt(result[i]) & inside[j + i] & line_inside);
    }
}
