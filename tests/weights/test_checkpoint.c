// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Checkpoints by value: the same network under every naming, conversion and back, and what is
// wrong with a file.
#include "weights_fixture.h"

#include "effdet/effdet.h"
#include "reference.h"

#include <math.h>
#include <string.h>

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

// Networks of other backbones are recognised from the file, and again from what is saved of it.
static void test_own(struct fixture *fixture, gconstpointer data)
{
    static const int64_t shape[4] = {320, 1152, 1, 1};
    g_autoptr(GError) error = NULL;
    g_autofree char *out = g_build_filename(fixture->folder, "out.safetensors", NULL);
    struct arch *wanted = &fixture->model.arch;
    struct weights_file *file = weights_file_of(
        &fixture->model, wanted->head_bn_level_first ? rename_level_first : rename_none, true);
    if (wanted->backbone->wide) { // what is behind the last tap is in the file, and nobody wants it
        weights_file_add(file, "backbone.blocks.6.0.conv_pwl.weight", "F32", shape, 4, NULL);
        weights_file_add(file, "backbone.blocks.6.0.bn3.bias", "F32", shape, 1, NULL);
    }
    weights_file_write(file, fixture->path);
    weights_file_free(file);
    struct checkpoint *checkpoint = open_file(fixture->path, NULL);
    const struct arch *found = &checkpoint_model(checkpoint)->arch;
    g_assert_cmpmem(found, sizeof *found, wanted, sizeof *wanted);
    compare_values(checkpoint, false);
    g_assert_true(checkpoint_save(checkpoint, out, false, &error));
    g_assert_no_error(error);
    checkpoint_close(&checkpoint);
    checkpoint = open_file(out, NULL);
    found = &checkpoint_model(checkpoint)->arch;
    wanted->head_bn_level_first = false; // our own files count repeats first
    g_assert_cmpmem(found, sizeof *found, wanted, sizeof *wanted);
    compare_values(checkpoint, false);
    checkpoint_close(&checkpoint);
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
    static const char *const wild[] = {"fpn.cell.2147483647.fnode.0.x", "fpn.cell.0.fnode.-1.x",
                                       "class_net.conv_rep.99999999999.x",
                                       "class_net.bn_rep.2147483647.2147483647.x"};
    for (gsize i = 0; i < G_N_ELEMENTS(wild); i++) {
        file = weights_file_of(&fixture->model, rename_none, false);
        weights_file_add(file, wild[i], "F32", (int64_t[]){1}, 1, NULL);
        expect_refusal(fixture, file, "found");
    }
    // widths that would ask for terabytes of weights, backed by a few megabytes
    file = weights_file_of(&fixture->model, rename_none, false);
    weights_file_find(file, "class_net.predict.conv_dw.weight")->shape[0] = 300000;
    weights_file_find(file, "box_net.predict.conv_dw.weight")->shape[0] = 300000;
    expect_refusal(fixture, file, "wanted shape [300000");
    file = weights_file_new();
    weights_file_add(file, "fc.weight", "F32", (int64_t[]){2, 3}, 2, NULL);
    expect_refusal(fixture, file, "wanted tensors of an EfficientDet");
    // a file that a counter and a classifier's rest are in is whole all the same
    g_autoptr(GError) error = NULL;
    file = weights_file_of(&fixture->model, rename_zylo117, false);
    weights_file_add(file, "backbone_net.model._bn0.num_batches_tracked", "I64", NULL, 0, NULL);
    weights_file_add(file, "backbone_net.model._fc.weight", "F32", (int64_t[]){10, 4}, 2, NULL);
    weights_file_write(file, fixture->path);
    g_assert_true(read_whole(fixture->path, &error));
    g_assert_no_error(error);
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD_WITH_FIXTURE("/checkpoint/namings/d0", "d0", test_namings);
    ADD_WITH_FIXTURE("/checkpoint/save", "d0", test_save);
    ADD_WITH_FIXTURE("/checkpoint/save-refused", "d0", test_save_refused);
    ADD_WITH_FIXTURE("/checkpoint/each-tensor/d0", "d0", test_each_tensor);
    ADD_WITH_FIXTURE("/checkpoint/each-tensor/q0", "efficientdet_q0", test_each_tensor);
    ADD_WITH_FIXTURE("/checkpoint/each-tensor/es", "efficientdet_es", test_each_tensor);
    ADD_WITH_FIXTURE("/checkpoint/own/w0", "efficientdet_w0", test_own);
    ADD_WITH_FIXTURE("/checkpoint/own/es", "efficientdet_es", test_own);
    ADD_WITH_FIXTURE("/checkpoint/own/mobiledetv2", "mobiledetv2_110d", test_own);
    ADD_WITH_FIXTURE("/checkpoint/damage", "d0", test_damage);
    g_test_add_func("/checkpoint/synthetic", test_synthetic);
    return g_test_run();
}
