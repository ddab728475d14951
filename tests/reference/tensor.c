// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Tensors of the references: plain [C][H][W] arrays of doubles, and the element-wise operations.
#include "reference.h"

struct ref_tensor ref_new(int c, int h, int w)
{
    return (struct ref_tensor){c, h, w, g_new0(double, (gsize)c *h *w)};
}

void ref_free(struct ref_tensor *tensor)
{
    g_clear_pointer(&tensor->data, g_free);
    tensor->c = tensor->h = tensor->w = 0;
}

double *ref_at(const struct ref_tensor *tensor, int c, int y, int x)
{
    return &tensor->data[((gsize)c * tensor->h + y) * tensor->w + x];
}

void ref_add(struct ref_tensor *tensor, const struct ref_tensor *other)
{
    gsize n = (gsize)tensor->c * tensor->h * tensor->w;
    g_assert_true(tensor->c == other->c && tensor->h == other->h && tensor->w == other->w);
    for (gsize i = 0; i < n; i++) {
        tensor->data[i] += other->data[i];
    }
}

void ref_scale(struct ref_tensor *tensor, const double *factors)
{
    gsize plane = (gsize)tensor->h * tensor->w;
    for (int c = 0; c < tensor->c; c++) {
        for (gsize i = 0; i < plane; i++) {
            tensor->data[c * plane + i] *= factors[c];
        }
    }
}
