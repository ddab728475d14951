// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A model's description: defaults of an architecture and the three conventions of pre- and
// post-processing (spec 6, 7, 8).
#include "net/model.h"

#include "net/coco_labels.h"

#include <math.h>

static const double imagenet_mean[3] = {123.675, 116.28, 103.53};
static const double imagenet_std[3] = {58.395, 57.12, 57.375};

static void set_normalisation(struct preprocess *pre, bool lite, double lite_mean, double lite_std)
{
    for (int i = 0; i < 3; i++) {
        pre->mean[i] = lite ? lite_mean : imagenet_mean[i];
        pre->std[i] = lite ? lite_std : imagenet_std[i];
    }
}

static void set_aspects(struct anchors *anchors, bool square_root)
{
    double wide = square_root ? sqrt(2.0) : 1.4;
    double narrow = square_root ? 1.0 / sqrt(2.0) : 0.7;
    anchors->num_aspects = 3;
    anchors->aspects[0][0] = anchors->aspects[0][1] = 1.0;
    anchors->aspects[1][0] = anchors->aspects[2][1] = wide;
    anchors->aspects[1][1] = anchors->aspects[2][0] = narrow;
}

void model_init(struct model *model, const struct arch *arch, int num_classes)
{
    *model = (struct model){
        .arch = *arch,
        .input_height = arch->input_size,
        .input_width = arch->input_size,
        .num_classes = num_classes,
        .suggested_score_threshold = 0.4,
    };
    model->anchors.num_scales = 3;
    set_aspects(&model->anchors, arch->sqrt_aspects);
    for (int i = 0; i < MAX_LEVELS; i++) {
        model->anchors.scale[i] = arch->anchor_scale;
    }
    model->labels = g_new0(char *, num_classes + 1);
    for (int i = 0; i < num_classes; i++) {
        model->labels[i] = g_strdup(num_classes == 90 ? coco_labels[i] : "");
    }
    model_set_convention(model, CONVENTION_NONE);
}

void model_set_convention(struct model *model, enum convention convention)
{
    bool lite = model->arch.backbone->lite;
    struct preprocess *pre = &model->pre;
    struct postprocess *post = &model->post;
    *pre = (struct preprocess){.filter = RESIZE_BILINEAR, .rounding = ROUND_NEAREST};
    *post = (struct postprocess){.candidates = CANDIDATES_PAIRS,
                                 .max_candidates = 5000,
                                 .nms = NMS_HARD,
                                 .nms_iou = 0.5,
                                 .nms_sigma = 0.5,
                                 .clip = CLIP_PICTURE};
    model->convention = convention;
    model->pool_padding = POOL_PAD_IGNORE;
    set_normalisation(pre, lite, 127.0, 128.0);
    switch (convention) {
    case CONVENTION_NONE:
        break;
    case CONVENTION_TF:
        pre->rounding = ROUND_TRUNC_F32;
        post->candidates = CANDIDATES_ARGMAX;
        post->max_candidates = 0;
        post->nms = NMS_GAUSSIAN;
        post->nms_agnostic = true;
        post->max_detections = 100;
        post->score_exclusive = true;
        post->clip = CLIP_INPUT;
        break;
    case CONVENTION_RWIGHTMAN:
        set_normalisation(pre, lite, 127.5, 127.5);
        pre->filter = RESIZE_BILINEAR_AA;
        pre->rounding = ROUND_TRUNC;
        pre->resize_to_u8 = true;
        post->max_detections = 100;
        post->clip = CLIP_AREA_FIRST;
        for (int i = 0; i < 3;
             i++) { // the fill is a rounded 8-bit colour before normalisation (spec 7.2)
            pre->fill[i] = (rint(pre->mean[i]) - pre->mean[i]) / pre->std[i];
        }
        break;
    case CONVENTION_ZYLO117:
        pre->rounding = ROUND_TRUNC_LONG;
        model->pool_padding = POOL_PAD_ZERO;
        post->candidates = CANDIDATES_ARGMAX;
        post->max_candidates = 0;
        post->score_exclusive = true;
        post->clip = CLIP_ZYLO_FIRST;
        post->scale_per_axis = true;
        break;
    }
}

void model_set_labels(struct model *model, const char *const *labels, int n)
{
    char **copy = g_new0(char *, model->num_classes + 1);
    for (int i = 0; i < model->num_classes; i++) {
        copy[i] = g_strdup(i < n ? labels[i] : "");
    }
    g_strfreev(model->labels);
    model->labels = copy;
}

void model_finish(struct model *model)
{
    g_clear_pointer(&model->labels, g_strfreev);
    g_clear_pointer(&model->license, g_free);
}
