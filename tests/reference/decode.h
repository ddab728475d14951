// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Candidates from raw head outputs, naively: everything listed, everything sorted.
#pragma once

#include "reference.h"

struct ref_candidate {
    double x1, y1, x2, y2; // NaN where a code of the box is not finite
    double logit;
    guint anchor, class_id;
};

// classes and boxes: by level, [A * num_classes][h][w] and [A * 4][h][w]. What has a logit at or
// above the threshold, best first, ties to the lower anchor * num_classes + class; the best
// `capacity` of them. *found: before this limit. Free with g_array_unref().
GArray *ref_decode(const struct model *model, const struct ref_tensor *classes,
                   const struct ref_tensor *boxes, double threshold, guint capacity, guint *found);
