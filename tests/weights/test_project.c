// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// zylo117 project files and the expressions in them.
#include "weights_file.h"

#include "effdet/effdet.h"
#include "weights/checkpoint.h"
#include "weights/expression.h"
#include "weights/project.h"

#include <math.h>
#include <string.h>

static void test_numbers(void)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {
        {"1", 1.0},
        {" -2.5e-1 ", -0.25},
        {".5", 0.5},
        {"2 ** 0", 1.0},
        {"2 ** (1.0 / 3.0)", 1.2599210498948732},
        {"-2 ** 2", -4.0},
        {"2 ** -1", 0.5},
        {"2 ** 3 ** 2", 512.0},
        {"1 + 2 * 3 - 4 / 2", 5.0},
        {"(1 + 2) * 3", 9.0},
        {"10 - 4 - 3", 3.0},
        {"24 / 4 / 2", 3.0},
        {"((((1))))", 1.0},
        {"+-+1", -1.0},
    };
    static const char *const bad[] = {
        "",
        "x",
        "1 +",
        "(1",
        "1)",
        "1 / 0",
        "nan",
        "inf",
        "1 2",
        "2 ***",
        "1e999",
        "0x",
        "__import__('os')",
        "max(1, 2)",
        "1,",
        "2 ** 99999",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        double value = 0.0;
        g_test_message("%s", good[i].text);
        g_assert_true(expression_number(good[i].text, &value));
        g_assert_cmpfloat_with_epsilon(value, good[i].value, 1e-12);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        double value = 0.0;
        g_test_message("%s", bad[i]);
        g_assert_false(expression_number(bad[i], &value));
    }
    g_autofree char *deep = g_strnfill(100000, '(');
    g_autofree char *signs = g_strnfill(100000, '-');
    double value;
    g_assert_false(expression_number(deep, &value));
    g_assert_false(expression_number(signs, &value));
}

static void test_lists(void)
{
    double items[4][2];
    int n;
    g_assert_true(expression_list("[1, 2 ** 2, (3 + 4) / 2,]", false, items, 4, &n));
    g_assert_cmpint(n, ==, 3);
    g_assert_cmpfloat(items[1][0], ==, 4.0);
    g_assert_cmpfloat(items[2][0], ==, 3.5);
    g_assert_true(expression_list("[(1.0, 1.0), [1.4, 0.7], ((2), 1/2,)]", true, items, 4, &n));
    g_assert_cmpint(n, ==, 3);
    g_assert_cmpfloat(items[1][0], ==, 1.4);
    g_assert_cmpfloat(items[2][1], ==, 0.5);
    g_assert_true(expression_list("[]", true, items, 4, &n));
    g_assert_cmpint(n, ==, 0);
    static const char *const bad[] = {"[1, 2, 3, 4, 5]", "[1 2]", "[1", "1, 2", "[1]]", "[,]",
                                      "[(1, 2",          "(1, 2]"};
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_test_message("%s", bad[i]);
        g_assert_false(expression_list(bad[i], false, items, 4, &n));
    }
    g_assert_false(expression_list("[(1, 2, 3)]", true, items, 4, &n));
    g_assert_false(expression_list("[(1)]", true, items, 4, &n));
    g_assert_false(expression_list("[1, 2]", true, items, 4, &n));
}

static const char shipped[] = "# a comment\n"
                              "project_name: shape\n"
                              "num_gpus: 1\n"
                              "mean: [0.4, 0.5, 0.6]\n"
                              "std: [0.2, 0.25, 0.3]\n"
                              "anchors_scales: '[2 ** 0, 2 ** 0.70, 2 ** 1.32]'\n"
                              "anchors_ratios: '[(1.0, 1.0), (1.3, 0.8), (1.9, 0.5)]'\n"
                              "obj_list: ['rectangle', \"circle\"]\n";

static char *write_text(const char *folder, const char *text)
{
    g_autoptr(GError) error = NULL;
    char *path = g_build_filename(folder, "project.yml", NULL);
    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
    return path;
}

static void test_project(void)
{
    g_autoptr(GError) error = NULL;
    char *folder = weights_folder();
    g_autofree char *project = write_text(folder, shipped);
    g_autofree char *path = g_build_filename(folder, "efficientdet-d7_12_3000.safetensors", NULL);
    struct model small;
    struct arch arch = *arch_find("d0");
    arch.fpn_cells = 1;
    model_init(&small, &arch, 2);
    struct weights_file *file = weights_file_of(&small, rename_zylo117, false);
    weights_file_write(file, path);
    struct checkpoint_options options = {.project = project};
    struct checkpoint *checkpoint = checkpoint_open(path, &options, &error);
    g_assert_no_error(error);
    const struct model *model = checkpoint_model(checkpoint);
    g_assert_cmpstr(model->labels[0], ==, "rectangle");
    g_assert_cmpstr(model->labels[1], ==, "circle");
    g_assert_cmpfloat_with_epsilon(model->pre.mean[2], 153.0, 1e-9);
    g_assert_cmpfloat_with_epsilon(model->pre.std[1], 63.75, 1e-9);
    g_assert_cmpfloat_with_epsilon(model->anchors.octave[1], pow(2.0, 0.7), 1e-12);
    g_assert_cmpfloat(model->anchors.aspects[2][0], ==, 1.9);
    struct anchor anchor = anchor_at(model, 1, 0, 0, 2 * 3 + 1); // scale 2, ratio 1, stride 16
    g_assert_cmpfloat_with_epsilon(anchor.w, 4.0 * 16.0 * pow(2.0, 1.32) * 1.3, 1e-9);
    g_assert_cmpfloat_with_epsilon(anchor.h, 4.0 * 16.0 * pow(2.0, 1.32) * 0.8, 1e-9);
    checkpoint_close(&checkpoint);
    static const struct {
        const char *text, *message;
    } wrong[] = {
        {"obj_list: [a]\n", "key obj_list: wanted 2 names"},
        {"obj_list: a\n", "key obj_list: wanted a list of class names"},
        {"obj_list: [a, [b]]\n", "key obj_list: wanted a list of class names"},
        {"mean: [1, 2]\n", "key mean: wanted three numbers"},
        {"std: [1, 2, 0]\n", "key std: wanted three numbers"},
        {"anchors_scales: '[2 ** x]'\n", "key anchors_scales: wanted a list of positive numbers"},
        {"anchors_ratios: '[1, 2]'\n", "key anchors_ratios: wanted a list of pairs"},
        {"anchors_ratios: '[(1.0, 1.0)]'\n", "wanted anchors for the 9 boxes a cell"},
        {"compound_coef: 9\n", "key compound_coef: wanted a whole number from 0 to 8"},
        {"compound_coef: 3\n", "wanted weights of tf_efficientdet_d3"},
        {"a: [1, 2\n", "wanted YAML"},
        {"just text\n", "wanted a mapping"},
        {"", "wanted a mapping"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *again = write_text(folder, wrong[i].text);
        g_assert_null(checkpoint_open(path, &options, &error));
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, wrong[i].message));
        g_clear_error(&error);
    }
    // lists as YAML itself has them, and an anchor that refers to itself
    g_autofree char *listed = write_text(folder, "anchors_scales: [1, 2 ** 0.5, 2]\n"
                                                 "anchors_ratios: [[1, 1], [2, 0.5], [0.5, 2]]\n");
    checkpoint = checkpoint_open(path, &options, &error);
    g_assert_no_error(error);
    g_assert_cmpfloat(checkpoint_model(checkpoint)->anchors.aspects[1][0], ==, 2.0);
    g_assert_cmpfloat_with_epsilon(checkpoint_model(checkpoint)->anchors.octave[1], sqrt(2.0),
                                   1e-12);
    checkpoint_close(&checkpoint);
    g_autofree char *loop = write_text(folder, "mean: &a [1, *a, 2]\n");
    g_assert_null(checkpoint_open(path, &options, &error));
    g_clear_error(&error);
    options.project = "no/such/project.yml";
    g_assert_null(checkpoint_open(path, &options, &error));
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_NOT_FOUND);
    weights_file_free(file);
    model_finish(&small);
    weights_folder_remove(folder);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/project/numbers", test_numbers);
    g_test_add_func("/project/lists", test_lists);
    g_test_add_func("/project/file", test_project);
    return g_test_run();
}
