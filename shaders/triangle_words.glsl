// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The triangle filter by words, for preprocess: bytes are summed as they come. A byte of a word is always of the same component, because samples
// do not straddle words. Rows are summed first, then the words. COLUMNS words and ROWS rows are read at a time.
#include "triangle.glsl"

uint column[COLUMNS];
vec4 sums[COLUMNS * DOWN];  // of the rows, for each result
vec2 totals[ACROSS * DOWN]; // of a stream's two components

vec4 bytes_of(uint word)
{
    return vec4(int(word & 0xffu), int(word >> 8 & 0xffu), int(word >> 16 & 0xffu), int(word >> 24));
}

void sum_segment(int r)
{
    const vec2 segment = segment_of(r);
    for (float row = segment.x; row <= segment.y; row += ROWS) {
        [[unroll]] for (int i = 0; i < ROWS; i++) {
            const vec2 weight = row_weights(r, row + float(i), segment.y);
            const uint start = row_start(min(row + float(i), segment.y));
            [[unroll]] for (int w = 0; w < COLUMNS; w++) {
                const vec4 bytes = bytes_of(WORD(start + column[w]));
                if (r > 0)
                    sums[w * DOWN + max(r - 1, 0)] += weight.x * bytes;
                if (r < DOWN)
                    sums[w * DOWN + min(r, DOWN - 1)] += weight.y * bytes;
            }
        }
    }
}

// Adds byte i of a word at `at`, whose sample has `step_bytes` bytes, the last of each component being byte_a and byte_b.
void add_byte(int word, int i, float at, int step_bytes, int byte_a, int byte_b)
{
    const int byte = i & (step_bytes - 1);
    const bool low_a = WIDE && byte + 1 == byte_a, low_b = WIDE && byte + 1 == byte_b;
    const bool is_a = low_a || byte == byte_a, is_b = low_b || byte == byte_b;
    if (!is_a && !is_b)
        return;
    [[unroll]] for (int p = 0; p < ACROSS; p++) {
        const float weight = weight_at(h, p, at) * (low_a || low_b ? 1.0 / 256.0 : 1.0);
        [[unroll]] for (int r = 0; r < DOWN; r++) {
            if (is_a)
                totals[AT(r, p)].x += weight * sums[word * DOWN + r][i];
            if (is_b)
                totals[AT(r, p)].y += weight * sums[word * DOWN + r][i];
        }
    }
}

// Leaves what a stream gives in `totals`.
void triangle_of_words(uint offset, uint stride, int step_bytes, int byte_a, int byte_b, axis across, axis down, vec2 apart)
{
    first_word = offset >> 2;
    row_words = stride >> 2;
    const int to_word = step_bytes == 1 ? 2 : step_bytes == 2 ? 1 : 0; // samples of a word, as a shift
    const int first = clamp(across.first, 0, across.size - 1) >> to_word;
    h = places_of(across, apart.x, first << to_word);
    v = places_of(down, apart.y, down.first);
    const uint columns = columns_of(1u << to_word);
    [[unroll]] for (int i = 0; i < ACROSS * DOWN; i++)
        totals[i] = vec2(0);
    for (uint k = 0; k < columns; k += COLUMNS) {
        [[unroll]] for (uint w = 0; w < COLUMNS; w++)
            column[w] = min(uint(first) + k + w, row_words - 1u);
        [[unroll]] for (int i = 0; i < COLUMNS * DOWN; i++)
            sums[i] = vec4(0);
        EACH_SEGMENT(sum_segment);
        [[unroll]] for (int w = 0; w < COLUMNS; w++)
            [[unroll]] for (int i = 0; i < 4; i++)
                add_byte(w, i, float((int(k) + w << to_word) + (i << to_word >> 2)), step_bytes, byte_a, byte_b);
    }
    [[unroll]] for (int r = 0; r < DOWN; r++) {
        const float all = weights_of(v, r);
        [[unroll]] for (int p = 0; p < ACROSS; p++)
            totals[AT(r, p)] /= all * weights_of(h, p);
    }
}
