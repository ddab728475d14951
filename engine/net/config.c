// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The configuration table: every known backbone and architecture, and the few numbers that follow
// from them. No graph is built here.
#include "net/model.h"

#include <string.h>

// Rounded tables instead of the scaling rule: the rule is only right in double precision
// (spec 1.3, 1.4). A stage: repeats, kernel, stride of the first block, expand, input channels,
// output channels.
#define EFFICIENT_STAGES(stem_, c0, r0, c1, r1, c2, r2, c3, r3, c4, r4, c5, r5, c6, r6)            \
    .stem = stem_, .taps = {2, 4, 6},                                                              \
    .stages = {                                                                                    \
        {r0, 3, 1, 1, stem_, c0}, {r1, 3, 2, 6, c0, c1}, {r2, 5, 2, 6, c1, c2},                    \
        {r3, 3, 2, 6, c2, c3},    {r4, 5, 1, 6, c3, c4}, {r5, 5, 2, 6, c4, c5},                    \
        {r6, 3, 1, 6, c5, c6},                                                                     \
    }
#define EFFICIENT(name_, ...)                                                                      \
    {                                                                                              \
        .name = name_, .squeeze = true, .act = ACT_SWISH, EFFICIENT_STAGES(__VA_ARGS__)            \
    }
#define EFFICIENT_LITE(name_, ...)                                                                 \
    {                                                                                              \
        .name = name_, .lite = true, .act = ACT_RELU6, EFFICIENT_STAGES(__VA_ARGS__)               \
    }
#define MOBILE_V2(name_, stem_, c0, c1, r1, c2, r2, c3, r3, c4, r4, c5, r5, c6)                    \
    {                                                                                              \
        .name = name_, .act = ACT_RELU6, .stem = stem_, .taps = {2, 4, 6}, .stages = {             \
            {1, 3, 1, 1, stem_, c0},                                                               \
            {r1, 3, 2, 6, c0, c1},                                                                 \
            {r2, 3, 2, 6, c1, c2},                                                                 \
            {r3, 3, 2, 6, c2, c3},                                                                 \
            {r4, 3, 1, 6, c3, c4},                                                                 \
            {r5, 3, 2, 6, c4, c5},                                                                 \
            {1, 3, 1, 6, c5, c6},                                                                  \
        }                                                                                          \
    }
// For Edge TPUs: the middle of the first stage is not what the rule makes of its input.
#define EDGE(name_, r0, r1, r2, r3, r4, r5)                                                        \
    {                                                                                              \
        .name = name_, .act = ACT_RELU, .stem = 32, .taps = {2, 4, 5}, .stages = {                 \
            {r0, 3, 1, 4, 32, 24, BLOCK_FUSED, 96, true},                                          \
            {r1, 3, 2, 8, 24, 32, BLOCK_FUSED},                                                    \
            {r2, 3, 2, 8, 32, 48, BLOCK_FUSED},                                                    \
            {r3, 5, 2, 8, 48, 96},                                                                 \
            {r4, 5, 1, 8, 96, 144},                                                                \
            {r5, 5, 2, 8, 144, 192},                                                               \
        }                                                                                          \
    }

static const struct backbone backbones[] = {
    EFFICIENT("b0", 32, 16, 1, 24, 2, 40, 2, 80, 3, 112, 3, 192, 4, 320, 1),
    EFFICIENT("b1", 32, 16, 2, 24, 3, 40, 3, 80, 4, 112, 4, 192, 5, 320, 2),
    EFFICIENT("b2", 32, 16, 2, 24, 3, 48, 3, 88, 4, 120, 4, 208, 5, 352, 2),
    EFFICIENT("b3", 40, 24, 2, 32, 3, 48, 3, 96, 5, 136, 5, 232, 6, 384, 2),
    EFFICIENT("b4", 48, 24, 2, 32, 4, 56, 4, 112, 6, 160, 6, 272, 8, 448, 2),
    EFFICIENT("b5", 48, 24, 3, 40, 5, 64, 5, 128, 7, 176, 7, 304, 9, 512, 3),
    EFFICIENT("b6", 56, 32, 3, 40, 6, 72, 6, 144, 8, 200, 8, 344, 11, 576, 3),
    EFFICIENT("b7", 64, 32, 4, 48, 7, 80, 7, 160, 10, 224, 10, 384, 13, 640, 4),
    EFFICIENT_LITE("lite0", 32, 16, 1, 24, 2, 40, 2, 80, 3, 112, 3, 192, 4, 320, 1),
    EFFICIENT_LITE("lite1", 32, 16, 1, 24, 3, 40, 3, 80, 4, 112, 4, 192, 5, 320, 1),
    EFFICIENT_LITE("lite2", 32, 16, 1, 24, 3, 48, 3, 88, 4, 120, 4, 208, 5, 352, 1),
    EFFICIENT_LITE("lite3", 32, 24, 1, 32, 3, 48, 3, 96, 5, 136, 5, 232, 6, 384, 1),
    EFFICIENT_LITE("lite4", 32, 24, 1, 32, 4, 56, 4, 112, 6, 160, 6, 272, 8, 448, 1),
    {.name = "b0-wide",
     .squeeze = true,
     .wide = true,
     .act = ACT_SWISH,
     EFFICIENT_STAGES(32, 16, 1, 24, 2, 40, 2, 80, 3, 112, 3, 192, 4, 320, 1)},
    MOBILE_V2("mobilenetv2_110d", 32, 16, 24, 3, 32, 4, 72, 5, 104, 4, 176, 4, 352),
    MOBILE_V2("mobilenetv2_120d", 32, 24, 32, 3, 40, 5, 80, 6, 112, 5, 192, 5, 384),
    EDGE("es", 1, 2, 4, 5, 4, 2),
    EDGE("em", 2, 3, 5, 6, 5, 3),
    {.name = "v2_rw_t",
     .squeeze = true,
     .act = ACT_SWISH,
     .stem = 24,
     .taps = {2, 4, 5},
     .stages = {{2, 3, 1, 1, 24, 24, BLOCK_PLAIN},
                {4, 3, 2, 4, 24, 40, BLOCK_FUSED},
                {4, 3, 2, 4, 40, 48, BLOCK_FUSED},
                {6, 3, 2, 4, 48, 104},
                {9, 3, 1, 6, 104, 128},
                {14, 3, 2, 6, 128, 208}}},
    {.name = "v2_rw_s",
     .squeeze = true,
     .act = ACT_SWISH,
     .stem = 24,
     .taps = {2, 4, 5},
     .stages = {{2, 3, 1, 1, 24, 24, BLOCK_FUSED},
                {4, 3, 2, 4, 24, 48, BLOCK_FUSED},
                {4, 3, 2, 4, 48, 64, BLOCK_FUSED},
                {6, 3, 2, 4, 64, 128},
                {9, 3, 1, 6, 128, 160},
                {15, 3, 2, 6, 160, 272}}},
    {.name = "resnet50",
     .act = ACT_RELU,
     .stem = 64,
     .taps = {1, 2, 3},
     .stages = {{3, 3, 1, 1, 64, 256, BLOCK_BOTTLENECK, 64},
                {4, 3, 2, 1, 256, 512, BLOCK_BOTTLENECK, 128},
                {6, 3, 2, 1, 512, 1024, BLOCK_BOTTLENECK, 256},
                {3, 3, 2, 1, 1024, 2048, BLOCK_BOTTLENECK, 512}}},
};
enum {
    B0,
    B1,
    B2,
    B3,
    B4,
    B5,
    B6,
    B7,
    L0,
    L1,
    L2,
    L3,
    L4,
    B0_WIDE,
    M110,
    M120,
    ES,
    EM,
    V2_T,
    V2_S,
    R50
};

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
// rwightman's own configurations (spec 1.9).
#define OWN(name_, backbone_, size_, f_, cells_, r_, ...)                                          \
    {                                                                                              \
        COMMON(name_, backbone_, size_, f_, cells_, r_),                                           \
            .max_level = 7, .fusion = FUSION_FAST, .quad_fusion = FUSION_FAST,                     \
            .backbone_pad = PAD_SYMMETRIC, .backbone_bn_eps = 1e-5, .anchor_scale = 4.0,           \
            __VA_ARGS__                                                                            \
    }
#define SWISH .act = ACT_SWISH, .head_act = ACT_SWISH
#define RELU_DENSE .pad = PAD_SYMMETRIC, .act = ACT_RELU, .head_act = ACT_RELU, .dense = true
#define V2                                                                                         \
    SWISH, .pad = PAD_SYMMETRIC, .head_bn_level_first = true, .sqrt_aspects = true,                \
           .upsample = UPSAMPLE_BILINEAR, .downsample = DOWNSAMPLE_BILINEAR
#define OWN_RELU6(name_, backbone_, size_, f_)                                                     \
    {                                                                                              \
        COMMON(name_, backbone_, size_, f_, 3, 3),                                                 \
            .max_level = 7, .fusion = FUSION_FAST, .quad_fusion = FUSION_FAST, .act = ACT_RELU6,   \
            .head_act = ACT_RELU6, .backbone_pad = PAD_SYMMETRIC, .pad = PAD_SYMMETRIC,            \
            .backbone_bn_eps = 1e-5, .head_bn_level_first = true, .anchor_scale = 4.0,             \
            .sqrt_aspects = true                                                                   \
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
    OWN("efficientdet_d0", B0, 512, 64, 3, 3, SWISH, .pad = PAD_SYMMETRIC),
    OWN("efficientdet_d1", B1, 640, 88, 4, 3, SWISH, .pad = PAD_SYMMETRIC),
    OWN("efficientdet_d2", B2, 768, 112, 5, 3, SWISH, .pad = PAD_SYMMETRIC),
    OWN("efficientdet_d3", B3, 896, 160, 6, 4, SWISH, .pad = PAD_SYMMETRIC),
    OWN("efficientdet_d4", B4, 1024, 224, 7, 4, SWISH, .pad = PAD_SAME, .redundant_bias = true),
    OWN("efficientdet_d5", B5, 1280, 288, 7, 4, SWISH, .pad = PAD_SAME, .redundant_bias = true),
    OWN("efficientdet_q0", B0, 512, 64, 3, 3, SWISH, .pad = PAD_SYMMETRIC, .layout = FPN_QUFPN,
        .head_bn_level_first = true),
    OWN("efficientdet_q1", B1, 640, 88, 3, 3, SWISH, .pad = PAD_SYMMETRIC, .layout = FPN_QUFPN,
        .head_bn_level_first = true, .upsample = UPSAMPLE_BILINEAR,
        .downsample = DOWNSAMPLE_BILINEAR),
    OWN("efficientdet_q2", B2, 768, 112, 4, 3, SWISH, .pad = PAD_SYMMETRIC, .layout = FPN_QUFPN,
        .head_bn_level_first = true),
    {COMMON("efficientdet_lite0", L0, 384, 64, 3, 3), .max_level = 7, .fusion = FUSION_FAST,
     .quad_fusion = FUSION_FAST, .act = ACT_RELU6, .head_act = ACT_RELU6,
     .backbone_pad = PAD_SYMMETRIC, .pad = PAD_SAME, .backbone_bn_eps = 1e-5,
     .head_bn_level_first = true, .anchor_scale = 4.0},
    OWN("efficientdet_w0", B0_WIDE, 512, 80, 3, 3, SWISH, .pad = PAD_SYMMETRIC,
        .head_bn_level_first = true, .sqrt_aspects = true),
    OWN("efficientdet_es", ES, 512, 72, 3, 3, RELU_DENSE, .head_bn_level_first = true,
        .sqrt_aspects = true),
    OWN("efficientdet_em", EM, 640, 96, 4, 3, RELU_DENSE, .head_bn_level_first = true,
        .sqrt_aspects = true),
    OWN("efficientdetv2_dt", V2_T, 768, 128, 5, 3, V2),
    OWN("efficientdetv2_ds", V2_S, 1024, 256, 7, 4, V2),
    OWN("resdet50", R50, 640, 88, 4, 3, RELU_DENSE),
    OWN_RELU6("mobiledetv2_110d", M110, 384, 48),
    OWN_RELU6("mobiledetv2_120d", M120, 512, 56),
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
        const struct stage *stage = &backbone->stages[backbone->taps[i]];
        int in = stage->repeats > 1 ? stage->out : stage->in;
        channels[i] = backbone->wide ? in * stage->expand : stage->out;
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
