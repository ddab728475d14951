// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The configuration table: every known backbone and architecture, and the few numbers that follow
// from them. No graph is built here.
#include "net/model.h"

#include <string.h>

// Rounded tables instead of the scaling rule: the rule is only right in double precision
// (spec 1.3, 1.4). A stage: repeats, kernel, stride of the first block, expand, input channels,
// output channels.
#define BACKBONE(name_, lite_, stem_, c0, r0, c1, r1, c2, r2, c3, r3, c4, r4, c5, r5, c6, r6)      \
    {                                                                                              \
        .name = name_, .lite = lite_, .stem = stem_, .stages = {                                   \
            {r0, 3, 1, 1, stem_, c0},                                                              \
            {r1, 3, 2, 6, c0, c1},                                                                 \
            {r2, 5, 2, 6, c1, c2},                                                                 \
            {r3, 3, 2, 6, c2, c3},                                                                 \
            {r4, 5, 1, 6, c3, c4},                                                                 \
            {r5, 5, 2, 6, c4, c5},                                                                 \
            {r6, 3, 1, 6, c5, c6},                                                                 \
        }                                                                                          \
    }

static const struct backbone backbones[] = {
    BACKBONE("b0", false, 32, 16, 1, 24, 2, 40, 2, 80, 3, 112, 3, 192, 4, 320, 1),
    BACKBONE("b1", false, 32, 16, 2, 24, 3, 40, 3, 80, 4, 112, 4, 192, 5, 320, 2),
    BACKBONE("b2", false, 32, 16, 2, 24, 3, 48, 3, 88, 4, 120, 4, 208, 5, 352, 2),
    BACKBONE("b3", false, 40, 24, 2, 32, 3, 48, 3, 96, 5, 136, 5, 232, 6, 384, 2),
    BACKBONE("b4", false, 48, 24, 2, 32, 4, 56, 4, 112, 6, 160, 6, 272, 8, 448, 2),
    BACKBONE("b5", false, 48, 24, 3, 40, 5, 64, 5, 128, 7, 176, 7, 304, 9, 512, 3),
    BACKBONE("b6", false, 56, 32, 3, 40, 6, 72, 6, 144, 8, 200, 8, 344, 11, 576, 3),
    BACKBONE("b7", false, 64, 32, 4, 48, 7, 80, 7, 160, 10, 224, 10, 384, 13, 640, 4),
    BACKBONE("lite0", true, 32, 16, 1, 24, 2, 40, 2, 80, 3, 112, 3, 192, 4, 320, 1),
    BACKBONE("lite1", true, 32, 16, 1, 24, 3, 40, 3, 80, 4, 112, 4, 192, 5, 320, 1),
    BACKBONE("lite2", true, 32, 16, 1, 24, 3, 48, 3, 88, 4, 120, 4, 208, 5, 352, 1),
    BACKBONE("lite3", true, 32, 24, 1, 32, 3, 48, 3, 96, 5, 136, 5, 232, 6, 384, 1),
    BACKBONE("lite4", true, 32, 24, 1, 32, 4, 56, 4, 112, 6, 160, 6, 272, 8, 448, 1),
};
enum { B0, B1, B2, B3, B4, B5, B6, B7, L0, L1, L2, L3, L4 };

#define COMMON(name_, backbone_, size_, f_, cells_, r_)                                            \
    .name = name_, .backbone = &backbones[backbone_], .input_size = size_, .fpn_channels = f_,     \
    .fpn_cells = cells_, .head_repeats = r_, .min_level = 3, .bn_eps = 1e-3

// Official configurations with the names that rwightman gave their ports (spec 1.1).
#define TF(name_, backbone_, size_, f_, cells_, r_, top_, scale_, fusion_)                         \
    {                                                                                              \
        COMMON("tf_efficientdet_" name_, backbone_, size_, f_, cells_, r_),                        \
            .max_level = top_, .fusion = fusion_, .quad_fusion = fusion_, .act = ACT_SWISH,        \
            .head_act = ACT_SWISH, .backbone_bn_eps = 1e-3, .redundant_bias = true,                \
            .anchor_scale = scale_                                                                 \
    }
#define LITE(name_, backbone_, size_, f_, cells_, r_, scale_)                                      \
    {                                                                                              \
        COMMON("tf_efficientdet_" name_, backbone_, size_, f_, cells_, r_),                        \
            .max_level = 7, .fusion = FUSION_SUM, .quad_fusion = FUSION_SUM, .act = ACT_RELU6,     \
            .head_act = ACT_RELU6, .backbone_bn_eps = 1e-3, .redundant_bias = true,                \
            .anchor_scale = scale_                                                                 \
    }
// rwightman's own configurations on EfficientNet backbones (spec 1.9).
#define OWN(name_, backbone_, size_, f_, cells_, r_, ...)                                          \
    {                                                                                              \
        COMMON("efficientdet_" name_, backbone_, size_, f_, cells_, r_),                           \
            .max_level = 7, .fusion = FUSION_FAST, .quad_fusion = FUSION_FAST, .act = ACT_SWISH,   \
            .head_act = ACT_SWISH, .backbone_pad = PAD_SYMMETRIC, .backbone_bn_eps = 1e-5,         \
            .anchor_scale = 4.0, __VA_ARGS__                                                       \
    }

static const struct arch archs[] = {
    TF("d0", B0, 512, 64, 3, 3, 7, 4.0, FUSION_FAST),
    TF("d1", B1, 640, 88, 4, 3, 7, 4.0, FUSION_FAST),
    TF("d2", B2, 768, 112, 5, 3, 7, 4.0, FUSION_FAST),
    TF("d3", B3, 896, 160, 6, 4, 7, 4.0, FUSION_FAST),
    TF("d4", B4, 1024, 224, 7, 4, 7, 4.0, FUSION_FAST),
    TF("d5", B5, 1280, 288, 7, 4, 7, 4.0, FUSION_FAST),
    TF("d6", B6, 1280, 384, 8, 5, 7, 4.0, FUSION_SUM),
    TF("d7", B6, 1536, 384, 8, 5, 7, 5.0, FUSION_SUM),
    TF("d7x", B7, 1536, 384, 8, 5, 8, 4.0, FUSION_SUM),
    LITE("lite0", L0, 320, 64, 3, 3, 3.0),
    LITE("lite1", L1, 384, 88, 4, 3, 3.0),
    LITE("lite2", L2, 448, 112, 5, 3, 3.0),
    LITE("lite3", L3, 512, 160, 6, 4, 4.0),
    LITE("lite3x", L3, 640, 200, 6, 4, 3.0),
    LITE("lite4", L4, 640, 224, 7, 4, 4.0),
    OWN("d0", B0, 512, 64, 3, 3, .pad = PAD_SYMMETRIC),
    OWN("d1", B1, 640, 88, 4, 3, .pad = PAD_SYMMETRIC),
    OWN("d2", B2, 768, 112, 5, 3, .pad = PAD_SYMMETRIC),
    OWN("d3", B3, 896, 160, 6, 4, .pad = PAD_SYMMETRIC),
    OWN("d4", B4, 1024, 224, 7, 4, .pad = PAD_SAME, .redundant_bias = true),
    OWN("d5", B5, 1280, 288, 7, 4, .pad = PAD_SAME, .redundant_bias = true),
    OWN("q0", B0, 512, 64, 3, 3, .pad = PAD_SYMMETRIC, .layout = FPN_QUFPN,
        .head_bn_level_first = true),
    OWN("q1", B1, 640, 88, 3, 3, .pad = PAD_SYMMETRIC, .layout = FPN_QUFPN,
        .head_bn_level_first = true, .upsample = UPSAMPLE_BILINEAR,
        .downsample = DOWNSAMPLE_BILINEAR),
    OWN("q2", B2, 768, 112, 4, 3, .pad = PAD_SYMMETRIC, .layout = FPN_QUFPN,
        .head_bn_level_first = true),
    {COMMON("efficientdet_lite0", L0, 384, 64, 3, 3), .max_level = 7, .fusion = FUSION_FAST,
     .quad_fusion = FUSION_FAST, .act = ACT_RELU6, .head_act = ACT_RELU6,
     .backbone_pad = PAD_SYMMETRIC, .pad = PAD_SAME, .backbone_bn_eps = 1e-5,
     .head_bn_level_first = true, .anchor_scale = 4.0},
};

const struct arch *arch_table(int *n)
{
    *n = G_N_ELEMENTS(archs);
    return archs;
}

static const struct arch *find_exact(const char *prefix, const char *name)
{
    g_autofree char *full = g_strconcat(prefix, name, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(archs); i++) {
        if (g_str_equal(archs[i].name, full)) {
            return &archs[i];
        }
    }
    return NULL;
}

const struct arch *arch_find(const char *name)
{
    if (!name) {
        return NULL;
    }
    g_autofree char *wanted = g_ascii_strdown(name, -1);
    // google/automl and zylo117 write "efficientdet-d0"; rwightman's own network is
    // "efficientdet_d0"
    const char *official =
        g_str_has_prefix(wanted, "efficientdet-") ? strchr(wanted, '-') + 1 : wanted;
    g_strdelimit(wanted, "-", '_');
    const struct arch *arch = find_exact("tf_efficientdet_", official);
    if (!arch) {
        arch = find_exact("", wanted);
    }
    return arch ? arch : find_exact("efficientdet_", wanted);
}

const struct backbone *backbone_find(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(backbones); i++) {
        if (g_str_equal(backbones[i].name, name)) {
            return &backbones[i];
        }
    }
    return NULL;
}

int squeeze_width(int in)
{
    return MAX(1, in / 4);
}

void backbone_taps(const struct backbone *backbone, int channels[3])
{
    for (int i = 0; i < 3; i++) {
        channels[i] = backbone->stages[2 + 2 * i].out;
    }
}

int model_anchors_per_cell(const struct model *model)
{
    return model->anchors.num_scales * model->anchors.num_aspects;
}

int model_levels(const struct model *model)
{
    return model->arch.max_level - model->arch.min_level + 1;
}

int level_size(int input, int level)
{
    for (int i = 0; i < level; i++) {
        input = (input + 1) / 2;
    }
    return input;
}
