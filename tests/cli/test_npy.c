// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The .npy reader and writer: what is written is read back, and every other file is refused with a
// line that names it.
#include "cli/npy.h"
#include "effdet/effdet.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *folder;

static char *file_path(const char *name)
{
    return g_build_filename(folder, name, NULL);
}

// A file of the given version with a header text and `data_bytes` zeros after it.
static void write_file(const char *path, int version, const char *header, gsize data_bytes)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    guint length = (guint)strlen(header);
    const guint8 start[] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', (guint8)version, 0, (guint8)length, (guint8)(length >> 8),
        0,    0};
    g_byte_array_append(bytes, start, version == 1 ? 10 : 12);
    g_byte_array_append(bytes, (const guint8 *)header, length);
    g_autofree guint8 *zeros = g_malloc0(data_bytes + 1);
    g_byte_array_append(bytes, zeros, (guint)data_bytes);
    g_assert_true(g_file_set_contents(path, (const char *)bytes->data, bytes->len, NULL));
}

static void assert_refused(const char *path, int rank, const char *what)
{
    g_autoptr(GError) error = NULL;
    int64_t shape[8];
    g_autofree float *data = npy_read(path, rank, shape, &error);
    if (data) {
        g_error("%s: was read", what);
    }
    if (!strstr(error->message, path) || strchr(error->message, '\n')) {
        g_error("%s: bad message \"%s\"", what, error->message);
    }
}

static void test_round_trip(void)
{
    static const int64_t shapes[][4] = {
        {1, 1, 1, 1}, {1, 3, 4, 5}, {1, 810, 2, 3}, {1, 3, 100, 1}, {2, 1, 1, 123456}};
    g_autofree char *path = file_path("round.npy");
    for (gsize i = 0; i < G_N_ELEMENTS(shapes); i++) {
        const int64_t *shape = shapes[i];
        int64_t n = shape[0] * shape[1] * shape[2] * shape[3], found[4];
        g_autofree float *data = g_new(float, n);
        for (int64_t j = 0; j < n; j++) {
            data[j] = (float)j * -0.37f;
        }
        g_autoptr(GError) error = NULL;
        g_assert_true(npy_write(path, shape, 4, data, &error));
        g_assert_no_error(error);
        g_autofree float *back = npy_read(path, 4, found, &error);
        g_assert_no_error(error);
        g_assert_cmpmem(found, sizeof found, shape, sizeof found);
        g_assert_cmpmem(back, (gsize)n * 4, data, (gsize)n * 4);
    }
}

// The bytes are those that NumPy writes.
static void test_bytes(void)
{
    static const char wanted[] = "\x93NUMPY\x01\x00\x76\x00"
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }"
                                 "                                                          \n"
                                 "\x00\x00\x80\x3f\x00\x00\x00\xc0";
    const float data[] = {1, -2};
    const int64_t shape[] = {1, 2};
    g_autofree char *path = file_path("bytes.npy");
    g_autofree char *contents = NULL;
    gsize length;
    g_assert_true(npy_write(path, shape, 2, data, NULL));
    g_assert_true(g_file_get_contents(path, &contents, &length, NULL));
    g_assert_cmpmem(contents, length, wanted, sizeof wanted - 1);
}

static void test_accepted_headers(void)
{
    static const struct {
        int version;
        const char *header;
        int rank;
    } cases[] = {
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", 2},
        {2, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", 2},
        {3, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", 2},
        {1, "{\"shape\":(2,3),\"fortran_order\":False,\"descr\":\"<f4\"}", 2},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (6,)}\n", 1},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3, 1,)}\n", 4},
    };
    g_autofree char *path = file_path("accepted.npy");
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        write_file(path, cases[i].version, cases[i].header, 24);
        g_autoptr(GError) error = NULL;
        int64_t shape[8];
        g_autofree float *data = npy_read(path, cases[i].rank, shape, &error);
        if (!data) {
            g_error("%s: %s", cases[i].header, error->message);
        }
    }
}

static void test_refused_headers(void)
{
#define HEAD "{'descr': '<f4', 'fortran_order': False, 'shape': "
    static const char *const headers[] = {
        "",
        "{}",
        "{'descr': '<f4', 'fortran_order': False}",
        HEAD "(2, 3)",
        HEAD "(2, 3)} x",
        HEAD "(2, 3), 'more': 1}",
        HEAD "(2, 3), 'shape': (2, 3)}",
        HEAD "(2 3)}",
        HEAD "(2, -3)}",
        HEAD "(2, 3.0)}",
        HEAD "(2, 99999999999999999999)}",
        HEAD "(9223372036854775807, 9223372036854775807)}",
        HEAD "(4611686018427387904, 4)}",
        HEAD "(0, 3)}",
        HEAD "(6,)}",
        HEAD "(1, 2, 3)}",
        HEAD "(1, 1, 1, 1, 1, 1, 1, 1, 6)}",
        HEAD "[2, 3]}",
        HEAD "(2, 3}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 3)}",
        "{'descr': '<f4 and much more text than fits', 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<f4",
        "{descr: '<f4', 'fortran_order': False, 'shape': (2, 3)}",
    };
#undef HEAD
    g_autofree char *path = file_path("refused.npy");
    for (gsize i = 0; i < G_N_ELEMENTS(headers); i++) {
        write_file(path, 1, headers[i], 24);
        assert_refused(path, 2, headers[i]);
    }
}

static void test_refused_files(void)
{
    const char *header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";
    g_autofree char *path = file_path("file.npy");
    assert_refused(path, 2, "missing file");
    assert_refused(folder, 2, "a folder");
    g_autofree char *pipe_path = file_path("pipe.npy");
    g_assert_cmpint(mkfifo(pipe_path, 0600), ==, 0);
    assert_refused(pipe_path, 2, "a pipe");
    gsize whole = 10 + strlen(header) + 24;
    for (gsize length = 0; length < whole; length++) { // every truncation
        write_file(path, 1, header, 24);
        g_autofree char *contents = NULL;
        g_assert_true(g_file_get_contents(path, &contents, NULL, NULL));
        g_assert_true(g_file_set_contents(path, contents, (gssize)length, NULL));
        assert_refused(path, 2, "truncated");
    }
    write_file(path, 1, header, 25);
    assert_refused(path, 2, "a byte too many");
    write_file(path, 4, header, 24);
    assert_refused(path, 2, "version 4");
    write_file(path, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000)}",
               24);
    assert_refused(path, 2, "4 TB announced");
    g_assert_true(g_file_set_contents(path, "\x93NUMPY\x02\x00\xff\xff\xff\xff", 12, NULL));
    assert_refused(path, 2, "4 GB header");
    g_assert_true(g_file_set_contents(path, "PK\x03\x04 an .npz archive", -1, NULL));
    assert_refused(path, 2, "npz");
}

static void test_write_fails(void)
{
    g_autoptr(GError) error = NULL;
    const float data[] = {1, 2};
    const int64_t shape[] = {1, 2};
    g_autofree char *path = file_path("no/such/folder.npy");
    g_assert_false(npy_write(path, shape, 2, data, &error));
    g_assert_nonnull(strstr(error->message, path));
    g_clear_error(&error);
    if (g_file_test("/dev/full", G_FILE_TEST_EXISTS)) {
        g_autofree char *full = file_path("full.npy");
        g_assert_cmpint(symlink("/dev/full", full), ==, 0);
        g_assert_false(npy_write(full, shape, 2, data, &error));
        g_assert_nonnull(strstr(error->message, full));
        g_assert_false(g_file_test(full, G_FILE_TEST_IS_SYMLINK));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("effdet-npy-XXXXXX", NULL);
    g_test_add_func("/npy/round-trip", test_round_trip);
    g_test_add_func("/npy/bytes", test_bytes);
    g_test_add_func("/npy/accepted-headers", test_accepted_headers);
    g_test_add_func("/npy/refused-headers", test_refused_headers);
    g_test_add_func("/npy/refused-files", test_refused_files);
    g_test_add_func("/npy/write-fails", test_write_fails);
    int status = g_test_run();
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    for (const char *name; (name = g_dir_read_name(dir));) {
        g_autofree char *path = file_path(name);
        g_remove(path);
    }
    g_rmdir(folder);
    g_free(folder);
    return status;
}
