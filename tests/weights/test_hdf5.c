// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Keras's HDF5 files against what tests/data/containers/make_h5.py wrote, and damage to them.
#define _GNU_SOURCE
#include "effdet/effdet.h"
#include "weights/container.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char *data_path(const char *name)
{
    return g_build_filename(g_getenv("EFFDET_SOURCE_DIR"), "tests", "data", "containers", name,
                            NULL);
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
        count = container_read(container, i, values, &error) ? count : -1;
    }
    g_assert_true((count >= 0) == !error);
    if (error) {
        g_assert_true(g_str_has_prefix(error->message, path));
        g_assert_null(strchr(error->message, '\n'));
    }
    if (message) {
        *message = error ? g_strdup(error->message) : NULL;
    }
    container_close(&container);
    return count;
}

// Element i of every dataset is (i + length of its name) / 8, as far as its type goes.
static void check_tensor(struct container *container, const char *name, enum dtype dtype,
                         int64_t elements)
{
    g_autoptr(GError) error = NULL;
    int index = container_find(container, name);
    g_assert_cmpint(index, >=, 0);
    const struct tensor_info *info = container_tensor(container, index);
    float values[64];
    bool whole = dtype == DTYPE_I64 || dtype == DTYPE_U8;
    g_assert_cmpint(info->dtype, ==, dtype);
    g_assert_cmpint(info->elements, ==, elements);
    g_assert_cmpint(elements, <=, 64);
    g_assert_true(container_read(container, index, values, &error));
    for (int64_t i = 0; i < elements; i++) {
        float exact = (float)(i + (int64_t)strlen(name)) / 8.0f;
        g_assert_cmpfloat(values[i], ==, whole ? (float)(int)exact : exact);
    }
}

static struct container *open_data(const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = data_path(name);
    struct container *container = container_open(path, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(container_format(container), ==, "hdf5");
    return container;
}

static void test_keras(void)
{
    struct container *container = open_data("h5_keras.h5");
    g_assert_cmpint(container_count(container), ==, 6);
    check_tensor(container, "stem/kernel", DTYPE_F32, 54);
    check_tensor(container, "stem/bias", DTYPE_F32, 2);
    check_tensor(container, "bn/gamma", DTYPE_F32, 2);
    check_tensor(container, "bn/beta", DTYPE_F32, 2);
    check_tensor(container, "bn/moving_mean", DTYPE_F32, 2);
    check_tensor(container, "bn/moving_variance", DTYPE_F32, 2);
    const struct tensor_info *info =
        container_tensor(container, container_find(container, "stem/kernel"));
    const int64_t shape[4] = {3, 3, 3, 2};
    g_assert_cmpint(info->rank, ==, 4);
    g_assert_cmpmem(info->shape, sizeof shape, shape, sizeof shape);
    container_close(&container);
}

static void test_mixed(void)
{
    struct container *container = open_data("h5_mixed.h5");
    g_assert_cmpint(container_count(container), ==, 46);
    check_tensor(container, "net/half", DTYPE_F16, 6);
    check_tensor(container, "net/double", DTYPE_F64, 4);
    check_tensor(container, "net/count", DTYPE_I64, 2);
    check_tensor(container, "net/small", DTYPE_U8, 3);
    check_tensor(container, "net/empty", DTYPE_F32, 0);
    check_tensor(container, "deep/a/b/c/kernel", DTYPE_F32, 6);
    for (int i = 0; i < 40; i++) { // more than a leaf of a group's tree holds
        g_autofree char *name = g_strdup_printf("many/fnode%d/WSM", i);
        check_tensor(container, name, DTYPE_F32, 1);
    }
    container_close(&container);
}

static void test_causes(void)
{
    static const struct {
        const char *name, *word;
    } cases[] = {
        {"bad_h5_latest.h5", "newer form"},
        {"bad_h5_order.h5", "newer form"},
        {"bad_h5_compressed.h5", "net/half:0\" in chunks or compressed"},
        {"bad_h5_bigendian.h5", "net/kernel:0\" in big-endian"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = data_path(cases[i].name), *message = NULL;
        g_assert_cmpint(try_path(path, &message), ==, -1);
        if (!strstr(message, cases[i].word)) {
            g_error("\"%s\" does not say \"%s\"", message, cases[i].word);
        }
    }
}

// The file in memory, to be damaged.
static char *memory_file(const char *name, int *fd, char **data, gsize *size)
{
    g_autofree char *path = data_path(name);
    g_assert_true(g_file_get_contents(path, data, size, NULL));
    *fd = memfd_create("hdf5", MFD_CLOEXEC);
    g_assert_cmpint(write(*fd, *data, *size), ==, *size);
    return g_strdup_printf("/proc/self/fd/%d", *fd);
}

static void test_cuts(void)
{
    int fd;
    gsize size;
    g_autofree char *data = NULL;
    g_autofree char *path = memory_file("h5_keras.h5", &fd, &data, &size);
    g_assert_cmpint(try_path(path, NULL), ==, 6);
    for (gsize cut = size - 1; cut > 0; cut -= MIN(cut, cut > 200 ? 37 : 1)) {
        g_assert_cmpint(ftruncate(fd, (off_t)cut), ==, 0);
        g_assert_cmpint(try_path(path, NULL), ==, -1);
    }
    close(fd);
}

static void test_flipped_bits(void)
{
    enum { FLIPS = 2000 };
    int fd;
    gsize size;
    g_autofree char *data = NULL;
    g_autofree char *path = memory_file("h5_keras.h5", &fd, &data, &size);
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    for (int flip = 0; flip < FLIPS; flip++) {
        gsize place = (gsize)g_rand_int_range(rand, 0, (gint32)size);
        char changed = data[place] ^ (char)(1 << g_rand_int_range(rand, 0, 8));
        g_assert_cmpint(pwrite(fd, &changed, 1, (off_t)place), ==, 1);
        (void)try_path(path, NULL); // it checks the message
        g_assert_cmpint(pwrite(fd, data + place, 1, (off_t)place), ==, 1);
    }
    close(fd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hdf5/keras", test_keras);
    g_test_add_func("/hdf5/mixed", test_mixed);
    g_test_add_func("/hdf5/causes", test_causes);
    g_test_add_func("/hdf5/cuts", test_cuts);
    g_test_add_func("/hdf5/flipped-bits", test_flipped_bits);
    return g_test_run();
}
