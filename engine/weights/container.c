// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The front door of weights files: opens a path safely, asks the format that its first bytes name,
// keeps the list of tensors and converts their elements. How a format lays its tensors out is in
// container_FORMAT.c.
#include "weights/container.h"

#include "base/error.h"
#include "weights/container_internal.h"
#include "weights/parts.h"
#include "weights/sstable.h"
#include "weights/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_BYTES 512
#define CHUNK_BYTES (64u << 10)
// Views may share or repeat a storage, and small types grow to four bytes: what all tensors
// together may take as float32.
#define MAX_DENSE_FACTOR 16
#define DENSE_SLACK_BYTES (1u << 20)

static const struct {
    const char *name;
    size_t size;
} dtypes[N_DTYPES] = {
    [DTYPE_F32] = {"float32", 4}, [DTYPE_F16] = {"float16", 2}, [DTYPE_BF16] = {"bfloat16", 2},
    [DTYPE_F64] = {"float64", 8}, [DTYPE_I64] = {"int64", 8},   [DTYPE_I32] = {"int32", 4},
    [DTYPE_I16] = {"int16", 2},   [DTYPE_I8] = {"int8", 1},     [DTYPE_U8] = {"uint8", 1},
    [DTYPE_BOOL] = {"bool", 1},
};

const char *dtype_name(enum dtype dtype)
{
    return dtypes[dtype].name;
}

size_t dtype_size(enum dtype dtype)
{
    return dtypes[dtype].size;
}

// ---- the file
// -----------------------------------------------------------------------------------------------------

bool container_pread(const struct container *container, uint64_t offset, void *dst, size_t size,
                     GError **error)
{
    return container_pread_fd(container->fd, offset, dst, size, error);
}

bool container_pread_fd(int fd, uint64_t offset, void *dst, size_t size, GError **error)
{
    uint8_t *bytes = dst;
    while (size) {
        ssize_t got = pread(fd, bytes, size, (off_t)offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            bad_file(error, "cannot be read: %s", g_strerror(errno));
            return false;
        }
        if (got == 0) {
            bad_file(error,
                     "is cut off: it ends at byte %" G_GUINT64_FORMAT
                     ", %zu bytes before its contents do",
                     offset, size);
            return false;
        }
        bytes += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return true;
}

// Names the file in front of the message and keeps it to one line of text, whatever names the file
// had in it.
static void finish_error(const char *path, GError **error, GError *cause)
{
    g_prefix_error(&cause, "%s: ", path);
    error_propagate_line(error, cause);
}

// A regular file only: a device or a FIFO could block or have effects.
static bool open_file(struct container *container, GError **error)
{
    struct stat status;
    if (stat(container->path, &status)) {
        if (errno == ENOENT || errno == ENOTDIR) {
            container_refuse_path(container->path, false, error);
        } else {
            bad_file(error, "cannot be opened: %s", g_strerror(errno));
        }
        return false;
    }
    if (S_ISDIR(status.st_mode)) {
        container_refuse_path(container->path, true, error);
        return false;
    }
    if (!S_ISREG(status.st_mode)) {
        bad_file(error, "is no regular file; copy the weights into one");
        return false;
    }
    container->fd = open(container->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (container->fd < 0 || fstat(container->fd, &status) || !S_ISREG(status.st_mode)) {
        bad_file(error, "cannot be opened: %s", g_strerror(errno));
        return false;
    }
    container->size = (uint64_t)status.st_size;
    return true;
}

static bool find_format(struct container *container, GError **error)
{
    uint8_t head[HEAD_BYTES] = {0}, tail[8] = {0};
    size_t size = (size_t)MIN(container->size, HEAD_BYTES);
    if (size == 0) {
        bad_file(error, "is empty");
        return false;
    }
    if (!container_pread(container, 0, head, size, error) ||
        (size >= sizeof tail &&
         !container_pread(container, container->size - sizeof tail, tail, sizeof tail, error))) {
        return false;
    }
    g_autofree char *name = g_path_get_basename(container->path);
    if ((size >= sizeof tail && sstable_is_tail(tail)) || g_str_has_suffix(name, ".index") ||
        strstr(name, ".data-0") || strcmp(name, "checkpoint") == 0) {
        container->format = &container_bundle;
    } else if (size >= 8 && memcmp(head, "\x89HDF\r\n\x1a\n", 8) == 0) {
        container->format = &container_hdf5;
    } else if (tar_is_gzip(head, size) || tar_is_plain(head, size)) {
        container->format = &container_bundle_archive;
    } else if (size >= 4 && (memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0)) {
        container->format = &container_torch_zip;
    } else if (size >= 8 && memcmp(head + 4, "TFL3", 4) == 0) {
        container->format = &container_tflite;
    } else if (size >= 2 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5) { // PROTO
        container->format = &container_torch_legacy;
    } else if (size > 8 && head[8] == '{') { // after the length of the header
        container->format = &container_safetensors;
    } else {
        container_refuse_unknown(container, head, size, error);
    }
    return container->format;
}

struct container *container_open(const char *path, GError **error)
{
    struct container *container = g_new0(struct container, 1);
    container->path = g_strdup(path);
    container->fd = -1;
    container->tensors = g_ptr_array_new();
    container->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    GError *cause = NULL;
    if (parts_is_checkpoint(path)) {
        container->format = &container_bundle;
    }
    if ((!container->format &&
         (!open_file(container, &cause) || !find_format(container, &cause))) ||
        !container->format->open(container, &cause)) {
        finish_error(path, error, cause);
        container_close(&container);
    }
    return container;
}

void container_close(struct container **container_pointer)
{
    struct container *container = *container_pointer;
    if (!container) {
        return;
    }
    if (container->state) {
        container->format->close(container);
    }
    if (container->fd >= 0) {
        close(container->fd);
    }
    g_hash_table_unref(container->by_name);
    g_clear_pointer(&container->metadata, g_hash_table_unref);
    for (guint i = 0; i < container->tensors->len; i++) {
        struct stored_tensor *tensor = g_ptr_array_index(container->tensors, i);
        g_free(tensor->info.name);
        g_free(tensor);
    }
    g_ptr_array_unref(container->tensors);
    g_free(container->unknown);
    g_free(container->path);
    g_clear_pointer(container_pointer, g_free);
}

// ---- the list of tensors
// ------------------------------------------------------------------------------------------

static const char *strip_prefixes(const char *name)
{
    static const char *const prefixes[] = {"module.", "model.", "_orig_mod."};
    for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++) {
        size_t length = strlen(prefixes[i]);
        if (strncmp(name, prefixes[i], length) == 0 && name[length]) {
            name += length;
            i = (size_t)-1; // from the first prefix again
        }
    }
    return name;
}

// Product of the shape, and that the last element lies within the storage.
static bool check_view(struct stored_tensor *tensor, GError **error)
{
    struct tensor_info *info = &tensor->info;
    uint64_t elements = 1, end = (uint64_t)tensor->offset;
    bool fits = true;
    for (int i = 0; i < info->rank; i++) {
        fits = fits && checked_mul(elements, (uint64_t)info->shape[i], &elements);
        if (info->shape[i] > 1) {
            uint64_t reach;
            fits = fits &&
                   checked_mul((uint64_t)info->shape[i] - 1, (uint64_t)tensor->stride[i], &reach) &&
                   checked_add(end, reach, &end);
        }
    }
    uint64_t stored = tensor->storage_bytes / dtype_size(info->dtype);
    if (!fits || elements > G_MAXINT64 || (elements > 0 && end >= stored) ||
        (uint64_t)tensor->offset > stored) {
        bad_file(error,
                 "tensor \"%.160s\" reaches past the end of its storage of %" G_GUINT64_FORMAT
                 " elements",
                 info->name, stored);
        return false;
    }
    info->elements = (int64_t)elements;
    return true;
}

static bool check_dense_size(struct container *container, const struct stored_tensor *tensor,
                             GError **error)
{
    uint64_t bytes, limit;
    if (!checked_mul((uint64_t)tensor->info.elements, sizeof(float), &bytes) ||
        !checked_add(container->dense_bytes, bytes, &container->dense_bytes) ||
        !checked_mul(container->size, MAX_DENSE_FACTOR, &limit) ||
        !checked_add(limit, DENSE_SLACK_BYTES, &limit) || container->dense_bytes > limit) {
        bad_file(error,
                 "tensor \"%.160s\" of %" G_GINT64_FORMAT
                 " elements does not fit a file of %" G_GUINT64_FORMAT " bytes",
                 tensor->info.name, tensor->info.elements, container->size);
        return false;
    }
    return true;
}

bool container_add(struct container *container, const char *name,
                   const struct stored_tensor *tensor, GError **error)
{
    struct stored_tensor *added = g_memdup2(tensor, sizeof *tensor);
    added->info.name = g_strdup(strip_prefixes(name));
    g_ptr_array_add(container->tensors, added);
    if (!*name) {
        bad_file(error, "tensor %u has an empty name", container->tensors->len);
        return false;
    }
    if (!g_hash_table_insert(container->by_name, added->info.name,
                             GUINT_TO_POINTER(container->tensors->len))) {
        bad_file(error, "holds two tensors of the name \"%.160s\"", added->info.name);
        return false;
    }
    return check_view(added, error) && check_dense_size(container, added, error);
}

const char *container_path(const struct container *container)
{
    return container->path;
}

const char *container_format(const struct container *container)
{
    return container->format->name;
}

const char *container_folder(const struct container *container)
{
    return container->folder;
}

int container_count(const struct container *container)
{
    return (int)container->tensors->len;
}

const struct tensor_info *container_tensor(const struct container *container, int index)
{
    const struct stored_tensor *tensor = g_ptr_array_index(container->tensors, index);
    return &tensor->info;
}

int container_find(const struct container *container, const char *name)
{
    return (int)GPOINTER_TO_UINT(g_hash_table_lookup(container->by_name, name)) - 1;
}

const char *container_unknown(const struct container *container)
{
    return container->unknown;
}

GHashTable *container_metadata(const struct container *container)
{
    return container->metadata;
}

// ---- elements
// -----------------------------------------------------------------------------------------------------

// One element of any type; the bytes need no alignment.
#define LOAD(type, swap, bytes)                                                                    \
    ({                                                                                             \
        type loaded;                                                                               \
        memcpy(&loaded, bytes, sizeof loaded);                                                     \
        swap(loaded);                                                                              \
    })

float container_load_float(enum dtype dtype, const uint8_t *bytes)
{
    uint32_t bits;
    uint64_t wide_bits;
    float value;
    double wide;
    switch (dtype) {
    case DTYPE_F32:
        bits = LOAD(uint32_t, GUINT32_FROM_LE, bytes);
        memcpy(&value, &bits, sizeof value);
        return value;
    case DTYPE_F16:
        return float_from_half(LOAD(uint16_t, GUINT16_FROM_LE, bytes));
    case DTYPE_BF16:
        bits = (uint32_t)LOAD(uint16_t, GUINT16_FROM_LE, bytes) << 16;
        memcpy(&value, &bits, sizeof value);
        return value;
    case DTYPE_F64:
        wide_bits = LOAD(uint64_t, GUINT64_FROM_LE, bytes);
        memcpy(&wide, &wide_bits, sizeof wide);
        return (float)wide;
    case DTYPE_I64:
        return (float)LOAD(int64_t, GINT64_FROM_LE, bytes);
    case DTYPE_I32:
        return (float)LOAD(int32_t, GINT32_FROM_LE, bytes);
    case DTYPE_I16:
        return (float)LOAD(int16_t, GINT16_FROM_LE, bytes);
    case DTYPE_I8:
        return (float)(int8_t)*bytes;
    case DTYPE_U8:
        return (float)*bytes;
    case DTYPE_BOOL:
        return *bytes ? 1.0f : 0.0f;
    case N_DTYPES:
        break;
    }
    return 0.0f;
}

static bool is_contiguous(const struct stored_tensor *tensor)
{
    int64_t expected = 1;
    for (int i = tensor->info.rank - 1; i >= 0; i--) {
        if (tensor->info.shape[i] != 1) {
            if (tensor->stride[i] != expected) {
                return false;
            }
            expected *= tensor->info.shape[i];
        }
    }
    return true;
}

static bool read_contiguous(struct container *container, const struct stored_tensor *tensor,
                            float *dst, GError **error)
{
    size_t size = dtype_size(tensor->info.dtype);
    uint64_t position = (uint64_t)tensor->offset * size;
    size_t left = (size_t)tensor->info.elements;
    if (tensor->info.dtype == DTYPE_F32 && G_BYTE_ORDER == G_LITTLE_ENDIAN) {
        return container->format->read(container, tensor, position, dst, left * size, error);
    }
    uint8_t *chunk = g_malloc(CHUNK_BYTES);
    bool ok = true;
    while (ok && left) {
        size_t part = MIN(left, CHUNK_BYTES / size);
        ok = container->format->read(container, tensor, position, chunk, part * size, error);
        for (size_t i = 0; ok && i < part; i++) {
            *dst++ = container_load_float(tensor->info.dtype, chunk + i * size);
        }
        position += part * size;
        left -= part;
    }
    g_free(chunk);
    return ok;
}

// Reads the range of the storage that the view touches and picks the elements from it in row-major
// order.
static bool read_strided(struct container *container, const struct stored_tensor *tensor,
                         float *dst, GError **error)
{
    const struct tensor_info *info = &tensor->info;
    size_t size = dtype_size(info->dtype);
    uint64_t range = 1; // in elements, within the storage
    for (int i = 0; i < info->rank; i++) {
        range += (uint64_t)(info->shape[i] - 1) * (uint64_t)tensor->stride[i];
    }
    uint8_t *bytes = g_try_malloc((size_t)range * size);
    if (!bytes) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY,
                    "not enough memory for tensor \"%.160s\"", info->name);
        return false;
    }
    bool ok = container->format->read(container, tensor, (uint64_t)tensor->offset * size, bytes,
                                      (size_t)range * size, error);
    int64_t index[MAX_RANK] = {0};
    uint64_t position = 0;
    for (int64_t element = 0; ok && element < info->elements; element++) {
        dst[element] = container_load_float(info->dtype, bytes + position * size);
        for (int axis = info->rank - 1; axis >= 0; axis--) {
            position += (uint64_t)tensor->stride[axis];
            if (++index[axis] < info->shape[axis]) {
                break;
            }
            position -= (uint64_t)info->shape[axis] * (uint64_t)tensor->stride[axis];
            index[axis] = 0;
        }
    }
    g_free(bytes);
    return ok;
}

bool container_read(struct container *container, int index, float *dst, GError **error)
{
    const struct stored_tensor *tensor = g_ptr_array_index(container->tensors, index);
    if (tensor->info.elements == 0) {
        return true;
    }
    GError *cause = NULL;
    bool ok = container->format->read_values
                  ? container->format->read_values(container, tensor, dst, &cause)
              : is_contiguous(tensor) ? read_contiguous(container, tensor, dst, &cause)
                                      : read_strided(container, tensor, dst, &cause);
    if (!ok) {
        finish_error(container->path, error, cause);
    }
    return ok;
}
