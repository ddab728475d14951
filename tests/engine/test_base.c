// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Half floats against the compiler's own, and the checked arithmetic.
#include "base/util.h"

#include <math.h>
#include <string.h>

static uint16_t compiler_half(float value)
{
    _Float16 half = (_Float16)value;
    uint16_t bits;
    memcpy(&bits, &half, sizeof bits);
    return bits;
}

static void check(float value)
{
    uint16_t wanted = compiler_half(value);
    uint16_t got = half_from_float(value);
    if (isnan(value)) {
        g_assert_true((got & 0x7c00) == 0x7c00 && (got & 0x3ff) != 0);
    } else if (got != wanted) {
        g_test_message("%a: got 0x%04x, wanted 0x%04x", (double)value, got, wanted);
        g_assert_cmphex(got, ==, wanted);
    }
}

static void test_half(void)
{
    for (uint32_t bits = 0; bits <= 0xffff; bits++) {
        float value = float_from_half((uint16_t)bits);
        _Float16 half;
        uint16_t pattern = (uint16_t)bits;
        memcpy(&half, &pattern, sizeof half);
        g_assert_true(value == (float)half || (isnan(value) && isnan((float)half)));
        if (!isnan(value)) {
            g_assert_cmphex(half_from_float(value), ==, bits);
            check(nextafterf(value, INFINITY));
            check(nextafterf(value, -INFINITY));
            check(value * 1.00048828125f); // half way to the next one
        }
    }
    check(65519.99f);
    check(65520.0f);
    check(1e30f);
    check(-1e-30f);
    check(NAN);
    check(-INFINITY);
}

static void test_checked(void)
{
    uint64_t out;
    g_assert_true(checked_mul(UINT32_MAX, UINT32_MAX, &out));
    g_assert_false(checked_mul(UINT64_MAX, 2, &out));
    g_assert_false(checked_add(UINT64_MAX, 1, &out));
    g_assert_cmpuint(align_up(1, 256), ==, 256);
    g_assert_cmpuint(align_up(256, 256), ==, 256);
    g_assert_cmpint(ceil_div(7, 4), ==, 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/half", test_half);
    g_test_add_func("/base/checked", test_checked);
    return g_test_run();
}
