// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Naive references of every operation, in double, on [C][H][W] row-major tensors. Written from the
// specification, not from the shaders.
#pragma once

#include "net/model.h"

struct ref_tensor {
    int c, h, w;
    double *data;
};

struct ref_tensor ref_new(int c, int h, int w); // zeroed
void ref_free(struct ref_tensor *tensor);
double *ref_at(const struct ref_tensor *tensor, int c, int y, int x);

// Convolutions: weight row-major [O][I][k][k] (depthwise [C][k][k]); bias [O] or NULL. Zero
// padding.
struct ref_tensor ref_conv(const struct ref_tensor *in, const float *weight, const float *bias,
                           int outputs, int kernel, int stride, enum pad_type pad);
struct ref_tensor ref_pointwise(const struct ref_tensor *in, const float *weight, const float *bias,
                                int outputs);
struct ref_tensor ref_depthwise(const struct ref_tensor *in, const float *weight, const float *bias,
                                int kernel, int stride, enum pad_type pad);
void ref_activation(struct ref_tensor *tensor, enum activation act);
double ref_activate(double value, enum activation act);
void ref_batch_norm(struct ref_tensor *tensor, const float *gamma, const float *beta,
                    const float *mean, const float *var, double eps);
void ref_add(struct ref_tensor *tensor, const struct ref_tensor *other);
void ref_scale(struct ref_tensor *tensor, const double *factors); // factors [C]
struct ref_tensor ref_mean(const struct ref_tensor *in);          // [C][1][1]
struct ref_tensor ref_maxpool(const struct ref_tensor *in, enum pad_type pad,
                              enum pool_padding padding); // 3x3 stride 2
struct ref_tensor ref_nearest(const struct ref_tensor *in, int height, int width);
struct ref_tensor ref_bilinear(const struct ref_tensor *in, int height,
                               int width); // half-pixel, no antialias (spec 3.3)
// Deterministic values of spec 13.1 for a tensor of this name: raw v in -1..1.
void ref_random(const char *name, double *out, int n);
// The synthetic weight itself: gains, kinds and rounding of spec 13.1. shape as in PyTorch.
void ref_weight(const char *name, const int *shape, int rank, double backbone_gain,
                double head_gain, float *out);
