// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A restricted reader of pickles as PyTorch writes them. Nothing is ever imported or called: a
// short list of known names gives plain values and tensor descriptions, any other name is an error.
// Work and memory are bounded by a small multiple of the input. One thread at a time.
#pragma once

#include "base/util.h"
#include "weights/container.h"

#define PICKLE_MAX_BYTES                                                                           \
    (16u << 20) // longest pickle that is read; a D7x checkpoint with its optimizer has about 2 MiB

enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,   // integer
    PICKLE_INT,    // integer
    PICKLE_LONG,   // text: an integer beyond 64 bits, little endian
    PICKLE_FLOAT,  // nothing is kept
    PICKLE_STRING, // text: valid UTF-8
    PICKLE_BYTES,  // text
    PICKLE_TUPLE,  // list
    PICKLE_LIST,   // list
    PICKLE_DICT,   // list: key, value, key, value, ...
    PICKLE_GLOBAL, // global: a name of the list
    PICKLE_STORAGE,
    PICKLE_TENSOR,
    PICKLE_OPAQUE, // some object that is not looked into (argparse.Namespace, a NumPy scalar)
    PICKLE_MARK,   // only on the stack of the reader
};

// Raw data of one or more tensors, kept elsewhere in the file.
struct pickle_storage {
    const char *key;
    enum dtype dtype;
    int64_t elements; // >= 0, and their bytes fit 63 bits
};

// A view of a storage; strides and offset in elements, all >= 0, not yet checked against the
// storage.
struct pickle_tensor {
    const struct pickle_storage *storage;
    int64_t offset;
    int rank;
    int64_t shape[MAX_RANK], stride[MAX_RANK];
};

struct pickle_global;

struct pickle_value {
    enum pickle_kind kind;
    union {
        int64_t integer;
        struct {
            const char *data; // a NUL follows the last byte
            size_t size;
        } text;
        struct {
            struct pickle_value **items;
            size_t count, capacity;
        } list;
        const struct pickle_global *global;
        const struct pickle_storage *storage;
        const struct pickle_tensor *tensor;
    };
};

// Owns the values of all pickles read through it.
struct pickle;
struct pickle *pickle_new(void) WARN_UNUSED;
void pickle_free(struct pickle **pickle);

// Reads one pickle from the start of data. *consumed: its length in bytes. NULL with *error: cause
// and place, without the file's name.
const struct pickle_value *pickle_load(struct pickle *pickle, const uint8_t *data, size_t size,
                                       size_t *consumed, GError **error) WARN_UNUSED;
// Value of a string key of a dictionary (the last one, as in Python), or NULL.
const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key);
// The storage of that key among all values read, or NULL.
const struct pickle_storage *pickle_find_storage(const struct pickle *pickle, const char *key);
bool pickle_is_string(const struct pickle_value *value, const char *string);

// ---- between pickle.c and pickle_torch.c
// --------------------------------------------------------------------------

// Zeroed memory that lives as long as the pickle; NULL with *error when there is too much of it.
void *pickle_alloc(struct pickle *pickle, size_t size, GError **error) WARN_UNUSED;
struct pickle_value *pickle_value_new(struct pickle *pickle, enum pickle_kind kind,
                                      GError **error) WARN_UNUSED;
bool pickle_append(struct pickle *pickle, struct pickle_value *list, struct pickle_value *item,
                   GError **error) WARN_UNUSED;
// Notes a storage under its key; a second one of that key must be equal.
bool pickle_note_storage(struct pickle *pickle, const struct pickle_storage *storage,
                         GError **error) WARN_UNUSED;

// The three places where a pickle could run code. They make values of known names only.
struct pickle_value *pickle_global(struct pickle *pickle, const char *module, const char *name,
                                   GError **error) WARN_UNUSED;
struct pickle_value *pickle_call(struct pickle *pickle, const struct pickle_value *callee,
                                 const struct pickle_value *arguments, GError **error) WARN_UNUSED;
struct pickle_value *pickle_persistent(struct pickle *pickle, const struct pickle_value *id,
                                       GError **error) WARN_UNUSED;
