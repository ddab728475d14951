// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Recording and running: values, number of derived barriers (read after write, write after read,
// write after write, across kinds of command), indirect dispatch, fills and copies, timestamps,
// resubmission, refusals, two threads on one queue.
#include "gpu_test.h"

#include <string.h>

#define ELEMENTS 1000 // of vec4, in each of the regions; no multiple of the workgroup
#define REGION 16384  // bytes from one region to the next: any alignment
#define N_REGIONS 6

struct setup {
    struct device *device;
    struct kernels *kernels;
    const struct kernel *mix;
    struct recorder *recorder;
    struct buffer arena, uniform, readback;
};

static bool setup_init(struct setup *s, int max_dispatches, int max_timestamps)
{
    g_autoptr(GError) error = NULL;
    *s = (struct setup){0};
    if (!gpu_test_device(&s->device)) {
        return false;
    }
    s->kernels = kernels_new(s->device, &error);
    g_assert_no_error(error);
    struct kernel mix = gpu_test_mix_kernel(MIX, 0);
    s->mix = kernels_get(s->kernels, &mix, &error);
    g_assert_no_error(error);
    s->recorder = recorder_new(s->device, max_dispatches, max_timestamps, &error);
    g_assert_no_error(error);
    const uint64_t bytes = REGION * N_REGIONS;
    g_assert_true(buffer_init(&s->arena, s->device, bytes, MEMORY_DEVICE, &error));
    g_assert_true(buffer_init(&s->readback, s->device, bytes, MEMORY_READBACK, &error));
    g_assert_true(buffer_init(&s->uniform, s->device, 16, MEMORY_UPLOAD, &error));
    g_autofree float *data = g_new(float, bytes / 4);
    for (size_t i = 0; i < bytes / 4; i++) {
        data[i] = (float)(i % 251) + (float)(i / (REGION / 4)) * 0.5f;
    }
    const float bias = 0.25f;
    g_assert_true(buffer_write(&s->arena, s->device, 0, data, bytes, &error));
    g_assert_true(buffer_write(&s->uniform, s->device, 0, &bias, sizeof bias, &error));
    g_assert_true(recorder_begin(s->recorder, &error));
    g_assert_no_error(error);
    return true;
}

static void setup_finish(struct setup *s)
{
    recorder_free(&s->recorder);
    buffer_finish(&s->arena, s->device);
    buffer_finish(&s->readback, s->device);
    buffer_finish(&s->uniform, s->device);
    kernels_free(&s->kernels);
    device_free(&s->device);
}

static struct binding region(struct setup *s, int index)
{
    return gpu_test_bind(&s->arena, (uint64_t)index * REGION, ELEMENTS * 16);
}

static struct dispatch mix_regions(struct setup *s, int source, int target, float a, float b)
{
    return gpu_test_mix_dispatch(s->mix, region(s, source), region(s, target),
                                 gpu_test_bind(&s->uniform, 0, 16), a, b);
}

static void record(struct setup *s, const struct dispatch *dispatch)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(recorder_dispatch(s->recorder, dispatch, &error));
    g_assert_no_error(error);
}

// target = source * a + target * b + 0.25; returns the number of barriers so far.
static int mix(struct setup *s, int source, int target, float a, float b)
{
    struct dispatch dispatch = mix_regions(s, source, target, a, b);
    record(s, &dispatch);
    return recorder_barriers(s->recorder);
}

static void run(struct setup *s)
{
    g_autoptr(GError) error = NULL;
    bool done = false;
    g_assert_true(recorder_submit(s->recorder, &error));
    g_assert_no_error(error);
    g_assert_true(recorder_wait(s->recorder, UINT64_MAX, &done, &error));
    g_assert_no_error(error);
    g_assert_true(done);
}

static void end_and_run(struct setup *s)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(recorder_end(s->recorder, &error));
    g_assert_no_error(error);
    run(s);
}

static float *read_arena(struct setup *s)
{
    g_autoptr(GError) error = NULL;
    float *data = g_malloc(REGION * N_REGIONS);
    g_assert_true(buffer_read(&s->arena, s->device, 0, data, REGION * N_REGIONS, &error));
    g_assert_no_error(error);
    return data;
}

static float start_value(int region_index, int i)
{
    int at = region_index * (REGION / 4) + i;
    return (float)(at % 251) + (float)region_index * 0.5f;
}

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
    end_and_run(&s);
    for (int i = 0; i < 3; i++) {
        int64_t work = recorder_elapsed_ns(s.recorder, first, second);
        g_assert_cmpint(work, >, 0);
        g_assert_cmpint(work, <, INT64_C(10000000000));
        g_assert_cmpint(recorder_elapsed_ns(s.recorder, second, third), >=, 0);
        g_assert_cmpint(recorder_elapsed_ns(s.recorder, first, third), >=, work);
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
    g_test_add_func("/recorder/barriers", test_barriers);
    g_test_add_func("/recorder/ranges", test_ranges);
    g_test_add_func("/recorder/kinds", test_kinds);
    g_test_add_func("/recorder/indirect", test_indirect);
    g_test_add_func("/recorder/all-barriers", test_all_barriers);
    g_test_add_func("/recorder/forms", test_forms);
    g_test_add_func("/recorder/timestamps", test_timestamps);
    g_test_add_func("/recorder/resubmit", test_resubmit);
    g_test_add_func("/recorder/refusals", test_refusals);
    g_test_add_func("/recorder/threads", test_threads);
    return gpu_test_run();
}
