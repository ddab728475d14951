// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Writing components of mapped frames: clipping, sub-sampling, sample width and blending.
#include "raster.h"

#include <string.h>

gboolean raster_can_draw(const GstVideoFormatInfo *finfo)
{
    const guint unsuited =
        GST_VIDEO_FORMAT_FLAG_COMPLEX | GST_VIDEO_FORMAT_FLAG_PALETTE | GST_VIDEO_FORMAT_FLAG_TILED;

    if ((finfo->flags & unsuited) != 0 || GST_VIDEO_FORMAT_INFO_N_COMPONENTS(finfo) == 0) {
        return FALSE;
    }
    for (guint i = 0; i < GST_VIDEO_FORMAT_INFO_N_COMPONENTS(finfo); i++) {
        guint depth = GST_VIDEO_FORMAT_INFO_DEPTH(finfo, i);
        guint shift = GST_VIDEO_FORMAT_INFO_SHIFT(finfo, i);
        gboolean narrow = depth == 8 && shift == 0;
        gboolean wide = depth > 8 && depth <= 16 && (shift == 0 || depth + shift == 16) &&
                        GST_VIDEO_FORMAT_INFO_IS_LE(finfo);

        if (!narrow && !wide) {
            return FALSE;
        }
    }
    return TRUE;
}

static gint grid(const guint *sub, guint n)
{
    guint largest = 0;

    for (guint i = 0; i < n; i++) {
        largest = MAX(largest, sub[i]);
    }
    return 1 << largest;
}

gint raster_grid_x(const GstVideoFormatInfo *finfo)
{
    return grid(finfo->w_sub, GST_VIDEO_FORMAT_INFO_N_COMPONENTS(finfo));
}

gint raster_grid_y(const GstVideoFormatInfo *finfo)
{
    return grid(finfo->h_sub, GST_VIDEO_FORMAT_INFO_N_COMPONENTS(finfo));
}

void raster_init(Raster *raster, const GstVideoFrame *frame)
{
    const GstVideoFormatInfo *finfo = frame->info.finfo;

    raster->n_components = GST_VIDEO_FORMAT_INFO_N_COMPONENTS(finfo);
    for (guint i = 0; i < raster->n_components; i++) {
        raster->component[i] = (RasterComponent){
            .data = GST_VIDEO_FRAME_COMP_DATA(frame, i),
            .stride = GST_VIDEO_FRAME_COMP_STRIDE(frame, i),
            .step = GST_VIDEO_FRAME_COMP_PSTRIDE(frame, i),
            .width = GST_VIDEO_FRAME_COMP_WIDTH(frame, i),
            .height = GST_VIDEO_FRAME_COMP_HEIGHT(frame, i),
            .w_sub = GST_VIDEO_FORMAT_INFO_W_SUB(finfo, i),
            .h_sub = GST_VIDEO_FORMAT_INFO_H_SUB(finfo, i),
            .shift = GST_VIDEO_FORMAT_INFO_SHIFT(finfo, i),
            .wide = GST_VIDEO_FORMAT_INFO_DEPTH(finfo, i) > 8,
        };
    }
}

// ---- rows of samples ----------------------------------------------------------------------------

// A run of samples: `values` advances by 0 (one colour) or 1 (a bitmap).
typedef struct {
    guint8 *out;
    const guint16 *values;
    gint n, advance;
} Run;

static guint16 mix(guint16 below, guint16 above, guint alpha)
{
    return (guint16)((below * (RASTER_OPAQUE - alpha) + above * alpha + RASTER_OPAQUE / 2) /
                     RASTER_OPAQUE);
}

static void write_narrow(const RasterComponent *component, const Run *run, guint alpha)
{
    guint8 *out = run->out;

    if (alpha == RASTER_OPAQUE && run->advance == 0 && component->step == 1) {
        memset(out, run->values[0], (gsize)run->n);
    } else if (alpha == RASTER_OPAQUE) {
        for (gint i = 0; i < run->n; i++) {
            out[i * component->step] = (guint8)run->values[i * run->advance];
        }
    } else {
        for (gint i = 0; i < run->n; i++) {
            guint8 *sample = &out[i * component->step];
            *sample = (guint8)mix(*sample, run->values[i * run->advance], alpha);
        }
    }
}

static void write_wide(const RasterComponent *component, const Run *run, guint alpha)
{
    for (gint i = 0; i < run->n; i++) {
        guint8 *sample = run->out + i * component->step;
        guint16 below = GST_READ_UINT16_LE(sample) >> component->shift;
        guint16 value = mix(below, run->values[i * run->advance], alpha);

        GST_WRITE_UINT16_LE(sample, (guint16)(value << component->shift));
    }
}

static void write_run(const RasterComponent *component, const Run *run, guint alpha)
{
    if (component->wide) {
        write_wide(component, run, alpha);
    } else {
        write_narrow(component, run, alpha);
    }
}

// ---- areas --------------------------------------------------------------------------------------

// A rectangle of pixels as samples of one component, clipped to it: [left, right) x [top, bottom).
typedef struct {
    gint left, top, right, bottom;
} Span;

static gint ceil_shift(gint value, guint shift)
{
    return (value + (1 << shift) - 1) >> shift;
}

static Span span_of(const RasterComponent *component, const Rect *rect)
{
    return (Span){
        .left = MAX(rect->x >> component->w_sub, 0),
        .top = MAX(rect->y >> component->h_sub, 0),
        .right = MIN(ceil_shift(rect->x + rect->w, component->w_sub), component->width),
        .bottom = MIN(ceil_shift(rect->y + rect->h, component->h_sub), component->height),
    };
}

static guint8 *sample_at(const RasterComponent *component, gint x, gint y)
{
    return component->data + (gssize)y * component->stride + (gssize)x * component->step;
}

void raster_fill(const Raster *raster, const Rect *rect, const Ink *ink, guint alpha)
{
    for (guint i = 0; i < raster->n_components; i++) {
        const RasterComponent *component = &raster->component[i];
        Span span = span_of(component, rect);
        Run run = {.values = &ink->sample[i], .n = span.right - span.left};

        for (gint y = span.top; y < span.bottom && run.n > 0; y++) {
            run.out = sample_at(component, span.left, y);
            write_run(component, &run, alpha);
        }
    }
}

void raster_put(const Raster *raster, gint x, gint y, const Stamp *stamp, guint alpha)
{
    Rect rect = {x, y, stamp->w, stamp->h};

    for (guint i = 0; i < raster->n_components; i++) {
        const RasterComponent *component = &raster->component[i];
        Span span = span_of(component, &rect);
        gint origin_x = x >> component->w_sub, origin_y = y >> component->h_sub;
        gint pitch = stamp->w >> component->w_sub;
        Run run = {.n = span.right - span.left, .advance = 1};

        for (gint row = span.top; row < span.bottom && run.n > 0; row++) {
            run.out = sample_at(component, span.left, row);
            run.values = stamp->sample[i] + (row - origin_y) * pitch + (span.left - origin_x);
            write_run(component, &run, alpha);
        }
    }
}

// ---- bitmaps ------------------------------------------------------------------------------------

// Mean coverage, 0..255, of the pixels one sample stands for.
static guint mean_coverage(const guint8 *coverage, gint stride, guint w_sub, guint h_sub)
{
    guint sum = 0;

    for (gint y = 0; y < 1 << h_sub; y++) {
        for (gint x = 0; x < 1 << w_sub; x++) {
            sum += coverage[y * stride + x];
        }
    }
    return sum >> (w_sub + h_sub);
}

Stamp *stamp_new(const GstVideoFormatInfo *finfo, const guint8 *coverage, gint stride, gint w,
                 gint h, const Ink *plate, const Ink *text)
{
    guint n_components = GST_VIDEO_FORMAT_INFO_N_COMPONENTS(finfo);
    Stamp *stamp = g_new0(Stamp, 1);
    guint16 *out;

    stamp->w = (gint)GST_ROUND_UP_N((guint)w, (guint)raster_grid_x(finfo));
    stamp->h = (gint)GST_ROUND_UP_N((guint)h, (guint)raster_grid_y(finfo));
    stamp->bytes = (gsize)stamp->w * (gsize)stamp->h * n_components * sizeof *out;
    out = stamp->samples = g_malloc(stamp->bytes);
    for (guint i = 0; i < n_components; i++) {
        guint w_sub = GST_VIDEO_FORMAT_INFO_W_SUB(finfo, i);
        guint h_sub = GST_VIDEO_FORMAT_INFO_H_SUB(finfo, i);

        stamp->sample[i] = out;
        for (gint y = 0; y < stamp->h; y += 1 << h_sub) {
            for (gint x = 0; x < stamp->w; x += 1 << w_sub) {
                guint c = mean_coverage(coverage + y * stride + x, stride, w_sub, h_sub);
                *out++ =
                    (guint16)((plate->sample[i] * (255 - c) + text->sample[i] * c + 127) / 255);
            }
        }
    }
    return stamp;
}

void stamp_free(Stamp *stamp)
{
    if (stamp != NULL) {
        g_free(stamp->samples);
        g_free(stamp);
    }
}
