// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// NumPy's .npy files, float32 in C order only: what `effdet infer` reads and writes.
#pragma once

#include "base/util.h"

// Reads a file of format 1.0, 2.0 or 3.0 whose rank is `rank`. shape gets its dimensions, each at
// least 1; the result is row-major and to be freed with g_free(). NULL with *error, which names the
// file, for any other type, order or rank, and for a file that is not exactly as long as its header
// says.
float *npy_read(const char *path, int rank, int64_t *shape, GError **error) WARN_UNUSED;

// Writes format 1.0, "<f4", C order; overwrites. On failure nothing is left at `path`.
bool npy_write(const char *path, const int64_t *shape, int rank, const float *data,
               GError **error) WARN_UNUSED;
