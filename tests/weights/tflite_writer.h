// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Between the halves of the writer of TensorFlow Lite files: operators and their tensors, as
// tflite_file.c makes them and tflite_write.c writes them.
#pragma once

#include "tflite_file.h"

enum { ADD = 0, CONCAT = 2, CONV = 3, DEPTHWISE = 4, DEQUANTIZE = 6, LOGISTIC = 14, POOL = 17 };
enum { RELU6 = 21, RESHAPE = 22, CUSTOM = 32, RESIZE = 97, QUANTIZE = 114 };
enum { F32 = 0, F16 = 1, I32 = 2, U8 = 3, I8 = 9 };

struct tensor {
    int type, rank, axis, n_scales;
    int32_t shape[4];
    GBytes *data; // NULL: made by an operator
    float *scales;
    int64_t zero;
};
struct operation {
    int code, n_inputs, n_outputs, inputs[10], outputs[4];
    int options[6]; // by field; what is no byte is a number of 32 bits
};
struct writer {
    const struct tflite_options *options;
    struct checkpoint *checkpoint;
    const struct graph *graph;
    GArray *tensors, *operations;
    GArray *outputs;      // int: tensors, classes by level, then boxes
    GHashTable *of_value; // (value, level) -> tensor + 1
};

// The whole file (transfer full); input: the tensor that the graph reads.
GByteArray *writer_bytes(const struct writer *writer, int input);
