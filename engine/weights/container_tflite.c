// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// TensorFlow Lite files. Where the graph is an EfficientDet, its tensors are listed by canonical
// name and shape; in any other file the constants are, as the file calls them.
#include "weights/tflite.h"

#include <string.h>

#define MAX_NAME_BYTES 256
// Offsets in the file have 32 bits; data outside of the tables may lie behind.
#define MAX_FILE_BYTES (UINT64_C(4) << 30)

static void source_finish(void *data)
{
    struct tflite_source *source = data;
    g_free(source->values);
}

// ---- the list of constants, for a graph that is no EfficientDet ---------------------------------

static bool add_constant(struct container *container, struct tflite *tflite, int index,
                         GError **error)
{
    const struct tflite_tensor *tensor = &tflite->tensors[index];
    if (!tflite_check_constant(tflite, index, error)) {
        return false;
    }
    struct stored_tensor stored = {
        .info = {.dtype = tflite_dtype(tensor->type), .rank = tensor->rank},
        .base = tflite->sources->len,
        .storage_bytes = tensor->bytes,
    };
    int64_t stride = 1;
    for (int i = tensor->rank - 1; i >= 0; i--) {
        stored.info.shape[i] = tensor->shape[i];
        stored.stride[i] = stride;
        stride *= tensor->shape[i];
    }
    struct tflite_source source = {.tensor = index};
    g_array_append_val(tflite->sources, source);
    g_autofree char *raw = fb_text(&tensor->table, TFLITE_TENSOR_NAME, MAX_NAME_BYTES);
    g_autofree char *name = g_utf8_make_valid(raw, -1);
    if (!*name || container_find(container, name) >= 0) { // names are for people only here
        g_autofree char *numbered = g_strdup_printf("%s#%d", name, index);
        return container_add(container, numbered, &stored, error);
    }
    return container_add(container, name, &stored, error);
}

static bool add_constants(struct container *container, struct tflite *tflite, GError **error)
{
    for (int i = 0; i < tflite->n_tensors; i++) {
        if (tflite->tensors[i].bytes > 0 && !add_constant(container, tflite, i, error)) {
            return false;
        }
    }
    return true;
}

// ---- the format ---------------------------------------------------------------------------------

static bool load_file(struct container *container, struct tflite *tflite, GError **error)
{
    if (container->size > MAX_FILE_BYTES) {
        unsupported(error, "has %" G_GUINT64_FORMAT " bytes; at most 4 GiB are read",
                    container->size);
        return false;
    }
    tflite->bytes = g_try_malloc((size_t)container->size);
    if (!tflite->bytes) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY,
                    "not enough memory for a file of %" G_GUINT64_FORMAT " bytes", container->size);
        return false;
    }
    tflite->buffer.bytes = tflite->bytes;
    tflite->buffer.size = container->size;
    return container_pread(container, 0, tflite->bytes, (size_t)container->size, error);
}

static bool open_tflite(struct container *container, GError **error)
{
    struct tflite *tflite = g_new0(struct tflite, 1);
    GError *cause = NULL;
    container->state = tflite;
    tflite->sources = g_array_new(FALSE, FALSE, sizeof(struct tflite_source));
    g_array_set_clear_func(tflite->sources, source_finish);
    if (!load_file(container, tflite, error) || !tflite_parse(tflite, error)) {
        return false;
    }
    if (tflite_follow(container, tflite, &cause)) {
        return true;
    }
    // damage is an error; another network is a file like any other
    if (!g_error_matches(cause, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED) || tflite->buffer.damaged) {
        g_propagate_error(error, cause);
        return false;
    }
    container->unknown = g_strdup(cause->message);
    g_error_free(cause);
    return add_constants(container, tflite, error);
}

static bool read_tflite(struct container *container, const struct stored_tensor *tensor,
                        uint64_t offset, void *dst, size_t size, GError **error)
{
    bad_file(error, "its tensors have no plain storage");
    return false;
}

// From the file's order of axes to PyTorch's.
static void reorder(const struct stored_tensor *tensor, enum tflite_layout layout,
                    const float *values, float *dst)
{
    const int64_t *shape = tensor->info.shape; // [O][I][k][k], or [C][1][k][k]
    int64_t pixels = shape[2] * shape[3], outer = shape[0], inner = shape[1];
    if (layout == TFLITE_1HWC) {
        inner = outer;
        outer = 1;
    }
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t p = 0; p < pixels; p++) {
            for (int64_t i = 0; i < inner; i++) {
                dst[(o * inner + i) * pixels + p] = *values++;
            }
        }
    }
}

static bool read_tflite_values(struct container *container, const struct stored_tensor *tensor,
                               float *dst, GError **error)
{
    struct tflite *tflite = container->state;
    const struct tflite_source *source =
        &g_array_index(tflite->sources, struct tflite_source, tensor->base);
    size_t n = (size_t)tensor->info.elements;
    if (source->tensor < 0) {
        for (size_t i = 0; i < n; i++) {
            dst[i] = source->values ? source->values[i] : source->fill;
        }
        return true;
    }
    g_autofree float *values = tflite_values(tflite, source->tensor, error);
    if (!values) {
        return false;
    }
    if (source->layout == TFLITE_AS_IS) {
        memcpy(dst, values, n * sizeof *dst);
    } else {
        reorder(tensor, source->layout, values, dst);
    }
    return true;
}

static void close_tflite(struct container *container)
{
    struct tflite *tflite = container->state;
    g_array_unref(tflite->sources);
    g_free(tflite->tensors);
    g_free(tflite->operators);
    g_free(tflite->readers);
    g_free(tflite->bytes);
    g_clear_pointer(&container->state, g_free);
}

const struct container_format container_tflite = {
    .name = "tflite",
    .open = open_tflite,
    .read = read_tflite,
    .read_values = read_tflite_values,
    .close = close_tflite,
};
