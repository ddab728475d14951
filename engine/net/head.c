// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The class and box heads as nodes: weights shared by all levels, batch norms by level (spec 5).
#include "net/builder.h"

// One separable layer on every level, layer by layer so that the fusion pass can merge the levels.
// act: ACT_NONE for the prediction.
static void build_layer(struct builder *builder, const int *inputs, const int *outputs,
                        const char *conv, const char *tag, bool bias, bool per_level)
{
    const struct model *model = builder->model;
    g_autofree char *middle_name = g_strconcat(tag, ".dw", NULL);
    int middle = builder_pyramid(builder, model->arch.fpn_channels, middle_name);
    int levels = model_levels(model);
    int views[MAX_LEVELS];
    for (int l = 0; l < levels; l++) {
        views[l] = builder_view(builder, middle, l);
        struct node *node = builder_node(builder, OP_DEPTHWISE, inputs[l], views[l], "%s.dw.P%d",
                                         tag, model->arch.min_level + l);
        g_snprintf(node->parts[0].weight, NAME_SIZE, "%s.conv_dw.weight", conv);
        node->kernel = 3;
        node->stride = 1;
        node->pad = model->arch.pad;
    }
    for (int l = 0; l < levels; l++) {
        struct node *node = builder_node(builder, OP_POINTWISE, views[l], outputs[l], "%s.pw.P%d",
                                         tag, model->arch.min_level + l);
        if (per_level) {
            g_snprintf(node->parts[0].weight, NAME_SIZE, "%s.%d.conv_pw.weight", conv, l);
        } else {
            g_snprintf(node->parts[0].weight, NAME_SIZE, "%s.conv_pw.weight", conv);
        }
        if (bias) {
            g_snprintf(node->parts[0].bias, NAME_SIZE, "%s.conv_pw.bias", conv);
        }
    }
}

// The same with a dense convolution: nothing is between, and every level is a node of its own.
static void build_dense_layer(struct builder *builder, const int *inputs, const int *outputs,
                              const char *conv, const char *tag, bool bias)
{
    const struct model *model = builder->model;
    for (int l = 0; l < model_levels(model); l++) {
        struct node *node = builder_node(builder, OP_CONV, inputs[l], outputs[l], "%s.P%d", tag,
                                         model->arch.min_level + l);
        g_snprintf(node->parts[0].weight, NAME_SIZE, "%s.conv.weight", conv);
        if (bias) {
            g_snprintf(node->parts[0].bias, NAME_SIZE, "%s.conv.bias", conv);
        }
        node->kernel = 3;
        node->stride = 1;
        node->pad = model->arch.pad;
    }
}

static int build_head(struct builder *builder, int pyramid, const char *head, const char *tag,
                      int channels)
{
    const struct model *model = builder->model;
    const struct arch *arch = &model->arch;
    int levels = model_levels(model);
    int inputs[MAX_LEVELS], outputs[MAX_LEVELS];
    for (int l = 0; l < levels; l++) {
        inputs[l] = builder_view(builder, pyramid, l);
    }
    int result = -1;
    for (int r = 0; r <= arch->head_repeats; r++) {
        bool predict = r == arch->head_repeats;
        char conv[64], layer[32];
        if (predict) {
            g_snprintf(conv, sizeof conv, "%s.predict", head);
            g_strlcpy(layer, tag, sizeof layer);
        } else {
            g_snprintf(conv, sizeof conv, "%s.conv_rep.%d", head, r);
            g_snprintf(layer, sizeof layer, "%s.%d", tag, r);
        }
        result = builder_pyramid(builder, predict ? channels : arch->fpn_channels, layer);
        for (int l = 0; l < levels; l++) {
            outputs[l] = builder_view(builder, result, l);
        }
        bool bias = predict || arch->redundant_bias;
        if (arch->dense) {
            build_dense_layer(builder, inputs, outputs, conv, layer, bias);
        } else {
            build_layer(builder, inputs, outputs, conv, layer, bias,
                        arch->head_per_level && !predict);
        }
        for (int l = 0; l < levels && !predict; l++) {
            struct node *node =
                graph_node(builder->graph, (int)builder->graph->nodes->len - levels + l);
            node_bn(node, arch->bn_eps, "%s.bn_rep.%d.%d.bn", head, r, l);
            node->act = arch->head_act;
        }
        for (int l = 0; l < levels; l++) {
            inputs[l] = outputs[l];
        }
    }
    return result;
}

void build_heads(struct builder *builder, int pyramid)
{
    int anchors = model_anchors_per_cell(builder->model);
    builder->graph->classes =
        build_head(builder, pyramid, "class_net", "class", anchors * builder->model->num_classes);
    builder->graph->boxes = build_head(builder, pyramid, "box_net", "box", anchors * 4);
}
