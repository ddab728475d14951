// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Internal to weights/: tar archives, plain or compressed with gzip, read once from front to end.
// Nothing is unpacked to the disk.
#pragma once

#include "weights/container.h"

struct tar_member {
    char *name; // without "./" in front
    uint64_t size;
    uint64_t start;  // in the file; plain archives only
    uint8_t *memory; // the contents; compressed archives only
};
void tar_member_free(gpointer member);

bool tar_is_gzip(const uint8_t *head, size_t size);
bool tar_is_plain(const uint8_t *head, size_t size);
// The regular files of the open archive that `wanted` says yes to (element type struct tar_member,
// transfer full). What is kept in memory is no more than a small multiple of the archive's size.
// NULL with *error.
GPtrArray *tar_list(const struct container *container, bool gzip, bool (*wanted)(const char *name),
                    GError **error) WARN_UNUSED;
