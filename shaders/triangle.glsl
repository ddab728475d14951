// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The triangle filter of pictures that are made smaller, for preprocess: by words where bytes of different samples can be summed as they
// come, tap by tap where components share samples. Weights outside the picture are left out and the rest normalised, as PIL does.

float weight_at(axis a, int i)
{
    return max(0.0, 1.0 - abs(float(i - a.first) - a.centre) / a.reach);
}

vec4 bytes_of(uint word)
{
    return vec4(int(word & 0xffu), int(word >> 8 & 0xffu), int(word >> 16 & 0xffu), int(word >> 24));
}

// Of each byte of a word, in samples of its component; `at` is where they lie.
vec4 weights_at(vec4 at, axis a, float slope)
{
    return mix(vec4(0), max(1.0 - abs(at - (float(a.first) + a.centre)) * slope, 0.0), lessThan(at, vec4(float(a.size) - 0.5)));
}

vec3 components_of(vec4 total, uvec4 byte_of, uvec4 last_byte)
{
    if (params.wide != 0)
        total.yw += total.xz / 256.0;
    return vec3(dot(total, vec4(equal(byte_of, last_byte.xxxx))), dot(total, vec4(equal(byte_of, last_byte.yyyy))),
                dot(total, vec4(equal(byte_of, last_byte.zzzz))));
}

// What a stream adds to the components of two pixels side by side, which share most of their taps. A window of words holds every tap of a row. Rows are summed first, byte by byte, then the words: a
// byte of a word is always of the same component, because samples do not straddle words.
void triangle(uint s, axis h, axis h_beside, axis v, inout vec3 c, inout vec3 c_beside)
{
    const uvec4 stream = params.stream[s], last_byte = params.stream_bytes[s];
    const uint first = uint(clamp(h.first, 0, h.size - 1)) * stream.z >> 2;
    const int top = max(v.first, 0), bottom = min(v.last, v.size - 1);
    const float per_byte = 1.0 / float(int(stream.z)), slope_x = 1.0 / h.reach, slope_y = 1.0 / v.reach;
    const float centre_y = float(v.first - top) + v.centre;
    const vec4 sample_of = floor(vec4(0.5, 1.5, 2.5, 3.5) * per_byte); // of each byte of a word
    const uvec4 byte_of = uvec4(0, 1, 2, 3) & (stream.z - 1u);
    vec4 across = vec4(0), total = vec4(0), across_beside = vec4(0), total_beside = vec4(0);
    float down = 0.0;
    for (uint k = 0; k < stream.w; k += PREPROCESS_WORDS) {
        vec4 sums[PREPROCESS_WORDS];
        [[unroll]] for (uint j = 0; j < PREPROCESS_WORDS; j++)
            sums[j] = vec4(0);
        down = 0.0;
        for (int row = top; row <= bottom; row += PREPROCESS_ROWS) {
            float weight[PREPROCESS_ROWS];
            uint start[PREPROCESS_ROWS];
            [[unroll]] for (int i = 0; i < PREPROCESS_ROWS; i++) {
                weight[i] = row + i <= bottom ? max(0.0, 1.0 - abs(float(row + i - top) - centre_y) * slope_y) : 0.0;
                start[i] = stream.x + uint(min(row + i, bottom)) * stream.y;
                down += weight[i];
            }
            [[unroll]] for (uint j = 0; j < PREPROCESS_WORDS; j++) {
                const uint column = min(first + k + j, stream.y - 1u);
                [[unroll]] for (int i = 0; i < PREPROCESS_ROWS; i++)
                    sums[j] += weight[i] * bytes_of(WORD(start[i] + column));
            }
        }
        [[unroll]] for (uint j = 0; j < PREPROCESS_WORDS; j++) {
            const vec4 at = sample_of + float(int(first + k + j)) * 4.0 * per_byte;
            const vec4 weight_x = weights_at(at, h, slope_x), weight_beside = weights_at(at, h_beside, slope_x);
            across += weight_x;
            total += weight_x * sums[j];
            across_beside += weight_beside;
            total_beside += weight_beside * sums[j];
        }
    }
    const vec4 counted = vec4(equal(byte_of, last_byte.wwww)) * down;
    c += components_of(total, byte_of, last_byte) / dot(across, counted);
    c_beside += components_of(total_beside, byte_of, last_byte) / dot(across_beside, counted);
}

uint units_of(float weight)
{
    return uint(whole_of(floor(weight * 4194304.0 + 0.5)));
}

// All components of a sample at once. To 8 bit in PIL's own arithmetic (spec 7.5): weights in units of 2^-22, and each row is rounded before
// the column.
vec3 triangle_of_samples(axis h, axis v)
{
    const uvec4 stream = params.stream[0], shift_of = 8 * params.stream_bytes[0];
    const int left = max(h.first, 0), right = min(h.last, h.size - 1), top = max(v.first, 0), bottom = min(v.last, v.size - 1);
    float across = 0.0, down = 0.0;
    for (int column = left; column <= right; column++)
        across += weight_at(h, column);
    for (int row = top; row <= bottom; row++)
        down += weight_at(v, row);
    uvec3 units = uvec3(1u << 21);
    vec3 sum = vec3(0);
    for (int row = top; row <= bottom; row += PREPROCESS_ROWS) {
        uvec3 line_units[PREPROCESS_ROWS];
        vec3 line[PREPROCESS_ROWS];
        [[unroll]] for (int i = 0; i < PREPROCESS_ROWS; i++) {
            line_units[i] = uvec3(1u << 21);
            line[i] = vec3(0);
        }
        for (uint k = 0; k < params.columns; k++) {
            const int column = min(left + int(k), right);
            const float weight = left + int(k) <= right ? weight_at(h, column) / across : 0.0;
            const uint address = uint(column) * stream.z, shift = 8 * (address & 3u);
            [[unroll]] for (int i = 0; i < PREPROCESS_ROWS; i++) {
                const uint word = stream.x + uint(min(row + i, bottom)) * stream.y + (address >> 2);
                uint bits = WORD(word) >> shift;
                if (stream.z == 3u)
                    bits |= WORD(word + uint(shift > 8u)) << 1 << (31u - shift);
                const uvec3 value = uvec3(bits) >> shift_of.xyz & 0xffu;
                if (ROUND_TO_U8)
                    line_units[i] += units_of(weight) * value;
                else
                    line[i] += weight * vec3(ivec3(value));
            }
        }
        [[unroll]] for (int i = 0; i < PREPROCESS_ROWS; i++) {
            const float weight = row + i <= bottom ? weight_at(v, row + i) / down : 0.0;
            units += units_of(weight) * min(line_units[i] >> 22, uvec3(255));
            sum += weight * line[i];
        }
    }
    return ROUND_TO_U8 ? vec3(ivec3(units >> 22)) : sum;
}
