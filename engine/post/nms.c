// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A priority queue gives the best candidate left; it is compared with the selected ones. The same
// loop does hard and gaussian suppression. Nothing is allocated here (the C library's qsort does).
#include "post/nms.h"

#include <math.h>

static bool before(const struct nms *nms, int a, int b)
{
    const struct nms_box *left = &nms->boxes[a];
    const struct nms_box *right = &nms->boxes[b];
    if (left->rank != right->rank) {
        return left->rank > right->rank;
    }
    return left->index < right->index;
}

static void sift_down(struct nms *nms, int at, int size)
{
    int moving = nms->heap[at];
    for (;;) {
        int child = 2 * at + 1;
        if (child >= size) {
            break;
        }
        if (child + 1 < size && before(nms, nms->heap[child + 1], nms->heap[child])) {
            child++;
        }
        if (!before(nms, nms->heap[child], moving)) {
            break;
        }
        nms->heap[at] = nms->heap[child];
        at = child;
    }
    nms->heap[at] = moving;
}

double nms_iou(const struct nms_box *a, const struct nms_box *b)
{
    // corners may be swapped by clipping; such a box counts as the one between them
    double ax1 = fmin(a->x1, a->x2), ax2 = fmax(a->x1, a->x2);
    double ay1 = fmin(a->y1, a->y2), ay2 = fmax(a->y1, a->y2);
    double bx1 = fmin(b->x1, b->x2), bx2 = fmax(b->x1, b->x2);
    double by1 = fmin(b->y1, b->y2), by2 = fmax(b->y1, b->y2);
    double area_a = (ax2 - ax1) * (ay2 - ay1);
    double area_b = (bx2 - bx1) * (by2 - by1);
    double width = fmin(ax2, bx2) - fmax(ax1, bx1);
    double height = fmin(ay2, by2) - fmax(ay1, by1);
    if (!(area_a > 0 && area_b > 0 && width > 0 && height > 0)) {
        return 0;
    }
    double common = width * height;
    return common / (area_a + area_b - common);
}

static bool score_passes(const struct nms *nms, float score)
{
    double value = (double)score;
    return nms->score_exclusive ? value > nms->score_threshold : value >= nms->score_threshold;
}

// Hard: whether a selected box suppresses this one.
static bool suppressed(const struct nms *nms, const struct nms_box *box, int chain)
{
    for (int other = nms->last[chain]; other >= 0; other = nms->boxes[other].next) {
        if (nms_iou(box, &nms->boxes[other]) > nms->iou_threshold) {
            return true;
        }
    }
    return false;
}

// Gaussian: the score after the selections that this box was not yet compared with, newest first.
static float decayed(const struct nms *nms, struct nms_box *box, int n_selected)
{
    float score = box->score;
    for (int s = n_selected - 1; s >= box->begin && score_passes(nms, score); s--) {
        const struct nms_box *other = &nms->boxes[nms->selected[s]];
        if (nms->agnostic || other->class_id == box->class_id) {
            double iou = nms_iou(box, other);
            score *= (float)exp(-iou * iou / nms->sigma);
        }
    }
    box->begin = n_selected;
    return score;
}

int nms_run(struct nms *nms)
{
    int size = nms->n;
    int n_selected = 0;
    uint32_t counted = 0;
    for (int i = 0; i < size; i++) {
        nms->heap[i] = i;
    }
    for (int i = size / 2 - 1; i >= 0; i--) {
        sift_down(nms, i, size);
    }
    for (int i = 0; i < nms->n_classes; i++) {
        nms->last[i] = -1;
    }
    while (size > 0 && (nms->max_selected == 0 || counted < nms->max_selected)) {
        int best = nms->heap[0];
        struct nms_box *box = &nms->boxes[best];
        int chain = nms->agnostic ? 0 : box->class_id;
        bool keep;
        if (nms->gaussian) {
            float score = decayed(nms, box, n_selected);
            keep = score == box->score;
            box->score = score;
            box->rank = (double)score;
            if (!keep && score_passes(nms, score)) {
                sift_down(nms, 0, size);
                continue;
            }
        } else {
            keep = !suppressed(nms, box, chain);
        }
        nms->heap[0] = nms->heap[--size];
        if (size > 0) {
            sift_down(nms, 0, size);
        }
        if (keep) {
            box->next = nms->last[chain];
            nms->last[chain] = best;
            nms->selected[n_selected++] = best;
            counted += box->counted;
        }
    }
    return n_selected;
}
