// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Internal to weights/: a TensorFlow Lite file as tensors and the operators between them, and what
// the canonical tensors of a network are made of. Everything points into the file's bytes, which
// stay in memory until the container is closed.
#pragma once

#include "weights/container_internal.h"
#include "weights/flatbuffer.h"

enum tflite_code { // of the file format's builtin operators
    TFLITE_ADD = 0,
    TFLITE_CONCATENATION = 2,
    TFLITE_CONV_2D = 3,
    TFLITE_DEPTHWISE_CONV_2D = 4,
    TFLITE_DEQUANTIZE = 6,
    TFLITE_LOGISTIC = 14,
    TFLITE_MAX_POOL_2D = 17,
    TFLITE_RELU6 = 21,
    TFLITE_RESHAPE = 22,
    TFLITE_CUSTOM = 32,
    TFLITE_RESIZE_NEAREST_NEIGHBOR = 97,
    TFLITE_ADD_N = 106,
    TFLITE_QUANTIZE = 114,
    TFLITE_DETECTION_POSTPROCESS = 1000, // ours: the custom operator of that name
};

enum tflite_type {
    TFLITE_FLOAT32 = 0,
    TFLITE_FLOAT16 = 1,
    TFLITE_INT32 = 2,
    TFLITE_UINT8 = 3,
    TFLITE_INT64 = 4,
    TFLITE_INT16 = 7,
    TFLITE_INT8 = 9,
    TFLITE_FLOAT64 = 10
};

enum { TFLITE_TENSOR_NAME = 3, TFLITE_TENSOR_QUANTIZATION = 4 }; // fields of a tensor's table

struct tflite_tensor {
    int type, rank;
    int32_t shape[MAX_RANK];
    int64_t elements;         // 0: some dimension is open
    uint64_t position, bytes; // of the data in the file; bytes 0: no constant
    struct fb_table table;
    struct fb_vector scales, zero_points;
    int axis;     // that the scales are along
    int producer; // operator, or -1
    int root;     // what it was before QUANTIZE and DEQUANTIZE; itself where there is none
    uint32_t first_reader, n_readers; // of a root, in tflite.readers
};

struct tflite_operator {
    int code;
    struct fb_table table, options;
    struct fb_vector inputs, outputs;
};

// What a tensor of the container is made of.
enum tflite_layout { TFLITE_AS_IS, TFLITE_OHWI, TFLITE_1HWC };
struct tflite_source {
    int tensor; // of the file, or -1
    enum tflite_layout layout;
    float *values; // tensor -1: owned, or NULL: all elements are `fill`
    float fill;
};

struct tflite {
    uint8_t *bytes;
    struct flatbuffer buffer;
    struct fb_table model, graph;
    int n_tensors, n_operators;
    struct tflite_tensor *tensors;
    struct tflite_operator *operators;
    int *readers;    // operators that read a root, in the file's order
    GArray *sources; // struct tflite_source
};

// Tensors, operators and who reads what; all indices are in range afterwards.
bool tflite_parse(struct tflite *tflite, GError **error) WARN_UNUSED;
// Input or output of an operator as its root; -1 where there is none.
int tflite_input(const struct tflite *tflite, int op, uint32_t index);
int tflite_output(const struct tflite *tflite, int op);
const char *tflite_code_name(int code);
// Whether a constant holds what its shape says, in a type and with scales that are read.
bool tflite_check_constant(const struct tflite *tflite, int tensor, GError **error) WARN_UNUSED;
enum dtype tflite_dtype(int type); // of a type that a checked constant has
// The values of a constant, dequantised, in the file's order (transfer full).
float *tflite_values(const struct tflite *tflite, int tensor, GError **error) WARN_UNUSED;
// Whether two constants have the same bytes and meaning.
bool tflite_same(const struct tflite *tflite, int a, int b);
// The constant as small whole numbers; false where it is none or has another count.
bool tflite_integers(const struct tflite *tflite, int tensor, int n, int32_t *values);
// A piece of one of the file's data buffers; false where there is none.
bool tflite_buffer(struct tflite *tflite, uint32_t index, uint64_t *position, uint64_t *bytes);

// tflite_graph.c: finds an EfficientDet by following the operators and adds its canonical tensors.
// False with *error that says what the graph has instead; then nothing was added.
bool tflite_follow(struct container *container, struct tflite *tflite, GError **error) WARN_UNUSED;
