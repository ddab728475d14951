// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// TensorFlow Lite files by value: what a file was made of comes out of it, layer by layer, whatever
// its precision and the order of what is in it; and what other graphs are told.
#include "tflite_file.h"
#include "weights_fixture.h"

#include "effdet/effdet.h"
#include "weights/fold.h"

#include <math.h>
#include <string.h>

static struct checkpoint *source_of(const char *name, int classes, int height, int width)
{
    struct checkpoint *source = checkpoint_synthetic(arch_find(name), classes, 1.0, 1.0);
    struct model *model = checkpoint_model_mutable(source);
    model->input_height = height;
    model->input_width = width;
    return source;
}

static void write_file(struct checkpoint *source, const struct tflite_options *options,
                       const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GByteArray) bytes = tflite_file_of(source, options);
    g_file_set_contents(path, (const char *)bytes->data, bytes->len, &error);
    g_assert_no_error(error);
}

static void compare(const char *node, const char *what, const float *found, const float *wanted,
                    int n, double relative, double absolute)
{
    for (int i = 0; i < n; i++) {
        double error = fabs((double)found[i] - wanted[i]);
        if (!(error <= relative * fabs((double)wanted[i]) + absolute)) {
            g_error("%s: %s %d is %.9g, not %.9g", node, what, i, found[i], wanted[i]);
        }
    }
}

// Every convolution of the file against the one that it was made of. Weights that all levels share
// are exact to a few roundings, all others to the last bit.
static void compare_layers(struct checkpoint *found, struct checkpoint *source,
                           enum tflite_precision precision)
{
    g_autoptr(GError) error = NULL;
    struct graph *left = graph_new(checkpoint_model(found));
    struct graph *right = graph_new(checkpoint_model(source));
    g_assert_cmpuint(left->nodes->len, ==, right->nodes->len);
    for (guint i = 0; i < left->nodes->len; i++) {
        const struct node *a = graph_node(left, (int)i), *b = graph_node(right, (int)i);
        struct folded own, other;
        g_assert_cmpstr(a->name, ==, b->name);
        g_assert_cmpint(a->op, ==, b->op);
        g_assert_cmpint(a->act, ==, b->act);
        if (a->op == OP_NODE) {
            continue;
        }
        g_assert_true(fold_node(found, left, a, &own, &error));
        g_assert_true(fold_node(source, right, b, &other, &error));
        g_assert_no_error(error);
        int row = own.inputs * own.kernel * own.kernel;
        g_assert_cmpint(own.outputs, ==, other.outputs);
        g_assert_cmpint(row, ==, other.inputs * other.kernel * other.kernel);
        tflite_round(precision, other.weight, own.outputs, row);
        bool shared = strstr(a->name, ".pw.") && !checkpoint_model(found)->arch.head_per_level;
        compare(a->name, "weight", own.weight, other.weight, own.outputs * row, shared ? 5e-7 : 0.0,
                precision == TFLITE_BYTES && shared ? 1e-7 : 0.0);
        double bias = precision == TFLITE_SINGLE ? 0.0 : precision == TFLITE_HALF ? 5e-4 : 0.0;
        compare(a->name, "bias", own.bias, other.bias, own.outputs, bias,
                precision == TFLITE_BYTES ? 1e-3 : bias * 1e-3);
        folded_finish(&own);
        folded_finish(&other);
    }
    graph_free(&left);
    graph_free(&right);
    g_assert_true(checkpoint_all_used(found, &error));
}

struct file_case {
    const char *arch;
    int classes, height, width;
    struct tflite_options options;
};

static const struct file_case cases[] = {
    {"lite0", 3, 72, 72, {.detection = true}},
    {"lite0", 4, 96, 80, {.turned = true, .shuffled = true}},
    {"lite0", 4, 80, 80, {.precision = TFLITE_BYTES, .shuffled = true, .signature = true}},
    {"lite1", 1, 65, 97, {.precision = TFLITE_HALF, .detection = true, .turned = true}},
    {"lite0", 2, 80, 80, {.precision = TFLITE_BYTES, .detection = true, .byte_input = true}},
    {"lite3x", 2, 128, 128, {.detection = true, .pairs = true, .half_pixels = true}},
};

static void test_layers(struct fixture *fixture, gconstpointer data)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const struct file_case *c = &cases[i];
        struct checkpoint *source = source_of(c->arch, c->classes, c->height, c->width);
        write_file(source, &c->options, fixture->path);
        struct checkpoint *found = open_file(fixture->path, NULL);
        const struct model *model = checkpoint_model(found);
        g_assert_cmpstr(model->arch.name, ==, checkpoint_model(source)->arch.name);
        g_assert_cmpint(model->arch.head_per_level, ==, c->options.precision == TFLITE_HALF);
        g_assert_cmpint(model->num_classes, ==, c->classes);
        g_assert_cmpint(model->input_height, ==, c->height);
        g_assert_cmpint(model->input_width, ==, c->width);
        g_assert_cmpint(model->convention, ==, CONVENTION_TF);
        g_assert_cmpfloat_with_epsilon(model->anchors.aspects[1][0],
                                       c->options.pairs ? 1.4 : sqrt(2.0), 1e-15);
        g_assert_cmpfloat(model->pre.mean[1], ==, 127.0);
        g_assert_cmpfloat(model->pre.std[1], ==, 128.0);
        g_assert_cmpfloat(model->post.nms_iou, ==, c->options.detection ? 0.625 : 0.5);
        g_assert_cmpint(model->post.max_detections, ==, c->options.detection ? 25 : 100);
        g_assert_cmpfloat(model->suggested_score_threshold, ==, c->options.detection ? 0.125 : 0.4);
        compare_layers(found, source, c->options.precision);
        checkpoint_close(&found);
        checkpoint_close(&source);
    }
}

// What is converted loads to the last bit as the file does.
static void test_convert(struct fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *out = g_build_filename(fixture->folder, "out.safetensors", NULL);
    for (int precision = TFLITE_SINGLE; precision <= TFLITE_BYTES; precision++) {
        const struct tflite_options options = {.precision = precision, .detection = true};
        struct checkpoint *source = source_of("lite0", 2, 80, 96);
        write_file(source, &options, fixture->path);
        struct checkpoint *found = open_file(fixture->path, NULL);
        g_assert_true(checkpoint_save(found, out, false, &error));
        g_assert_no_error(error);
        struct checkpoint *saved = open_file(out, NULL);
        const struct model *a = checkpoint_model(found), *b = checkpoint_model(saved);
        g_assert_cmpmem(&a->arch, sizeof a->arch, &b->arch, sizeof b->arch);
        g_assert_cmpmem(&a->pre, sizeof a->pre, &b->pre, sizeof b->pre);
        g_assert_cmpmem(&a->post, sizeof a->post, &b->post, sizeof b->post);
        g_assert_cmpmem(&a->anchors, sizeof a->anchors, &b->anchors, sizeof b->anchors);
        struct graph *graph = graph_new(a);
        g_autoptr(GArray) list = wanted_tensors(graph);
        graph_free(&graph);
        for (guint i = 0; i < list->len; i++) {
            const struct wanted *wanted = &g_array_index(list, struct wanted, i);
            gsize n = 1;
            for (int d = 0; d < wanted->rank; d++) {
                n *= (gsize)wanted->shape[d];
            }
            g_autofree float *left = g_new(float, n), *right = g_new(float, n);
            g_assert_true(
                checkpoint_read(found, wanted->name, wanted->shape, wanted->rank, left, &error));
            g_assert_true(
                checkpoint_read(saved, wanted->name, wanted->shape, wanted->rank, right, &error));
            g_assert_cmpmem(left, n * sizeof *left, right, n * sizeof *right);
        }
        checkpoint_close(&saved);
        checkpoint_close(&found);
        checkpoint_close(&source);
    }
}

// Labels and normalisation of TFLite Metadata.
static void test_about(struct fixture *fixture, gconstpointer data)
{
    static const struct {
        struct tflite_about about;
        bool byte_input;
        const char *labels[3];
        double mean, std;
    } files[] = {
        {{"a cat\r\ndog\n???\n", .level = 0}, false, {"a cat", "dog", ""}, 127, 128},
        {{"???\na\nb\nc", .level = 1, .deflated = true, .mean = 127.5f, .std = 127.5f},
         false,
         {"a", "b", "c"},
         127.5,
         127.5},
        {{"background\nx\n\ny\n", .level = 2, .mean = 1.0f, .std = 2.0f},
         true,
         {"x", "", "y"},
         127,
         128},
        {{"one\ntwo\n", .level = 0, .mean = 0.0f, .std = 255.0f}, false, {"", "", ""}, 0, 255},
        {{NULL, .mean = 3.0f, .std = 5.0f}, false, {"", "", ""}, 3, 5},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        const struct tflite_options options = {.about = &files[i].about,
                                               .byte_input = files[i].byte_input};
        struct checkpoint *source = source_of("lite0", 3, 80, 80);
        write_file(source, &options, fixture->path);
        if (files[i].about.std == 255.0f) {
            g_test_expect_message("effdet", G_LOG_LEVEL_WARNING, "*2 lines for 3 classes*");
        }
        struct checkpoint *found = open_file(fixture->path, NULL);
        g_test_assert_expected_messages();
        const struct model *model = checkpoint_model(found);
        for (int c = 0; c < 3; c++) {
            g_assert_cmpstr(model->labels[c], ==, files[i].labels[c]);
            g_assert_cmpfloat(model->pre.mean[c], ==, files[i].mean);
            g_assert_cmpfloat(model->pre.std[c], ==, files[i].std);
        }
        g_assert_cmpstr(model->license, ==, "CC0-1.0");
        checkpoint_close(&found);
        checkpoint_close(&source);
    }
}

static void expect_cause(const char *path, const char *cause)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(read_whole(path, &error));
    g_assert_nonnull(error);
    g_assert_true(error->domain == EFFDET_ERROR);
    if (!g_str_has_prefix(error->message, path) || !strstr(error->message, cause) ||
        strchr(error->message, '\n')) {
        g_error("wanted one line with the path and \"%s\", found: %s", cause, error->message);
    }
}

static void test_other_graphs(struct fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *arch;
        int size;
        struct tflite_options options;
        const char *cause;
    } others[] = {
        {"lite0", 65, {.half_pixels = true}, "half-pixel centres"},
        {"lite0", 80, {.valid = true}, "pads in another way"},
        {"lite0", 80, {.detection = true, .scaled = true}, "h_scale 5"},
        {"lite0", 80, {.detection = true, .nudge = 0.01}, "anchors"},
        {"lite0", 80, {.other_box = true}, "box_net has other weights on P7"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
        struct checkpoint *source = source_of(others[i].arch, 2, others[i].size, others[i].size);
        write_file(source, &others[i].options, fixture->path);
        expect_cause(fixture->path, others[i].cause);
        checkpoint_close(&source);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD_WITH_FIXTURE("/tflite/layers", "tf_efficientdet_lite0", test_layers);
    ADD_WITH_FIXTURE("/tflite/convert", "tf_efficientdet_lite0", test_convert);
    ADD_WITH_FIXTURE("/tflite/about", "tf_efficientdet_lite0", test_about);
    ADD_WITH_FIXTURE("/tflite/other-graphs", "tf_efficientdet_lite0", test_other_graphs);
    return g_test_run();
}
