// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What a TensorFlow Lite file says about its network besides the weights, as metadata keys: input
// size and normalisation, anchors, the detection operator's options, and the labels and licence of
// TFLite Metadata.
#include "weights/tflite_match.h"

#include "base/log.h"
#include "weights/flexbuffer.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

#define MAX_NAME_BYTES 256
#define MAX_FILES 16 // associated files looked at
#define MAX_LICENSE_BYTES 200

enum { MODEL_METADATA = 6, METADATA_NAME = 0, METADATA_BUFFER = 1 };
enum { OPERATOR_CUSTOM_OPTIONS = 5 };
// of TFLite Metadata
enum { ABOUT_SUBGRAPHS = 3, ABOUT_LICENSE = 5, ABOUT_FILES = 6 };
enum { SUBGRAPH_INPUTS = 2, SUBGRAPH_OUTPUTS = 3, SUBGRAPH_FILES = 4 };
enum { TENSOR_PROCESS_UNITS = 4, TENSOR_FILES = 6 };
enum { UNIT_TYPE = 0, UNIT_OPTIONS = 1, UNIT_NORMALIZATION = 1, OPTIONS_MEAN = 0, OPTIONS_STD = 1 };
enum { FILE_NAME = 0, FILE_TYPE = 2, FILE_AXIS_LABELS = 2, FILE_VALUE_LABELS = 3 };

static void put(GHashTable *metadata, const char *key, char *value)
{
    g_hash_table_replace(metadata, g_strdup(key), value);
}

static char *text_of(double value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    return g_strdup(g_ascii_dtostr(text, sizeof text, value));
}

static char *triple(const double values[3])
{
    g_autofree char *r = text_of(values[0]), *g = text_of(values[1]), *b = text_of(values[2]);
    return g_strdup_printf("[%s, %s, %s]", r, g, b);
}

// ---- TFLite Metadata ---------------------------------------------------------------------------

// The buffer of metadata, which is a FlatBuffer of its own; false where the file has none.
static bool find_about(struct tflite *tflite, struct flatbuffer *buffer)
{
    struct fb_vector entries = fb_vector(&tflite->model, MODEL_METADATA, 4);
    for (uint32_t i = 0; i < entries.count && i < MAX_FILES; i++) {
        struct fb_table entry = fb_vector_table(&entries, i);
        uint64_t position, bytes;
        if (fb_text_is(&entry, METADATA_NAME, "TFLITE_METADATA") &&
            tflite_buffer(tflite, (uint32_t)fb_i32(&entry, METADATA_BUFFER, 0), &position,
                          &bytes) &&
            bytes >= 8 && memcmp(tflite->bytes + position + 4, "M001", 4) == 0) {
            *buffer = (struct flatbuffer){tflite->bytes + position, bytes, false};
            return true;
        }
    }
    return false;
}

// The name of the label list among some associated files, or NULL; any list before one by axis.
static char *label_file(const struct fb_table *owner, int field)
{
    struct fb_vector files = fb_vector(owner, field, 4);
    for (int type = FILE_VALUE_LABELS; type >= FILE_AXIS_LABELS; type--) {
        for (uint32_t i = 0; i < files.count && i < MAX_FILES; i++) {
            struct fb_table file = fb_vector_table(&files, i);
            if (fb_u8(&file, FILE_TYPE, 0) == type) {
                return fb_text(&file, FILE_NAME, MAX_NAME_BYTES);
            }
        }
    }
    return NULL;
}

static char *find_label_file(const struct fb_table *about, const struct fb_table *subgraph)
{
    struct fb_vector outputs = fb_vector(subgraph, SUBGRAPH_OUTPUTS, 4);
    for (uint32_t i = 0; i < outputs.count && i < MAX_FILES; i++) {
        struct fb_table output = fb_vector_table(&outputs, i);
        char *name = label_file(&output, TENSOR_FILES);
        if (name) {
            return name;
        }
    }
    char *name = label_file(subgraph, SUBGRAPH_FILES);
    return name ? name : label_file(about, ABOUT_FILES);
}

static bool is_blank(const char *label)
{
    return !label[0] || g_str_equal(label, "???");
}

// One label a line; "???" stands for a channel without a name. A list that is one longer than there
// are classes begins with the background, which has no channel.
static void put_labels(GHashTable *metadata, const char *path, const char *text, int classes)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    int n = (int)g_strv_length(lines);
    for (int i = 0; i < n; i++) {
        g_strstrip(lines[i]);
    }
    while (n > 0 && !lines[n - 1][0]) {
        n--;
    }
    bool background =
        n == classes + 1 && (is_blank(lines[0]) || g_ascii_strcasecmp(lines[0], "background") == 0);
    char **first = lines + (background ? 1 : 0);
    if (n - (background ? 1 : 0) != classes) {
        log_warning("%s: its label list has %d lines for %d classes and is left out; give one with "
                    "the option for labels",
                    path, n, classes);
        return;
    }
    g_autoptr(JsonBuilder) builder = json_builder_new();
    json_builder_begin_array(builder);
    for (int i = 0; i < classes; i++) {
        json_builder_add_string_value(builder, is_blank(first[i]) ? "" : first[i]);
    }
    json_builder_end_array(builder);
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    put(metadata, "labels", json_to_string(root, FALSE));
}

static bool read_normalization(const struct fb_table *subgraph, double mean[3], double std[3])
{
    struct fb_vector inputs = fb_vector(subgraph, SUBGRAPH_INPUTS, 4);
    struct fb_table none = {.buffer = subgraph->buffer};
    struct fb_table input = inputs.count > 0 ? fb_vector_table(&inputs, 0) : none;
    struct fb_vector units = fb_vector(&input, TENSOR_PROCESS_UNITS, 4);
    for (uint32_t i = 0; i < units.count && i < MAX_FILES; i++) {
        struct fb_table unit = fb_vector_table(&units, i);
        if (fb_u8(&unit, UNIT_TYPE, 0) != UNIT_NORMALIZATION) {
            continue;
        }
        struct fb_table options = fb_table(&unit, UNIT_OPTIONS);
        struct fb_vector means = fb_vector(&options, OPTIONS_MEAN, 4);
        struct fb_vector stds = fb_vector(&options, OPTIONS_STD, 4);
        bool ok = (means.count == 1 || means.count == 3) && (stds.count == 1 || stds.count == 3);
        for (uint32_t c = 0; c < 3 && ok; c++) {
            mean[c] = (double)fb_vector_f32(&means, MIN(c, means.count - 1));
            std[c] = (double)fb_vector_f32(&stds, MIN(c, stds.count - 1));
            ok = fabs(mean[c]) <= 1e4 && std[c] >= 1e-4 && std[c] <= 1e4;
        }
        return ok;
    }
    return false;
}

// ---- normalisation -----------------------------------------------------------------------------

// An 8-bit input is the normalised picture in steps. Where these are such that the bytes of a
// picture are what is expected, they say the normalisation; else the calibration decided on them.
static bool read_steps(const struct follow *follow, double mean[3], double std[3])
{
    struct fb_vector inputs = fb_vector(&follow->tflite->graph, 1, 4);
    const struct tflite_tensor *input = &follow->tflite->tensors[fb_vector_i32(&inputs, 0)];
    if ((input->type != TFLITE_UINT8 && input->type != TFLITE_INT8) || input->scales.count != 1 ||
        input->zero_points.count != 1) {
        return false;
    }
    double scale = (double)fb_vector_f32(&input->scales, 0);
    double zero = (double)fb_vector_i64(&input->zero_points, 0);
    zero += input->type == TFLITE_INT8 ? 128.0 : 0.0;
    for (int i = 0; i < 3; i++) {
        mean[i] = zero;
        std[i] = 1.0 / scale;
    }
    return zero >= 126.0 && zero <= 129.0 && std[0] >= 126.0 && std[0] <= 129.0;
}

static void put_detection(const struct follow *follow, GHashTable *metadata)
{
    const struct tflite_operator *op = &follow->tflite->operators[follow->detection];
    struct fb_vector options = fb_vector(&op->table, OPERATOR_CUSTOM_OPTIONS, 1);
    const uint8_t *bytes = follow->tflite->bytes + options.position;
    double value;
    bool regular = flexbuffer_number(bytes, options.count, "use_regular_nms", &value) && value != 0;
    put(metadata, "nms", g_strdup("hard"));
    put(metadata, "nms_classes", g_strdup(regular ? "aware" : "agnostic"));
    if (flexbuffer_number(bytes, options.count, "nms_iou_threshold", &value) && value >= 0.0 &&
        value <= 1.0) {
        put(metadata, "nms_iou", text_of(value));
    }
    if (flexbuffer_number(bytes, options.count, "nms_score_threshold", &value) && value > 0.01 &&
        value <= 1.0) { // below, and minus infinity: none of its own
        put(metadata, "suggested_score_threshold", text_of(value));
    }
    if (flexbuffer_number(bytes, options.count, "max_detections", &value) && value >= 1.0 &&
        value <= 65536.0) {
        put(metadata, "max_detections", g_strdup_printf("%d", (int)value));
    }
}

// Boxes are decoded without factors.
static bool check_detection(struct follow *follow)
{
    static const char *const keys[] = {"y_scale", "x_scale", "h_scale", "w_scale"};
    const struct tflite_operator *op = &follow->tflite->operators[follow->detection];
    struct fb_vector options = fb_vector(&op->table, OPERATOR_CUSTOM_OPTIONS, 1);
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        double value = 1.0;
        if (flexbuffer_number(follow->tflite->bytes + options.position, options.count, keys[i],
                              &value) &&
            value != 1.0) {
            return tflite_other(follow, "its detection operator has %s %g, not 1", keys[i], value);
        }
    }
    return true;
}

bool describe_file(struct container *container, struct follow *follow)
{
    struct flatbuffer buffer;
    double mean[3], std[3];
    GHashTable *metadata = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    container->metadata = metadata;
    put(metadata, "effdet.format", g_strdup("1"));
    put(metadata, "convention", g_strdup("tf"));
    put(metadata, "input_size", g_strdup_printf("[%d, %d]", follow->height, follow->width));
    if (!describe_anchors(follow, metadata)) {
        return false;
    }
    if (follow->detection >= 0) {
        if (!check_detection(follow)) {
            return false;
        }
        put_detection(follow, metadata);
    }
    bool normalized = read_steps(follow, mean, std);
    if (find_about(follow->tflite, &buffer)) {
        struct fb_table about = fb_root(&buffer);
        struct fb_vector subgraphs = fb_vector(&about, ABOUT_SUBGRAPHS, 4);
        struct fb_table none = {.buffer = &buffer};
        struct fb_table subgraph = subgraphs.count > 0 ? fb_vector_table(&subgraphs, 0) : none;
        normalized = normalized || read_normalization(&subgraph, mean, std);
        g_autofree char *name = find_label_file(&about, &subgraph);
        g_autofree char *text =
            name ? archive_text(follow->tflite->bytes, container->size, name) : NULL;
        g_autofree char *license = fb_text(&about, ABOUT_LICENSE, MAX_LICENSE_BYTES);
        if (text && g_utf8_validate(text, -1, NULL)) {
            put_labels(metadata, container->path, text,
                       follow->classes / MAX(follow->boxes / 4, 1));
        }
        if (license[0] && g_utf8_validate(license, -1, NULL)) {
            put(metadata, "license", g_strdelimit(g_strdup(license), "\r\n\t", ' '));
        }
        if (buffer.damaged) {
            bad_file(follow->error, "is damaged: its metadata points outside of itself");
            return false;
        }
    }
    if (normalized) {
        put(metadata, "mean", triple(mean));
        put(metadata, "std", triple(std));
    }
    return true;
}
