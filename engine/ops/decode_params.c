// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Sizes and parameters of decode. Its dispatches are in op_decode.c.
#include "ops/op_decode.h"

#include <math.h>
#include <string.h>

uint32_t decode_capacity(const struct model *model)
{
    uint64_t pixels = 0;
    for (int level = model->arch.min_level; level <= model->arch.max_level; level++) {
        pixels += (uint64_t)level_size(model->input_height, level) *
                  (uint64_t)level_size(model->input_width, level);
    }
    uint64_t all = pixels * (uint64_t)model_anchors_per_cell(model);
    uint64_t wanted = model->post.max_candidates > 0 ? (uint64_t)model->post.max_candidates : all;
    // All pairs of a large network would fill gigabytes: without a limit there are as many as
    // anchors.
    return (uint32_t)MIN(wanted, all * (uint64_t)model->num_classes);
}

bool decode_may_overflow(const struct model *model, const struct graph *graph)
{
    const struct value *classes = graph_value(graph, graph->classes);
    uint64_t most = (uint64_t)classes->pixels * (uint64_t)model_anchors_per_cell(model);
    if (model->post.candidates != CANDIDATES_ARGMAX) {
        most *= (uint64_t)model->num_classes;
    }
    return most > decode_capacity(model);
}

uint64_t decode_output_bytes(const struct model *model, const struct graph *graph)
{
    return sizeof(struct decode_output) +
           (uint64_t)decode_capacity(model) * sizeof(struct decode_record);
}

uint64_t decode_scratch_bytes(const struct model *model, const struct graph *graph)
{
    uint64_t words = DECODE_LIST + 2 * (uint64_t)decode_capacity(model);
    if (model->post.candidates == CANDIDATES_ARGMAX) {
        words += 2 * (uint64_t)model_anchors_per_cell(model) *
                 (uint64_t)graph_value(graph, graph->classes)->pixels;
    }
    return words * sizeof(uint32_t);
}

// Logits as unsigned numbers of the same order; what is no number is no key of any logit. Zero has
// one key whatever its sign. The shaders do the same.
static uint32_t key_of(float logit)
{
    uint32_t bits;
    logit = logit == 0 ? 0 : logit;
    memcpy(&bits, &logit, sizeof bits);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

// The same of the lowest half at or above a logit, in the upper 16 bits.
static uint32_t key_half_of(float logit)
{
    uint32_t half = half_from_float(logit);
    uint32_t key = half & 0x8000 ? 0xffff - half : half | 0x8000;
    if (float_from_half((uint16_t)half) < logit) {
        key++;
    }
    return (half == 0x8000 ? 0x8000u : key) << 16; // minus zero counts as zero
}

void decode_fill(struct decode_params *params, const struct model *model, double score_threshold)
{
    double score = score_threshold * (1.0 - 2e-7);
    float logit = (float)log(score / (1.0 - score)); // -inf for 0
    // below it by more than rounding to fp16 and flushing its denormals adds to a result
    float result = logit - (fabsf(logit) * 0x1p-9f + 0x1p-13f);
    *params = (struct decode_params){.threshold_key = key_of(logit),
                                     .threshold_key_half = key_half_of(logit),
                                     .threshold = logit,
                                     .threshold_key_maximum = key_of(result)};
    int first = 0;
    for (int l = 0; l < model_levels(model); l++) {
        int height = level_size(model->input_height, model->arch.min_level + l);
        int width = level_size(model->input_width, model->arch.min_level + l);
        double stride_y = (double)model->input_height / height;
        double stride_x = (double)model->input_width / width;
        params->level[l][0] = (float)first;
        params->level[l][1] = (float)width;
        params->level[l][2] = (float)stride_x;
        params->level[l][3] = (float)stride_y;
        params->level_scale[l][0] = (float)(model->anchors.scale[l] * stride_x);
        params->level_scale[l][1] = (float)(model->anchors.scale[l] * stride_y);
        first += height * width;
    }
    for (int a = 0; a < model_anchors_per_cell(model); a++) {
        struct anchor anchor = anchor_at(model, 0, 0, 0, a);
        params->shape[a][0] = (float)(anchor.w / (double)params->level_scale[0][0]);
        params->shape[a][1] = (float)(anchor.h / (double)params->level_scale[0][1]);
    }
}
