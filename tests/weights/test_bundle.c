// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// TensorFlow checkpoints as several files: every path that names one, which of several is meant,
// and damage to each of the files. What the fixtures hold is compared by test_container.c.
#include "effdet/effdet.h"
#include "weights/container.h"
#include "weights/crc32c.h"
#include "weights_file.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

static char *data_folder;

static char *data_path(const char *name)
{
    return g_build_filename(data_folder, name, NULL);
}

static void load(const char *path, char **data, gsize *size)
{
    g_autoptr(GError) error = NULL;
    g_file_get_contents(path, data, size, &error);
    g_assert_no_error(error);
}

// In place: what g_file_set_contents() does for safety takes its time.
static void store(const char *path, const char *data, gsize size)
{
    FILE *file = g_fopen(path, "wb");
    g_assert_nonnull(file);
    g_assert_cmpuint(fwrite(data, 1, size, file), ==, size);
    g_assert_cmpint(fclose(file), ==, 0);
}

static void copy(const char *name, const char *folder)
{
    g_autofree char *from = data_path(name), *base = g_path_get_basename(name);
    g_autofree char *to = g_build_filename(folder, base, NULL), *data = NULL;
    gsize size;
    load(from, &data, &size);
    store(to, data, size);
}

// Opens and reads everything; the number of tensors, or -1 with a message of one line.
static int try_path(const char *path, char **message)
{
    g_autoptr(GError) error = NULL;
    struct container *container = container_open(path, &error);
    int count = container ? container_count(container) : -1;
    for (int i = 0; !error && i < count; i++) {
        gsize n = (gsize)container_tensor(container, i)->elements;
        g_autofree float *values = g_new(float, n + 1);
        if (!container_read(container, i, values, &error)) {
            count = -1;
        }
    }
    g_assert_true((count >= 0) == !error);
    if (error) {
        g_assert_true(g_str_has_prefix(error->message, path));
        g_assert_null(strchr(error->message, '\n'));
        g_assert_cmpuint(strlen(error->message), >, strlen(path) + 8);
    }
    if (message) {
        *message = error ? g_strdup(error->message) : NULL;
    }
    container_close(&container);
    return count;
}

static void check_refused(const char *path, const char *word)
{
    g_autofree char *message = NULL;
    g_assert_cmpint(try_path(path, &message), ==, -1);
    if (!strstr(message, word)) {
        g_error("\"%s\" does not say \"%s\"", message, word);
    }
}

// ---- the checksum ------------------------------------------------------------------------------

static void test_crc(void)
{
    uint8_t bytes[32];
    for (int i = 0; i < 32; i++) {
        bytes[i] = (uint8_t)i;
    }
    g_assert_cmphex(crc32c(0, "123456789", 9), ==,
                    0xE3069283); // RFC 3720, B.4, and its check value
    g_assert_cmphex(crc32c(0, bytes, 32), ==, 0x46DD794E);
    for (size_t cut = 0; cut <= 32; cut++) {
        g_assert_cmphex(crc32c(crc32c(0, bytes, cut), bytes + cut, 32 - cut), ==, 0x46DD794E);
    }
    g_assert_true(crc32c_matches(0, 0xA282EAD8u));
    g_assert_false(crc32c_matches(1, 0xA282EAD8u));
}

// ---- paths -------------------------------------------------------------------------------------

static void check_same(const char *name, const char *folder)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *first = data_path("tf_saver/model.ckpt-300"), *path = data_path(name);
    struct container *a = container_open(first, &error);
    g_assert_no_error(error);
    struct container *b = container_open(path, &error);
    g_assert_no_error(error);
    g_assert_cmpint(container_count(a), ==, container_count(b));
    g_assert_cmpstr(container_folder(b), ==, folder);
    for (int i = 0; i < container_count(a); i++) {
        const struct tensor_info *info = container_tensor(a, i);
        float x[256], y[256];
        g_assert_cmpint(info->elements, <=, 256);
        g_assert_cmpint(container_find(b, info->name), ==, i);
        g_assert_true(container_read(a, i, x, &error));
        g_assert_true(container_read(b, i, y, &error));
        g_assert_cmpmem(x, sizeof(float) * (gsize)info->elements, y,
                        sizeof(float) * (gsize)info->elements);
    }
    container_close(&a);
    container_close(&b);
}

static void test_paths(void)
{
    check_same("tf_saver", "tf_saver");
    check_same("tf_saver/", "tf_saver");
    check_same("tf_saver/checkpoint", "tf_saver");
    check_same("tf_saver/model.ckpt-300.index", "tf_saver");
    check_same("tf_saver/model.ckpt-300.data-00000-of-00001", "tf_saver");
    check_same("tf_saver.tar", "tf_saver");
    static const struct {
        const char *name;
        int count;
    } archives[] = {{"tf_sharded.tar.gz", 8}, {"tf_many.tar.gz", 600}, {"tf_object.tgz", 4}};
    for (gsize i = 0; i < G_N_ELEMENTS(archives); i++) {
        g_autofree char *path = data_path(archives[i].name), *message = NULL;
        int count = try_path(path, &message);
        g_assert_cmpstr(message, ==, NULL);
        g_assert_cmpint(count, ==, archives[i].count);
    }
}

// The names of objects, of TensorFlow Hub's modules and of a model in a larger checkpoint.
static void test_object_names(void)
{
    static const char *const names[] = {
        "efficientnet-b0/stem/conv2d/kernel", "fpn_cells/cell_0/fnode0/WSM",
        "class_net/class-predict/bias",       "box_net/box-predict/depthwise_kernel",
        "backbone/_stem/_bn/gamma",
    };
    g_autoptr(GError) error = NULL;
    g_autofree char *path = data_path("tf_hub.tgz");
    struct container *container = container_open(path, &error);
    g_assert_no_error(error);
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_assert_cmpint(container_find(container, names[i]), >=, 0);
    }
    g_assert_cmpint(container_count(container), ==, G_N_ELEMENTS(names));
    g_assert_cmpstr(container_folder(container), ==, "tf_hub");
    container_close(&container);
}

static void test_choice(void)
{
    g_autofree char *folder = weights_folder();
    g_autofree char *state = g_build_filename(folder, "checkpoint", NULL);
    check_refused(folder, "without a checkpoint");
    copy("tf_saver/model.ckpt-300.index", folder);
    check_refused(folder, "lacks its file model.ckpt-300.data-00000-of-00001");
    copy("tf_saver/model.ckpt-300.data-00000-of-00001", folder);
    g_assert_cmpint(try_path(folder, NULL), ==, 8);
    copy("tf_handmade/model.index", folder);
    copy("tf_handmade/model.data-00000-of-00001", folder);
    store(state, "", 0);
    check_refused(folder, "several checkpoints (model.ckpt-300.index, model.index)");
    static const struct {
        const char *text;
        int count; // of the checkpoint that it names; -1: none
    } states[] = {
        {"model_checkpoint_path: \"model\"\nall_model_checkpoint_paths: \"model.ckpt-300\"\n", 1},
        {"model_checkpoint_path: \"/gone/since/model.ckpt-300\"\n", 8},
        {"all_model_checkpoint_paths: \"model\"\nmodel_checkpoint_path: \"model.ckpt-300\"\n", 8},
        {"model_checkpoint_path: \"../../model.ckpt-300\"", 8},
        {"model_checkpoint_path: \"nothing\"", -1},
        {"model_checkpoint_path: \"\\", -1},
        {"model_checkpoint_path:", -1},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(states); i++) {
        store(state, states[i].text, strlen(states[i].text));
        g_assert_cmpint(try_path(folder, NULL), ==, states[i].count);
        g_assert_cmpint(try_path(state, NULL), ==, states[i].count);
    }
    weights_folder_remove(g_steal_pointer(&folder));
}

// ---- damage ------------------------------------------------------------------------------------

// A copy of a checkpoint's files in a folder of its own, to be damaged.
struct damaged {
    char *folder, *path, *target; // what is opened, what is damaged
    char *data;
    gsize size;
};

static void damaged_init(struct damaged *damaged, const char *const *names, int target)
{
    damaged->folder = weights_folder();
    for (int i = 0; names[i]; i++) {
        copy(names[i], damaged->folder);
    }
    g_autofree char *base = g_path_get_basename(names[target]);
    damaged->target = g_build_filename(damaged->folder, base, NULL);
    damaged->path = names[1] ? g_strdup(damaged->folder) : g_strdup(damaged->target);
    load(damaged->target, &damaged->data, &damaged->size);
}

static void damaged_finish(struct damaged *damaged)
{
    weights_folder_remove(damaged->folder);
    g_free(damaged->path);
    g_free(damaged->target);
    g_free(damaged->data);
}

static const char *const saver[] = {"tf_saver/model.ckpt-300.index",
                                    "tf_saver/model.ckpt-300.data-00000-of-00001", NULL};
static const char *const sharded[] = {"tf_sharded/model.index",
                                      "tf_sharded/model.data-00001-of-00002",
                                      "tf_sharded/model.data-00000-of-00002", NULL};
static const char *const plain[] = {"tf_saver.tar", NULL};
static const char *const gzipped[] = {"tf_sharded.tar.gz", NULL};
static const struct {
    const char *const *names;
    int target;
    gsize step;
} targets[] = {{saver, 0, 3}, {saver, 1, 41}, {sharded, 1, 3}, {plain, 0, 61}, {gzipped, 0, 13}};

static void test_cuts(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(targets); i++) {
        struct damaged damaged;
        damaged_init(&damaged, targets[i].names, targets[i].target);
        g_assert_cmpint(try_path(damaged.path, NULL), ==, 8);
        // only the zeros behind an archive's end may be missing
        gsize end = targets[i].names == plain ? 5 * 512 : damaged.size;
        for (gsize cut = 0; cut < end; cut += targets[i].step) {
            store(damaged.target, damaged.data, cut);
            if (try_path(damaged.path, NULL) >= 0) {
                g_error("the first %zu bytes of %s were loaded", cut, damaged.target);
            }
        }
        damaged_finish(&damaged);
    }
}

static void test_flipped_bits(void)
{
    enum { FLIPS = 90 };
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);
    for (gsize i = 0; i < G_N_ELEMENTS(targets); i++) {
        struct damaged damaged;
        damaged_init(&damaged, targets[i].names, targets[i].target);
        for (int flip = 0; flip < FLIPS; flip++) {
            gsize place = (gsize)g_rand_int_range(rand, 0, (gint32)damaged.size);
            damaged.data[place] ^= (char)(1 << g_rand_int_range(rand, 0, 8));
            store(damaged.target, damaged.data, damaged.size);
            (void)try_path(damaged.path, NULL); // it checks the message
            if (flip % 3 == 0) {                // up to three at a time
                g_free(damaged.data);
                copy(targets[i].names[targets[i].target], damaged.folder);
                load(damaged.target, &damaged.data, &damaged.size);
            }
        }
        damaged_finish(&damaged);
    }
}

// ---- archives ----------------------------------------------------------------------------------

// Appends a member of a ustar archive.
static void add_member(GByteArray *tar, const char *name, char type, guint64 claimed,
                       const char *data, gsize size)
{
    char header[512] = {0};
    unsigned sum = 0;
    g_strlcpy(header, name, 100);
    g_snprintf(header + 100, 8, "0000644");
    g_snprintf(header + 124, 12, "%011" G_GINT64_MODIFIER "o", claimed);
    header[156] = type;
    memcpy(header + 257,
           "ustar\0"
           "00",
           8);
    memset(header + 148, ' ', 8);
    for (int i = 0; i < 512; i++) {
        sum += (uint8_t)header[i];
    }
    g_snprintf(header + 148, 8, "%06o", sum);
    g_byte_array_append(tar, (const guint8 *)header, 512);
    g_byte_array_append(tar, (const guint8 *)data, (guint)size);
    g_byte_array_set_size(tar, (guint)((tar->len + 511) / 512 * 512));
}

static void check_archive(GByteArray *tar, const char *folder, const char *word)
{
    g_autofree char *path = g_build_filename(folder, "a.tar", NULL);
    char end[1024] = {0};
    g_byte_array_append(tar, (const guint8 *)end, sizeof end);
    store(path, (const char *)tar->data, tar->len);
    check_refused(path, word);
    g_byte_array_set_size(tar, 0);
}

static void test_archives(void)
{
    g_autofree char *folder = weights_folder(), *index = NULL, *data = NULL;
    g_autofree char *index_path = data_path("tf_handmade/model.index");
    g_autofree char *data_name = data_path("tf_handmade/model.data-00000-of-00001");
    gsize index_size, data_size;
    load(index_path, &index, &index_size);
    load(data_name, &data, &data_size);
    g_autoptr(GByteArray) tar = g_byte_array_new();
    add_member(tar, "a/model.index", '0', index_size, index, index_size);
    check_archive(tar, folder, "has no a/model.data-00000-of-00001 in it");
    add_member(tar, "a/model.index", '0', index_size, index, index_size);
    add_member(tar, "b/model.data-00000-of-00001", '0', data_size, data, data_size);
    check_archive(tar, folder, "has no a/model.data-00000-of-00001 in it");
    add_member(tar, "a/model.index", '0', index_size, index, index_size);
    add_member(tar, "a/model.data-00000-of-00001", '2', 0, NULL, 0); // a link
    check_archive(tar, folder, "has no a/model.data-00000-of-00001 in it");
    add_member(tar, "a/model.index", '0', index_size, index, index_size);
    add_member(tar, "b/model.index", '0', index_size, index, index_size);
    check_archive(tar, folder, "two folders (a, b)");
    add_member(tar, "a/model.txt", '0', 5, "hello", 5);
    check_archive(tar, folder, "no *.index");
    add_member(tar, "a/model.index", '0', UINT64_C(077777777777), index, index_size);
    check_archive(tar, folder, "goes on after the file's end");
    add_member(tar, "name", 'L', 1 << 20, "x", 1);
    check_archive(tar, folder, "a name in the archive has 1048576 bytes");
    add_member(tar, "name", 'x', 9, "9 path=a\n", 9);
    add_member(tar, "name", 'x', 9, "99 path=a", 9);
    check_archive(tar, folder, "no list of records");
    weights_folder_remove(g_steal_pointer(&folder));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    data_folder =
        g_build_filename(g_getenv("EFFDET_SOURCE_DIR"), "tests", "data", "containers", NULL);
    g_test_add_func("/bundle/crc", test_crc);
    g_test_add_func("/bundle/paths", test_paths);
    g_test_add_func("/bundle/object-names", test_object_names);
    g_test_add_func("/bundle/choice", test_choice);
    g_test_add_func("/bundle/archives", test_archives);
    g_test_add_func("/bundle/cuts", test_cuts);
    g_test_add_func("/bundle/flipped-bits", test_flipped_bits);
    int result = g_test_run();
    g_free(data_folder);
    return result;
}
