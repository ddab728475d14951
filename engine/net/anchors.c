// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Anchor boxes (spec 6.1): octave outer, aspect inner, strides as real numbers.
#include "net/graph.h"

#include <math.h>

struct anchor anchor_at(const struct model *model, int level_index, int y, int x, int a)
{
    const struct anchors *anchors = &model->anchors;
    int level = model->arch.min_level + level_index;
    double stride_y = (double)model->input_height / level_size(model->input_height, level);
    double stride_x = (double)model->input_width / level_size(model->input_width, level);
    int octave = a / anchors->num_aspects;
    const double *aspect = anchors->aspects[a % anchors->num_aspects];
    double factor = anchors->octave[octave] > 0.0 ? anchors->octave[octave]
                                                  : exp2((double)octave / anchors->num_scales);
    double size = anchors->scale[level_index] * factor;
    return (struct anchor){
        .cy = (y + 0.5) * stride_y,
        .cx = (x + 0.5) * stride_x,
        .h = size * stride_y * aspect[1],
        .w = size * stride_x * aspect[0],
    };
}
