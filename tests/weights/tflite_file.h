// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A writer of TensorFlow Lite files for tests, independent of the reader: the graph of a model with
// its batch norms folded, in the forms that converters give it.
#pragma once

#include "weights/checkpoint.h"

enum tflite_precision { TFLITE_SINGLE, TFLITE_HALF, TFLITE_BYTES };
// TFLite Metadata: labels in an archive behind the file, and normalisation.
struct tflite_about {
    const char *labels; // text of the label file, or NULL
    bool deflated;
    int level;       // what the list belongs to: 0 an output, 1 the graph, 2 the model
    float mean, std; // std 0: none
};
struct tflite_options {
    const struct tflite_about *about; // or NULL
    enum tflite_precision precision;
    bool detection;   // ends in TFLite_Detection_PostProcess
    bool pairs;       // anchors of aspect ratios 1.4 and 0.7
    bool turned;      // operands of sums the other way round, activations as operators
    bool shuffled;    // constants in reverse order, the box head first
    bool signature;   // names its outputs in a signature, not by their tensors
    bool half_pixels; // resizes with half-pixel centres
    bool valid;       // convolutions pad as VALID
    bool scaled;      // the detection operator has factors
    bool byte_input;
    bool other_box; // the box head of the top level predicts with weights of its own
    double nudge;   // added to one anchor
};
// How a constant comes out of a file of this precision: rounded in place. Weights: outputs first.
void tflite_round(enum tflite_precision precision, float *values, int outputs, int row);
GByteArray *tflite_file_of(struct checkpoint *checkpoint, const struct tflite_options *options);

// tflite_bytes.c: FlatBuffers front to back.
#define TFLITE_MAX_FIELDS 12
struct fbw_table {
    uint32_t slot[TFLITE_MAX_FIELDS]; // position of each field, 0: left out
};
// sizes: of n fields, 0 leaves one out.
struct fbw_table fbw_table(GByteArray *bytes, const uint8_t *sizes, int n, uint32_t *position);
void fbw_set(GByteArray *bytes, uint32_t position, const void *value, int size);
void fbw_link(GByteArray *bytes, uint32_t slot, uint32_t target);
// Returns its position; elements follow four bytes later. data NULL: zeros, to be linked.
uint32_t fbw_vector(GByteArray *bytes, uint32_t count, uint32_t element_bytes, const void *data);
// A FlexBuffer map of floats; keys in order.
GByteArray *flex_map(const char *const *keys, const float *values, int n);
// tflite_about.c: the buffer of metadata, and the archive behind `file`.
GByteArray *about_bytes(const struct tflite_about *about);
void about_append(GByteArray *file, const struct tflite_about *about);
