// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The graph's containers, and the plain graph put together from backbone, FPN and heads.
#include "net/graph.h"

#include "net/builder.h"

#include <stdarg.h>
#include <string.h>

struct value *graph_value(const struct graph *graph, int id)
{
    return &g_array_index(graph->values, struct value, id);
}

struct node *graph_node(const struct graph *graph, int index)
{
    return &g_array_index(graph->nodes, struct node, index);
}

void graph_visit(const struct graph *graph, const struct node *node, graph_visit_func visit,
                 void *data)
{
    for (int i = 0; i < node->n_steps; i++) {
        graph_visit(graph, &g_array_index(graph->steps, struct node, node->first_step + i), visit,
                    data);
    }
    if (node->n_steps) {
        return;
    }
    const int others[] = {node->scale, node->residual, node->partial};
    for (int i = 0; i < node->n_inputs; i++) {
        visit(node->inputs[i], false, data);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
        if (others[i] >= 0) {
            visit(others[i],
                  i == 2 && (node->op == OP_DEPTHWISE || node->op == OP_EXPAND_DEPTHWISE), data);
        }
    }
    visit(node->output, true, data);
}

int graph_value_by_name(const struct graph *graph, const char *name)
{
    for (guint i = 0; i < graph->values->len; i++) {
        if (g_str_equal(graph_value(graph, (int)i)->name, name)) {
            return (int)i;
        }
    }
    return -1;
}

int channel_blocks(int channels)
{
    return (channels + 3) / 4;
}

int conv_output_size(int size, int stride)
{
    return (size + stride - 1) / stride;
}

int pad_before(enum pad_type pad, int size, int kernel, int stride)
{
    if (pad == PAD_SYMMETRIC) {
        return (stride - 1 + kernel - 1) / 2;
    }
    int total = (conv_output_size(size, stride) - 1) * stride + kernel - size;
    return MAX(total, 0) / 2;
}

int builder_value(struct builder *builder, int channels, int height, int width, const char *name,
                  ...)
{
    struct value value = {.channels = channels,
                          .n_levels = 1,
                          .pixels = height * width,
                          .parent = -1,
                          .level = {{height, width, 0}}};
    va_list args;
    va_start(args, name);
    g_vsnprintf(value.name, sizeof value.name, name, args);
    va_end(args);
    g_array_append_val(builder->graph->values, value);
    return (int)builder->graph->values->len - 1;
}

int builder_pyramid(struct builder *builder, int channels, const char *name)
{
    const struct model *model = builder->model;
    int id = builder_value(builder, channels, 0, 0, "%s", name);
    struct value *value = graph_value(builder->graph, id);
    value->n_levels = model_levels(model);
    for (int l = 0; l < value->n_levels; l++) {
        struct extent *extent = &value->level[l];
        extent->height = level_size(model->input_height, model->arch.min_level + l);
        extent->width = level_size(model->input_width, model->arch.min_level + l);
        extent->offset = value->pixels;
        value->pixels += extent->height * extent->width;
    }
    return id;
}

int builder_view(struct builder *builder, int pyramid, int level_index)
{
    struct value *parent = graph_value(builder->graph, pyramid);
    struct extent extent = parent->level[level_index];
    int channels = parent->channels;
    int id = builder_value(builder, channels, extent.height, extent.width, "%s.P%d", parent->name,
                           builder->model->arch.min_level + level_index);
    struct value *view = graph_value(builder->graph, id);
    view->level[0].offset = extent.offset;
    view->parent = pyramid;
    view->view_level = level_index;
    return id;
}

struct node *builder_node(struct builder *builder, enum op op, int input, int output,
                          const char *name, ...)
{
    struct node node = {.op = op,
                        .n_inputs = 1,
                        .inputs = {input},
                        .scale = -1,
                        .residual = -1,
                        .output = output,
                        .partial = -1};
    va_list args;
    va_start(args, name);
    g_vsnprintf(node.name, sizeof node.name, name, args);
    va_end(args);
    if (op != OP_NODE) {
        node.n_parts = 1;
        node.parts[0].channels = graph_value(builder->graph, output)->channels;
        node.parts[0].inputs = graph_value(builder->graph, input)->channels;
    }
    g_array_append_val(builder->graph->nodes, node);
    return graph_node(builder->graph, (int)builder->graph->nodes->len - 1);
}

void node_bn(struct node *node, double eps, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_vsnprintf(node->parts[0].bn[node->n_bn++], NAME_SIZE, format, args);
    va_end(args);
    node->bn_eps = eps;
}

struct graph *graph_new(const struct model *model)
{
    struct graph *graph = g_new0(struct graph, 1);
    graph->values = g_array_new(FALSE, TRUE, sizeof(struct value));
    graph->nodes = g_array_new(FALSE, TRUE, sizeof(struct node));
    graph->steps = g_array_new(FALSE, TRUE, sizeof(struct node));
    struct builder builder = {.graph = graph, .model = model};
    graph->input = builder_value(&builder, 3, model->input_height, model->input_width, "input");
    int taps[3];
    build_backbone(&builder, taps);
    int pyramid = builder_pyramid(&builder, model->arch.fpn_channels, "fpn");
    build_bifpn(&builder, taps, pyramid);
    build_heads(&builder, pyramid);
    return graph;
}

void graph_free(struct graph **graph)
{
    if (*graph) {
        g_array_unref((*graph)->values);
        g_array_unref((*graph)->nodes);
        g_array_unref((*graph)->steps);
        g_clear_pointer(graph, g_free);
    }
}
