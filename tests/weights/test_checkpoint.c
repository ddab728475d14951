// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Checkpoints by value: the same network under every naming, conversion and back, and what is
// wrong with a file.
#include "weights_file.h"

#include "effdet/effdet.h"
#include "reference.h"
#include "weights/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct fixture {
    char *folder, *path; // path: "weights.safetensors" in it
    struct model model;  // one cell, two classes: small files
};

static void set_up(struct fixture *fixture, gconstpointer data)
{
    fixture->folder = weights_folder();
    fixture->path = g_build_filename(fixture->folder, "weights.safetensors", NULL);
    struct arch arch = *arch_find(data);
    arch.fpn_cells = 2;
    model_init(&fixture->model, &arch, 2);
}

static void tear_down(struct fixture *fixture, gconstpointer data)
{
    model_finish(&fixture->model);
    g_free(fixture->path);
    weights_folder_remove(fixture->folder);
}

static struct checkpoint *open_file(const char *path, const struct checkpoint_options *options)
{
    g_autoptr(GError) error = NULL;
    struct checkpoint *checkpoint = checkpoint_open(path, options, &error);
    g_assert_no_error(error);
    g_assert_nonnull(checkpoint);
    return checkpoint;
}

// Every wanted tensor has the synthetic value of its canonical name, rounded to half if asked.
static void compare_values(struct checkpoint *checkpoint, bool half)
{
    g_autoptr(GError) error = NULL;
    struct graph *graph = graph_new(checkpoint_model(checkpoint));
    g_autoptr(GArray) list = wanted_tensors(graph);
    graph_free(&graph);
    for (guint i = 0; i < list->len; i++) {
        const struct wanted *wanted = &g_array_index(list, struct wanted, i);
        int shape[4];
        gsize n = 1;
        for (int j = 0; j < wanted->rank; j++) {
            shape[j] = (int)wanted->shape[j];
            n *= shape[j];
        }
        g_autofree float *found = g_new(float, n), *expected = g_new(float, n);
        ref_weight(wanted->name, shape, wanted->rank, 1.0, 1.0, expected);
        g_assert_true(
            checkpoint_read(checkpoint, wanted->name, wanted->shape, wanted->rank, found, &error));
        g_assert_no_error(error);
        for (gsize j = 0; j < n; j++) {
            float value = half ? float_from_half(half_from_float(expected[j])) : expected[j];
            if (found[j] != value) {
                g_error("%s[%zu] of %s: %.9g, wanted %.9g", wanted->name, j,
                        checkpoint_naming(checkpoint), found[j], value);
            }
        }
    }
    g_assert_true(checkpoint_all_used(checkpoint, &error));
    g_assert_no_error(error);
}

// Trap T8: five repeats on five levels, so that no shape tells the order of the batch norms.
static void test_namings(struct fixture *fixture, gconstpointer data)
{
    static const struct {
        weights_rename rename;
        const char *naming;
        enum convention convention;
    } namings[] = {
        {rename_none, "rwightman", CONVENTION_RWIGHTMAN},
        {rename_level_first, "rwightman", CONVENTION_RWIGHTMAN},
        {rename_zylo117, "zylo117", CONVENTION_ZYLO117},
    };
    for (int repeats = 3; repeats <= 5; repeats += 2) {
        fixture->model.arch.head_repeats = repeats;
        for (gsize i = 0; i < G_N_ELEMENTS(namings); i++) {
            struct weights_file *file = weights_file_of(&fixture->model, namings[i].rename, true);
            weights_file_write(file, fixture->path);
            weights_file_free(file);
            struct checkpoint *checkpoint = open_file(fixture->path, NULL);
            const struct model *model = checkpoint_model(checkpoint);
            g_assert_cmpstr(checkpoint_naming(checkpoint), ==, namings[i].naming);
            g_assert_cmpint(model->convention, ==, namings[i].convention);
            g_assert_cmpint(model->arch.head_repeats, ==, repeats);
            g_assert_cmpint(model->num_classes, ==, 2);
            compare_values(checkpoint, false);
            checkpoint_close(&checkpoint);
            g_assert_null(checkpoint);
        }
    }
}

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

// Any checkpoint comes back from one of our files with the same values and the same model.
static void test_save(struct fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *out = g_build_filename(fixture->folder, "out.safetensors", NULL);
    struct weights_file *file = weights_file_of(&fixture->model, rename_zylo117, true);
    weights_file_write(file, fixture->path);
    weights_file_free(file);
    for (int half = 0; half < 2; half++) {
        struct checkpoint *checkpoint = open_file(fixture->path, NULL);
        struct model *changed = checkpoint_model_mutable(checkpoint);
        changed->pre.mean[2] = 0.1;
        changed->anchors.octave[0] = 1.0;
        changed->anchors.octave[1] = 1.25;
        changed->anchors.octave[2] = pow(2.0, 1.32);
        changed->anchors.scale[4] = 3.5;
        model_set_labels(changed, (const char *const[]){"\"quoted\"", ""}, 2);
        changed->license = g_strdup("CC0-1.0");
        g_assert_true(checkpoint_save(checkpoint, out, half, &error));
        g_assert_no_error(error);
        struct checkpoint *saved = open_file(out, NULL);
        const struct model *model = checkpoint_model(saved);
        g_assert_cmpstr(checkpoint_naming(saved), ==, "rwightman");
        g_assert_cmpstr(model->arch.name, ==, changed->arch.name);
        g_assert_cmpmem(&model->arch, sizeof model->arch, &changed->arch, sizeof model->arch);
        g_assert_cmpmem(&model->pre, sizeof model->pre, &changed->pre, sizeof model->pre);
        g_assert_cmpmem(&model->post, sizeof model->post, &changed->post, sizeof model->post);
        g_assert_cmpmem(model->anchors.octave, sizeof model->anchors.octave,
                        changed->anchors.octave, sizeof model->anchors.octave);
        g_assert_cmpmem(model->anchors.scale, sizeof(double) * 5, changed->anchors.scale,
                        sizeof(double) * 5);
        g_assert_cmpint(model->convention, ==, CONVENTION_ZYLO117);
        g_assert_cmpint(model->pool_padding, ==, POOL_PAD_ZERO);
        g_assert_cmpstr(model->labels[0], ==, "\"quoted\"");
        g_assert_cmpstr(model->labels[1], ==, "");
        g_assert_cmpstr(model->license, ==, "CC0-1.0");
        compare_values(saved, half);
        checkpoint_close(&saved);
        checkpoint_close(&checkpoint);
    }
}

// A refused conversion leaves neither a file nor a part of one.
static void test_save_refused(struct fixture *fixture, gconstpointer data)
{
    g_autofree char *out = g_build_filename(fixture->folder, "out.safetensors", NULL);
    g_autoptr(GError) error = NULL;
    struct weights_file *file = weights_file_of(&fixture->model, rename_none, false);
    struct file_tensor *tensor = weights_file_find(file, "box_net.predict.conv_pw.bias");
    tensor->values = g_new0(float, 36);
    tensor->values[7] = 70000.0f;
    weights_file_write(file, fixture->path);
    weights_file_free(file);
    struct checkpoint *checkpoint = open_file(fixture->path, NULL);
    g_assert_false(checkpoint_save(checkpoint, out, true, &error));
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "box_net.predict.conv_pw.bias holds 70000"));
    g_clear_error(&error);
    g_autofree char *nowhere = g_build_filename(fixture->folder, "no", "out", NULL);
    g_assert_false(checkpoint_save(checkpoint, nowhere, false, &error));
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, nowhere));
    checkpoint_close(&checkpoint);
    GDir *dir = g_dir_open(fixture->folder, 0, NULL);
    g_assert_cmpstr(g_dir_read_name(dir), ==, "weights.safetensors");
    g_assert_null(g_dir_read_name(dir));
    g_dir_close(dir);
}

// Reads everything that the network wants, then asks for leftovers.
static bool read_all(const char *path, GError **error)
{
    struct checkpoint *checkpoint = checkpoint_open(path, NULL, error);
    if (!checkpoint) {
        return false;
    }
    struct graph *graph = graph_new(checkpoint_model(checkpoint));
    g_autoptr(GArray) list = wanted_tensors(graph);
    graph_free(&graph);
    bool ok = true;
    for (guint i = 0; ok && i < list->len; i++) {
        const struct wanted *wanted = &g_array_index(list, struct wanted, i);
        gsize n = 1;
        for (int j = 0; j < wanted->rank; j++) {
            n *= wanted->shape[j];
        }
        g_autofree float *values = g_new(float, n);
        ok = checkpoint_read(checkpoint, wanted->name, wanted->shape, wanted->rank, values, error);
    }
    ok = ok && checkpoint_all_used(checkpoint, error);
    checkpoint_close(&checkpoint);
    return ok;
}

static void expect_refusal(struct fixture *fixture, struct weights_file *file, const char *what)
{
    g_autoptr(GError) error = NULL;
    weights_file_write(file, fixture->path);
    g_assert_false(read_all(fixture->path, &error));
    g_assert_nonnull(error);
    g_assert_true(error->domain == EFFDET_ERROR);
    if (!strstr(error->message, what) || !strstr(error->message, fixture->path) ||
        strchr(error->message, '\n')) {
        g_error("wanted one line with the path and \"%s\", found: %s", what, error->message);
    }
    weights_file_free(file);
}

// Removing or misshaping any tensor is an error that names that tensor, whichever it is.
static void test_each_tensor(struct fixture *fixture, gconstpointer data)
{
    struct graph *graph = graph_new(&fixture->model);
    g_autoptr(GArray) list = wanted_tensors(graph);
    graph_free(&graph);
    for (guint i = 0; i < list->len; i += g_test_slow() ? 1 : 11) {
        const char *name = g_array_index(list, struct wanted, i).name;
        struct weights_file *file = weights_file_of(&fixture->model, rename_none, false);
        weights_file_remove(file, name);
        expect_refusal(fixture, file, name);
        file = weights_file_of(&fixture->model, rename_none, false);
        struct file_tensor *tensor = weights_file_find(file, name);
        tensor->shape[tensor->rank - 1] += 1;
        expect_refusal(fixture, file, name);
    }
}

static void test_damage(struct fixture *fixture, gconstpointer data)
{
    static const char variance[] = "fpn.cell.0.fnode.1.after_combine.conv.bn.running_var";
    static const struct {
        float value;
        const char *text;
    } wrong[] = {{NAN, "running_var holds NaN at element 3"},
                 {-INFINITY, "running_var holds infinity at element 3"}};
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        struct weights_file *file = weights_file_of(&fixture->model, rename_none, false);
        struct file_tensor *tensor = weights_file_find(file, variance);
        tensor->values = g_new0(float, tensor->shape[0]);
        tensor->values[3] = wrong[i].value;
        expect_refusal(fixture, file, wrong[i].text);
    }
    struct weights_file *file = weights_file_of(&fixture->model, rename_none, false);
    weights_file_add(file, "head.extra.weight", "F32", (int64_t[]){2, 3}, 2, NULL);
    weights_file_add(file, "zzz", "F32", (int64_t[]){1}, 1, NULL);
    expect_refusal(fixture, file, "found head.extra.weight [2, 3] and 1 more");
    file = weights_file_of(&fixture->model, rename_level_first, false);
    weights_file_add(file, "class_net.bn_rep.1.2.bn.weight", "F32", (int64_t[]){64}, 1, NULL);
    expect_refusal(fixture, file, "are the same part of the network");
    file = weights_file_new();
    weights_file_add(file, "fc.weight", "F32", (int64_t[]){2, 3}, 2, NULL);
    expect_refusal(fixture, file, "wanted tensors of an EfficientDet");
    // a file that a counter and a classifier's rest are in is whole all the same
    g_autoptr(GError) error = NULL;
    file = weights_file_of(&fixture->model, rename_zylo117, false);
    weights_file_add(file, "backbone_net.model._bn0.num_batches_tracked", "I64", NULL, 0, NULL);
    weights_file_add(file, "backbone_net.model._fc.weight", "F32", (int64_t[]){10, 4}, 2, NULL);
    weights_file_write(file, fixture->path);
    g_assert_true(read_all(fixture->path, &error));
    g_assert_no_error(error);
    weights_file_free(file);
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
    g_assert_true(read_all(fixture->path, &error));
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

// The engine's synthetic weights against the reference's, also where the architecture's own files
// count levels first.
static void test_synthetic(void)
{
    static const char *const archs[] = {"d0", "efficientdet_q0"};
    for (gsize i = 0; i < G_N_ELEMENTS(archs); i++) {
        struct checkpoint *checkpoint = checkpoint_synthetic(arch_find(archs[i]), 3, 1.4, 1.3);
        g_autoptr(GError) error = NULL;
        struct graph *graph = graph_new(checkpoint_model(checkpoint));
        g_autoptr(GArray) list = wanted_tensors(graph);
        graph_free(&graph);
        for (guint j = 0; j < list->len; j++) {
            const struct wanted *wanted = &g_array_index(list, struct wanted, j);
            g_autofree char *name =
                i ? rename_level_first(wanted->name, NULL) : g_strdup(wanted->name);
            int shape[4];
            gsize n = 1;
            for (int k = 0; k < wanted->rank; k++) {
                shape[k] = (int)wanted->shape[k];
                n *= shape[k];
            }
            g_autofree float *found = g_new(float, n), *expected = g_new(float, n);
            ref_weight(name, shape, wanted->rank, 1.4, 1.3, expected);
            g_assert_true(checkpoint_read(checkpoint, wanted->name, wanted->shape, wanted->rank,
                                          found, &error));
            g_assert_cmpmem(found, n * sizeof(float), expected, n * sizeof(float));
        }
        g_assert_true(checkpoint_all_used(checkpoint, &error));
        g_assert_cmpstr(checkpoint_naming(checkpoint), ==, "synthetic");
        g_assert_null(checkpoint_path(checkpoint));
        checkpoint_close(&checkpoint);
    }
}

#define ADD(name, arch, function)                                                                  \
    g_test_add("/checkpoint/" name, struct fixture, arch, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("namings/d0", "d0", test_namings);
    ADD("custom/d0", "d0", test_custom);
    ADD("custom/lite1", "lite1", test_custom);
    ADD("save", "d0", test_save);
    ADD("save-refused", "d0", test_save_refused);
    ADD("each-tensor/d0", "d0", test_each_tensor);
    ADD("each-tensor/q0", "efficientdet_q0", test_each_tensor);
    ADD("damage", "d0", test_damage);
    ADD("metadata", "d0", test_metadata);
    ADD("options", "d0", test_options);
    g_test_add_func("/checkpoint/synthetic", test_synthetic);
    return g_test_run();
}
