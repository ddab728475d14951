// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Files that TensorFlow's own converter wrote (tests/data/tflite/make_tflite.py): a network of
// known weights, which must come out of each within the rounding of its precision.
#include "tflite_file.h"
#include "weights_fixture.h"

#include "effdet/effdet.h"
#include "weights/fold.h"

#include <gio/gio.h>
#include <math.h>
#include <string.h>

// The weights of make_tflite.py: a pattern of period 8 whose size follows from the name.
static void known_values(const char *name, const int64_t *shape, int rank, float *out)
{
    static const double pattern[8] = {1, -0.5, 0.25, -1, 0.75, -0.25, 0.5, -0.75};
    uint32_t hash = 0x811C9DC5u;
    int64_t n = 1;
    for (const char *c = name; *c; c++) {
        hash = (hash ^ (uint8_t)*c) * 0x01000193u;
    }
    for (int i = 0; i < rank; i++) {
        n *= shape[i];
    }
    double unit = hash / 4294967296.0;
    int64_t pixels = rank == 4 ? shape[2] * shape[3] : 1, row = rank == 4 ? shape[1] * pixels : 1;
    for (int64_t e = 0; e < n; e++) {
        if (rank == 4) {
            int64_t place = e / row * 3 + e % row / pixels * 5 + e % pixels * 7;
            double gain = strcmp(name, "box_net.predict.conv_pw.weight") == 0 ? 0.01 : 1.0;
            out[e] = (float)(gain * (0.5 + unit) * sqrt(3.0 / (double)row) * pattern[place % 8]);
        } else if (g_str_has_suffix(name, "running_var")) {
            out[e] = (float)(0.75 + 0.5 * unit);
        } else if (g_str_has_suffix(name, "running_mean")) {
            out[e] = (float)(0.1 * (unit - 0.5) * (double)(1 + e % 3));
        } else if (g_str_has_suffix(name, ".weight")) {
            out[e] = (float)(0.75 + 0.5 * unit + 0.125 * (double)(e % 4));
        } else {
            out[e] = (float)((0.2 + unit) * (double)(e % 3 - 1));
        }
    }
}

static struct checkpoint *known_checkpoint(struct fixture *fixture)
{
    struct model model;
    model_init(&model, arch_find("tf_efficientdet_lite0"), 2);
    struct graph *graph = graph_new(&model);
    g_autoptr(GArray) list = wanted_tensors(graph);
    struct weights_file *file = weights_file_new();
    for (guint i = 0; i < list->len; i++) {
        const struct wanted *wanted = &g_array_index(list, struct wanted, i);
        gsize n = 1;
        for (int d = 0; d < wanted->rank; d++) {
            n *= (gsize)wanted->shape[d];
        }
        g_autofree float *values = g_new(float, n);
        known_values(wanted->name, wanted->shape, wanted->rank, values);
        weights_file_add(file, wanted->name, "F32", wanted->shape, wanted->rank, values);
    }
    weights_file_write(file, fixture->path);
    weights_file_free(file);
    graph_free(&graph);
    model_finish(&model);
    struct checkpoint *checkpoint = open_file(fixture->path, NULL);
    checkpoint_model_mutable(checkpoint)->input_height = 80;
    checkpoint_model_mutable(checkpoint)->input_width = 96;
    return checkpoint;
}

static void unpack(const char *name, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *packed =
        g_build_filename(g_getenv("EFFDET_SOURCE_DIR"), "tests", "data", "tflite", name, NULL);
    g_autoptr(GFile) from = g_file_new_for_path(packed), to = g_file_new_for_path(path);
    g_autoptr(GInputStream) bytes = G_INPUT_STREAM(g_file_read(from, NULL, &error));
    g_assert_no_error(error);
    g_autoptr(GZlibDecompressor) gzip = g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP);
    g_autoptr(GInputStream) plain = g_converter_input_stream_new(bytes, G_CONVERTER(gzip));
    g_autoptr(GOutputStream) out =
        G_OUTPUT_STREAM(g_file_replace(to, NULL, FALSE, G_FILE_CREATE_NONE, NULL, &error));
    g_assert_no_error(error);
    g_output_stream_splice(out, plain, G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET, NULL, &error);
    g_assert_no_error(error);
}

// error: relative to a value, or of steps of its row's largest one.
static void compare(const char *node, const float *found, const float *wanted, int rows, int row,
                    double error, double steps)
{
    for (int o = 0; o < rows; o++) {
        double largest = 0.0;
        for (int i = 0; i < row; i++) {
            largest = fmax(largest, fabs((double)wanted[o * row + i]));
        }
        for (int i = 0; i < row; i++) {
            double difference = fabs((double)found[o * row + i] - wanted[o * row + i]);
            double allowed = error * fabs((double)wanted[o * row + i]) + steps * largest;
            if (!(difference <= allowed + 1e-7)) {
                g_error("%s: %d of channel %d is %.9g, not %.9g", node, i, o, found[o * row + i],
                        wanted[o * row + i]);
            }
        }
    }
}

static void compare_layers(struct checkpoint *found, struct checkpoint *known, double error,
                           double steps, double bias_error)
{
    g_autoptr(GError) cause = NULL;
    struct graph *graph = graph_new(checkpoint_model(found));
    struct graph *wanted = graph_new(checkpoint_model(known));
    g_assert_cmpuint(graph->nodes->len, ==, wanted->nodes->len);
    for (guint i = 0; i < graph->nodes->len; i++) {
        const struct node *node = graph_node(graph, (int)i), *other = graph_node(wanted, (int)i);
        struct folded own, expected;
        if (node->op == OP_NODE) {
            continue;
        }
        g_assert_cmpstr(node->name, ==, other->name);
        g_assert_true(fold_node(found, graph, node, &own, &cause));
        g_assert_true(fold_node(known, wanted, other, &expected, &cause));
        compare(node->name, own.weight, expected.weight, own.outputs,
                own.inputs * own.kernel * own.kernel, error, steps);
        compare(node->name, own.bias, expected.bias, 1, own.outputs, error, bias_error);
        folded_finish(&own);
        folded_finish(&expected);
    }
    graph_free(&graph);
    graph_free(&wanted);
    g_assert_true(checkpoint_all_used(found, &cause));
}

static void test_converted(struct fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *name;
        double error, steps, bias_error; // half a unit of the precision, and float roundings
        double mean;
        bool detection;
    } files[] = {
        {"lite0-fp32-post.tflite.gz", 2e-6, 0.0, 2e-6, 127.0, true},
        {"lite0-fp16-net.tflite.gz", 5e-4, 0.0, 2e-6, 127.0, false},
        {"lite0-int8-post.tflite.gz", 0.0, 0.51 / 127, 0.01, 127.0, true},
    };
    struct checkpoint *known = known_checkpoint(fixture);
    g_autofree char *path = g_build_filename(fixture->folder, "real.tflite", NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        unpack(files[i].name, path);
        struct checkpoint *found = open_file(path, NULL);
        const struct model *model = checkpoint_model(found);
        g_assert_cmpstr(model->arch.name, ==, "tf_efficientdet_lite0");
        g_assert_cmpint(model->num_classes, ==, 2);
        g_assert_cmpint(model->input_height, ==, 80);
        g_assert_cmpint(model->input_width, ==, 96);
        g_assert_cmpfloat_with_epsilon(model->anchors.aspects[1][0], sqrt(2.0), 1e-15);
        g_assert_cmpfloat(model->anchors.scale[4], ==, 3.0);
        g_assert_cmpfloat(model->pre.mean[0], ==, files[i].mean);
        g_assert_cmpint(model->post.nms, ==, files[i].detection ? NMS_HARD : NMS_GAUSSIAN);
        compare_layers(found, known, files[i].error, files[i].steps, files[i].bias_error);
        checkpoint_close(&found);
    }
    checkpoint_close(&known);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD_WITH_FIXTURE("/tflite-real/converted", "tf_efficientdet_lite0", test_converted);
    return g_test_run();
}
