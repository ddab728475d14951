// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Reference of the global average of squeeze-excite.
#include "reference.h"

struct ref_tensor ref_mean(const struct ref_tensor *in)
{
    struct ref_tensor out = ref_new(in->c, 1, 1);
    gsize plane = (gsize)in->h * in->w;
    for (int c = 0; c < in->c; c++) {
        double sum = 0.0;
        for (gsize i = 0; i < plane; i++) {
            sum += in->data[c * plane + i];
        }
        out.data[c] = sum / plane;
    }
    return out;
}
