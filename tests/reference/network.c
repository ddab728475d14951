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

static void dense(struct ref_network *net, struct ref_tensor *x, const char *prefix, int outputs,
                  int kernel, int stride, enum pad_type pad, bool with_bias)
{
    g_autofree float *weight = weights(net, prefix, ".weight", 4, outputs, x->c, kernel, kernel);
    g_autofree float *bias = with_bias ? vector(net, prefix, ".bias", outputs) : NULL;
    replace(x, ref_conv(x, weight, bias, outputs, kernel, stride, pad));
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

// A dense convolution of the backbone, its batch norm and activation.
static void dense_step(struct ref_network *net, struct ref_tensor *x, const char *name,
                       struct step step, int outputs, int kernel, int stride, enum activation act)
{
    const struct arch *arch = &net->model->arch;
    g_autofree char *conv = g_strconcat(name, step.conv, NULL);
    g_autofree char *bn = g_strconcat(name, step.bn, NULL);
    dense(net, x, conv, outputs, kernel, stride, arch->backbone_pad, false);
    batch_norm(net, x, bn, arch->backbone_bn_eps);
    ref_activation(x, act);
}

static void dense_block(struct ref_network *net, struct ref_tensor *x, const char *name,
                        const struct stage *stage, int stride)
{
    enum activation act = net->model->arch.backbone->act;
    int in = x->c, middle = stage->middle ? stage->middle : in * stage->expand;
    struct ref_tensor y = copy_of(x);
    if (stage->kind == BLOCK_PLAIN) {
        dense_step(net, &y, name, (struct step){".conv", ".bn1"}, stage->out, stage->kernel, stride,
                   act);
    } else {
        dense_step(net, &y, name, (struct step){".conv_exp", ".bn1"}, middle, stage->kernel, stride,
                   act);
        dense_step(net, &y, name, (struct step){".conv_pwl", ".bn2"}, stage->out, 1, 1, ACT_NONE);
    }
    if (stride == 1 && in == stage->out && !stage->no_skip) {
        ref_add(&y, x);
    }
    replace(x, y);
}

static void bottleneck(struct ref_network *net, struct ref_tensor *x, const char *name,
                       const struct stage *stage, int stride, bool first)
{
    struct ref_tensor y = copy_of(x);
    dense_step(net, &y, name, (struct step){".conv1", ".bn1"}, stage->middle, 1, 1, ACT_RELU);
    dense_step(net, &y, name, (struct step){".conv2", ".bn2"}, stage->middle, 3, stride, ACT_RELU);
    dense_step(net, &y, name, (struct step){".conv3", ".bn3"}, stage->out, 1, 1, ACT_NONE);
    if (first) {
        dense_step(net, x, name, (struct step){".downsample.0", ".downsample.1"}, stage->out, 1,
                   stride, ACT_NONE);
    }
    ref_add(&y, x);
    ref_activation(&y, ACT_RELU);
    replace(x, y);
}

// wide: name of the value to keep that is projected from, or NULL. Of the last block of all nothing
// else is looked at.
static void block(struct ref_network *net, struct ref_tensor *x, const char *name,
                  const struct stage *stage, int stride, const char *wide, bool last)
{
    const struct arch *arch = &net->model->arch;
    enum activation act = arch->backbone->act;
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
    if (arch->backbone->squeeze) {
        squeeze_excite(net, &y, name, MAX(1, in / 4));
    }
    if (wide) {
        keep(net, g_strdup(wide), copy_of(&y));
    }
    if (wide && last) {
        ref_free(&y);
        return;
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

// What comes before the blocks.
static struct ref_tensor stem(struct ref_network *net, const struct ref_tensor *input)
{
    const struct arch *arch = &net->model->arch;
    const struct backbone *b = arch->backbone;
    struct ref_tensor x = copy_of(input);
    if (b->stages[0].kind == BLOCK_BOTTLENECK) {
        dense_step(net, &x, "backbone", (struct step){".conv1", ".bn1"}, b->stem, 7, 2, b->act);
        replace(&x, ref_maxpool(&x, arch->backbone_pad, POOL_PAD_IGNORE));
    } else {
        dense_step(net, &x, "backbone", (struct step){".conv_stem", ".bn1"}, b->stem, 3, 2, b->act);
    }
    keep(net, g_strdup("stem"), copy_of(&x));
    return x;
}

static void backbone(struct ref_network *net, const struct ref_tensor *input)
{
    const struct backbone *b = net->model->arch.backbone;
    struct ref_tensor x = stem(net, input);
    for (int s = 0; s < MAX_STAGES; s++) {
        const struct stage *stage = &b->stages[s];
        int level = 0;
        for (int t = 0; t < 3; t++) {
            level = b->taps[t] == s ? 3 + t : level;
        }
        g_autofree char *tap = level > 0 ? g_strdup_printf("C%d", level) : NULL;
        for (int i = 0; i < stage->repeats; i++) {
            bool resnet = stage->kind == BLOCK_BOTTLENECK, last = i == stage->repeats - 1;
            g_autofree char *name = resnet ? g_strdup_printf("backbone.layer%d.%d", s + 1, i)
                                           : g_strdup_printf("backbone.blocks.%d.%d", s, i);
            int stride = i == 0 ? stage->stride : 1;
            if (resnet) {
                bottleneck(net, &x, name, stage, stride, i == 0);
            } else if (stage->kind != BLOCK_MBCONV) {
                dense_block(net, &x, name, stage, stride);
            } else {
                block(net, &x, name, stage, stride, b->wide && last ? tap : NULL, level == 5);
            }
            keep(net, g_strdup(name + strlen("backbone.")), copy_of(&x));
        }
        if (tap && !b->wide) {
            keep(net, g_strdup(tap), copy_of(&x));
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

// A 3x3 convolution of the pyramid or a head, separable or dense.
static void convolve(struct ref_network *net, struct ref_tensor *x, const char *prefix,
                     const char *name, int outputs, bool with_bias)
{
    const struct arch *arch = &net->model->arch;
    g_autofree char *dw = g_strconcat(prefix, name, ".conv_dw", NULL);
    g_autofree char *pw = g_strconcat(prefix, name, ".conv_pw", NULL);
    g_autofree char *whole = g_strconcat(prefix, name, ".conv", NULL);
    if (arch->dense) {
        dense(net, x, whole, outputs, 3, 1, arch->pad, with_bias);
    } else {
        depthwise(net, x, dw, 3, 1, arch->pad);
        pointwise(net, x, pw, outputs, with_bias);
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
    convolve(net, &y, prefix, ".after_combine.conv", arch->fpn_channels, arch->redundant_bias);
    g_autofree char *bn = g_strconcat(prefix, ".after_combine.conv.bn", NULL);
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
            g_autofree char *conv = g_strdup_printf(".conv_rep.%d", r);
            g_autofree char *bn = g_strdup_printf("%s.bn_rep.%d.%d.bn", head_name, r, l);
            if (arch->head_per_level) {
                g_autofree char *dw = g_strconcat(head_name, conv, ".conv_dw", NULL);
                g_autofree char *pw = g_strconcat(head_name, conv, ".conv_pw", NULL);
                g_autofree char *own = g_strdup_printf("%s%s.%d.conv_pw", head_name, conv, l);
                depthwise(net, &x, dw, 3, 1, arch->pad);
                pointwise_of(net, &x, own, arch->redundant_bias ? pw : NULL, arch->fpn_channels);
            } else {
                convolve(net, &x, head_name, conv, arch->fpn_channels, arch->redundant_bias);
            }
            batch_norm(net, &x, bn, arch->bn_eps);
            ref_activation(&x, arch->head_act);
        }
        convolve(net, &x, head_name, ".predict", outputs, true);
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
