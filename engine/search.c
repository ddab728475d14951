// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The search for weights files: folders, file name patterns, and the list of models. What a file
// holds is not looked at here.
#define _GNU_SOURCE // dladdr
#include "search.h"

#include "effdet/effdet.h"
#include "net/model.h"
#include "weights/parts.h"

#include <dlfcn.h>
#include <string.h>

#define DEFAULT_MODEL "person"
#define TF_PREFIX "tf_efficientdet_"
// "zylo117-d1", "automl-d1": those authors' weights, whichever others are there
#define ZYLO_PREFIX "zylo117-"
#define AUTOML_PREFIX "automl-"
#define ADVERSARIAL "_ap" // "automl-d1_ap", in the file efficientdet-d1-advprop.tar.gz

// A folder with the names in it, sorted, so that the choice does not depend on the file system.
struct folder {
    char *path;
    GPtrArray *names;
};

// One way in which the weights of a model may be named: prefix, then nothing or (open) more words,
// then suffix.
struct pattern {
    char *prefix;
    const char *suffix;
    bool open;
};

static void folder_free(gpointer data)
{
    struct folder *folder = data;
    g_ptr_array_unref(folder->names);
    g_free(folder->path);
    g_free(folder);
}

static void pattern_clear(gpointer data)
{
    g_free(((struct pattern *)data)->prefix);
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct folder *folder_read(const char *path)
{
    struct folder *folder = g_new0(struct folder, 1);
    folder->path = g_strdup(path);
    folder->names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        if (name[0] != '.') {
            g_ptr_array_add(folder->names, g_strdup(name));
        }
    }
    g_ptr_array_sort(folder->names, compare_names);
    return folder;
}

// The folders and their immediate subfolders, read.
static GPtrArray *read_folders(GPtrArray *paths)
{
    GPtrArray *folders = g_ptr_array_new_with_free_func(folder_free);
    for (guint i = 0; i < paths->len; i++) {
        struct folder *top = folder_read(paths->pdata[i]);
        g_ptr_array_add(folders, top);
        for (guint j = 0; j < top->names->len; j++) {
            g_autofree char *path = g_build_filename(top->path, top->names->pdata[j], NULL);
            if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
                g_ptr_array_add(folders, folder_read(path));
            }
        }
    }
    return folders;
}

// ---- the usual folders -------------------------------------------------------------------------

static void add_folder(GPtrArray *paths, const char *path)
{
    g_autofree char *canonical = g_canonicalize_filename(path, NULL);
    if (!g_ptr_array_find_with_equal_func(paths, canonical, g_str_equal, NULL)) {
        g_ptr_array_add(paths, g_steal_pointer(&canonical));
    }
}

// The file that this code was loaded from: the shared library or, linked statically, the program.
static char *own_file(void)
{
    Dl_info info;
    if (dladdr((void *)search_folders, &info) && info.dli_fname) {
        char *path = realpath(info.dli_fname, NULL);
        if (path) {
            return path;
        }
    }
    return realpath("/proc/self/exe",
                    NULL); // a program found through $PATH has no path in dli_fname
}

bool search_uninstalled(void)
{
    char *file = own_file();
    bool uninstalled = file && g_str_has_prefix(file, EFFDET_BUILD_ROOT "/");
    free(file);
    return uninstalled;
}

// A tree that was moved after its installation: PREFIX/lib, PREFIX/lib/TRIPLET or PREFIX/bin beside
// PREFIX/share.
static void add_moved_folders(GPtrArray *paths)
{
    char *file = own_file();
    g_autofree char *dir = g_path_get_dirname(file ? file : "/");
    free(file);
    for (int i = 0; i < 2; i++) {
        char *up = g_path_get_dirname(dir);
        g_autofree char *share = g_build_filename(up, "share", "effdet", "models", NULL);
        if (g_file_test(share, G_FILE_TEST_IS_DIR)) {
            add_folder(paths, share);
        }
        g_free(dir);
        dir = up;
    }
}

GPtrArray *search_folders(void)
{
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
    const char *variable = g_getenv("EFFDET_MODEL_PATH");
    g_auto(GStrv) list = g_strsplit(variable ? variable : "", G_SEARCHPATH_SEPARATOR_S, -1);
    for (int i = 0; list[i]; i++) {
        if (list[i][0]) {
            add_folder(paths, list[i]);
        }
    }
    g_autofree char *user = g_build_filename(g_get_user_data_dir(), "effdet", "models", NULL);
    add_folder(paths, user);
    add_folder(paths, EFFDET_DATADIR "/models");
    if (search_uninstalled()) {
        add_folder(paths, EFFDET_BUILD_MODELS);
    } else {
        add_moved_folders(paths);
    }
    return paths;
}

// ---- names -------------------------------------------------------------------------------------

// "d1" of "tf_efficientdet_d1" and of TensorFlow's own "efficientdet-d1"; any other name is its own
// short name.
static const char *short_name(const char *name)
{
    if (g_str_has_prefix(name, TF_PREFIX)) {
        return name + strlen(TF_PREFIX);
    }
    if (g_str_has_prefix(name, "efficientdet-")) {
        return name + strlen("efficientdet-");
    }
    return name;
}

static void add_pattern(GArray *patterns, char *prefix, const char *suffix, bool open)
{
    struct pattern pattern = {prefix, suffix, open};
    g_array_append_val(patterns, pattern);
}

static GArray *patterns_new(void)
{
    GArray *patterns = g_array_new(FALSE, FALSE, sizeof(struct pattern));
    g_array_set_clear_func(patterns, pattern_clear);
    return patterns;
}

static void add_zylo_pattern(GArray *patterns, const char *brief)
{
    // zylo117 counts on after d7
    const char *number = g_str_equal(brief, "d7x") ? "d8" : brief;
    add_pattern(patterns, g_strconcat("efficientdet-", number, NULL), ".pth", false);
}

// google/automl's own archives; brief: "d1" or "d1_ap"
static void add_automl_patterns(GArray *patterns, const char *brief)
{
    g_auto(GStrv) words = g_strsplit(brief, ADVERSARIAL, 2);
    const char *adversarial = words[0] && words[1] ? "-advprop" : "";
    add_pattern(patterns, g_strconcat("efficientdet-", words[0], adversarial, NULL), ".tar.gz",
                false);
    add_pattern(patterns, g_strconcat("efficientdet-", words[0], adversarial, NULL), ".tgz", false);
}

static GArray *patterns_of(const char *name)
{
    GArray *patterns = patterns_new();
    const char *brief = short_name(name);
    if (g_str_has_prefix(name, ZYLO_PREFIX)) {
        add_zylo_pattern(patterns, name + strlen(ZYLO_PREFIX));
        return patterns;
    }
    if (g_str_has_prefix(name, AUTOML_PREFIX)) {
        add_automl_patterns(patterns, name + strlen(AUTOML_PREFIX));
        return patterns;
    }
    if (brief != name) {
        add_pattern(patterns, g_strdup(name), ".safetensors", true);
    }
    add_pattern(patterns, g_strdup(brief), ".safetensors", false);
    add_pattern(patterns, g_strdup(brief), ".safetensors", true);
    add_pattern(patterns, g_strconcat(TF_PREFIX, brief, NULL), ".safetensors", true);
    add_pattern(patterns, g_strconcat(TF_PREFIX, brief, NULL), ".pth", true);
    add_zylo_pattern(patterns, brief);
    add_pattern(patterns, g_strdup(brief), ".pth", true);
    add_automl_patterns(patterns, brief);
    if (g_str_has_prefix(brief, "lite")) {
        add_pattern(patterns, g_strconcat("efficientdet-", brief, NULL), ".tflite", true);
        add_pattern(patterns, g_strdup(brief), ".tflite", true);
    }
    return patterns;
}

// Whether the words after a model's name leave it the same model: "-fp16", ".fp16" and
// "_34-f153e0cf" do, "x" (d7 and d7x) and "_ap" (other weights that have a name of their own) do
// not.
static bool is_whole_word(const char *rest, size_t length)
{
    if (length == 0) {
        return true;
    }
    if (rest[0] == '_') {
        size_t digits = 1;
        while (digits < length && g_ascii_isdigit(rest[digits])) {
            digits++;
        }
        return digits > 1 &&
               (digits == length || !(g_ascii_isalnum(rest[digits]) || rest[digits] == '_'));
    }
    return !g_ascii_isalnum(rest[0]);
}

static bool matches(const struct pattern *pattern, const char *file)
{
    size_t prefix = strlen(pattern->prefix);
    size_t suffix = strlen(pattern->suffix);
    size_t length = strlen(file);
    if (length < prefix + suffix || !g_str_has_prefix(file, pattern->prefix) ||
        !g_str_has_suffix(file, pattern->suffix)) {
        return false;
    }
    size_t rest = length - prefix - suffix;
    return pattern->open ? is_whole_word(file + prefix, rest) : rest == 0;
}

static char *find_file(GPtrArray *folders, GArray *patterns)
{
    for (guint i = 0; i < folders->len; i++) {
        const struct folder *folder = folders->pdata[i];
        for (guint p = 0; p < patterns->len; p++) {
            const struct pattern *pattern = &g_array_index(patterns, struct pattern, p);
            for (guint j = 0; j < folder->names->len; j++) {
                if (matches(pattern, folder->names->pdata[j])) {
                    g_autofree char *path =
                        g_build_filename(folder->path, folder->names->pdata[j], NULL);
                    if (g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
                        return g_steal_pointer(&path);
                    }
                }
            }
        }
    }
    return NULL;
}

// A TensorFlow checkpoint folder, which no file of any folder could stand in for.
static char *find_checkpoint_folder(GPtrArray *folders, const char *name)
{
    g_autofree char *wanted = g_strconcat("efficientdet-", short_name(name), NULL);
    for (guint i = 0; i < folders->len; i++) {
        const struct folder *folder = folders->pdata[i];
        g_autofree char *path = g_build_filename(folder->path, wanted, NULL);
        if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
            return g_steal_pointer(&path);
        }
    }
    return NULL;
}

// ---- search ------------------------------------------------------------------------------------

static const struct arch *find_arch(const char *name)
{
    if (g_str_has_prefix(name, ZYLO_PREFIX)) {
        return arch_find(name + strlen(ZYLO_PREFIX));
    }
    if (g_str_has_prefix(name, AUTOML_PREFIX)) {
        g_auto(GStrv) words = g_strsplit(name + strlen(AUTOML_PREFIX), ADVERSARIAL, 2);
        return arch_find(words[0]);
    }
    const struct arch *arch = NULL;
    if (g_str_has_prefix(name, "efficientdet-")) { // not rwightman's efficientdet_d0
        arch = arch_find(short_name(name));
    }
    return arch ? arch : arch_find(name);
}

static bool looks_like_path(const char *model)
{
    static const char *const suffixes[] = {".safetensors", ".pth", ".pt", ".index", ".tar",
                                           ".tar.gz",      ".tgz", ".h5", ".tflite"};
    bool path = strchr(model, '/');
    for (gsize i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        path = path || g_str_has_suffix(model, suffixes[i]);
    }
    return path;
}

static void set_miss(const char *name, bool known, GArray *patterns, GPtrArray *paths,
                     GError **error)
{
    g_autoptr(GString) where = g_string_new(NULL);
    for (guint i = 0; i < paths->len; i++) {
        g_string_append_printf(where, "%s%s", i ? ", " : "", (const char *)paths->pdata[i]);
    }
    g_autoptr(GString) what = g_string_new(NULL);
    for (guint i = 0; i < patterns->len; i++) {
        const struct pattern *pattern = &g_array_index(patterns, struct pattern, i);
        g_string_append_printf(what, "%s%s%s%s", i ? ", " : "", pattern->prefix,
                               pattern->open ? "*" : "", pattern->suffix);
    }
    const char *brief = short_name(name);
    if (!g_str_has_prefix(name, ZYLO_PREFIX) && !g_str_has_prefix(name, AUTOML_PREFIX)) {
        g_string_append_printf(what, ", efficientdet-%s/", brief);
    }
    if (known) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_NOT_FOUND,
                    "no weights for model \"%s\": looked for %s in %s; \"effdet fetch %s\" "
                    "brings them",
                    name, what->str, where->str, brief);
    } else if (g_str_equal(name, DEFAULT_MODEL)) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_NOT_FOUND,
                    "no weights for the bundled model \"%s\": looked for %s in %s; install effdet "
                    "again or set EFFDET_MODEL_PATH to the examples/models folder of its source",
                    name, what->str, where->str);
    } else {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_NOT_FOUND,
                    "unknown model \"%s\": looked for %s in %s; \"effdet models\" lists the names",
                    name, what->str, where->str);
    }
}

// Any name but the few short ones is first of all a file's own name, as effdet_models() lists it.
static bool is_own_name(const char *name, bool known)
{
    return !g_str_equal(name, DEFAULT_MODEL) && !(known && short_name(name) == name);
}

static char *search_name(const char *name, bool known, GPtrArray *paths, GError **error)
{
    g_autoptr(GPtrArray) folders = read_folders(paths);
    g_autoptr(GArray) patterns = patterns_of(name);
    char *path = NULL;
    if (is_own_name(name, known)) {
        g_autoptr(GArray) exact = patterns_new();
        add_pattern(exact, g_strdup(name), ".safetensors", false);
        add_pattern(exact, g_strdup(name), ".pth", false);
        add_pattern(exact, g_strdup(name), ".tflite", false);
        path = find_file(folders, exact);
    }
    if (!path) {
        path = find_file(folders, patterns);
    }
    if (!path) {
        path = find_checkpoint_folder(folders, name);
    }
    if (!path) {
        set_miss(name, known, patterns, paths, error);
    }
    return path;
}

char *search_weights(const char *model, const char *weights, char **architecture, GError **error)
{
    const char *name = model && model[0] ? model : DEFAULT_MODEL;
    bool is_path = looks_like_path(name);
    const struct arch *arch = is_path ? NULL : find_arch(name);
    if (architecture) {
        *architecture = arch ? g_strdup(arch->name) : NULL;
    }
    g_autoptr(GPtrArray) paths = NULL;
    const char *file = weights && weights[0] ? weights : is_path ? name : NULL;
    if (!file) {
        paths = search_folders();
    } else if (parts_is_checkpoint(file)) {
        return g_strdup(file);
    } else if (!is_path && g_file_test(file, G_FILE_TEST_IS_DIR)) {
        paths = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(paths, g_strdup(file));
    } else if (g_file_test(file, G_FILE_TEST_EXISTS)) {
        return g_strdup(file);
    } else {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_NOT_FOUND,
                    "weights file %s: no such file; give a file, a folder, or a name that "
                    "\"effdet models\" lists",
                    file);
    }
    char *path = paths ? search_name(name, arch != NULL, paths, error) : NULL;
    if (!path && architecture) {
        g_clear_pointer(architecture, g_free);
    }
    return path;
}

// ---- list --------------------------------------------------------------------------------------

static void model_free(gpointer data)
{
    EffdetModel *model = data;
    g_free(model->name);
    g_free(model->architecture);
    g_free(model->path);
    g_free(model);
}

static void add_model(GPtrArray *models, const char *name, const struct arch *arch, char *path)
{
    EffdetModel *model = g_new0(EffdetModel, 1);
    model->name = g_strdup(name);
    model->path = path;
    if (arch) {
        model->architecture = g_strdup(arch->name);
        model->input_width = model->input_height = (guint)arch->input_size;
    }
    g_ptr_array_add(models, model);
}

// Adds a weights file under the name that finds it, its own without the suffix, unless it is listed
// or an earlier file has the name.
static void add_file(GPtrArray *models, GHashTable *seen, const struct folder *folder,
                     const char *file)
{
    const char *suffix = g_str_has_suffix(file, ".pth")      ? ".pth"
                         : g_str_has_suffix(file, ".tflite") ? ".tflite"
                                                             : ".safetensors";
    g_autofree char *path = g_build_filename(folder->path, file, NULL);
    if (!g_str_has_suffix(file, suffix) || !g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
        return;
    }
    char *name = g_strndup(file, strlen(file) - strlen(suffix));
    bool listed = g_hash_table_contains(seen, path);
    if (g_hash_table_add(seen, name) && !listed) {
        add_model(models, name, NULL, g_steal_pointer(&path));
    }
}

static void add_other_files(GPtrArray *models, GPtrArray *folders)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < models->len; i++) {
        const EffdetModel *model = models->pdata[i];
        g_hash_table_add(seen, g_strdup(model->name));
        if (model->path) {
            g_hash_table_add(seen, g_strdup(model->path));
        }
    }
    for (guint i = 0; i < folders->len; i++) {
        const struct folder *folder = folders->pdata[i];
        for (guint j = 0; j < folder->names->len; j++) {
            add_file(models, seen, folder, folder->names->pdata[j]);
        }
    }
}

GPtrArray *effdet_models(void)
{
    GPtrArray *models = g_ptr_array_new_with_free_func(model_free);
    g_autoptr(GPtrArray) paths = search_folders();
    g_autoptr(GPtrArray) folders = read_folders(paths);
    int n;
    const struct arch *archs = arch_table(&n);
    for (int i = -1; i < n; i++) {
        const char *name = i < 0 ? DEFAULT_MODEL : short_name(archs[i].name);
        g_autoptr(GArray) patterns = patterns_of(name);
        add_model(models, name, i < 0 ? NULL : &archs[i], find_file(folders, patterns));
    }
    add_other_files(models, folders);
    return models;
}
