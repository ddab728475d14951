// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Fusion rules of the feature pyramid and the heads: weighted sums, levels that share weights,
// separable convolutions.
#include "net/fuse.h"

#include <string.h>

// resample -> sum: the sum resamples what it loads
void fuse_resample(struct pass *pass, int index)
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
void fuse_activation(struct pass *pass, int index)
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
void fuse_levels(struct pass *pass, int index)
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
            !g_str_equal(node->parts[0].weight, first->parts[0].weight) ||
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
            memcpy(merged.parts[0].bn[l], node->parts[0].bn[0], NAME_SIZE);
            merged.n_bn = l + 1;
        }
        if (l < levels - 1) {
            kill_node(pass, index + l);
        }
    }
    *graph_node(graph, index + levels - 1) = merged;
}

// Makes a convolution form the sum that it reads.
static void take_sum(struct node *convolution, const struct node *sum)
{
    convolution->sums = true;
    convolution->n_inputs = sum->n_inputs;
    memcpy(convolution->inputs, sum->inputs, sizeof sum->inputs);
    memcpy(convolution->resample, sum->resample, sizeof sum->resample);
    memcpy(convolution->edge_weights, sum->edge_weights, sizeof sum->edge_weights);
    convolution->fusion = sum->fusion;
    convolution->pool_padding = sum->pool_padding;
    convolution->act_in = sum->act;
}

static bool bind_inputs(const struct pass *pass, const struct node *node)
{
    for (int i = 0; i < node->n_inputs; i++) {
        const struct value *input = graph_value(pass->graph, node->inputs[i]);
        if (!binds_whole(pass, input, input->channels)) {
            return false;
        }
    }
    return true;
}

// weighted sum and activation, then depthwise
void fuse_sums(struct pass *pass, int index)
{
    struct node *depthwise = graph_node(pass->graph, index);
    if (depthwise->op != OP_DEPTHWISE || depthwise->n_parts > 1 || depthwise->kernel != 3 ||
        depthwise->stride != 1 || depthwise->partial >= 0) {
        return;
    }
    int from;
    struct node *sum = sole_producer(pass, depthwise->inputs[0], OP_NODE, &from);
    // where only a separable convolution can take the sum, it must become one
    bool fits = sum != NULL && (pass->options->sums || bind_inputs(pass, sum));
    for (int i = 0; fits && i < sum->n_inputs; i++) {
        fits = sum->resample[i] != RESAMPLE_MAXPOOL || sum->pad == depthwise->pad;
    }
    if (fits) {
        depthwise->op = OP_SUM_DEPTHWISE;
        take_sum(depthwise, sum);
        kill_node(pass, from);
    }
}

// depthwise, then pointwise
void fuse_separable(struct pass *pass, int index)
{
    struct node *pointwise = graph_node(pass->graph, index);
    if (pointwise->op != OP_POINTWISE || pointwise->scale >= 0 || pointwise->residual >= 0) {
        return;
    }
    int from;
    const int value = pointwise->inputs[0];
    const struct node *depthwise = sole_producer(pass, value, OP_SUM_DEPTHWISE, &from);
    depthwise = depthwise ? depthwise : sole_producer(pass, value, OP_DEPTHWISE, &from);
    if (!depthwise || !bind_inputs(pass, depthwise) || depthwise->kernel != 3 ||
        depthwise->stride != 1 || depthwise->partial >= 0 || depthwise->act != ACT_NONE ||
        depthwise->n_bn > 0 || depthwise->parts[0].bias[0] ||
        depthwise->n_parts != pointwise->n_parts) {
        return;
    }
    struct node merged = *depthwise;
    merged.op = OP_SEPARABLE;
    g_strlcpy(merged.name, pointwise->name, sizeof merged.name);
    merged.output = pointwise->output;
    merged.act = pointwise->act;
    merged.n_bn = pointwise->n_bn;
    merged.bn_eps = pointwise->bn_eps;
    for (int p = 0; p < pointwise->n_parts; p++) {
        merged.parts[p] = pointwise->parts[p];
        merged.parts[p].first_input = depthwise->parts[p].first_input;
        g_strlcpy(merged.parts[p].depthwise, depthwise->parts[p].weight, NAME_SIZE);
    }
    *pointwise = merged;
    kill_node(pass, from);
}
