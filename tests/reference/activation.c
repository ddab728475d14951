// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// References of activations and batch norm.
#include "reference.h"

#include <math.h>

double ref_activate(double value, enum activation act)
{
    switch (act) {
    case ACT_SWISH:
        return value / (1.0 + exp(-value));
    case ACT_RELU6:
        return fmin(fmax(value, 0.0), 6.0);
    case ACT_RELU:
        return fmax(value, 0.0);
    case ACT_SIGMOID:
        return 1.0 / (1.0 + exp(-value));
    case ACT_NONE:
        break;
    }
    return value;
}

void ref_activation(struct ref_tensor *tensor, enum activation act)
{
    gsize n = (gsize)tensor->c * tensor->h * tensor->w;
    for (gsize i = 0; act != ACT_NONE && i < n; i++) {
        tensor->data[i] = ref_activate(tensor->data[i], act);
    }
}

void ref_batch_norm(struct ref_tensor *tensor, const float *gamma, const float *beta,
                    const float *mean, const float *var, double eps)
{
    gsize plane = (gsize)tensor->h * tensor->w;
    for (int c = 0; c < tensor->c; c++) {
        double scale = gamma[c] / sqrt(var[c] + eps);
        double *data = &tensor->data[c * plane];
        for (gsize i = 0; i < plane; i++) {
            data[i] = (data[i] - mean[c]) * scale + beta[c];
        }
    }
}
