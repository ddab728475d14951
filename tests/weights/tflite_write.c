// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Operators and tensors as the bytes of a TensorFlow Lite file, and the metadata behind them.
#include "tflite_writer.h"

#include <string.h>

static const int codes[] = {ADD,  CONCAT, CONV,    DEPTHWISE, DEQUANTIZE, LOGISTIC,
                            POOL, RELU6,  RESHAPE, CUSTOM,    RESIZE,     QUANTIZE};

static uint32_t put_text(GByteArray *bytes, const char *text)
{
    return fbw_vector(bytes, (uint32_t)strlen(text), 1, text);
}

static uint32_t put_tables(GByteArray *bytes, uint32_t slot, uint32_t count)
{
    uint32_t vector = fbw_vector(bytes, count, 4, NULL);
    fbw_link(bytes, slot, vector);
    return vector + 4;
}

static void put_tensor(GByteArray *bytes, uint32_t slot, const struct tensor *tensor,
                       uint32_t buffer, const char *name)
{
    static const uint8_t sizes[5] = {4, 1, 4, 4, 4}, quantized[7] = {0, 0, 4, 4, 0, 0, 4};
    uint32_t position;
    int8_t type = (int8_t)tensor->type;
    struct fbw_table table = fbw_table(bytes, sizes, tensor->n_scales ? 5 : 4, &position);
    fbw_link(bytes, slot, position);
    fbw_set(bytes, table.slot[1], &type, 1);
    fbw_set(bytes, table.slot[2], &buffer, 4);
    fbw_link(bytes, table.slot[0], fbw_vector(bytes, (uint32_t)tensor->rank, 4, tensor->shape));
    fbw_link(bytes, table.slot[3], put_text(bytes, name));
    if (tensor->n_scales) {
        uint32_t n = (uint32_t)tensor->n_scales;
        struct fbw_table scales = fbw_table(bytes, quantized, 7, &position);
        int32_t axis = tensor->axis;
        fbw_link(bytes, table.slot[4], position);
        fbw_link(bytes, scales.slot[2], fbw_vector(bytes, n, 4, tensor->scales));
        uint32_t zeros = fbw_vector(bytes, n, 8, NULL);
        fbw_link(bytes, scales.slot[3], zeros);
        for (uint32_t i = 0; i < n; i++) {
            fbw_set(bytes, zeros + 4 + 8 * i, &tensor->zero, 8);
        }
        fbw_set(bytes, scales.slot[6], &axis, 4);
    }
}

static void put_options(GByteArray *bytes, const struct fbw_table *op,
                        const struct operation *operation)
{
    static const uint8_t sizes[][7] = {
        [ADD] = {1},
        [CONV] = {1, 4, 4, 1, 4, 4},
        [DEPTHWISE] = {1, 4, 4, 4, 1, 4, 4},
        [POOL] = {1, 4, 4, 4, 4, 1},
        [RESIZE] = {1, 1},
    };
    uint32_t position;
    if (operation->code >= (int)G_N_ELEMENTS(sizes) || !sizes[operation->code][0]) {
        return;
    }
    struct fbw_table options = fbw_table(bytes, sizes[operation->code], 7, &position);
    fbw_link(bytes, op->slot[4], position);
    for (int i = 0; i < 7; i++) {
        int32_t value = i < 6 ? operation->options[i] : 1;
        if (sizes[operation->code][i]) {
            fbw_set(bytes, options.slot[i], &value, sizes[operation->code][i]);
        }
    }
}

static void put_operation(const struct writer *writer, GByteArray *bytes, uint32_t slot,
                          const struct operation *operation)
{
    static const char *const keys[] = {"h_scale", "max_detections", "nms_iou_threshold",
                                       "nms_score_threshold", "y_scale"};
    const float values[] = {writer->options->scaled ? 5.0f : 1.0f, 25.0f, 0.625f, 0.125f, 1.0f};
    static const uint8_t sizes[6] = {4, 4, 4, 0, 4, 4};
    uint32_t position, code = 0;
    while (codes[code] != operation->code) {
        code++;
    }
    bool custom = operation->code == CUSTOM;
    bool plain = custom || operation->code == CONCAT || operation->code == LOGISTIC ||
                 operation->code == RESHAPE || operation->code == QUANTIZE ||
                 operation->code == DEQUANTIZE || operation->code == RELU6;
    uint8_t own[6];
    memcpy(own, sizes, sizeof own);
    own[4] = plain ? 0 : 4;
    own[5] = custom ? 4 : 0;
    struct fbw_table table = fbw_table(bytes, own, 6, &position);
    fbw_link(bytes, slot, position);
    fbw_set(bytes, table.slot[0], &code, 4);
    fbw_link(bytes, table.slot[1],
             fbw_vector(bytes, (uint32_t)operation->n_inputs, 4, operation->inputs));
    fbw_link(bytes, table.slot[2],
             fbw_vector(bytes, (uint32_t)operation->n_outputs, 4, operation->outputs));
    if (custom) {
        g_autoptr(GByteArray) map = flex_map(keys, values, G_N_ELEMENTS(keys));
        fbw_link(bytes, table.slot[5], fbw_vector(bytes, map->len, 1, map->data));
    } else if (!plain) {
        put_options(bytes, &table, operation);
    }
}

static void put_codes(GByteArray *bytes, uint32_t slot)
{
    static const uint8_t sizes[4] = {1, 4, 0, 4};
    uint32_t first = put_tables(bytes, slot, G_N_ELEMENTS(codes));
    for (uint32_t i = 0; i < G_N_ELEMENTS(codes); i++) {
        uint32_t position;
        struct fbw_table code = fbw_table(bytes, sizes, 4, &position);
        fbw_link(bytes, first + 4 * i, position);
        fbw_set(bytes, code.slot[0], &codes[i], 1);
        fbw_set(bytes, code.slot[3], &codes[i], 4);
        fbw_link(bytes, code.slot[1],
                 put_text(bytes, codes[i] == CUSTOM ? "TFLite_Detection_PostProcess" : ""));
    }
}

// Buffer 0 is empty, as in every file; the one of tensor i is i + 1, or counted from the end.
static uint32_t buffer_of(const struct writer *writer, uint32_t tensor)
{
    return writer->options->shuffled ? writer->tensors->len - tensor : tensor + 1;
}

static void put_buffers(const struct writer *writer, GByteArray *bytes, uint32_t slot)
{
    static const uint8_t sizes[1] = {4};
    const struct tflite_about *about = writer->options->about;
    g_autoptr(GByteArray) metadata = about ? about_bytes(about) : g_byte_array_new();
    g_autoptr(GBytes) last = g_bytes_new(metadata->data, metadata->len);
    uint32_t n = writer->tensors->len, first = put_tables(bytes, slot, n + 2);
    for (uint32_t i = 0; i <= n + 1; i++) {
        uint32_t tensor = writer->options->shuffled ? n - i : i - 1, position;
        GBytes *data = i == 0   ? NULL
                       : i <= n ? g_array_index(writer->tensors, struct tensor, tensor).data
                       : about  ? last
                                : NULL;
        struct fbw_table buffer = fbw_table(bytes, sizes, data ? 1 : 0, &position);
        fbw_link(bytes, first + 4 * i, position);
        if (data) {
            gsize size;
            const void *content = g_bytes_get_data(data, &size);
            fbw_link(bytes, buffer.slot[0], fbw_vector(bytes, (uint32_t)size, 1, content));
        }
    }
}

// Only the names of outputs mean anything, and these only where there is no signature.
static char *name_of(const struct writer *writer, int tensor)
{
    for (guint i = 0; i < writer->outputs->len && !writer->options->signature; i++) {
        if (g_array_index(writer->outputs, int, i) == tensor) {
            return g_strdup_printf("StatefulPartitionedCall:%u", i);
        }
    }
    return g_strdup("the same name:3");
}

static void put_signature(const struct writer *writer, GByteArray *bytes, uint32_t slot)
{
    static const uint8_t sizes[5] = {0, 4, 4, 0, 4}, map_sizes[2] = {4, 4};
    uint32_t position, first = put_tables(bytes, slot, writer->options->signature ? 1 : 0);
    if (!writer->options->signature) {
        return;
    }
    struct fbw_table signature = fbw_table(bytes, sizes, 5, &position);
    fbw_link(bytes, first, position);
    fbw_link(bytes, signature.slot[2], put_text(bytes, "predict"));
    first = put_tables(bytes, signature.slot[1], writer->outputs->len);
    for (guint i = 0; i < writer->outputs->len; i++) {
        g_autofree char *name = g_strdup_printf("output_%u", i);
        struct fbw_table map = fbw_table(bytes, map_sizes, 2, &position);
        fbw_link(bytes, first + 4 * i, position);
        fbw_link(bytes, map.slot[0], put_text(bytes, name));
        fbw_set(bytes, map.slot[1], &g_array_index(writer->outputs, int, i), 4);
    }
}

GByteArray *writer_bytes(const struct writer *writer, int input)
{
    static const uint8_t sizes[8] = {4, 4, 4, 0, 4, 0, 4, 4}, graph_sizes[4] = {4, 4, 4, 4};
    GByteArray *bytes = g_byte_array_new();
    uint32_t position, version = 3;
    g_byte_array_append(bytes, (const guint8 *)"\0\0\0\0TFL3", 8);
    struct fbw_table model = fbw_table(bytes, sizes, 8, &position);
    fbw_link(bytes, 0, position);
    fbw_set(bytes, model.slot[0], &version, 4);
    if (writer->options->about) {
        static const uint8_t entry_sizes[2] = {4, 4};
        uint32_t slot = put_tables(bytes, model.slot[6], 1), buffer = writer->tensors->len + 1;
        struct fbw_table entry = fbw_table(bytes, entry_sizes, 2, &position);
        fbw_link(bytes, slot, position);
        fbw_link(bytes, entry.slot[0], put_text(bytes, "TFLITE_METADATA"));
        fbw_set(bytes, entry.slot[1], &buffer, 4);
    } else {
        fbw_link(bytes, model.slot[6], fbw_vector(bytes, 0, 4, NULL));
    }
    put_codes(bytes, model.slot[1]);
    put_signature(writer, bytes, model.slot[7]);
    uint32_t graph_slot = put_tables(bytes, model.slot[2], 1);
    struct fbw_table graph = fbw_table(bytes, graph_sizes, 4, &position);
    fbw_link(bytes, graph_slot, position);
    fbw_link(bytes, graph.slot[1], fbw_vector(bytes, 1, 4, &input));
    // in another order than that of the names, as converters have it
    g_autofree int *outputs = g_new(int, MAX(writer->outputs->len, 1));
    for (guint i = 0; i < writer->outputs->len; i++) {
        outputs[writer->outputs->len - 1 - i] = g_array_index(writer->outputs, int, i);
    }
    fbw_link(bytes, graph.slot[2], fbw_vector(bytes, writer->outputs->len, 4, outputs));
    uint32_t first = put_tables(bytes, graph.slot[0], writer->tensors->len);
    for (uint32_t i = 0; i < writer->tensors->len; i++) {
        g_autofree char *name = name_of(writer, (int)i);
        put_tensor(bytes, first + 4 * i, &g_array_index(writer->tensors, struct tensor, i),
                   buffer_of(writer, i), name);
    }
    first = put_tables(bytes, graph.slot[3], writer->operations->len);
    for (uint32_t i = 0; i < writer->operations->len; i++) {
        put_operation(writer, bytes, first + 4 * i,
                      &g_array_index(writer->operations, struct operation, i));
    }
    put_buffers(writer, bytes, model.slot[4]);
    if (writer->options->about) {
        about_append(bytes, writer->options->about);
    }
    return bytes;
}
