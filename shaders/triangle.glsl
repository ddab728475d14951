// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Places and weights of the triangle filter by words, for preprocess: it makes a tile of results from a picture that gets smaller. Weights outside
// the picture are left out and the rest normalised, as PIL does. A row is read once for the results above and below it: between the centres of
// two results, in a segment, weights fall for the upper and rise for the lower.
#include "axis.glsl"

#define AT(r, p) ((r) * ACROSS + (p))
// Calls, not a loop: drivers unroll no loop around loops, and sums that are indexed by variables live in memory.
#if DOWN == 4
#define EACH_SEGMENT(f) f(0), f(1), f(2), f(3), f(4)
#elif DOWN == 1
#define EACH_SEGMENT(f) f(0), f(1)
#endif

// Where the results of a tile lie along one axis of one component, in samples from `base`; low and high are the picture's first and last.
struct places {
    int base;
    float first, apart, reach, slope, low, high;
};

uint first_word, row_words; // of the plane
places h, v;

places places_of(axis a, float apart, int base)
{
    return places(base, float(a.first - base) + a.centre, apart, a.reach, 1.0 / a.reach, float(-base), float(a.size - 1 - base));
}

float place(places a, int i)
{
    return a.first + float(i) * a.apart;
}

// Sum of the weights of all samples for result i.
float weights_of(places a, int i)
{
    const float centre = place(a, i), middle = floor(centre);
    const float first = max(floor(centre - a.reach) + 1.0, a.low), last = min(ceil(centre + a.reach) - 1.0, a.high);
    const float rise = min(middle, last), fall = max(middle + 1.0, first);
    return max(rise - first + 1.0, 0.0) * (1.0 - (centre - 0.5 * (first + rise)) * a.slope) +
           max(last - fall + 1.0, 0.0) * (1.0 - (0.5 * (fall + last) - centre) * a.slope);
}

// Of the sample at `at` for result i.
float weight_at(places a, int i, float at)
{
    return max(0.0, min(1.0 - abs(at - place(a, i)) * a.slope, a.high + 1.0 - at));
}

// The rows of segment r, first and last: those above result r and below result r - 1, as far as they have weights.
vec2 segment_of(int r)
{
    const float above = place(v, r - 1), below = place(v, r);
    const float first = r < DOWN ? floor(below - v.reach) : floor(above), last = r > 0 ? ceil(above + v.reach) - 1.0 : floor(below);
    return vec2(max(min(first, r > 0 ? floor(above) : first) + 1.0, v.low), min(max(last, r < DOWN ? floor(below) : last), v.high));
}

// Weights of a row of segment r for the results above and below it.
vec2 row_weights(int r, float row, float last)
{
    const float above = place(v, r - 1), below = place(v, r);
    return vec2(row > above && row <= last ? max(0.0, 1.0 - (row - above) * v.slope) : 0.0,
                row <= min(below, last) ? max(0.0, 1.0 - (below - row) * v.slope) : 0.0);
}

uint row_start(float row)
{
    return first_word + uint(v.base + whole_of(row)) * row_words;
}

// Columns of `samples` samples each that a row of the tile can touch.
uint columns_of(uint samples)
{
    return (uint(ceil(2.0 * h.reach + float(ACROSS - 1) * h.apart)) + samples - 2) / samples + 1;
}
