// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Reference of the 3x3 stride 2 max pool, with its two meanings of padding (spec 2.1).
#include "reference.h"
#include "window.h"

#include <math.h>

static double pool_window(const struct ref_tensor *in, int c, int top, int left,
                          enum pool_padding padding)
{
    double best = -INFINITY;
    for (int y = top; y < top + 3; y++) {
        for (int x = left; x < left + 3; x++) {
            if (y >= 0 && y < in->h && x >= 0 && x < in->w) {
                best = fmax(best, *ref_at(in, c, y, x));
            } else if (padding == POOL_PAD_ZERO) {
                best = fmax(best, 0.0);
            }
        }
    }
    return best;
}

struct ref_tensor ref_maxpool(const struct ref_tensor *in, enum pad_type pad,
                              enum pool_padding padding)
{
    struct ref_window rows = ref_window(in->h, 3, 2, pad);
    struct ref_window columns = ref_window(in->w, 3, 2, pad);
    struct ref_tensor out = ref_new(in->c, rows.out, columns.out);
    for (int c = 0; c < in->c; c++) {
        for (int y = 0; y < out.h; y++) {
            for (int x = 0; x < out.w; x++) {
                *ref_at(&out, c, y, x) =
                    pool_window(in, c, 2 * y - rows.before, 2 * x - columns.before, padding);
            }
        }
    }
    return out;
}
