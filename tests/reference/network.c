// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The whole network in double: backbone, FPN cells and heads, one plain operation after the other.
#include "network.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct ref_network {
    GHashTable *values; // name -> struct ref_tensor *
    const struct model *model;
    ref_get get;
    void *data;
    bool failed;
};

static void value_free(void *data)
{
    ref_free(data);
    g_free(data);
}

static void keep(struct ref_network *net, char *name, struct ref_tensor tensor)
{
    g_hash_table_replace(net->values, name, g_memdup2(&tensor, sizeof tensor));
}

static void replace(struct ref_tensor *tensor, struct ref_tensor next)
{
    ref_free(tensor);
    *tensor = next;
}

static float *weights(struct ref_network *net, const char *prefix, const char *suffix, int rank,
                      int s0, int s1, int s2, int s3)
{
    const int shape[4] = {s0, s1, s2, s3};
    g_autofree char *name = g_strconcat(prefix, suffix, NULL);
    gsize n = 1;
    for (int i = 0; i < rank; i++) {
        n *= shape[i];
    }
    float *out = g_new0(float, n);
    net->failed = net->failed || !net->get(net->data, name, shape, rank, out);
    return out;
}

static float *vector(struct ref_network *net, const char *prefix, const char *suffix, int n)
{
    return weights(net, prefix, suffix, 1, n, 0, 0, 0);
}

// The bias may be of another name than the weights.
static void pointwise_of(struct ref_network *net, struct ref_tensor *x, const char *weight_prefix,
                         const char *bias_prefix, int outputs)
{
    g_autofree float *weight = weights(net, weight_prefix, ".weight", 4, outputs, x->c, 1, 1);
    g_autofree float *bias = bias_prefix ? vector(net, bias_prefix, ".bias", outputs) : NULL;
    replace(x, ref_pointwise(x, weight, bias, outputs));
}

static void pointwise(struct ref_network *net, struct ref_tensor *x, const char *prefix,
                      int outputs, bool with_bias)
{
    pointwise_of(net, x, prefix, with_bias ? prefix : NULL, outputs);
}

static void depthwise(struct ref_network *net, struct ref_tensor *x, const char *prefix, int kernel,
                      int stride, enum pad_type pad)
{
    g_autofree float *weight = weights(net, prefix, ".weight", 4, x->c, 1, kernel, kernel);
    replace(x, ref_depthwise(x, weight, NULL, kernel, stride, pad));
}

static void batch_norm(struct ref_network *net, struct ref_tensor *x, const char *prefix,
                       double eps)
{
    g_autofree float *gamma = vector(net, prefix, ".weight", x->c);
    g_autofree float *beta = vector(net, prefix, ".bias", x->c);
    g_autofree float *mean = vector(net, prefix, ".running_mean", x->c);
    g_autofree float *var = vector(net, prefix, ".running_var", x->c);
    ref_batch_norm(x, gamma, beta, mean, var, eps);
}

static struct ref_tensor copy_of(const struct ref_tensor *x)
{
    struct ref_tensor copy = ref_new(x->c, x->h, x->w);
    memcpy(copy.data, x->data, sizeof(double) * x->c * x->h * x->w);
    return copy;
}

static void squeeze_excite(struct ref_network *net, struct ref_tensor *x, const char *block,
                           int squeezed)
{
    struct ref_tensor s = ref_mean(x);
    g_autofree char *reduce = g_strconcat(block, ".se.conv_reduce", NULL);
    g_autofree char *expand = g_strconcat(block, ".se.conv_expand", NULL);
    pointwise(net, &s, reduce, squeezed, true);
    ref_activation(&s, ACT_SWISH);
    pointwise(net, &s, expand, x->c, true);
    ref_activation(&s, ACT_SIGMOID);
    ref_scale(x, s.data);
    ref_free(&s);
}

// Names of a convolution and its batch norm inside a block.
struct step {
    const char *conv, *bn;
};

static void block(struct ref_network *net, struct ref_tensor *x, const char *name,
                  const struct stage *stage, int stride)
{
    const struct arch *arch = &net->model->arch;
    bool lite = arch->backbone->lite;
    enum activation act = lite ? ACT_RELU6 : ACT_SWISH;
    int in = x->c;
    struct step depth = {".conv_dw", ".bn1"}, project = {".conv_pw", ".bn2"};
    struct ref_tensor y = copy_of(x);
    if (stage->expand != 1) {
        g_autofree char *conv = g_strconcat(name, ".conv_pw", NULL);
        g_autofree char *bn = g_strconcat(name, ".bn1", NULL);
        pointwise(net, &y, conv, in * stage->expand, false);
        batch_norm(net, &y, bn, arch->backbone_bn_eps);
        ref_activation(&y, act);
        depth.bn = ".bn2";
        project = (struct step){".conv_pwl", ".bn3"};
    }
    g_autofree char *depth_conv = g_strconcat(name, depth.conv, NULL);
    g_autofree char *depth_bn = g_strconcat(name, depth.bn, NULL);
    depthwise(net, &y, depth_conv, stage->kernel, stride, arch->backbone_pad);
    batch_norm(net, &y, depth_bn, arch->backbone_bn_eps);
    ref_activation(&y, act);
    if (!lite) {
        squeeze_excite(net, &y, name, MAX(1, in / 4));
    }
    g_autofree char *project_conv = g_strconcat(name, project.conv, NULL);
    g_autofree char *project_bn = g_strconcat(name, project.bn, NULL);
    pointwise(net, &y, project_conv, stage->out, false);
    batch_norm(net, &y, project_bn, arch->backbone_bn_eps);
    if (stride == 1 && in == stage->out) {
        ref_add(&y, x);
    }
    replace(x, y);
}

static void backbone(struct ref_network *net, const struct ref_tensor *input)
{
    const struct arch *arch = &net->model->arch;
    const struct backbone *b = arch->backbone;
    g_autofree float *stem = weights(net, "backbone.conv_stem", ".weight", 4, b->stem, 3, 3, 3);
    struct ref_tensor x = ref_conv(input, stem, NULL, b->stem, 3, 2, arch->backbone_pad);
    batch_norm(net, &x, "backbone.bn1", arch->backbone_bn_eps);
    ref_activation(&x, b->lite ? ACT_RELU6 : ACT_SWISH);
    keep(net, g_strdup("stem"), copy_of(&x));
    for (int s = 0; s < MAX_STAGES; s++) {
        for (int i = 0; i < b->stages[s].repeats; i++) {
            g_autofree char *name = g_strdup_printf("backbone.blocks.%d.%d", s, i);
            block(net, &x, name, &b->stages[s], i == 0 ? b->stages[s].stride : 1);
            keep(net, g_strdup(name + strlen("backbone.")), copy_of(&x));
        }
        if (s == 2 || s == 4 || s == 6) {
            keep(net, g_strdup_printf("C%d", 2 + s / 2), copy_of(&x));
        }
    }
    ref_free(&x);
}

static void project(struct ref_network *net, struct ref_tensor *x, const char *prefix)
{
    const struct arch *arch = &net->model->arch;
    g_autofree char *conv = g_strconcat(prefix, ".conv.conv", NULL);
    g_autofree char *bn = g_strconcat(prefix, ".conv.bn", NULL);
    if (x->c != arch->fpn_channels) {
        pointwise(net, x, conv, arch->fpn_channels, arch->redundant_bias);
        batch_norm(net, x, bn, arch->bn_eps);
    }
}

static void downsample(const struct ref_network *net, struct ref_tensor *x)
{
    const struct arch *arch = &net->model->arch;
    if (arch->downsample == DOWNSAMPLE_BILINEAR) {
        replace(x, ref_bilinear(x, (x->h + 1) / 2, (x->w + 1) / 2));
    } else {
        replace(x, ref_maxpool(x, arch->pad, net->model->pool_padding));
    }
}

struct feature {
    struct ref_tensor tensor; // owned by the network's values
    int level;
};

static struct ref_tensor resampled(struct ref_network *net, const struct feature *from, int level,
                                   int height, int width, const char *prefix)
{
    struct ref_tensor x = copy_of(&from->tensor);
    project(net, &x, prefix);
    if (from->level < level) {
        downsample(net, &x);
    } else if (from->level > level && net->model->arch.upsample == UPSAMPLE_BILINEAR) {
        replace(&x, ref_bilinear(&x, height, width));
    } else if (from->level > level) {
        replace(&x, ref_nearest(&x, height, width));
    }
    g_assert_true(x.h == height && x.w == width);
    return x;
}

// Turns the edge weights of a node into the factors of its inputs (spec 4.4).
static void fusion_factors(struct ref_network *net, const struct ref_node *node, const char *prefix,
                           double factors[3])
{
    const struct arch *arch = &net->model->arch;
    enum fusion fusion = node->quad ? arch->quad_fusion : arch->fusion;
    double sum = fusion == FUSION_FAST ? 1e-4 : 0.0;
    for (int i = 0; i < node->n_inputs; i++) {
        factors[i] = 1.0;
    }
    if (fusion == FUSION_SUM) {
        return;
    }
    g_autofree float *edge = vector(net, prefix, ".combine.edge_weights", node->n_inputs);
    for (int i = 0; i < node->n_inputs; i++) {
        factors[i] = fusion == FUSION_FAST ? fmax(edge[i], 0.0) : exp(edge[i]);
        sum += factors[i];
    }
    for (int i = 0; i < node->n_inputs; i++) {
        factors[i] /= sum;
    }
}

static struct ref_tensor fpn_node(struct ref_network *net, const struct ref_node *node,
                                  const struct feature *features, int height, int width,
                                  const char *prefix)
{
    const struct arch *arch = &net->model->arch;
    double factors[3];
    fusion_factors(net, node, prefix, factors);
    struct ref_tensor y = ref_new(arch->fpn_channels, height, width);
    for (int i = 0; i < node->n_inputs; i++) {
        g_autofree char *unit = g_strdup_printf("%s.combine.resample.%d", prefix, node->inputs[i]);
        struct ref_tensor x =
            resampled(net, &features[node->inputs[i]], node->level, height, width, unit);
        for (gsize j = 0; j < (gsize)y.c * y.h * y.w; j++) {
            y.data[j] += factors[i] * x.data[j];
        }
        ref_free(&x);
    }
    ref_activation(&y, arch->act);
    g_autofree char *dw = g_strconcat(prefix, ".after_combine.conv.conv_dw", NULL);
    g_autofree char *pw = g_strconcat(prefix, ".after_combine.conv.conv_pw", NULL);
    g_autofree char *bn = g_strconcat(prefix, ".after_combine.conv.bn", NULL);
    depthwise(net, &y, dw, 3, 1, arch->pad);
    pointwise(net, &y, pw, arch->fpn_channels, arch->redundant_bias);
    batch_norm(net, &y, bn, arch->bn_eps);
    return y;
}

static void fpn(struct ref_network *net, struct feature levels[MAX_LEVELS])
{
    const struct arch *arch = &net->model->arch;
    int n_levels = arch->max_level - arch->min_level + 1;
    struct ref_node nodes[32];
    int n_nodes = ref_fpn_nodes(arch, nodes);
    for (int c = 0; c < arch->fpn_cells; c++) {
        struct feature features[MAX_LEVELS + 32];
        memcpy(features, levels, sizeof features[0] * n_levels);
        for (int k = 0; k < n_nodes; k++) {
            g_autofree char *prefix = g_strdup_printf("fpn.cell.%d.fnode.%d", c, k);
            const struct ref_tensor *size = &levels[nodes[k].level - arch->min_level].tensor;
            struct feature *out = &features[n_levels + k];
            *out = (struct feature){fpn_node(net, &nodes[k], features, size->h, size->w, prefix),
                                    nodes[k].level};
            keep(net, g_strdup_printf("cell%d.node%d", c, k), out->tensor);
        }
        for (int k = 0; k < n_nodes; k++) { // the last node of a level is its output
            levels[nodes[k].level - arch->min_level] = features[n_levels + k];
        }
        for (int l = 0; l < n_levels; l++) {
            keep(net, g_strdup_printf("cell%d.P%d", c, levels[l].level),
                 copy_of(&levels[l].tensor));
        }
    }
}

static void head(struct ref_network *net, const struct feature *levels, const char *head_name,
                 const char *output, int outputs)
{
    const struct arch *arch = &net->model->arch;
    for (int l = 0; l <= arch->max_level - arch->min_level; l++) {
        struct ref_tensor x = copy_of(&levels[l].tensor);
        for (int r = 0; r < arch->head_repeats; r++) {
            g_autofree char *dw = g_strdup_printf("%s.conv_rep.%d.conv_dw", head_name, r);
            g_autofree char *pw = g_strdup_printf("%s.conv_rep.%d.conv_pw", head_name, r);
            g_autofree char *bn = g_strdup_printf("%s.bn_rep.%d.%d.bn", head_name, r, l);
            g_autofree char *own = g_strdup_printf("%s.conv_rep.%d.%d.conv_pw", head_name, r, l);
            depthwise(net, &x, dw, 3, 1, arch->pad);
            pointwise_of(net, &x, arch->head_per_level ? own : pw,
                         arch->redundant_bias ? pw : NULL, arch->fpn_channels);
            batch_norm(net, &x, bn, arch->bn_eps);
            ref_activation(&x, arch->head_act);
        }
        g_autofree char *dw = g_strconcat(head_name, ".predict.conv_dw", NULL);
        g_autofree char *pw = g_strconcat(head_name, ".predict.conv_pw", NULL);
        depthwise(net, &x, dw, 3, 1, arch->pad);
        pointwise(net, &x, pw, outputs, true);
        keep(net, g_strdup_printf("%s%d", output, arch->min_level + l), x);
    }
}

struct ref_network *ref_network_run(const struct model *model, const struct ref_tensor *input,
                                    ref_get get, void *data)
{
    struct ref_network *net = g_new0(struct ref_network, 1);
    *net = (struct ref_network){g_hash_table_new_full(g_str_hash, g_str_equal, g_free, value_free),
                                model, get, data};
    const struct arch *arch = &model->arch;
    struct feature levels[MAX_LEVELS];
    backbone(net, input);
    for (int l = arch->min_level; l <= arch->max_level; l++) {
        g_autofree char *name = g_strdup_printf("%c%d", l <= 5 ? 'C' : 'P', l);
        if (l > 5) { // an extra level: the one below, projected when it is still a backbone map
            struct ref_tensor x = copy_of(&levels[l - 1 - arch->min_level].tensor);
            g_autofree char *unit = g_strdup_printf("fpn.resample.%d", l - arch->min_level);
            project(net, &x, unit);
            downsample(net, &x);
            keep(net, g_strdup(name), x);
        }
        levels[l - arch->min_level] = (struct feature){*ref_network_value(net, name), l};
    }
    fpn(net, levels);
    int cells = model->anchors.num_scales * model->anchors.num_aspects;
    head(net, levels, "class_net", "class", cells * model->num_classes);
    head(net, levels, "box_net", "box", cells * 4);
    if (net->failed) {
        ref_network_free(&net);
    }
    return net;
}

void ref_network_free(struct ref_network **network)
{
    if (*network) {
        g_hash_table_unref((*network)->values);
        g_clear_pointer(network, g_free);
    }
}

const struct ref_tensor *ref_network_value(const struct ref_network *network, const char *name)
{
    return g_hash_table_lookup(network->values, name);
}

bool ref_get_synthetic(void *data, const char *name, const int *shape, int rank, float *out)
{
    const struct ref_gains *gains = data;
    char head_name[16], leaf[16], file_name[64];
    int repeat, level;
    if (gains->head_bn_level_first &&
        sscanf(name, "%9[a-z_].bn_rep.%d.%d.bn.%12s", head_name, &repeat, &level, leaf) == 4) {
        g_snprintf(file_name, sizeof file_name, "%s.bn_rep.%d.%d.%s", head_name, level, repeat,
                   leaf);
        name = file_name;
    }
    ref_weight(name, shape, rank, gains->backbone, gains->head, out);
    return true;
}
