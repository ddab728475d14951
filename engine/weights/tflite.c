// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// TensorFlow Lite files: tensors, operators, and constants as floats. What the operators amount to
// is in tflite_graph.c.
#include "weights/tflite.h"

// EfficientDet-Lite4 has 1800 tensors and 700 operators.
#define MAX_ITEMS 8192
#define MAX_OPERANDS 32

enum { MODEL_CODES = 1, MODEL_GRAPHS = 2, MODEL_BUFFERS = 4 };
enum { CODE_OLD = 0, CODE_CUSTOM = 1, CODE_BUILTIN = 3 };
enum { GRAPH_TENSORS = 0, GRAPH_OPERATORS = 3 };
enum { TENSOR_SHAPE = 0, TENSOR_TYPE = 1, TENSOR_BUFFER = 2 };
enum { QUANT_SCALE = 2, QUANT_ZERO_POINT = 3, QUANT_AXIS = 6 };
enum { OPERATOR_CODE, OPERATOR_INPUTS, OPERATOR_OUTPUTS, OPERATOR_OPTIONS = 4 };
enum { BUFFER_DATA, BUFFER_OFFSET, BUFFER_SIZE };

static const struct {
    int code;
    const char *name;
} code_names[] = {
    {TFLITE_ADD, "ADD"},
    {TFLITE_CONCATENATION, "CONCATENATION"},
    {TFLITE_CONV_2D, "CONV_2D"},
    {TFLITE_DEPTHWISE_CONV_2D, "DEPTHWISE_CONV_2D"},
    {TFLITE_DEQUANTIZE, "DEQUANTIZE"},
    {TFLITE_LOGISTIC, "LOGISTIC"},
    {TFLITE_MAX_POOL_2D, "MAX_POOL_2D"},
    {TFLITE_RELU6, "RELU6"},
    {TFLITE_RESHAPE, "RESHAPE"},
    {TFLITE_CUSTOM, "a custom operator"},
    {TFLITE_RESIZE_NEAREST_NEIGHBOR, "RESIZE_NEAREST_NEIGHBOR"},
    {TFLITE_ADD_N, "ADD_N"},
    {TFLITE_QUANTIZE, "QUANTIZE"},
    {TFLITE_DETECTION_POSTPROCESS, "TFLite_Detection_PostProcess"},
};

const char *tflite_code_name(int code)
{
    for (size_t i = 0; i < G_N_ELEMENTS(code_names); i++) {
        if (code_names[i].code == code) {
            return code_names[i].name;
        }
    }
    return "another operator";
}

// ---- the file's tables ------------------------------------------------------------------------

bool tflite_buffer(struct tflite *tflite, uint32_t index, uint64_t *position, uint64_t *bytes)
{
    struct fb_vector buffers = fb_vector(&tflite->model, MODEL_BUFFERS, 4);
    if (index >= buffers.count) {
        return false;
    }
    struct fb_table buffer = fb_vector_table(&buffers, index);
    struct fb_vector data = fb_vector(&buffer, BUFFER_DATA, 1);
    *position = data.position;
    *bytes = data.count;
    uint64_t offset = fb_u64(&buffer, BUFFER_OFFSET, 0), size = fb_u64(&buffer, BUFFER_SIZE, 0);
    if (offset > 1 && data.count == 0) { // files of more than 2 GiB keep the data outside
        if (offset > tflite->buffer.size || size > tflite->buffer.size - offset) {
            tflite->buffer.damaged = true;
            return false;
        }
        *position = offset;
        *bytes = size;
    }
    return true;
}

static bool read_tensor(struct tflite *tflite, int index, GError **error)
{
    struct tflite_tensor *tensor = &tflite->tensors[index];
    struct fb_vector shape = fb_vector(&tensor->table, TENSOR_SHAPE, 4);
    struct fb_table quantization = fb_table(&tensor->table, TFLITE_TENSOR_QUANTIZATION);
    tensor->type = fb_u8(&tensor->table, TENSOR_TYPE, TFLITE_FLOAT32);
    tensor->scales = fb_vector(&quantization, QUANT_SCALE, 4);
    tensor->zero_points = fb_vector(&quantization, QUANT_ZERO_POINT, 8);
    tensor->axis = fb_i32(&quantization, QUANT_AXIS, 0);
    tensor->producer = -1;
    tensor->root = index;
    if (shape.count > MAX_RANK) {
        unsupported(error, "tensor %d has %u dimensions; at most %d are read", index, shape.count,
                    MAX_RANK);
        return false;
    }
    tensor->rank = (int)shape.count;
    uint64_t elements = 1;
    bool fits = true;
    for (int i = 0; i < tensor->rank; i++) {
        tensor->shape[i] = fb_vector_i32(&shape, (uint32_t)i);
        uint64_t size = (uint64_t)MAX(tensor->shape[i], 0);
        fits = fits && checked_mul(elements, size, &elements) && elements < G_MAXINT32;
    }
    tensor->elements = fits ? (int64_t)elements : 0;
    int32_t buffer = fb_i32(&tensor->table, TENSOR_BUFFER, 0);
    if (buffer != 0 &&
        !tflite_buffer(tflite, (uint32_t)buffer, &tensor->position, &tensor->bytes)) {
        bad_file(error, "tensor %d names data that is not in the file", index);
        return false;
    }
    return true;
}

static int operator_code(const struct tflite *tflite, int32_t index)
{
    struct fb_vector codes = fb_vector(&tflite->model, MODEL_CODES, 4);
    if (index < 0 || (uint32_t)index >= codes.count) {
        return -1;
    }
    struct fb_table code = fb_vector_table(&codes, (uint32_t)index);
    int old = fb_u8(&code, CODE_OLD, 0);
    int builtin = MAX(old, fb_i32(&code, CODE_BUILTIN, 0));
    if (builtin == TFLITE_CUSTOM &&
        fb_text_is(&code, CODE_CUSTOM, "TFLite_Detection_PostProcess")) {
        return TFLITE_DETECTION_POSTPROCESS;
    }
    return builtin;
}

static bool check_operands(const struct tflite *tflite, const struct fb_vector *operands)
{
    for (uint32_t i = 0; i < operands->count; i++) {
        int32_t tensor = fb_vector_i32(operands, i);
        if (tensor < -1 || tensor >= tflite->n_tensors) {
            return false;
        }
    }
    return operands->count <= MAX_OPERANDS;
}

static bool read_operator(struct tflite *tflite, int index, GError **error)
{
    struct tflite_operator *op = &tflite->operators[index];
    op->code = operator_code(tflite, fb_i32(&op->table, OPERATOR_CODE, 0));
    op->inputs = fb_vector(&op->table, OPERATOR_INPUTS, 4);
    op->outputs = fb_vector(&op->table, OPERATOR_OUTPUTS, 4);
    op->options = fb_table(&op->table, OPERATOR_OPTIONS);
    if (op->code < 0 || !check_operands(tflite, &op->inputs) ||
        !check_operands(tflite, &op->outputs)) {
        bad_file(error, "operator %d names tensors or a kind that the file does not have", index);
        return false;
    }
    for (uint32_t i = 0; i < op->outputs.count; i++) {
        int32_t output = fb_vector_i32(&op->outputs, i);
        if (output < 0 || tflite->tensors[output].producer >= 0 ||
            tflite->tensors[output].bytes > 0) {
            bad_file(error, "operator %d writes what is written already", index);
            return false;
        }
        tflite->tensors[output].producer = index;
    }
    // operators are in the order in which they run: what this one reads has its root already
    if ((op->code == TFLITE_QUANTIZE || op->code == TFLITE_DEQUANTIZE) && op->inputs.count == 1 &&
        op->outputs.count == 1 && fb_vector_i32(&op->inputs, 0) >= 0) {
        int output = fb_vector_i32(&op->outputs, 0);
        tflite->tensors[output].root = tflite->tensors[fb_vector_i32(&op->inputs, 0)].root;
    }
    return true;
}

int tflite_input(const struct tflite *tflite, int op, uint32_t index)
{
    const struct fb_vector *inputs = &tflite->operators[op].inputs;
    int32_t tensor = index < inputs->count ? fb_vector_i32(inputs, index) : -1;
    return tensor >= 0 ? tflite->tensors[tensor].root : -1;
}

int tflite_output(const struct tflite *tflite, int op)
{
    const struct fb_vector *outputs = &tflite->operators[op].outputs;
    return outputs->count > 0 ? fb_vector_i32(outputs, 0) : -1;
}

// An operator that only passes its input on counts as no reader: those of its output do.
static void list_readers(struct tflite *tflite)
{
    uint32_t total = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int o = 0; o < tflite->n_operators; o++) {
            const struct tflite_operator *op = &tflite->operators[o];
            bool passes =
                tflite_output(tflite, o) >= 0 &&
                tflite->tensors[tflite_output(tflite, o)].root != tflite_output(tflite, o);
            for (uint32_t i = 0; i < op->inputs.count && !passes; i++) {
                int root = tflite_input(tflite, o, i);
                if (root < 0) {
                    continue;
                }
                struct tflite_tensor *tensor = &tflite->tensors[root];
                if (pass == 1) {
                    tflite->readers[tensor->first_reader + tensor->n_readers] = o;
                }
                tensor->n_readers++;
                total++;
            }
        }
        if (pass == 0) {
            tflite->readers = g_new(int, MAX(total, 1));
            uint32_t first = 0;
            for (int t = 0; t < tflite->n_tensors; t++) {
                tflite->tensors[t].first_reader = first;
                first += tflite->tensors[t].n_readers;
                tflite->tensors[t].n_readers = 0;
            }
        }
    }
}

bool tflite_parse(struct tflite *tflite, GError **error)
{
    tflite->model = fb_root(&tflite->buffer);
    struct fb_vector graphs = fb_vector(&tflite->model, MODEL_GRAPHS, 4);
    if (graphs.count == 0) {
        bad_file(error, "is cut off or damaged: it holds no graph");
        return false;
    }
    tflite->graph = fb_vector_table(&graphs, 0);
    struct fb_vector tensors = fb_vector(&tflite->graph, GRAPH_TENSORS, 4);
    struct fb_vector operators = fb_vector(&tflite->graph, GRAPH_OPERATORS, 4);
    if (tensors.count > MAX_ITEMS || operators.count > MAX_ITEMS) {
        unsupported(error, "has a graph of %u tensors and %u operators; at most %d are read",
                    tensors.count, operators.count, MAX_ITEMS);
        return false;
    }
    tflite->n_tensors = (int)tensors.count;
    tflite->n_operators = (int)operators.count;
    tflite->tensors = g_new0(struct tflite_tensor, MAX(tensors.count, 1));
    tflite->operators = g_new0(struct tflite_operator, MAX(operators.count, 1));
    for (int i = 0; i < tflite->n_tensors; i++) {
        tflite->tensors[i].table = fb_vector_table(&tensors, (uint32_t)i);
        if (!read_tensor(tflite, i, error)) {
            return false;
        }
    }
    for (int i = 0; i < tflite->n_operators; i++) {
        tflite->operators[i].table = fb_vector_table(&operators, (uint32_t)i);
        if (!read_operator(tflite, i, error)) {
            return false;
        }
    }
    if (tflite->buffer.damaged) {
        bad_file(error, "is cut off or damaged: it points outside of itself");
        return false;
    }
    list_readers(tflite);
    return true;
}
