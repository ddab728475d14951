// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Non-maximum suppression over candidates of one frame (spec 8.2, 8.4). Knows nothing of pictures
// and filters but what struct nms says.
#pragma once

#include "base/util.h"

struct nms_box {
    double x1, y1, x2, y2;
    float score;
    double rank;    // what they are taken by, highest first: logit, or the score as it decays
    uint64_t index; // breaks ties: lower first
    int class_id;
    bool counted; // false: suppresses others but is not selected
    int begin;    // selections before this one have been compared already
    int next;     // the previous selection of the same class, or -1
};

// What to do; the arrays are owned by the caller and hold n numbers each (last: n_classes).
struct nms {
    struct nms_box *boxes;
    int n;
    int *heap;     // working memory
    int *selected; // result: indices of boxes in falling rank, those not counted included
    int *last;     // working memory: newest selection by class
    int n_classes;
    bool gaussian, agnostic;
    double iou_threshold;   // hard: suppress above
    double sigma;           // gaussian: weight = exp(-IoU^2 / sigma)
    double score_threshold; // gaussian: what decays below it is dropped
    bool score_exclusive;   // ... or to it
    uint32_t max_selected;  // counted ones; 0 = no limit
};

// Returns how many there are in `selected`.
int nms_run(struct nms *nms);
double nms_iou(const struct nms_box *a, const struct nms_box *b);
