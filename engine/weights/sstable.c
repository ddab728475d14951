// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Sorted tables: a footer that leads to an index block, which leads to the blocks of entries. Every
// block has a checksum; the keys of a block leave out what they share with the one before.
#include "weights/sstable.h"

#include "weights/container_internal.h"
#include "weights/crc32c.h"

#define TRAILER_BYTES 5 // the kind of compression, the checksum
#define MAX_KEY_BYTES 4096
#define MAX_KEYS_FACTOR 16 // what all keys together may take, written in full
#define KEYS_SLACK_BYTES (1u << 20)

static const uint8_t magic[8] = {0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb};

bool sstable_is_tail(const uint8_t tail[8])
{
    return memcmp(tail, magic, sizeof magic) == 0;
}

// Takes a block's place from a handle. *end is where the blocks before it end, which come in order.
static bool find_block(struct bytes file, struct bytes *handle, uint64_t *end, struct bytes *block,
                       GError **error)
{
    uint64_t offset, size, with_trailer, stored = 0, compression = 0;
    if (!bytes_varint(handle, &offset) || !bytes_varint(handle, &size) ||
        !checked_add(size, TRAILER_BYTES, &with_trailer) || offset < *end ||
        !bytes_part(file, offset, with_trailer, block)) {
        bad_file(error, "is damaged: a block of the index lies past its end or in another block");
        return false;
    }
    struct bytes rest = *block;
    *end = offset + with_trailer;
    if (!bytes_take(&rest, size, block) || !bytes_number(&rest, 1, &compression) ||
        !bytes_number(&rest, 4, &stored) ||
        !crc32c_matches(crc32c(0, block->data, block->size + 1), (uint32_t)stored)) {
        bad_file(error, "is damaged: the checksum of a block of the index is wrong");
        return false;
    }
    if (compression != 0) {
        unsupported(error,
                    "has an index that is compressed (kind %u); TensorFlow writes it as it is: "
                    "save the checkpoint again with tf.train.Saver",
                    (unsigned)compression);
        return false;
    }
    return true;
}

// What is before the list of restart points, which nobody needs who reads from the start.
static bool entries_of(struct bytes *block)
{
    struct bytes count, entries;
    uint64_t restarts = 0;
    return block->size >= 4 && bytes_part(*block, block->size - 4, 4, &count) &&
           bytes_number(&count, 4, &restarts) && restarts <= (block->size - 4) / 4 &&
           bytes_take(block, block->size - 4 - 4 * (size_t)restarts, &entries) &&
           (*block = entries, true);
}

static bool read_block(struct bytes block, GString *key, sstable_func func, void *user_data,
                       GError **error)
{
    if (!entries_of(&block)) {
        bad_file(error, "is damaged: a block of the index has more restart points than bytes");
        return false;
    }
    for (bool first = true; block.size; first = false) {
        uint64_t shared, more, size;
        struct bytes rest, value;
        if (!bytes_varint(&block, &shared) || !bytes_varint(&block, &more) ||
            !bytes_varint(&block, &size) || shared > (first ? 0 : key->len) ||
            more > MAX_KEY_BYTES - shared || !bytes_take(&block, more, &rest) ||
            !bytes_take(&block, size, &value)) {
            bad_file(error, "is damaged: an entry of the index has no sound key or value");
            return false;
        }
        g_string_truncate(key, (gsize)shared);
        g_string_append_len(key, (const char *)rest.data, (gssize)rest.size);
        if (!func(key->str, key->len, value, user_data, error)) {
            return false;
        }
    }
    return true;
}

struct reader {
    struct bytes file;
    uint64_t end;        // of the blocks so far
    GString *key, *last; // of the entries
    uint64_t key_bytes;  // of all of them
    bool any;
    sstable_func func;
    void *user_data;
};

static bool check_order(const char *key, size_t size, struct bytes value, void *user_data,
                        GError **error)
{
    struct reader *reader = user_data;
    int order = memcmp(reader->last->str, key, MIN(reader->last->len, size));
    if (reader->any && (order > 0 || (order == 0 && reader->last->len >= size))) {
        bad_file(error, "is damaged: \"%.160s\" in the index is there twice or out of order", key);
        return false;
    }
    reader->key_bytes += size;
    if (reader->key_bytes / MAX_KEYS_FACTOR > reader->file.size + KEYS_SLACK_BYTES) {
        bad_file(error, "has an index whose names are far longer than itself");
        return false;
    }
    reader->any = true;
    g_string_truncate(reader->last, 0);
    g_string_append_len(reader->last, key, (gssize)size);
    return reader->func(key, size, value, reader->user_data, error);
}

static bool read_entries(const char *key, size_t size, struct bytes handle, void *user_data,
                         GError **error)
{
    struct reader *reader = user_data;
    struct bytes block;
    return find_block(reader->file, &handle, &reader->end, &block, error) &&
           read_block(block, reader->key, check_order, reader, error);
}

bool sstable_read(struct bytes file, sstable_func func, void *user_data, GError **error)
{
    struct bytes footer, handles, block;
    uint64_t skipped, end = 0;
    if (file.size < SSTABLE_FOOTER_BYTES ||
        !bytes_part(file, file.size - SSTABLE_FOOTER_BYTES, SSTABLE_FOOTER_BYTES, &footer) ||
        !bytes_take(&footer, SSTABLE_FOOTER_BYTES - sizeof magic, &handles) ||
        !sstable_is_tail(footer.data)) {
        bad_file(error, "is cut off or damaged: its index does not end as one");
        return false;
    }
    if (!bytes_varint(&handles, &skipped) || !bytes_varint(&handles, &skipped)) {
        bad_file(error, "is damaged: the footer of the index has no sound places of blocks");
        return false;
    }
    struct reader reader = {.file = file,
                            .key = g_string_new(NULL),
                            .last = g_string_new(NULL),
                            .func = func,
                            .user_data = user_data};
    g_autoptr(GString) index_key = g_string_new(NULL);
    bool ok = find_block(file, &handles, &end, &block, error) &&
              read_block(block, index_key, read_entries, &reader, error);
    g_string_free(reader.key, TRUE);
    g_string_free(reader.last, TRUE);
    return ok;
}
