// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What a model knows about itself: network structure, anchors, pre- and post-processing, labels.
// Plain data; no weights, no Vulkan. Every field that the EfficientDet implementations do
// differently is a field of its own; a "convention" only sets defaults.
#pragma once
#include "net/backbone.h"

#include <glib.h>

#define MIN_LEVEL 3
#define MAX_LEVELS 6 // P3..P8
#define MAX_SCALES 8 // octave steps of an anchor set
#define MAX_ASPECTS 16

enum pad_type { PAD_SAME, PAD_SYMMETRIC };               // spec 2.1, 2.3
enum pool_padding { POOL_PAD_IGNORE, POOL_PAD_ZERO };    // spec 2.1: -inf, or 0 (zylo117)
enum fpn_layout { FPN_BIFPN, FPN_PAN, FPN_QUFPN };       // spec 4.2, 4.6
enum fusion { FUSION_SUM, FUSION_FAST, FUSION_SOFTMAX }; // spec 4.4
enum upsample { UPSAMPLE_NEAREST, UPSAMPLE_BILINEAR };
enum downsample { DOWNSAMPLE_MAX, DOWNSAMPLE_BILINEAR };

// The structure of a network, without anything that training or use decides.
struct arch {
    const char *name; // "tf_efficientdet_d0", "efficientdet_q1", ...
    const struct backbone *backbone;
    int input_size; // native, pixels, square
    int fpn_channels, fpn_cells, head_repeats;
    int min_level, max_level;
    enum fpn_layout layout;
    enum fusion fusion;      // of the two- and three-input nodes
    enum fusion quad_fusion; // of the last nodes of QuFPN (spec 4.4: stay fast in "qufpn_sum")
    enum activation act, head_act;
    enum pad_type backbone_pad, pad; // pad: FPN and heads
    double backbone_bn_eps, bn_eps;
    bool redundant_bias;      // convolutions before a BN have a bias as well
    bool head_bn_level_first; // naming of the head BNs in a checkpoint (spec 9.2)
    bool head_per_level;      // every level has pointwise weights of its own in the heads' repeats
    enum upsample upsample;
    enum downsample downsample;
    bool dense;        // convolutions of FPN and heads are 3x3 of all channels, not separable
    bool sqrt_aspects; // native aspect ratios in the square-root form (spec 6.2)
    double anchor_scale;
};

struct anchors {
    int num_scales;
    double octave[MAX_SCALES]; // size factor of each scale; 0 = 2^(index / num_scales)
    int num_aspects;
    double aspects[MAX_ASPECTS][2]; // (x, y) factors
    double scale[MAX_LEVELS];       // anchor_scale by level, lowest level first
};

// half-pixel centres; AA = triangle filter widened by the scale (PIL)
enum resize_filter { RESIZE_BILINEAR, RESIZE_BILINEAR_AA };
enum resize_rounding {
    ROUND_NEAREST,    // round(H * s)
    ROUND_TRUNC,      // (int)(H * s) in double (rwightman)
    ROUND_TRUNC_F32,  // (int)(H * s) in float (google/automl)
    ROUND_TRUNC_LONG, // long side exact, (int)(T / long * short) in double (zylo117)
};

struct preprocess {
    double mean[3], std[3]; // of 0..255 RGB
    double fill[3];         // letterbox colour, after normalisation
    enum resize_filter filter;
    enum resize_rounding rounding;
    bool resize_to_u8; // the resized picture is rounded to 8 bit before normalisation (PIL)
};

enum candidates {
    CANDIDATES_PAIRS,
    CANDIDATES_ARGMAX
}; // best (anchor, class) pairs; or each anchor's best class
enum nms_kind { NMS_HARD, NMS_GAUSSIAN };
enum clip {
    CLIP_PICTURE, // after back-scaling, to the picture
    CLIP_NONE,
    CLIP_INPUT,      // after NMS, to the network input (tf)
    CLIP_AREA_FIRST, // before NMS, to the un-padded area (rwightman)
    CLIP_ZYLO_FIRST, // before NMS: x1, y1 >= 0; x2 <= W - 1; y2 <= H - 1 of the network input
};

struct postprocess {
    enum candidates candidates;
    int max_candidates; // kept before NMS, best by logit, ties to the lower index; 0 = all
    enum nms_kind nms;
    bool nms_agnostic;    // boxes of different classes suppress each other
    double nms_iou;       // model's own IoU threshold (suppress above); users override
    double nms_sigma;     // gaussian: weight = exp(-IoU^2 / sigma)
    bool score_exclusive; // report score > threshold instead of >=
    int max_detections;   // the convention's limit, 0 = none; users override
    enum clip clip;
    bool scale_per_axis; // boxes / (new / old) for each axis instead of one factor
};

enum convention { CONVENTION_NONE, CONVENTION_TF, CONVENTION_RWIGHTMAN, CONVENTION_ZYLO117 };

struct model {
    struct arch arch;              // a copy, so that a file may differ from the table
    int input_height, input_width; // pixels
    int num_classes;
    struct anchors anchors;
    enum pool_padding pool_padding;
    struct preprocess pre;
    struct postprocess post;
    double suggested_score_threshold;
    enum convention convention;
    char **labels; // num_classes names ("" = unnamed channel), NULL-terminated; owned
    char *license; // of the weights, NULL when unknown; owned
};

// All known architectures; n gets their number. The table lives for ever.
const struct arch *arch_table(int *n);
// By full name or short name ("d0", "lite3x", "efficientdet-d0"); NULL when unknown.
const struct arch *arch_find(const char *name);
int model_anchors_per_cell(const struct model *model);
int model_levels(const struct model *model);
// Size of the feature map of a level, level 0 being the input: ceil-halved `level` times.
int level_size(int input, int level);

// Fills everything from the architecture with `num_classes` classes and the neutral convention of
// the engine: best 5000 pairs, class-aware hard NMS, clip to the picture. Labels are COCO's for 90
// classes, else empty. Free with model_finish().
void model_init(struct model *model, const struct arch *arch, int num_classes);
// Replaces pre- and post-processing defaults and anchors' aspect form by those of a convention
// (spec 7, 8.2). Idempotent.
void model_set_convention(struct model *model, enum convention convention);
void model_set_labels(struct model *model, const char *const *labels, int n);
void model_finish(struct model *model);
