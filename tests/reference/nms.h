// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Non-maximum suppression, naively: every pair of boxes, the best one left found by looking at all.
#pragma once

#include "reference.h"

struct ref_box {
    double x1, y1, x2, y2;
    double score; // ref_nms_gaussian() lets it decay
    int class_id; // boxes of different classes leave each other alone
};

double ref_iou(const struct ref_box *a, const struct ref_box *b);
// Fill selected (room for n) with indices in falling score, ties to the lower index; return their
// number, at most `most` (0: any). Hard: suppress IoU > threshold.
int ref_nms_hard(const struct ref_box *boxes, int n, double iou, int most, int *selected);
// Gaussian: score *= exp(-IoU^2 / sigma); what falls to the threshold is dropped.
int ref_nms_gaussian(struct ref_box *boxes, int n, double sigma, double threshold, int most,
                     int *selected);
