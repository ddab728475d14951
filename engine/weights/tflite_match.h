// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Internal to weights/: what the followers of a TensorFlow Lite graph share: operators understood,
// and the canonical tensors that they amount to. Walks are bounded by counts, whatever the graph.
#pragma once

#include "weights/tflite.h"

#define TFLITE_LEVELS 5 // P3 .. P7
#define TFLITE_MAX_REPEATS 16
// Batch norms are folded into the convolutions of the file. Canonical tensors have them: with this
// variance a batch norm multiplies by one (with the 1e-3 of these networks), exactly so in floats.
#define TFLITE_UNIT_VARIANCE ((float)(1.0 - 1e-3))

struct conv {
    int op, input, output; // output: after the activation
    int weight, bias;      // constants; bias -1: none
    bool depthwise, relu6;
    int kernel, stride, outputs, inputs; // inputs of a depthwise one: 1
};

// What will be added to the container once the whole graph is understood.
struct pending {
    char *name;
    struct stored_tensor tensor;
    struct tflite_source source;
};

struct follow {
    struct tflite *tflite;
    GError **error; // set once, by tflite_other()
    GArray *pending;
    int input, height, width;
    int taps[3]; // C3, C4, C5
    int channels, cells, repeats;
    int features[TFLITE_LEVELS]; // that the heads read
    int classes, boxes;          // channels of the heads
    int anchors;                 // constant that the detection operator reads, or -1
    int detection;               // that operator, or -1
};

// Says what the graph has instead of an EfficientDet; always false.
bool tflite_other(struct follow *follow, const char *format, ...) G_GNUC_PRINTF(2, 3);

// The n-th operator of a kind that reads a tensor, or -1.
int tflite_reader(const struct follow *follow, int tensor, int code, int n);
int tflite_sole_reader(const struct follow *follow, int tensor);        // -1: none or several
int tflite_producer(const struct follow *follow, int tensor, int code); // -1: another kind
// Field of an operator's options that is a byte or a 32-bit number.
int tflite_option8(const struct follow *follow, int op, int field);
int tflite_option32(const struct follow *follow, int op, int field);

// Understands a convolution, with the ReLU6 fused into it or after it. False with *error set.
bool tflite_conv(struct follow *follow, int op, struct conv *conv) WARN_UNUSED;
// depthwise 3x3, then pointwise: false with *error set when it is anything else.
bool tflite_separable(struct follow *follow, int op, struct conv *depthwise,
                      struct conv *pointwise) WARN_UNUSED;
// Values of a constant with one scale at least if it is quantised; NULL with *error.
float *tflite_weights(struct follow *follow, int tensor) WARN_UNUSED;

// Canonical tensors, names in printf form.
void emit_weight(struct follow *follow, const struct conv *conv, const char *name, ...)
    G_GNUC_PRINTF(3, 4);
// A batch norm that adds the convolution's bias.
void emit_bn(struct follow *follow, const struct conv *conv, const float *scale, const char *name,
             ...) G_GNUC_PRINTF(4, 5);
void emit_bias(struct follow *follow, const struct conv *conv, const char *name, ...)
    G_GNUC_PRINTF(3, 4);
// A bias of zeros, where a batch norm has it.
void emit_zeros(struct follow *follow, int n, const char *name, ...) G_GNUC_PRINTF(3, 4);
// [outputs][inputs][1][1], owned by the callee from here on.
void emit_values(struct follow *follow, const struct conv *conv, float *values, const char *name,
                 ...) G_GNUC_PRINTF(4, 5);

// tflite_graph.c, tflite_pyramid.c, tflite_head.c: each continues where the one before ended.
bool follow_pyramid(struct follow *follow) WARN_UNUSED;
bool follow_heads(struct follow *follow) WARN_UNUSED;
// tflite_anchors.c: anchors of the detection operator as metadata keys.
bool describe_anchors(struct follow *follow, GHashTable *metadata) WARN_UNUSED;
// tflite_about.c: everything else that the file says about itself.
bool describe_file(struct container *container, struct follow *follow) WARN_UNUSED;
// tflite_archive.c: a text file of the zip archive that may follow a TensorFlow Lite file (transfer
// full); NULL where there is none of that name, or it is damaged or larger than 1 MiB.
char *archive_text(const uint8_t *bytes, uint64_t size, const char *name) WARN_UNUSED;
