// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Constants of TensorFlow Lite files: checked, and as floats.
#include "weights/tflite.h"

#include <math.h>
#include <string.h>

enum { TENSOR_SPARSITY = 6, QUANT_DETAILS = 4 };

static const struct {
    int type;
    enum dtype dtype;
} types[] = {
    {TFLITE_FLOAT32, DTYPE_F32}, {TFLITE_FLOAT16, DTYPE_F16}, {TFLITE_INT32, DTYPE_I32},
    {TFLITE_UINT8, DTYPE_U8},    {TFLITE_INT64, DTYPE_I64},   {TFLITE_INT16, DTYPE_I16},
    {TFLITE_INT8, DTYPE_I8},     {TFLITE_FLOAT64, DTYPE_F64},
};

enum dtype tflite_dtype(int type)
{
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        if (types[i].type == type) {
            return types[i].dtype;
        }
    }
    return N_DTYPES;
}

// A constant holds as much as its shape says and has scales that its values can be read with.
bool tflite_check_constant(const struct tflite *tflite, int index, GError **error)
{
    const struct tflite_tensor *tensor = &tflite->tensors[index];
    struct fb_table quantization = fb_table(&tensor->table, TFLITE_TENSOR_QUANTIZATION);
    enum dtype dtype = tflite_dtype(tensor->type);
    uint32_t scales = tensor->scales.count, zeros = tensor->zero_points.count;
    if (dtype == N_DTYPES) {
        unsupported(error, "tensor %d is of a type (%d) that is not read", index, tensor->type);
        return false;
    }
    if (fb_has(&tensor->table, TENSOR_SPARSITY) || fb_u8(&quantization, QUANT_DETAILS, 0) != 0) {
        unsupported(error, "tensor %d is stored sparse or with a quantization that is not read",
                    index);
        return false;
    }
    if ((uint64_t)tensor->elements * dtype_size(dtype) != tensor->bytes) {
        bad_file(error,
                 "tensor %d has %" G_GUINT64_FORMAT " bytes of data, not what its shape says",
                 index, tensor->bytes);
        return false;
    }
    bool per_axis = scales > 1;
    if ((per_axis && (tensor->axis < 0 || tensor->axis >= tensor->rank ||
                      (uint32_t)tensor->shape[tensor->axis] != scales)) ||
        (zeros > 1 && zeros != scales)) {
        bad_file(error, "tensor %d has %u scales and %u zero points, not one a channel", index,
                 scales, zeros);
        return false;
    }
    for (uint32_t i = 0; i < scales; i++) {
        float scale = fb_vector_f32(&tensor->scales, i);
        if (!(scale >= 0.0f) || isinf(scale)) {
            bad_file(error, "tensor %d has a scale of %g", index, scale);
            return false;
        }
    }
    return true;
}

// In double, as biases of 32 bits do not fit a float.
static double number_at(enum dtype dtype, const uint8_t *bytes)
{
    uint32_t bits;
    if (dtype != DTYPE_I32) {
        return container_load_float(dtype, bytes);
    }
    memcpy(&bits, bytes, sizeof bits);
    return (int32_t)GUINT32_FROM_LE(bits);
}

float *tflite_values(const struct tflite *tflite, int index, GError **error)
{
    const struct tflite_tensor *tensor = &tflite->tensors[index];
    if (!tflite_check_constant(tflite, index, error)) {
        return NULL;
    }
    enum dtype dtype = tflite_dtype(tensor->type);
    const uint8_t *bytes = tflite->bytes + tensor->position;
    size_t size = dtype_size(dtype), n = (size_t)tensor->elements;
    float *values = g_try_malloc_n(MAX(n, 1), sizeof *values);
    if (!values) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY,
                    "not enough memory for tensor %d", index);
        return NULL;
    }
    uint32_t scales = dtype <= DTYPE_F64 ? 0 : tensor->scales.count;
    size_t inner = 1; // elements that one scale is for in a row
    for (int i = tensor->rank - 1; i > tensor->axis && scales > 1; i--) {
        inner *= (size_t)tensor->shape[i];
    }
    for (size_t i = 0; i < n; i++) {
        double value = number_at(dtype, bytes + i * size);
        if (scales > 0) {
            uint32_t channel = (uint32_t)(i / inner % scales);
            uint32_t zeros = tensor->zero_points.count;
            double scale = fb_vector_f32(&tensor->scales, channel);
            double zero =
                zeros ? (double)fb_vector_i64(&tensor->zero_points, zeros > 1 ? channel : 0) : 0.0;
            value = scale * (value - zero);
        }
        values[i] = (float)value;
    }
    return values;
}

bool tflite_same(const struct tflite *tflite, int a, int b)
{
    const struct tflite_tensor *left = &tflite->tensors[a], *right = &tflite->tensors[b];
    if (a == b) {
        return true;
    }
    if (left->type != right->type || left->bytes != right->bytes || left->rank != right->rank ||
        memcmp(left->shape, right->shape, sizeof left->shape) != 0 || left->axis != right->axis ||
        left->scales.count != right->scales.count ||
        left->zero_points.count != right->zero_points.count ||
        memcmp(tflite->bytes + left->position, tflite->bytes + right->position, left->bytes) != 0) {
        return false;
    }
    for (uint32_t i = 0; i < left->scales.count; i++) {
        if (fb_vector_f32(&left->scales, i) != fb_vector_f32(&right->scales, i)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < left->zero_points.count; i++) {
        if (fb_vector_i64(&left->zero_points, i) != fb_vector_i64(&right->zero_points, i)) {
            return false;
        }
    }
    return true;
}

bool tflite_integers(const struct tflite *tflite, int index, int n, int32_t *values)
{
    const struct tflite_tensor *tensor = &tflite->tensors[index];
    if (tensor->type != TFLITE_INT32 || tensor->elements != n ||
        tensor->bytes != (uint64_t)n * sizeof *values) {
        return false;
    }
    for (int i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, tflite->bytes + tensor->position + (uint64_t)i * sizeof bits, sizeof bits);
        values[i] = (int32_t)GUINT32_FROM_LE(bits);
    }
    return true;
}
