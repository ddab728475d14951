// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Single operators of a TensorFlow Lite graph understood, and the canonical tensors they give.
#include "weights/tflite_match.h"

enum { PADDING_SAME = 0 };
enum { ACTIVATION_NONE = 0, ACTIVATION_RELU6 = 3 };
// options by field number
enum {
    CONV_PADDING,
    CONV_STRIDE_W,
    CONV_STRIDE_H,
    CONV_ACTIVATION,
    CONV_DILATION_W,
    CONV_DILATION_H
};
enum { DEPTHWISE_MULTIPLIER = 3, DEPTHWISE_ACTIVATION, DEPTHWISE_DILATION_W, DEPTHWISE_DILATION_H };

bool tflite_other(struct follow *follow, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    if (follow->error && !*follow->error) {
        unsupported(follow->error, "%s", text);
    }
    return false;
}

int tflite_reader(const struct follow *follow, int tensor, int code, int n)
{
    const struct tflite *tflite = follow->tflite;
    if (tensor < 0) {
        return -1;
    }
    const struct tflite_tensor *read = &tflite->tensors[tensor];
    for (uint32_t i = 0; i < read->n_readers; i++) {
        int op = tflite->readers[read->first_reader + i];
        if (tflite->operators[op].code == code && n-- == 0) {
            return op;
        }
    }
    return -1;
}

int tflite_sole_reader(const struct follow *follow, int tensor)
{
    const struct tflite *tflite = follow->tflite;
    if (tensor < 0 || tflite->tensors[tensor].n_readers != 1) {
        return -1;
    }
    return tflite->readers[tflite->tensors[tensor].first_reader];
}

int tflite_producer(const struct follow *follow, int tensor, int code)
{
    int op = tensor >= 0 ? follow->tflite->tensors[tensor].producer : -1;
    return op >= 0 && follow->tflite->operators[op].code == code ? op : -1;
}

int tflite_option8(const struct follow *follow, int op, int field)
{
    return fb_u8(&follow->tflite->operators[op].options, field, 0);
}

int tflite_option32(const struct follow *follow, int op, int field)
{
    return fb_i32(&follow->tflite->operators[op].options, field, 0);
}

static bool is_constant(const struct follow *follow, int tensor)
{
    return tensor >= 0 && follow->tflite->tensors[tensor].bytes > 0 &&
           follow->tflite->tensors[tensor].producer < 0;
}

// A separate ReLU6 after a convolution or a sum that has none of its own.
static bool take_activation(struct follow *follow, int fused, int op, int *output, bool *relu6)
{
    *output = tflite_output(follow->tflite, op);
    *relu6 = fused == ACTIVATION_RELU6;
    if (fused != ACTIVATION_NONE && fused != ACTIVATION_RELU6) {
        return tflite_other(follow, "operator %d (%s) has another activation than ReLU6", op,
                            tflite_code_name(follow->tflite->operators[op].code));
    }
    int next = tflite_sole_reader(follow, *output);
    if (fused == ACTIVATION_NONE && next >= 0 &&
        follow->tflite->operators[next].code == TFLITE_RELU6) {
        *output = tflite_output(follow->tflite, next);
        *relu6 = true;
    }
    return *output >= 0 || tflite_other(follow, "operator %d has no output", op);
}

static bool check_weights(struct follow *follow, struct conv *conv)
{
    const struct tflite_tensor *weight = &follow->tflite->tensors[conv->weight];
    const int32_t *shape = weight->shape;
    if (weight->rank != 4 || weight->elements == 0 || shape[1] != shape[2] ||
        (conv->depthwise && shape[0] != 1)) {
        return tflite_other(follow, "the weights of operator %d are no square kernels", conv->op);
    }
    conv->kernel = shape[1];
    conv->outputs = conv->depthwise ? shape[3] : shape[0];
    conv->inputs = conv->depthwise ? 1 : shape[3];
    if (conv->bias >= 0 && (follow->tflite->tensors[conv->bias].elements != conv->outputs ||
                            follow->tflite->tensors[conv->bias].rank != 1)) {
        return tflite_other(follow, "operator %d has not one bias a channel", conv->op);
    }
    if (!tflite_check_constant(follow->tflite, conv->weight, follow->error) ||
        (conv->bias >= 0 && !tflite_check_constant(follow->tflite, conv->bias, follow->error))) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        int tensor = i == 0 ? conv->weight : conv->bias;
        const struct tflite_tensor *constant = &follow->tflite->tensors[MAX(tensor, 0)];
        if (tensor >= 0 && tflite_dtype(constant->type) > DTYPE_F64 &&
            constant->scales.count == 0) {
            return tflite_other(follow, "the integers of tensor %d have no scale", tensor);
        }
    }
    return true;
}

bool tflite_conv(struct follow *follow, int op, struct conv *conv)
{
    const struct tflite *tflite = follow->tflite;
    *conv = (struct conv){.op = op,
                          .input = tflite_input(tflite, op, 0),
                          .weight = tflite_input(tflite, op, 1),
                          .bias = tflite_input(tflite, op, 2)};
    conv->depthwise = tflite->operators[op].code == TFLITE_DEPTHWISE_CONV_2D;
    bool depthwise = conv->depthwise;
    if (!is_constant(follow, conv->weight) ||
        (conv->bias >= 0 && !is_constant(follow, conv->bias))) {
        return tflite_other(follow, "operator %d (%s) has no constant weights", op,
                            tflite_code_name(tflite->operators[op].code));
    }
    int stride = tflite_option32(follow, op, CONV_STRIDE_H);
    int dilation_w = depthwise ? DEPTHWISE_DILATION_W : CONV_DILATION_W;
    const struct fb_table *options = &tflite->operators[op].options;
    conv->stride = stride;
    if (tflite_option32(follow, op, CONV_STRIDE_W) != stride ||
        fb_i32(options, dilation_w, 1) != 1 || fb_i32(options, dilation_w + 1, 1) != 1 ||
        (depthwise && tflite_option32(follow, op, DEPTHWISE_MULTIPLIER) > 1)) {
        return tflite_other(follow, "operator %d (%s) is dilated or of unequal strides", op,
                            tflite_code_name(tflite->operators[op].code));
    }
    int fused = tflite_option8(follow, op, depthwise ? DEPTHWISE_ACTIVATION : CONV_ACTIVATION);
    if (!check_weights(follow, conv) ||
        !take_activation(follow, fused, op, &conv->output, &conv->relu6)) {
        return false;
    }
    if (conv->kernel > 1 && tflite_option8(follow, op, CONV_PADDING) != PADDING_SAME) {
        return tflite_other(follow, "operator %d (%s) pads in another way than SAME", op,
                            tflite_code_name(tflite->operators[op].code));
    }
    return true;
}

float *tflite_weights(struct follow *follow, int tensor)
{
    return tflite_values(follow->tflite, tensor, follow->error);
}

bool tflite_separable(struct follow *follow, int op, struct conv *depthwise, struct conv *pointwise)
{
    if (!tflite_conv(follow, op, depthwise)) {
        return false;
    }
    int next = tflite_sole_reader(follow, depthwise->output);
    if (depthwise->kernel != 3 || depthwise->stride != 1 || depthwise->relu6 || next < 0 ||
        follow->tflite->operators[next].code != TFLITE_CONV_2D) {
        return tflite_other(follow, "operator %d is no 3x3 half of a separable convolution", op);
    }
    if (!tflite_conv(follow, next, pointwise)) {
        return false;
    }
    if (pointwise->kernel != 1 || pointwise->stride != 1 ||
        pointwise->inputs != depthwise->outputs) {
        return tflite_other(follow, "operator %d is no pointwise half of a separable convolution",
                            next);
    }
    g_autofree float *bias = depthwise->bias >= 0 ? tflite_weights(follow, depthwise->bias) : NULL;
    for (int i = 0; bias && i < depthwise->outputs; i++) {
        if (bias[i] != 0.0f) {
            return tflite_other(follow,
                                "operator %d has a bias between the halves of a separable "
                                "convolution",
                                op);
        }
    }
    return bias != NULL || depthwise->bias < 0;
}

// ---- canonical tensors -------------------------------------------------------------------------

static void add(struct follow *follow, char *name, struct tflite_source source, enum dtype dtype,
                int rank, const int64_t *shape)
{
    struct pending pending = {.name = name, .source = source};
    int64_t stride = 1;
    pending.tensor.info.dtype = dtype;
    pending.tensor.info.rank = rank;
    for (int i = rank - 1; i >= 0; i--) {
        pending.tensor.info.shape[i] = shape[i];
        pending.tensor.stride[i] = stride;
        stride *= shape[i];
    }
    pending.tensor.storage_bytes = (uint64_t)stride * dtype_size(dtype);
    g_array_append_val(follow->pending, pending);
}

#define NAME(name, format)                                                                         \
    char *name;                                                                                    \
    do {                                                                                           \
        va_list args;                                                                              \
        va_start(args, format);                                                                    \
        name = g_strdup_vprintf(format, args);                                                     \
        va_end(args);                                                                              \
    } while (0)

static void add_matrix(struct follow *follow, const struct conv *conv, char *name,
                       struct tflite_source source, enum dtype dtype)
{
    const int64_t shape[4] = {conv->outputs, conv->inputs, conv->kernel, conv->kernel};
    add(follow, name, source, dtype, 4, shape);
}

void emit_weight(struct follow *follow, const struct conv *conv, const char *format, ...)
{
    NAME(name, format);
    struct tflite_source source = {.tensor = conv->weight,
                                   .layout = conv->depthwise ? TFLITE_1HWC : TFLITE_OHWI};
    add_matrix(follow, conv, name, source,
               tflite_dtype(follow->tflite->tensors[conv->weight].type));
}

void emit_values(struct follow *follow, const struct conv *conv, float *values, const char *format,
                 ...)
{
    NAME(name, format);
    add_matrix(follow, conv, name, (struct tflite_source){.tensor = -1, .values = values},
               DTYPE_F32);
}

static void add_fill(struct follow *follow, char *name, int n, float fill)
{
    const int64_t shape[1] = {n};
    add(follow, name, (struct tflite_source){.tensor = -1, .fill = fill}, DTYPE_F32, 1, shape);
}

static void add_bias(struct follow *follow, const struct conv *conv, char *name)
{
    const int64_t shape[1] = {conv->outputs};
    if (conv->bias < 0) {
        add_fill(follow, name, conv->outputs, 0.0f);
        return;
    }
    add(follow, name, (struct tflite_source){.tensor = conv->bias},
        tflite_dtype(follow->tflite->tensors[conv->bias].type), 1, shape);
}

void emit_bias(struct follow *follow, const struct conv *conv, const char *format, ...)
{
    NAME(name, format);
    add_bias(follow, conv, name);
}

void emit_zeros(struct follow *follow, int n, const char *format, ...)
{
    NAME(name, format);
    add_fill(follow, name, n, 0.0f);
}

void emit_bn(struct follow *follow, const struct conv *conv, const float *scale, const char *format,
             ...)
{
    NAME(prefix, format);
    const int64_t shape[1] = {conv->outputs};
    char *weight = g_strconcat(prefix, ".weight", NULL);
    if (scale) {
        float *copy = g_memdup2(scale, (gsize)conv->outputs * sizeof *scale);
        add(follow, weight, (struct tflite_source){.tensor = -1, .values = copy}, DTYPE_F32, 1,
            shape);
    } else {
        add_fill(follow, weight, conv->outputs, 1.0f);
    }
    add_bias(follow, conv, g_strconcat(prefix, ".bias", NULL));
    add_fill(follow, g_strconcat(prefix, ".running_mean", NULL), conv->outputs, 0.0f);
    add_fill(follow, g_strconcat(prefix, ".running_var", NULL), conv->outputs,
             TFLITE_UNIT_VARIANCE);
    g_free(prefix);
}
