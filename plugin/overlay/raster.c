// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Writing components of mapped frames: clipping, sub-sampling, sample width and blending.
#include "raster.h"

#include <string.h>

// The formats whose description in the video library tells all there is to know about their layout.
// Packed ones of more than 8 bits, and VYUY, are not among them: some offsets are wrong there.
static const GstVideoFormat drawable[] = {
    GST_VIDEO_FORMAT_NV12,      GST_VIDEO_FORMAT_I420,      GST_VIDEO_FORMAT_YUY2,
    GST_VIDEO_FORMAT_UYVY,      GST_VIDEO_FORMAT_RGBx,      GST_VIDEO_FORMAT_BGRx,
    GST_VIDEO_FORMAT_xRGB,      GST_VIDEO_FORMAT_xBGR,      GST_VIDEO_FORMAT_RGBA,
    GST_VIDEO_FORMAT_BGRA,      GST_VIDEO_FORMAT_ARGB,      GST_VIDEO_FORMAT_ABGR,
    GST_VIDEO_FORMAT_RGB,       GST_VIDEO_FORMAT_BGR,       GST_VIDEO_FORMAT_GRAY8,
    GST_VIDEO_FORMAT_P010_10LE, GST_VIDEO_FORMAT_P010_10BE, GST_VIDEO_FORMAT_YV12,
    GST_VIDEO_FORMAT_NV21,      GST_VIDEO_FORMAT_NV16,      GST_VIDEO_FORMAT_NV61,
    GST_VIDEO_FORMAT_NV24,      GST_VIDEO_FORMAT_Y41B,      GST_VIDEO_FORMAT_Y42B,
    GST_VIDEO_FORMAT_Y444,      GST_VIDEO_FORMAT_YVYU,      GST_VIDEO_FORMAT_VUYA,
    GST_VIDEO_FORMAT_AYUV,      GST_VIDEO_FORMAT_A420,      GST_VIDEO_FORMAT_GBR,
    GST_VIDEO_FORMAT_GBRA,      GST_VIDEO_FORMAT_RGBP,      GST_VIDEO_FORMAT_BGRP,
    GST_VIDEO_FORMAT_I420_10LE, GST_VIDEO_FORMAT_I420_10BE, GST_VIDEO_FORMAT_I422_10LE,
    GST_VIDEO_FORMAT_I422_10BE, GST_VIDEO_FORMAT_Y444_10LE, GST_VIDEO_FORMAT_Y444_10BE,
    GST_VIDEO_FORMAT_I420_12LE, GST_VIDEO_FORMAT_I420_12BE, GST_VIDEO_FORMAT_I422_12LE,
    GST_VIDEO_FORMAT_I422_12BE, GST_VIDEO_FORMAT_Y444_12LE, GST_VIDEO_FORMAT_Y444_12BE,
    GST_VIDEO_FORMAT_Y444_16LE, GST_VIDEO_FORMAT_Y444_16BE, GST_VIDEO_FORMAT_GBR_10LE,
    GST_VIDEO_FORMAT_GBR_10BE,  GST_VIDEO_FORMAT_GBR_12LE,  GST_VIDEO_FORMAT_GBR_12BE,
    GST_VIDEO_FORMAT_P012_LE,   GST_VIDEO_FORMAT_P012_BE,   GST_VIDEO_FORMAT_P016_LE,
    GST_VIDEO_FORMAT_P016_BE,   GST_VIDEO_FORMAT_GRAY16_LE, GST_VIDEO_FORMAT_GRAY16_BE,
};

gboolean raster_can_draw(const GstVideoFormatInfo *finfo)
{
    for (guint i = 0; i < G_N_ELEMENTS(drawable); i++) {
        if (drawable[i] == finfo->format) {
            return TRUE;
        }
    }
    return FALSE;
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
        gboolean wide = GST_VIDEO_FORMAT_INFO_DEPTH(finfo, i) > 8;
        // The library's P010, P012 and P016 have V at byte 1 of a pair of 16-bit samples.
        guint offset = (guint)GST_VIDEO_FORMAT_INFO_POFFSET(finfo, i) + (wide ? 1u : 0u);

        raster->component[i] = (RasterComponent){
            .data =
                (guint8 *)GST_VIDEO_FRAME_PLANE_DATA(frame, GST_VIDEO_FORMAT_INFO_PLANE(finfo, i)) +
                (wide ? offset & ~1u : offset),
            .stride = GST_VIDEO_FRAME_COMP_STRIDE(frame, i),
            .step = GST_VIDEO_FRAME_COMP_PSTRIDE(frame, i),
            .width = GST_VIDEO_FRAME_COMP_WIDTH(frame, i),
            .height = GST_VIDEO_FRAME_COMP_HEIGHT(frame, i),
            .w_sub = GST_VIDEO_FORMAT_INFO_W_SUB(finfo, i),
            .h_sub = GST_VIDEO_FORMAT_INFO_H_SUB(finfo, i),
            .shift = GST_VIDEO_FORMAT_INFO_SHIFT(finfo, i),
            .mask = (guint16)((1u << GST_VIDEO_FORMAT_INFO_DEPTH(finfo, i)) - 1),
            .wide = wide,
            .little_endian = GST_VIDEO_FORMAT_INFO_IS_LE(finfo),
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
    } else if (alpha == RASTER_OPAQUE && component->step == 1) {
        for (gint i = 0; i < run->n; i++) {
            out[i] = (guint8)run->values[i];
        }
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
        guint16 below = raster_wide_sample(component, sample) & component->mask;
        guint16 value = mix(below, run->values[i * run->advance], alpha);
        guint16 bits = (guint16)(value << component->shift);

        if (component->little_endian) {
            GST_WRITE_UINT16_LE(sample, bits);
        } else {
            GST_WRITE_UINT16_BE(sample, bits);
        }
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

static gint ceil_shift(gint value, guint shift)
{
    return (value + (1 << shift) - 1) >> shift;
}

RasterSpan raster_span(const RasterComponent *component, const Rect *rect)
{
    return (RasterSpan){
        .left = MAX(rect->x >> component->w_sub, 0),
        .top = MAX(rect->y >> component->h_sub, 0),
        .right = MIN(ceil_shift(rect->x + rect->w, component->w_sub), component->width),
        .bottom = MIN(ceil_shift(rect->y + rect->h, component->h_sub), component->height),
    };
}

void raster_write(const RasterComponent *component, gint x, gint y, const guint16 *values, gint n,
                  gint advance)
{
    Run run = {
        .out = raster_sample_at(component, x, y), .values = values, .n = n, .advance = advance};

    write_run(component, &run, RASTER_OPAQUE);
}

void raster_fill(const Raster *raster, const Rect *rect, const Ink *ink, guint alpha)
{
    for (guint i = 0; i < raster->n_components; i++) {
        const RasterComponent *component = &raster->component[i];
        RasterSpan span = raster_span(component, rect);
        Run run = {.values = &ink->sample[i], .n = span.right - span.left};

        for (gint y = span.top; y < span.bottom && run.n > 0; y++) {
            run.out = raster_sample_at(component, span.left, y);
            write_run(component, &run, alpha);
        }
    }
}

void raster_put(const Raster *raster, gint x, gint y, const Stamp *stamp, guint alpha)
{
    Rect rect = {x, y, stamp->w, stamp->h};

    for (guint i = 0; i < raster->n_components; i++) {
        const RasterComponent *component = &raster->component[i];
        RasterSpan span = raster_span(component, &rect);
        gint origin_x = x >> component->w_sub, origin_y = y >> component->h_sub;
        gint pitch = stamp->w >> component->w_sub;
        Run run = {.n = span.right - span.left, .advance = 1};

        for (gint row = span.top; row < span.bottom && run.n > 0; row++) {
            run.out = raster_sample_at(component, span.left, row);
            run.values = stamp->sample[i] + (row - origin_y) * pitch + (span.left - origin_x);
            write_run(component, &run, alpha);
        }
    }
}

// ---- coverages ----------------------------------------------------------------------------------

#define BLOCK 16 // bytes that are mixed at once

typedef guint8 Bytes __attribute__((vector_size(BLOCK)));
typedef guint16 Lanes __attribute__((vector_size(2 * BLOCK)));

// What is mixed into a block: the samples of one or more components, every `step` bytes.
typedef struct {
    Lanes above; // value times alpha, and one half
    Bytes ours;  // 255; the other bytes stay
} BlockInk;

// 255 is RASTER_OPAQUE.
static guint alpha_of(guint coverage)
{
    return coverage + (coverage >> 7);
}

static void add_to_block(BlockInk *ink, gssize offset, gint step, guint value, guint alpha)
{
    for (gssize at = offset; at < BLOCK; at += step) {
        ink->above[at] = (guint16)(value * alpha + RASTER_OPAQUE / 2);
        ink->ours[at] = 255;
    }
}

// Leaves the last few samples to the caller, as there may be nothing behind the last one. Returns
// how many it has done.
static gint mix_blocks(guint8 *out, gint step, gint n, const BlockInk *ink, guint alpha)
{
    const guint16 rest = (guint16)(RASTER_OPAQUE - alpha);
    gint i = 0;

    for (; i + BLOCK / step < n; i += BLOCK / step) {
        Bytes below, mixed;

        memcpy(&below, out + i * step, sizeof below);
        mixed = __builtin_convertvector(
            (__builtin_convertvector(below, Lanes) * rest + ink->above) >> 8, Bytes);
        below = (below & ~ink->ours) | (mixed & ink->ours);
        memcpy(out + i * step, &below, sizeof below);
    }
    return i;
}

guint raster_n_interleaved(const Raster *raster, guint first)
{
    const RasterComponent *a = &raster->component[first];
    const guint8 *least = a->data, *most = a->data;
    guint n = 1;

    for (; first + n < raster->n_components && !a->wide; n++) {
        const RasterComponent *b = &raster->component[first + n];

        least = MIN(least, b->data);
        most = MAX(most, b->data);
        if (b->step != a->step || most - least >= a->step || b->w_sub != a->w_sub ||
            b->h_sub != a->h_sub) {
            break;
        }
    }
    return n;
}

void raster_blend_solid(const Raster *raster, guint first, guint n_components, const Ink *ink,
                        gint x, gint y, gint n, guint coverage)
{
    const RasterComponent *component = &raster->component[first];
    guint8 *out = raster_sample_at(component, x, y);
    guint alpha = alpha_of(coverage);
    BlockInk block = {0};
    gint done = 0;

    if (!component->wide && n >= BLOCK && BLOCK % component->step == 0) {
        for (guint i = 1; i < n_components; i++) {
            out = MIN(out, raster_sample_at(component + i, x, y));
        }
        for (guint i = 0; i < n_components; i++) {
            add_to_block(&block, raster_sample_at(component + i, x, y) - out, component->step,
                         ink->sample[first + i], alpha);
        }
        done = mix_blocks(out, component->step, n, &block, alpha);
    }
    for (guint i = 0; i < n_components; i++) {
        Run run = {.out = raster_sample_at(component + i, x + done, y),
                   .values = &ink->sample[first + i],
                   .n = n - done};

        write_run(component + i, &run, alpha);
    }
}

void raster_blend(const RasterComponent *component, guint16 value, gint x, gint y, gint n,
                  const guint8 *coverage)
{
    Run run = {.values = &value, .n = 1};

    for (gint i = 0; i < n; i++) {
        run.out = raster_sample_at(component, x + i, y);
        write_run(component, &run, alpha_of(coverage[i]));
    }
}

// ---- bitmaps ------------------------------------------------------------------------------------

guint raster_mean_coverage(const guint8 *coverage, gint stride, guint w_sub, guint h_sub)
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
                guint c = raster_mean_coverage(coverage + y * stride + x, stride, w_sub, h_sub);
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
