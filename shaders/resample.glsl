// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Inputs of a weighted sum at the size of its output, for kernels that know each input's way only when they run or by a constant each.
// RESAMPLE_SPEC_SYMMETRIC, RESAMPLE_SPEC_ZERO: ids of the two constants here.
layout(constant_id = RESAMPLE_SPEC_SYMMETRIC) const bool SYMMETRIC = false; // pool padding before the first row: symmetric, else SAME
layout(constant_id = RESAMPLE_SPEC_ZERO) const bool ZERO = false;           // cells outside count as 0 in a pool, else not at all

ivec2 unpack_size(uint size)
{
    return ivec2(size >> 16, size & 0xffff); // width, height
}

ivec2 pool_from(ivec2 at, ivec2 size)
{
    const ivec2 total = max(((size + 1) / 2 - 1) * 2 + 3 - size, ivec2(0));
    return at * 2 - (SYMMETRIC ? ivec2(1) : total / 2);
}

// Half-pixel coordinates: first of two neighbours, second, weight of the second.
void bilinear(int at, int from, int to, out int a, out int b, out float t)
{
    const float position = max((float(at) + 0.5) * (float(from) / float(to)) - 0.5, 0.0);
    a = min(int(position), from - 1);
    b = min(a + 1, from - 1);
    t = position - float(a);
}

// One function a tensor, because buffers are not values in GLSL. start: of the channel block; at: output coordinates (x, y).
#define DEFINE_SAMPLE(sample_name, tensor)                                                                          \
    vec4 sample_name(uint resampling, int start, ivec2 at, ivec2 size, ivec2 y_size)                                \
    {                                                                                                               \
        if (resampling == RESAMPLING_NONE)                                                                          \
            return LOAD(tensor, start + at.y * size.x + at.x);                                                      \
        if (resampling == RESAMPLING_NEAREST) {                                                                     \
            const ivec2 from = at * size / y_size;                                                                  \
            return LOAD(tensor, start + from.y * size.x + from.x);                                                  \
        }                                                                                                           \
        if (resampling == RESAMPLING_BILINEAR) {                                                                    \
            ivec2 a, b;                                                                                             \
            vec2 t;                                                                                                 \
            bilinear(at.x, size.x, y_size.x, a.x, b.x, t.x);                                                        \
            bilinear(at.y, size.y, y_size.y, a.y, b.y, t.y);                                                        \
            const int top = start + a.y * size.x, low = start + b.y * size.x;                                       \
            const vec4 above = mix(LOAD(tensor, top + a.x), LOAD(tensor, top + b.x), t.x);                          \
            return mix(above, mix(LOAD(tensor, low + a.x), LOAD(tensor, low + b.x), t.x), t.y);                     \
        }                                                                                                           \
        const ivec2 from = pool_from(at, size);                                                                     \
        vec4 best = vec4(0);                                                                                        \
        for (int i = 0; i < 9; i++) {                                                                               \
            const ivec2 tap = from + ivec2(i % 3, i / 3), near = clamp(tap, ivec2(0), size - 1);                    \
            const vec4 v = ZERO && tap != near ? vec4(0) : LOAD(tensor, start + near.y * size.x + near.x);          \
            best = i > 0 ? max(best, v) : v;                                                                        \
        }                                                                                                           \
        return best;                                                                                                \
    }
