// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Fuzz target: any names, shapes and metadata as a network. The input is text, plain or gzip, as
// the manifests of the tests have it: a line "NAME 3x3x64x1" is a tensor, a line "KEY=VALUE"
// metadata. They become a safetensors file of zeros, so that the recognition is reached that random
// bytes never get to. Findings: crashes, leaks, errors without a message of one line, a network
// without classes.
#define _GNU_SOURCE
#include "fuzz.h"
#include "weights/checkpoint.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#define MAX_TEXT_BYTES (1u << 20)
#define MAX_FILE_BYTES (1ll << 31) // nothing is stored of it
#define MAX_DIMENSIONS 8

static GString *text_of(const uint8_t *data, size_t size)
{
    GString *text = g_string_new(NULL);
    z_stream z = {.next_in = (Bytef *)data, .avail_in = (uInt)size};
    if (size < 2 || data[0] != 0x1f || data[1] != 0x8b ||
        inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) {
        g_string_append_len(text, (const char *)data, (gssize)MIN(size, MAX_TEXT_BYTES));
        return text;
    }
    g_string_set_size(text, MAX_TEXT_BYTES);
    z.next_out = (Bytef *)text->str;
    z.avail_out = MAX_TEXT_BYTES;
    inflate(&z, Z_FINISH);
    g_string_truncate(text, MAX_TEXT_BYTES - z.avail_out);
    inflateEnd(&z);
    return text;
}

// Escapes such as "\n" count, so that a line can hold any character.
static void add_text(GString *json, const char *escaped)
{
    g_autofree char *bytes = g_strcompress(escaped), *text = g_utf8_make_valid(bytes, -1);
    g_string_append_c(json, '"');
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ') {
            g_string_append_printf(json, "\\u%04x", *c);
        } else {
            g_string_append_c(json, *c);
        }
    }
    g_string_append_c(json, '"');
}

// A shape such as "64" or "3x3x64x1" as JSON; the number of elements, or -1.
static gint64 add_shape(GString *json, const char *text)
{
    g_auto(GStrv) numbers = g_strsplit(text, "x", MAX_DIMENSIONS + 1);
    gint64 elements = 1;
    guint n = g_strv_length(numbers);
    g_string_append(json, "\"shape\": [");
    for (guint i = 0; i < n; i++) {
        guint64 number;
        if (i == MAX_DIMENSIONS ||
            !g_ascii_string_to_unsigned(numbers[i], 10, 0, 1 << 20, &number, NULL) ||
            elements * (gint64)number > MAX_FILE_BYTES) {
            return -1;
        }
        elements *= (gint64)number;
        g_string_append_printf(json, "%s%" G_GUINT64_FORMAT, i ? ", " : "", number);
    }
    g_string_append(json, "]");
    return n ? elements : -1;
}

// The header of a safetensors file; *size is that of the data behind it.
static GString *header_of(const GString *text, gint64 *size)
{
    g_autoptr(GString) metadata = g_string_new(NULL);
    GString *json = g_string_new("{");
    g_auto(GStrv) lines = g_strsplit(text->str, "\n", -1);
    for (char **line = lines; *line; line++) {
        g_autoptr(GString) shape = g_string_new(NULL);
        char *equals = strchr(*line, '='), *space = strchr(*line, ' ');
        if (!g_utf8_validate(*line, -1, NULL)) {
            continue;
        }
        if (equals && (!space || equals < space)) {
            *equals = '\0';
            g_string_append(metadata, metadata->len ? ", " : "");
            add_text(metadata, *line);
            g_string_append(metadata, ": ");
            add_text(metadata, equals + 1);
            continue;
        }
        if (!space) {
            continue;
        }
        *space = '\0';
        char *end = strchr(space + 1, ' ');
        if (end) {
            *end = '\0';
        }
        gint64 elements = add_shape(shape, space + 1);
        if (elements < 0 || *size + 4 * elements > MAX_FILE_BYTES) {
            continue;
        }
        g_string_append(json, json->len > 1 ? ", " : "");
        add_text(json, *line);
        g_string_append_printf(json,
                               ": {\"dtype\": \"F32\", %s, \"data_offsets\": [%" G_GINT64_FORMAT
                               ", %" G_GINT64_FORMAT "]}",
                               shape->str, *size, *size + 4 * elements);
        *size += 4 * elements;
    }
    if (metadata->len) {
        g_string_append_printf(json, "%s\"__metadata__\": {%s}", json->len > 1 ? ", " : "",
                               metadata->str);
    }
    g_string_append_c(json, '}');
    return json;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gint64 data_bytes = 0;
    g_autoptr(GString) text = text_of(data, size);
    g_autoptr(GString) json = header_of(text, &data_bytes);
    guint64 length = GUINT64_TO_LE((guint64)json->len);
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, &length, 8) != 8 ||
        write(fd, json->str, json->len) != (gssize)json->len ||
        ftruncate(fd, 8 + (off_t)json->len + data_bytes) != 0) {
        g_error("cannot write a file of %zu bytes in memory", json->len);
    }
    char path[64];
    g_snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    g_autoptr(GError) error = NULL;
    struct checkpoint_options options = {0};
    struct checkpoint *checkpoint = checkpoint_open(path, &options, &error);
    if (!checkpoint == !error) {
        g_error("result and error disagree");
    }
    if (error && (!g_str_has_prefix(error->message, path) || strchr(error->message, '\n'))) {
        g_error("no message of one line that names the file: %s", error->message);
    }
    if (checkpoint && checkpoint_model(checkpoint)->num_classes < 1) {
        g_error("a network without classes");
    }
    checkpoint_close(&checkpoint);
    close(fd);
    return 0;
}
