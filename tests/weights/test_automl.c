// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Whole networks under google/automl's names and in TensorFlow's axis orders, renamed here from the
// specification, independently of the loader.
#include "weights_fixture.h"

#include "effdet/effdet.h"
#include "reference.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

// ---- the names of the variables (spec 9.4) -----------------------------------------------------

struct leaf {
    const char *canonical, *variable;
};

static const char *look_up(const struct leaf *rows, gsize n, const char *canonical)
{
    for (gsize i = 0; i < n; i++) {
        if (g_str_equal(rows[i].canonical, canonical)) {
            return rows[i].variable;
        }
    }
    g_error("no row for %s", canonical);
}

// "…/kernel" of "….weight" and so on; part: "conv_dw", "bn1", …
static const char *leaf_name(const char *part, const char *leaf, bool separable)
{
    static const struct leaf bn[] = {{"weight", "gamma"},
                                     {"bias", "beta"},
                                     {"running_mean", "moving_mean"},
                                     {"running_var", "moving_variance"}};
    if (g_str_has_prefix(part, "bn")) {
        return look_up(bn, G_N_ELEMENTS(bn), leaf);
    }
    if (g_str_equal(leaf, "bias")) {
        return "bias";
    }
    return g_str_equal(part, "conv_dw") ? "depthwise_kernel"
           : separable                  ? "pointwise_kernel"
                                        : "kernel";
}

static char *block_variable(const char *canonical, const struct model *model)
{
    static const struct leaf rows[] = {
        {"conv_pw", "conv2d"},
        {"conv_pwl", "conv2d_1"},
        {"conv_dw", "depthwise_conv2d"},
        {"bn1", "tpu_batch_normalization"},
        {"bn2", "tpu_batch_normalization_1"},
        {"bn3", "tpu_batch_normalization_2"},
        {"se.conv_reduce", "se/conv2d"},
        {"se.conv_expand", "se/conv2d_1"},
    };
    int stage, index, consumed = 0, flat = 0;
    g_assert_cmpint(sscanf(canonical, "backbone.blocks.%d.%d.%n", &stage, &index, &consumed), ==,
                    2);
    for (int s = 0; s < stage; s++) {
        flat += model->arch.backbone->stages[s].repeats;
    }
    const char *leaf = strrchr(canonical, '.') + 1;
    g_autofree char *part =
        g_strndup(canonical + consumed, (gsize)(leaf - canonical - consumed) - 1);
    return g_strdup_printf("efficientnet-%s/blocks_%d/%s/%s", model->arch.backbone->name,
                           flat + index, look_up(rows, G_N_ELEMENTS(rows), part),
                           leaf_name(part, leaf, false));
}

static char *node_variable(const char *canonical, const struct model *model)
{
    int cell, node, source, consumed = 0, more = 0, levels = model_levels(model);
    char part[16], leaf[16];
    g_assert_cmpint(sscanf(canonical, "fpn.cell.%d.fnode.%d.%n", &cell, &node, &consumed), ==, 2);
    const char *rest = canonical + consumed;
    if (sscanf(rest, "combine.resample.%d.conv.%n", &source, &more) == 1) {
        g_assert_cmpint(sscanf(rest + more, "%15[a-z].%15[a-z_]", part, leaf), ==, 2);
        return g_strdup_printf("fpn_cells/cell_%d/fnode%d/resample_0_%d_%d/%s/%s", cell, node,
                               source, levels + node, part[0] == 'b' ? "bn" : "conv2d",
                               leaf_name(part, leaf, false));
    }
    g_assert_cmpint(sscanf(rest, "after_combine.conv.%15[a-z_].%15[a-z_]", part, leaf), ==, 2);
    return g_strdup_printf("fpn_cells/cell_%d/fnode%d/op_after_combine%d/%s/%s", cell, node,
                           levels + node, part[0] == 'b' ? "bn" : "conv",
                           leaf_name(part, leaf, true));
}

static char *head_variable(const char *canonical)
{
    char head[8], part[16], leaf[16];
    int repeat, level;
    g_assert_cmpint(sscanf(canonical, "%5[a-z]_net.", head), ==, 1);
    const char *rest = strchr(canonical, '.') + 1;
    if (sscanf(rest, "bn_rep.%d.%d.bn.%15[a-z_]", &repeat, &level, leaf) == 3) {
        return g_strdup_printf("%s_net/%s-%d-bn-%d/%s", head, head, repeat, level + 3,
                               leaf_name("bn", leaf, true));
    }
    if (sscanf(rest, "conv_rep.%d.%15[a-z_].%15[a-z_]", &repeat, part, leaf) == 3) {
        return g_strdup_printf("%s_net/%s-%d/%s", head, head, repeat, leaf_name(part, leaf, true));
    }
    g_assert_cmpint(sscanf(rest, "predict.%15[a-z_].%15[a-z_]", part, leaf), ==, 2);
    return g_strdup_printf("%s_net/%s-predict/%s", head, head, leaf_name(part, leaf, true));
}

static char *rename_automl(const char *canonical, const struct model *model)
{
    const char *leaf = strrchr(canonical, '.') + 1;
    if (g_str_has_prefix(canonical, "backbone.blocks.")) {
        return block_variable(canonical, model);
    }
    if (g_str_has_prefix(canonical, "backbone.")) {
        bool bn = g_str_has_prefix(canonical, "backbone.bn1.");
        return g_strdup_printf("efficientnet-%s/stem/%s/%s", model->arch.backbone->name,
                               bn ? "tpu_batch_normalization" : "conv2d",
                               leaf_name(bn ? "bn1" : "conv", leaf, false));
    }
    if (g_str_has_prefix(canonical, "fpn.resample.3.conv.")) {
        bool bn = strstr(canonical, ".bn.") != NULL;
        return g_strdup_printf("resample_p6/%s/%s", bn ? "bn" : "conv2d",
                               leaf_name(bn ? "bn" : "conv", leaf, false));
    }
    return g_str_has_prefix(canonical, "fpn.cell.") ? node_variable(canonical, model)
                                                    : head_variable(canonical);
}

// ---- the order of the axes (spec 9.1) ----------------------------------------------------------

// PyTorch's (A, B, h, w) as (h, w, B, A), or of depthwise kernels as (h, w, A, B).
static float *reorder(const struct file_tensor *tensor, bool depthwise, int64_t shape[4])
{
    const int64_t *n = tensor->shape;
    float *values = g_new(float, n[0] * n[1] * n[2] * n[3]);
    const float *from = tensor->values;
    for (int64_t a = 0; a < n[0]; a++) {
        for (int64_t b = 0; b < n[1]; b++) {
            for (int64_t place = 0; place < n[2] * n[3]; place++) {
                int64_t inner = depthwise ? a * n[1] + b : b * n[0] + a;
                values[place * n[0] * n[1] + inner] = *from++;
            }
        }
    }
    shape[0] = n[2];
    shape[1] = n[3];
    shape[2] = depthwise ? n[0] : n[1];
    shape[3] = depthwise ? n[1] : n[0];
    return values;
}

// Rank of the fusion weights: scalars, or vectors of one element.
static struct weights_file *automl_file(const struct model *model, int scalar_rank)
{
    struct weights_file *from = weights_file_of(model, rename_none, true);
    struct weights_file *file = weights_file_new();
    const int64_t one[1] = {1};
    for (guint i = 0; i < from->tensors->len; i++) {
        const struct file_tensor *tensor = from->tensors->pdata[i];
        int cell, node;
        if (g_str_has_suffix(tensor->name, ".combine.edge_weights")) {
            sscanf(tensor->name, "fpn.cell.%d.fnode.%d.", &cell, &node);
            for (int j = 0; j < tensor->shape[0]; j++) {
                g_autofree char *number = j ? g_strdup_printf("_%d", j) : g_strdup("");
                g_autofree char *name =
                    g_strdup_printf("fpn_cells/cell_%d/fnode%d/WSM%s", cell, node, number);
                weights_file_add(file, name, "F32", one, scalar_rank, tensor->values + j);
            }
            continue;
        }
        g_autofree char *name = rename_automl(tensor->name, model);
        if (tensor->rank == 4) {
            int64_t shape[4];
            g_autofree float *values =
                reorder(tensor, g_str_has_suffix(name, "depthwise_kernel"), shape);
            weights_file_add(file, name, "F32", shape, 4, values);
        } else {
            weights_file_add(file, name, "F32", tensor->shape, tensor->rank, tensor->values);
        }
    }
    weights_file_free(from);
    return file;
}

// ---- tests -------------------------------------------------------------------------------------

// Every tensor of the network is what its canonical name says, and nothing is left over.
static void check_values(const char *path, const struct checkpoint_options *options)
{
    g_autoptr(GError) error = NULL;
    struct checkpoint *checkpoint = open_file(path, options);
    struct graph *graph = graph_new(checkpoint_model(checkpoint));
    g_autoptr(GArray) list = wanted_tensors(graph);
    graph_free(&graph);
    for (guint i = 0; i < list->len; i++) {
        const struct wanted *wanted = &g_array_index(list, struct wanted, i);
        int shape[4];
        gsize n = 1;
        for (int j = 0; j < wanted->rank; j++) {
            shape[j] = (int)wanted->shape[j];
            n *= (gsize)shape[j];
        }
        g_autofree float *expected = g_new(float, n), *values = g_new(float, n);
        ref_weight(wanted->name, shape, wanted->rank, 1.0, 1.0, expected);
        g_assert_true(
            checkpoint_read(checkpoint, wanted->name, wanted->shape, wanted->rank, values, &error));
        if (memcmp(values, expected, n * sizeof(float)) != 0) {
            g_error("%s has other values", wanted->name);
        }
    }
    g_assert_true(checkpoint_all_used(checkpoint, &error));
    g_assert_no_error(error);
    checkpoint_close(&checkpoint);
}

static void test_values(struct fixture *fixture, gconstpointer data)
{
    struct weights_file *file = automl_file(&fixture->model, 0);
    weights_file_write(file, fixture->path);
    weights_file_free(file);
    check_values(fixture->path, NULL);
    struct checkpoint *checkpoint = open_file(fixture->path, NULL);
    const struct model *model = checkpoint_model(checkpoint);
    g_assert_cmpstr(checkpoint_naming(checkpoint), ==, "automl");
    g_assert_cmpint(model->convention, ==, CONVENTION_TF);
    g_assert_cmpint(model->num_classes, ==, 2);
    g_assert_cmpint(model->arch.fpn_cells, ==, 2);
    g_assert_cmpfloat(model->pre.mean[0], ==, model->arch.backbone->lite ? 127.0 : 123.675);
    double wide = model->arch.backbone->lite ? sqrt(2.0) : 1.4; // spec 6.2
    g_assert_cmpfloat(model->anchors.aspects[1][0], ==, wide);
    // what convert writes holds the same network, in the same convention
    g_autoptr(GError) error = NULL;
    g_autofree char *converted = g_build_filename(fixture->folder, "c.safetensors", NULL);
    g_assert_true(checkpoint_save(checkpoint, converted, false, &error));
    g_assert_no_error(error);
    checkpoint_close(&checkpoint);
    check_values(converted, NULL);
    checkpoint = open_file(converted, NULL);
    g_assert_cmpint(checkpoint_model(checkpoint)->convention, ==, CONVENTION_TF);
    g_assert_cmpfloat(checkpoint_model(checkpoint)->anchors.aspects[1][0], ==, wide);
    g_assert_cmpfloat(checkpoint_model(checkpoint)->pre.std[0], ==,
                      checkpoint_model(checkpoint)->arch.backbone->lite ? 128.0 : 58.395);
    checkpoint_close(&checkpoint);
}

static void test_refusals(struct fixture *fixture, gconstpointer data)
{
    struct weights_file *file = automl_file(&fixture->model, 1);
    weights_file_write(file, fixture->path);
    check_values(fixture->path, NULL); // fusion weights of one element each
    weights_file_remove(file, "fpn_cells/cell_1/fnode4/WSM_1");
    expect_refusal(fixture, file, "fpn.cell.1.fnode.4.combine.edge_weights): wanted shape [3]");
    file = automl_file(&fixture->model, 0);
    weights_file_remove(file, "class_net/class-0/pointwise_kernel");
    expect_refusal(fixture, file, "class_net.conv_rep.0.conv_pw.weight");
    file = automl_file(&fixture->model, 0);
    weights_file_find(file, "box_net/box-predict/depthwise_kernel")->shape[0] = 1;
    expect_refusal(fixture, file, "box_net/box-predict/depthwise_kernel");
    file = automl_file(&fixture->model, 0);
    weights_file_add(file, "efficientnet-b0/blocks_3/gate/kernel", "F32", (int64_t[]){1}, 1, NULL);
    expect_refusal(fixture, file, "efficientnet-b0/blocks_3/gate/kernel [1]");
}

// Networks trained with AdvProp are known by the name of the file or of a folder.
static void test_adversarial(struct fixture *fixture, gconstpointer data)
{
    static const char *const names[] = {"efficientdet-d0-advprop.safetensors",
                                        "efficientdet-d0.safetensors"};
    struct weights_file *file = automl_file(&fixture->model, 0);
    for (int i = 0; i < 2; i++) {
        g_autofree char *path = g_build_filename(fixture->folder, names[i], NULL);
        weights_file_write(file, path);
        struct checkpoint *checkpoint = open_file(path, NULL);
        const struct preprocess *pre = &checkpoint_model(checkpoint)->pre;
        g_assert_cmpfloat(checkpoint_model(checkpoint)->anchors.aspects[1][0], ==,
                          i == 0 ? sqrt(2.0) : 1.4);
        for (int c = 0; c < 3; c++) {
            g_assert_true((pre->mean[c] == 127.5) == (i == 0));
            g_assert_true((pre->std[c] == 127.5) == (i == 0));
            g_assert_cmpfloat(pre->fill[c], ==, i == 0 ? -1.0 : 0.0);
        }
        checkpoint_close(&checkpoint);
    }
    weights_file_free(file);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD_WITH_FIXTURE("/automl/values", "d0", test_values);
    ADD_WITH_FIXTURE("/automl/values-lite", "lite0", test_values);
    ADD_WITH_FIXTURE("/automl/refusals", "d0", test_refusals);
    ADD_WITH_FIXTURE("/automl/adversarial", "d0", test_adversarial);
    return g_test_run();
}
