// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// TensorFlow checkpoints (TensorBundle): an index, which is a sorted table from variable names to
// their shape, type, place and checksum, and files of little-endian data.
#include "weights/container_internal.h"
#include "weights/crc32c.h"
#include "weights/parts.h"
#include "weights/proto.h"
#include "weights/sstable.h"
#include "weights/tar.h"

#include <string.h>

#define MAX_INDEX_BYTES (64u << 20)
#define MAX_SHARDS 256
#define CHUNK_BYTES (64u << 10)
#define SHADOW "/ExponentialMovingAverage"
#define VALUE "/.ATTRIBUTES/VARIABLE_VALUE" // ends the keys of object checkpoints
#define SLOT "/.OPTIMIZER_SLOT/"
#define OBJECT_GRAPH "_CHECKPOINTABLE_OBJECT_GRAPH"

struct entry {
    char *key;
    enum dtype dtype;
    bool skipped; // of a type that no weights have
    int rank;
    int64_t shape[MAX_RANK];
    uint64_t shard, offset, size;
    uint32_t crc;
    bool verified;
};

struct bundle {
    struct parts *parts;
    uint64_t n_shards; // 0: no header yet
    const struct part *shards[MAX_SHARDS];
    GPtrArray *entries; // struct entry; stored_tensor.base is an index in it
    GHashTable *keys;   // of the entries
};

static void entry_free(gpointer data)
{
    g_free(((struct entry *)data)->key);
    g_free(data);
}

// ---- records -----------------------------------------------------------------------------------

static bool read_header(struct bundle *bundle, struct bytes message, GError **error)
{
    struct proto_field field;
    enum proto_next next;
    uint64_t shards = 0, big_endian = 0;
    while ((next = proto_next(&message, &field)) == PROTO_FIELD) {
        if (field.type == PROTO_VARINT && field.number == 1) {
            shards = field.value;
        } else if (field.type == PROTO_VARINT && field.number == 2) {
            big_endian = field.value;
        }
    }
    if (next == PROTO_DAMAGED || shards < 1 || shards > MAX_SHARDS) {
        bad_file(error,
                 "is damaged: its index speaks of %" G_GUINT64_FORMAT " data files, wanted 1 to %d",
                 shards, MAX_SHARDS);
        return false;
    }
    if (big_endian) {
        unsupported(error,
                    "was written by a big-endian machine: save it again on a little-endian one");
        return false;
    }
    bundle->n_shards = shards;
    return true;
}

// TensorFlow's number of a type. *skipped: one that weights are never of.
static bool find_dtype(uint64_t number, enum dtype *dtype, bool *skipped)
{
    static const struct {
        uint8_t number;
        enum dtype dtype;
    } known[] = {
        {1, DTYPE_F32}, {2, DTYPE_F64}, {3, DTYPE_I32},   {4, DTYPE_U8},    {5, DTYPE_I16},
        {6, DTYPE_I8},  {9, DTYPE_I64}, {10, DTYPE_BOOL}, {14, DTYPE_BF16}, {19, DTYPE_F16},
    };
    // string, complex, the unsigned types, variant
    static const uint8_t others[] = {7, 8, 17, 18, 21, 22, 23};
    for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
        if (known[i].number == number) {
            *dtype = known[i].dtype;
            return true;
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
        *skipped = *skipped || others[i] == number;
    }
    return *skipped;
}

static bool read_dimension(struct bytes message, struct entry *entry)
{
    struct proto_field field;
    enum proto_next next;
    uint64_t size = 0;
    while ((next = proto_next(&message, &field)) == PROTO_FIELD) {
        if (field.type == PROTO_VARINT && field.number == 1) {
            size = field.value;
        }
    }
    if (next == PROTO_DAMAGED || size > G_MAXINT64 || entry->rank == MAX_RANK) {
        return false;
    }
    entry->shape[entry->rank++] = (int64_t)size;
    return true;
}

static bool read_shape(struct bytes message, struct entry *entry)
{
    struct proto_field field;
    enum proto_next next;
    while ((next = proto_next(&message, &field)) == PROTO_FIELD) {
        if (field.type == PROTO_BYTES && field.number == 2 && !read_dimension(field.data, entry)) {
            return false;
        }
        if (field.type == PROTO_VARINT && field.number == 3 && field.value) {
            return false; // of unknown rank
        }
    }
    return next == PROTO_END;
}

// A record's fields; *sliced: its data are in the records that follow.
static bool read_record(struct bytes message, struct entry *entry, uint64_t *dtype, bool *sliced)
{
    struct proto_field field;
    enum proto_next next;
    bool ok = true;
    while (ok && (next = proto_next(&message, &field)) == PROTO_FIELD) {
        bool varint = field.type == PROTO_VARINT;
        if (varint && field.number == 1) {
            *dtype = field.value;
        } else if (field.type == PROTO_BYTES && field.number == 2) {
            ok = entry->rank == 0 && read_shape(field.data, entry);
        } else if (varint && field.number == 3) {
            entry->shard = field.value;
        } else if (varint && field.number == 4) {
            entry->offset = field.value;
        } else if (varint && field.number == 5) {
            entry->size = field.value;
        } else if (field.type == PROTO_FIXED32 && field.number == 6) {
            entry->crc = (uint32_t)field.value;
        } else if (field.number == 7) {
            *sliced = true;
        }
    }
    return ok && next == PROTO_END;
}

static bool read_entry(const char *key, size_t key_size, struct bytes value, void *user_data,
                       GError **error)
{
    struct bundle *bundle = user_data;
    uint64_t dtype = 0;
    bool sliced = false;
    if (key_size == 0) {
        return read_header(bundle, value, error);
    }
    if (bundle->n_shards == 0) {
        bad_file(error, "is damaged: its index has no header");
        return false;
    }
    if (key[0] == '\0') {
        return true; // a slice of a variable, which its own record tells of
    }
    if (strlen(key) != key_size) {
        bad_file(error, "is damaged: the name \"%.160s\" goes on after its end", key);
        return false;
    }
    struct entry *entry = g_new0(struct entry, 1);
    g_ptr_array_add(bundle->entries, entry);
    entry->key = g_strdup(key);
    g_hash_table_add(bundle->keys, entry->key);
    if (!read_record(value, entry, &dtype, &sliced)) {
        bad_file(error, "is damaged: the index has no sound shape and place for \"%.160s\"", key);
        return false;
    }
    if (sliced) {
        unsupported(error, "stores \"%.160s\" in slices: save it again from one machine, whole",
                    key);
        return false;
    }
    if (!find_dtype(dtype, &entry->dtype, &entry->skipped)) {
        unsupported(error, "has \"%.160s\" of the unknown type %" G_GUINT64_FORMAT, key, dtype);
        return false;
    }
    return true;
}

// ---- names -------------------------------------------------------------------------------------

// Whether a key is one that is there with `suffix` after it.
static bool has_key(const struct bundle *bundle, const char *key, size_t length, const char *suffix)
{
    g_autofree char *other = g_strdup_printf("%.*s%s", (int)length, key, suffix);
    return g_hash_table_contains(bundle->keys, other);
}

// The path of an object's attributes (transfer full), or NULL for what is no weight. TensorFlow
// Hub's training modules have names of variables in it, in which ".S" stands for "/" (spec 9.5).
static char *name_of_object(const char *key)
{
    static const struct {
        const char *from, *to;
    } hub[] = {{"base_model/", ""},
               {"classes/", "class_net/class-predict/"},
               {"boxes/", "box_net/box-predict/"},
               {"model/", ""}};
    size_t length = strlen(key) - (g_str_has_suffix(key, VALUE) ? strlen(VALUE) : 0);
    if (strstr(key, SLOT) || strcmp(key, OBJECT_GRAPH) == 0) {
        return NULL;
    }
    g_autofree char *path = g_strndup(key, length);
    const char *prefix = "", *rest = path;
    for (size_t i = 0; i < G_N_ELEMENTS(hub); i++) {
        if (g_str_has_prefix(path, hub[i].from) && path[strlen(hub[i].from)]) {
            prefix = hub[i].to;
            rest = path + strlen(hub[i].from);
        }
    }
    g_auto(GStrv) words = g_strsplit(rest, ".S", -1);
    g_autofree char *joined = g_strjoinv("/", words);
    char *name = g_strconcat(prefix, joined, NULL);
    if (g_str_has_suffix(name, ":0")) {
        name[strlen(name) - strlen(":0")] = '\0';
    }
    return name;
}

// The name under which an entry is known (transfer full), or NULL for what is no weight: the state
// of optimizers, counters of steps, values of which there is an average (spec 9.4, 9.5).
static char *name_of(const struct bundle *bundle, const char *key, bool is_object)
{
    size_t length = strlen(key);
    if (is_object) {
        return name_of_object(key);
    }
    if (g_str_has_suffix(key, SHADOW)) {
        return g_strndup(key, length - strlen(SHADOW));
    }
    const char *slash = strrchr(key, '/');
    size_t parent = slash ? (size_t)(slash - key) : 0;
    bool is_slot =
        slash && (has_key(bundle, key, parent, "") || has_key(bundle, key, parent, SHADOW));
    if (is_slot || has_key(bundle, key, length, SHADOW) || strcmp(key, "global_step") == 0) {
        return NULL;
    }
    return g_strdup(key);
}

static bool add_entry(struct container *container, guint index, const char *name, GError **error)
{
    struct bundle *bundle = container->state;
    struct entry *entry = bundle->entries->pdata[index];
    struct stored_tensor tensor = {.info = {.dtype = entry->dtype, .rank = entry->rank},
                                   .base = index,
                                   .storage_bytes = entry->size};
    uint64_t stride = 1, end;
    bool fits = true;
    for (int i = entry->rank - 1; i >= 0; i--) {
        tensor.info.shape[i] = entry->shape[i];
        tensor.stride[i] = (int64_t)stride;
        fits = fits && checked_mul(stride, (uint64_t)MAX(entry->shape[i], 1), &stride) &&
               stride <= G_MAXINT64;
    }
    if (!fits) {
        bad_file(error, "is damaged: the shape of \"%.160s\" is too large", entry->key);
        return false;
    }
    if (entry->shard >= bundle->n_shards) {
        bad_file(error,
                 "is damaged: \"%.160s\" lies in data file %" G_GUINT64_FORMAT
                 ", of %" G_GUINT64_FORMAT,
                 entry->key, entry->shard, bundle->n_shards);
        return false;
    }
    const struct part *shard = bundle->shards[entry->shard];
    if (!checked_add(entry->offset, entry->size, &end) || end > shard->size) {
        bad_file(error,
                 "is cut off or damaged: \"%.160s\" lies past the end of %.80s, which has "
                 "%" G_GUINT64_FORMAT " bytes",
                 entry->key, shard->name, shard->size);
        return false;
    }
    if (!container_add(container, name, &tensor, error)) {
        return false;
    }
    const struct stored_tensor *added = container->tensors->pdata[container->tensors->len - 1];
    if ((uint64_t)added->info.elements * dtype_size(entry->dtype) != entry->size) {
        bad_file(error,
                 "is damaged: \"%.160s\" has %" G_GUINT64_FORMAT
                 " bytes, which do not fit its shape",
                 entry->key, entry->size);
        return false;
    }
    return true;
}

// ---- opening -----------------------------------------------------------------------------------

static bool read_index(struct container *container, GError **error)
{
    struct bundle *bundle = container->state;
    const struct part *index = parts_open(bundle->parts, ".index", error);
    if (!index) {
        return false;
    }
    if (index->size > MAX_INDEX_BYTES) {
        bad_file(error, "has an index of %" G_GUINT64_FORMAT " bytes, wanted at most %u",
                 index->size, MAX_INDEX_BYTES);
        return false;
    }
    container->size = MAX(container->size, index->size);
    g_autofree uint8_t *data = g_try_malloc((size_t)index->size + 1);
    if (!data) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY,
                    "not enough memory for an index of %" G_GUINT64_FORMAT " bytes", index->size);
        return false;
    }
    return part_read(bundle->parts, index, 0, data, (size_t)index->size, error) &&
           sstable_read((struct bytes){data, (size_t)index->size}, read_entry, bundle, error);
}

static bool open_shards(struct container *container, GError **error)
{
    struct bundle *bundle = container->state;
    for (uint64_t i = 0; i < bundle->n_shards; i++) {
        g_autofree char *suffix =
            g_strdup_printf(".data-%05u-of-%05u", (unsigned)i, (unsigned)bundle->n_shards);
        bundle->shards[i] = parts_open(bundle->parts, suffix, error);
        if (!bundle->shards[i]) {
            return false;
        }
        if (bundle->parts->path) { // else the archive's own size counts
            container->size += bundle->shards[i]->size;
        }
    }
    if (bundle->n_shards == 0) {
        bad_file(error, "is damaged: its index is empty");
    }
    return bundle->n_shards > 0;
}

static bool open_bundle(struct container *container, GError **error)
{
    struct bundle *bundle = container->state;
    if (!bundle->parts || !read_index(container, error) || !open_shards(container, error)) {
        return false;
    }
    bool is_object = g_hash_table_contains(bundle->keys, OBJECT_GRAPH);
    container->folder = bundle->parts->folder;
    for (guint i = 0; i < bundle->entries->len; i++) {
        const struct entry *entry = bundle->entries->pdata[i];
        g_autofree char *name = entry->skipped ? NULL : name_of(bundle, entry->key, is_object);
        if (name && !add_entry(container, i, name, error)) {
            return false;
        }
    }
    if (container->tensors->len == 0) {
        unsupported(error, "is a TensorFlow checkpoint without weights");
        return false;
    }
    return true;
}

static struct bundle *bundle_new(struct container *container)
{
    struct bundle *bundle = g_new0(struct bundle, 1);
    bundle->entries = g_ptr_array_new_with_free_func(entry_free);
    bundle->keys = g_hash_table_new(g_str_hash, g_str_equal);
    container->state = bundle;
    return bundle;
}

static bool open_path(struct container *container, GError **error)
{
    container->size = 0;
    bundle_new(container)->parts = parts_of_path(container, error);
    return open_bundle(container, error);
}

static bool open_archive(struct container *container, GError **error)
{
    uint8_t head[4];
    bool gzip =
        container_pread(container, 0, head, sizeof head, NULL) && tar_is_gzip(head, sizeof head);
    bundle_new(container)->parts = parts_of_archive(container, gzip, error);
    return open_bundle(container, error);
}

static void close_bundle(struct container *container)
{
    struct bundle *bundle = container->state;
    g_hash_table_unref(bundle->keys);
    g_ptr_array_unref(bundle->entries);
    parts_free(&bundle->parts);
    g_clear_pointer(&container->state, g_free);
}

// ---- data --------------------------------------------------------------------------------------

// Reads an unverified tensor through once.
static bool verify(struct bundle *bundle, struct entry *entry, GError **error)
{
    g_autofree uint8_t *chunk = g_malloc(CHUNK_BYTES);
    uint32_t crc = 0;
    for (uint64_t done = 0; done < entry->size;) {
        size_t part = (size_t)MIN(entry->size - done, CHUNK_BYTES);
        if (!part_read(bundle->parts, bundle->shards[entry->shard], entry->offset + done, chunk,
                       part, error)) {
            return false;
        }
        crc = crc32c(crc, chunk, part);
        done += part;
    }
    entry->verified = crc32c_matches(crc, entry->crc);
    return true;
}

static bool read_bundle(struct container *container, const struct stored_tensor *tensor,
                        uint64_t offset, void *dst, size_t size, GError **error)
{
    struct bundle *bundle = container->state;
    struct entry *entry = bundle->entries->pdata[tensor->base];
    bool whole = offset == 0 && size == entry->size;
    if (!whole && !entry->verified && !verify(bundle, entry, error)) {
        return false;
    }
    if (!part_read(bundle->parts, bundle->shards[entry->shard], entry->offset + offset, dst, size,
                   error)) {
        return false;
    }
    if (whole && !entry->verified) {
        entry->verified = crc32c_matches(crc32c(0, dst, size), entry->crc);
    }
    if (!entry->verified) {
        bad_file(error, "is damaged: the checksum of \"%.160s\" is wrong", entry->key);
    }
    return entry->verified;
}

const struct container_format container_bundle = {"tensorflow", open_path, read_bundle,
                                                  close_bundle};
const struct container_format container_bundle_archive = {"tensorflow-archive", open_archive,
                                                          read_bundle, close_bundle};
