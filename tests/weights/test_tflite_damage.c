// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Damaged and hostile TensorFlow Lite files: cut anywhere, bytes and offsets changed anywhere, and
// tables that are used many times over. Every one is read or refused in one line, quickly and in
// little memory. With EFFDET_SEEDS set to a folder, writes the files that the damage starts from
// there, as seeds for the fuzzer.
#define _GNU_SOURCE
#include "tflite_file.h"

#include "effdet/effdet.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define MAX_GROWTH_KIB (64 * 1024)

// A whole EfficientDet-Lite as to its graph, of a few channels.
static const struct backbone narrow = {
    .name = "narrow",
    .lite = true,
    .act = ACT_RELU6,
    .stem = 4,
    .taps = {2, 4, 6},
    .stages = {{1, 3, 1, 1, 4, 8},
               {2, 3, 2, 2, 8, 4},
               {1, 5, 2, 2, 4, 8},
               {1, 3, 2, 2, 8, 4},
               {1, 5, 1, 2, 4, 8},
               {1, 5, 2, 2, 8, 4},
               {1, 3, 1, 2, 4, 8}},
};
static const struct tflite_about about = {"a\nb\n", .mean = 1.0f, .std = 2.0f};
static const struct tflite_options seeds[] = {
    {.detection = true, .about = &about},
    {.precision = TFLITE_HALF, .turned = true},
    {.precision = TFLITE_BYTES, .detection = true, .byte_input = true, .shuffled = true},
};

static GByteArray *make_seed(gsize index)
{
    struct arch arch = *arch_find("tf_efficientdet_lite0");
    arch.backbone = &narrow;
    arch.fpn_channels = 4;
    arch.fpn_cells = arch.head_repeats = 1;
    struct checkpoint *source = checkpoint_synthetic(&arch, 2, 1.0, 1.0);
    checkpoint_model_mutable(source)->input_height = 80;
    checkpoint_model_mutable(source)->input_width = 80;
    GByteArray *bytes = tflite_file_of(source, &seeds[index]);
    checkpoint_close(&source);
    return bytes;
}

struct outcome {
    bool loaded, known;
    char *message;
};

static struct outcome try_bytes(const guint8 *bytes, gsize size)
{
    struct outcome outcome = {0};
    g_autoptr(GError) error = NULL;
    char path[64];
    int fd = memfd_create("damage", MFD_CLOEXEC);
    g_assert_true(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    g_snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct container *container = container_open(path, &error);
    for (int i = 0; container && !error && i < container_count(container); i++) {
        const struct tensor_info *info = container_tensor(container, i);
        g_autofree float *values = g_new(float, (gsize)info->elements + 1);
        g_assert_true(container_read(container, i, values, &error) == !error);
    }
    g_assert_true(container || error);
    outcome.loaded = !error;
    outcome.known = container && !container_unknown(container);
    if (error) {
        g_assert_true(g_str_has_prefix(error->message, path));
        g_assert_null(strchr(error->message, '\n'));
        g_assert_cmpuint(strlen(error->message), >, strlen(path) + 8);
        outcome.message = g_strdup(error->message);
    }
    container_close(&container);
    close(fd);
    return outcome;
}

static void test_seeds(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(seeds); i++) {
        g_autoptr(GByteArray) bytes = make_seed(i);
        struct outcome outcome = try_bytes(bytes->data, bytes->len);
        g_test_message("%u bytes %s", bytes->len, outcome.message ? outcome.message : "");
        g_assert_true(outcome.loaded && outcome.known);
        if (g_getenv("EFFDET_SEEDS")) {
            g_autofree char *name = g_strdup_printf("narrow_%zu.tflite", i);
            g_autofree char *path = g_build_filename(g_getenv("EFFDET_SEEDS"), name, NULL);
            g_assert_true(g_file_set_contents(path, (const char *)bytes->data, bytes->len, NULL));
        }
    }
}

// All that a file holds counts but its last bytes, which are of the archive.
static void test_cuts(void)
{
    g_autoptr(GByteArray) bytes = make_seed(1);
    unsigned refused = 0, tried = 0;
    for (gsize size = 0; size < bytes->len; size += size < 200 ? 1 : 211, tried++) {
        struct outcome outcome = try_bytes(bytes->data, size);
        refused += !outcome.loaded;
        g_free(outcome.message);
    }
    g_assert_cmpuint(refused, ==, tried);
}

static void test_changes(void)
{
    static const guint32 hostile[] = {0, 0xffffffffu, 0x7fffffffu, 0x80000000u, 0x10000u};
    unsigned unharmed = 0, refused = 0, tried = 0;
    for (gsize s = 0; s < G_N_ELEMENTS(seeds); s++) {
        g_autoptr(GByteArray) bytes = make_seed(s);
        guint step = 4 * MAX(bytes->len / 4 / 350, 1) + 4;
        for (gsize at = 0; at + 4 <= bytes->len; at += at < 256 ? 4 : step, tried++) {
            guint8 kept[4];
            guint32 value = GUINT32_TO_LE(hostile[tried % G_N_ELEMENTS(hostile)]);
            memcpy(kept, bytes->data + at, 4);
            memcpy(bytes->data + at, &value, tried % 3 ? 4 : 1);
            struct outcome outcome = try_bytes(bytes->data, bytes->len);
            refused += !outcome.loaded;
            unharmed += outcome.known && outcome.loaded;
            g_free(outcome.message);
            memcpy(bytes->data + at, kept, 4);
        }
    }
    g_test_message("%u changes: %u refused, %u still a network", tried, refused, unharmed);
    g_assert_cmpuint(refused, >, tried / 20);
}

static long peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

// n tensors that are one table, and n operators that are one that reads `operands` of them.
static GByteArray *make_bomb(guint n, guint operands)
{
    static const guint8 model_sizes[5] = {4, 4, 4, 0, 4}, graph_sizes[4] = {4, 4, 4, 4};
    static const guint8 tensor_sizes[3] = {4, 1, 4}, operator_sizes[3] = {4, 4, 4};
    static const guint8 code_sizes[1] = {1}, buffer_sizes[1] = {4};
    GByteArray *bytes = g_byte_array_new();
    guint32 position, buffer = 0;
    g_byte_array_append(bytes, (const guint8 *)"\0\0\0\0TFL3", 8);
    struct fbw_table model = fbw_table(bytes, model_sizes, 5, &position);
    fbw_link(bytes, 0, position);
    guint32 vectors[4];
    for (int i = 0; i < 3; i++) {
        vectors[i] = fbw_vector(bytes, 1, 4, NULL);
        fbw_link(bytes, model.slot[i == 2 ? 4 : i + 1], vectors[i]);
    }
    fbw_table(bytes, code_sizes, 1, &position);
    fbw_link(bytes, vectors[0] + 4, position);
    struct fbw_table graph = fbw_table(bytes, graph_sizes, 4, &position);
    fbw_link(bytes, vectors[1] + 4, position);
    guint32 tensors = fbw_vector(bytes, n, 4, NULL), operators = fbw_vector(bytes, n, 4, NULL);
    fbw_link(bytes, graph.slot[0], tensors);
    fbw_link(bytes, graph.slot[3], operators);
    guint32 data = fbw_vector(bytes, operands, 4, NULL); // also what the graph and operators read
    fbw_link(bytes, graph.slot[1], data);
    fbw_link(bytes, graph.slot[2], data);
    struct fbw_table tensor = fbw_table(bytes, tensor_sizes, 3, &position);
    for (guint i = 0; i < n; i++) {
        fbw_link(bytes, tensors + 4 + 4 * i, position);
    }
    fbw_link(bytes, tensor.slot[0], fbw_vector(bytes, 0, 4, NULL));
    fbw_set(bytes, tensor.slot[2], &buffer, 4);
    struct fbw_table op = fbw_table(bytes, operator_sizes, 3, &position);
    for (guint i = 0; i < n; i++) {
        fbw_link(bytes, operators + 4 + 4 * i, position);
    }
    fbw_link(bytes, op.slot[1], fbw_vector(bytes, operands, 4, NULL));
    fbw_link(bytes, op.slot[2], fbw_vector(bytes, 0, 4, NULL));
    fbw_table(bytes, buffer_sizes, 1, &position);
    fbw_link(bytes, vectors[2] + 4, position);
    return bytes;
}

static void test_bombs(void)
{
    static const guint sizes[][2] = {{8000, 32}, {8192, 1}, {60000, 4}, {10, 100000}};
    static const char *const words[] = {NULL, NULL, "at most 8192", "operator 0"};
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GByteArray) bytes = make_bomb(sizes[i][0], sizes[i][1]);
        long before = peak_kib();
        struct outcome outcome = try_bytes(bytes->data, bytes->len);
        g_test_message("%u bytes: %s", bytes->len, outcome.message ? outcome.message : "read");
        g_assert_cmpint(peak_kib() - before, <, MAX_GROWTH_KIB);
        g_assert_true(outcome.loaded == !words[i]);
        g_assert_false(outcome.known && outcome.loaded);
        g_assert_true(!words[i] || strstr(outcome.message, words[i]));
        g_free(outcome.message);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK); // a damaged list of labels is a warning
    g_test_add_func("/tflite-damage/seeds", test_seeds);
    g_test_add_func("/tflite-damage/cuts", test_cuts);
    g_test_add_func("/tflite-damage/changes", test_changes);
    g_test_add_func("/tflite-damage/bombs", test_bombs);
    return g_test_run();
}
