// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Arrays that become longer, for code without GLib.
#pragma once

#include <stdbool.h>
#include <stdlib.h>

// array: address of the pointer. false: no memory, nothing is changed.
static inline bool grow(void *array, size_t n, size_t size)
{
    void *grown = realloc(*(void **)array, n * size);
    if (!grown) {
        return false;
    }
    *(void **)array = grown;
    return true;
}
