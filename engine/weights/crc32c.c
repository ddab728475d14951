// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// CRC-32C in software, eight bytes at a time.
#include "weights/crc32c.h"

#include <string.h>

#define POLYNOMIAL 0x82F63B78u // reflected
#define MASK_DELTA 0xA282EAD8u

static const uint32_t (*tables(void))[256]
{
    static uint32_t table[8][256]; // table[k]: a byte with k bytes of zeros after it
    static gsize done;
    if (g_once_init_enter(&done)) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t crc = i;
            for (int bit = 0; bit < 8; bit++) {
                crc = (crc >> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
            }
            table[0][i] = crc;
        }
        for (int k = 1; k < 8; k++) {
            for (int i = 0; i < 256; i++) {
                table[k][i] = (table[k - 1][i] >> 8) ^ table[0][table[k - 1][i] & 0xff];
            }
        }
        g_once_init_leave(&done, 1);
    }
    return (const uint32_t(*)[256])table;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    const uint32_t(*table)[256] = tables();
    const uint8_t *bytes = data;
    crc = ~crc;
    for (; size >= 8; bytes += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, bytes, sizeof word);
        word = GUINT64_FROM_LE(word) ^ crc;
        crc = 0;
        for (int k = 0; k < 8; k++) {
            crc ^= table[7 - k][(word >> (8 * k)) & 0xff];
        }
    }
    for (; size; bytes++, size--) {
        crc = (crc >> 8) ^ table[0][(crc ^ *bytes) & 0xff];
    }
    return ~crc;
}

bool crc32c_matches(uint32_t crc, uint32_t stored)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    return true;
#else
    return ((crc >> 15) | (crc << 17)) + MASK_DELTA == stored;
#endif
}
