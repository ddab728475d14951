// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Reads the metadata keys of our own safetensors files into a model. Each key changes one field;
// lists are JSON. A file without "effdet.format" has none of them.
#include "weights/expression.h"
#include "weights/recognise.h"

#include "effdet/effdet.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define MAX_LABELS_BYTES (1 << 20)

struct reader {
    const struct container *container;
    GError **error;
    bool failed; // the first error stays
};

static const char *lookup(const struct container *container, const char *key)
{
    GHashTable *table = container_metadata(container);
    return table ? g_hash_table_lookup(table, key) : NULL;
}

const char *metadata_get(const struct container *container, const char *key)
{
    return lookup(container, "effdet.format") ? lookup(container, key) : NULL;
}

bool metadata_check_format(const struct container *container, GError **error)
{
    const char *format = lookup(container, "effdet.format");
    if (!format || g_str_equal(format, "1")) {
        return true;
    }
    g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED,
                "%s: metadata key effdet.format: wanted 1, found \"%.40s\"; update effdet",
                container_path(container), format);
    return false;
}

static void G_GNUC_PRINTF(4, 5)
    fail(struct reader *reader, const char *key, const char *found, const char *wanted, ...)
{
    va_list args;
    va_start(args, wanted);
    g_autofree char *text = g_strdup_vprintf(wanted, args);
    va_end(args);
    if (!reader->failed) {
        g_set_error(reader->error, EFFDET_ERROR, EFFDET_ERROR_BAD_FILE,
                    "%s: metadata key %s: wanted %s, found \"%.80s\"",
                    container_path(reader->container), key, text, found);
    }
    reader->failed = true;
}

static void read_number(struct reader *reader, const char *key, double low, double high,
                        double *value)
{
    const char *text = metadata_get(reader->container, key);
    double number;
    if (!text) {
        return;
    }
    if (!expression_number(text, &number) || number < low || number > high) {
        fail(reader, key, text, "a number from %g to %g", low, high);
        return;
    }
    *value = number;
}

static void read_int(struct reader *reader, const char *key, int low, int high, int *value)
{
    double number = *value;
    read_number(reader, key, low, high, &number);
    if (number != (int)number) {
        fail(reader, key, metadata_get(reader->container, key), "a whole number");
        return;
    }
    *value = (int)number;
}

// A key that must agree with what the tensors show.
static void check_int(struct reader *reader, const char *key, int shown)
{
    int value = shown;
    read_int(reader, key, 0, 1 << 20, &value);
    if (value != shown && !reader->failed) {
        fail(reader, key, metadata_get(reader->container, key), "%d, which the tensors show",
             shown);
    }
}

static void read_choice(struct reader *reader, const char *key, const char *const *choices, int n,
                        int *value)
{
    const char *text = metadata_get(reader->container, key);
    g_autoptr(GString) known = g_string_new(NULL);
    for (int i = 0; text && i < n; i++) {
        if (g_str_equal(text, choices[i])) {
            *value = i;
            return;
        }
        g_string_append_printf(known, "%s%s", i ? " or " : "", choices[i]);
    }
    if (text) {
        fail(reader, key, text, "%s", known->str);
    }
}

static void read_triple(struct reader *reader, const char *key, double low, double high,
                        double out[3])
{
    const char *text = metadata_get(reader->container, key);
    double items[3][2];
    int n;
    if (!text) {
        return;
    }
    bool ok = expression_list(text, false, items, 3, &n) && n == 3;
    for (int i = 0; ok && i < 3; i++) {
        ok = items[i][0] >= low && items[i][0] <= high;
    }
    if (!ok) {
        fail(reader, key, text, "three numbers from %g to %g, as [R, G, B]", low, high);
        return;
    }
    for (int i = 0; i < 3; i++) {
        out[i] = items[i][0];
    }
}

static void read_input_size(struct reader *reader, struct model *model)
{
    const char *text = metadata_get(reader->container, "input_size");
    double items[2][2];
    int n;
    if (!text) {
        return;
    }
    if (!expression_list(text, false, items, 2, &n) || n != 2 || items[0][0] < 1 ||
        items[0][0] > 16384 || items[1][0] < 1 || items[1][0] > 16384 ||
        items[0][0] != (int)items[0][0] || items[1][0] != (int)items[1][0]) {
        fail(reader, "input_size", text, "[height, width] in pixels");
        return;
    }
    model->input_height = (int)items[0][0];
    model->input_width = (int)items[1][0];
}

static void read_aspects(struct reader *reader, struct anchors *anchors)
{
    const char *text = metadata_get(reader->container, "aspect_ratios");
    double items[MAX_ASPECTS][2];
    int n;
    if (!text) {
        return;
    }
    bool ok = expression_list(text, true, items, MAX_ASPECTS, &n) && n > 0;
    for (int i = 0; ok && i < n; i++) {
        ok = items[i][0] > 0.0 && items[i][1] > 0.0;
    }
    if (!ok) {
        fail(reader, "aspect_ratios", text, "1 to %d pairs of positive factors, as [[x, y], …]",
             MAX_ASPECTS);
        return;
    }
    anchors->num_aspects = n;
    memcpy(anchors->aspects, items, sizeof items[0] * n);
}

static void read_scales(struct reader *reader, struct model *model)
{
    struct anchors *anchors = &model->anchors;
    const char *octaves = metadata_get(reader->container, "scales");
    const char *scale = metadata_get(reader->container, "anchor_scale");
    double items[MAX(MAX_SCALES, MAX_LEVELS)][2];
    int n, levels = model_levels(model);
    read_int(reader, "num_scales", 1, MAX_SCALES, &anchors->num_scales);
    if (octaves) {
        bool ok = expression_list(octaves, false, items, MAX_SCALES, &n) && n > 0;
        for (int i = 0; ok && i < n; i++) {
            ok = items[i][0] > 0.0;
            anchors->octave[i] = items[i][0];
        }
        if (!ok || (metadata_get(reader->container, "num_scales") && n != anchors->num_scales)) {
            fail(reader, "scales", octaves, "as many positive factors as num_scales says");
            return;
        }
        anchors->num_scales = n;
    }
    if (scale && expression_list(scale, false, items, MAX_LEVELS, &n) && n == levels) {
        for (int i = 0; i < n; i++) {
            anchors->scale[i] = items[i][0];
        }
    } else if (scale) {
        double value = 0.0;
        read_number(reader, "anchor_scale", 1e-3, 1e3, &value);
        for (int i = 0; i < MAX_LEVELS; i++) {
            anchors->scale[i] = value;
        }
    }
    for (int i = 0; i < levels; i++) {
        if (!(anchors->scale[i] > 0.0)) {
            fail(reader, "anchor_scale", scale ? scale : "", "a positive number, or one a level");
        }
    }
}

static void read_structure(struct reader *reader, struct arch *arch)
{
    static const char *const pads[] = {"same", "symmetric"};
    static const char *const fusions[] = {"sum", "fast", "softmax"};
    static const char *const upsamples[] = {"nearest", "bilinear"};
    static const char *const downsamples[] = {"max", "bilinear"};
    int pad = -1, backbone_pad, fusion = (int)arch->fusion;
    int up = (int)arch->upsample, down = (int)arch->downsample;
    read_choice(reader, "pad_type", pads, 2, &pad);
    if (pad >= 0) {
        arch->pad = arch->backbone_pad = (enum pad_type)pad;
    }
    backbone_pad = (int)arch->backbone_pad;
    read_choice(reader, "backbone_pad_type", pads, 2, &backbone_pad);
    arch->backbone_pad = (enum pad_type)backbone_pad;
    if (metadata_get(reader->container, "bn_eps")) {
        read_number(reader, "bn_eps", 0.0, 1.0, &arch->bn_eps);
        arch->backbone_bn_eps = arch->bn_eps;
    }
    read_number(reader, "backbone_bn_eps", 0.0, 1.0, &arch->backbone_bn_eps);
    read_choice(reader, "fusion", fusions, 3, &fusion);
    if ((fusion == FUSION_SUM) != (arch->fusion == FUSION_SUM)) {
        fail(reader, "fusion", fusions[fusion], "%s, as the tensors show",
             arch->fusion == FUSION_SUM ? "sum" : "fast or softmax");
    } else if (fusion == FUSION_SOFTMAX) {
        arch->fusion = FUSION_SOFTMAX;
        arch->quad_fusion = arch->quad_fusion == FUSION_SUM ? FUSION_SUM : FUSION_SOFTMAX;
    }
    read_choice(reader, "upsample", upsamples, 2, &up);
    read_choice(reader, "downsample", downsamples, 2, &down);
    arch->upsample = (enum upsample)up;
    arch->downsample = (enum downsample)down;
}

static void read_processing(struct reader *reader, struct model *model)
{
    static const char *const filters[] = {"bilinear", "bilinear-aa"};
    static const char *const roundings[] = {"round", "trunc"};
    static const char *const pools[] = {"ignore", "zero"};
    static const char *const nms[] = {"hard", "gaussian"};
    static const char *const nms_classes[] = {"aware", "agnostic"};
    int filter = (int)model->pre.filter, rounding = -1, pool = (int)model->pool_padding;
    int kind = (int)model->post.nms, agnostic = model->post.nms_agnostic;
    read_triple(reader, "mean", -1e4, 1e4, model->pre.mean);
    read_triple(reader, "std", 1e-4, 1e4, model->pre.std);
    read_triple(reader, "fill", -1e4, 1e4, model->pre.fill);
    read_choice(reader, "resize", filters, 2, &filter);
    read_choice(reader, "resize_rounding", roundings, 2, &rounding);
    read_choice(reader, "pool_padding", pools, 2, &pool);
    read_choice(reader, "nms", nms, 2, &kind);
    read_choice(reader, "nms_classes", nms_classes, 2, &agnostic);
    read_number(reader, "nms_iou", 0.0, 1.0, &model->post.nms_iou);
    read_int(reader, "max_detections", 0, 1 << 20, &model->post.max_detections);
    read_number(reader, "suggested_score_threshold", 0.0, 1.0, &model->suggested_score_threshold);
    if (filter != (int)model->pre.filter) {
        model->pre.filter = (enum resize_filter)filter;
        model->pre.resize_to_u8 = false;
    }
    if (rounding == 0) {
        model->pre.rounding = ROUND_NEAREST;
    } else if (rounding == 1 && model->pre.rounding == ROUND_NEAREST) {
        model->pre.rounding = ROUND_TRUNC; // a convention's own way of truncating stays
    }
    model->pool_padding = (enum pool_padding)pool;
    model->post.nms = (enum nms_kind)kind;
    model->post.nms_agnostic = agnostic != 0;
}

// Only a flat list goes to the JSON parser, which would follow any nesting.
static bool is_flat_list(const char *text)
{
    bool in_string = false;
    int brackets = 0;
    for (const char *c = text; *c; c++) {
        if (in_string && *c == '\\' && c[1]) {
            c++;
        } else if (*c == '"') {
            in_string = !in_string;
        } else if (!in_string && (*c == '[' || *c == '{')) {
            brackets++;
        }
    }
    return brackets == 1;
}

static void read_labels(struct reader *reader, struct model *model)
{
    const char *text = metadata_get(reader->container, "labels");
    if (!text) {
        return;
    }
    g_autoptr(JsonNode) root = strlen(text) <= MAX_LABELS_BYTES && is_flat_list(text)
                                   ? json_from_string(text, NULL)
                                   : NULL;
    JsonArray *array = root && JSON_NODE_HOLDS_ARRAY(root) ? json_node_get_array(root) : NULL;
    guint n = array ? json_array_get_length(array) : 0;
    g_autoptr(GPtrArray) labels = g_ptr_array_new();
    for (guint i = 0; i < n; i++) {
        JsonNode *node = json_array_get_element(array, i);
        const char *label =
            JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
                ? json_node_get_string(node)
                : NULL;
        if (label) {
            g_ptr_array_add(labels, (gpointer)label);
        }
    }
    if (!array || (int)labels->len != model->num_classes || n != labels->len) {
        fail(reader, "labels", text, "a JSON list of %d strings, one for each class",
             model->num_classes);
        return;
    }
    model_set_labels(model, (const char *const *)labels->pdata, (int)labels->len);
}

bool metadata_apply(const struct container *container, struct model *model, GError **error)
{
    struct reader reader = {container, error, false};
    const char *license = metadata_get(container, "license");
    check_int(&reader, "num_classes", model->num_classes);
    check_int(&reader, "min_level", model->arch.min_level);
    check_int(&reader, "max_level", model->arch.max_level);
    read_structure(&reader, &model->arch);
    read_input_size(&reader, model);
    read_aspects(&reader, &model->anchors);
    read_scales(&reader, model);
    read_processing(&reader, model);
    read_labels(&reader, model);
    if (license && !reader.failed) {
        g_free(model->license);
        model->license = g_strdup(license);
    }
    return !reader.failed;
}
