// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// From the device's candidates to objects in picture pixels: non-maximum suppression, clipping,
// back-scaling, the user's filter (spec 8). No Vulkan.
#pragma once

#include "effdet/effdet.h"
#include "net/letterbox.h"
#include "ops/op_decode.h"

// EffdetFilter, checked, for a model.
struct post_filter {
    float score_threshold, iou_threshold;
    uint32_t max_detections; // 0 = no limit
    int n_classes;           // of the model
    uint8_t *wanted;         // by class: report it. Owned
};

// False with *error for an unknown class or a number out of its range; *out is left alone then.
bool post_filter_init(struct post_filter *out, const struct model *model,
                      const EffdetFilter *filter, GError **error) WARN_UNUSED;
void post_filter_finish(struct post_filter *filter); // accepts a zeroed filter
// Allocates only when `to` is new or of another model.
void post_filter_copy(struct post_filter *to, const struct post_filter *from);

// Working memory for one model; allocated once. One thread at a time. The model must outlive it.
struct post;
struct post *post_new(const struct model *model);
void post_free(struct post **post);
// Room for the objects that post_run() can make of this output; grows in few steps, so that results
// can be used again.
uint32_t post_capacity(const struct post *post, const struct decode_output *output);
// Fills objects, n_objects, n_candidates and best_score of result, whose objects hold
// post_capacity(). Does not allocate.
void post_run(struct post *post, const struct decode_output *output,
              const struct post_filter *filter, const struct letterbox *letterbox,
              EffdetResult *result);
