// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The file that keeps a pipeline cache between runs: one for each device, driver and build, in
// $XDG_CACHE_HOME/effdet. Nothing in a file is believed before it has been checked.
#pragma once

#include "gpu/device.h"

// Path of the file for this device and build. Free with g_free().
char *kernel_cache_path(const struct device *device);
// The driver's cache data (transfer full), or NULL when there is no file or it was refused
// (logged).
void *kernel_cache_read(const struct device *device, size_t *bytes);
// Replaces the file in one step. Failure is only logged.
void kernel_cache_write(const struct device *device, const void *data, size_t bytes);
// Hash of some bytes, to see whether cache data has changed.
uint64_t kernel_cache_hash(const void *data, size_t bytes);
