// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The feature pyramid network as nodes: extra levels, projections, resampling, fusion, separable
// convolutions (spec 3, 4).
#include "net/builder.h"
#include "net/fpn_layout.h"

#include <string.h>

// 1x1 projection to the FPN's width where the channels differ; names end in .conv.conv and
// .conv.bn.
static int project(struct builder *builder, int feature, const char *prefix, const char *tag)
{
    const struct arch *arch = &builder->model->arch;
    struct value *value = graph_value(builder->graph, feature);
    if (value->channels == arch->fpn_channels) {
        return feature;
    }
    struct extent extent = value->level[0];
    int out =
        builder_value(builder, arch->fpn_channels, extent.height, extent.width, "%s.proj", tag);
    struct node *node = builder_node(builder, OP_POINTWISE, feature, out, "%s.proj", tag);
    g_snprintf(node->parts[0].weight, NAME_SIZE, "%s.conv.conv.weight", prefix);
    if (arch->redundant_bias) {
        g_snprintf(node->parts[0].bias, NAME_SIZE, "%s.conv.conv.bias", prefix);
    }
    node_bn(node, arch->bn_eps, "%s.conv.bn", prefix);
    return out;
}

// Brings a feature to a size; the projection is done before.
static int resample(struct builder *builder, int feature, int height, int width, const char *tag)
{
    const struct arch *arch = &builder->model->arch;
    struct value value = *graph_value(builder->graph, feature);
    if (value.level[0].height == height && value.level[0].width == width) {
        return feature;
    }
    // a level of one pixel cannot shrink: its neighbour is as large as it is in that direction, and
    // the other one decides
    bool down = value.level[0].height > height || value.level[0].width > width;
    int out = builder_value(builder, value.channels, height, width, "%s.resample", tag);
    struct node *node = builder_node(builder, OP_NODE, feature, out, "%s.resample", tag);
    node->pad = arch->pad;
    node->pool_padding = builder->model->pool_padding;
    if (down) {
        node->resample[0] =
            arch->downsample == DOWNSAMPLE_MAX ? RESAMPLE_MAXPOOL : RESAMPLE_BILINEAR;
    } else {
        node->resample[0] =
            arch->upsample == UPSAMPLE_NEAREST ? RESAMPLE_NEAREST : RESAMPLE_BILINEAR;
    }
    return out;
}

static struct extent level_extent(const struct builder *builder, int level_index)
{
    const struct model *model = builder->model;
    int level = model->arch.min_level + level_index;
    return (struct extent){level_size(model->input_height, level),
                           level_size(model->input_width, level), 0};
}

// dense 3x3, BN; `output` is the value to write
static void dense(struct builder *builder, int input, int output, const char *prefix,
                  const char *tag)
{
    const struct arch *arch = &builder->model->arch;
    struct node *node = builder_node(builder, OP_CONV, input, output, "%s.dense", tag);
    g_snprintf(node->parts[0].weight, NAME_SIZE, "%s.conv.weight", prefix);
    if (arch->redundant_bias) {
        g_snprintf(node->parts[0].bias, NAME_SIZE, "%s.conv.bias", prefix);
    }
    node->kernel = 3;
    node->stride = 1;
    node->pad = arch->pad;
    node_bn(node, arch->bn_eps, "%s.bn", prefix);
}

// depthwise 3x3, pointwise, BN; `output` is the value to write
static void separable(struct builder *builder, int input, int output, const char *prefix,
                      const char *tag)
{
    const struct arch *arch = &builder->model->arch;
    struct extent extent = graph_value(builder->graph, input)->level[0];
    int x = builder_value(builder, arch->fpn_channels, extent.height, extent.width, "%s.dw", tag);
    struct node *node = builder_node(builder, OP_DEPTHWISE, input, x, "%s.dw", tag);
    g_snprintf(node->parts[0].weight, NAME_SIZE, "%s.conv_dw.weight", prefix);
    node->kernel = 3;
    node->stride = 1;
    node->pad = arch->pad;
    node = builder_node(builder, OP_POINTWISE, x, output, "%s.pw", tag);
    g_snprintf(node->parts[0].weight, NAME_SIZE, "%s.conv_pw.weight", prefix);
    if (arch->redundant_bias) {
        g_snprintf(node->parts[0].bias, NAME_SIZE, "%s.conv_pw.bias", prefix);
    }
    node_bn(node, arch->bn_eps, "%s.bn", prefix);
}

static int combine(struct builder *builder, const struct fpn_node *fpn, const int *inputs,
                   const char *prefix, const char *tag)
{
    const struct arch *arch = &builder->model->arch;
    struct extent extent = level_extent(builder, fpn->level);
    int sum =
        builder_value(builder, arch->fpn_channels, extent.height, extent.width, "%s.sum", tag);
    struct node *node = builder_node(builder, OP_NODE, inputs[0], sum, "%s.sum", tag);
    node->n_inputs = fpn->n_inputs;
    memcpy(node->inputs, inputs, sizeof(int) * (size_t)fpn->n_inputs);
    node->pad = arch->pad;
    node->pool_padding = builder->model->pool_padding;
    node->fusion = fpn->quad ? arch->quad_fusion : arch->fusion;
    if (node->fusion != FUSION_SUM) {
        g_snprintf(node->edge_weights, NAME_SIZE, "%s.combine.edge_weights", prefix);
    }
    int active =
        builder_value(builder, arch->fpn_channels, extent.height, extent.width, "%s.act", tag);
    node = builder_node(builder, OP_NODE, sum, active, "%s.act", tag);
    node->act = arch->act;
    return active;
}

static void build_cell(struct builder *builder, int c, const struct fpn_cell *cell, int *features,
                       int pyramid)
{
    bool last_cell = c == builder->model->arch.fpn_cells - 1;
    for (int k = 0; k < cell->n_nodes; k++) {
        const struct fpn_node *fpn = &cell->nodes[k];
        struct extent extent = level_extent(builder, fpn->level);
        char prefix[64], tag[32];
        g_snprintf(prefix, sizeof prefix, "fpn.cell.%d.fnode.%d", c, k);
        g_snprintf(tag, sizeof tag, "cell%d.node%d", c, k);
        int inputs[MAX_INPUTS];
        for (int j = 0; j < fpn->n_inputs; j++) {
            char source[NAME_SIZE], source_tag[40];
            g_snprintf(source, sizeof source, "%s.combine.resample.%d", prefix, fpn->inputs[j]);
            g_snprintf(source_tag, sizeof source_tag, "%s.in%d", tag, j);
            inputs[j] = project(builder, features[fpn->inputs[j]], source, source_tag);
            inputs[j] = resample(builder, inputs[j], extent.height, extent.width, source_tag);
        }
        int x = combine(builder, fpn, inputs, prefix, tag);
        int id = cell->n_levels + k;
        bool is_output = fpn_cell_output(cell, fpn->level) == id;
        if (is_output && last_cell) {
            features[id] = builder_view(builder, pyramid, fpn->level);
        } else {
            features[id] =
                builder_value(builder, builder->model->arch.fpn_channels, extent.height,
                              extent.width, is_output ? "cell%d.P%d" : "cell%d.node%d", c,
                              is_output ? builder->model->arch.min_level + fpn->level : k);
        }
        g_strlcat(prefix, ".after_combine.conv", sizeof prefix);
        if (builder->model->arch.dense) {
            dense(builder, x, features[id], prefix, tag);
        } else {
            separable(builder, x, features[id], prefix, tag);
        }
    }
}

void build_bifpn(struct builder *builder, const int taps[3], int pyramid)
{
    const struct arch *arch = &builder->model->arch;
    struct fpn_cell cell;
    fpn_cell_init(&cell, arch->layout, model_levels(builder->model));
    int features[MAX_LEVELS + MAX_FPN_NODES];
    memcpy(features, taps, 3 * sizeof(int));
    for (int l = 3; l < cell.n_levels; l++) {
        char prefix[64], tag[32];
        g_snprintf(prefix, sizeof prefix, "fpn.resample.%d", l);
        g_snprintf(tag, sizeof tag, "P%d", arch->min_level + l);
        struct extent extent = level_extent(builder, l);
        features[l] = project(builder, features[l - 1], prefix, tag);
        features[l] = resample(builder, features[l], extent.height, extent.width, tag);
        if (features[l] != features[l - 1]) {
            g_strlcpy(graph_value(builder->graph, features[l])->name, tag,
                      sizeof(((struct value *)0)->name));
        }
    }
    for (int c = 0; c < arch->fpn_cells; c++) {
        build_cell(builder, c, &cell, features, pyramid);
        int outputs[MAX_LEVELS];
        for (int l = 0; l < cell.n_levels; l++) {
            outputs[l] = features[fpn_cell_output(&cell, l)];
        }
        memcpy(features, outputs, sizeof outputs);
    }
}
