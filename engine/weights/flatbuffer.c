// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Checked reads of FlatBuffers: the one place that follows their offsets.
#include "weights/flatbuffer.h"

#include <string.h>

#define OFFSET_BYTES 4
#define VTABLE_HEAD_BYTES 4 // its own size and the table's, 16 bits each

// Whether `size` bytes at `position` are in the buffer; damage where not.
static bool holds(struct flatbuffer *buffer, uint64_t position, uint64_t size)
{
    if (position <= buffer->size && size <= buffer->size - position) {
        return true;
    }
    buffer->damaged = true;
    return false;
}

static uint64_t load(const struct flatbuffer *buffer, uint64_t position, int size)
{
    uint64_t value = 0;
    for (int i = 0; i < size; i++) {
        value |= (uint64_t)buffer->bytes[position + (uint64_t)i] << (8 * i);
    }
    return value;
}

// Where the offset at `position` leads, 0 for one that leads outside or nowhere.
static uint64_t follow(struct flatbuffer *buffer, uint64_t position)
{
    if (!holds(buffer, position, OFFSET_BYTES)) {
        return 0;
    }
    uint64_t offset = load(buffer, position, OFFSET_BYTES);
    if (offset < OFFSET_BYTES || !holds(buffer, position + offset, OFFSET_BYTES)) {
        buffer->damaged = true;
        return 0;
    }
    return position + offset;
}

static struct fb_table table_at(struct flatbuffer *buffer, uint64_t position)
{
    struct fb_table none = {.buffer = buffer};
    if (position == 0) {
        return none;
    }
    // the distance back to the list of fields is signed
    int64_t distance = (int32_t)load(buffer, position, OFFSET_BYTES);
    int64_t vtable = (int64_t)position - distance;
    if (vtable < 0 || !holds(buffer, (uint64_t)vtable, VTABLE_HEAD_BYTES)) {
        buffer->damaged = true;
        return none;
    }
    uint32_t list = (uint32_t)load(buffer, (uint64_t)vtable, 2);
    uint32_t bytes = (uint32_t)load(buffer, (uint64_t)vtable + 2, 2);
    if (list < VTABLE_HEAD_BYTES || list % 2 != 0 || bytes < OFFSET_BYTES ||
        !holds(buffer, (uint64_t)vtable, list) || !holds(buffer, position, bytes)) {
        buffer->damaged = true;
        return none;
    }
    return (struct fb_table){buffer, position, (uint64_t)vtable, (list - VTABLE_HEAD_BYTES) / 2,
                             bytes};
}

struct fb_table fb_root(struct flatbuffer *buffer)
{
    return table_at(buffer, follow(buffer, 0));
}

// Position of a field of `size` bytes, 0 where the table has none.
static uint64_t field_at(const struct fb_table *table, int field, uint32_t size)
{
    if ((uint32_t)field >= table->fields) {
        return 0;
    }
    uint32_t offset =
        (uint32_t)load(table->buffer, table->vtable + VTABLE_HEAD_BYTES + 2 * (uint64_t)field, 2);
    if (offset == 0) {
        return 0;
    }
    if (offset < OFFSET_BYTES || offset > table->bytes || size > table->bytes - offset) {
        table->buffer->damaged = true;
        return 0;
    }
    return table->position + offset;
}

bool fb_has(const struct fb_table *table, int field)
{
    return field_at(table, field, 1) != 0;
}

uint8_t fb_u8(const struct fb_table *table, int field, uint8_t absent)
{
    uint64_t position = field_at(table, field, 1);
    return position ? table->buffer->bytes[position] : absent;
}

int32_t fb_i32(const struct fb_table *table, int field, int32_t absent)
{
    uint64_t position = field_at(table, field, 4);
    return position ? (int32_t)load(table->buffer, position, 4) : absent;
}

uint64_t fb_u64(const struct fb_table *table, int field, uint64_t absent)
{
    uint64_t position = field_at(table, field, 8);
    return position ? load(table->buffer, position, 8) : absent;
}

struct fb_table fb_table(const struct fb_table *table, int field)
{
    uint64_t position = field_at(table, field, OFFSET_BYTES);
    return table_at(table->buffer, position ? follow(table->buffer, position) : 0);
}

struct fb_vector fb_vector(const struct fb_table *table, int field, uint32_t element_bytes)
{
    struct fb_vector none = {.buffer = table->buffer};
    uint64_t position = field_at(table, field, OFFSET_BYTES);
    position = position ? follow(table->buffer, position) : 0;
    if (!position) {
        return none;
    }
    uint32_t count = (uint32_t)load(table->buffer, position, 4);
    if (!holds(table->buffer, position + 4, (uint64_t)count * element_bytes)) {
        return none;
    }
    return (struct fb_vector){table->buffer, position + 4, count};
}

struct fb_table fb_vector_table(const struct fb_vector *vector, uint32_t index)
{
    return table_at(vector->buffer,
                    follow(vector->buffer, vector->position + OFFSET_BYTES * (uint64_t)index));
}

int32_t fb_vector_i32(const struct fb_vector *vector, uint32_t index)
{
    return (int32_t)load(vector->buffer, vector->position + 4 * (uint64_t)index, 4);
}

int64_t fb_vector_i64(const struct fb_vector *vector, uint32_t index)
{
    return (int64_t)load(vector->buffer, vector->position + 8 * (uint64_t)index, 8);
}

float fb_vector_f32(const struct fb_vector *vector, uint32_t index)
{
    uint32_t bits = (uint32_t)load(vector->buffer, vector->position + 4 * (uint64_t)index, 4);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

char *fb_text(const struct fb_table *table, int field, uint32_t most)
{
    struct fb_vector text = fb_vector(table, field, 1);
    if (text.count == 0) {
        return g_strdup("");
    }
    return g_strndup((const char *)text.buffer->bytes + text.position, MIN(text.count, most));
}

bool fb_text_is(const struct fb_table *table, int field, const char *text)
{
    struct fb_vector found = fb_vector(table, field, 1);
    return found.count == strlen(text) &&
           memcmp(found.buffer->bytes + found.position, text, found.count) == 0;
}
