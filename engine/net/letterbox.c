// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The letterbox, with the roundings of the three conventions.
#include "net/letterbox.h"

#include <math.h>

static int round_side(enum resize_rounding rounding, double side, double scale)
{
    switch (rounding) {
    case ROUND_NEAREST:
        return (int)rint(side * scale);
    case ROUND_TRUNC_F32:
        return (int)((float)side * (float)scale);
    case ROUND_TRUNC:
    case ROUND_TRUNC_LONG:
        break;
    }
    return (int)(side * scale);
}

void letterbox_init(struct letterbox *letterbox, const struct model *model, int width, int height,
                    double pixel_aspect)
{
    double shown_width = width * (pixel_aspect > 0 ? pixel_aspect : 1.0);
    double fit_x = model->input_width / shown_width;
    double fit_y = (double)model->input_height / height;
    if (model->pre.rounding == ROUND_TRUNC_F32) {
        fit_x = (float)model->input_width / (float)shown_width;
        fit_y = (float)model->input_height / (float)height;
    }
    double scale = MIN(fit_x, fit_y);
    int resized_width = round_side(model->pre.rounding, shown_width, scale);
    int resized_height = round_side(model->pre.rounding, height, scale);
    if (model->pre.rounding == ROUND_TRUNC_LONG) { // the side that binds is exact by construction
        resized_width = fit_x <= fit_y ? model->input_width : resized_width;
        resized_height = fit_y <= fit_x ? model->input_height : resized_height;
    }
    *letterbox = (struct letterbox){
        .source_width = width,
        .source_height = height,
        .resized_width = CLAMP(resized_width, 1, model->input_width),
        .resized_height = CLAMP(resized_height, 1, model->input_height),
        .input_width = model->input_width,
        .input_height = model->input_height,
        .scale_x = scale * shown_width / width,
        .scale_y = scale,
    };
    if (model->post.scale_per_axis) {
        letterbox->scale_x = (double)letterbox->resized_width / width;
        letterbox->scale_y = (double)letterbox->resized_height / height;
    }
}
