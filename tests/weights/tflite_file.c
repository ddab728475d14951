// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A model's plain graph as the operators of TensorFlow Lite.
#include "tflite_writer.h"

#include "net/graph.h"
#include "weights/fold.h"

#include <math.h>
#include <string.h>

void tflite_round(enum tflite_precision precision, float *values, int outputs, int row)
{
    for (int o = 0; o < outputs; o++) {
        float largest = 0.0f;
        for (int i = 0; i < row; i++) {
            largest = fmaxf(largest, fabsf(values[o * row + i]));
        }
        float scale = largest > 0.0f ? largest / 127.0f : 1.0f;
        for (int i = 0; i < row; i++) {
            float *value = &values[o * row + i];
            if (precision == TFLITE_HALF) {
                *value = float_from_half(half_from_float(*value));
            } else if (precision == TFLITE_BYTES) {
                *value = (float)((double)scale * rint((double)*value / scale));
            }
        }
    }
}

// ---- tensors -----------------------------------------------------------------------------------

static int add_tensor(struct writer *writer, int type, int rank, const int32_t *shape, GBytes *data)
{
    struct tensor tensor = {.type = type, .rank = rank, .data = data};
    memcpy(tensor.shape, shape, sizeof(int32_t) * (size_t)rank);
    g_array_append_val(writer->tensors, tensor);
    return (int)writer->tensors->len - 1;
}

static struct tensor *tensor_at(const struct writer *writer, int index)
{
    return &g_array_index(writer->tensors, struct tensor, index);
}

static struct operation *add_operation(struct writer *writer, int code, int input, int output)
{
    struct operation operation = {.code = code, .n_inputs = 1, .n_outputs = 1};
    operation.inputs[0] = input;
    operation.outputs[0] = output;
    g_array_append_val(writer->operations, operation);
    return &g_array_index(writer->operations, struct operation, writer->operations->len - 1);
}

static GBytes *halves(const float *values, int n)
{
    uint16_t *out = g_new(uint16_t, n);
    for (int i = 0; i < n; i++) {
        out[i] = GUINT16_TO_LE(half_from_float(values[i]));
    }
    return g_bytes_new_take(out, sizeof(uint16_t) * (gsize)n);
}

// Constants as the precision has them; weights of n_scales outputs are along `axis`.
static int add_constant(struct writer *writer, const float *values, int rank, const int32_t *shape,
                        int axis, const float *scales, int n_scales, bool bias)
{
    int n = 1, inner = 1;
    for (int i = 0; i < rank; i++) {
        n *= shape[i];
        inner *= i > axis ? shape[i] : 1;
    }
    if (writer->options->precision == TFLITE_SINGLE) {
        return add_tensor(writer, F32, rank, shape, g_bytes_new(values, sizeof(float) * (gsize)n));
    }
    if (writer->options->precision == TFLITE_HALF) {
        int half = add_tensor(writer, F16, rank, shape, halves(values, n));
        int single = add_tensor(writer, F32, rank, shape, NULL);
        add_operation(writer, DEQUANTIZE, half, single);
        return single;
    }
    int32_t *wide = g_new(int32_t, n);
    int8_t *narrow = g_new(int8_t, n);
    for (int i = 0; i < n; i++) {
        double scale = scales[i / inner % n_scales];
        wide[i] = (int32_t)rint(values[i] / scale);
        narrow[i] = (int8_t)CLAMP(wide[i], -127, 127);
    }
    int index = add_tensor(writer, bias ? I32 : I8, rank, shape,
                           bias ? g_bytes_new(wide, sizeof *wide * (gsize)n)
                                : g_bytes_new(narrow, (gsize)n));
    tensor_at(writer, index)->scales = g_memdup2(scales, sizeof(float) * (gsize)n_scales);
    tensor_at(writer, index)->n_scales = n_scales;
    tensor_at(writer, index)->axis = axis;
    g_free(wide);
    g_free(narrow);
    return index;
}

static int add_map(struct writer *writer, int channels, const struct extent *extent)
{
    const int32_t shape[4] = {1, extent->height, extent->width, channels};
    bool bytes = writer->options->precision == TFLITE_BYTES;
    int index = add_tensor(writer, bytes ? I8 : F32, 4, shape, NULL);
    if (bytes) {
        const float scale = 0.05f;
        tensor_at(writer, index)->scales = g_memdup2(&scale, sizeof scale);
        tensor_at(writer, index)->n_scales = 1;
        tensor_at(writer, index)->zero = 3;
    }
    return index;
}

// Views of a pyramid's level are one tensor.
static gpointer key_of(const struct writer *writer, int value)
{
    const struct value *view = graph_value(writer->graph, value);
    return view->parent < 0 ? GINT_TO_POINTER(value * 8 + 7)
                            : GINT_TO_POINTER(view->parent * 8 + view->view_level);
}

static int tensor_of(struct writer *writer, int value)
{
    int known = GPOINTER_TO_INT(g_hash_table_lookup(writer->of_value, key_of(writer, value)));
    if (!known) {
        const struct value *made = graph_value(writer->graph, value);
        known = add_map(writer, made->channels, &made->level[0]) + 1;
        g_hash_table_insert(writer->of_value, key_of(writer, value), GINT_TO_POINTER(known));
    }
    return known - 1;
}

// ---- operators ---------------------------------------------------------------------------------

static int active_output(struct writer *writer, const struct node *node, int *fused)
{
    int output = tensor_of(writer, node->output);
    *fused = node->act == ACT_RELU6 && !writer->options->turned ? 3 : 0;
    if (node->act != ACT_RELU6 || *fused) {
        return output;
    }
    const struct value *value = graph_value(writer->graph, node->output);
    return add_map(writer, value->channels, &value->level[0]);
}

static void add_convolution(struct writer *writer, const struct node *node)
{
    g_autoptr(GError) error = NULL;
    struct folded folded;
    g_assert_true(fold_node(writer->checkpoint, writer->graph, node, &folded, &error));
    bool depthwise = node->op == OP_DEPTHWISE;
    if (writer->options->other_box && g_str_equal(node->name, "box.pw.P7")) {
        folded.weight[5] += 1.0f;
    }
    int k = folded.kernel, pixels = k * k, row = folded.inputs * pixels;
    gsize n = (gsize)folded.outputs * (gsize)row;
    g_autofree float *weight = g_new(float, n), *scales = g_new(float, folded.outputs);
    for (int o = 0; o < folded.outputs; o++) {
        float largest = 0.0f;
        for (int i = 0; i < folded.inputs; i++) {
            for (int p = 0; p < pixels; p++) {
                float value = folded.weight[o * row + i * pixels + p];
                largest = fmaxf(largest, fabsf(value));
                weight[depthwise ? p * folded.outputs + o : (o * pixels + p) * folded.inputs + i] =
                    value;
            }
        }
        scales[o] = largest > 0.0f ? largest / 127.0f : 1.0f;
    }
    const int32_t shape[4] = {depthwise ? 1 : folded.outputs, k, k,
                              depthwise ? folded.outputs : folded.inputs};
    int input = tensor_of(writer, node->inputs[0]), fused;
    int weights =
        add_constant(writer, weight, 4, shape, depthwise ? 3 : 0, scales, folded.outputs, false);
    for (int o = 0; o < folded.outputs; o++) {
        scales[o] *= 0.05f;
    }
    const int32_t outputs[1] = {folded.outputs};
    int bias = add_constant(writer, folded.bias, 1, outputs, 0, scales, folded.outputs, true);
    int output = active_output(writer, node, &fused);
    int stride = MAX(node->stride, 1);
    struct operation *op = add_operation(writer, depthwise ? DEPTHWISE : CONV, input, output);
    op->n_inputs = 3;
    op->inputs[1] = weights;
    op->inputs[2] = bias;
    op->options[0] = writer->options->valid;
    op->options[1] = op->options[2] = stride;
    op->options[3] = depthwise ? 1 : fused;
    op->options[4] = depthwise ? fused : 1;
    op->options[5] = 1;
    if (node->act == ACT_RELU6 && !fused) {
        add_operation(writer, 21, output, tensor_of(writer, node->output));
    }
    folded_finish(&folded);
}

static void add_resample(struct writer *writer, const struct node *node)
{
    const struct extent *extent = &graph_value(writer->graph, node->output)->level[0];
    int input = tensor_of(writer, node->inputs[0]), output = tensor_of(writer, node->output);
    if (node->resample[0] == RESAMPLE_MAXPOOL) {
        struct operation *op = add_operation(writer, POOL, input, output);
        const int options[6] = {0, 2, 2, 3, 3, 0};
        memcpy(op->options, options, sizeof options);
        return;
    }
    const int32_t size[2] = {extent->height, extent->width}, count[1] = {2};
    int constant = add_tensor(writer, I32, 1, count, g_bytes_new(size, sizeof size));
    struct operation *op = add_operation(writer, RESIZE, input, output);
    op->inputs[op->n_inputs++] = constant;
    op->options[1] = writer->options->half_pixels;
}

static void add_sum(struct writer *writer, const struct node *node)
{
    const struct value *value = graph_value(writer->graph, node->output);
    bool turned = writer->options->turned;
    int n = node->n_inputs, term = tensor_of(writer, node->inputs[turned ? n - 1 : 0]);
    for (int i = 1; i < n; i++) {
        int other = tensor_of(writer, node->inputs[turned ? n - 1 - i : i]);
        int sum = i == n - 1 ? tensor_of(writer, node->output)
                             : add_map(writer, value->channels, &value->level[0]);
        struct operation *op = add_operation(writer, ADD, turned ? other : term, sum);
        op->inputs[op->n_inputs++] = turned ? term : other;
        term = sum;
    }
}

static void add_node(struct writer *writer, const struct node *node)
{
    if (node->op != OP_NODE) {
        add_convolution(writer, node);
    } else if (node->n_inputs > 1) {
        add_sum(writer, node);
    } else if (node->resample[0] != RESAMPLE_NONE) {
        add_resample(writer, node);
    } else if (writer->options->turned) {
        add_operation(writer, RELU6, tensor_of(writer, node->inputs[0]),
                      tensor_of(writer, node->output));
    } else { // fused into the sum before it
        struct operation *op =
            &g_array_index(writer->operations, struct operation, writer->operations->len - 1);
        g_assert_cmpint(op->outputs[0], ==, tensor_of(writer, node->inputs[0]));
        op->outputs[0] = tensor_of(writer, node->output);
        op->options[0] = 3;
    }
}

static int add_anchors(struct writer *writer)
{
    struct model model = *checkpoint_model(writer->checkpoint);
    double wide = writer->options->pairs ? 1.4 : sqrt(2.0);
    double narrow = writer->options->pairs ? 0.7 : 1.0 / sqrt(2.0);
    model.anchors.aspects[1][0] = model.anchors.aspects[2][1] = wide;
    model.anchors.aspects[1][1] = model.anchors.aspects[2][0] = narrow;
    g_autoptr(GArray) rows = g_array_new(FALSE, FALSE, sizeof(float));
    int per_cell = model_anchors_per_cell(&model);
    for (int l = 0; l < model_levels(&model); l++) {
        int h = level_size(model.input_height, 3 + l), w = level_size(model.input_width, 3 + l);
        for (int i = 0; i < h * w * per_cell; i++) {
            struct anchor anchor =
                anchor_at(&model, l, i / per_cell / w, i / per_cell % w, i % per_cell);
            const float row[4] = {
                (float)(anchor.cy / model.input_height), (float)(anchor.cx / model.input_width),
                (float)(anchor.h / model.input_height), (float)(anchor.w / model.input_width)};
            g_array_append_vals(rows, row, 4);
        }
    }
    g_array_index(rows, float, rows->len / 2) += (float)writer->options->nudge;
    const int32_t shape[2] = {(int32_t)rows->len / 4, 4};
    return add_tensor(writer, F32, 2, shape, g_bytes_new(rows->data, rows->len * sizeof(float)));
}

// One head: levels reshaped, joined, and the logistic function of classes.
static int add_outputs(struct writer *writer, int pyramid, int columns, bool logistic)
{
    const struct value *value = graph_value(writer->graph, pyramid);
    const int32_t any[3] = {1, value->pixels * value->channels / columns, columns};
    struct operation join = {.code = CONCAT, .n_outputs = 1};
    for (int l = 0; l < value->n_levels; l++) {
        int map = GPOINTER_TO_INT(
            g_hash_table_lookup(writer->of_value, GINT_TO_POINTER(pyramid * 8 + l)));
        g_assert_cmpint(map, >, 0);
        int flat = add_tensor(writer, F32, 3, any, NULL);
        add_operation(writer, RESHAPE, map - 1, flat);
        join.inputs[join.n_inputs++] = flat;
    }
    join.outputs[0] = add_tensor(writer, F32, 3, any, NULL);
    g_array_append_val(writer->operations, join);
    int output = join.outputs[0];
    if (logistic) {
        output = add_tensor(writer, F32, 3, any, NULL);
        add_operation(writer, LOGISTIC, join.outputs[0], output);
    }
    if (writer->options->precision == TFLITE_BYTES) {
        int bytes = output;
        output = add_tensor(writer, F32, 3, any, NULL);
        add_operation(writer, DEQUANTIZE, bytes, output);
    }
    return output;
}

static void add_detection(struct writer *writer)
{
    const struct graph *graph = writer->graph;
    const int32_t shape[1] = {1};
    int scores = add_outputs(writer, graph->classes,
                             checkpoint_model(writer->checkpoint)->num_classes, true);
    int boxes = add_outputs(writer, graph->boxes, 4, false);
    int anchors = add_anchors(writer);
    int outputs[4];
    for (int i = 0; i < 4; i++) {
        outputs[i] = add_tensor(writer, F32, 1, shape, NULL);
    }
    struct operation *op = add_operation(writer, CUSTOM, boxes, outputs[0]);
    op->n_inputs = 3;
    op->inputs[1] = scores;
    op->inputs[2] = anchors;
    op->n_outputs = 4;
    memcpy(op->outputs, outputs, sizeof outputs);
}

static void list_outputs(struct writer *writer, int pyramid)
{
    for (int l = 0; l < graph_value(writer->graph, pyramid)->n_levels; l++) {
        int map = GPOINTER_TO_INT(
            g_hash_table_lookup(writer->of_value, GINT_TO_POINTER(pyramid * 8 + l)));
        int output = map - 1;
        if (writer->options->precision == TFLITE_BYTES) {
            const struct tensor *bytes = tensor_at(writer, output);
            const int32_t shape[4] = {1, bytes->shape[1], bytes->shape[2], bytes->shape[3]};
            output = add_tensor(writer, F32, 4, shape, NULL);
            add_operation(writer, DEQUANTIZE, map - 1, output);
        }
        g_array_append_val(writer->outputs, output);
    }
}

GByteArray *tflite_file_of(struct checkpoint *checkpoint, const struct tflite_options *options)
{
    struct graph *graph = graph_new(checkpoint_model(checkpoint));
    struct writer writer = {
        .options = options,
        .checkpoint = checkpoint,
        .graph = graph,
        .tensors = g_array_new(FALSE, TRUE, sizeof(struct tensor)),
        .operations = g_array_new(FALSE, TRUE, sizeof(struct operation)),
        .outputs = g_array_new(FALSE, FALSE, sizeof(int)),
        .of_value = g_hash_table_new(NULL, NULL),
    };
    int map = tensor_of(&writer, graph->input);
    tensor_at(&writer, map)->shape[3] = 3;
    int input = map;
    if (options->byte_input) {
        const float scale = 1.0f / 128.0f;
        input = add_tensor(&writer, U8, 4, tensor_at(&writer, map)->shape, NULL);
        tensor_at(&writer, input)->scales = g_memdup2(&scale, sizeof scale);
        tensor_at(&writer, input)->n_scales = 1;
        tensor_at(&writer, input)->zero = 127;
        add_operation(&writer, QUANTIZE, input, map);
    }
    for (int pass = 0; pass < 2; pass++) { // converters run either head first
        for (guint i = 0; i < graph->nodes->len; i++) {
            bool late =
                options->shuffled && g_str_has_prefix(graph_node(graph, (int)i)->name, "class");
            if (late == (pass == 1)) {
                add_node(&writer, graph_node(graph, (int)i));
            }
        }
    }
    if (options->detection) {
        add_detection(&writer);
    } else {
        list_outputs(&writer, graph->classes);
        list_outputs(&writer, graph->boxes);
    }
    GByteArray *bytes = writer_bytes(&writer, input);
    for (guint i = 0; i < writer.tensors->len; i++) {
        g_clear_pointer(&tensor_at(&writer, (int)i)->data, g_bytes_unref);
        g_free(tensor_at(&writer, (int)i)->scales);
    }
    g_array_unref(writer.tensors);
    g_array_unref(writer.operations);
    g_array_unref(writer.outputs);
    g_hash_table_unref(writer.of_value);
    graph_free(&graph);
    return bytes;
}
