// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Compiling ahead: nothing runs by it, everything runs after it; other threads take their part
// where the driver keeps code on disk, and no part where it does not; failures come back and hang
// nobody.
#include "recorder_setup.h"

#include <string.h>

#include "gpu/compile.h"

#define N_KERNELS 40
#define TRIES 5 // whether code is kept is told by time, which a busy machine takes anyhow

// One dispatch of each of many kernels, and one more of the first: region 1 = region 0 + n.
static GArray *make_dispatches(struct setup *s, enum mix_form form, int first)
{
    GArray *dispatches = g_array_new(FALSE, FALSE, sizeof(struct dispatch));
    for (int i = 0; i <= N_KERNELS; i++) {
        g_autoptr(GError) error = NULL;
        struct kernel wanted = gpu_test_mix_kernel(form, (float)(first + i % N_KERNELS));
        struct dispatch dispatch = mix_regions(s, 0, 1, 1, 0);
        dispatch.kernel = kernels_get(s->kernels, &wanted, &error);
        g_assert_no_error(error);
        g_array_append_val(dispatches, dispatch);
    }
    return dispatches;
}

static void check_region(struct setup *s, float added, bool as_at_start)
{
    g_autofree float *data = read_arena(s);
    for (int i = 0; i < ELEMENTS * 4; i++) {
        float wanted = as_at_start ? start_value(1, i) : start_value(0, i) + 0.25f + added;
        g_assert_cmpfloat(data[REGION / 4 + i], ==, wanted);
    }
}

static void check_runs(struct setup *s, const GArray *dispatches, int first)
{
    g_autoptr(GError) error = NULL;
    for (guint i = 0; i < dispatches->len; i += 7) {
        record(s, &g_array_index(dispatches, struct dispatch, i));
        end_and_run(s);
        check_region(s, (float)(first + (int)i % N_KERNELS), false);
        g_assert_true(recorder_begin(s->recorder, &error));
        g_assert_no_error(error);
    }
}

// How many of the kernels other threads compiled; -1: the driver may do as it likes.
static int compile_and_run(int threads, gint64 slow_us, int first)
{
    g_autoptr(GError) error = NULL;
    struct setup s;
    int elsewhere = -1;
    if (!setup_init(&s, N_KERNELS, 0)) {
        return -1;
    }
    g_autoptr(GArray) dispatches =
        make_dispatches(&s, s.device->features.texel ? MIX_TEXEL : MIX, first);
    const struct compile_options options = {threads, slow_us};
    g_assert_true(compile_ahead(s.device, dispatches, &options, &elsewhere, &error));
    g_assert_no_error(error);
    check_region(&s, 0, true);
    check_runs(&s, dispatches, first);
    if (s.device->driver.driverID != VK_DRIVER_ID_MESA_LLVMPIPE) {
        g_test_message("%d elsewhere on %s", elsewhere, s.device->name);
        elsewhere = -1;
    }
    setup_finish(&s);
    return elsewhere;
}

static void test_kept(void)
{
    if (!g_test_subprocess()) {
        // the one cache that holds nothing yet: this program's own
        g_autofree char *disabled = g_strdup(g_getenv("MESA_SHADER_CACHE_DISABLE"));
        g_autofree char *folder = g_strdup(g_getenv("MESA_SHADER_CACHE_DIR"));
        g_setenv("MESA_SHADER_CACHE_DISABLE", "false", TRUE);
        g_unsetenv("MESA_SHADER_CACHE_DIR");
        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
        g_test_trap_assert_passed();
        g_setenv("MESA_SHADER_CACHE_DISABLE", disabled, TRUE);
        if (folder) {
            g_setenv("MESA_SHADER_CACHE_DIR", folder, TRUE);
        }
        return;
    }
    int elsewhere = 0;
    for (int i = 0; elsewhere == 0 && i < TRIES; i++) {
        elsewhere = compile_and_run(3, 1000, i * N_KERNELS);
    }
    g_assert_cmpint(elsewhere, !=, 0);
    g_assert_cmpint(elsewhere, <=, N_KERNELS);
    compile_and_run(1, 1000, 0); // all from the cache, where some are from other devices
}

static void test_not_kept(void)
{
    int elsewhere = 1;
    for (int i = 0; elsewhere > 0 && i < TRIES; i++) {
        elsewhere = compile_and_run(3, 1000, i * N_KERNELS);
    }
    g_assert_cmpint(elsewhere, <=, 0);
}

static void test_alone(void)
{
    g_assert_cmpint(compile_and_run(1, 0, 0), <=, 0);
    g_assert_cmpint(compile_and_run(3, G_MAXINT64, 0), <=, 0); // nothing is slow
}

static void test_defaults(void)
{
    struct compile_options options = compile_defaults();
    g_assert_cmpint(options.threads, >=, 1);
    g_assert_cmpint(options.threads, <=, 4);
    g_assert_cmpint(options.slow_us, >, 0);
}

static PFN_vkQueueSubmit real_submit;
static int submits_left;

static VKAPI_ATTR VkResult VKAPI_CALL fail_submit(VkQueue queue, uint32_t n, const VkSubmitInfo *i,
                                                  VkFence fence)
{
    return submits_left-- == 0 ? VK_ERROR_OUT_OF_HOST_MEMORY : real_submit(queue, n, i, fence);
}

// While others are at work: they end, and the device works on.
static void test_failure(void)
{
    struct setup s;
    if (!setup_init(&s, N_KERNELS, 0)) {
        return;
    }
    g_autoptr(GArray) dispatches = make_dispatches(&s, MIX, 0);
    const struct compile_options options = {2, 0};
    real_submit = s.device->vk.vkQueueSubmit;
    for (int n = 0; n < 3; n++) {
        g_autoptr(GError) error = NULL;
        submits_left = n;
        s.device->vk.vkQueueSubmit = fail_submit;
        g_assert_false(compile_ahead(s.device, dispatches, &options, NULL, &error));
        g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY);
        s.device->vk.vkQueueSubmit = real_submit;
    }
    check_runs(&s, dispatches, 0);
    setup_finish(&s);
}

// Other threads that find no device leave all to this one.
static void test_no_device(void)
{
    struct setup s;
    g_autoptr(GError) error = NULL;
    g_autofree char *last = NULL;
    int elsewhere = -1;
    if (!setup_init(&s, N_KERNELS, 0)) {
        return;
    }
    g_autoptr(GArray) dispatches = make_dispatches(&s, MIX, 0);
    const struct compile_options options = {2, 0};
    s.device->uuid[0] ^= 1;
    gpu_test_messages(NULL);
    g_assert_true(compile_ahead(s.device, dispatches, &options, &elsewhere, &error));
    g_assert_no_error(error);
    g_assert_cmpint(elsewhere, ==, 0);
    g_assert_cmpint(gpu_test_messages(&last), ==, 1);
    g_assert_nonnull(strstr(last, "no longer"));
    s.device->uuid[0] ^= 1;
    check_runs(&s, dispatches, 0);
    setup_finish(&s);
}

int main(int argc, char **argv)
{
    gpu_test_init(&argc, &argv);
    g_test_add_func("/compile/defaults", test_defaults);
    g_test_add_func("/compile/alone", test_alone);
    g_test_add_func("/compile/kept", test_kept);
    g_test_add_func("/compile/not-kept", test_not_kept);
    g_test_add_func("/compile/failure", test_failure);
    g_test_add_func("/compile/no-device", test_no_device);
    return gpu_test_run();
}
