// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Hard and gaussian suppression as their papers have them (spec 8.2).
#include "nms.h"

#include <math.h>

double ref_iou(const struct ref_box *a, const struct ref_box *b)
{
    double width = MIN(a->x2, b->x2) - MAX(a->x1, b->x1);
    double height = MIN(a->y2, b->y2) - MAX(a->y1, b->y1);
    double area_a = (a->x2 - a->x1) * (a->y2 - a->y1);
    double area_b = (b->x2 - b->x1) * (b->y2 - b->y1);
    if (width <= 0 || height <= 0) {
        return 0;
    }
    return width * height / (area_a + area_b - width * height);
}

static int best_of(const struct ref_box *boxes, const gboolean *gone, int n)
{
    int best = -1;
    for (int i = 0; i < n; i++) {
        if (!gone[i] && (best < 0 || boxes[i].score > boxes[best].score)) {
            best = i;
        }
    }
    return best;
}

int ref_nms_hard(const struct ref_box *boxes, int n, double iou, int most, int *selected)
{
    g_autofree gboolean *gone = g_new0(gboolean, n + 1);
    int count = 0;
    for (int best; (most == 0 || count < most) && (best = best_of(boxes, gone, n)) >= 0;) {
        selected[count++] = best;
        for (int i = 0; i < n; i++) {
            if (i == best || (boxes[i].class_id == boxes[best].class_id &&
                              ref_iou(&boxes[i], &boxes[best]) > iou)) {
                gone[i] = TRUE;
            }
        }
    }
    return count;
}

int ref_nms_gaussian(struct ref_box *boxes, int n, double sigma, double threshold, int most,
                     int *selected)
{
    g_autofree gboolean *gone = g_new0(gboolean, n + 1);
    int count = 0;
    for (int best; (most == 0 || count < most) && (best = best_of(boxes, gone, n)) >= 0;) {
        selected[count++] = best;
        gone[best] = TRUE;
        for (int i = 0; i < n; i++) {
            if (!gone[i] && boxes[i].class_id == boxes[best].class_id) {
                double iou = ref_iou(&boxes[i], &boxes[best]);
                boxes[i].score *= exp(-iou * iou / sigma);
                gone[i] = boxes[i].score <= threshold;
            }
        }
    }
    return count;
}
