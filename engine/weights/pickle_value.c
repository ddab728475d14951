// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The memory and the values of pickles. Their opcodes are read in pickle.c.
#include "effdet/effdet.h"
#include "weights/pickle.h"

#include <string.h>

#define BLOCK_BYTES (64u << 10)
#define MAX_ARENA_BYTES                                                                            \
    ((size_t)96 << 20) // a value of one opcode byte takes about 40, in at most PICKLE_MAX_BYTES

struct pickle {
    GPtrArray *blocks;
    uint8_t *free;
    size_t free_bytes, total_bytes;
    GHashTable *storages; // key -> const struct pickle_storage *, both in the blocks
};

struct pickle *pickle_new(void)
{
    struct pickle *pickle = g_new0(struct pickle, 1);
    pickle->blocks = g_ptr_array_new_with_free_func(g_free);
    pickle->storages = g_hash_table_new(g_str_hash, g_str_equal);
    return pickle;
}

void pickle_free(struct pickle **pickle)
{
    if (!*pickle) {
        return;
    }
    g_ptr_array_unref((*pickle)->blocks);
    g_hash_table_unref((*pickle)->storages);
    g_clear_pointer(pickle, g_free);
}

void *pickle_alloc(struct pickle *pickle, size_t size, GError **error)
{
    if (size > MAX_ARENA_BYTES) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_FILE,
                    "the pickle holds too many objects");
        return NULL;
    }
    size = (size_t)align_up(size, 16);
    if (size > pickle->free_bytes) {
        size_t block = MAX(size, BLOCK_BYTES);
        if (block > MAX_ARENA_BYTES - pickle->total_bytes) {
            g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_FILE,
                        "the pickle holds too many objects");
            return NULL;
        }
        uint8_t *memory = g_try_malloc0(block);
        if (!memory) {
            g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY,
                        "not enough memory to read the pickle");
            return NULL;
        }
        g_ptr_array_add(pickle->blocks, memory);
        pickle->total_bytes += block;
        pickle->free = memory;
        pickle->free_bytes = block;
    }
    void *result = pickle->free;
    pickle->free += size;
    pickle->free_bytes -= size;
    return result;
}

struct pickle_value *pickle_value_new(struct pickle *pickle, enum pickle_kind kind, GError **error)
{
    struct pickle_value *value = pickle_alloc(pickle, sizeof *value, error);
    if (value) {
        value->kind = kind;
    }
    return value;
}

bool pickle_append(struct pickle *pickle, struct pickle_value *list, struct pickle_value *item,
                   GError **error)
{
    if (list->list.count == list->list.capacity) {
        size_t capacity = MAX(list->list.capacity * 2, 4);
        struct pickle_value **items = pickle_alloc(pickle, capacity * sizeof *items, error);
        if (!items) {
            return false;
        }
        if (list->list.count) {
            memcpy(items, list->list.items, list->list.count * sizeof *items);
        }
        list->list.items = items;
        list->list.capacity = capacity;
    }
    list->list.items[list->list.count++] = item;
    return true;
}

bool pickle_is_string(const struct pickle_value *value, const char *string)
{
    return value->kind == PICKLE_STRING && value->text.size == strlen(string) &&
           strcmp(value->text.data, string) == 0;
}

const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key)
{
    const struct pickle_value *found = NULL;
    for (size_t i = 0; dict->kind == PICKLE_DICT && i + 1 < dict->list.count; i += 2) {
        if (pickle_is_string(dict->list.items[i], key)) {
            found = dict->list.items[i + 1];
        }
    }
    return found;
}

bool pickle_note_storage(struct pickle *pickle, const struct pickle_storage *storage,
                         GError **error)
{
    const struct pickle_storage *other = g_hash_table_lookup(pickle->storages, storage->key);
    if (other && (other->dtype != storage->dtype || other->elements != storage->elements)) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_FILE,
                    "storage \"%.80s\" is described twice, as %" G_GINT64_FORMAT
                    " %s and as %" G_GINT64_FORMAT " %s",
                    storage->key, other->elements, dtype_name(other->dtype), storage->elements,
                    dtype_name(storage->dtype));
        return false;
    }
    g_hash_table_insert(pickle->storages, (char *)storage->key, (void *)storage);
    return true;
}

const struct pickle_storage *pickle_find_storage(const struct pickle *pickle, const char *key)
{
    return g_hash_table_lookup(pickle->storages, key);
}
