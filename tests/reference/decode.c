// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Threshold, arg-max, anchors and box codes (spec 6, 8.3), one pair after the other.
#include "decode.h"

#include <math.h>

static gint by_logit(gconstpointer a, gconstpointer b)
{
    const struct ref_candidate *left = a, *right = b;
    if (left->logit != right->logit) {
        return left->logit > right->logit ? -1 : 1;
    }
    if (left->anchor != right->anchor) {
        return left->anchor < right->anchor ? -1 : 1;
    }
    return left->class_id < right->class_id ? -1 : left->class_id > right->class_id;
}

static void set_box(struct ref_candidate *candidate, const struct model *model, int level, int y,
                    int x, int a, const struct ref_tensor *boxes)
{
    double height = model->input_height, width = model->input_width;
    double stride_y = height / boxes->h, stride_x = width / boxes->w;
    int octave = a / model->anchors.num_aspects, aspect = a % model->anchors.num_aspects;
    double unit =
        model->anchors.scale[level] * pow(2.0, (double)octave / model->anchors.num_scales);
    double ha = unit * stride_y * model->anchors.aspects[aspect][1];
    double wa = unit * stride_x * model->anchors.aspects[aspect][0];
    double ty = *ref_at(boxes, a * 4, y, x), tx = *ref_at(boxes, a * 4 + 1, y, x);
    double th = *ref_at(boxes, a * 4 + 2, y, x), tw = *ref_at(boxes, a * 4 + 3, y, x);
    double yc = ty * ha + (y + 0.5) * stride_y, xc = tx * wa + (x + 0.5) * stride_x;
    double h = exp(MIN(th, 40)) * ha, w = exp(MIN(tw, 40)) * wa;
    bool finite = isfinite(ty) && isfinite(tx) && isfinite(th) && isfinite(tw);
    candidate->x1 = finite ? xc - w / 2 : NAN;
    candidate->y1 = finite ? yc - h / 2 : NAN;
    candidate->x2 = finite ? xc + w / 2 : NAN;
    candidate->y2 = finite ? yc + h / 2 : NAN;
}

GArray *ref_decode(const struct model *model, const struct ref_tensor *classes,
                   const struct ref_tensor *boxes, double threshold, guint capacity, guint *found)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(struct ref_candidate));
    int anchors = model->anchors.num_scales * model->anchors.num_aspects;
    int levels = model->arch.max_level - model->arch.min_level + 1;
    guint anchor = 0;
    for (int l = 0; l < levels; l++) {
        for (int y = 0; y < classes[l].h; y++) {
            for (int x = 0; x < classes[l].w; x++) {
                for (int a = 0; a < anchors; a++, anchor++) {
                    int best = -1;
                    double best_logit = 0;
                    for (int c = 0; c < model->num_classes; c++) {
                        double logit = *ref_at(&classes[l], a * model->num_classes + c, y, x);
                        if (!isnan(logit) && (best < 0 || logit > best_logit)) {
                            best = c;
                            best_logit = logit;
                        }
                    }
                    for (int c = 0; c < model->num_classes; c++) {
                        double logit = *ref_at(&classes[l], a * model->num_classes + c, y, x);
                        bool candidate = model->post.candidates == CANDIDATES_PAIRS || c == best;
                        if (candidate && logit >= threshold) {
                            struct ref_candidate one = {
                                .logit = logit, .anchor = anchor, .class_id = (guint)c};
                            set_box(&one, model, l, y, x, a, &boxes[l]);
                            g_array_append_val(list, one);
                        }
                    }
                }
            }
        }
    }
    *found = list->len;
    g_array_sort(list, by_logit);
    if (list->len > capacity) {
        g_array_set_size(list, capacity);
    }
    return list;
}
