// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Half-float conversion.
#include "base/util.h"

#include <string.h>

uint16_t half_from_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t sign = (uint16_t)((bits >> 16) & 0x8000);
    uint32_t magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) {
        return sign | 0x7e00; // NaN
    }
    if (magnitude >= 0x477ff000) {
        return sign | 0x7c00; // 65520 and above round to infinity
    }
    if (magnitude < 0x38800000) { // below 2^-14: subnormal, in units of 2^-24
        if (magnitude < 0x33000000) {
            return sign;
        }
        int shift = 126 - (int)(magnitude >> 23);
        uint32_t mantissa = (magnitude & 0x7fffff) | 0x800000;
        uint32_t half = mantissa >> shift;
        uint32_t rest = mantissa & ((1u << shift) - 1);
        uint32_t middle = 1u << (shift - 1);
        half += rest > middle || (rest == middle && (half & 1));
        return sign | (uint16_t)half;
    }
    uint32_t half = (magnitude - 0x38000000) >> 13;
    uint32_t rest = magnitude & 0x1fff;
    half += rest > 0x1000 || (rest == 0x1000 && (half & 1));
    return sign | (uint16_t)half;
}

float float_from_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = (half >> 10) & 31;
    uint32_t mantissa = half & 0x3ff;
    float value;
    uint32_t bits;
    if (exponent == 0) {
        value = (float)mantissa * 0x1p-24f;
        memcpy(&bits, &value, sizeof bits);
        bits |= sign;
    } else if (exponent == 31) {
        bits = sign | 0x7f800000 | (mantissa << 13);
    } else {
        bits = sign | ((exponent + 112) << 23) | (mantissa << 13);
    }
    memcpy(&value, &bits, sizeof value);
    return value;
}
