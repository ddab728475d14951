// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Shared parts of the recorder tests; see recorder_setup.h.
#include "recorder_setup.h"

bool setup_init(struct setup *s, int max_dispatches, int max_timestamps)
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

void setup_finish(struct setup *s)
{
    recorder_free(&s->recorder);
    buffer_finish(&s->arena, s->device);
    buffer_finish(&s->readback, s->device);
    buffer_finish(&s->uniform, s->device);
    kernels_free(&s->kernels);
    device_free(&s->device);
}

struct binding region(struct setup *s, int index)
{
    return gpu_test_bind(&s->arena, (uint64_t)index * REGION, ELEMENTS * 16);
}

struct dispatch mix_regions(struct setup *s, int source, int target, float a, float b)
{
    return gpu_test_mix_dispatch(s->mix, region(s, source), region(s, target),
                                 gpu_test_bind(&s->uniform, 0, 16), a, b);
}

void record(struct setup *s, const struct dispatch *dispatch)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(recorder_dispatch(s->recorder, dispatch, &error));
    g_assert_no_error(error);
}

int mix(struct setup *s, int source, int target, float a, float b)
{
    struct dispatch dispatch = mix_regions(s, source, target, a, b);
    record(s, &dispatch);
    return recorder_barriers(s->recorder);
}

void run(struct setup *s)
{
    g_autoptr(GError) error = NULL;
    bool done = false;
    g_assert_true(recorder_submit(s->recorder, &error));
    g_assert_no_error(error);
    g_assert_true(recorder_wait(s->recorder, UINT64_MAX, &done, &error));
    g_assert_no_error(error);
    g_assert_true(done);
}

void end_and_run(struct setup *s)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(recorder_end(s->recorder, &error));
    g_assert_no_error(error);
    run(s);
}

float *read_arena(struct setup *s)
{
    g_autoptr(GError) error = NULL;
    float *data = g_malloc(REGION * N_REGIONS);
    g_assert_true(buffer_read(&s->arena, s->device, 0, data, REGION * N_REGIONS, &error));
    g_assert_no_error(error);
    return data;
}

float start_value(int region_index, int i)
{
    int at = region_index * (REGION / 4) + i;
    return (float)(at % 251) + (float)region_index * 0.5f;
}
