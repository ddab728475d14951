// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The network as data: values (tensors), nodes (operations), and the passes over them. No weights
// and no Vulkan: a node names its weights.
//
// Layout of every value: [ceil(channels / 4)][plane_pitch][4] elements. A plane holds the pixels of
// one or several feature maps ("levels", each row-major [height][width]) one after the other, so
// that an operation that shares its weights between levels is one operation.
#pragma once

#include "net/model.h"

#include <stdint.h>

#define MAX_INPUTS 4
#define NAME_SIZE 96

struct extent {
    int height, width;
    int offset; // first pixel inside the plane
};

struct value {
    char name[48]; // for messages, dumps and tests: "C3", "cell0.P4", "class", ...
    int channels;
    int n_levels; // feature maps in a plane
    struct extent level[MAX_LEVELS];
    int pixels; // sum of height * width
    int pitch;  // pixels from one channel block to the next, >= pixels, set by the planner
    int parent; // value that this one is a view of, or -1: same channels, level view_level of it
    int view_level;
    bool is_float; // always 32-bit (squeeze-excite vectors, partial sums), whatever the precision
    bool external; // input or output: not in the arena's aliasing (lives through the whole frame)
    // planner
    uint64_t offset, bytes; // in the arena, offset aligned to 256
    int first, last;        // first and last node that touches it
};

enum op {
    OP_STEM,      // dense 3x3 stride 2 on [1][H][W][4] (RGB0)
    OP_POINTWISE, // 1x1; optional input scale (squeeze-excite), residual, activation
    OP_DEPTHWISE, // kxk; optional partial sums for squeeze-excite
    OP_MEAN,      // global average of every channel -> [C/4][1][4] float
    OP_SQUEEZE,   // partial sums -> mean, FC1, activation, FC2, sigmoid -> [C/4][1][4] float
    OP_SCALE,     // value * channel vector (plain graph only)
    OP_NODE,      // activation(sum of a_i * resample_i(x_i)): add, fuse, resample, pool, activation
    N_OPS
};

enum resample { RESAMPLE_NONE, RESAMPLE_NEAREST, RESAMPLE_BILINEAR, RESAMPLE_MAXPOOL };

struct node {
    enum op op;
    char name[64]; // "blocks.2.1.dw", "cell0.node4.combine", ...
    int n_inputs;
    int inputs[MAX_INPUTS]; // value ids
    int scale;              // POINTWISE, SCALE: value id of the channel vector, or -1
    int residual;           // POINTWISE: value added after activation, or -1
    int output;
    int partial;        // DEPTHWISE: value id of the partial sums, or -1; SQUEEZE: its input
    double divisor;     // SQUEEZE: the sum of its input over pixels is divided by this
    int kernel, stride; // STEM, DEPTHWISE
    enum pad_type pad;  // STEM, DEPTHWISE, RESAMPLE_MAXPOOL
    enum activation act;
    // weights, by rwightman (canonical) name; "" = none
    char weight[NAME_SIZE]; // [O][I][k][k] (depthwise [C][1][k][k])
    char bias[NAME_SIZE];   // [O]
    char bn[MAX_LEVELS]
           [NAME_SIZE]; // BN prefix to fold; one for each level of the value when n_bn > 1
    int n_bn;
    double bn_eps;
    // SQUEEZE: FC1 = weight/bias, FC2:
    char weight2[NAME_SIZE], bias2[NAME_SIZE];
    int squeeze; // SQUEEZE: width of FC1
    // NODE
    enum resample resample[MAX_INPUTS];
    enum fusion fusion; // FUSION_SUM: all factors 1
    char edge_weights[NAME_SIZE];
    enum pool_padding pool_padding;
};

struct graph {
    GArray *values;     // struct value
    GArray *nodes;      // struct node, in execution order
    int input;          // value: [1][H][W][4] normalised RGB0
    int classes, boxes; // values: pyramids of raw logits, A * num_classes and A * 4 channels
    uint64_t arena_bytes, lower_bound_bytes;
};

// Builds the plain graph: one node an operation. Never fails for a valid model.
struct graph *graph_new(const struct model *model);
void graph_free(struct graph **graph);
// Merges nodes (fuse.c): residual, scale, squeeze-excite, resample + sum + activation, levels that
// share weights.
void graph_fuse(struct graph *graph);
// Chooses pitches and arena offsets (plan.c). element_bytes: 2 or 4, of the values that are not
// is_float.
void graph_plan(struct graph *graph, int element_bytes);

struct value *graph_value(const struct graph *graph, int id);
struct node *graph_node(const struct graph *graph, int index);
int graph_value_by_name(const struct graph *graph, const char *name); // -1 when there is none
int channel_blocks(int channels);                                     // ceil(channels / 4)

// Padding before the first row or column (spec 2.1, 2.3).
int pad_before(enum pad_type pad, int size, int kernel, int stride);
int conv_output_size(int size, int stride); // ceil

// Anchor boxes (anchors.c). Global index = base[level] + (y * W + x) * A + a; centre and size in
// input pixels.
struct anchor {
    double cy, cx, h, w;
};
struct anchor anchor_at(const struct model *model, int level_index, int y, int x, int a);
