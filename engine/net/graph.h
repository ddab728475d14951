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
#define MAX_PARTS 6
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
    int pixels;     // sum of height * width
    int pitch;      // pixels from one channel block to the next, >= pixels, set by the planner
    int parent;     // value that this one is a view of, or -1; never itself a view
    int view_level; // view: the level of the parent that it is, or -1: all of them
    int view_block; // view: first of its channel blocks in the parent
    bool is_float;  // always 32-bit (squeeze-excite vectors, partial sums), whatever the precision
    uint64_t offset, bytes; // planner: in the arena, offset aligned to 256
    int first, last;        // planner: first and last level that touches it
};

enum op {
    OP_STEM,      // dense 3x3 stride 2 on [1][H][W][4] (RGB0)
    OP_POINTWISE, // 1x1; optional input scale (squeeze-excite), residual, activation
    OP_DEPTHWISE, // kxk; optional partial sums for squeeze-excite
    OP_MEAN,      // global average of every channel -> [C/4][1][4] float
    OP_SQUEEZE,   // partial sums -> mean, FC1, activation, FC2, sigmoid -> [C/4][1][4] float
    OP_SCALE,     // value * channel vector (plain graph only)
    OP_NODE,      // activation(sum of a_i * resample_i(x_i)): add, fuse, resample, pool, activation
    OP_SEPARABLE, // depthwise 3x3 stride 1, then pointwise (fused graph only, as is the next)
    OP_EXPAND_DEPTHWISE, // pointwise, then depthwise, and its partial sums (likewise)
    OP_SUM_DEPTHWISE,    // what a NODE does, then depthwise 3x3 stride 1 (likewise)
    OP_CONV,             // dense kxk
    OP_CHAIN,            // several nodes on tiny maps, one after the other in one workgroup
    N_OPS
};

enum resample { RESAMPLE_NONE, RESAMPLE_NEAREST, RESAMPLE_BILINEAR, RESAMPLE_MAXPOOL };

// One of several convolutions of one kind that a node does side by side, each with output channels
// of its own. The parts of a node have the same number of inputs; all begin at multiples of as many
// output (and input) channels.
struct part {
    // weights, by rwightman (canonical) name; "" = none
    char weight[NAME_SIZE];    // [O][I][k][k] (depthwise [C][1][k][k])
    char bias[NAME_SIZE];      // [O]
    char depthwise[NAME_SIZE]; // SEPARABLE: [I][1][k][k], before `weight`
    char bn[MAX_LEVELS]
           [NAME_SIZE];         // BN prefix to fold; one for each level of the value when n_bn > 1
    int channels, first_output; // O; where they are in the output, a multiple of 4
    int inputs, first_input;    // channels that it reads; where they are in the input, likewise
};

struct node {
    enum op op;
    char name[64];                    // "blocks.2.1.dw", "cell0.node4.combine", ...
    int n_inputs, inputs[MAX_INPUTS]; // value ids
    int scale;                        // POINTWISE, SCALE: value id of the channel vector, or -1
    int residual;                     // POINTWISE: value added after activation, or -1
    int output;
    int partial; // value id of partial sums, or -1: (EXPAND_)DEPTHWISE: a further output; SQUEEZE:
                 // its input; POINTWISE: input is scaled by what a SQUEEZE would make of it
    int kernel, stride;           // STEM, CONV, (EXPAND_, SUM_)DEPTHWISE, SEPARABLE
    enum pad_type pad;            // of these, and of RESAMPLE_MAXPOOL
    enum activation act, act_in;  // act_in: of sums, of FC1 (POINTWISE), between the halves
    struct part parts[MAX_PARTS]; // of convolutions; EXPAND_DEPTHWISE: its halves, in order
    int n_parts, n_bn;
    double bn_eps;
    // SQUEEZE, POINTWISE with partial: mean -> FC1 -> activation -> FC2 -> sigmoid
    char reduce[NAME_SIZE], reduce_bias[NAME_SIZE]; // FC1 [squeeze][C]
    char expand[NAME_SIZE], expand_bias[NAME_SIZE]; // FC2 [C][squeeze]
    int squeeze;                                    // width of FC1
    double divisor; // the sum of `partial` over its pixels is divided by this
    // NODE: act(sum of a_i * resample_i(x_i)); SUM_DEPTHWISE, SEPARABLE when `sums`: act_in(...)
    bool sums;
    enum resample resample[MAX_INPUTS];
    enum fusion fusion; // FUSION_SUM: all factors 1
    char edge_weights[NAME_SIZE];
    enum pool_padding pool_padding;
    int first_step, n_steps; // CHAIN: range of graph->steps, in order
    int level;               // planner: dependency level
};

struct graph {
    GArray *values;     // struct value
    GArray *nodes;      // struct node, in execution order
    GArray *steps;      // struct node: what the CHAIN nodes do; not in `nodes`
    int input;          // value: [1][H][W][4] normalised RGB0
    int classes, boxes; // values: pyramids of raw logits, A * num_classes and A * 4 channels
    uint64_t arena_bytes, lower_bound_bytes;
};

// Builds the plain graph: one node an operation. Never fails for a valid model.
struct graph *graph_new(const struct model *model);
void graph_free(struct graph **graph);
// What the fusion pass may make, beyond residual, scale, squeeze-excite, resample + sum +
// activation and levels that share weights: what a device has kernels for and gains by.
struct fuse_options {
    bool parts;           // convolutions of one input, and both branches of the heads, side by side
    bool sums;            // SUM_DEPTHWISE
    bool separable;       // SEPARABLE, with the weighted sum before it
    int chain_pixels;     // CHAIN: pixels of the largest map; 0: none
    int squeeze_products; // SQUEEZE in the POINTWISE after it, if FC1 has so many weights
    uint64_t expand_elements; // EXPAND_DEPTHWISE, if so many are between; 0: none
    uint64_t max_elements;    // of what is bound whole: inputs of SEPARABLE, stacked heads; 0: any
};
// Merges nodes (fuse.c).
void graph_fuse(struct graph *graph, const struct fuse_options *options);
// Orders the nodes by dependency level (levels.c): none depends on another of its level.
void graph_order(struct graph *graph);
// Orders the nodes; chooses pitches and arena offsets (plan.c). element_bytes: 2 or 4, of the
// values that are not is_float.
void graph_plan(struct graph *graph, int element_bytes);

// Calls visit() for every value that a node and its steps touch. A view counts as itself.
typedef void (*graph_visit_func)(int value, bool write, void *data);
void graph_visit(const struct graph *graph, const struct node *node, graph_visit_func visit,
                 void *data);
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
