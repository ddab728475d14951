// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// FlexBuffers: maps of numbers, every access checked.
#include "weights/flexbuffer.h"

#include <string.h>

enum { TYPE_INT = 1, TYPE_UINT = 2, TYPE_FLOAT = 3, TYPE_INDIRECT_INT = 6, TYPE_MAP = 9 };
enum { TYPE_INDIRECT_UINT = 7, TYPE_INDIRECT_FLOAT = 8, TYPE_BOOL = 26 };

struct flex {
    const uint8_t *bytes;
    uint64_t size;
};

// width: 1, 2, 4 or 8 bytes
static bool load(const struct flex *flex, uint64_t position, uint64_t width, uint64_t *value)
{
    if (position > flex->size || width > flex->size - position) {
        return false;
    }
    *value = 0;
    for (uint64_t i = 0; i < width; i++) {
        *value |= (uint64_t)flex->bytes[position + i] << (8 * i);
    }
    return true;
}

// Offsets lead backwards from where they are.
static bool follow(const struct flex *flex, uint64_t position, uint64_t width, uint64_t *target)
{
    uint64_t distance;
    if (!load(flex, position, width, &distance) || distance > position) {
        return false;
    }
    *target = position - distance;
    return true;
}

static bool number_at(const struct flex *flex, uint64_t position, uint64_t width, int type,
                      double *value)
{
    uint64_t bits;
    if (!load(flex, position, width, &bits)) {
        return false;
    }
    if (type == TYPE_FLOAT) {
        uint32_t word = (uint32_t)bits;
        float single;
        memcpy(&single, &word, sizeof single);
        memcpy(value, &bits, sizeof *value);
        *value = width == 4 ? (double)single : *value;
        return width == 4 || width == 8;
    }
    if (type == TYPE_INT) {
        int shift = (int)(64 - 8 * width);
        *value = (double)((int64_t)(bits << shift) >> shift);
    } else {
        *value = (double)bits;
    }
    return type == TYPE_INT || type == TYPE_UINT || type == TYPE_BOOL;
}

// packed: type and width of what is pointed at
static bool element(const struct flex *flex, uint64_t position, uint64_t width, uint8_t packed,
                    double *value)
{
    int type = packed >> 2;
    if (type < TYPE_INDIRECT_INT || type > TYPE_INDIRECT_FLOAT) {
        return number_at(flex, position, width, type, value);
    }
    uint64_t target;
    return follow(flex, position, width, &target) &&
           number_at(flex, target, UINT64_C(1) << (packed & 3), type - TYPE_INDIRECT_INT + TYPE_INT,
                     value);
}

static bool key_is(const struct flex *flex, uint64_t position, const char *key)
{
    uint64_t bytes = strlen(key) + 1;
    return position <= flex->size && bytes <= flex->size - position &&
           memcmp(flex->bytes + position, key, bytes) == 0;
}

bool flexbuffer_number(const uint8_t *bytes, uint64_t size, const char *key, double *value)
{
    const struct flex flex = {bytes, size};
    if (size < 3) {
        return false;
    }
    // at the end: the root, its packed type, the width of the root
    uint64_t root_width = bytes[size - 1], map, keys, key_width, count;
    uint8_t packed = bytes[size - 2];
    uint64_t width = UINT64_C(1) << (packed & 3);
    if (packed >> 2 != TYPE_MAP || root_width > 8 || root_width == 0 || root_width > size - 2 ||
        !follow(&flex, size - 2 - root_width, root_width, &map) || map < 3 * width ||
        !follow(&flex, map - 3 * width, width, &keys) ||
        !load(&flex, map - 2 * width, width, &key_width) ||
        !load(&flex, map - width, width, &count) ||
        (key_width != 1 && key_width != 2 && key_width != 4 && key_width != 8) || count > size) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        uint64_t name, type;
        if (!follow(&flex, keys + i * key_width, key_width, &name)) {
            return false;
        }
        if (key_is(&flex, name, key)) {
            return load(&flex, map + count * width + i, 1, &type) &&
                   element(&flex, map + i * width, width, (uint8_t)type, value);
        }
    }
    return false;
}
