// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// safetensors: the length of a JSON header in 8 bytes, the header, then the tensors without gaps.
// As strict as the format's own library.
#include "weights/container_internal.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define LENGTH_BYTES 8
#define MAX_HEADER_BYTES (4u << 20) // D7x has 0.25 MiB; bounds the memory of the parsed header
#define MAX_DEPTH 3                 // { name: { key: [ ] } }

static const struct {
    const char *name;
    enum dtype dtype;
} dtypes[] = {
    {"F32", DTYPE_F32}, {"F16", DTYPE_F16},   {"BF16", DTYPE_BF16}, {"F64", DTYPE_F64},
    {"I64", DTYPE_I64}, {"I32", DTYPE_I32},   {"I16", DTYPE_I16},   {"I8", DTYPE_I8},
    {"U8", DTYPE_U8},   {"BOOL", DTYPE_BOOL},
};

// json-glib reads more than JSON (comments, single quotes, hexadecimal and octal numbers) and
// recurses without limit: this lets only plain JSON of the depth of a header through. What is left
// of the grammar json-glib checks.
static bool check_plain_json(const char *text, size_t size, GError **error)
{
    int depth = 0;
    bool in_string = false, ended = false;
    char before = ' ';
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
            } else if ((unsigned char)c < 0x20) {
                bad_file(error, "the header has a control character in a string at byte %zu", i);
                return false;
            }
        } else if (ended ? !g_ascii_isspace(c) : !c) {
            bad_file(error, "the header is no JSON at byte %zu", i);
            return false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > MAX_DEPTH) {
                bad_file(error, "the header nests deeper than %d levels", MAX_DEPTH);
                return false;
            }
        } else if (c == '}' || c == ']') {
            ended = --depth <= 0;
        } else if (!strchr(" \t\r\n:,0123456789+-.eEtrufalsn", c) ||
                   (before == '0' && g_ascii_isdigit(c) &&
                    (i < 2 || !strchr("0123456789.eE+-", text[i - 2])))) {
            bad_file(error, "the header is no JSON at byte %zu", i);
            return false;
        }
        before = c;
    }
    return true;
}

static void count_member(JsonParser *parser, JsonObject *object, const char *name, unsigned *count)
{
    ++*count;
}

static bool read_integers(JsonObject *object, const char *key, const char *tensor, int64_t *numbers,
                          unsigned most, unsigned *count, GError **error)
{
    JsonNode *node = json_object_get_member(object, key);
    JsonArray *array = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    if (!array || json_array_get_length(array) > most) {
        bad_file(error, "tensor \"%.160s\": %s: no list of at most %u numbers", tensor, key, most);
        return false;
    }
    *count = json_array_get_length(array);
    for (unsigned i = 0; i < *count; i++) {
        JsonNode *item = json_array_get_element(array, i);
        if (!JSON_NODE_HOLDS_VALUE(item) || json_node_get_value_type(item) != G_TYPE_INT64 ||
            json_node_get_int(item) < 0) {
            bad_file(error, "tensor \"%.160s\": %s: something else than whole numbers from 0",
                     tensor, key);
            return false;
        }
        numbers[i] = json_node_get_int(item);
    }
    return true;
}

static bool read_dtype(JsonObject *object, const char *tensor, enum dtype *dtype, GError **error)
{
    JsonNode *node = json_object_get_member(object, "dtype");
    const char *name =
        node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
            ? json_node_get_string(node)
            : NULL;
    for (size_t i = 0; name && i < G_N_ELEMENTS(dtypes); i++) {
        if (strcmp(name, dtypes[i].name) == 0) {
            *dtype = dtypes[i].dtype;
            return true;
        }
    }
    if (name) {
        unsupported(error, "tensor \"%.160s\" has the type %.40s, which is not supported", tensor,
                    name);
    } else {
        bad_file(error, "tensor \"%.160s\" has no type", tensor);
    }
    return false;
}

static bool read_tensor(struct container *container, uint64_t data_start, const char *name,
                        JsonNode *node, GError **error)
{
    struct stored_tensor tensor = {0};
    int64_t range[2];
    unsigned rank, n_offsets;
    if (!JSON_NODE_HOLDS_OBJECT(node)) {
        bad_file(error, "tensor \"%.160s\" is not described by an object", name);
        return false;
    }
    JsonObject *object = json_node_get_object(node);
    if (!read_dtype(object, name, &tensor.info.dtype, error) ||
        !read_integers(object, "shape", name, tensor.info.shape, MAX_RANK, &rank, error) ||
        !read_integers(object, "data_offsets", name, range, 2, &n_offsets, error)) {
        return false;
    }
    tensor.info.rank = (int)rank;
    uint64_t elements = 1, bytes;
    bool fits = true;
    for (int i = tensor.info.rank - 1; i >= 0; i--) {
        tensor.stride[i] = (int64_t)MIN(elements, (uint64_t)G_MAXINT64);
        fits = fits && checked_mul(elements, (uint64_t)tensor.info.shape[i], &elements);
    }
    fits = fits && checked_mul(elements, dtype_size(tensor.info.dtype), &bytes);
    if (n_offsets != 2 || range[0] > range[1] ||
        (uint64_t)range[1] > container->size - data_start) {
        bad_file(error, "tensor \"%.160s\" lies outside of the file: is it cut off?", name);
        return false;
    }
    if (!fits || bytes != (uint64_t)(range[1] - range[0])) {
        bad_file(error, "tensor \"%.160s\" has another size than its shape and type say", name);
        return false;
    }
    tensor.base = data_start + (uint64_t)range[0];
    tensor.storage_bytes = bytes;
    return container_add(container, name, &tensor, error);
}

static bool read_metadata(struct container *container, JsonNode *node, GError **error)
{
    if (!JSON_NODE_HOLDS_OBJECT(node)) {
        bad_file(error, "__metadata__ of the header is no object");
        return false;
    }
    container->metadata = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    JsonObjectIter iter;
    const char *key;
    JsonNode *value;
    json_object_iter_init(&iter, json_node_get_object(node));
    while (json_object_iter_next(&iter, &key, &value)) {
        if (!JSON_NODE_HOLDS_VALUE(value) || json_node_get_value_type(value) != G_TYPE_STRING) {
            bad_file(error, "metadata \"%.160s\" of the header is no string", key);
            return false;
        }
        g_hash_table_insert(container->metadata, g_strdup(key),
                            g_strdup(json_node_get_string(value)));
    }
    return true;
}

static int by_position(const void *a, const void *b)
{
    const struct stored_tensor *left = *(struct stored_tensor *const *)a,
                               *right = *(struct stored_tensor *const *)b;
    if (left->base != right->base) {
        return left->base < right->base ? -1 : 1;
    }
    return left->storage_bytes < right->storage_bytes ? -1
                                                      : left->storage_bytes > right->storage_bytes;
}

// The tensors cover the data exactly: neither gaps nor overlaps.
static bool check_coverage(const struct container *container, uint64_t data_start, GError **error)
{
    guint count = container->tensors->len;
    g_autofree struct stored_tensor **sorted =
        g_memdup2(container->tensors->pdata, count * sizeof *sorted);
    if (count) {
        qsort(sorted, count, sizeof *sorted, by_position);
    }
    uint64_t position = data_start;
    for (guint i = 0; i < count; i++) {
        if (sorted[i]->base != position) {
            bad_file(error, "tensor \"%.160s\" %s the one before it", sorted[i]->info.name,
                     sorted[i]->base < position ? "overlaps" : "leaves a gap to");
            return false;
        }
        position += sorted[i]->storage_bytes;
    }
    if (position != container->size) {
        bad_file(error, "has %" G_GUINT64_FORMAT " bytes after its last tensor",
                 container->size - position);
        return false;
    }
    return true;
}

static bool read_header(struct container *container, const char *text, size_t size, GError **error)
{
    if (!g_utf8_validate_len(text, size, NULL)) {
        bad_file(error, "the header is not UTF-8");
        return false;
    }
    if (!check_plain_json(text, size, error)) {
        return false;
    }
    unsigned seen = 0, kept = 0;
    GError *cause = NULL;
    g_autoptr(JsonParser) parser = json_parser_new();
    g_signal_connect(parser, "object-member", G_CALLBACK(count_member), &seen);
    if (!json_parser_load_from_data(parser, text, (gssize)size, &cause) ||
        !json_parser_get_root(parser) || !JSON_NODE_HOLDS_OBJECT(json_parser_get_root(parser))) {
        bad_file(error, "the header is no JSON object%s%s", cause ? ": " : "",
                 cause ? cause->message : "");
        g_clear_error(&cause);
        return false;
    }
    JsonObject *root = json_node_get_object(json_parser_get_root(parser));
    JsonObjectIter iter;
    const char *name;
    JsonNode *node;
    json_object_iter_init(&iter, root);
    while (json_object_iter_next(&iter, &name, &node)) {
        kept += 1 + (JSON_NODE_HOLDS_OBJECT(node) ? json_object_get_size(json_node_get_object(node))
                                                  : 0);
        bool ok = strcmp(name, "__metadata__")
                      ? read_tensor(container, LENGTH_BYTES + size, name, node, error)
                      : read_metadata(container, node, error);
        if (!ok) {
            return false;
        }
    }
    if (kept != seen) {
        bad_file(error, "the header has the same name twice");
        return false;
    }
    return check_coverage(container, LENGTH_BYTES + size, error);
}

static bool safetensors_open(struct container *container, GError **error)
{
    uint64_t size;
    if (!container_pread(container, 0, &size, sizeof size, error)) {
        return false;
    }
    size = GUINT64_FROM_LE(size);
    if (size > container->size - LENGTH_BYTES) {
        bad_file(error,
                 "is cut off or damaged: a header of %" G_GUINT64_FORMAT
                 " bytes in a file of %" G_GUINT64_FORMAT,
                 size, container->size);
        return false;
    }
    if (size > MAX_HEADER_BYTES) {
        unsupported(error, "has a header of %" G_GUINT64_FORMAT " bytes; at most %u are read", size,
                    MAX_HEADER_BYTES);
        return false;
    }
    g_autofree char *text = g_malloc((size_t)size + 1);
    text[size] = 0;
    return container_pread(container, LENGTH_BYTES, text, (size_t)size, error) &&
           read_header(container, text, (size_t)size, error);
}

static bool safetensors_read(struct container *container, const struct stored_tensor *tensor,
                             uint64_t offset, void *dst, size_t size, GError **error)
{
    return container_pread(container, tensor->base + offset, dst, size, error);
}

static void safetensors_close(struct container *container)
{
}

const struct container_format container_safetensors = {"safetensors", safetensors_open,
                                                       safetensors_read, safetensors_close};
