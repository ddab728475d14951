// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Small helpers that GLib lacks: checked arithmetic, alignment, half floats.
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define WARN_UNUSED __attribute__((warn_unused_result))

// *out = a * b; false on overflow.
static inline bool WARN_UNUSED checked_mul(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

static inline bool WARN_UNUSED checked_add(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

// alignment: a power of two.
static inline uint64_t align_up(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

static inline int ceil_div(int a, int b)
{
    return (a + b - 1) / b;
}

// IEEE 754 binary16, round to nearest even; overflow gives infinity.
uint16_t half_from_float(float value);
float float_from_half(uint16_t half);
