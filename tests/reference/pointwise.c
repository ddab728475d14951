// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Reference of the 1x1 convolution: most of a network's work, so pixels go in runs that stay in the
// first-level cache.
#include "reference.h"

#define RUN 512

struct ref_tensor ref_pointwise(const struct ref_tensor *in, const float *weight, const float *bias,
                                int outputs)
{
    struct ref_tensor out = ref_new(outputs, in->h, in->w);
    gsize plane = (gsize)in->h * in->w;
    for (gsize start = 0; start < plane; start += RUN) {
        gsize n = MIN(RUN, plane - start);
        for (int o = 0; o < outputs; o++) {
            double *dst = &out.data[o * plane + start];
            for (gsize p = 0; bias && p < n; p++) {
                dst[p] = bias[o];
            }
            for (int i = 0; i < in->c; i++) {
                double w = weight[(gsize)o * in->c + i];
                const double *src = &in->data[i * plane + start];
                for (gsize p = 0; p < n; p++) {
                    dst[p] += w * src[p];
                }
            }
        }
    }
    return out;
}
