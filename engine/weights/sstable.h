// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Internal to weights/: sorted tables of keys and values as LevelDB and TensorFlow write them.
#pragma once

#include "weights/bytes.h"

#define SSTABLE_FOOTER_BYTES 48

// One entry; key and value are valid during the call.
typedef bool (*sstable_func)(const char *key, size_t key_size, struct bytes value, void *user_data,
                             GError **error);
// Calls func for each entry in the order of the keys, each of which is there once. False with
// *error where the table is damaged or cut off, is compressed, or func is not content.
bool sstable_read(struct bytes file, sstable_func func, void *user_data,
                  GError **error) WARN_UNUSED;
// Whether the last bytes of a file are those of a table.
bool sstable_is_tail(const uint8_t tail[8]);
