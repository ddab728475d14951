// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// EfficientNet backbones as nodes: stem and blocks of three kinds, names as in rwightman's
// checkpoints (spec 1.3, 1.5, 1.9, 9.2). ResNet is in resnet.c.
#include "net/builder.h"

#include <string.h>

struct block {
    char prefix[64]; // "backbone.blocks.2.1"
    char tag[24];    // "blocks.2.1"
    int in, mid, out, kernel, stride;
    bool expand, squeeze, skip;
    bool tap;  // a wide backbone's tap
    bool last; // of the backbone
};

int build_dense(struct builder *builder, int input, const struct dense *dense)
{
    const struct arch *arch = &builder->model->arch;
    struct extent extent = graph_value(builder->graph, input)->level[0];
    int output = builder_value(
        builder, dense->outputs, conv_output_size(extent.height, dense->stride),
        conv_output_size(extent.width, dense->stride), "%s.%s", dense->tag, dense->what);
    bool pointwise = dense->kernel == 1 && dense->stride == 1;
    struct node *node = builder_node(builder, pointwise ? OP_POINTWISE : OP_CONV, input, output,
                                     "%s.%s", dense->tag, dense->what);
    g_snprintf(node->parts[0].weight, NAME_SIZE, "%s.%s.weight", dense->prefix, dense->conv);
    node_bn(node, arch->backbone_bn_eps, "%s.%s", dense->prefix, dense->bn);
    node->kernel = dense->kernel;
    node->stride = dense->stride;
    node->pad = arch->backbone_pad;
    node->act = dense->act;
    return output;
}

static void weight_name(struct node *node, const struct block *block, const char *conv,
                        const char *bn, double eps)
{
    g_snprintf(node->parts[0].weight, NAME_SIZE, "%s.%s.weight", block->prefix, conv);
    node_bn(node, eps, "%s.%s", block->prefix, bn);
}

static int build_squeeze(struct builder *builder, const struct block *block, int x)
{
    int channels = block->mid;
    int mean = builder_value(builder, channels, 1, 1, "%s.mean", block->tag);
    int vector = builder_value(builder, channels, 1, 1, "%s.se", block->tag);
    int scaled =
        builder_value(builder, channels, graph_value(builder->graph, x)->level[0].height,
                      graph_value(builder->graph, x)->level[0].width, "%s.scaled", block->tag);
    graph_value(builder->graph, mean)->is_float = true;
    graph_value(builder->graph, vector)->is_float = true;
    builder_node(builder, OP_MEAN, x, mean, "%s.mean", block->tag);
    struct node *node = builder_node(builder, OP_SQUEEZE, mean, vector, "%s.se", block->tag);
    node->n_inputs = 0;
    node->partial = mean;
    node->divisor = 1;
    node->squeeze = squeeze_width(block->in);
    node->act = ACT_SWISH;
    g_snprintf(node->reduce, NAME_SIZE, "%s.se.conv_reduce.weight", block->prefix);
    g_snprintf(node->reduce_bias, NAME_SIZE, "%s.se.conv_reduce.bias", block->prefix);
    g_snprintf(node->expand, NAME_SIZE, "%s.se.conv_expand.weight", block->prefix);
    g_snprintf(node->expand_bias, NAME_SIZE, "%s.se.conv_expand.bias", block->prefix);
    node = builder_node(builder, OP_SCALE, x, scaled, "%s.scale", block->tag);
    node->scale = vector;
    return scaled;
}

static void name_tap(struct builder *builder, int value, int tap)
{
    g_snprintf(graph_value(builder->graph, value)->name, sizeof(((struct value *)0)->name), "C%d",
               tap + 3);
}

static int add_input(struct builder *builder, const struct block *block, int x, int input)
{
    struct extent extent = graph_value(builder->graph, x)->level[0];
    if (!block->skip) {
        return x;
    }
    int sum = builder_value(builder, block->out, extent.height, extent.width, "%s.out", block->tag);
    struct node *node = builder_node(builder, OP_NODE, x, sum, "%s.add", block->tag);
    node->inputs[node->n_inputs++] = input;
    return sum;
}

// What is dense, then pointwise; or dense alone (spec 1.9).
static int build_dense_block(struct builder *builder, const struct block *block, bool plain,
                             int input)
{
    enum activation act = builder->model->arch.backbone->act;
    struct dense dense = {block->prefix,
                          plain ? "conv" : "conv_exp",
                          "bn1",
                          block->tag,
                          "dense",
                          plain ? block->out : block->mid,
                          block->kernel,
                          block->stride,
                          act};
    int x = build_dense(builder, input, &dense);
    if (!plain) {
        x = build_dense(builder, x,
                        &(struct dense){block->prefix, "conv_pwl", "bn2", block->tag, "project",
                                        block->out, 1, 1, ACT_NONE});
    }
    return add_input(builder, block, x, input);
}

// tap: gets the id of what the block projects from.
static int build_block(struct builder *builder, const struct block *block, int input, int *tap)
{
    const struct arch *arch = &builder->model->arch;
    double eps = arch->backbone_bn_eps;
    enum activation act = arch->backbone->act;
    struct extent extent = graph_value(builder->graph, input)->level[0];
    int height = conv_output_size(extent.height, block->stride);
    int width = conv_output_size(extent.width, block->stride);
    int x = input;
    if (block->expand) {
        int expanded = builder_value(builder, block->mid, extent.height, extent.width, "%s.expand",
                                     block->tag);
        struct node *node =
            builder_node(builder, OP_POINTWISE, x, expanded, "%s.expand", block->tag);
        weight_name(node, block, "conv_pw", "bn1", eps);
        node->act = act;
        x = expanded;
    }
    int depthwise = builder_value(builder, block->mid, height, width, "%s.dw", block->tag);
    struct node *node = builder_node(builder, OP_DEPTHWISE, x, depthwise, "%s.dw", block->tag);
    weight_name(node, block, "conv_dw", block->expand ? "bn2" : "bn1", eps);
    node->kernel = block->kernel;
    node->stride = block->stride;
    node->pad = arch->backbone_pad;
    node->act = act;
    x = depthwise;
    if (block->squeeze) {
        x = build_squeeze(builder, block, x);
    }
    *tap = x;
    if (block->tap && block->last) { // nobody reads the rest
        return x;
    }
    int project = builder_value(builder, block->out, height, width, "%s.project", block->tag);
    node = builder_node(builder, OP_POINTWISE, x, project, "%s.project", block->tag);
    weight_name(node, block, block->expand ? "conv_pwl" : "conv_pw", block->expand ? "bn3" : "bn2",
                eps);
    return add_input(builder, block, project, input);
}

static struct block describe(const struct backbone *backbone, int s, int i)
{
    const struct stage *stage = &backbone->stages[s];
    struct block block = {
        .in = i == 0 ? stage->in : stage->out,
        .out = stage->out,
        .kernel = stage->kernel,
        .stride = i == 0 ? stage->stride : 1,
        .expand = stage->expand != 1,
        .squeeze = backbone->squeeze,
        .last = s == backbone->taps[2] && i == stage->repeats - 1,
    };
    block.mid = stage->middle ? stage->middle : block.in * stage->expand;
    block.skip = block.stride == 1 && block.in == block.out && !stage->no_skip;
    for (int t = 0; t < 3; t++) {
        block.tap =
            block.tap || (backbone->wide && s == backbone->taps[t] && i == stage->repeats - 1);
    }
    g_snprintf(block.tag, sizeof block.tag, "blocks.%d.%d", s, i);
    g_snprintf(block.prefix, sizeof block.prefix, "backbone.%s", block.tag);
    return block;
}

void build_backbone(struct builder *builder, int taps[3])
{
    const struct model *model = builder->model;
    const struct arch *arch = &model->arch;
    const struct backbone *backbone = arch->backbone;
    if (backbone->stages[0].kind == BLOCK_BOTTLENECK) {
        build_resnet(builder, taps);
        return;
    }
    int x = builder_value(builder, backbone->stem, conv_output_size(model->input_height, 2),
                          conv_output_size(model->input_width, 2), "stem");
    struct node *node = builder_node(builder, OP_STEM, builder->graph->input, x, "stem");
    g_strlcpy(node->parts[0].weight, "backbone.conv_stem.weight", NAME_SIZE);
    node_bn(node, arch->backbone_bn_eps, "backbone.bn1");
    node->kernel = 3;
    node->stride = 2;
    node->pad = arch->backbone_pad;
    node->act = backbone->act;
    for (int s = 0, t = 0; s < MAX_STAGES; s++) {
        const struct stage *stage = &backbone->stages[s];
        int wide = -1;
        for (int i = 0; i < stage->repeats; i++) {
            struct block block = describe(backbone, s, i);
            x = stage->kind == BLOCK_MBCONV
                    ? build_block(builder, &block, x, &wide)
                    : build_dense_block(builder, &block, stage->kind == BLOCK_PLAIN, x);
        }
        if (t < 3 && s == backbone->taps[t]) {
            taps[t] = backbone->wide ? wide : x;
            name_tap(builder, taps[t], t);
            t++;
        }
    }
}
