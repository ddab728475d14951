// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Fusion rules that put convolutions side by side: 1x1 projections of one feature, and the two
// branches of the heads.
#include "net/fuse.h"

static bool same_kind(const struct node *a, const struct node *b)
{
    return a->op == b->op && a->n_parts == 1 && b->n_parts == 1 && a->n_inputs == 1 &&
           b->n_inputs == 1 && a->parts[0].inputs == b->parts[0].inputs && a->kernel == b->kernel &&
           a->stride == b->stride && a->pad == b->pad && a->act == b->act && a->n_bn == b->n_bn &&
           a->bn_eps == b->bn_eps;
}

static bool stands_alone(const struct pass *pass, const struct node *node)
{
    return node->scale < 0 && node->residual < 0 && node->partial < 0 &&
           graph_value(pass->graph, node->output)->parent < 0;
}

// Pointwise convolutions of one input: one, at the place of the first.
void fuse_laterals(struct pass *pass, int index)
{
    struct graph *graph = pass->graph;
    struct node *first = graph_node(graph, index);
    int outputs[MAX_PARTS] = {first->output}, n = 1;
    if (first->op != OP_POINTWISE || !stands_alone(pass, first)) {
        return;
    }
    struct node merged = *first;
    for (int i = index + 1; i < (int)graph->nodes->len && n < MAX_PARTS; i++) {
        const struct node *node = graph_node(graph, i);
        if (is_dead(pass, i) || node->inputs[0] != first->inputs[0] || !same_kind(first, node) ||
            !stands_alone(pass, node) || node->parts[0].channels != first->parts[0].channels) {
            continue;
        }
        merged.parts[n] = node->parts[0];
        merged.parts[n].first_output = 4 * n * channel_blocks(first->parts[0].channels);
        outputs[n++] = node->output;
        kill_node(pass, i);
    }
    if (n > 1) {
        g_autofree char *name =
            g_strdup_printf("%s.proj", graph_value(graph, first->inputs[0])->name);
        merged.n_parts = n;
        g_strlcpy(merged.name, name, sizeof merged.name);
        merged.output = stack_values(pass, outputs, n, name);
        *graph_node(graph, index) = merged;
    }
}

#define MAX_LAYERS 32 // of a head, depthwise and pointwise counted separately

// The layers of both branches, from the predictions back to where both read the same value; 0 when
// they differ.
static int find_layers(const struct pass *pass, int classes, int boxes, int (*layers)[2])
{
    for (int n = 0; n < MAX_LAYERS && classes >= 0 && boxes >= 0; n++) {
        const struct node *left = graph_node(pass->graph, classes);
        const struct node *right = graph_node(pass->graph, boxes);
        bool convolves = left->op == OP_POINTWISE || left->op == OP_DEPTHWISE;
        if (!convolves || !same_kind(left, right) || !stands_alone(pass, left) ||
            !stands_alone(pass, right) ||
            (n > 0 && left->parts[0].channels != right->parts[0].channels) ||
            (n > 0 && !binds_whole(pass, graph_value(pass->graph, left->output),
                                   2 * 4 * channel_blocks(left->parts[0].channels)))) {
            return 0;
        }
        layers[n][0] = classes;
        layers[n][1] = boxes;
        int from = left->inputs[0], other = right->inputs[0];
        if (from == other) {
            return n + 1;
        }
        if (count_readers(pass, from) != 1 || count_readers(pass, other) != 1) {
            return 0;
        }
        classes = producer(pass, from);
        boxes = producer(pass, other);
    }
    return 0;
}

// Both branches: one node a layer, at the place of the box branch's.
void fuse_heads(struct pass *pass, int index)
{
    struct graph *graph = pass->graph;
    int layers[MAX_LAYERS][2];
    if (graph_node(graph, index)->output != graph->classes) {
        return;
    }
    int n = find_layers(pass, index, producer(pass, graph->boxes), layers), input = -1;
    for (int i = n - 1; i >= 0; i--) {
        const struct node *classes = graph_node(graph, layers[i][0]);
        struct node merged = *graph_node(graph, layers[i][1]);
        const int outputs[2] = {classes->output, merged.output};
        g_autofree char *name =
            g_strdup_printf("head.%d%s", (n - 1 - i) / 2, merged.op == OP_DEPTHWISE ? ".dw" : "");
        merged.n_parts = 2;
        merged.parts[1] = merged.parts[0];
        merged.parts[0] = classes->parts[0];
        merged.parts[1].first_output = 4 * channel_blocks(classes->parts[0].channels);
        if (input >= 0) {
            merged.inputs[0] = input;
            merged.parts[1].first_input =
                4 * channel_blocks(merged.op == OP_DEPTHWISE ? merged.parts[0].channels
                                                             : merged.parts[0].inputs);
        }
        g_strlcpy(merged.name, name, sizeof merged.name);
        merged.output = input = stack_values(pass, outputs, 2, name);
        *graph_node(graph, layers[i][1]) = merged;
        kill_node(pass, layers[i][0]);
    }
}
