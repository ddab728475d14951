// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Finds the files of a TensorFlow checkpoint: PREFIX.index, PREFIX.data-00000-of-00001 and so on,
// where the file "checkpoint" beside them says which prefix is the newest.
#include "weights/parts.h"

#include "weights/container_internal.h"
#include "weights/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_STATE_BYTES (64u << 10) // of the file "checkpoint"
#define INDEX ".index"
#define STATE "checkpoint"
#define STATE_KEY "model_checkpoint_path:"

static void part_free(gpointer data)
{
    struct part *part = data;
    g_free(part->name);
    g_free(part);
}

static struct parts *parts_new(const struct container *container)
{
    struct parts *parts = g_new0(struct parts, 1);
    parts->container = container;
    parts->opened = g_ptr_array_new_with_free_func(part_free);
    return parts;
}

void parts_free(struct parts **pointer)
{
    struct parts *parts = *pointer;
    if (!parts) {
        return;
    }
    for (guint i = 0; parts->path && i < parts->opened->len; i++) {
        close(((const struct part *)parts->opened->pdata[i])->fd);
    }
    g_ptr_array_unref(parts->opened);
    g_clear_pointer(&parts->members, g_ptr_array_unref);
    g_free(parts->path);
    g_free(parts->folder);
    g_free(parts->prefix);
    g_clear_pointer(pointer, g_free);
}

// ---- names -------------------------------------------------------------------------------------

static char *without_suffix(const char *name, const char *suffix)
{
    return g_strndup(name, strlen(name) - strlen(suffix));
}

// Where ".data-00000-of-00001" begins, or NULL.
static const char *shard_suffix(const char *name)
{
    const char *at = g_strrstr(name, ".data-");
    unsigned shard, count;
    int consumed = 0;
    return at && sscanf(at, ".data-%5u-of-%5u%n", &shard, &count, &consumed) == 2 &&
                   at[consumed] == '\0'
               ? at
               : NULL;
}

static bool has_index(GPtrArray *names, const char *prefix)
{
    g_autofree char *index = g_strconcat(prefix, INDEX, NULL);
    return g_ptr_array_find_with_equal_func(names, index, g_str_equal, NULL);
}

// The newest checkpoint by the file "checkpoint" (text of a protocol buffer). Only its last
// component counts: the folder may have been moved since.
static char *newest(const char *state)
{
    const char *at = g_str_has_prefix(state, STATE_KEY) ? state : strstr(state, "\n" STATE_KEY);
    const char *open = at ? strchr(at, '"') : NULL;
    const char *close = open ? strchr(open + 1, '"') : NULL;
    if (!close) {
        return NULL;
    }
    g_autofree char *quoted = g_strndup(open + 1, (gsize)(close - open) - 1);
    g_autofree char *path = g_strcompress(quoted);
    return g_path_get_basename(path);
}

// The prefix of one of the names, of files of one folder.
static char *choose(GPtrArray *names, const char *state, GError **error)
{
    g_autofree char *wished = state ? newest(state) : NULL;
    const char *first = NULL, *second = NULL;
    if (wished && has_index(names, wished)) {
        return g_steal_pointer(&wished);
    }
    for (guint i = 0; i < names->len; i++) {
        const char *name = names->pdata[i];
        if (g_str_has_suffix(name, INDEX) && name[0] != '.') {
            second = first;
            first = name;
        }
    }
    if (!first) {
        bad_file(error, "holds no TensorFlow checkpoint: there is no *.index in it");
        return NULL;
    }
    if (second) {
        bad_file(error,
                 "holds several checkpoints (%.160s, %.160s) and no file \"checkpoint\" that names "
                 "one of them: name one",
                 second, first);
        return NULL;
    }
    return without_suffix(first, INDEX);
}

// ---- a folder ----------------------------------------------------------------------------------

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *choose_in_folder(const char *path, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        if (g_str_has_suffix(name, INDEX)) {
            g_ptr_array_add(names, g_strdup(name));
        }
    }
    g_ptr_array_sort(names, compare_names);
    g_autofree char *state_path = g_build_filename(path, STATE, NULL), *state = NULL;
    struct stat status;
    if (stat(state_path, &status) == 0 && S_ISREG(status.st_mode) &&
        status.st_size <= MAX_STATE_BYTES) {
        (void)g_file_get_contents(state_path, &state, NULL, NULL);
    }
    return choose(names, state, error);
}

bool parts_is_checkpoint(const char *path)
{
    g_autofree char *index = g_strconcat(path, INDEX, NULL);
    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        return g_file_test(index, G_FILE_TEST_IS_REGULAR);
    }
    g_autofree char *prefix =
        g_file_test(path, G_FILE_TEST_IS_DIR) ? choose_in_folder(path, NULL) : NULL;
    g_autofree char *state = g_build_filename(path, STATE, NULL);
    return prefix || g_file_test(state, G_FILE_TEST_IS_REGULAR);
}

struct parts *parts_of_path(const struct container *container, GError **error)
{
    struct parts *parts = parts_new(container);
    const char *path = container->path;
    g_autofree char *name = g_path_get_basename(path);
    bool is_folder = g_file_test(path, G_FILE_TEST_IS_DIR);
    parts->path = is_folder ? g_strdup(path) : g_path_get_dirname(path);
    g_autofree char *whole = g_canonicalize_filename(parts->path, NULL);
    parts->folder = g_path_get_basename(whole);
    const char *shard = shard_suffix(name);
    if (is_folder || strcmp(name, STATE) == 0) {
        parts->prefix = choose_in_folder(parts->path, error);
    } else if (g_str_has_suffix(name, INDEX)) {
        parts->prefix = without_suffix(name, INDEX);
    } else if (shard) {
        parts->prefix = without_suffix(name, shard);
    } else if (container->fd < 0) {
        parts->prefix = g_strdup(name);
    } else {
        bad_file(error, "is the index of a TensorFlow checkpoint: name it PREFIX.index, with "
                        "PREFIX.data-00000-of-00001 beside it");
    }
    if (!parts->prefix) {
        parts_free(&parts);
    }
    return parts;
}

// ---- an archive --------------------------------------------------------------------------------

static bool is_part(const char *name)
{
    g_autofree char *base = g_path_get_basename(name);
    return base[0] != '.' &&
           (g_str_has_suffix(base, INDEX) || shard_suffix(base) || strcmp(base, STATE) == 0);
}

static bool load_state(const struct container *container, const struct tar_member *member,
                       char **text, GError **error)
{
    if (member->size > MAX_STATE_BYTES) {
        bad_file(error, "has a file \"%.160s\" of %" G_GUINT64_FORMAT " bytes, too long for a list",
                 member->name, member->size);
        return false;
    }
    *text = g_malloc0((size_t)member->size + 1);
    if (member->memory) {
        memcpy(*text, member->memory, (size_t)member->size);
        return true;
    }
    return container_pread(container, member->start, *text, (size_t)member->size, error);
}

// The names in the folder of the first index; a checkpoint in another folder is one too many.
static bool choose_in_archive(struct parts *parts, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *state = NULL;
    for (guint i = 0; i < parts->members->len; i++) {
        const struct tar_member *member = parts->members->pdata[i];
        g_autofree char *folder = g_path_get_dirname(member->name);
        if (!g_str_has_suffix(member->name, INDEX)) {
            continue;
        }
        if (parts->folder && strcmp(parts->folder, folder) != 0) {
            bad_file(error,
                     "holds checkpoints in two folders (%.160s, %.160s): unpack it and name one",
                     parts->folder, folder);
            return false;
        }
        g_free(parts->folder);
        parts->folder = g_steal_pointer(&folder);
        g_ptr_array_add(names, g_path_get_basename(member->name));
    }
    for (guint i = 0; parts->folder && i < parts->members->len; i++) {
        const struct tar_member *member = parts->members->pdata[i];
        g_autofree char *folder = g_path_get_dirname(member->name);
        g_autofree char *base = g_path_get_basename(member->name);
        if (!state && strcmp(folder, parts->folder) == 0 && strcmp(base, STATE) == 0 &&
            !load_state(parts->container, member, &state, error)) {
            return false;
        }
    }
    parts->prefix = choose(names, state, error);
    return parts->prefix;
}

struct parts *parts_of_archive(const struct container *container, bool gzip, GError **error)
{
    struct parts *parts = parts_new(container);
    parts->members = tar_list(container, gzip, is_part, error);
    if (!parts->members || !choose_in_archive(parts, error)) {
        parts_free(&parts);
    }
    return parts;
}

// ---- the files ---------------------------------------------------------------------------------

static bool open_in_folder(const struct parts *parts, struct part *part, GError **error)
{
    g_autofree char *path = g_build_filename(parts->path, part->name, NULL);
    struct stat status;
    if (stat(path, &status)) {
        bad_file(error, "lacks its file %.160s%s", part->name,
                 errno == ENOENT ? "" : ", which cannot be opened");
        return false;
    }
    if (S_ISREG(status.st_mode)) { // a device or a FIFO could block or have effects
        part->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    }
    if (part->fd < 0 || fstat(part->fd, &status) || !S_ISREG(status.st_mode)) {
        bad_file(error, "has a file %.160s that cannot be opened or is no regular file",
                 part->name);
        return false;
    }
    part->size = (uint64_t)status.st_size;
    return true;
}

static bool open_in_archive(const struct parts *parts, struct part *part, GError **error)
{
    g_autofree char *path = strcmp(parts->folder, ".") == 0
                                ? g_strdup(part->name)
                                : g_strconcat(parts->folder, "/", part->name, NULL);
    for (guint i = 0; i < parts->members->len; i++) {
        const struct tar_member *member = parts->members->pdata[i];
        if (strcmp(member->name, path) == 0) {
            part->fd = parts->container->fd;
            part->size = member->size;
            part->start = member->start;
            part->memory = member->memory;
            return true;
        }
    }
    bad_file(error, "has no %.160s in it", path);
    return false;
}

const struct part *parts_open(struct parts *parts, const char *suffix, GError **error)
{
    struct part *part = g_new0(struct part, 1);
    part->name = g_strconcat(parts->prefix, suffix, NULL);
    part->fd = -1;
    bool ok =
        parts->path ? open_in_folder(parts, part, error) : open_in_archive(parts, part, error);
    if (!ok) {
        if (parts->path && part->fd >= 0) {
            close(part->fd);
        }
        part_free(part);
        return NULL;
    }
    g_ptr_array_add(parts->opened, part);
    return part;
}

bool part_read(const struct parts *parts, const struct part *part, uint64_t offset, void *dst,
               size_t size, GError **error)
{
    if (part->memory) {
        memcpy(dst, part->memory + offset, size);
        return true;
    }
    return container_pread_fd(part->fd, part->start + offset, dst, size, error);
}
