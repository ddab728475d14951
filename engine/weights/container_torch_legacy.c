// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// PyTorch files of the form before version 1.6: five pickles, then the storages, each after its
// element count.
#include "weights/container_internal.h"

#include <string.h>

struct legacy {
    struct pickle *pickle;
    GHashTable *positions; // key (owned by the pickle) -> uint64_t * position of the data
};

// Pickle 1: this 80-bit number. Pickle 2: the version of the form.
static const uint8_t magic[] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
#define LEGACY_VERSION 1001

static bool check_head(const struct pickle_value *const parts[5], GError **error)
{
    if (parts[0]->kind != PICKLE_LONG || parts[0]->text.size != sizeof magic ||
        memcmp(parts[0]->text.data, magic, sizeof magic)) {
        bad_file(error, "is a pickle, but not a PyTorch checkpoint: its magic number is wrong");
        return false;
    }
    if (parts[1]->kind != PICKLE_INT || parts[1]->integer != LEGACY_VERSION) {
        unsupported(error, "is a PyTorch checkpoint of an unknown version: save it again with "
                           "PyTorch 1.6 or newer");
        return false;
    }
    const struct pickle_value *little = pickle_get(parts[2], "little_endian");
    if (!little || little->kind != PICKLE_BOOL || !little->integer) {
        unsupported(error,
                    "was written by a big-endian machine: save it again on a little-endian one");
        return false;
    }
    return true;
}

// Walks over the storages in the order of the keys in pickle 5.
static bool locate_storages(struct container *container, struct legacy *legacy,
                            const struct pickle_value *keys, uint64_t position, GError **error)
{
    if (keys->kind != PICKLE_LIST) {
        bad_file(error, "the list of storages is missing");
        return false;
    }
    for (size_t i = 0; i < keys->list.count; i++) {
        const struct pickle_value *key = keys->list.items[i];
        const struct pickle_storage *storage =
            key->kind == PICKLE_STRING ? pickle_find_storage(legacy->pickle, key->text.data) : NULL;
        if (!storage || g_hash_table_contains(legacy->positions, storage->key)) {
            bad_file(error, "entry %zu of the list of storages is unknown or there twice", i);
            return false;
        }
        uint8_t count[8];
        if (!container_pread(container, position, count, sizeof count, error)) {
            return false;
        }
        int64_t elements;
        memcpy(&elements, count, sizeof elements);
        elements = GINT64_FROM_LE(elements);
        if (elements != storage->elements) {
            bad_file(error,
                     "storage \"%.80s\" has %" G_GINT64_FORMAT " elements where %" G_GINT64_FORMAT
                     " were announced",
                     storage->key, elements, storage->elements);
            return false;
        }
        position += sizeof count;
        uint64_t bytes =
            (uint64_t)elements * dtype_size(storage->dtype); // both fit: checked with the storage
        if (bytes > container->size - position) {
            bad_file(error,
                     "is cut off: storage \"%.80s\" needs %" G_GUINT64_FORMAT
                     " bytes, %" G_GUINT64_FORMAT " are left",
                     storage->key, bytes, container->size - position);
            return false;
        }
        g_hash_table_insert(legacy->positions, (char *)storage->key,
                            g_memdup2(&position, sizeof position));
        position += bytes;
    }
    return true;
}

static bool place(struct container *container, const struct pickle_storage *storage,
                  struct stored_tensor *tensor, GError **error)
{
    struct legacy *legacy = container->state;
    const uint64_t *position = g_hash_table_lookup(legacy->positions, storage->key);
    if (!position) {
        bad_file(error, "storage \"%.80s\" is missing", storage->key);
        return false;
    }
    tensor->base = *position;
    return true;
}

static bool legacy_parse(struct container *container, struct legacy *legacy, const uint8_t *data,
                         size_t size, GError **error)
{
    const struct pickle_value *parts[5];
    size_t position = 0;
    for (int i = 0; i < 5; i++) {
        size_t consumed;
        parts[i] = pickle_load(legacy->pickle, data + position, size - position, &consumed, error);
        if (!parts[i]) {
            g_prefix_error(error, "pickle %d of 5: ", i + 1);
            return false;
        }
        position += consumed;
    }
    return check_head(parts, error) &&
           locate_storages(container, legacy, parts[4], position, error) &&
           torch_collect(container, parts[3], place, error);
}

static bool legacy_open(struct container *container, GError **error)
{
    struct legacy *legacy = g_new0(struct legacy, 1);
    container->state = legacy;
    legacy->pickle = pickle_new();
    legacy->positions = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    // Where the pickles end is known only after reading them.
    size_t size = (size_t)MIN(container->size, PICKLE_MAX_BYTES);
    uint8_t *data = g_try_malloc(size);
    if (!data) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY,
                    "not enough memory to read %zu bytes", size);
        return false;
    }
    bool ok = container_pread(container, 0, data, size, error) &&
              legacy_parse(container, legacy, data, size, error);
    g_free(data);
    g_clear_pointer(&legacy->positions, g_hash_table_unref);
    pickle_free(&legacy->pickle);
    return ok;
}

static bool legacy_read(struct container *container, const struct stored_tensor *tensor,
                        uint64_t offset, void *dst, size_t size, GError **error)
{
    return container_pread(container, tensor->base + offset, dst, size, error);
}

static void legacy_close(struct container *container)
{
    struct legacy *legacy = container->state;
    g_clear_pointer(&legacy->positions, g_hash_table_unref);
    pickle_free(&legacy->pickle);
    g_clear_pointer(&container->state, g_free);
}

const struct container_format container_torch_legacy = {"torch-legacy", legacy_open, legacy_read,
                                                        legacy_close};
