// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Internal to weights/: bytes of a file that is not trusted, taken from the front. Nothing is read
// that is not there, and no sum of untrusted numbers can overflow.
#pragma once

#include "base/util.h"

#include <string.h>

struct bytes { // what is left
    const uint8_t *data;
    size_t size;
};

// The first `size` bytes as *part; false, and nothing taken, where there are not as many.
static inline bool WARN_UNUSED bytes_take(struct bytes *bytes, uint64_t size, struct bytes *part)
{
    if (size > bytes->size) {
        return false;
    }
    *part = (struct bytes){bytes->data, (size_t)size};
    bytes->data += size;
    bytes->size -= (size_t)size;
    return true;
}

// `size` bytes from `offset` on.
static inline bool WARN_UNUSED bytes_part(struct bytes bytes, uint64_t offset, uint64_t size,
                                          struct bytes *part)
{
    struct bytes before;
    return bytes_take(&bytes, offset, &before) && bytes_take(&bytes, size, part);
}

// A little-endian number of `width` bytes, at most 8.
static inline bool WARN_UNUSED bytes_number(struct bytes *bytes, unsigned width, uint64_t *value)
{
    struct bytes part;
    if (!bytes_take(bytes, width, &part)) {
        return false;
    }
    *value = 0;
    for (unsigned i = 0; i < width; i++) {
        *value |= (uint64_t)part.data[i] << (8 * i);
    }
    return true;
}

// Seven bits a byte, lowest first; false where it is cut off or longer than 64 bits.
static inline bool WARN_UNUSED bytes_varint(struct bytes *bytes, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t byte;
        if (!bytes_number(bytes, 1, &byte) || (shift == 63 && byte > 1)) {
            return false;
        }
        *value |= (byte & 0x7f) << shift;
        if (byte < 0x80) {
            return true;
        }
    }
    return false;
}
