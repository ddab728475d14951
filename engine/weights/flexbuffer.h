// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Internal to weights/: one number out of a FlexBuffer map, the form of the options of TensorFlow
// Lite's custom operators. Every access is checked.
#pragma once

#include "base/util.h"

// The number or truth value under `key` of the map that the bytes are; false where there is none.
bool flexbuffer_number(const uint8_t *bytes, uint64_t size, const char *key, double *value);
