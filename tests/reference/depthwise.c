// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Reference of the depthwise convolution.
#include "reference.h"
#include "window.h"

struct ref_tensor ref_depthwise(const struct ref_tensor *in, const float *weight, const float *bias,
                                int kernel, int stride, enum pad_type pad)
{
    struct ref_window rows = ref_window(in->h, kernel, stride, pad);
    struct ref_window columns = ref_window(in->w, kernel, stride, pad);
    struct ref_tensor out = ref_new(in->c, rows.out, columns.out);
    gsize plane = (gsize)out.h * out.w;
    for (int c = 0; c < in->c; c++) {
        for (gsize i = 0; bias && i < plane; i++) {
            out.data[c * plane + i] = bias[c];
        }
        ref_window_add(&out, c, in, c, &weight[(gsize)c * kernel * kernel], &rows, &columns);
    }
    return out;
}
