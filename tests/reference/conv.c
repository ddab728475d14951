// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Reference of the dense convolution with zero padding, and the padding rules all windows share
// (spec 2.1, 2.3).
#include "reference.h"
#include "window.h"

struct ref_window ref_window(int in, int kernel, int stride, enum pad_type pad)
{
    struct ref_window window = {.kernel = kernel, .stride = stride};
    if (pad == PAD_SYMMETRIC) {
        window.before = ((stride - 1) + (kernel - 1)) / 2;
        window.out = (in + 2 * window.before - kernel) / stride + 1;
    } else {
        window.out = (in + stride - 1) / stride;
        window.before = MAX((window.out - 1) * stride + kernel - in, 0) / 2;
    }
    return window;
}

void ref_window_add(struct ref_tensor *out, int to, const struct ref_tensor *in, int from,
                    const float *weight, const struct ref_window *rows,
                    const struct ref_window *columns)
{
    for (int ky = 0; ky < rows->kernel; ky++) {
        for (int kx = 0; kx < columns->kernel; kx++) {
            double w = weight[ky * columns->kernel + kx];
            int left = kx - columns->before; // input column of output column 0
            int first = 0, last = columns->out - 1;
            while (first <= last && first * columns->stride + left < 0) {
                first++;
            }
            while (last >= first && last * columns->stride + left >= in->w) {
                last--;
            }
            for (int y = 0; y < rows->out; y++) {
                int iy = y * rows->stride - rows->before + ky;
                if (iy < 0 || iy >= in->h) {
                    continue;
                }
                double *dst = ref_at(out, to, y, 0);
                const double *src = ref_at(in, from, iy, 0);
                for (int x = first; x <= last; x++) {
                    dst[x] += w * src[x * columns->stride + left];
                }
            }
        }
    }
}

struct ref_tensor ref_conv(const struct ref_tensor *in, const float *weight, const float *bias,
                           int outputs, int kernel, int stride, enum pad_type pad)
{
    struct ref_window rows = ref_window(in->h, kernel, stride, pad);
    struct ref_window columns = ref_window(in->w, kernel, stride, pad);
    struct ref_tensor out = ref_new(outputs, rows.out, columns.out);
    gsize plane = (gsize)out.h * out.w;
    for (int o = 0; o < outputs; o++) {
        for (gsize i = 0; bias && i < plane; i++) {
            out.data[o * plane + i] = bias[o];
        }
        for (int i = 0; i < in->c; i++) {
            ref_window_add(&out, o, in, i, &weight[((gsize)o * in->c + i) * kernel * kernel], &rows,
                           &columns);
        }
    }
    return out;
}
