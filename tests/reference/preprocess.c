// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Naive preprocessing: converts whole planes to doubles, resizes them one by one, then the colour
// matrix and the normalisation.
#include "preprocess.h"

#include "net/letterbox.h"

#include <math.h>

struct plane {
    int width, height;
    double *data;
    double shift_x, shift_y; // where sample 0 lies, in picture pixels
    int divide_x, divide_y;  // picture pixels from sample to sample
};

static double byte_at(const EffdetFrame *frame, int plane, int x, int y)
{
    return frame->planes[plane].data[(size_t)y * frame->planes[plane].stride_bytes + (size_t)x];
}

// Component c of a sample; x, y in samples of that component.
static double component_at(const EffdetFrame *frame, int c, int x, int y)
{
    switch (frame->format) {
    case EFFDET_FORMAT_NV12:
        return c == 0 ? byte_at(frame, 0, x, y) : byte_at(frame, 1, 2 * x + c - 1, y);
    case EFFDET_FORMAT_I420:
        return byte_at(frame, c, x, y);
    case EFFDET_FORMAT_P010:
        x = c == 0 ? 2 * x : 4 * x + 2 * (c - 1);
        return (byte_at(frame, c > 0, x, y) + 256 * byte_at(frame, c > 0, x + 1, y)) / 256;
    case EFFDET_FORMAT_YUY2:
        return byte_at(frame, 0, c == 0 ? 2 * x : 4 * x + 2 * c - 1, y);
    case EFFDET_FORMAT_UYVY:
        return byte_at(frame, 0, c == 0 ? 2 * x + 1 : 4 * x + 2 * (c - 1), y);
    case EFFDET_FORMAT_RGB:
        return byte_at(frame, 0, 3 * x + c, y);
    case EFFDET_FORMAT_BGR:
        return byte_at(frame, 0, 3 * x + 2 - c, y);
    case EFFDET_FORMAT_RGBX:
        return byte_at(frame, 0, 4 * x + c, y);
    case EFFDET_FORMAT_BGRX:
        return byte_at(frame, 0, 4 * x + 2 - c, y);
    case EFFDET_FORMAT_XRGB:
        return byte_at(frame, 0, 4 * x + 1 + c, y);
    case EFFDET_FORMAT_XBGR:
        return byte_at(frame, 0, 4 * x + 3 - c, y);
    default:
        return byte_at(frame, 0, x, y);
    }
}

static struct plane plane_of(const EffdetFrame *frame, int c)
{
    EffdetFormat format = frame->format;
    bool vertical = c > 0 && (format == EFFDET_FORMAT_NV12 || format == EFFDET_FORMAT_I420 ||
                              format == EFFDET_FORMAT_P010);
    bool horizontal =
        vertical || (c > 0 && (format == EFFDET_FORMAT_YUY2 || format == EFFDET_FORMAT_UYVY));
    struct plane plane = {.divide_x = horizontal ? 2 : 1,
                          .divide_y = vertical ? 2 : 1,
                          // as GStreamer has it for caps without a chroma-site
                          .shift_x = horizontal && frame->height <= 576 ? 0.5 : 0,
                          .shift_y = vertical ? 0.5 : 0};
    plane.width = ((int)frame->width + plane.divide_x - 1) / plane.divide_x;
    plane.height = ((int)frame->height + plane.divide_y - 1) / plane.divide_y;
    plane.data = g_new(double, plane.width *plane.height);
    for (int y = 0; y < plane.height; y++) {
        for (int x = 0; x < plane.width; x++) {
            plane.data[y * plane.width + x] = component_at(frame, c, x, y);
        }
    }
    return plane;
}

// Weights of the samples 0 .. n - 1 for the result at position `at` (in samples); returns through
// weights[n].
static void axis_weights(double *weights, int n, double at, double reach, bool antialias)
{
    for (int i = 0; i < n; i++) {
        weights[i] = 0;
    }
    if (!antialias) {
        int i = (int)floor(at);
        double t = at - i;
        weights[CLAMP(i, 0, n - 1)] += 1 - t;
        weights[CLAMP(i + 1, 0, n - 1)] += t;
        return;
    }
    double sum = 0;
    for (int i = 0; i < n; i++) {
        weights[i] = MAX(0, 1 - fabs(i - at) / reach);
        sum += weights[i];
    }
    for (int i = 0; i < n; i++) {
        weights[i] /= sum;
    }
}

static double resized_at(const struct plane *plane, const struct letterbox *box, int x, int y,
                         bool antialias)
{
    double scale_x = (double)box->source_width / box->resized_width;
    double scale_y = (double)box->source_height / box->resized_height;
    double at_x = ((x + 0.5) * scale_x - 0.5 - plane->shift_x) / plane->divide_x;
    double at_y = ((y + 0.5) * scale_y - 0.5 - plane->shift_y) / plane->divide_y;
    g_autofree double *columns = g_new(double, plane->width);
    g_autofree double *rows = g_new(double, plane->height);
    axis_weights(columns, plane->width, at_x, MAX(MAX(scale_x, 1) / plane->divide_x, 1), antialias);
    axis_weights(rows, plane->height, at_y, MAX(MAX(scale_y, 1) / plane->divide_y, 1), antialias);
    double sum = 0;
    for (int j = 0; j < plane->height; j++) {
        for (int i = 0; rows[j] != 0 && i < plane->width; i++) {
            sum += rows[j] * columns[i] * plane->data[j * plane->width + i];
        }
    }
    return sum;
}

static int pil_units(double weight)
{
    return (int)(weight * (1 << 22) + 0.5);
}

// The 8-bit result of PIL (spec 7.5): rows first, each rounded, then the column.
static double pil_at(const struct plane *plane, const struct letterbox *box, int x, int y)
{
    double scale_x = (double)box->source_width / box->resized_width;
    double scale_y = (double)box->source_height / box->resized_height;
    g_autofree double *columns = g_new(double, plane->width);
    g_autofree double *rows = g_new(double, plane->height);
    axis_weights(columns, plane->width, (x + 0.5) * scale_x - 0.5, MAX(scale_x, 1), true);
    axis_weights(rows, plane->height, (y + 0.5) * scale_y - 0.5, MAX(scale_y, 1), true);
    int sum = 1 << 21;
    for (int j = 0; j < plane->height; j++) {
        int line = 1 << 21;
        for (int i = 0; rows[j] != 0 && i < plane->width; i++) {
            line += pil_units(columns[i]) * (int)plane->data[j * plane->width + i];
        }
        sum += pil_units(rows[j]) * CLAMP(line >> 22, 0, 255);
    }
    return CLAMP(sum >> 22, 0, 255);
}

static void to_rgb(const EffdetFrame *frame, const double c[3], double rgb[3])
{
    static const double luma[][2] = {
        {0.299, 0.114}, {0.2126, 0.0722}, {0.2627, 0.0593}, {0.30, 0.11}, {0.212, 0.087}};
    if (frame->format >= EFFDET_FORMAT_RGB && frame->format != EFFDET_FORMAT_GRAY8) {
        for (int i = 0; i < 3; i++) {
            rgb[i] = c[i];
        }
        return;
    }
    double full = frame->format == EFFDET_FORMAT_P010 ? 1023.0 / 4 : 255;
    double y = frame->full_range ? c[0] / full : (c[0] - 16) / 219;
    double u = (c[1] - 128) / (frame->full_range ? full : 224);
    double v = (c[2] - 128) / (frame->full_range ? full : 224);
    if (frame->format == EFFDET_FORMAT_GRAY8) {
        u = v = 0;
    }
    double kr = luma[frame->matrix][0], kb = luma[frame->matrix][1];
    rgb[0] = 255 * (y + 2 * (1 - kr) * v);
    rgb[2] = 255 * (y + 2 * (1 - kb) * u);
    rgb[1] = (255 * y - kr * rgb[0] - kb * rgb[2]) / (1 - kr - kb);
}

struct ref_tensor ref_preprocess(const EffdetFrame *frame, const struct model *model)
{
    struct letterbox box;
    letterbox_init(&box, model, (int)frame->width, (int)frame->height, (double)frame->pixel_aspect);
    struct plane planes[3];
    for (int c = 0; c < 3; c++) {
        planes[c] = plane_of(frame, c);
    }
    struct ref_tensor out = ref_new(3, model->input_height, model->input_width);
    bool antialias = model->pre.filter == RESIZE_BILINEAR_AA;
    bool pil = antialias && model->pre.resize_to_u8 && planes[1].divide_x == 1;
    for (int y = 0; y < out.h; y++) {
        for (int x = 0; x < out.w; x++) {
            bool inside = x < box.resized_width && y < box.resized_height;
            double c[3], rgb[3] = {0};
            for (int i = 0; i < 3 && inside; i++) {
                c[i] = pil ? pil_at(&planes[i], &box, x, y)
                           : resized_at(&planes[i], &box, x, y, antialias);
            }
            if (inside) {
                to_rgb(frame, c, rgb);
            }
            for (int i = 0; i < 3; i++) {
                double value = CLAMP(rgb[i], 0, 255);
                if (model->pre.resize_to_u8) {
                    value = floor(value + 0.5);
                }
                *ref_at(&out, i, y, x) =
                    inside ? (value - model->pre.mean[i]) / model->pre.std[i] : model->pre.fill[i];
            }
        }
    }
    for (int c = 0; c < 3; c++) {
        g_free(planes[c].data);
    }
    return out;
}
