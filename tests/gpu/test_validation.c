// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Runs the other tests of this tier under the Khronos validation layer with synchronisation
// validation and wants no message; and a program with known hazards, which must be reported.
// Arguments: the known-hazard program, then the test programs.
#include <glib.h>
#include <stdbool.h>
#include <string.h>

static char **programs;
static const char *layer_folders[] = {"/usr/share/vulkan/explicit_layer.d",
                                      "/usr/local/share/vulkan/explicit_layer.d",
                                      "/etc/vulkan/explicit_layer.d"};

static bool layer_installed(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(layer_folders); i++) {
        g_autofree char *path =
            g_build_filename(layer_folders[i], "VkLayer_khronos_validation.json", NULL);
        if (g_file_test(path, G_FILE_TEST_EXISTS)) {
            return true;
        }
    }
    g_test_skip("the Khronos validation layer is not installed (package vulkan-validationlayers)");
    return false;
}

// Output of a program under the layer; *status as from waitpid.
static char *run(const char *program, const char *argument, int *status)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *settings =
        g_build_filename(g_getenv("EFFDET_SOURCE_DIR"), "tests", "vk_layer_settings.txt", NULL);
    g_auto(GStrv) environment = g_get_environ();
    char *output, *errors;
    const char *argv[] = {program, argument, NULL};
    environment =
        g_environ_setenv(environment, "VK_INSTANCE_LAYERS", "VK_LAYER_KHRONOS_validation", TRUE);
    environment = g_environ_setenv(environment, "VK_LAYER_SETTINGS_PATH", settings, TRUE);
    // The layer keeps command buffers whose pool is destroyed; leaks are for the runs without it.
    environment = g_environ_setenv(environment, "LSAN_OPTIONS", "detect_leaks=0", TRUE);
    g_spawn_sync(NULL, (char **)argv, environment, G_SPAWN_DEFAULT, NULL, NULL, &output, &errors,
                 status, &error);
    g_assert_no_error(error);
    char *all = g_strconcat(output, errors, NULL);
    g_free(output);
    g_free(errors);
    return all;
}

static bool has_message(const char *text)
{
    return strstr(text, "Validation Error") || strstr(text, "Validation Warning") ||
           strstr(text, "VUID-") || strstr(text, "SYNC-HAZARD");
}

static void check_hazard(const char *mode, const char *expected)
{
    int status;
    g_autofree char *text = run(programs[0], mode, &status);
    if (!g_spawn_check_wait_status(status, NULL)) {
        g_test_skip("known_hazard does not run (no Vulkan device?)");
        return;
    }
    if (expected ? !strstr(text, expected) : has_message(text)) {
        g_error("%s: \"%s\" expected, found: %s", mode, expected ? expected : "no message", text);
    }
}

static void test_known_hazards(void)
{
    if (layer_installed()) {
        check_hazard("compute", "SYNC-HAZARD-READ-AFTER-WRITE");
        check_hazard("transfer", "SYNC-HAZARD-READ-AFTER-WRITE");
        check_hazard("none", NULL);
    }
}

static void test_program(gconstpointer data)
{
    int status;
    if (!layer_installed()) {
        return;
    }
    g_autofree char *text = run(data, "--tap", &status);
    if (!g_spawn_check_wait_status(status, NULL) || has_message(text)) {
        g_error("%s under the validation layer: %s", (const char *)data, text);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    programs = argv + 1;
    g_test_add_func("/validation/known-hazards", test_known_hazards);
    for (int i = 2; i < argc; i++) {
        g_autofree char *name = g_path_get_basename(argv[i]);
        g_autofree char *path = g_strdup_printf("/validation/%s", name);
        g_test_add_data_func(path, argv[i], test_program);
    }
    return g_test_run();
}
