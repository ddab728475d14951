// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Damage to weights files that is made on the spot: cuts, flipped bits, sparse giants, things that
// are no files. Every one must give one line that names the file, quickly and in little memory.
#define _GNU_SOURCE
#include "effdet/effdet.h"
#include "weights/container.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_SECONDS 1.0
#define MAX_GROWTH_KIB (320 * 1024) // peak of a refusal, the sanitizers' shadow memory included
#define SMALL_FILE_BYTES 6000

static char *data_folder;

static long peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

// Opens and reads everything; true when that works. An error must be one line that names the file.
static bool try_path(const char *path, char **message)
{
    g_autoptr(GError) error = NULL;
    struct container *container = container_open(path, &error);
    bool ok = container;
    for (int i = 0; ok && i < container_count(container); i++) {
        g_autofree float *values =
            g_new(float, (gsize)container_tensor(container, i)->elements + 1);
        ok = container_read(container, i, values, &error);
    }
    g_assert_true(ok == !error);
    if (error) {
        g_assert_true(g_str_has_prefix(error->message, path));
        g_assert_null(strchr(error->message, '\n'));
        g_assert_cmpuint(strlen(error->message), >, strlen(path) + 8);
    }
    if (message) {
        *message = error ? g_strdup(error->message) : NULL;
    }
    container_close(&container);
    return ok;
}

// A refusal with `word` in it, in less than a second and without much memory.
static void check_refused(const char *path, const char *word)
{
    g_autofree char *message = NULL;
    long before = peak_kib();
    clock_t start = clock(); // of this process: other load does not count
    bool ok = try_path(path, &message);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    long growth = peak_kib() - before;
    g_test_message("%s (%.3f s, peak +%ld KiB)", message, seconds, growth);
    if (ok || !strstr(message, word) || seconds > MAX_SECONDS || growth > MAX_GROWTH_KIB) {
        g_test_message("%s: expected a refusal with \"%s\" within %.1f s and %d KiB", path, word,
                       MAX_SECONDS, MAX_GROWTH_KIB);
        g_test_fail();
    }
}

// ---- a file in memory
// ---------------------------------------------------------------------------------------------

struct memory_file {
    int fd;
    char path[64];
};

static struct memory_file memory_file_new(const void *data, size_t size)
{
    struct memory_file file = {.fd = memfd_create("container", MFD_CLOEXEC)};
    g_assert_cmpint(file.fd, >=, 0);
    g_assert_cmpint(pwrite(file.fd, data, size, 0), ==, (gssize)size);
    g_snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.fd);
    return file;
}

static void write_at(const struct memory_file *file, uint64_t position, const void *data,
                     size_t size)
{
    g_assert_cmpint(pwrite(file->fd, data, size, (off_t)position), ==, (gssize)size);
}

static void resize(const struct memory_file *file, uint64_t size)
{
    g_assert_cmpint(ftruncate(file->fd, (off_t)size), ==, 0);
}

static void load_data(const char *name, char **data, gsize *size)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(data_folder, name, NULL);
    g_file_get_contents(path, data, size, &error);
    g_assert_no_error(error);
}

static const char *const good_files[] = {
    "st_plain.safetensors",      "st_nometa.safetensors",  "st_unordered.safetensors",
    "st_whitespace.safetensors", "pt_zip_plain.pth",       "pt_zip_strided.pth",
    "pt_zip_protocol4.pth",      "pt_zip_nested_ema.pth",  "pt_zip_handmade.pth",
    "pt_zip_many.pth",           "pt_legacy_plain.pth",    "pt_legacy_strided.pth",
    "pt_legacy_nested_ema.pth",  "pt_legacy_metadata.pth", "pt_legacy_many.pth",
};

static void check_cut(const char *name, const struct memory_file *file, uint64_t size)
{
    resize(file, size);
    if (try_path(file->path, NULL)) {
        g_test_message("%s: its first %" G_GUINT64_FORMAT " bytes were loaded", name, size);
        g_test_fail();
    }
}

static void test_cuts(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(good_files); i++) {
        g_autofree char *data = NULL;
        gsize size;
        load_data(good_files[i], &data, &size);
        struct memory_file file = memory_file_new(data, size);
        g_assert_true(try_path(file.path, NULL));
        gsize step = size <= SMALL_FILE_BYTES ? 1 : 1024;
        for (gsize cut = (size - 1) / step * step; cut < size; cut -= step) { // wraps below 0
            check_cut(good_files[i], &file, cut);
        }
        close(file.fd);
    }
}

// 4 MiB of data in 64 tensors.
static void test_cuts_of_a_large_file(void)
{
    enum { TENSORS = 64, BYTES = 65536 };
    GString *header = g_string_new("{");
    for (int i = 0; i < TENSORS; i++) {
        g_string_append_printf(
            header, "%s\"t%d\":{\"dtype\":\"F32\",\"shape\":[%d],\"data_offsets\":[%d,%d]}",
            i ? "," : "", i, BYTES / 4, i * BYTES, (i + 1) * BYTES);
    }
    g_string_append(header, "}");
    uint64_t length = GUINT64_TO_LE(header->len),
             total = 8 + header->len + TENSORS * (uint64_t)BYTES;
    struct memory_file file = memory_file_new(&length, 8);
    write_at(&file, 8, header->str, header->len);
    g_string_free(header, TRUE);
    resize(&file, total);
    g_assert_true(try_path(file.path, NULL));
    check_cut("large file", &file, total - 1);
    for (int place = 199; place >= 0; place--) {
        check_cut("large file", &file, total * (uint64_t)place / 200);
    }
    for (int64_t cut = 256 * 1024; cut >= 0; cut -= 1024) {
        check_cut("large file", &file, (uint64_t)cut);
    }
    close(file.fd);
}

static void test_flipped_bits(void)
{
    enum { FLIPS = 1500 };
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    for (size_t i = 0; i < G_N_ELEMENTS(good_files); i++) {
        g_autofree char *data = NULL;
        gsize size;
        load_data(good_files[i], &data, &size);
        if (size > SMALL_FILE_BYTES) {
            continue;
        }
        struct memory_file file = memory_file_new(data, size);
        for (int flip = 0; flip < FLIPS; flip++) {
            int count = g_rand_int_range(rand, 1, 4);
            gsize places[4];
            for (int k = 0; k < count; k++) {
                places[k] = (gsize)g_rand_int_range(rand, 0, (gint32)size);
                char changed = data[places[k]] ^ (char)(1 << g_rand_int_range(rand, 0, 8));
                write_at(&file, places[k], &changed, 1);
            }
            (void)try_path(file.path,
                           NULL); // it checks the message; any result but a crash is right
            for (int k = 0; k < count; k++) {
                write_at(&file, places[k], data + places[k], 1);
            }
        }
        g_assert_true(try_path(file.path, NULL));
        close(file.fd);
    }
}

// ---- giants
// -------------------------------------------------------------------------------------------------------

static void test_sparse(void)
{
    const uint64_t giant = UINT64_C(10) << 30;
    struct memory_file file = memory_file_new("", 0);
    resize(&file, giant);
    check_refused(file.path, "known format");
    write_at(&file, 0, "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", 21);
    check_refused(file.path, "pickle 3 of 5");
    write_at(&file, 0, "PK\3\4", 4);
    check_refused(file.path, "no directory");
    uint64_t length = GUINT64_TO_LE(giant / 2);
    write_at(&file, 0, &length, 8);
    write_at(&file, 8, "{\"a\":", 5);
    check_refused(file.path, "header of");
    length = GUINT64_TO_LE(4u << 20);
    write_at(&file, 0, &length, 8);
    check_refused(file.path, "not UTF-8");
    close(file.fd);
}

// Values that take one byte in the file, without end.
static void test_many_values(void)
{
    static const char head[] =
        "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02]";
    GString *bytes = g_string_new_len(head, sizeof head - 1);
    while (bytes->len < 12u << 20) {
        g_string_append_c(bytes, '(');
        for (int i = 0; i < 1000; i++) {
            g_string_append_c(bytes, ']');
        }
        g_string_append_c(bytes, 'e');
    }
    struct memory_file file = memory_file_new(bytes->str, bytes->len);
    check_refused(file.path, "too many objects");
    close(file.fd);
    g_string_free(bytes, TRUE);
}

static void put_little(char *data, int size, uint64_t number)
{
    for (int i = 0; i < size; i++) {
        data[i] = (char)(number >> (8 * i));
    }
}

// End records that claim more entries than memory can hold; the first of two is the false one.
static void test_zip_directory(void)
{
    g_autofree char *data = NULL;
    gsize size;
    load_data("pt_zip_plain.pth", &data, &size);
    char *end = memmem(data, size, "PK\6\6", 4);
    g_assert_nonnull(end);
    put_little(end + 24, 8, UINT64_C(1) << 30);
    put_little(end + 32, 8, UINT64_C(1) << 30);
    struct memory_file file = memory_file_new(data, size);
    check_refused(file.path, "1073741824 records");
    close(file.fd);
    put_little(end + 24, 8, UINT64_C(1) << 60);
    put_little(end + 32, 8, UINT64_C(1) << 60);
    file = memory_file_new(data, size);
    check_refused(file.path, "records in an archive");
    close(file.fd);
    char *locator = memmem(data, size, "PK\6\7", 4);
    put_little(locator + 8, 8, UINT64_MAX - 8);
    file = memory_file_new(data, size);
    check_refused(file.path, "past its end");
    close(file.fd);
}

// JSON that json-glib would take, or that would be read another way than it is meant.
static void test_json_dialects(void)
{
    static const struct {
        const char *header, *word;
    } cases[] = {
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[010],\"data_offsets\":[0,8]}}", "no JSON"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[0x8],\"data_offsets\":[0,8]}}", "no JSON"},
        {"{'a':{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}", "no JSON"},
        {"{/* */\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}", "no JSON"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]},}", "JSON"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[8,],\"data_offsets\":[0,8]}}", "JSON"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}{}", "JSON"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[8.0],\"data_offsets\":[0,8]}}", "whole numbers"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[true],\"data_offsets\":[0,8]}}", "whole numbers"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[null],\"data_offsets\":[0,8]}}", "whole numbers"},
        {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
         "twice"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"shape\":[8],\"data_offsets\":[0,8]}}", "twice"},
        {"{\"\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}", "empty name"},
        {"{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}", ""},
        {"{\"x\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]},\"model.x\":{\"dtype\":"
         "\"U8\",\"shape\":[0],\"data_offsets\":[8,8]}}",
         "two tensors"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint64_t length = GUINT64_TO_LE(strlen(cases[i].header));
        struct memory_file file = memory_file_new(&length, 8);
        write_at(&file, 8, cases[i].header, strlen(cases[i].header));
        resize(&file, 8 + strlen(cases[i].header) + 8);
        if (*cases[i].word) {
            check_refused(file.path, cases[i].word);
        } else {
            (void)try_path(file.path, NULL);
        }
        close(file.fd);
    }
}

// ---- no files
// -----------------------------------------------------------------------------------------------------

static void test_no_files(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp("effdet-XXXXXX", &error);
    g_assert_no_error(error);
    g_autofree char *fifo = g_build_filename(folder, "fifo.pth", NULL),
                    *missing = g_build_filename(folder, "no\nfile.pth", NULL);
    g_autofree char *loop = g_build_filename(folder, "loop.pth", NULL),
                    *locked = g_build_filename(folder, "locked.pth", NULL);
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_assert_cmpint(symlink(loop, loop), ==, 0);
    check_refused(folder, "is a folder");
    check_refused(fifo, "no regular file");
    check_refused("/dev/zero", "no regular file");
    check_refused(loop, "cannot be opened");
    struct container *container = container_open(missing, &error);
    g_assert_null(container);
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_NOT_FOUND);
    g_assert_null(strchr(error->message, '\n'));
    g_file_set_contents(locked, "x", 1, NULL);
    g_assert_cmpint(g_chmod(locked, 0), ==, 0);
    if (geteuid() != 0) { // root reads everything
        check_refused(locked, "cannot be opened");
    }
    g_unlink(fifo);
    g_unlink(loop);
    g_unlink(locked);
    g_rmdir(folder);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    data_folder =
        g_build_filename(g_getenv("EFFDET_SOURCE_DIR"), "tests", "data", "containers", NULL);
    g_test_add_func("/container-damage/sparse", test_sparse);
    g_test_add_func("/container-damage/many-values", test_many_values);
    g_test_add_func("/container-damage/zip-directory", test_zip_directory);
    g_test_add_func("/container-damage/json-dialects", test_json_dialects);
    g_test_add_func("/container-damage/no-files", test_no_files);
    g_test_add_func("/container-damage/cuts", test_cuts);
    g_test_add_func("/container-damage/cuts-of-a-large-file", test_cuts_of_a_large_file);
    g_test_add_func("/container-damage/flipped-bits", test_flipped_bits);
    int result = g_test_run();
    g_free(data_folder);
    return result;
}
