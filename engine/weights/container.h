// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A weights file as named tensors, whatever its format. Nothing from the file is executed, and no
// allocation exceeds a small multiple of the file's size. Tensors are read one at a time, on
// demand. One thread at a time.
#pragma once

#include "base/util.h"

#include <glib.h>

#define MAX_RANK 8

enum dtype {
    DTYPE_F32,
    DTYPE_F16,
    DTYPE_BF16,
    DTYPE_F64,
    DTYPE_I64,
    DTYPE_I32,
    DTYPE_I16,
    DTYPE_I8,
    DTYPE_U8,
    DTYPE_BOOL,
    N_DTYPES
};
const char *dtype_name(enum dtype dtype); // "float32", "float16", ...

struct tensor_info {
    char *name; // prefixes ("module.", "model.", "_orig_mod.") and wrapper dictionaries already
                // resolved
    enum dtype dtype;
    int rank;
    int64_t shape[MAX_RANK]; // row-major
    int64_t elements;        // product of shape
};

struct container;

// Opens a file and finds its format from its contents; a TensorFlow checkpoint also by its folder,
// its prefix or any of its files. NULL with *error (EFFDET_ERROR_BAD_FILE, _NOT_FOUND,
// _UNSUPPORTED): one line that names the file and the cause.
struct container *container_open(const char *path, GError **error) WARN_UNUSED;
void container_close(struct container **container);

const char *container_path(const struct container *container);
// "safetensors", "torch-zip", "torch-legacy", "tensorflow", "tensorflow-archive", "hdf5", "tflite"
const char *container_format(const struct container *container);
// Name of the folder, on the disk or in the archive, in which a checkpoint of several files lies;
// it often says more than the files' names. NULL for single files.
const char *container_folder(const struct container *container);
int container_count(const struct container *container);
const struct tensor_info *container_tensor(const struct container *container, int index);
int container_find(const struct container *container, const char *name); // index or -1
// Why a file that describes a whole network holds none that is known, or NULL.
const char *container_unknown(const struct container *container);
// String metadata of the file (safetensors "__metadata__"), or NULL. Owned by the container.
GHashTable *container_metadata(const struct container *container);
// Reads a tensor as float32, row-major, `elements` of them into dst. Integers convert; int64
// counters too.
bool container_read(struct container *container, int index, float *dst, GError **error) WARN_UNUSED;
