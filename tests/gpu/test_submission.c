// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Running what was recorded: timestamps, resubmission, refusals, two threads on one queue.
#include "recorder_setup.h"

#include <string.h>

static void test_timestamps(void)
{
    struct setup s;
    if (!setup_init(&s, 8, 3)) {
        return;
    }
    int first = recorder_timestamp(s.recorder);
    if (!s.device->features.timestamps) {
        g_assert_cmpint(first, ==, -1);
        g_test_skip("the device has no timestamps");
        setup_finish(&s);
        return;
    }
    for (int i = 0; i < 20; i++) {
        mix(&s, i % 2, 1 - i % 2, 0.5f, 0.5f);
    }
    int second = recorder_timestamp(s.recorder), third = recorder_timestamp(s.recorder);
    g_assert_cmpint(first, ==, 0);
    g_assert_cmpint(second, ==, 1);
    g_assert_cmpint(third, ==, 2);
    g_assert_cmpint(recorder_timestamp(s.recorder), ==, -1);                 // no more room
    g_assert_cmpint(recorder_elapsed_ns(s.recorder, first, second), ==, -1); // has not run
    gint64 start_us = g_get_monotonic_time();
    end_and_run(&s);
    for (int i = 0; i < 3; i++) {
        int64_t wall_ns = (g_get_monotonic_time() - start_us) * 1000;
        int64_t work = recorder_elapsed_ns(s.recorder, first, second);
        g_assert_cmpint(work, >, 0);
        g_assert_cmpint(work, <=, wall_ns + wall_ns / 100 + 1000); // the two clocks drift apart
        g_assert_cmpint(recorder_elapsed_ns(s.recorder, second, third), >=, 0);
        g_assert_cmpint(recorder_elapsed_ns(s.recorder, first, third), >=, work);
        start_us = g_get_monotonic_time();
        run(&s); // written anew by each submission
    }
    g_assert_cmpint(recorder_elapsed_ns(s.recorder, -1, 1), ==, -1);
    g_assert_cmpint(recorder_elapsed_ns(s.recorder, 0, 3), ==, -1);
    setup_finish(&s);
}

static void test_resubmit(void)
{
    struct setup s;
    if (!setup_init(&s, 8, 0)) {
        return;
    }
    g_autoptr(GError) error = NULL;
    bool done;
    g_assert_false(recorder_submit(s.recorder, &error)); // not ended
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED);
    g_clear_error(&error);
    mix(&s, 0, 1, 0, 1); // += 0.25
    g_assert_true(recorder_end(s.recorder, &error));
    g_assert_true(recorder_wait(s.recorder, 0, &done, &error)); // nothing in flight
    g_assert_true(done);
    for (int i = 0; i < 10; i++) {
        g_assert_true(recorder_submit(s.recorder, &error));
        g_assert_false(recorder_submit(s.recorder, &error)); // one at a time
        g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED);
        g_clear_error(&error);
        g_assert_false(recorder_begin(s.recorder, &error));
        g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED);
        g_clear_error(&error);
        do { // polls
            g_assert_true(recorder_wait(s.recorder, 0, &done, &error));
        } while (!done);
    }
    g_autofree float *data = read_arena(&s);
    for (int i = 0; i < ELEMENTS * 4; i++) {
        g_assert_cmpfloat(data[REGION / 4 + i], ==, start_value(1, i) + 2.5f);
    }
    // Recorded anew, then freed while in flight.
    g_assert_true(recorder_begin(s.recorder, &error));
    g_assert_cmpint(recorder_dispatches(s.recorder), ==, 0);
    mix(&s, 0, 1, 1, 1);
    g_assert_true(recorder_end(s.recorder, &error));
    g_assert_true(recorder_submit(s.recorder, &error));
    setup_finish(&s);
}

static void check_refused(struct setup *s, const struct dispatch *dispatch, EffdetErrorCode code,
                          const char *part)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(recorder_dispatch(s->recorder, dispatch, &error));
    g_assert_error(error, EFFDET_ERROR, (int)code);
    if (!strstr(error->message, part)) {
        g_error("\"%s\" does not say \"%s\"", error->message, part);
    }
    g_assert_nonnull(strstr(error->message, "mix"));
}

static void test_refusals(void)
{
    struct setup s;
    if (!setup_init(&s, 8, 0)) {
        return;
    }
    const struct dispatch good = mix_regions(&s, 0, 1, 1, 0);
    struct dispatch bad = good;
    bad.bindings[0].buffer = NULL;
    check_refused(&s, &bad, EFFDET_ERROR_UNSUPPORTED, "has no buffer");
    bad = good;
    bad.bindings[1].offset = REGION * N_REGIONS - 16;
    check_refused(&s, &bad, EFFDET_ERROR_UNSUPPORTED, "does not lie in its buffer");
    bad.bindings[1].offset = UINT64_MAX - 15;
    check_refused(&s, &bad, EFFDET_ERROR_UNSUPPORTED, "does not lie in its buffer");
    bad = good;
    bad.bindings[1].offset += 2;
    check_refused(&s, &bad, EFFDET_ERROR_UNSUPPORTED, "is not aligned");
    bad = good;
    bad.bindings[2].write = true;
    check_refused(&s, &bad, EFFDET_ERROR_UNSUPPORTED, "is written but no storage buffer");
    bad = good;
    bad.groups[1] = s.device->limits.max_group_count[1];
    if (bad.groups[1] < UINT32_MAX) {
        bad.groups[1]++;
        check_refused(&s, &bad, EFFDET_ERROR_UNSUPPORTED, "workgroups in dimension 1");
    }
    bad = good;
    bad.indirect = &s.arena;
    bad.indirect_offset = REGION * N_REGIONS - 8;
    check_refused(&s, &bad, EFFDET_ERROR_BAD_VALUE, "indirect");
    // Limits of a smaller device.
    struct device_limits saved = s.device->limits;
    s.device->limits.storage_range = ELEMENTS * 16 - 1;
    check_refused(&s, &good, EFFDET_ERROR_UNSUPPORTED, "longer than a storage buffer");
    s.device->limits = saved;
    s.device->limits.uniform_range = 8;
    check_refused(&s, &good, EFFDET_ERROR_UNSUPPORTED, "longer than a uniform buffer");
    s.device->limits = saved;
    if (s.device->features.texel) {
        g_autoptr(GError) error = NULL;
        struct kernel wanted = gpu_test_mix_kernel(MIX_TEXEL, 0);
        bad = good;
        bad.kernel = kernels_get(s.kernels, &wanted, &error);
        g_assert_no_error(error);
        s.device->limits.texel_elements = ELEMENTS - 1;
        check_refused(&s, &bad, EFFDET_ERROR_UNSUPPORTED, "longer than a texel buffer");
        s.device->limits = saved;
        bad.bindings[0].bytes -= 4;
        check_refused(&s, &bad, EFFDET_ERROR_UNSUPPORTED, "whole number of texels");
    }
    g_assert_cmpint(recorder_dispatches(s.recorder), ==, 0);
    end_and_run(&s);
    setup_finish(&s);
}

// Pieces of limited length, in order, with the barriers between them.
static void test_pieces(void)
{
    static const struct {
        const char *limit_ms;
        int submits;
    } cases[] = {{NULL, 1}, {"60", 1}, {"30", 2}, {"20", 3}, {"19", 6}, {"0", 6}};
    for (gsize c = 0; c < G_N_ELEMENTS(cases); c++) {
        if (cases[c].limit_ms) {
            g_setenv("EFFDET_SUBMIT_MS", cases[c].limit_ms, TRUE);
        }
        struct setup s;
        bool there = setup_init(&s, 8, 0);
        g_unsetenv("EFFDET_SUBMIT_MS");
        if (!there) {
            return;
        }
        for (int again = 0; again < 2; again++) {
            g_autoptr(GError) error = NULL;
            g_assert_true(!again || recorder_begin(s.recorder, &error));
            for (int i = 0; i < 6; i++) { // to and fro: each needs the one before
                struct dispatch dispatch = mix_regions(&s, i % 2, 1 - i % 2, 1, 0);
                dispatch.estimate_us = cases[c].limit_ms ? 10000 : 0;
                record(&s, &dispatch);
            }
            g_assert_cmpint(recorder_submits(s.recorder), ==, cases[c].submits);
            g_assert_cmpint(recorder_dispatches(s.recorder), ==, 6);
            g_assert_cmpint(recorder_barriers(s.recorder), ==, 5);
            end_and_run(&s);
        }
        g_autofree float *data = read_arena(&s);
        for (int i = 0; i < ELEMENTS * 4; i++) {
            g_assert_cmpfloat(data[i], ==, start_value(0, i) + 12 * 0.25f);
        }
        setup_finish(&s);
    }
}

static gpointer submit_often(gpointer data)
{
    struct setup *s = data;
    for (int i = 0; i < 50; i++) {
        run(s);
    }
    return NULL;
}

static void test_threads(void)
{
    struct setup setups[3];
    GThread *threads[3];
    for (int i = 0; i < 3; i++) {
        if (!setup_init(&setups[i], 8, 0)) {
            return;
        }
        g_assert_true(setups[i].device == setups[0].device);
        g_autoptr(GError) error = NULL;
        mix(&setups[i], 0, 1, 0, 1);
        g_assert_true(recorder_end(setups[i].recorder, &error));
    }
    for (int i = 0; i < 3; i++) {
        threads[i] = g_thread_new("submit", submit_often, &setups[i]);
    }
    for (int i = 0; i < 3; i++) {
        g_thread_join(threads[i]);
        g_autofree float *data = read_arena(&setups[i]);
        g_assert_cmpfloat(data[REGION / 4], ==, start_value(1, 0) + 12.5f);
    }
    for (int i = 0; i < 3; i++) {
        setup_finish(&setups[i]);
    }
}

int main(int argc, char **argv)
{
    gpu_test_init(&argc, &argv);
    g_test_add_func("/submission/timestamps", test_timestamps);
    g_test_add_func("/submission/resubmit", test_resubmit);
    g_test_add_func("/submission/refusals", test_refusals);
    g_test_add_func("/submission/pieces", test_pieces);
    g_test_add_func("/submission/threads", test_threads);
    return gpu_test_run();
}
