// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Where results lie in the picture, along one axis, for preprocess.

// From a whole number, which some drivers convert lane by lane.
int whole_of(float value)
{
    return floatBitsToInt(value + 12582912.0) - 0x4b400000;
}

// The first and the last tap, how far the position is past the first one's centre, and the taps' reach, along one axis of one component.
struct axis {
    int first, last; // taps, before clamping to the picture
    float centre;    // position in samples, relative to `first`
    float reach;     // half width of the triangle in samples
    int size;
};

// Sample position of result d: (d + 0.5) * size / resized - 0.5, in integers so that it is exact for large pictures (spec 7.5). Half-size
// components: sample i sits at picture position 2 i or, with a shift of 0.5, 2 i + 0.5.
axis axis_of(int d, int size, int resized, bool halved, float shift)
{
    const int numerator = (2 * d + 1) * size - resized, divisor = 2 * resized;
    int whole = whole_of(floor(float(numerator) / float(divisor))); // or one beside it
    const int rest = numerator - whole * divisor, carry = rest < 0 ? -1 : rest >= divisor ? 1 : 0;
    whole += carry;
    float part = float(rest - carry * divisor) / float(divisor);
    float scale = max(float(size) / float(resized), 1.0);
    axis a;
    a.size = size;
    if (halved) {
        const float position = (float(whole) + part - shift) * 0.5;
        whole = whole_of(floor(position));
        part = position - float(whole);
        scale = max(scale * 0.5, 1.0);
        a.size = (size + 1) / 2;
    }
#if BY_WORDS || BY_SAMPLES
    a.first = whole_of(floor(float(whole) + part - scale + 1.0));
    a.last = whole_of(ceil(float(whole) + part + scale - 1.0));
    a.centre = float(whole - a.first) + part;
    a.reach = scale;
#else
    a.first = whole;
    a.last = whole + 1;
    a.centre = part;
    a.reach = 1.0;
#endif
    return a;
}
