// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The members of a tar archive (ustar, GNU's long names, pax), and the gzip stream around them.
#include "weights/tar.h"

#include "weights/container_internal.h"

#include <string.h>
#include <zlib.h>

#define BLOCK_BYTES 512
#define CHUNK_BYTES (64u << 10)
#define MAX_NAME_BYTES 4096
#define MAX_PAX_BYTES (64u << 10)
#define MAX_MEMBERS 65536
// Weights do not compress to less than this; what does is no archive of weights.
#define MAX_KEPT_FACTOR 16
#define MAX_UNPACKED_FACTOR 100
#define SLACK_BYTES (1u << 20)

struct stream {
    const struct container *container;
    uint64_t position; // in the file
    uint64_t unpacked; // bytes taken so far
    bool gzip, ended;
    z_stream z;
    uint8_t *in; // CHUNK_BYTES
};

// What the headers before a member's own say about it.
struct extras {
    char *name;
    bool has_size;
    uint64_t size;
};

void tar_member_free(gpointer data)
{
    struct tar_member *member = data;
    g_free(member->name);
    g_free(member->memory);
    g_free(member);
}

bool tar_is_gzip(const uint8_t *head, size_t size)
{
    return size >= 3 && head[0] == 0x1f && head[1] == 0x8b && head[2] == 8;
}

bool tar_is_plain(const uint8_t *head, size_t size)
{
    return size >= BLOCK_BYTES && memcmp(head + 257, "ustar", 5) == 0;
}

// ---- the stream --------------------------------------------------------------------------------

// More than `factor` times the archive, and more than a little.
static bool exceeds(const struct stream *stream, uint64_t bytes, uint64_t factor)
{
    return bytes > SLACK_BYTES && bytes / factor > stream->container->size;
}

static bool refill(struct stream *stream, GError **error)
{
    size_t size = (size_t)MIN(stream->container->size - stream->position, CHUNK_BYTES);
    if (size == 0) {
        bad_file(error, "is cut off: the compressed archive goes on after the file's end");
        return false;
    }
    if (!container_pread(stream->container, stream->position, stream->in, size, error)) {
        return false;
    }
    stream->position += size;
    stream->z.next_in = stream->in;
    stream->z.avail_in = (uInt)size;
    return true;
}

// Some bytes, at most `size`; *got 0 at the end of the stream, whose checksum is right then.
static bool inflate_some(struct stream *stream, uint8_t *dst, size_t size, size_t *got,
                         GError **error)
{
    stream->z.next_out = dst;
    stream->z.avail_out = (uInt)MIN(size, 1u << 30);
    uInt wanted = stream->z.avail_out;
    while (!stream->ended && stream->z.avail_out == wanted) {
        if (stream->z.avail_in == 0 && !refill(stream, error)) {
            return false;
        }
        int result = inflate(&stream->z, Z_NO_FLUSH);
        if (result == Z_STREAM_END) {
            stream->ended = true;
        } else if (result != Z_OK && result != Z_BUF_ERROR) {
            bad_file(error, "is damaged: the compressed archive cannot be unpacked (%s)",
                     stream->z.msg ? stream->z.msg : "zlib fails");
            return false;
        }
    }
    *got = wanted - stream->z.avail_out;
    stream->unpacked += *got;
    if (exceeds(stream, stream->unpacked, MAX_UNPACKED_FACTOR)) {
        bad_file(error, "unpacks to more than %d times its size", MAX_UNPACKED_FACTOR);
        return false;
    }
    return true;
}

static bool stream_read(struct stream *stream, void *dst, uint64_t size, GError **error)
{
    uint8_t *bytes = dst;
    if (!stream->gzip) {
        if (size > stream->container->size - stream->position) {
            bad_file(error, "is cut off: the archive goes on after the file's end");
            return false;
        }
        stream->position += size;
        return container_pread(stream->container, stream->position - size, dst, (size_t)size,
                               error);
    }
    while (size) {
        size_t got;
        if (!inflate_some(stream, bytes, (size_t)size, &got, error)) {
            return false;
        }
        if (got == 0) {
            bad_file(error, "is cut off: the archive ends in the middle of a file");
            return false;
        }
        bytes += got;
        size -= got;
    }
    return true;
}

static bool stream_skip(struct stream *stream, uint64_t size, GError **error)
{
    if (!stream->gzip) {
        if (size > stream->container->size - stream->position) {
            bad_file(error, "is cut off: the archive goes on after the file's end");
            return false;
        }
        stream->position += size;
        return true;
    }
    g_autofree uint8_t *scratch = g_malloc(CHUNK_BYTES);
    while (size) {
        uint64_t part = MIN(size, CHUNK_BYTES);
        if (!stream_read(stream, scratch, part, error)) {
            return false;
        }
        size -= part;
    }
    return true;
}

// To the end of the compressed stream, behind which its checksum is compared.
static bool stream_finish(struct stream *stream, GError **error)
{
    g_autofree uint8_t *scratch = g_malloc(CHUNK_BYTES);
    size_t got = 1;
    while (stream->gzip && got) {
        if (!inflate_some(stream, scratch, CHUNK_BYTES, &got, error)) {
            return false;
        }
    }
    return true;
}

// ---- headers -----------------------------------------------------------------------------------

// Octal digits, or GNU's big-endian binary form.
static bool header_number(const uint8_t *field, size_t width, uint64_t *value)
{
    *value = 0;
    if (field[0] == 0x80) {
        for (size_t i = 1; i < width; i++) {
            if (*value >> 56) {
                return false;
            }
            *value = *value << 8 | field[i];
        }
        return true;
    }
    size_t i = 0;
    while (i < width && field[i] == ' ') {
        i++;
    }
    for (; i < width && field[i] >= '0' && field[i] <= '7'; i++) {
        *value = *value << 3 | (uint64_t)(field[i] - '0');
    }
    return i == width || field[i] == '\0' || field[i] == ' ';
}

static bool is_zero(const uint8_t *block)
{
    for (int i = 0; i < BLOCK_BYTES; i++) {
        if (block[i]) {
            return false;
        }
    }
    return true;
}

static bool checksum_fits(const uint8_t *block)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    return true;
#endif
    uint64_t stored, sum = 0;
    for (int i = 0; i < BLOCK_BYTES; i++) {
        sum += i >= 148 && i < 156 ? ' ' : block[i];
    }
    return header_number(block + 148, 8, &stored) && stored == sum;
}

static char *header_name(const uint8_t *block)
{
    g_autofree char *name = g_strndup((const char *)block, 100);
    g_autofree char *prefix = memcmp(block + 257, "ustar\0", 6) == 0
                                  ? g_strndup((const char *)block + 345, 155)
                                  : g_strdup("");
    return g_strconcat(prefix, *prefix ? "/" : "", name, NULL);
}

// Records "LENGTH KEY=VALUE\n".
static bool read_pax(const char *text, size_t size, struct extras *extras)
{
    while (size) {
        char *end;
        guint64 length = g_ascii_strtoull(text, &end, 10);
        size_t digits = (size_t)(end - text);
        if (digits == 0 || *end != ' ' || length > size || length < digits + 3 ||
            text[length - 1] != '\n') {
            return false;
        }
        const char *key = end + 1;
        g_autofree char *record = g_strndup(key, (size_t)length - digits - 2);
        if (g_str_has_prefix(record, "path=")) {
            g_free(extras->name);
            extras->name = g_strdup(record + strlen("path="));
        } else if (g_str_has_prefix(record, "size=")) {
            extras->has_size = g_ascii_string_to_unsigned(record + strlen("size="), 10, 0,
                                                          G_MAXINT64, &extras->size, NULL);
            if (!extras->has_size) {
                return false;
            }
        }
        text += length;
        size -= (size_t)length;
    }
    return true;
}

static uint64_t padding(uint64_t size)
{
    return (BLOCK_BYTES - size % BLOCK_BYTES) % BLOCK_BYTES;
}

// The contents of a header that belongs to the next one.
static bool read_extra(struct stream *stream, char type, uint64_t size, struct extras *extras,
                       GError **error)
{
    size_t most = type == 'L' ? MAX_NAME_BYTES : MAX_PAX_BYTES;
    if (size > most) {
        bad_file(error, "is damaged: a name in the archive has %" G_GUINT64_FORMAT " bytes", size);
        return false;
    }
    g_autofree char *text = g_malloc0((size_t)size + 1);
    if (!stream_read(stream, text, size, error) || !stream_skip(stream, padding(size), error)) {
        return false;
    }
    if (type == 'L') {
        g_free(extras->name);
        extras->name = g_steal_pointer(&text);
    } else if (type == 'x' && !read_pax(text, (size_t)size, extras)) {
        bad_file(error, "is damaged: an extended header of the archive is no list of records");
        return false;
    }
    return true;
}

// ---- members -----------------------------------------------------------------------------------

struct list {
    struct stream *stream;
    bool (*wanted)(const char *name);
    GPtrArray *members;
    uint64_t kept; // bytes in memory
    unsigned headers;
};

static bool keep(struct list *list, const char *name, uint64_t size, GError **error)
{
    struct stream *stream = list->stream;
    struct tar_member *member = g_new0(struct tar_member, 1);
    g_ptr_array_add(list->members, member);
    member->name = g_strdup(name);
    member->size = size;
    member->start = stream->position;
    if (!stream->gzip) {
        return stream_skip(stream, size, error);
    }
    if (!checked_add(list->kept, size, &list->kept) ||
        exceeds(stream, list->kept, MAX_KEPT_FACTOR)) {
        bad_file(error,
                 "has a file of %" G_GUINT64_FORMAT " bytes in it, more than %d times itself", size,
                 MAX_KEPT_FACTOR);
        return false;
    }
    member->memory = g_try_malloc((size_t)MAX(size, 1));
    if (!member->memory) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY,
                    "not enough memory for the %" G_GUINT64_FORMAT " bytes of \"%.160s\"", size,
                    name);
        return false;
    }
    return stream_read(stream, member->memory, size, error);
}

static bool read_member(struct list *list, const uint8_t *header, struct extras *extras,
                        GError **error)
{
    uint64_t size;
    char type = (char)header[156];
    if (!checksum_fits(header) || !header_number(header + 124, 12, &size)) {
        if (list->headers == 0) {
            unsupported(error, "is compressed, but no tar archive: unpack it first");
        } else {
            bad_file(error, "is damaged: a header in the archive has a wrong checksum");
        }
        return false;
    }
    if (++list->headers > MAX_MEMBERS) {
        bad_file(error, "has more than %d files in it", MAX_MEMBERS);
        return false;
    }
    if (type == 'L' || type == 'x' || type == 'g' || type == 'K') {
        return read_extra(list->stream, type, size, extras, error);
    }
    g_autofree char *name = extras->name ? g_steal_pointer(&extras->name) : header_name(header);
    size = extras->has_size ? extras->size : size;
    extras->has_size = false;
    if (type >= '1' && type <= '6') { // links, devices, folders
        return true;
    }
    const char *plain = name;
    while (g_str_has_prefix(plain, "./")) {
        plain += 2;
    }
    bool regular = type == '0' || type == '\0' || type == '7';
    bool ok = regular && list->wanted(plain) ? keep(list, plain, size, error)
                                             : stream_skip(list->stream, size, error);
    return ok && stream_skip(list->stream, padding(size), error);
}

static bool read_members(struct list *list, GError **error)
{
    uint8_t header[BLOCK_BYTES];
    struct extras extras = {0};
    bool ok = true, ended = false;
    while (ok && !ended) {
        ok = stream_read(list->stream, header, sizeof header, error);
        ended = ok && is_zero(header);
        ok = ok && (ended || read_member(list, header, &extras, error));
    }
    g_free(extras.name);
    return ok && stream_read(list->stream, header, sizeof header, error) &&
           stream_finish(list->stream, error);
}

GPtrArray *tar_list(const struct container *container, bool gzip, bool (*wanted)(const char *name),
                    GError **error)
{
    struct stream stream = {.container = container, .gzip = gzip};
    struct list list = {.stream = &stream,
                        .wanted = wanted,
                        .members = g_ptr_array_new_with_free_func(tar_member_free)};
    stream.in = g_malloc(CHUNK_BYTES);
    bool ok = !gzip || inflateInit2(&stream.z, 16 + MAX_WBITS) == Z_OK;
    if (!ok) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY,
                    "not enough memory to unpack the archive");
    } else {
        ok = read_members(&list, error);
        if (gzip) {
            inflateEnd(&stream.z);
        }
    }
    g_free(stream.in);
    if (!ok) {
        g_clear_pointer(&list.members, g_ptr_array_unref);
    }
    return list.members;
}
