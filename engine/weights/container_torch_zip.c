// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// PyTorch files since version 1.6: a zip archive of stored records ROOT/data.pkl and ROOT/data/KEY.
// Compressed and encrypted records are refused, so that no record is larger than the file.
#include "weights/container_internal.h"

#include <string.h>
#include <unistd.h>
#include <zip.h>

#define END_BYTES 22   // end of central directory record
#define END64_BYTES 56 // the same for zip64
#define LOCATOR_BYTES 20
#define ENTRY_BYTES 46 // smallest entry of the central directory
#define CHUNK_BYTES (64u << 10)

struct torch_zip {
    zip_t *archive;
    char *root;         // folder of all records, with its slash
    uint8_t *verified;  // by record: its checksum was found right
    zip_file_t *record; // the one open, or NULL
    uint64_t record_index, position;
};

static uint64_t little(const uint8_t *bytes, int size)
{
    uint64_t number = 0;
    for (int i = 0; i < size; i++) {
        number |= (uint64_t)bytes[i] << (8 * i);
    }
    return number;
}

// libzip allocates by the number of entries that an end record claims, wherever in the last 64 KiB
// it finds one.
static bool check_end_records(struct container *container, GError **error)
{
    size_t size = (size_t)MIN(container->size, 65535 + END_BYTES + LOCATOR_BYTES);
    uint8_t *tail = g_malloc(size);
    uint64_t start = container->size - size;
    bool found = false, ok = container_pread(container, start, tail, size, error);
    for (size_t i = 0; ok && i + END_BYTES <= size; i++) {
        if (memcmp(tail + i, "PK\5\6", 4)) {
            continue;
        }
        found = true;
        uint64_t entries = little(tail + i + 10, 2);
        if (i >= LOCATOR_BYTES && memcmp(tail + i - LOCATOR_BYTES, "PK\6\7", 4) == 0) {
            uint8_t end64[END64_BYTES];
            uint64_t position = little(tail + i - LOCATOR_BYTES + 8, 8);
            if (position > container->size || container->size - position < END64_BYTES) {
                bad_file(error, "is cut off or damaged: the archive's directory lies past its end");
                ok = false;
                break;
            }
            ok = container_pread(container, position, end64, sizeof end64, error);
            entries =
                MAX(entries, MAX(ok ? little(end64 + 24, 8) : 0, ok ? little(end64 + 32, 8) : 0));
        }
        if (ok && entries > container->size / ENTRY_BYTES) {
            bad_file(error,
                     "is damaged: %" G_GUINT64_FORMAT " records in an archive of %" G_GUINT64_FORMAT
                     " bytes",
                     entries, container->size);
            ok = false;
        }
    }
    if (ok && !found) {
        bad_file(error, "is cut off: the archive has no directory");
        ok = false;
    }
    g_free(tail);
    return ok;
}

static bool open_archive(struct container *container, struct torch_zip *zip, GError **error)
{
    int code;
    int fd = dup(container->fd); // closed by libzip
    zip->archive = fd < 0 ? NULL : zip_fdopen(fd, 0, &code);
    if (!zip->archive) {
        zip_error_t reason;
        zip_error_init_with_code(&reason, fd < 0 ? ZIP_ER_OPEN : code);
        bad_file(error, "is cut off or damaged: the archive cannot be read (%s)",
                 zip_error_strerror(&reason));
        zip_error_fini(&reason);
        if (fd >= 0) {
            close(fd);
        }
    }
    return zip->archive;
}

// Each record: a harmless name that is there once, stored as it is.
static bool check_records(struct torch_zip *zip, uint64_t file_bytes, GError **error)
{
    uint64_t count = (uint64_t)zip_get_num_entries(zip->archive, 0);
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    const char *program = NULL, *compressed = NULL;
    for (uint64_t i = 0; i < count; i++) {
        zip_stat_t stat;
        const char *name = zip_get_name(zip->archive, i, ZIP_FL_ENC_RAW);
        const zip_uint64_t wanted =
            ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
        if (!name || zip_stat_index(zip->archive, i, 0, &stat) || (stat.valid & wanted) != wanted) {
            bad_file(error,
                     "is damaged: record %" G_GUINT64_FORMAT " of the archive has no name or size",
                     i);
            return false;
        }
        if (*name == '/' || strstr(name, "..") || strchr(name, '\\') ||
            !g_hash_table_add(names, (char *)name)) {
            bad_file(error,
                     "record \"%.160s\" of the archive is there twice or has a path outside of it",
                     name);
            return false;
        }
        if (stat.encryption_method != ZIP_EM_NONE) {
            unsupported(error, "record \"%.160s\" of the archive is encrypted", name);
            return false;
        }
        if (g_str_has_suffix(name, "/constants.pkl") || strstr(name, "/code/")) {
            program = name;
        } else if (stat.comp_method != ZIP_CM_STORE) {
            compressed = name;
        } else if (stat.size != stat.comp_size || stat.size > file_bytes) {
            bad_file(error,
                     "is damaged: record \"%.160s\" of the archive claims %" G_GUINT64_FORMAT
                     " bytes",
                     name, stat.size);
            return false;
        }
    }
    if (program) {
        unsupported(error,
                    "is a TorchScript program, not a state_dict: save model.state_dict() instead");
    } else if (compressed) {
        unsupported(error,
                    "record \"%.160s\" of the archive is compressed; PyTorch stores them as they "
                    "are: save it again with torch.save",
                    compressed);
    }
    return !program && !compressed;
}

static bool find_root(struct torch_zip *zip, GError **error)
{
    uint64_t count = (uint64_t)zip_get_num_entries(zip->archive, 0);
    for (uint64_t i = 0; i < count; i++) {
        const char *name = zip_get_name(zip->archive, i, ZIP_FL_ENC_RAW);
        const char *slash = strchr(name, '/');
        if (!slash || strcmp(slash, "/data.pkl")) {
            continue;
        }
        if (zip->root) {
            bad_file(error, "holds more than one checkpoint (%.80sdata.pkl and %.160s)", zip->root,
                     name);
            return false;
        }
        zip->root = g_strndup(name, (size_t)(slash - name) + 1);
    }
    if (!zip->root) {
        unsupported(error, "is a zip archive, but not a PyTorch checkpoint: it has no data.pkl");
    }
    return zip->root;
}

static void close_record(struct torch_zip *zip)
{
    if (zip->record) {
        zip_fclose(zip->record);
        zip->record = NULL;
    }
}

static bool open_record(struct torch_zip *zip, uint64_t index, GError **error)
{
    close_record(zip);
    zip->record = zip_fopen_index(zip->archive, index, 0);
    zip->record_index = index;
    zip->position = 0;
    if (!zip->record) {
        bad_file(error, "is damaged: record \"%.160s\" cannot be read (%s)",
                 zip_get_name(zip->archive, index, ZIP_FL_ENC_RAW), zip_strerror(zip->archive));
    }
    return zip->record;
}

// From the position on; at the end of the record libzip compares the checksum.
static bool read_record(struct torch_zip *zip, void *dst, size_t size, bool to_end, GError **error)
{
    const char *name = zip_get_name(zip->archive, zip->record_index, ZIP_FL_ENC_RAW);
    uint8_t *bytes = dst;
    while (size) {
        zip_int64_t got = zip_fread(zip->record, bytes, MIN(size, (size_t)1 << 30));
        if (got <= 0) {
            bad_file(error, "is damaged: record \"%.160s\" ends early or its checksum is wrong",
                     name);
            return false;
        }
        bytes += got;
        size -= (size_t)got;
        zip->position += (uint64_t)got;
    }
    uint8_t beyond;
    if (to_end && zip_fread(zip->record, &beyond, 1) != 0) {
        bad_file(error, "is damaged: the checksum of record \"%.160s\" is wrong", name);
        return false;
    }
    return true;
}

// Reads an unverified record through once.
static bool verify_record(struct torch_zip *zip, uint64_t index, uint64_t size, GError **error)
{
    uint8_t *chunk = g_malloc(CHUNK_BYTES);
    bool ok = open_record(zip, index, error);
    while (ok && size) {
        size_t part = (size_t)MIN(size, CHUNK_BYTES);
        size -= part;
        ok = read_record(zip, chunk, part, size == 0, error);
    }
    zip->verified[index] = ok;
    g_free(chunk);
    return ok;
}

static bool zip_read(struct container *container, const struct stored_tensor *tensor,
                     uint64_t offset, void *dst, size_t size, GError **error)
{
    struct torch_zip *zip = container->state;
    uint64_t index = tensor->base;
    if (!zip->verified[index]) {
        if (offset == 0 && size == tensor->storage_bytes) {
            zip->verified[index] =
                open_record(zip, index, error) && read_record(zip, dst, size, true, error);
            return zip->verified[index];
        }
        if (!verify_record(zip, index, tensor->storage_bytes, error)) {
            return false;
        }
    }
    if ((!zip->record || zip->record_index != index) && !open_record(zip, index, error)) {
        return false;
    }
    if (zip->position != offset && zip_fseek(zip->record, (zip_int64_t)offset, SEEK_SET)) {
        bad_file(error, "is damaged: record \"%.160s\" ends early",
                 zip_get_name(zip->archive, index, ZIP_FL_ENC_RAW));
        return false;
    }
    zip->position = offset;
    return read_record(zip, dst, size, false, error);
}

// A whole small record, or NULL.
static uint8_t *load_record(struct torch_zip *zip, const char *name, size_t most, size_t *size,
                            GError **error)
{
    g_autofree char *path = g_strconcat(zip->root, name, NULL);
    zip_stat_t stat;
    zip_int64_t index = zip_name_locate(zip->archive, path, ZIP_FL_ENC_RAW);
    if (index < 0 || zip_stat_index(zip->archive, (zip_uint64_t)index, 0, &stat) ||
        stat.size > most) {
        bad_file(error, "record \"%.160s\" is missing or longer than %zu bytes", path, most);
        return NULL;
    }
    uint8_t *data = g_try_malloc((size_t)stat.size + 1);
    if (!data) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY,
                    "not enough memory for %" G_GUINT64_FORMAT " bytes", stat.size);
        return NULL;
    }
    *size = (size_t)stat.size;
    if (!open_record(zip, (uint64_t)index, error) || !read_record(zip, data, *size, true, error)) {
        g_clear_pointer(&data, g_free);
    }
    return data;
}

static bool check_byte_order(struct torch_zip *zip, GError **error)
{
    g_autofree char *path = g_strconcat(zip->root, "byteorder", NULL);
    if (zip_name_locate(zip->archive, path, ZIP_FL_ENC_RAW) < 0) {
        return true; // older versions do not write it
    }
    size_t size;
    g_autofree uint8_t *order = load_record(zip, "byteorder", 16, &size, error);
    if (order && (size != 6 || memcmp(order, "little", 6))) {
        unsupported(error,
                    "was written by a big-endian machine: save it again on a little-endian one");
        return false;
    }
    return order;
}

static bool place(struct container *container, const struct pickle_storage *storage,
                  struct stored_tensor *tensor, GError **error)
{
    struct torch_zip *zip = container->state;
    g_autofree char *path = g_strconcat(zip->root, "data/", storage->key, NULL);
    zip_int64_t index = zip_name_locate(zip->archive, path, ZIP_FL_ENC_RAW);
    zip_stat_t stat;
    if (index < 0 || zip_stat_index(zip->archive, (zip_uint64_t)index, 0, &stat)) {
        bad_file(error, "record \"%.160s\" is missing", path);
        return false;
    }
    if (stat.size != tensor->storage_bytes) {
        bad_file(error,
                 "record \"%.160s\" has %" G_GUINT64_FORMAT " bytes where %" G_GUINT64_FORMAT
                 " were announced",
                 path, stat.size, tensor->storage_bytes);
        return false;
    }
    tensor->base = (uint64_t)index;
    // A record that is not where the directory says is found out now, not in the middle of the
    // work.
    uint8_t first;
    return stat.size == 0 || (zip->record && zip->record_index == tensor->base) ||
           (open_record(zip, tensor->base, error) && read_record(zip, &first, 1, false, error));
}

static bool zip_open_checked(struct container *container, GError **error)
{
    struct torch_zip *zip = g_new0(struct torch_zip, 1);
    container->state = zip;
    if (!check_end_records(container, error) || !open_archive(container, zip, error) ||
        !check_records(zip, container->size, error) || !find_root(zip, error) ||
        !check_byte_order(zip, error)) {
        return false;
    }
    zip->verified = g_malloc0((size_t)zip_get_num_entries(zip->archive, 0));
    size_t size, consumed;
    g_autofree uint8_t *data = load_record(zip, "data.pkl", PICKLE_MAX_BYTES, &size, error);
    if (!data) {
        return false;
    }
    struct pickle *pickle = pickle_new();
    const struct pickle_value *top = pickle_load(pickle, data, size, &consumed, error);
    bool ok = top && torch_collect(container, top, place, error);
    pickle_free(&pickle);
    return ok;
}

static void zip_close_all(struct container *container)
{
    struct torch_zip *zip = container->state;
    close_record(zip);
    if (zip->archive) {
        zip_discard(zip->archive);
    }
    g_free(zip->root);
    g_free(zip->verified);
    g_clear_pointer(&container->state, g_free);
}

const struct container_format container_torch_zip = {"torch-zip", zip_open_checked, zip_read,
                                                     zip_close_all};
