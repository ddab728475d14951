// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The anchors that the detection operator of a TensorFlow Lite file reads: a constant of one row a
// box, (yc, xc, h, w) in units of the input. Found again as scales and aspect ratios, and compared
// one by one with what these make.
#include "weights/tflite_match.h"

#include "net/graph.h"

#include <math.h>

#define FLOAT_ERROR 2e-5 // relative; what anchors made in float32 are off by
#define HALF_ERROR 6e-4  // and what is left of them as float16
#define LEAST_ERROR 2e-6 // absolute: centres of the first cells

struct rows {
    const float *values; // [n][4]
    int64_t n;
    double error;
};

static bool near_row(const struct rows *rows, int64_t row, const double wanted[4])
{
    for (int i = 0; i < 4; i++) {
        double difference = fabs((double)rows->values[row * 4 + i] - wanted[i]);
        if (!(difference <= rows->error * fabs(wanted[i]) + LEAST_ERROR)) {
            return false;
        }
    }
    return true;
}

// The first row that the model's anchors are not, -1 where they all are.
static int64_t first_difference(const struct model *model, const struct rows *rows)
{
    int per_cell = model_anchors_per_cell(model);
    int64_t row = 0;
    for (int l = 0; l < TFLITE_LEVELS; l++) {
        int height = level_size(model->input_height, MIN_LEVEL + l);
        int width = level_size(model->input_width, MIN_LEVEL + l);
        for (int i = 0; i < height * width * per_cell; i++, row++) {
            struct anchor anchor =
                anchor_at(model, l, i / per_cell / width, i / per_cell % width, i % per_cell);
            const double wanted[4] = {
                anchor.cy / model->input_height, anchor.cx / model->input_width,
                anchor.h / model->input_height, anchor.w / model->input_width};
            if (row >= rows->n || !near_row(rows, row, wanted)) {
                return row;
            }
        }
    }
    return row == rows->n ? -1 : row;
}

static void set_scale(struct model *model, double scale)
{
    for (int l = 0; l < MAX_LEVELS; l++) {
        model->anchors.scale[l] = scale;
    }
}

// Sizes of the first cell in strides give scale, octaves and aspects: those that exporters use
// where they fit, else as they are.
static int64_t fit(struct model *model, const struct rows *rows, int per_cell)
{
    double height[MAX_SCALES * MAX_ASPECTS], width[MAX_SCALES * MAX_ASPECTS];
    int first_height = level_size(model->input_height, MIN_LEVEL);
    int first_width = level_size(model->input_width, MIN_LEVEL);
    for (int a = 0; a < per_cell; a++) {
        height[a] = (double)rows->values[a * 4 + 2] * first_height;
        width[a] = (double)rows->values[a * 4 + 3] * first_width;
    }
    double scale = sqrt(height[0] * width[0]);
    if (!(scale > 0.0)) {
        return 0;
    }
    double rounded = rint(scale * 100.0) / 100.0;
    scale = rounded > 0.0 && fabs(rounded / scale - 1.0) < rows->error ? rounded : scale;
    set_scale(model, scale);
    int64_t difference = 0;
    for (int form = 0; form < 2; form++) {
        double wide = form == 0 ? sqrt(2.0) : 1.4, narrow = form == 0 ? 1.0 / sqrt(2.0) : 0.7;
        const double aspects[3][2] = {{1.0, 1.0}, {wide, narrow}, {narrow, wide}};
        model->anchors.num_scales = model->anchors.num_aspects = 3;
        memcpy(model->anchors.aspects, aspects, sizeof aspects);
        if (per_cell == 9 && first_difference(model, rows) < 0) {
            return -1;
        }
    }
    for (int scales = MIN(per_cell, MAX_SCALES); scales > 0; scales--) {
        int n = per_cell / scales;
        if (per_cell % scales != 0 || n > MAX_ASPECTS) {
            continue;
        }
        model->anchors.num_scales = scales;
        model->anchors.num_aspects = n;
        for (int s = 0; s < scales; s++) {
            model->anchors.octave[s] = sqrt(height[s * n] * width[s * n]) / scale;
        }
        for (int a = 0; a < n; a++) {
            model->anchors.aspects[a][0] = width[a] / scale;
            model->anchors.aspects[a][1] = height[a] / scale;
        }
        difference = first_difference(model, rows);
        if (difference < 0) {
            break;
        }
    }
    return difference;
}

static void put_list(GHashTable *metadata, const char *key, const double *values, int n)
{
    g_autoptr(GString) text = g_string_new("[");
    for (int i = 0; i < n; i++) {
        char number[G_ASCII_DTOSTR_BUF_SIZE];
        g_string_append_printf(text, "%s%s", i ? ", " : "",
                               g_ascii_dtostr(number, sizeof number, values[i]));
    }
    g_string_append_c(text, ']');
    g_hash_table_insert(metadata, g_strdup(key), g_strdup(text->str));
}

static void put_anchors(GHashTable *metadata, const struct anchors *anchors, bool with_scale)
{
    g_autoptr(GString) aspects = g_string_new("[");
    for (int i = 0; i < anchors->num_aspects; i++) {
        char x[G_ASCII_DTOSTR_BUF_SIZE], y[G_ASCII_DTOSTR_BUF_SIZE];
        g_string_append_printf(aspects, "%s[%s, %s]", i ? ", " : "",
                               g_ascii_dtostr(x, sizeof x, anchors->aspects[i][0]),
                               g_ascii_dtostr(y, sizeof y, anchors->aspects[i][1]));
    }
    g_string_append_c(aspects, ']');
    g_hash_table_insert(metadata, g_strdup("aspect_ratios"), g_strdup(aspects->str));
    if (!with_scale) {
        return;
    }
    char scale[G_ASCII_DTOSTR_BUF_SIZE];
    g_hash_table_insert(metadata, g_strdup("anchor_scale"),
                        g_strdup(g_ascii_dtostr(scale, sizeof scale, anchors->scale[0])));
    g_hash_table_insert(metadata, g_strdup("num_scales"),
                        g_strdup_printf("%d", anchors->num_scales));
    if (anchors->octave[0] > 0.0) {
        put_list(metadata, "scales", anchors->octave, anchors->num_scales);
    }
}

bool describe_anchors(struct follow *follow, GHashTable *metadata)
{
    int per_cell = follow->boxes / 4;
    struct model model;
    model_init(&model, arch_find("tf_efficientdet_lite0"), 1);
    model.input_height = follow->height;
    model.input_width = follow->width;
    if (follow->anchors < 0) { // what these exporters have made since before there were Lites
        const double wide = sqrt(2.0), narrow = 1.0 / sqrt(2.0);
        model.anchors.aspects[1][0] = model.anchors.aspects[2][1] = wide;
        model.anchors.aspects[1][1] = model.anchors.aspects[2][0] = narrow;
        if (per_cell == 9) {
            put_anchors(metadata, &model.anchors, false);
        }
        model_finish(&model);
        return true;
    }
    const struct tflite_tensor *tensor = &follow->tflite->tensors[follow->anchors];
    g_autofree float *values = tensor->bytes > 0 ? tflite_weights(follow, follow->anchors) : NULL;
    struct rows rows = {values, tensor->elements / 4,
                        tensor->type == TFLITE_FLOAT32 ? FLOAT_ERROR : HALF_ERROR};
    int64_t difference = 0;
    bool counts = values && follow->boxes % 4 == 0 && per_cell > 0 &&
                  per_cell <= MAX_SCALES * MAX_ASPECTS && tensor->elements % 4 == 0 &&
                  rows.n >= per_cell;
    if (counts) {
        difference = fit(&model, &rows, per_cell);
    }
    bool ok = counts && difference < 0;
    if (ok) {
        put_anchors(metadata, &model.anchors, true);
    }
    model_finish(&model);
    return ok || tflite_other(follow,
                              "its anchors are none of %d sizes and shapes a cell (the first that "
                              "differs: %" G_GINT64_FORMAT ")",
                              per_cell, difference);
}
