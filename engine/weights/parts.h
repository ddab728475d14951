// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Internal to weights/: the files that make one TensorFlow checkpoint, in a folder or in an
// archive, and which checkpoint of several is meant. What is in them is known by
// container_bundle.c.
#pragma once

#include "weights/container.h"

struct part {
    char *name; // without the folder
    uint64_t size;
    int fd;         // own (folder) or the archive's
    uint64_t start; // in fd
    const uint8_t *memory;
};

struct parts {
    const struct container *container;
    char *path;         // folder on the disk; NULL: archive
    char *folder;       // name of the folder, on the disk or in the archive; may be ""
    char *prefix;       // of the names of the checkpoint's files, without the folder
    GPtrArray *members; // archive: struct tar_member
    GPtrArray *opened;  // struct part
};

// The checkpoint that a path names: its folder, its prefix, or one of its files. NULL with *error.
struct parts *parts_of_path(const struct container *container, GError **error) WARN_UNUSED;
struct parts *parts_of_archive(const struct container *container, bool gzip,
                               GError **error) WARN_UNUSED;
void parts_free(struct parts **parts);
// Whether a path that is no file, or a folder, names a checkpoint.
bool parts_is_checkpoint(const char *path);

// The file PREFIX + suffix, valid until parts_free(); NULL with *error.
const struct part *parts_open(struct parts *parts, const char *suffix, GError **error) WARN_UNUSED;
// Exactly `size` bytes at `offset`, which the caller has checked against the part's size.
bool part_read(const struct parts *parts, const struct part *part, uint64_t offset, void *dst,
               size_t size, GError **error) WARN_UNUSED;
