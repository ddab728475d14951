// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What a file says about itself and what the caller says: metadata keys, options, labels, networks
// outside the table.
#include "weights_fixture.h"

#include "effdet/effdet.h"

#include <string.h>

// A network outside the table: other widths, layout, levels, fusion, anchors, in one go.
static void test_custom(struct fixture *fixture, gconstpointer data)
{
    struct arch *arch = &fixture->model.arch;
    arch->fpn_channels = 40;
    arch->fpn_cells = 1;
    arch->head_repeats = 2;
    arch->max_level = 8;
    arch->layout = FPN_PAN;
    arch->fusion = arch->quad_fusion = FUSION_FAST;
    arch->redundant_bias = false;
    fixture->model.anchors.num_scales = 2;
    fixture->model.anchors.num_aspects = 1;
    struct weights_file *file = weights_file_of(&fixture->model, rename_none, false);
    weights_file_set(file, "effdet.format", "1");
    weights_file_set(file, "num_scales", "2");
    weights_file_set(file, "aspect_ratios", "[[1.5, 0.75]]");
    weights_file_set(file, "anchor_scale", "[1, 2, 3, 4, 5, 6]");
    weights_file_set(file, "fusion", "softmax");
    weights_file_set(file, "input_size", "[192, 320]");
    weights_file_set(file, "pad_type", "symmetric");
    weights_file_set(file, "backbone_pad_type", "same");
    weights_file_set(file, "labels", "[\"a\", \"b \\u00e4\"]");
    weights_file_set(file, "fill", "[0.5, -0.5, 0.25]");
    weights_file_set(file, "convention", "tf");
    weights_file_set(file, "nms", "hard");
    weights_file_set(file, "nms_classes", "aware");
    weights_file_set(file, "resize", "bilinear-aa");
    weights_file_set(file, "resize_rounding", "trunc");
    weights_file_set(file, "pool_padding", "zero");
    weights_file_set(file, "suggested_score_threshold", "0.25");
    weights_file_set(file, "upsample", "bilinear");
    weights_file_write(file, fixture->path);
    weights_file_free(file);
    struct checkpoint *checkpoint = open_file(fixture->path, NULL);
    const struct model *model = checkpoint_model(checkpoint);
    g_assert_cmpint(model->arch.fpn_channels, ==, 40);
    g_assert_cmpint(model->arch.fpn_cells, ==, 1);
    g_assert_cmpint(model->arch.head_repeats, ==, 2);
    g_assert_cmpint(model->arch.max_level, ==, 8);
    g_assert_cmpint(model->arch.layout, ==, FPN_PAN);
    g_assert_cmpint(model->arch.fusion, ==, FUSION_SOFTMAX);
    g_assert_false(model->arch.redundant_bias);
    g_assert_cmpint(model->arch.pad, ==, PAD_SYMMETRIC);
    g_assert_cmpint(model->arch.backbone_pad, ==, PAD_SAME);
    g_assert_cmpint(model->arch.upsample, ==, UPSAMPLE_BILINEAR);
    g_assert_cmpint(model->anchors.num_scales, ==, 2);
    g_assert_cmpint(model->anchors.num_aspects, ==, 1);
    g_assert_cmpfloat(model->anchors.aspects[0][1], ==, 0.75);
    g_assert_cmpfloat(model->anchors.scale[5], ==, 6.0);
    g_assert_cmpint(model->input_height, ==, 192);
    g_assert_cmpint(model->input_width, ==, 320);
    g_assert_cmpstr(model->labels[1], ==, "b \u00e4");
    g_assert_cmpint(model->convention, ==, CONVENTION_TF);
    g_assert_cmpint(model->post.candidates, ==, CANDIDATES_ARGMAX);
    g_assert_cmpint(model->post.nms, ==, NMS_HARD);
    g_assert_false(model->post.nms_agnostic);
    g_assert_cmpint(model->pre.filter, ==, RESIZE_BILINEAR_AA);
    g_assert_cmpint(model->pre.rounding, ==, ROUND_TRUNC_F32);
    g_assert_cmpfloat(model->pre.fill[1], ==, -0.5);
    g_assert_cmpint(model->pool_padding, ==, POOL_PAD_ZERO);
    g_assert_cmpfloat(model->suggested_score_threshold, ==, 0.25);
    checkpoint_close(&checkpoint);
}

// Metadata that cannot be: an error that names the key, what was wanted and what was found.
static void test_metadata(struct fixture *fixture, gconstpointer data)
{
    static const char *const wrong[][2] = {
        {"effdet.format", "2"},
        {"architecture", "yolo"},
        {"architecture", "tf_efficientdet_d1"},
        {"num_classes", "3"},
        {"num_classes", "two"},
        {"min_level", "2"},
        {"max_level", "8"},
        {"labels", "[\"a\"]"},
        {"labels", "[\"a\", 3]"},
        {"labels", "[[[[[[[[[[[["},
        {"labels", "person"},
        {"input_size", "[512]"},
        {"input_size", "[512, -1]"},
        {"input_size", "[512.5, 512]"},
        {"mean", "[1, 2]"},
        {"mean", "[1, 2, nan]"},
        {"std", "[1, 0, 1]"},
        {"fill", "0"},
        {"resize", "bicubic"},
        {"resize_rounding", "up"},
        {"pad_type", "valid"},
        {"pool_padding", "one"},
        {"bn_eps", "-1"},
        {"bn_eps", "tiny"},
        {"num_scales", "0"},
        {"num_scales", "2.5"},
        {"aspect_ratios", "[[1.0, 1.0], [1.4]]"},
        {"aspect_ratios", "[]"},
        {"aspect_ratios", "[[1, -1]]"},
        {"anchor_scale", "0"},
        {"anchor_scale", "[1, 2]"},
        {"nms", "none"},
        {"nms_classes", "some"},
        {"nms_iou", "1.5"},
        {"suggested_score_threshold", "-0.1"},
        {"convention", "yolo"},
        {"fusion", "sum"},
        {"scales", "[1, 2]"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        struct weights_file *file = weights_file_of(&fixture->model, rename_none, false);
        weights_file_set(file, "effdet.format", "1");
        if (g_str_equal(wrong[i][0], "scales")) {
            weights_file_set(file, "num_scales", "3");
        }
        weights_file_set(file, wrong[i][0], wrong[i][1]);
        g_autofree char *key = g_strdup_printf("key %s: wanted ", wrong[i][0]);
        bool other = g_str_equal(wrong[i][1], "tf_efficientdet_d1");
        expect_refusal(fixture, file,
                       other ? "wanted weights of tf_efficientdet_d1, found those of "
                               "tf_efficientdet_d0"
                             : key);
    }
    // two scales of three ratios are six boxes a cell; the tensors have nine
    struct weights_file *file = weights_file_of(&fixture->model, rename_none, false);
    weights_file_set(file, "effdet.format", "1");
    weights_file_set(file, "num_scales", "2");
    expect_refusal(fixture, file, "wanted anchors for the 9 boxes a cell");
    // a foreign file's metadata is not ours
    g_autoptr(GError) error = NULL;
    file = weights_file_of(&fixture->model, rename_none, false);
    weights_file_set(file, "format", "pt");
    weights_file_set(file, "num_classes", "many");
    weights_file_write(file, fixture->path);
    g_assert_true(read_whole(fixture->path, &error));
    g_assert_no_error(error);
    weights_file_free(file);
}

static void test_options(struct fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    struct weights_file *file = weights_file_of(&fixture->model, rename_none, false);
    weights_file_write(file, fixture->path);
    g_autofree char *labels = g_build_filename(fixture->folder, "labels.txt", NULL);
    g_assert_true(g_file_set_contents(labels,
                                      "\xef\xbb\xbf"
                                      "first\r\n second \n\n",
                                      -1, &error));
    struct checkpoint_options options = {.labels = labels,
                                         .convention = "zylo117",
                                         .architecture = "d0",
                                         .input_height = 96,
                                         .input_width = 160};
    struct checkpoint *checkpoint = open_file(fixture->path, &options);
    const struct model *model = checkpoint_model(checkpoint);
    g_assert_cmpstr(model->labels[0], ==, "first");
    g_assert_cmpstr(model->labels[1], ==, "second");
    g_assert_cmpint(model->convention, ==, CONVENTION_ZYLO117);
    g_assert_cmpint(model->input_height, ==, 96);
    g_assert_cmpint(model->input_width, ==, 160);
    checkpoint_close(&checkpoint);
    static const struct {
        const char *text, *message;
    } wrong[] = {{"one\n", "wanted 2 lines, one for each class of the network, found 1"},
                 {"one\ntwo\nthree", "found 3"},
                 {"one\n\xff\n", "wanted UTF-8"}};
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_assert_true(g_file_set_contents(labels, wrong[i].text, -1, &error));
        g_assert_null(checkpoint_open(fixture->path, &options, &error));
        g_assert_nonnull(strstr(error->message, wrong[i].message));
        g_assert_nonnull(strstr(error->message, labels));
        g_clear_error(&error);
    }
    options = (struct checkpoint_options){.architecture = "lite0"};
    g_assert_null(checkpoint_open(fixture->path, &options, &error));
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE);
    g_assert_nonnull(strstr(error->message, "tf_efficientdet_lite0"));
    g_clear_error(&error);
    options = (struct checkpoint_options){.convention = "yolo"};
    g_assert_null(checkpoint_open(fixture->path, &options, &error));
    g_assert_nonnull(strstr(error->message, "\"yolo\""));
    g_clear_error(&error);
    // published AdvProp files tell by their name that pictures are -1 .. 1
    g_autofree char *adversarial =
        g_build_filename(fixture->folder, "tf_efficientdet_d0_ap-d0cdbd0a.safetensors", NULL);
    weights_file_write(file, adversarial);
    checkpoint = open_file(adversarial, NULL);
    g_assert_cmpfloat(checkpoint_model(checkpoint)->pre.mean[1], ==, 127.5);
    g_assert_cmpfloat(checkpoint_model(checkpoint)->pre.fill[1], ==, -1.0);
    checkpoint_close(&checkpoint);
    weights_file_free(file);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD_WITH_FIXTURE("/metadata/custom/d0", "d0", test_custom);
    ADD_WITH_FIXTURE("/metadata/custom/lite1", "lite1", test_custom);
    ADD_WITH_FIXTURE("/metadata/refused", "d0", test_metadata);
    ADD_WITH_FIXTURE("/metadata/options", "d0", test_options);
    return g_test_run();
}
