// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// TFLite Metadata for files of tests: its FlatBuffer, and a zip archive of one label list.
#include "tflite_file.h"

#include <gio/gio.h>
#include <string.h>
#include <zlib.h>

#define LABEL_FILE "labelmap.txt"

// One table in a vector of its own: returns its fields.
static struct fbw_table put_single(GByteArray *bytes, uint32_t slot, const uint8_t *sizes, int n)
{
    uint32_t vector = fbw_vector(bytes, 1, 4, NULL), position;
    fbw_link(bytes, slot, vector);
    struct fbw_table table = fbw_table(bytes, sizes, n, &position);
    fbw_link(bytes, vector + 4, position);
    return table;
}

static void put_text(GByteArray *bytes, uint32_t slot, const char *text)
{
    fbw_link(bytes, slot, fbw_vector(bytes, (uint32_t)strlen(text), 1, text));
}

static void put_label_file(GByteArray *bytes, uint32_t slot)
{
    static const uint8_t sizes[3] = {4, 0, 1}, value_labels = 3;
    struct fbw_table file = put_single(bytes, slot, sizes, 3);
    put_text(bytes, file.slot[0], LABEL_FILE);
    fbw_set(bytes, file.slot[2], &value_labels, 1);
}

GByteArray *about_bytes(const struct tflite_about *about)
{
    int level = about->labels ? about->level : -1;
    const uint8_t model_sizes[7] = {0, 0, 0, 4, 0, 4, level == 2 ? 4 : 0};
    const uint8_t graph_sizes[5] = {0, 0, 4, 4, level == 1 ? 4 : 0};
    const uint8_t input_sizes[5] = {4, 0, 0, 0, about->std > 0.0f ? 4 : 0};
    const uint8_t output_sizes[7] = {4, 0, 0, 0, 0, 0, level == 0 ? 4 : 0};
    static const uint8_t unit_sizes[2] = {1, 4}, option_sizes[2] = {4, 4}, normalization = 1;
    GByteArray *bytes = g_byte_array_new();
    uint32_t position;
    g_byte_array_append(bytes, (const guint8 *)"\0\0\0\0M001", 8);
    struct fbw_table model = fbw_table(bytes, model_sizes, 7, &position);
    fbw_link(bytes, 0, position);
    put_text(bytes, model.slot[5], "CC0-1.0");
    if (level == 2) {
        put_label_file(bytes, model.slot[6]);
    }
    struct fbw_table graph = put_single(bytes, model.slot[3], graph_sizes, 5);
    struct fbw_table input = put_single(bytes, graph.slot[2], input_sizes, 5);
    put_text(bytes, input.slot[0], "image");
    if (about->std > 0.0f) {
        const float std[3] = {about->std, about->std, about->std};
        struct fbw_table unit = put_single(bytes, input.slot[4], unit_sizes, 2);
        fbw_set(bytes, unit.slot[0], &normalization, 1);
        struct fbw_table options = fbw_table(bytes, option_sizes, 2, &position);
        fbw_link(bytes, unit.slot[1], position);
        fbw_link(bytes, options.slot[0], fbw_vector(bytes, 1, 4, &about->mean));
        fbw_link(bytes, options.slot[1], fbw_vector(bytes, 3, 4, std));
    }
    struct fbw_table output = put_single(bytes, graph.slot[3], output_sizes, 7);
    put_text(bytes, output.slot[0], "category");
    if (level == 0) {
        put_label_file(bytes, output.slot[6]);
    }
    if (level == 1) {
        put_label_file(bytes, graph.slot[4]);
    }
    return bytes;
}

static void put(GByteArray *bytes, uint32_t value, int size)
{
    uint32_t little = GUINT32_TO_LE(value);
    g_byte_array_append(bytes, (const guint8 *)&little, (guint)size);
}

// What the two headers of an entry have in common.
static void put_entry(GByteArray *bytes, const struct tflite_about *about, gsize packed)
{
    gsize size = strlen(about->labels);
    put(bytes, 20, 2);
    put(bytes, 0, 2);
    put(bytes, about->deflated ? 8 : 0, 2);
    put(bytes, 0, 4);
    put(bytes, (uint32_t)crc32(0, (const Bytef *)about->labels, (uInt)size), 4);
    put(bytes, (uint32_t)packed, 4);
    put(bytes, (uint32_t)size, 4);
    put(bytes, (uint32_t)strlen(LABEL_FILE), 2);
    put(bytes, 0, 2);
}

void about_append(GByteArray *file, const struct tflite_about *about)
{
    if (!about->labels) {
        return;
    }
    gsize size = strlen(about->labels), packed = size, used = 0;
    g_autofree char *data = g_malloc(size + 64);
    memcpy(data, about->labels, size);
    if (about->deflated) {
        g_autoptr(GZlibCompressor) raw = g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_RAW, 9);
        g_assert_cmpint(g_converter_convert(G_CONVERTER(raw), about->labels, size, data, size + 64,
                                            G_CONVERTER_INPUT_AT_END, &used, &packed, NULL),
                        ==, G_CONVERTER_FINISHED);
    }
    uint32_t local = file->len;
    g_byte_array_append(file, (const guint8 *)"PK\3\4", 4);
    put_entry(file, about, packed);
    g_byte_array_append(file, (const guint8 *)LABEL_FILE, strlen(LABEL_FILE));
    g_byte_array_append(file, (const guint8 *)data, (guint)packed);
    uint32_t directory = file->len;
    g_byte_array_append(file, (const guint8 *)"PK\1\2", 4);
    put(file, 20, 2);
    put_entry(file, about, packed);
    put(file, 0, 4); // comment, disk
    put(file, 0, 2);
    put(file, 0, 4);
    put(file, local, 4);
    g_byte_array_append(file, (const guint8 *)LABEL_FILE, strlen(LABEL_FILE));
    uint32_t end = file->len;
    g_byte_array_append(file, (const guint8 *)"PK\5\6", 4);
    put(file, 0, 4);
    put(file, 1, 2);
    put(file, 1, 2);
    put(file, end - directory, 4);
    put(file, directory, 4);
    put(file, 0, 2);
}
