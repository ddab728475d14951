// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The triangle filter sample by sample, for preprocess: of components that share samples. Weights outside the picture are left out and the rest
// normalised, as PIL does. To 8 bit in PIL's own arithmetic (spec 7.5): weights in units of 2^-22, and each row is rounded before the column.
// One result, for other sums of weights than tap by tap round some of its bytes differently. ROWS rows are read at a time.
#include "axis.glsl"

float weight_at(axis a, int i)
{
    return max(0.0, 1.0 - abs(float(i - a.first) - a.centre) / a.reach);
}

uint units_of(float weight)
{
    return uint(whole_of(floor(weight * 4194304.0 + 0.5)));
}

vec3 triangle_of_samples(axis h, axis v)
{
    const uint first_word = params.offset0 >> 2, row_words = params.stride0 >> 2, columns = uint(ceil(2.0 * h.reach)) + 1u;
    const uvec3 shift_of = 8u * uvec3(BYTE_Y, BYTE_U, BYTE_V);
    const int left = max(h.first, 0), right = min(h.last, h.size - 1), top = max(v.first, 0), bottom = min(v.last, v.size - 1);
    float across = 0.0, down = 0.0;
    for (int column = left; column <= right; column++)
        across += weight_at(h, column);
    for (int row = top; row <= bottom; row++)
        down += weight_at(v, row);
    uvec3 units = uvec3(1u << 21);
    vec3 sum = vec3(0);
    for (int row = top; row <= bottom; row += ROWS) {
        uvec3 line_units[ROWS];
        vec3 line[ROWS];
        [[unroll]] for (int i = 0; i < ROWS; i++) {
            line_units[i] = uvec3(1u << 21);
            line[i] = vec3(0);
        }
        for (uint k = 0; k < columns; k++) {
            const int column = min(left + int(k), right);
            const float weight = left + int(k) <= right ? weight_at(h, column) / across : 0.0;
            const uint address = uint(column) * STEP_Y, shift = 8 * (address & 3u);
            [[unroll]] for (int i = 0; i < ROWS; i++) {
                const uint word = first_word + uint(min(row + i, bottom)) * row_words + (address >> 2);
                uint bits = WORD(word) >> shift;
                if (STEP_Y == 3)
                    bits |= WORD(word + uint(shift > 8u)) << 1 << (31u - shift);
                const uvec3 value = uvec3(bits) >> shift_of & 0xffu;
                if (ROUND_TO_U8)
                    line_units[i] += units_of(weight) * value;
                else
                    line[i] += weight * vec3(ivec3(value));
            }
        }
        [[unroll]] for (int i = 0; i < ROWS; i++) {
            const float weight = row + i <= bottom ? weight_at(v, row + i) / down : 0.0;
            units += units_of(weight) * min(line_units[i] >> 22, uvec3(255));
            sum += weight * line[i];
        }
    }
    return ROUND_TO_U8 ? vec3(ivec3(units >> 22)) : sum;
}
