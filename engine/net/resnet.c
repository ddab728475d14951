// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// ResNet backbones as nodes: stem, pool and bottlenecks, names as in rwightman's checkpoints
// (spec 1.9). The stride of a stage is in the 3x3 convolution of its first block.
#include "net/builder.h"

// The input of a stage's first block as its output is: of so many channels and that size.
static int build_shortcut(struct builder *builder, int input, const char *prefix, const char *tag,
                          int outputs, int stride)
{
    return build_dense(builder, input,
                       &(struct dense){prefix, "downsample.0", "downsample.1", tag, "downsample",
                                       outputs, 1, stride, ACT_NONE});
}

static int build_bottleneck(struct builder *builder, const struct stage *stage, int s, int i,
                            int input)
{
    char prefix[64], tag[24];
    int stride = i == 0 ? stage->stride : 1;
    g_snprintf(tag, sizeof tag, "layer%d.%d", s + 1, i);
    g_snprintf(prefix, sizeof prefix, "backbone.%s", tag);
    const struct dense steps[] = {
        {prefix, "conv1", "bn1", tag, "reduce", stage->middle, 1, 1, ACT_RELU},
        {prefix, "conv2", "bn2", tag, "dense", stage->middle, stage->kernel, stride, ACT_RELU},
        {prefix, "conv3", "bn3", tag, "project", stage->out, 1, 1, ACT_NONE},
    };
    int x = input;
    for (gsize k = 0; k < G_N_ELEMENTS(steps); k++) {
        x = build_dense(builder, x, &steps[k]);
    }
    int shortcut = i == 0 ? build_shortcut(builder, input, prefix, tag, stage->out, stride) : input;
    struct extent extent = graph_value(builder->graph, x)->level[0];
    int sum = builder_value(builder, stage->out, extent.height, extent.width, "%s.out", tag);
    struct node *node = builder_node(builder, OP_NODE, x, sum, "%s.add", tag);
    node->inputs[node->n_inputs++] = shortcut;
    node->act = ACT_RELU;
    return sum;
}

void build_resnet(struct builder *builder, int taps[3])
{
    const struct backbone *backbone = builder->model->arch.backbone;
    int x = build_dense(builder, builder->graph->input,
                        &(struct dense){"backbone", "conv1", "bn1", "stem", "conv", backbone->stem,
                                        7, 2, ACT_RELU});
    struct extent extent = graph_value(builder->graph, x)->level[0];
    int pooled = builder_value(builder, backbone->stem, conv_output_size(extent.height, 2),
                               conv_output_size(extent.width, 2), "pool");
    struct node *node = builder_node(builder, OP_NODE, x, pooled, "pool");
    node->resample[0] = RESAMPLE_MAXPOOL;
    node->pad = builder->model->arch.backbone_pad;
    x = pooled;
    for (int s = 0, t = 0; s < MAX_STAGES; s++) {
        for (int i = 0; i < backbone->stages[s].repeats; i++) {
            x = build_bottleneck(builder, &backbone->stages[s], s, i, x);
        }
        if (t < 3 && s == backbone->taps[t]) {
            taps[t++] = x;
            g_snprintf(graph_value(builder->graph, x)->name, sizeof(((struct value *)0)->name),
                       "C%d", t + 2);
        }
    }
}
