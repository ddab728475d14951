// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Looks for Vulkan driver files and for the GStreamer plugin by the rules of their loaders. Opens
// neither.
#include "cli/setup.h"

#include "search.h"

#include <string.h>

#define PLUGIN_FILE "libgsteffdet.so"

static void add_json_files(GPtrArray *files, const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        if (g_str_has_suffix(name, ".json") &&
            !g_ptr_array_find_with_equal_func(files, path, g_str_equal, NULL)) {
            g_ptr_array_add(files, g_steal_pointer(&path));
        }
    }
}

// A list of files and folders, as the loader's variables hold it.
static void add_list(GPtrArray *files, const char *list)
{
    g_auto(GStrv) entries = g_strsplit(list, G_SEARCHPATH_SEPARATOR_S, -1);
    for (int i = 0; entries[i]; i++) {
        if (g_file_test(entries[i], G_FILE_TEST_IS_DIR)) {
            add_json_files(files, entries[i]);
        } else if (g_file_test(entries[i], G_FILE_TEST_IS_REGULAR)) {
            g_ptr_array_add(files, g_strdup(entries[i]));
        }
    }
}

static void add_base(GPtrArray *files, GPtrArray *folders, const char *base)
{
    g_autofree char *folder = g_build_filename(base, "vulkan", "icd.d", NULL);
    if (!g_ptr_array_find_with_equal_func(folders, folder, g_str_equal, NULL)) {
        add_json_files(files, folder);
        g_ptr_array_add(folders, g_steal_pointer(&folder));
    }
}

static void add_bases(GPtrArray *files, GPtrArray *folders, const char *const *bases)
{
    for (int i = 0; bases[i]; i++) {
        add_base(files, folders, bases[i]);
    }
}

static gint compare_paths(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *setup_driver_files(char **origin)
{
    static const char *const variables[] = {"VK_DRIVER_FILES", "VK_ICD_FILENAMES"};
    static const char *const fixed[] = {"/usr/local/etc", "/etc", "/usr/local/share", "/usr/share",
                                        NULL};
    GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
    for (gsize i = 0; i < G_N_ELEMENTS(variables); i++) {
        const char *list = g_getenv(variables[i]);
        if (list && list[0]) { // replaces every folder
            add_list(files, list);
            *origin = g_strdup_printf("%s=%s", variables[i], list);
            return files;
        }
    }
    g_autoptr(GPtrArray) folders = g_ptr_array_new_with_free_func(g_free);
    const char *extra = g_getenv("VK_ADD_DRIVER_FILES");
    if (extra && extra[0]) {
        add_list(files, extra);
        g_ptr_array_add(folders, g_strdup_printf("VK_ADD_DRIVER_FILES=%s", extra));
    }
    add_base(files, folders, g_get_user_config_dir());
    add_bases(files, folders, g_get_system_config_dirs());
    add_base(files, folders, g_get_user_data_dir());
    add_bases(files, folders, g_get_system_data_dirs());
    add_bases(files, folders, fixed);
    g_ptr_array_sort(files, compare_paths);
    g_ptr_array_add(folders, NULL);
    *origin = g_strjoinv(", ", (char **)folders->pdata);
    return files;
}

static char *find_in_list(const char *list)
{
    g_auto(GStrv) folders = g_strsplit(list ? list : "", G_SEARCHPATH_SEPARATOR_S, -1);
    for (int i = 0; folders[i]; i++) {
        g_autofree char *path = g_build_filename(folders[i], PLUGIN_FILE, NULL);
        if (folders[i][0] && g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
            return g_steal_pointer(&path);
        }
    }
    return NULL;
}

char *setup_plugin_file(void)
{
    static const char *const variables[] = {"GST_PLUGIN_PATH_1_0", "GST_PLUGIN_PATH",
                                            "GST_PLUGIN_SYSTEM_PATH_1_0", "GST_PLUGIN_SYSTEM_PATH"};
    char *path = NULL;
    for (gsize i = 0; !path && i < G_N_ELEMENTS(variables); i++) {
        path = find_in_list(g_getenv(variables[i]));
    }
    if (!path && search_uninstalled()) {
        path = find_in_list(EFFDET_BUILD_PLUGIN);
    }
    if (!path) {
        g_autofree char *user =
            g_build_filename(g_get_user_data_dir(), "gstreamer-1.0", "plugins", NULL);
        path = find_in_list(user);
    }
    return path ? path : find_in_list(EFFDET_PLUGIN_DIR);
}

enum inspect_result setup_inspect(void)
{
    g_autofree char *tool = g_find_program_in_path("gst-inspect-1.0");
    if (!tool) {
        return INSPECT_NO_TOOL;
    }
    // without the version the tool wants that of GStreamer itself
    char *argv[] = {tool, (char *)"--exists", (char *)"--atleast-version=0.0", (char *)"effdet",
                    NULL};
    int status = -1;
    if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL,
                      NULL, NULL, NULL, NULL, &status, NULL)) {
        return INSPECT_NO_TOOL;
    }
    return status == 0 ? INSPECT_FOUND : INSPECT_NOT_FOUND;
}
