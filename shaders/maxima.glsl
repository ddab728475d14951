// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The largest of an invocation's results, for decode (see decode_maxima.comp): as an integer of the same order, so that no compiler's idea of
// NaN matters. A NaN may count as larger than everything, and hides nothing.
int largest;

void start_results()
{
    largest = int(0x80000000u);
}

int ordered(float result)
{
    const int bits = floatBitsToInt(result);
    return bits ^ int(uint(bits >> 31) >> 1);
}

void note_result(vec4 result)
{
    largest = max(max(max(largest, ordered(result.x)), max(ordered(result.y), ordered(result.z))), ordered(result.w));
}

// The key of the largest, as in decode.glsl.
uint largest_key()
{
    return uint(largest) ^ 0x80000000u;
}
