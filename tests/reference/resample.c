// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// References of resizing between levels (spec 3.2, 3.3).
#include "reference.h"

#include <math.h>

struct ref_tensor ref_nearest(const struct ref_tensor *in, int height, int width)
{
    struct ref_tensor out = ref_new(in->c, height, width);
    for (int c = 0; c < in->c; c++) {
        for (int y = 0; y < height; y++) {
            int sy = MIN(y * in->h / height, in->h - 1);
            for (int x = 0; x < width; x++) {
                int sx = MIN(x * in->w / width, in->w - 1);
                *ref_at(&out, c, y, x) = *ref_at(in, c, sy, sx);
            }
        }
    }
    return out;
}

// The two source positions of a destination position and the weight of the second.
static double source(int position, int in, int out, int *first, int *second)
{
    double s = fmax((position + 0.5) * in / out - 0.5, 0.0);
    *first = MIN((int)s, in - 1);
    *second = MIN(*first + 1, in - 1);
    return s - *first;
}

struct ref_tensor ref_bilinear(const struct ref_tensor *in, int height, int width)
{
    struct ref_tensor out = ref_new(in->c, height, width);
    for (int c = 0; c < in->c; c++) {
        for (int y = 0; y < height; y++) {
            int y0, y1;
            double ty = source(y, in->h, height, &y0, &y1);
            for (int x = 0; x < width; x++) {
                int x0, x1;
                double tx = source(x, in->w, width, &x0, &x1);
                double top = (1.0 - tx) * *ref_at(in, c, y0, x0) + tx * *ref_at(in, c, y0, x1);
                double bottom = (1.0 - tx) * *ref_at(in, c, y1, x0) + tx * *ref_at(in, c, y1, x1);
                *ref_at(&out, c, y, x) = (1.0 - ty) * top + ty * bottom;
            }
        }
    }
    return out;
}
