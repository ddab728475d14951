// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Internal to net/: how backbone.c, bifpn.c and head.c add values and nodes to a graph.
#pragma once

#include "net/graph.h"

struct builder {
    struct graph *graph;
    const struct model *model;
};

// A single-map value; returns its id. name: printf form.
int builder_value(struct builder *builder, int channels, int height, int width, const char *name,
                  ...) G_GNUC_PRINTF(5, 6);
// A value with one map for each level of the model, and the view of one of its levels.
int builder_pyramid(struct builder *builder, int channels, const char *name);
int builder_view(struct builder *builder, int pyramid, int level_index);
// A node without weights; input2 may be -1. The pointer is valid until the next node is added.
struct node *builder_node(struct builder *builder, enum op op, int input, int output,
                          const char *name, ...) G_GNUC_PRINTF(5, 6);
// Adds a BN to fold.
void node_bn(struct node *node, double eps, const char *format, ...) G_GNUC_PRINTF(3, 4);
// A dense convolution with a batch norm to fold, by names "PREFIX.CONV.weight" and "PREFIX.BN";
// returns its output, "TAG.WHAT".
struct dense {
    const char *prefix, *conv, *bn, *tag, *what;
    int outputs, kernel, stride;
    enum activation act;
};
int build_dense(struct builder *builder, int input, const struct dense *dense);

// taps: ids of C3, C4, C5.
void build_backbone(struct builder *builder, int taps[3]);
// resnet.c: the same of a backbone of bottlenecks.
void build_resnet(struct builder *builder, int taps[3]);
// Writes the FPN's outputs into the views of `pyramid`.
void build_bifpn(struct builder *builder, const int taps[3], int pyramid);
void build_heads(struct builder *builder, int pyramid);
