// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Variants chosen by measurement: the table and its trials without a network, the file, trials of a
// real network, and what GPUs do by themselves at the first start.
#include "engine_private.h"
#include "gpu/kernel_cache.h"
#include "interface.h"
#include "tune.h"

#include <glib/gstdio.h>
#include <string.h>

static struct device *open_device(void)
{
    g_autoptr(GError) error = NULL;
    struct device *device = device_new(g_getenv("EFFDET_TEST_DEVICE"), &error);
    g_assert_no_error(error);
    return device;
}

static const struct variant variants[] = {
    {"16x4", 16, 1, 4, 64, 1}, {"8x4", 8, 1, 4, 64, 1}, {"8x4", 8, 1, 4, 16, 1}};
static const struct variant *const candidates[] = {&variants[0], &variants[1], &variants[2]};

// Two nodes of one shape and one of another; times by node and candidate.
static void run_trials(struct tuning *tuning)
{
    static const double us[3][3] = {
        {5, 9, 9}, {5, 2, 9}, {7, 8, 1}}; // a, b (one shape), c (the other)
    for (int rank = 0, more = 1; more; rank++) {
        tuning_begin_trial(tuning, rank);
        const struct variant *a = tuning_choose(tuning, "a", "wide", candidates, 3);
        const struct variant *b = tuning_choose(tuning, "b", "wide", candidates, 3);
        const struct variant *c = tuning_choose(tuning, "c", "tall", candidates, 2);
        g_assert_true(a == candidates[rank] && b == a && c == candidates[MIN(rank, 1)]);
        tuning_report(tuning, "a", us[0][rank]);
        tuning_report(tuning, "b", us[1][rank] / 2); // two dispatches of one node
        tuning_report(tuning, "b", us[1][rank] / 2);
        tuning_report(tuning, "c", us[2][MIN(rank, 1)]);
        tuning_report(tuning, "unknown", 1);
        more = tuning_end_trial(tuning);
        g_assert_cmpint(more, ==, rank < 2);
    }
    tuning_begin_trial(tuning, -1);
}

static void check_choices(struct tuning *tuning)
{
    g_assert_true(tuning_choose(tuning, "x", "wide", candidates, 3) ==
                  &variants[0]); // 10 against 11 and 18
    g_assert_true(tuning_choose(tuning, "x", "tall", candidates, 2) == &variants[0]); // 7 against 8
    g_assert_true(tuning_choose(tuning, "x", "never measured", candidates, 3) == &variants[0]);
    g_assert_true(tuning_choose(tuning, "x", "wide", candidates + 1, 2) ==
                  &variants[1]); // the best is not to be had
}

static char *variants_file(const struct device *device)
{
    g_autofree char *pipelines = kernel_cache_path(device);
    return g_strconcat(pipelines, ".variants", NULL);
}

static void test_table(void)
{
    struct device *device = open_device();
    struct tuning *tuning = tuning_new(device);
    run_trials(tuning);
    check_choices(tuning);
    tuning_save(tuning);
    tuning_free(&tuning);
    tuning = tuning_new(device);
    check_choices(tuning);
    tuning_free(&tuning);
    tuning_free(&tuning);

    static const char *const damage[] = {"", "[variants]\nwide=16x4\n",
                                         "[variants]\nwide=8x4;sixteen;x\n", "\xff\xfe\0\1",
                                         "[other]\n"};
    g_autofree char *path = variants_file(device);
    for (gsize i = 0; i < G_N_ELEMENTS(damage); i++) {
        g_assert_true(g_file_set_contents(path, damage[i], -1, NULL));
        tuning = tuning_new(device);
        g_assert_true(tuning_choose(tuning, "x", "wide", candidates, 3) == &variants[0]);
        tuning_free(&tuning);
    }
    g_remove(path);
    device_free(&device);
}

static void test_network(void)
{
    g_autoptr(GError) error = NULL;
    struct device *device = open_device();
    struct checkpoint *checkpoint = checkpoint_synthetic(arch_find("lite0"), 1, 1, 1);
    struct model *model = checkpoint_model_mutable(checkpoint);
    model->input_height = model->input_width = 32;
    struct network_options options = {.fuse = true, .cpu_plan = device->is_cpu};
    struct tuning *tuning = tuning_new(device);
    // two candidates each: workgroups of 64 and of 8 invocations
    g_setenv("EFFDET_VARIANT", "pointwise:4x4,depthwise:2x2,stem:8x4", TRUE);
    bool ok = tune_network(tuning, device, checkpoint, &options, 1e6, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    g_autofree char *path = variants_file(device);
    g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS) == device->features.timestamps);
    options.tuning = tuning;
    struct network network;
    ok = network_init(&network, device, checkpoint, &options, &error) &&
         network_run(&network, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    network_finish(&network);
    g_unsetenv("EFFDET_VARIANT");
    g_remove(path);
    tuning_free(&tuning);
    checkpoint_close(&checkpoint);
    device_free(&device);
}

static void start_engine(gint tune, int pointwise_local)
{
    g_autoptr(GError) error = NULL;
    EffdetEngineParams params = {.model = "lite0",
                                 .random_weights = TRUE,
                                 .device = g_getenv("EFFDET_TEST_DEVICE"),
                                 .input_width = 32,
                                 .input_height = 32,
                                 .queue_depth = 1,
                                 .tune = tune};
    EffdetEngine *engine = effdet_engine_new(&params, &error);
    g_assert_no_error(error);
    const GArray *dispatches = engine->network.dispatches;
    for (guint i = 0; i < dispatches->len; i++) {
        const struct dispatch *dispatch = &g_array_index(dispatches, struct dispatch, i);
        if (pointwise_local && g_str_equal(dispatch->op, "pointwise")) {
            g_assert_cmpint((int)dispatch->kernel->spec[SPEC_LOCAL_SIZE], ==, pointwise_local);
        }
    }
    effdet_engine_free(&engine);
}

// Rewrites the file: every pointwise kernel in workgroups of 32, and another origin if there is
// one.
static void edit_file(const char *path, const char *origin)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GKeyFile) file = g_key_file_new();
    static const char *const choice[] = {"4x1", "32", "0.5"};
    g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, &error);
    g_assert_no_error(error);
    g_auto(GStrv) models = g_key_file_get_keys(file, "models", NULL, NULL);
    g_assert_cmpint((int)g_strv_length(models), ==, 1);
    g_auto(GStrv) shapes = g_key_file_get_keys(file, "variants", NULL, NULL);
    g_assert_cmpint((int)g_strv_length(shapes), >, 2);
    for (char **shape = shapes; *shape; shape++) {
        if (g_str_has_prefix(*shape, "pointwise")) {
            g_key_file_set_string_list(file, "variants", *shape, choice, G_N_ELEMENTS(choice));
        }
    }
    if (origin) {
        g_key_file_set_string(file, "origin", "file", origin);
    }
    g_assert_true(g_key_file_save_to_file(file, path, NULL));
}

static bool file_has(const char *path, const char *part)
{
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return strstr(text, part) != NULL;
}

// The tests' device, taken for a GPU: measures once, keeps to what is in the file, refuses another
// device's and measures again.
static void test_first_start(void)
{
    struct device *device = open_device(); // the engines share it
    const enum device_class device_class = device->device_class;
    const bool is_cpu = device->is_cpu;
    g_autofree char *path = variants_file(device);
    if (!device->features.timestamps) {
        g_test_skip("the device has no timestamps");
        device_free(&device);
        return;
    }
    start_engine(0, 0);
    g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS) != is_cpu); // CPUs measure when asked to
    device->device_class = CLASS_DEFAULT;
    device->is_cpu = false;
    g_setenv("EFFDET_VARIANT", "pointwise:4x1,depthwise:1x1,stem:8x4", TRUE);
    start_engine(-1, 0);
    g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS) != is_cpu);
    start_engine(0, 0);
    edit_file(path, NULL);
    start_engine(0, 32);
    g_assert_true(file_has(path, "4x1;32;0.5"));
    edit_file(path, "pipelines-of-another-device.variants");
    start_engine(0, 0);
    g_assert_false(file_has(path, "another-device"));
    g_assert_false(file_has(path, "4x1;32;0.5"));
    g_assert_true(g_file_set_contents(path, "[origin\nfile=", -1, NULL));
    start_engine(0, 0);
    edit_file(path, NULL);
    g_unsetenv("EFFDET_VARIANT");
    device->device_class = device_class;
    device->is_cpu = is_cpu;
    g_remove(path);
    device_free(&device);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_autofree char *folder = g_dir_make_tmp("effdet-tune-XXXXXX", NULL);
    // the driver's own cache stays where it is; GLib must not be asked before the variable is set
    g_autofree char *home_cache = g_build_filename(g_get_home_dir(), ".cache", NULL);
    const char *cache = g_getenv("XDG_CACHE_HOME");
    g_setenv("MESA_SHADER_CACHE_DIR", cache ? cache : home_cache, FALSE);
    g_setenv("XDG_CACHE_HOME", folder, TRUE);
    g_test_add_func("/tune/table", test_table);
    g_test_add_func("/tune/network", test_network);
    g_test_add_func("/tune/first-start", test_first_start);
    int status = g_test_run();
    g_autofree char *command = g_strdup_printf("rm -r '%s'", folder);
    return g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL) ? status : 1;
}
