// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Folded weights: a node with its batch norm against the same operations one after the other, in
// every node of whole networks, plain and fused.
#include "weights/fold.h"

#include "effdet/effdet.h"
#include "reference.h"
#include "weights_file.h"

#include <math.h>
#include <string.h>

static void read_vector(struct checkpoint *checkpoint, const char *prefix, const char *suffix,
                        int n, float *out)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = g_strconcat(prefix, suffix, NULL);
    g_assert_true(checkpoint_read(checkpoint, name, (int64_t[]){n}, 1, out, &error));
    g_assert_no_error(error);
}

static struct ref_tensor convolve(const struct node *node, const struct ref_tensor *in,
                                  const float *weight, const float *bias, int outputs)
{
    switch (node->op) {
    case OP_STEM:
    case OP_CONV:
        return ref_conv(in, weight, bias, outputs, node->kernel, node->stride, node->pad);
    case OP_DEPTHWISE:
        return ref_depthwise(in, weight, bias, node->kernel, node->stride, node->pad);
    default:
        return ref_pointwise(in, weight, bias, outputs);
    }
}

static void check_node(struct checkpoint *checkpoint, const struct graph *graph,
                       const struct node *node)
{
    g_autoptr(GError) error = NULL;
    struct folded folded;
    g_assert_true(fold_node(checkpoint, graph, node, &folded, &error));
    g_assert_no_error(error);
    int outputs = folded.outputs;
    int channels = node->op == OP_DEPTHWISE ? outputs : folded.inputs;
    g_assert_cmpint(folded.n_levels, ==, MAX(1, node->n_bn));
    g_assert_true((folded.scale != NULL) == (folded.n_levels > 1));
    gsize n_weights = (gsize)outputs * folded.inputs * folded.kernel * folded.kernel;
    const int64_t shape[4] = {outputs, folded.inputs, folded.kernel, folded.kernel};
    g_autofree float *weight = g_new(float, n_weights), *bias = g_new0(float, outputs);
    g_autofree float *bn = g_new(float, (gsize)outputs * 4);
    g_assert_true(checkpoint_read(checkpoint, node->parts[0].weight, shape, 4, weight, &error));
    if (node->parts[0].bias[0]) {
        read_vector(checkpoint, node->parts[0].bias, "", outputs, bias);
    }
    struct ref_tensor in = ref_new(channels, 3, 3);
    ref_random(node->name, in.data, channels * 9);
    struct ref_tensor found = convolve(node, &in, folded.weight, NULL, outputs);
    for (int l = 0; l < folded.n_levels; l++) {
        struct ref_tensor wanted = convolve(node, &in, weight, bias, outputs);
        if (node->n_bn > 0) {
            read_vector(checkpoint, node->parts[0].bn[l], ".weight", outputs, bn);
            read_vector(checkpoint, node->parts[0].bn[l], ".bias", outputs, bn + outputs);
            read_vector(checkpoint, node->parts[0].bn[l], ".running_mean", outputs,
                        bn + 2 * outputs);
            read_vector(checkpoint, node->parts[0].bn[l], ".running_var", outputs,
                        bn + 3 * outputs);
            ref_batch_norm(&wanted, bn, bn + outputs, bn + 2 * outputs, bn + 3 * outputs,
                           node->bn_eps);
        }
        int plane = wanted.h * wanted.w;
        for (int i = 0; i < outputs * plane; i++) {
            int set = l * outputs + i / plane;
            double scale = folded.scale ? folded.scale[set] : 1.0;
            double value = found.data[i] * scale + folded.bias[set];
            if (!(fabs(value - wanted.data[i]) <= 2e-6 * (1.0 + fabs(wanted.data[i])))) {
                g_error("%s level %d element %d: %.9g, wanted %.9g", node->name, l, i, value,
                        wanted.data[i]);
            }
        }
        ref_free(&wanted);
    }
    ref_free(&found);
    ref_free(&in);
    folded_finish(&folded);
    g_assert_null(folded.weight);
}

static void check_squeeze(struct checkpoint *checkpoint, const struct graph *graph,
                          const struct node *node)
{
    g_autoptr(GError) error = NULL;
    struct squeeze_weights weights;
    g_assert_true(fold_squeeze(checkpoint, graph, node, &weights, &error));
    g_assert_no_error(error);
    int channels = graph_value(graph, node->output)->channels;
    g_autofree float *expand = g_new(float, (gsize)channels * node->squeeze);
    ref_weight(node->expand, (int[]){channels, node->squeeze, 1, 1}, 4, 1.4, 1.4, expand);
    g_assert_cmpmem(weights.expand, sizeof(float) * channels * node->squeeze, expand,
                    sizeof(float) * channels * node->squeeze);
    squeeze_weights_finish(&weights);
}

static void test_network(gconstpointer data)
{
    for (int fused = 0; fused < 2; fused++) {
        struct checkpoint *checkpoint = checkpoint_synthetic(arch_find(data), 3, 1.4, 1.4);
        struct graph *graph = graph_new(checkpoint_model(checkpoint));
        int per_level = 0;
        if (fused) {
            graph_fuse(graph, &(struct fuse_options){0});
        }
        for (guint i = 0; i < graph->nodes->len; i++) {
            const struct node *node = graph_node(graph, (int)i);
            per_level += node->n_bn > 1;
            if (node->op == OP_STEM || node->op == OP_CONV || node->op == OP_POINTWISE ||
                node->op == OP_DEPTHWISE) {
                check_node(checkpoint, graph, node);
            } else if (node->op == OP_SQUEEZE) {
                check_squeeze(checkpoint, graph, node);
            }
        }
        g_assert_true(!fused || per_level > 0);
        graph_free(&graph);
        checkpoint_close(&checkpoint);
    }
}

// Spec 4.4 and trap T6.
static void test_fusion(void)
{
    static const struct {
        enum fusion fusion;
        int n;
        float weight[3];
        double factor[3];
    } cases[] = {
        {FUSION_FAST, 2, {1, 1}, {1 / 2.0001, 1 / 2.0001}},
        {FUSION_FAST, 3, {1, -1, 3}, {1 / 4.0001, 0, 3 / 4.0001}},
        {FUSION_FAST, 2, {-1, 0}, {0, 0}},
        {FUSION_FAST, 1, {2}, {2 / 2.0001}},
        {FUSION_SOFTMAX, 2, {0, 0}, {0.5, 0.5}},
        {FUSION_SOFTMAX, 3, {1000, 1000, -1000}, {0.5, 0.5, 0}},
        {FUSION_SUM, 3, {7, 8, 9}, {1, 1, 1}},
    };
    char *folder = weights_folder();
    g_autofree char *path = g_build_filename(folder, "weights.safetensors", NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct arch arch = *arch_find("d0");
        struct model model;
        arch.layout = cases[i].n == 1 ? FPN_PAN : FPN_BIFPN; // PAN has nodes of one input
        model_init(&model, &arch, 1);
        struct node node = {.op = OP_NODE, .n_inputs = cases[i].n, .fusion = cases[i].fusion};
        g_snprintf(node.edge_weights, NAME_SIZE, "fpn.cell.0.fnode.%d.combine.edge_weights",
                   cases[i].n == 3 ? 4 : 0);
        g_autoptr(GError) error = NULL;
        struct weights_file *file = weights_file_of(&model, rename_none, false);
        struct file_tensor *tensor = weights_file_find(file, node.edge_weights);
        g_assert_cmpint(tensor->shape[0], ==, cases[i].n);
        tensor->values = g_memdup2(cases[i].weight, sizeof(float) * cases[i].n);
        weights_file_write(file, path);
        weights_file_free(file);
        struct checkpoint *checkpoint = checkpoint_open(path, NULL, &error);
        g_assert_no_error(error);
        float factors[MAX_INPUTS];
        g_assert_true(fold_fusion(checkpoint, &node, factors, &error));
        for (int j = 0; j < cases[i].n; j++) {
            g_assert_cmpfloat_with_epsilon(factors[j], cases[i].factor[j], 1e-7);
        }
        checkpoint_close(&checkpoint);
        model_finish(&model);
    }
    weights_folder_remove(folder);
}

// A variance below zero has no square root.
static void test_variance(void)
{
    g_autoptr(GError) error = NULL;
    char *folder = weights_folder();
    g_autofree char *path = g_build_filename(folder, "weights.safetensors", NULL);
    struct model model;
    model_init(&model, arch_find("lite0"), 1);
    struct weights_file *file = weights_file_of(&model, rename_none, false);
    struct file_tensor *tensor = weights_file_find(file, "backbone.bn1.running_var");
    tensor->values = g_new0(float, 32);
    tensor->values[5] = -0.5f;
    weights_file_write(file, path);
    weights_file_free(file);
    struct checkpoint *checkpoint = checkpoint_open(path, NULL, &error);
    g_assert_no_error(error);
    struct graph *graph = graph_new(checkpoint_model(checkpoint));
    struct folded folded;
    const struct node *stem = graph_node(graph, 0);
    g_assert_cmpint(stem->op, ==, OP_STEM);
    g_assert_false(fold_node(checkpoint, graph, stem, &folded, &error));
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_FILE);
    g_assert_nonnull(strstr(error->message, "backbone.bn1.running_var holds -0.5 at 5"));
    graph_free(&graph);
    checkpoint_close(&checkpoint);
    model_finish(&model);
    weights_folder_remove(folder);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/fold/d0", "d0", test_network);
    g_test_add_data_func("/fold/lite0", "lite0", test_network);
    g_test_add_data_func("/fold/efficientdet_q0", "efficientdet_q0", test_network);
    g_test_add_data_func("/fold/efficientdetv2_dt", "efficientdetv2_dt", test_network);
    g_test_add_func("/fold/fusion", test_fusion);
    g_test_add_func("/fold/variance", test_variance);
    return g_test_run();
}
