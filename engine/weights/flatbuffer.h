// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Internal to weights/: reads FlatBuffers without a schema, every access checked. What is not there
// and what lies outside of the buffer both read as nothing or as the default; the latter also sets
// `damaged`, which the caller asks for once at the end. Nothing is copied and nothing allocated but
// by fb_text(). Positions are 64 bits wide and offsets 32, so that no sum can overflow.
#pragma once

#include "base/util.h"

struct flatbuffer {
    const uint8_t *bytes;
    uint64_t size;
    bool damaged; // some reference pointed outside
};

// A table; `fields` 0: none, all of its fields read as absent.
struct fb_table {
    struct flatbuffer *buffer;
    uint64_t position, vtable; // of the table and of its list of field offsets
    uint32_t fields, bytes;    // number of fields in the list; size of the table
};

// A vector of `count` elements of the size that was asked for.
struct fb_vector {
    struct flatbuffer *buffer;
    uint64_t position;
    uint32_t count;
};

struct fb_table fb_root(struct flatbuffer *buffer);
bool fb_has(const struct fb_table *table, int field);
// Scalars, little endian.
uint8_t fb_u8(const struct fb_table *table, int field, uint8_t absent);
int32_t fb_i32(const struct fb_table *table, int field, int32_t absent);
uint64_t fb_u64(const struct fb_table *table, int field, uint64_t absent);
struct fb_table fb_table(const struct fb_table *table, int field);
struct fb_vector fb_vector(const struct fb_table *table, int field, uint32_t element_bytes);
// Element of a vector; index < count.
struct fb_table fb_vector_table(const struct fb_vector *vector, uint32_t index);
int32_t fb_vector_i32(const struct fb_vector *vector, uint32_t index);
int64_t fb_vector_i64(const struct fb_vector *vector, uint32_t index);
float fb_vector_f32(const struct fb_vector *vector, uint32_t index);
// The first `most` bytes of a string, "" where there is none (transfer full).
char *fb_text(const struct fb_table *table, int field, uint32_t most) WARN_UNUSED;
bool fb_text_is(const struct fb_table *table, int field, const char *text);
