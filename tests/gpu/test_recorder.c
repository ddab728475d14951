// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Recording: values, number of derived barriers (read after write, write after read, write after
// write, across kinds of command), indirect dispatch, fills and copies, forms of binding.
#include "recorder_setup.h"

#include <string.h>

static void test_barriers(void)
{
    struct setup s;
    if (!setup_init(&s, 4, 0)) { // more are recorded than announced: the pools grow
        return;
    }
    g_assert_cmpint(mix(&s, 0, 1, 1, 0), ==, 0); // first
    g_assert_cmpint(mix(&s, 0, 2, 1, 0), ==, 0); // reads the same, writes elsewhere
    g_assert_cmpint(mix(&s, 1, 3, 1, 0), ==, 1); // read after write
    g_assert_cmpint(mix(&s, 2, 4, 1, 0), ==, 1); // covered by the same barrier
    g_assert_cmpint(mix(&s, 5, 0, 1, 0), ==, 1); // writes what was read before the barrier
    g_assert_cmpint(mix(&s, 5, 1, 1, 0), ==, 2); // write after read
    g_assert_cmpint(mix(&s, 5, 3, 1, 0), ==, 2); // its write and its reader are before the barrier
    g_assert_cmpint(mix(&s, 4, 3, 1, 0), ==, 3); // write after write
    g_assert_cmpint(recorder_dispatches(s.recorder), ==, 8);
    end_and_run(&s);
    g_autofree float *data = read_arena(&s);
    for (int i = 0; i < ELEMENTS * 4; i++) {
        float four = start_value(0, i) + 0.5f; // 0 -> 2 -> 4
        g_assert_cmpfloat(data[4 * REGION / 4 + i], ==, four);
        g_assert_cmpfloat(data[3 * REGION / 4 + i], ==, four + 0.25f);
        g_assert_cmpfloat(data[i], ==, start_value(5, i) + 0.25f);
        g_assert_cmpfloat(data[REGION / 4 + i], ==, start_value(5, i) + 0.25f);
    }
    setup_finish(&s);
}

// Ranges of one buffer that touch are no hazard, ranges that share a byte are.
static void test_ranges(void)
{
    struct setup s;
    if (!setup_init(&s, 8, 0)) {
        return;
    }
    struct dispatch dispatch = mix_regions(&s, 5, 0, 1, 0);
    dispatch.bindings[1].bytes = 256;
    memcpy(dispatch.push, &(struct mix_push){16, 1, 0}, sizeof(struct mix_push));
    dispatch.groups[0] = 1;
    for (int i = 0; i < 4; i++) {
        dispatch.bindings[1].offset = (uint64_t)i * 256;
        record(&s, &dispatch);
    }
    g_assert_cmpint(recorder_barriers(s.recorder), ==, 0);
    dispatch.bindings[1].bytes = 272;
    dispatch.bindings[1].offset = 1024;
    record(&s, &dispatch);
    g_assert_cmpint(recorder_barriers(s.recorder), ==, 0);
    dispatch.bindings[1].offset = 1280;
    record(&s, &dispatch);
    g_assert_cmpint(recorder_barriers(s.recorder), ==, 1);
    end_and_run(&s);
    setup_finish(&s);
}

static void test_kinds(void)
{
    struct setup s;
    if (!setup_init(&s, 8, 0)) {
        return;
    }
    struct recorder *r = s.recorder;
    recorder_fill(r, &s.arena, 0, ELEMENTS * 16, 0x3f800000); // region 0 = 1.0
    recorder_fill(r, &s.arena, REGION, 64, 0);
    g_assert_cmpint(recorder_barriers(r), ==, 0);
    g_assert_cmpint(mix(&s, 0, 2, 2, 0), ==, 1); // fill -> dispatch
    recorder_copy(r, &s.arena, 2 * REGION, &s.readback, 0, ELEMENTS * 16);
    g_assert_cmpint(recorder_barriers(r), ==, 2); // dispatch -> copy
    g_assert_cmpint(mix(&s, 0, 3, 4, 0), ==, 2);
    g_assert_cmpint(mix(&s, 3, 4, 1, 0), ==, 3); // dispatch -> dispatch, does not reach copies
    recorder_copy(r, &s.arena, 3 * REGION, &s.readback, REGION, ELEMENTS * 16);
    g_assert_cmpint(recorder_barriers(r), ==, 4);
    recorder_copy(r, &s.arena, 3 * REGION, &s.readback, 2 * REGION, ELEMENTS * 16);
    g_assert_cmpint(recorder_barriers(r), ==, 4);
    g_assert_cmpint(mix(&s, 0, 2, 8, 0), ==, 4); // the copy that reads 2 is before the last barrier
    g_assert_cmpint(mix(&s, 0, 3, 8, 0), ==, 5); // copy -> dispatch, write after read
    recorder_fill(r, &s.readback, 2 * REGION, 16, 0);
    g_assert_cmpint(recorder_barriers(r), ==, 6); // copy -> fill: that barrier was for compute only
    end_and_run(&s);
    g_autoptr(GError) error = NULL;
    g_assert_true(buffer_invalidate(&s.readback, s.device, 0, s.readback.bytes, &error));
    const float *data = s.readback.map;
    for (int i = 0; i < ELEMENTS * 4; i++) {
        g_assert_cmpfloat(data[i], ==, 2.25f);
        g_assert_cmpfloat(data[REGION / 4 + i], ==, 4.25f);
        g_assert_cmpfloat(data[2 * REGION / 4 + i], ==, i < 4 ? 0 : 4.25f);
    }
    setup_finish(&s);
}

static void test_indirect(void)
{
    struct setup s;
    if (!setup_init(&s, 8, 0)) {
        return;
    }
    g_autoptr(GError) error = NULL;
    struct kernel wanted = gpu_test_counts_kernel();
    const struct kernel *counts = kernels_get(s.kernels, &wanted, &error);
    g_assert_no_error(error);
    struct dispatch write_counts = {
        .kernel = counts,
        .bindings = {{&s.arena, 5 * REGION, 12, true}},
        .push = {2}, // two of the 16 workgroups (little endian)
        .groups = {1, 1, 1},
    };
    recorder_fill(s.recorder, &s.arena, REGION, ELEMENTS * 16, 0);
    record(&s, &write_counts);
    g_assert_cmpint(recorder_barriers(s.recorder), ==, 0);
    struct dispatch indirect = mix_regions(&s, 0, 1, 1, 0);
    indirect.groups[0] = 0;
    indirect.indirect = &s.arena;
    indirect.indirect_offset = 5 * REGION;
    record(&s, &indirect);
    g_assert_cmpint(recorder_barriers(s.recorder), ==, 1);
    record(&s, &write_counts); // write after the indirect read
    g_assert_cmpint(recorder_barriers(s.recorder), ==, 2);
    end_and_run(&s);
    g_autofree float *data = read_arena(&s);
    for (int i = 0; i < ELEMENTS * 4; i++) {
        float expected = i < 2 * MIX_GROUP * 4 ? start_value(0, i) + 0.25f : 0;
        g_assert_cmpfloat(data[REGION / 4 + i], ==, expected);
    }
    setup_finish(&s);
}

static float *run_program(const char *mode, int *barriers)
{
    struct setup s;
    if (mode) {
        g_setenv("EFFDET_BARRIERS", mode, TRUE);
    }
    bool ok = setup_init(&s, 64, 0);
    g_unsetenv("EFFDET_BARRIERS");
    if (!ok) {
        return NULL;
    }
    for (int i = 0; i < 60; i++) {
        mix(&s, (i * 7) % N_REGIONS,
            (i * 5 + 1) % N_REGIONS == (i * 7) % N_REGIONS ? i % 2 + 1 : (i * 5 + 1) % N_REGIONS,
            0.37f, 0.41f);
    }
    *barriers = recorder_barriers(s.recorder);
    end_and_run(&s);
    float *data = read_arena(&s);
    setup_finish(&s);
    return data;
}

static void test_all_barriers(void)
{
    int derived, all;
    g_autofree float *plain = run_program(NULL, &derived);
    if (!plain) {
        return;
    }
    g_autofree float *forced = run_program("all", &all);
    g_assert_cmpint(all, ==, 59);
    g_assert_cmpint(derived, <, all);
    g_assert_cmpmem(plain, REGION * N_REGIONS, forced, REGION * N_REGIONS);
}

// Each form of the test shader: storage or texel input, 32 or 16 bits.
static void test_forms(void)
{
    for (int form = MIX; form <= MIX_TEXEL_HALF; form++) {
        struct setup s;
        if (!setup_init(&s, 8, 0)) {
            return;
        }
        bool half = form == MIX_HALF || form == MIX_TEXEL_HALF, texel = form >= MIX_TEXEL;
        if ((half && !s.device->features.storage16) || (texel && !s.device->features.texel)) {
            g_test_message("form %d: the device lacks it", form);
            setup_finish(&s);
            continue;
        }
        g_autoptr(GError) error = NULL;
        struct kernel wanted = gpu_test_mix_kernel((enum mix_form)form, 0.125f);
        const struct kernel *kernel = kernels_get(s.kernels, &wanted, &error);
        g_assert_no_error(error);
        uint16_t halves[ELEMENTS * 4];
        for (int i = 0; i < ELEMENTS * 4; i++) {
            halves[i] = half_from_float((float)(i % 251));
        }
        g_assert_true(
            buffer_write(&s.arena, s.device, 0, halves, half ? sizeof halves : 0, &error));
        struct binding source = region(&s, 0), target = region(&s, 1);
        if (half) {
            source.bytes /= 2;
            target.bytes /= 2;
        }
        struct dispatch dispatch =
            gpu_test_mix_dispatch(kernel, source, target, gpu_test_bind(&s.uniform, 0, 16), 2, 0);
        record(&s, &dispatch);
        record(&s, &dispatch); // the same views again
        end_and_run(&s);
        g_autofree float *data = read_arena(&s);
        const uint16_t *result = (const uint16_t *)&data[REGION / 4];
        for (int i = 0; i < ELEMENTS * 4; i++) {
            float expected = (float)(i % 251) * 2 + 0.375f;
            float found = half ? float_from_half(result[i]) : data[REGION / 4 + i];
            if (half) { // rounded once on store
                expected = float_from_half(half_from_float(expected));
            }
            if (found != expected) {
                g_error("form %d element %d: %g, expected %g", form, i, (double)found,
                        (double)expected);
            }
        }
        setup_finish(&s);
    }
}

int main(int argc, char **argv)
{
    gpu_test_init(&argc, &argv);
    g_test_add_func("/recorder/barriers", test_barriers);
    g_test_add_func("/recorder/ranges", test_ranges);
    g_test_add_func("/recorder/kinds", test_kinds);
    g_test_add_func("/recorder/indirect", test_indirect);
    g_test_add_func("/recorder/all-barriers", test_all_barriers);
    g_test_add_func("/recorder/forms", test_forms);
    return gpu_test_run();
}
