// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The containers against tests/data/containers/expected.json. Damage made on the spot is in
// test_container_damage.c.
#include "effdet/effdet.h"
#include "weights/container.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#define MAX_OPEN_SECONDS 1.0

static char *data_folder;

static float expected_float(JsonNode *node)
{
    if (json_node_get_value_type(node) == G_TYPE_STRING) {
        return (float)g_ascii_strtod(json_node_get_string(node), NULL);
    }
    return (float)json_node_get_double(node);
}

static bool is_counter(const char *dtype)
{
    return strcmp(dtype, "int64") == 0;
}

static void check_tensor(struct container *container, const char *file, JsonObject *expected)
{
    const char *name = json_object_get_string_member(expected, "name");
    int index = container_find(container, name);
    if (index < 0 && is_counter(json_object_get_string_member(expected, "dtype"))) {
        return;
    }
    if (index < 0) {
        g_test_message("%s: tensor %s is missing", file, name);
        g_test_fail();
        return;
    }
    const struct tensor_info *info = container_tensor(container, index);
    JsonArray *shape = json_object_get_array_member(expected, "shape");
    bool ok =
        strcmp(info->name, name) == 0 &&
        strcmp(dtype_name(info->dtype), json_object_get_string_member(expected, "dtype")) == 0 &&
        info->rank == (int)json_array_get_length(shape);
    for (int i = 0; ok && i < info->rank; i++) {
        ok = info->shape[i] == json_array_get_int_element(shape, (guint)i);
    }
    if (!ok) {
        g_test_message("%s: tensor %s is %s of rank %d and %" G_GINT64_FORMAT
                       " elements, not as expected",
                       file, name, dtype_name(info->dtype), info->rank, info->elements);
        g_test_fail();
        return;
    }
    g_autoptr(GError) error = NULL;
    g_autofree float *values = g_new(float, (gsize)info->elements + 1);
    if (!container_read(container, index, values, &error)) {
        g_test_message("%s: tensor %s: %s", file, name, error->message);
        g_test_fail();
        return;
    }
    JsonArray *first = json_object_get_array_member(expected, "first");
    for (guint i = 0; i < json_array_get_length(first); i++) {
        float wanted = expected_float(json_array_get_element(first, i));
        if (!(values[i] == wanted || (isnan(values[i]) && isnan(wanted)))) {
            g_test_message("%s: tensor %s[%u] is %.9g, not %.9g", file, name, i, values[i], wanted);
            g_test_fail();
            return;
        }
    }
    g_autofree char *crc =
        g_strdup_printf("%08lx", crc32(0, (const Bytef *)values, (uInt)(info->elements * 4)));
    if (strcmp(crc, json_object_get_string_member(expected, "crc32_f32le"))) {
        g_test_message("%s: tensor %s has checksum %s, not %s", file, name, crc,
                       json_object_get_string_member(expected, "crc32_f32le"));
        g_test_fail();
    }
}

// Reads everything; false with *error as soon as a tensor cannot be read.
static bool read_all(struct container *container, GError **error)
{
    for (int i = 0; i < container_count(container); i++) {
        g_autofree float *values =
            g_new(float, (gsize)container_tensor(container, i)->elements + 1);
        if (!container_read(container, i, values, error)) {
            return false;
        }
    }
    return true;
}

// A message names the file, is one line and says something after the name.
static void check_message(const char *file, const char *path, const char *message)
{
    if (!g_str_has_prefix(message, path) || strlen(message) < strlen(path) + 10 ||
        strchr(message, '\n')) {
        g_test_message("%s: poor message \"%s\"", file, message);
        g_test_fail();
    }
    g_test_message("%s", message + strlen(path) - strlen(file));
}

// The constants of a graph that is no detector, as the file calls them.
static void check_constants(struct container *container, const char *file, JsonArray *constants)
{
    g_assert_cmpint(container_count(container), ==, (int)json_array_get_length(constants));
    g_assert_nonnull(container_unknown(container));
    for (guint i = 0; i < json_array_get_length(constants); i++) {
        JsonObject *expected = json_array_get_object_element(constants, i);
        JsonArray *shape = json_object_get_array_member(expected, "shape");
        int index = container_find(container, json_object_get_string_member(expected, "name"));
        g_assert_cmpint(index, >=, 0);
        const struct tensor_info *info = container_tensor(container, index);
        g_assert_cmpstr(dtype_name(info->dtype), ==,
                        json_object_get_string_member(expected, "dtype"));
        g_assert_cmpint(info->rank, ==, (int)json_array_get_length(shape));
        for (int d = 0; d < info->rank; d++) {
            g_assert_cmpint(info->shape[d], ==, json_array_get_int_element(shape, (guint)d));
        }
    }
}

static void check_count(struct container *container, const char *file, JsonObject *expected,
                        JsonArray *tensors)
{
    int at_most = json_object_has_member(expected, "count")
                      ? (int)json_object_get_int_member(expected, "count")
                      : (int)json_array_get_length(tensors);
    int counters = 0;
    for (guint i = 0; i < json_array_get_length(tensors); i++) {
        counters += is_counter(
            json_object_get_string_member(json_array_get_object_element(tensors, i), "dtype"));
    }
    if (container_count(container) > at_most || container_count(container) < at_most - counters) {
        g_test_message("%s: %d tensors, not %d", file, container_count(container), at_most);
        g_test_fail();
    }
}

static void check_file(const char *file, JsonObject *expected)
{
    const char *verdict = json_object_get_string_member(expected, "verdict");
    g_autofree char *path = g_build_filename(data_folder, file, NULL);
    g_autoptr(GError) error = NULL;
    clock_t start = clock();
    struct container *container = container_open(path, &error);
    bool loaded = container && read_all(container, &error);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    g_assert_true(loaded == !error);
    if (error) {
        check_message(file, path, error->message);
    }
    if ((strcmp(verdict, "load") == 0 && !loaded) || (strcmp(verdict, "refuse") == 0 && loaded)) {
        g_test_message("%s: was %s: %s", file, loaded ? "loaded" : "refused",
                       json_object_get_string_member_with_default(expected, "reason",
                                                                  error ? error->message : ""));
        g_test_fail();
    }
    if (seconds > MAX_OPEN_SECONDS) {
        g_test_message("%s: took %.3f s", file, seconds);
        g_test_fail();
    }
    if (loaded && json_object_has_member(expected, "tensors")) {
        JsonArray *tensors = json_object_get_array_member(expected, "tensors");
        check_count(container, file, expected, tensors);
        for (guint i = 0; i < json_array_get_length(tensors); i++) {
            check_tensor(container, file, json_array_get_object_element(tensors, i));
        }
    }
    if (loaded && json_object_has_member(expected, "constant_tensors")) {
        check_constants(container, file,
                        json_object_get_array_member(expected, "constant_tensors"));
    }
    container_close(&container);
}

// Scales a channel: int8 values times these, against the file's own bytes and the float file.
static void test_dequantised(void)
{
    static const char *const names[] = {"tflite_tiny_fp32.tflite", "tflite_tiny_int8.tflite",
                                        "tflite_tiny_fp16.tflite"};
    float values[3][108];
    for (int i = 0; i < 3; i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *path = g_build_filename(data_folder, names[i], NULL);
        struct container *container = container_open(path, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(container_format(container), ==, "tflite");
        int index = container_find(container, "Conv2D");
        g_assert_cmpint(container_tensor(container, index)->elements, ==, 108);
        g_assert_true(container_read(container, index, values[i], &error));
        container_close(&container);
    }
    for (int i = 0; i < 108; i++) { // half a step of the largest scale; half a unit of float16
        g_assert_cmpfloat_with_epsilon(values[1][i], values[0][i], 0.5 * 0.00787);
        g_assert_cmpfloat_with_epsilon(values[2][i], values[0][i], 5e-4);
        g_assert_cmpfloat(fabsf(values[1][i]), <=, 127 * 0.00787);
    }
}

static void test_expected(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(data_folder, "expected.json", NULL);
    g_autoptr(JsonParser) parser = json_parser_new();
    json_parser_load_from_file(parser, path, &error);
    g_assert_no_error(error);
    JsonObject *files =
        json_object_get_object_member(json_node_get_object(json_parser_get_root(parser)), "files");
    JsonObjectIter iter;
    const char *file;
    JsonNode *expected;
    unsigned count = 0;
    json_object_iter_init(&iter, files);
    while (json_object_iter_next(&iter, &file, &expected)) {
        check_file(file, json_node_get_object(expected));
        count++;
    }
    g_assert_cmpuint(count, >=, 190);
    g_assert_false(g_file_test("fixture_payload_was_executed", G_FILE_TEST_EXISTS));
}

static void test_metadata(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(data_folder, "st_plain.safetensors", NULL);
    struct container *container = container_open(path, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(container_format(container), ==, "safetensors");
    g_assert_cmpstr(container_path(container), ==, path);
    GHashTable *metadata = container_metadata(container);
    g_assert_cmpuint(g_hash_table_size(metadata), ==, 3);
    g_assert_cmpstr(g_hash_table_lookup(metadata, "model"), ==, "tf_efficientdet_d0");
    g_assert_cmpstr(g_hash_table_lookup(metadata, "title"), ==, "caf\u00e9 \"quoted\" \\ \u2603");
    g_assert_cmpint(container_find(container, "nothing"), ==, -1);
    container_close(&container);
    g_assert_null(container);
    container_close(&container);
}

static void check_cause(const char *file, const char *word)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(data_folder, file, NULL);
    struct container *container = container_open(path, &error);
    g_assert_null(container);
    if (!strstr(error->message, word)) {
        g_test_message("%s: \"%s\" does not say %s", file, error->message, word);
        g_test_fail();
    }
}

static void test_causes(void)
{
    check_cause("bad_pt_html.pth", "web page");
    check_cause("bad_pt_lfs_pointer.pth", "Git LFS");
    check_cause("bad_pt_zip_os_system.pth", "posix.system, which is not allowed");
    check_cause("bad_pt_legacy_eval_in_dict.pth", "eval, which is not allowed");
    check_cause("bad_pt_newobj_os_system.pth", "os.system, which is not allowed");
    check_cause("bad_pt_obj_os_system.pth", "os.system, which is not allowed");
    check_cause("pt_zip_whole_module.pth", "state_dict");
    check_cause("pt_torchscript.pt", "TorchScript");
    check_cause("bad_pt_zip_deflated.pth", "compressed");
    check_cause("bad_pt_zip_encrypted.pth", "encrypted");
    check_cause("bad_tf_bigendian/model", "big-endian");
    check_cause("bad_tf_data_missing", "lacks its file model.data-00000-of-00001");
    check_cause("bad_tf_data_truncated/model.index",
                "past the end of model.data-00000-of-00001, which has 695 bytes");
    check_cause("bad_tf_index_flip/model", "checksum");
    check_cause("bad_tf_index_empty/model", "does not end as one");
    check_cause("bad_tf_no_header/model", "no header");
    check_cause("bad_tf_num_shards_huge/model", "2147483648 data files");
    check_cause("bad_tf_restart_count/model", "restart points");
    check_cause("bad_tf_unsorted/model", "out of order");
    check_cause("tf_sliced/model", "\"part\" in slices");
    check_cause("bad_tflite_identifier.tflite", "no TensorFlow Lite file of version 3");
    check_cause("bad_tflite_root_offset.tflite", "damaged");
    check_cause("missing.safetensors", "no such file");
    check_cause("bad_st_empty.safetensors", "empty");
    check_cause("st_float8.safetensors", "F8_E4M3");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    data_folder =
        g_build_filename(g_getenv("EFFDET_SOURCE_DIR"), "tests", "data", "containers", NULL);
    g_test_add_func("/container/expected", test_expected);
    g_test_add_func("/container/metadata", test_metadata);
    g_test_add_func("/container/dequantised", test_dequantised);
    g_test_add_func("/container/causes", test_causes);
    int result = g_test_run();
    g_free(data_folder);
    return result;
}
