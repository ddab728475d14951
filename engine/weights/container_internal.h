// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What the container formats share: the open file, the list of tensors they fill and the reads they
// answer. Only container*.c includes this. The formats set errors without the file's name;
// container_open() and container_read() put it in front.
#pragma once

#include "effdet/effdet.h"
#include "weights/container.h"
#include "weights/pickle.h"

// A tensor and where its elements lie: element (i0, i1, ...) is at storage position offset + i0 *
// stride[0] + i1 * stride[1] + ...
struct stored_tensor {
    struct tensor_info info;
    uint64_t base; // safetensors, legacy: file position of the storage in bytes; zip: index of the
                   // record
    uint64_t storage_bytes; // of the storage that the offset and strides were checked against
    int64_t offset;         // in elements
    int64_t stride[MAX_RANK];
};

struct container_format {
    const char *name;
    bool (*open)(struct container *container, GError **error);
    // Reads bytes [offset, offset + size) of the tensor's storage; the range was checked against
    // storage_bytes.
    bool (*read)(struct container *container, const struct stored_tensor *tensor, uint64_t offset,
                 void *dst, size_t size, GError **error);
    void (*close)(struct container *container);
    // NULL, or instead of read where elements are no plain numbers of the tensor's type: all of
    // them as floats.
    bool (*read_values)(struct container *container, const struct stored_tensor *tensor, float *dst,
                        GError **error);
};
extern const struct container_format container_safetensors, container_torch_zip,
    container_torch_legacy, container_bundle, container_bundle_archive, container_hdf5,
    container_tflite;

struct container {
    char *path;
    int fd;             // -1: the path is a folder or a prefix
    uint64_t size;      // of the file or files, in bytes
    const char *folder; // see container_folder(); owned by the format
    const struct container_format *format;
    void *state;         // of the format
    GPtrArray *tensors;  // struct stored_tensor, owned
    GHashTable *by_name; // name (owned by the tensor) -> index + 1
    GHashTable *metadata;
    char *unknown;        // why a file of this format holds no network that is known, or NULL
    uint64_t dense_bytes; // of all tensors as float32
};

#define bad_file(error, ...) g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_FILE, __VA_ARGS__)
#define unsupported(error, ...)                                                                    \
    g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED, __VA_ARGS__)

size_t dtype_size(enum dtype dtype);                                // bytes of one element
float container_load_float(enum dtype dtype, const uint8_t *bytes); // one element, unaligned

// Exactly `size` bytes at `offset` of the file, else an error that says where the file ended.
bool container_pread(const struct container *container, uint64_t offset, void *dst, size_t size,
                     GError **error) WARN_UNUSED;
bool container_pread_fd(int fd, uint64_t offset, void *dst, size_t size,
                        GError **error) WARN_UNUSED; // of another open file

// Appends a tensor under `name` less its leading "module.", "model." and "_orig_mod." (name and
// elements of tensor->info are filled in here). Refuses a second tensor of that name, a view past
// the end of its storage, and tensors that are far larger than the file.
bool container_add(struct container *container, const char *name,
                   const struct stored_tensor *tensor, GError **error) WARN_UNUSED;

// Says what a file that is no weights file seems to be. head: its first `size` bytes (up to 512).
void container_refuse_unknown(const struct container *container, const uint8_t *head, size_t size,
                              GError **error);
// The same for a path that is a folder or does not exist.
void container_refuse_path(const char *path, bool is_folder, GError **error);

// Fills base of a tensor whose storage is known by key and checks the storage's size against the
// file.
typedef bool (*torch_place_func)(struct container *container, const struct pickle_storage *storage,
                                 struct stored_tensor *tensor, GError **error);
// Takes the tensors of the state dictionary in `top`, looking into the wrappers that training
// checkpoints have around it.
bool torch_collect(struct container *container, const struct pickle_value *top,
                   torch_place_func place, GError **error) WARN_UNUSED;
