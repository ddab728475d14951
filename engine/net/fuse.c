// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The fusion pass: merges nodes of the plain graph into what one dispatch can do. Every rule looks
// at one node and its producers; nothing here knows a shader or a device.
#include "net/graph.h"
#include "net/tiles.h"

#include <string.h>

struct pass {
    struct graph *graph;
    GArray *dead; // gboolean by node index
};

static bool is_dead(const struct pass *pass, int index)
{
    return g_array_index(pass->dead, gboolean, index);
}

static void kill_node(struct pass *pass, int index)
{
    g_array_index(pass->dead, gboolean, index) = TRUE;
}

static bool reads(const struct node *node, int value)
{
    for (int i = 0; i < node->n_inputs; i++) {
        if (node->inputs[i] == value) {
            return true;
        }
    }
    return node->scale == value || node->residual == value ||
           (node->op == OP_SQUEEZE && node->partial == value);
}

// Index of the node that writes a value, or -1 for the graph's input.
static int producer(const struct pass *pass, int value)
{
    for (guint i = 0; i < pass->graph->nodes->len; i++) {
        if (!is_dead(pass, (int)i) && graph_node(pass->graph, (int)i)->output == value) {
            return (int)i;
        }
    }
    return -1;
}

static int count_readers(const struct pass *pass, int value)
{
    int n = 0;
    for (guint i = 0; i < pass->graph->nodes->len; i++) {
        n += !is_dead(pass, (int)i) && reads(graph_node(pass->graph, (int)i), value);
    }
    return n;
}

// The producer of a value that nobody else reads and no view shares, if it is of the wanted kind;
// else NULL.
static struct node *sole_producer(const struct pass *pass, int value, enum op op, int *index)
{
    *index = producer(pass, value);
    if (*index < 0 || graph_value(pass->graph, value)->parent >= 0 ||
        count_readers(pass, value) != 1) {
        return NULL;
    }
    struct node *node = graph_node(pass->graph, *index);
    return node->op == op ? node : NULL;
}

static bool is_plain_sum(const struct node *node)
{
    bool plain = node->op == OP_NODE && node->fusion == FUSION_SUM && node->act == ACT_NONE;
    for (int i = 0; i < node->n_inputs; i++) {
        plain = plain && node->resample[i] == RESAMPLE_NONE;
    }
    return plain;
}

// pointwise, then + block input: the pointwise adds it
static void fuse_residual(struct pass *pass, int index)
{
    struct node *add = graph_node(pass->graph, index);
    if (!is_plain_sum(add) || add->n_inputs != 2) {
        return;
    }
    int from;
    struct node *pointwise = sole_producer(pass, add->inputs[0], OP_POINTWISE, &from);
    if (pointwise && pointwise->act == ACT_NONE && pointwise->residual < 0) {
        struct node merged = *pointwise;
        merged.residual = add->inputs[1];
        merged.output = add->output;
        *add = merged; // at the sum's place: the other operand is there by then
        kill_node(pass, from);
    }
}

// value * channel vector, then pointwise: the pointwise scales what it loads
static void fuse_scale(struct pass *pass, int index)
{
    struct node *pointwise = graph_node(pass->graph, index);
    if (pointwise->op != OP_POINTWISE || pointwise->scale >= 0) {
        return;
    }
    int from;
    struct node *scale = sole_producer(pass, pointwise->inputs[0], OP_SCALE, &from);
    if (scale) {
        pointwise->inputs[0] = scale->inputs[0];
        pointwise->scale = scale->scale;
        kill_node(pass, from);
    }
}

// depthwise, mean, squeeze: the depthwise leaves partial sums, the squeeze reduces them
static void fuse_squeeze(struct pass *pass, int index)
{
    struct node *squeeze = graph_node(pass->graph, index);
    if (squeeze->op != OP_SQUEEZE) {
        return;
    }
    int from;
    struct node *mean = sole_producer(pass, squeeze->partial, OP_MEAN, &from);
    int depthwise_index = mean ? producer(pass, mean->inputs[0]) : -1;
    if (depthwise_index < 0 || graph_node(pass->graph, depthwise_index)->op != OP_DEPTHWISE) {
        return;
    }
    struct node *depthwise = graph_node(pass->graph, depthwise_index);
    struct value *value = graph_value(pass->graph, depthwise->output);
    struct value *partial = graph_value(pass->graph, mean->output); // becomes the partial sums
    int tiles = depthwise_tiles(value->level[0].height, value->level[0].width);
    partial->pixels = tiles;
    partial->level[0] = (struct extent){1, tiles, 0};
    depthwise->partial = mean->output;
    squeeze->divisor = (double)value->level[0].height * value->level[0].width;
    kill_node(pass, from);
}

// resample -> sum: the sum resamples what it loads
static void fuse_resample(struct pass *pass, int index)
{
    struct node *sum = graph_node(pass->graph, index);
    if (sum->op != OP_NODE) {
        return;
    }
    for (int i = 0; i < sum->n_inputs; i++) {
        int from;
        if (sum->resample[i] != RESAMPLE_NONE) {
            continue;
        }
        struct node *resample = sole_producer(pass, sum->inputs[i], OP_NODE, &from);
        if (resample && resample->n_inputs == 1 && resample->fusion == FUSION_SUM &&
            resample->act == ACT_NONE) {
            sum->inputs[i] = resample->inputs[0];
            sum->resample[i] = resample->resample[0];
            sum->pad = resample->pad;
            sum->pool_padding = resample->pool_padding;
            kill_node(pass, from);
        }
    }
}

// sum -> activation
static void fuse_activation(struct pass *pass, int index)
{
    struct node *act = graph_node(pass->graph, index);
    if (act->op != OP_NODE || act->n_inputs != 1 || act->act == ACT_NONE ||
        act->fusion != FUSION_SUM || act->resample[0] != RESAMPLE_NONE) {
        return;
    }
    int from;
    struct node *sum = sole_producer(pass, act->inputs[0], OP_NODE, &from);
    if (sum && sum->act == ACT_NONE) {
        struct node merged = *sum;
        merged.act = act->act;
        merged.output = act->output;
        *act = merged;
        kill_node(pass, from);
    }
}

static bool views_of(const struct graph *graph, int value, int level, int *parent)
{
    const struct value *view = graph_value(graph, value);
    if (view->parent < 0 || view->view_level != level ||
        (*parent >= 0 && *parent != view->parent)) {
        return false;
    }
    *parent = view->parent;
    return true;
}

// One node a level with the same weights on the views of one pyramid: one node on the pyramid.
static void fuse_levels(struct pass *pass, int index)
{
    struct graph *graph = pass->graph;
    struct node *first = graph_node(graph, index);
    if (first->op != OP_POINTWISE && first->op != OP_DEPTHWISE) {
        return;
    }
    int input = -1, output = -1;
    if (!views_of(graph, first->inputs[0], 0, &input)) {
        return;
    }
    int levels = graph_value(graph, input)->n_levels;
    if (index + levels > (int)graph->nodes->len) {
        return;
    }
    for (int l = 0; l < levels; l++) {
        const struct node *node = graph_node(graph, index + l);
        if (is_dead(pass, index + l) || node->op != first->op ||
            !g_str_equal(node->weight, first->weight) ||
            !views_of(graph, node->inputs[0], l, &input) ||
            !views_of(graph, node->output, l, &output)) {
            return;
        }
    }
    struct node merged = *first;
    merged.inputs[0] = input;
    merged.output = output;
    g_strlcpy(merged.name, graph_value(graph, output)->name, sizeof merged.name);
    for (int l = 0; l < levels; l++) {
        const struct node *node = graph_node(graph, index + l);
        if (node->n_bn > 0) {
            memcpy(merged.bn[l], node->bn[0], NAME_SIZE);
            merged.n_bn = l + 1;
        }
        if (l < levels - 1) {
            kill_node(pass, index + l);
        }
    }
    *graph_node(graph, index + levels - 1) = merged;
}

void graph_fuse(struct graph *graph)
{
    static void (*const rules[])(struct pass *, int) = {
        fuse_squeeze, fuse_scale, fuse_resample, fuse_activation, fuse_residual, fuse_levels};
    struct pass pass = {.graph = graph, .dead = g_array_new(FALSE, TRUE, sizeof(gboolean))};
    g_array_set_size(pass.dead, graph->nodes->len);
    for (gsize r = 0; r < G_N_ELEMENTS(rules); r++) {
        for (guint i = 0; i < graph->nodes->len; i++) {
            if (!is_dead(&pass, (int)i)) {
                rules[r](&pass, (int)i);
            }
        }
    }
    guint kept = 0;
    for (guint i = 0; i < graph->nodes->len; i++) {
        if (!is_dead(&pass, (int)i)) {
            *graph_node(graph, (int)kept++) = *graph_node(graph, (int)i);
        }
    }
    g_array_set_size(graph->nodes, kept);
    g_array_unref(pass.dead);
}
