// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Where a picture lies in the network input: resized without distortion, in the top-left corner
// (spec 7).
#pragma once

#include "net/model.h"

struct letterbox {
    int source_width, source_height;   // picture
    int resized_width, resized_height; // its part of the input
    int input_width, input_height;
    double scale_x, scale_y; // input pixels for one picture pixel; boxes go back by division
};

// pixel_aspect: width of a picture's pixel / its height; 0 counts as 1.
void letterbox_init(struct letterbox *letterbox, const struct model *model, int width, int height,
                    double pixel_aspect);
