// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Internal to weights/: the checksum of TensorFlow's files.
#pragma once

#include "base/util.h"

// CRC-32C (Castagnoli) of what `crc` is of, 0 at first, and of `size` more bytes.
uint32_t crc32c(uint32_t crc, const void *data, size_t size);
// Whether a checksum is the one that a file stores: rotated, and with a number added to it. Fuzzers
// would get no further than here, so that everything matches where they are built.
bool crc32c_matches(uint32_t crc, uint32_t stored);
