// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The plugin on machines whose drivers are missing, broken, without compute, or two.
#include "watch.h"

#include <effdet/effdet.h>
#include <glib/gstdio.h>

#define MISSING_LIBRARY                                                                            \
    "{\"file_format_version\": \"1.0.0\", \"ICD\": {\"library_path\": \"/nonexistent.so\", "       \
    "\"api_version\": \"1.3.0\"}}"

static void cure_compute(void)
{
    fault->no_compute(false);
}

static void test_no_compute(void)
{
    const gchar *const parts[] = {"no queue for compute", NULL};

    fault->no_compute(true);
    watch_start_fails(GST_RESOURCE_ERROR_NOT_FOUND, parts, cure_compute);
}

static gchar *saved_drivers[2];
static const gchar *const driver_variables[] = {"VK_ICD_FILENAMES", "VK_DRIVER_FILES"};

static void set_drivers(const gchar *value)
{
    for (guint i = 0; i < 2; i++) {
        g_free(saved_drivers[i]);
        saved_drivers[i] = g_strdup(g_getenv(driver_variables[i]));
        g_setenv(driver_variables[i], value, TRUE);
    }
}

static void restore_drivers(void)
{
    for (guint i = 0; i < 2; i++) {
        if (saved_drivers[i] != NULL) {
            g_setenv(driver_variables[i], saved_drivers[i], TRUE);
        } else {
            g_unsetenv(driver_variables[i]);
        }
        g_clear_pointer(&saved_drivers[i], g_free);
    }
}

static gchar *write_manifest(const gchar *text)
{
    g_autofree gchar *name = NULL;
    gint file = g_file_open_tmp("effdet-XXXXXX.json", &name, NULL);

    g_assert_cmpint(file, >=, 0);
    g_close(file, NULL);
    g_assert_true(g_file_set_contents(name, text, -1, NULL));
    return g_steal_pointer(&name);
}

// No file, garbage, a library that is not there: NULL, or the text of the file.
static void test_no_driver(gconstpointer text)
{
    g_autofree gchar *name = text != NULL ? write_manifest(text) : g_strdup("/nonexistent.json");
    const gchar *const parts[] = {"(ICD)", name, "mesa-vulkan-drivers", NULL};

    set_drivers(name);
    watch_start_fails(GST_RESOURCE_ERROR_NOT_FOUND, parts, restore_drivers);
    if (text != NULL) {
        g_unlink(name);
    }
}

// ---- two drivers

static gchar *find_lavapipe(void)
{
    const gchar *folder = "/usr/share/vulkan/icd.d";
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const gchar *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        if (g_str_has_prefix(name, "lvp_icd")) {
            return g_build_filename(folder, name, NULL);
        }
    }
    return NULL;
}

// SwiftShader, or a copy of lavapipe's file.
static gchar *find_second(const gchar *first)
{
    const gchar *other = "/usr/lib/chromium/vk_swiftshader_icd.json";
    g_autofree gchar *text = NULL;

    if (g_file_test(other, G_FILE_TEST_EXISTS)) {
        return g_strdup(other);
    }
    g_assert_true(g_file_get_contents(first, &text, NULL, NULL));
    return write_manifest(text);
}

static void assert_device(const gchar *wish, const EffdetDevice *wanted)
{
    g_autoptr(GstStructure) stats = NULL;
    Watch watch;

    watch_init(&watch, FALSE);
    g_object_set(watch.element, "device", wish, NULL);
    g_assert_cmpint(gst_element_set_state(watch.element, GST_STATE_PAUSED), ==,
                    GST_STATE_CHANGE_SUCCESS);
    g_object_get(watch.element, "stats", &stats, NULL);
    g_assert_cmpstr(gst_structure_get_string(stats, "device"), ==, wanted->name);
    watch_finish(&watch);
}

// By index, name, part of it and UUID; where several fit alike, the first that is listed.
static void check_wishes(const GPtrArray *devices)
{
    const EffdetDevice *first = g_ptr_array_index(devices, 0);

    assert_device("auto", first);
    assert_device("e", first); // in both names
    for (guint i = 0; i < devices->len; i++) {
        const EffdetDevice *device = g_ptr_array_index(devices, i);
        g_autofree gchar *index = g_strdup_printf("%u", device->index);
        g_autofree gchar *part = g_ascii_strdown(device->name, 6);

        assert_device(index, device);
        assert_device(device->name, device);
        assert_device(part, device);
        assert_device(device->uuid, device);
    }
}

static void check_unknown(const GPtrArray *devices)
{
    const EffdetDevice *first = g_ptr_array_index(devices, 0);
    const gchar *const parts[] = {"no Vulkan device fits \"9\"", first->name, "an index", NULL};
    Watch watch;

    watch_init(&watch, FALSE);
    g_object_set(watch.element, "device", "9", NULL);
    g_assert_cmpint(gst_element_set_state(watch.element, GST_STATE_PAUSED), ==,
                    GST_STATE_CHANGE_FAILURE);
    watch_read(&watch);
    g_assert_cmpuint(watch.n_errors, ==, 1);
    watch_says(&watch, GST_RESOURCE_ERROR_NOT_FOUND, parts);
    watch_finish(&watch);
}

static void test_two_drivers(void)
{
    g_autofree gchar *first = find_lavapipe();
    g_autofree gchar *missing = write_manifest(MISSING_LIBRARY);
    g_autofree gchar *second = NULL, *both = NULL, *reason = NULL;
    g_autoptr(GPtrArray) devices = NULL;

    if (first == NULL) {
        g_test_skip("lavapipe is not installed (package mesa-vulkan-drivers)");
        return;
    }
    second = find_second(first);
    both = g_strjoin(":", missing, first, second, NULL); // a broken one beside them does no harm
    set_drivers(both);
    devices = effdet_devices(&reason);
    g_assert_cmpuint(devices->len, ==, 2);
    check_wishes(devices);
    check_unknown(devices);
    restore_drivers();
    g_unlink(missing);
    if (g_str_has_prefix(second, g_get_tmp_dir())) {
        g_unlink(second);
    }
}

int main(int argc, char **argv)
{
    watch_start(&argc, &argv);
    g_test_add_func("/fault/drivers/no-compute", test_no_compute);
    g_test_add_data_func("/fault/drivers/none", NULL, test_no_driver);
    g_test_add_data_func("/fault/drivers/garbage", "garbage {", test_no_driver);
    g_test_add_data_func("/fault/drivers/missing", MISSING_LIBRARY, test_no_driver);
    g_test_add_func("/fault/drivers/two", test_two_drivers);
    return watch_run();
}
