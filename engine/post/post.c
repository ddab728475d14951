// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Candidates to objects: which candidates enter suppression, what is clipped when, and the way back
// to picture pixels. The suppression itself is in nms.c, the filter in filter.c.
#include "post/post.h"

#include "post/nms.h"

#include <math.h>
#include <string.h>

struct post {
    const struct model *model;
    uint32_t capacity;
    struct nms_box *boxes;
    int *heap, *selected;
    int *last; // by class
};

struct post *post_new(const struct model *model)
{
    struct post *post = g_new0(struct post, 1);
    post->model = model;
    post->capacity = decode_capacity(model);
    post->boxes = g_new(struct nms_box, post->capacity);
    post->heap = g_new(int, post->capacity);
    post->selected = g_new(int, post->capacity);
    post->last = g_new(int, model->num_classes);
    return post;
}

void post_free(struct post **pointer)
{
    struct post *post = g_steal_pointer(pointer);
    if (post) {
        g_free(post->boxes);
        g_free(post->heap);
        g_free(post->selected);
        g_free(post->last);
        g_free(post);
    }
}

uint32_t post_capacity(const struct post *post, const struct decode_output *output)
{
    uint32_t room = 128;
    while (room < output->kept && room < post->capacity) {
        room *= 2;
    }
    return MIN(room, post->capacity);
}

static void clip_to(struct nms_box *box, double width, double height)
{
    box->x1 = CLAMP(box->x1, 0, width);
    box->x2 = CLAMP(box->x2, 0, width);
    box->y1 = CLAMP(box->y1, 0, height);
    box->y2 = CLAMP(box->y2, 0, height);
}

static void clip_before(struct nms_box *box, enum clip clip, const struct letterbox *letterbox)
{
    switch (clip) {
    case CLIP_AREA_FIRST:
        clip_to(box, letterbox->source_width * letterbox->scale_x,
                letterbox->source_height * letterbox->scale_y);
        break;
    case CLIP_ZYLO_FIRST:
        box->x1 = MAX(box->x1, 0);
        box->y1 = MAX(box->y1, 0);
        box->x2 = MIN(box->x2, letterbox->input_width - 1);
        box->y2 = MIN(box->y2, letterbox->input_height - 1);
        break;
    case CLIP_PICTURE:
    case CLIP_NONE:
    case CLIP_INPUT:
        break;
    }
}

// Whether clipping to the picture would leave nothing.
static bool is_outside(const struct nms_box *box, const struct letterbox *letterbox)
{
    return box->x2 <= 0 || box->y2 <= 0 ||
           box->x1 >= letterbox->source_width * letterbox->scale_x ||
           box->y1 >= letterbox->source_height * letterbox->scale_y;
}

// The candidates that pass, as boxes; returns their number. best_score: of all that pass.
static int collect(struct post *post, const struct decode_output *output,
                   const struct post_filter *filter, const struct letterbox *letterbox,
                   float *best_score)
{
    const struct postprocess *rules = &post->model->post;
    uint32_t n_classes = (uint32_t)post->model->num_classes;
    uint32_t kept = MIN(output->kept, post->capacity);
    int n = 0;
    for (uint32_t i = 0; i < kept; i++) {
        const struct decode_record *record = &output->records[i];
        float score = (float)(1.0 / (1.0 + exp(-(double)record->logit)));
        bool passes = rules->score_exclusive ? score > filter->score_threshold
                                             : score >= filter->score_threshold;
        if (!passes || record->class_id >= n_classes || !isfinite(record->x1) ||
            !isfinite(record->y1) || !isfinite(record->x2) || !isfinite(record->y2)) {
            continue;
        }
        *best_score = MAX(*best_score, score);
        bool wanted = filter->wanted[record->class_id];
        if (!wanted && !rules->nms_agnostic) {
            continue;
        }
        struct nms_box *box = &post->boxes[n++];
        *box = (struct nms_box){
            .x1 = (double)record->x1,
            .y1 = (double)record->y1,
            .x2 = (double)record->x2,
            .y2 = (double)record->y2,
            .score = score,
            .rank = rules->nms == NMS_GAUSSIAN ? (double)score : (double)record->logit,
            .index = (uint64_t)record->anchor * n_classes + record->class_id,
            .class_id = (int)record->class_id,
            .counted = wanted,
        };
        clip_before(box, rules->clip, letterbox);
        if (rules->clip == CLIP_PICTURE && is_outside(box, letterbox)) {
            box->counted = false;
        }
    }
    return n;
}

static EffdetObject to_object(const struct nms_box *selected, enum clip clip,
                              const struct letterbox *letterbox)
{
    struct nms_box box = *selected;
    if (clip == CLIP_INPUT) {
        clip_to(&box, letterbox->input_width, letterbox->input_height);
    }
    box.x1 /= letterbox->scale_x;
    box.x2 /= letterbox->scale_x;
    box.y1 /= letterbox->scale_y;
    box.y2 /= letterbox->scale_y;
    if (clip == CLIP_PICTURE) {
        clip_to(&box, letterbox->source_width, letterbox->source_height);
    }
    return (EffdetObject){
        .label_id = box.class_id,
        .confidence = box.score,
        .x = (float)box.x1,
        .y = (float)box.y1,
        .w = (float)(box.x2 - box.x1),
        .h = (float)(box.y2 - box.y1),
    };
}

void post_run(struct post *post, const struct decode_output *output,
              const struct post_filter *filter, const struct letterbox *letterbox,
              EffdetResult *result)
{
    const struct postprocess *rules = &post->model->post;
    result->best_score = 0;
    struct nms nms = {
        .boxes = post->boxes,
        .n = collect(post, output, filter, letterbox, &result->best_score),
        .heap = post->heap,
        .selected = post->selected,
        .last = post->last,
        .n_classes = post->model->num_classes,
        .gaussian = rules->nms == NMS_GAUSSIAN,
        .agnostic = rules->nms_agnostic,
        .iou_threshold = (double)filter->iou_threshold,
        .sigma = rules->nms_sigma,
        .score_threshold = (double)filter->score_threshold,
        .score_exclusive = rules->score_exclusive,
        .max_selected = filter->max_detections,
    };
    result->n_candidates = output->found;
    result->n_objects = 0;
    int n = nms_run(&nms);
    for (int i = 0; i < n; i++) {
        const struct nms_box *box = &post->boxes[post->selected[i]];
        EffdetObject object = to_object(box, rules->clip, letterbox);
        if (box->counted && (rules->clip != CLIP_PICTURE || (object.w > 0 && object.h > 0))) {
            result->objects[result->n_objects++] = object;
        }
    }
}
