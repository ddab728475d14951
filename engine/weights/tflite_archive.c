// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The zip archive behind a TensorFlow Lite file with metadata: the text files that go with it.
#include "weights/tflite_match.h"

#include <gio/gio.h>
#include <string.h>

#define END_BYTES 22
#define ENTRY_BYTES 46
#define LOCAL_BYTES 30
#define MAX_COMMENT_BYTES 65535
#define MAX_TEXT_BYTES (UINT64_C(1) << 20)

enum { METHOD_STORED = 0, METHOD_DEFLATED = 8 };

struct archive {
    const uint8_t *bytes;
    uint64_t size, shift; // shift: what stands before the archive and its offsets do not count
};

static uint64_t little(const uint8_t *bytes, int size)
{
    uint64_t number = 0;
    for (int i = 0; i < size; i++) {
        number |= (uint64_t)bytes[i] << (8 * i);
    }
    return number;
}

// Bytes [position, position + size), or NULL where the file ends before.
static const uint8_t *piece(const struct archive *archive, uint64_t position, uint64_t size)
{
    return position <= archive->size && size <= archive->size - position ? archive->bytes + position
                                                                         : NULL;
}

static const uint8_t *find_end(const struct archive *archive, uint64_t *position)
{
    for (uint64_t back = END_BYTES; back <= archive->size && back <= END_BYTES + MAX_COMMENT_BYTES;
         back++) {
        const uint8_t *end = archive->bytes + archive->size - back;
        if (memcmp(end, "PK\5\6", 4) == 0) {
            *position = archive->size - back;
            return end;
        }
    }
    return NULL;
}

static char *inflate_text(const uint8_t *packed, uint64_t packed_bytes, uint64_t bytes)
{
    g_autoptr(GZlibDecompressor) raw = g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_RAW);
    char *text = g_malloc((gsize)bytes + 1);
    gsize done = 0, used = 0;
    GConverterResult result = G_CONVERTER_CONVERTED;
    while (result == G_CONVERTER_CONVERTED && done <= bytes) {
        gsize read, written;
        result = g_converter_convert(G_CONVERTER(raw), packed + used, (gsize)packed_bytes - used,
                                     text + done, (gsize)bytes + 1 - done, G_CONVERTER_INPUT_AT_END,
                                     &read, &written, NULL);
        if (result != G_CONVERTER_ERROR) {
            used += read;
            done += written;
        }
    }
    if (result != G_CONVERTER_FINISHED || done != bytes) {
        g_free(text);
        return NULL;
    }
    text[bytes] = 0;
    return text;
}

static char *read_entry(const struct archive *archive, const uint8_t *entry)
{
    uint64_t method = little(entry + 10, 2), packed_bytes = little(entry + 20, 4);
    uint64_t bytes = little(entry + 24, 4), local_at = little(entry + 42, 4) + archive->shift;
    const uint8_t *local = piece(archive, local_at, LOCAL_BYTES);
    if (!local || memcmp(local, "PK\3\4", 4) != 0 || bytes > MAX_TEXT_BYTES ||
        (little(entry + 8, 2) & 1)) { // encrypted
        return NULL;
    }
    uint64_t data_at = local_at + LOCAL_BYTES + little(local + 26, 2) + little(local + 28, 2);
    const uint8_t *data = piece(archive, data_at, packed_bytes);
    if (data && method == METHOD_STORED && packed_bytes == bytes) {
        return g_strndup((const char *)data, (gsize)bytes);
    }
    return data && method == METHOD_DEFLATED ? inflate_text(data, packed_bytes, bytes) : NULL;
}

char *archive_text(const uint8_t *bytes, uint64_t size, const char *name)
{
    struct archive archive = {bytes, size, 0};
    uint64_t end_at, length = strlen(name);
    const uint8_t *end = find_end(&archive, &end_at);
    if (!end) {
        return NULL;
    }
    uint64_t count = little(end + 10, 2), directory_bytes = little(end + 12, 4);
    uint64_t directory = little(end + 16, 4);
    if (directory_bytes > end_at || directory > end_at - directory_bytes) {
        return NULL;
    }
    archive.shift = end_at - directory_bytes - directory;
    uint64_t position = end_at - directory_bytes;
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *entry = piece(&archive, position, ENTRY_BYTES);
        if (!entry || memcmp(entry, "PK\1\2", 4) != 0) {
            return NULL;
        }
        uint64_t name_bytes = little(entry + 28, 2);
        const uint8_t *found = piece(&archive, position + ENTRY_BYTES, name_bytes);
        if (found && name_bytes == length && memcmp(found, name, length) == 0) {
            return read_entry(&archive, entry);
        }
        position += ENTRY_BYTES + name_bytes + little(entry + 30, 2) + little(entry + 32, 2);
    }
    return NULL;
}
