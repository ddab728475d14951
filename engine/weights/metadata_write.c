// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The metadata keys of our own safetensors files, from a model: everything that a reader needs to
// rebuild it.
#include "weights/recognise.h"

#include <json-glib/json-glib.h>

static char *number(double value)
{
    char shortest[G_ASCII_DTOSTR_BUF_SIZE];
    g_ascii_formatd(shortest, sizeof shortest, "%.15g", value);
    if (g_ascii_strtod(shortest, NULL) != value) {
        g_ascii_dtostr(shortest, sizeof shortest, value);
    }
    return g_strdup(shortest);
}

static char *list(const double *values, int n)
{
    GString *text = g_string_new("[");
    for (int i = 0; i < n; i++) {
        g_autofree char *one = number(values[i]);
        g_string_append_printf(text, "%s%s", i ? ", " : "", one);
    }
    g_string_append_c(text, ']');
    return g_string_free(text, FALSE);
}

static void put(GHashTable *table, const char *key, char *value)
{
    g_hash_table_insert(table, g_strdup(key), value);
}

static void put_number(GHashTable *table, const char *key, double value)
{
    put(table, key, number(value));
}

static void put_text(GHashTable *table, const char *key, const char *value)
{
    put(table, key, g_strdup(value));
}

static void put_anchors(GHashTable *table, const struct model *model)
{
    const struct anchors *anchors = &model->anchors;
    g_autoptr(GString) aspects = g_string_new("[");
    bool same = true;
    for (int i = 0; i < anchors->num_aspects; i++) {
        g_autofree char *pair = list(anchors->aspects[i], 2);
        g_string_append_printf(aspects, "%s%s", i ? ", " : "", pair);
    }
    g_string_append_c(aspects, ']');
    put_text(table, "aspect_ratios", aspects->str);
    put_number(table, "num_scales", anchors->num_scales);
    if (anchors->octave[0] > 0.0) {
        put(table, "scales", list(anchors->octave, anchors->num_scales));
    }
    for (int i = 1; i < model_levels(model); i++) {
        same = same && anchors->scale[i] == anchors->scale[0];
    }
    put(table, "anchor_scale",
        same ? number(anchors->scale[0]) : list(anchors->scale, model_levels(model)));
}

static void put_labels(GHashTable *table, const struct model *model)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    json_builder_begin_array(builder);
    for (int i = 0; i < model->num_classes; i++) {
        json_builder_add_string_value(builder, model->labels[i]);
    }
    json_builder_end_array(builder);
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    put(table, "labels", json_to_string(root, FALSE));
}

static void put_structure(GHashTable *table, const struct arch *arch)
{
    static const char *const pads[] = {"same", "symmetric"};
    static const char *const fusions[] = {"sum", "fast", "softmax"};
    put_text(table, "architecture", arch->name);
    put_number(table, "min_level", arch->min_level);
    put_number(table, "max_level", arch->max_level);
    put_text(table, "pad_type", pads[arch->pad]);
    put_text(table, "backbone_pad_type", pads[arch->backbone_pad]);
    put_number(table, "bn_eps", arch->bn_eps);
    put_number(table, "backbone_bn_eps", arch->backbone_bn_eps);
    put_text(table, "fusion", fusions[arch->fusion]);
    put_text(table, "upsample", arch->upsample == UPSAMPLE_NEAREST ? "nearest" : "bilinear");
    put_text(table, "downsample", arch->downsample == DOWNSAMPLE_MAX ? "max" : "bilinear");
}

GHashTable *metadata_describe(const struct model *model)
{
    static const char *const conventions[] = {"custom", "tf", "rwightman", "zylo117"};
    GHashTable *table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    const struct preprocess *pre = &model->pre;
    const struct postprocess *post = &model->post;
    const double size[2] = {model->input_height, model->input_width};
    put_text(table, "effdet.format", "1");
    put_structure(table, &model->arch);
    put_anchors(table, model);
    put_labels(table, model);
    put_text(table, "convention", conventions[model->convention]);
    put_number(table, "num_classes", model->num_classes);
    put(table, "input_size", list(size, 2));
    put(table, "mean", list(pre->mean, 3));
    put(table, "std", list(pre->std, 3));
    put(table, "fill", list(pre->fill, 3));
    put_text(table, "resize", pre->filter == RESIZE_BILINEAR ? "bilinear" : "bilinear-aa");
    put_text(table, "resize_rounding", pre->rounding == ROUND_NEAREST ? "round" : "trunc");
    put_text(table, "pool_padding", model->pool_padding == POOL_PAD_IGNORE ? "ignore" : "zero");
    put_text(table, "nms", post->nms == NMS_HARD ? "hard" : "gaussian");
    put_text(table, "nms_classes", post->nms_agnostic ? "agnostic" : "aware");
    put_number(table, "nms_iou", post->nms_iou);
    put_number(table, "max_detections", post->max_detections);
    put_number(table, "suggested_score_threshold", model->suggested_score_threshold);
    if (model->license) {
        put_text(table, "license", model->license);
    }
    return table;
}
