// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// FlatBuffers and FlexBuffers written front to back: what points comes before what is pointed at.
#include "tflite_file.h"

#include <string.h>

static void pad(GByteArray *bytes, guint alignment)
{
    static const guint8 zeros[8];
    g_byte_array_append(bytes, zeros, (alignment - bytes->len % alignment) % alignment);
}

void fbw_set(GByteArray *bytes, uint32_t position, const void *value, int size)
{
    g_assert_cmpuint(position + (guint)size, <=, bytes->len);
    memcpy(bytes->data + position, value, (size_t)size);
}

void fbw_link(GByteArray *bytes, uint32_t slot, uint32_t target)
{
    uint32_t offset = GUINT32_TO_LE(target - slot);
    g_assert_cmpuint(target, >, slot);
    fbw_set(bytes, slot, &offset, 4);
}

struct fbw_table fbw_table(GByteArray *bytes, const uint8_t *sizes, int n, uint32_t *position)
{
    struct fbw_table table = {{0}};
    uint16_t list[2 + TFLITE_MAX_FIELDS] = {0};
    uint32_t end = 4;
    for (int i = 0; i < n; i++) {
        if (sizes[i]) {
            end = (end + sizes[i] - 1) / sizes[i] * sizes[i];
            list[2 + i] = GUINT16_TO_LE((uint16_t)end);
            table.slot[i] = end;
            end += sizes[i];
        }
    }
    list[0] = GUINT16_TO_LE((uint16_t)(4 + 2 * n));
    list[1] = GUINT16_TO_LE((uint16_t)end);
    pad(bytes, 8);
    uint32_t vtable = bytes->len;
    g_byte_array_append(bytes, (const guint8 *)list, 4 + 2 * (guint)n);
    pad(bytes, 8);
    *position = bytes->len;
    g_byte_array_set_size(bytes, *position + end);
    memset(bytes->data + *position, 0, end);
    uint32_t distance = GUINT32_TO_LE(*position - vtable);
    fbw_set(bytes, *position, &distance, 4);
    for (int i = 0; i < n; i++) {
        table.slot[i] += sizes[i] ? *position : 0;
    }
    return table;
}

uint32_t fbw_vector(GByteArray *bytes, uint32_t count, uint32_t element_bytes, const void *data)
{
    pad(bytes, 4);
    if (element_bytes == 8) { // elements are aligned, not the count before them
        static const guint8 zeros[4];
        g_byte_array_append(bytes, zeros, bytes->len % 8 == 0 ? 4 : 0);
    }
    uint32_t position = bytes->len, little = GUINT32_TO_LE(count);
    g_byte_array_append(bytes, (const guint8 *)&little, 4);
    g_byte_array_set_size(bytes, bytes->len + count * element_bytes);
    if (data) {
        memcpy(bytes->data + position + 4, data, (size_t)count * element_bytes);
    } else {
        memset(bytes->data + position + 4, 0, (size_t)count * element_bytes);
    }
    return position;
}

static void put_u32(GByteArray *bytes, uint32_t value)
{
    uint32_t little = GUINT32_TO_LE(value);
    g_byte_array_append(bytes, (const guint8 *)&little, 4);
}

GByteArray *flex_map(const char *const *keys, const float *values, int n)
{
    enum { WIDTH_4 = 2, TYPE_FLOAT = 3, TYPE_MAP = 9 };
    GByteArray *bytes = g_byte_array_new();
    uint32_t at[16];
    g_assert_cmpint(n, <=, 16);
    for (int i = 0; i < n; i++) {
        at[i] = bytes->len;
        g_byte_array_append(bytes, (const guint8 *)keys[i], (guint)strlen(keys[i]) + 1);
    }
    put_u32(bytes, (uint32_t)n);
    uint32_t list = bytes->len;
    for (int i = 0; i < n; i++) {
        put_u32(bytes, bytes->len - at[i]);
    }
    put_u32(bytes, bytes->len - list);
    put_u32(bytes, 4);
    put_u32(bytes, (uint32_t)n);
    uint32_t map = bytes->len;
    for (int i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        put_u32(bytes, bits);
    }
    for (int i = 0; i < n; i++) {
        const guint8 type = TYPE_FLOAT << 2 | WIDTH_4;
        g_byte_array_append(bytes, &type, 1);
    }
    put_u32(bytes, bytes->len - map);
    const guint8 end[2] = {TYPE_MAP << 2 | WIDTH_4, 4};
    g_byte_array_append(bytes, end, 2);
    return bytes;
}
