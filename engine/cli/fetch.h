// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Published weights and how they come into a folder. The subcommand's options and output are in
// fetch.c.
#pragma once

#include "base/util.h"

// Weights that somebody published, as their authors name them.
struct published {
    const char *name;    // as the user asks for it: "d0", "lite0", "zylo117-d0", "automl-d0"
    const char *file;    // name in the model folder; the search for weights finds it by its
                         // architecture's name
    const char *address; // https
    const char *sha256;  // first hexadecimal digits of the checksum; NULL where none is published
    unsigned megabytes;  // about, from the number of parameters; 0 = unknown
    const char *license; // SPDX
    const char *about;
};
// By name, with or without "tf_efficientdet_" or "efficientdet-" in front, or by file name; NULL.
const struct published *published_find(const char *name);
// All, in order; *count of them.
const struct published *published_all(unsigned *count);

struct fetch_options {
    const char *folder; // made if need be
    const char *base;   // scheme and host that replace those of the address, or NULL
    bool force;         // fetch even if the file is there and sound
    unsigned timeout_s; // longest silence of the server
    unsigned attempts;  // per file; each goes on where the one before stopped
    unsigned pause_ms;  // before the second attempt; doubles with each further one
    void (*progress)(uint64_t done_bytes, uint64_t total_bytes,
                     void *user_data); // total 0 = unknown; may be NULL
    void *user_data;
};

struct fetch_result {
    char *path;
    char *sha256; // of the file, 64 digits
    uint64_t bytes;
    bool was_there; // nothing was fetched
};

// Brings the file into the folder under its own name: first as FILE.part, which a later call
// continues (where a checksum is known), and only after its checksum and its container were found
// right under its name. On failure a file that was there stays as it was.
bool fetch_published(const struct published *published, const struct fetch_options *options,
                     struct fetch_result *result, GError **error) WARN_UNUSED;
void fetch_result_finish(struct fetch_result *result);
