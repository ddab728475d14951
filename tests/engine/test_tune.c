// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Variants chosen by measurement: the table and its trials without a network, the file, and a trial
// of a real network.
#include "effdet/effdet.h"
#include "gpu/kernel_cache.h"
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
    bool ok = tune_network(tuning, device, checkpoint, &options, 0, &error); // one trial
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
    tuning_free(&tuning);
    checkpoint_close(&checkpoint);
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
    int status = g_test_run();
    g_autofree char *command = g_strdup_printf("rm -r '%s'", folder);
    return g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL) ? status : 1;
}
