// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Writes a checkpoint as one self-describing safetensors file: canonical names, every metadata key,
// tensors in the order in which the network uses them.
#include "effdet/effdet.h"
#include "weights/recognise.h"
#include "weights/wanted.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

struct writer {
    struct checkpoint *checkpoint;
    const char *path;
    bool half;
    FILE *file;
};

static int64_t elements_of(const struct wanted *wanted)
{
    int64_t n = 1;
    for (int i = 0; i < wanted->rank; i++) {
        n *= wanted->shape[i];
    }
    return n;
}

static void add_metadata(JsonBuilder *builder, const struct model *model)
{
    g_autoptr(GHashTable) table = metadata_describe(model);
    g_autoptr(GList) keys = g_list_sort(g_hash_table_get_keys(table), (GCompareFunc)strcmp);
    json_builder_set_member_name(builder, "__metadata__");
    json_builder_begin_object(builder);
    for (GList *key = keys; key; key = key->next) {
        json_builder_set_member_name(builder, key->data);
        json_builder_add_string_value(builder, g_hash_table_lookup(table, key->data));
    }
    json_builder_end_object(builder);
}

// The JSON header, padded with spaces so that the data begins at a multiple of 8 bytes.
static char *make_header(const struct writer *writer, const GArray *tensors)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    int64_t offset = 0;
    json_builder_begin_object(builder);
    add_metadata(builder, checkpoint_model(writer->checkpoint));
    for (guint i = 0; i < tensors->len; i++) {
        const struct wanted *wanted = &g_array_index(tensors, struct wanted, i);
        int64_t end = offset + elements_of(wanted) * (writer->half ? 2 : 4);
        json_builder_set_member_name(builder, wanted->name);
        json_builder_begin_object(builder);
        json_builder_set_member_name(builder, "dtype");
        json_builder_add_string_value(builder, writer->half ? "F16" : "F32");
        json_builder_set_member_name(builder, "shape");
        json_builder_begin_array(builder);
        for (int j = 0; j < wanted->rank; j++) {
            json_builder_add_int_value(builder, wanted->shape[j]);
        }
        json_builder_end_array(builder);
        json_builder_set_member_name(builder, "data_offsets");
        json_builder_begin_array(builder);
        json_builder_add_int_value(builder, offset);
        json_builder_add_int_value(builder, end);
        json_builder_end_array(builder);
        json_builder_end_object(builder);
        offset = end;
    }
    json_builder_end_object(builder);
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    g_autofree char *text = json_to_string(root, FALSE);
    gsize length = strlen(text), padded = align_up(length, 8);
    return g_strdup_printf("%s%*s", text, (int)(padded - length), "");
}

static bool write_bytes(const struct writer *writer, const void *bytes, gsize n, GError **error)
{
    if (fwrite(bytes, 1, n, writer->file) == n) {
        return true;
    }
    g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED, "%s: wanted to write %zu bytes: %s",
                writer->path, n, g_strerror(errno));
    return false;
}

static bool write_tensor(const struct writer *writer, const struct wanted *wanted, GError **error)
{
    int64_t n = elements_of(wanted);
    g_autofree float *values = g_new(float, n);
    g_autofree void *bytes = g_malloc((gsize)n * 4);
    uint16_t *halves = bytes;
    uint32_t *words = bytes;
    if (!checkpoint_read(writer->checkpoint, wanted->name, wanted->shape, wanted->rank, values,
                         error)) {
        return false;
    }
    for (int64_t i = 0; i < n; i++) {
        uint32_t word;
        memcpy(&word, &values[i], sizeof word);
        if (!writer->half) {
            words[i] = GUINT32_TO_LE(word);
            continue;
        }
        uint16_t half = half_from_float(values[i]);
        halves[i] = GUINT16_TO_LE(half);
        if (isinf(float_from_half(half))) {
            g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED,
                        "tensor %s holds %g, more than half precision can; convert with fp32",
                        wanted->name, values[i]);
            return false;
        }
    }
    return write_bytes(writer, bytes, (gsize)n * (writer->half ? 2 : 4), error);
}

static bool write_all(const struct writer *writer, GError **error)
{
    struct graph *graph = graph_new(checkpoint_model(writer->checkpoint));
    g_autoptr(GArray) tensors = wanted_tensors(graph);
    graph_free(&graph);
    g_autofree char *header = make_header(writer, tensors);
    uint64_t length = GUINT64_TO_LE(strlen(header));
    if (!write_bytes(writer, &length, sizeof length, error) ||
        !write_bytes(writer, header, strlen(header), error)) {
        return false;
    }
    for (guint i = 0; i < tensors->len; i++) {
        if (!write_tensor(writer, &g_array_index(tensors, struct wanted, i), error)) {
            return false;
        }
    }
    return checkpoint_all_used(writer->checkpoint, error);
}

bool checkpoint_save(struct checkpoint *checkpoint, const char *path, bool half, GError **error)
{
    g_autofree char *temporary = g_strconcat(path, ".XXXXXX", NULL);
    int fd = g_mkstemp_full(temporary, O_RDWR, 0666);
    struct writer writer = {checkpoint, path, half, fd >= 0 ? fdopen(fd, "wb") : NULL};
    if (!writer.file) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED,
                    "%s: wanted to create the file: %s; give a folder that can be written", path,
                    g_strerror(errno));
        return false;
    }
    bool ok = write_all(&writer, error);
    if (ok && (fflush(writer.file) != 0 || fsync(fd) != 0)) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED, "%s: wanted to finish the file: %s",
                    path, g_strerror(errno));
        ok = false;
    }
    fclose(writer.file);
    if (ok && g_rename(temporary, path) != 0) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED,
                    "%s: wanted to put the file there: %s", path, g_strerror(errno));
        ok = false;
    }
    if (!ok) {
        g_unlink(temporary);
    }
    return ok;
}
