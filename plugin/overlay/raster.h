// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Solid rectangles and finished bitmaps written straight into the planes of a video frame. What is
// drawn where is decided elsewhere (layout.h).
#pragma once

#include "ink.h"

G_BEGIN_DECLS

#define RASTER_OPAQUE 256 // alpha runs from 0 to this

typedef struct {
    gint x, y, w, h; // pixels; may reach over the frame's borders
} Rect;

// The samples of one component.
typedef struct {
    guint8 *data;       // sample of the upper left pixel
    gint stride;        // bytes from row to row
    gint step;          // bytes from sample to sample
    gint width, height; // samples
    guint w_sub, h_sub; // log2 of the pixels a sample covers
    guint shift;        // unused low bits of a 16-bit sample
    guint16 mask;       // of its used bits, shifted down
    gboolean little_endian;
    gboolean wide; // samples are 16-bit, else bytes
} RasterComponent;

// A frame as components: planar, semi-planar, packed 4:2:2 and RGB look alike.
typedef struct {
    RasterComponent component[GST_VIDEO_MAX_COMPONENTS];
    guint n_components;
} Raster;

// A rectangle of pixels as samples of one component: [left, right) x [top, bottom).
typedef struct {
    gint left, top, right, bottom;
} RasterSpan;

static inline guint8 *raster_sample_at(const RasterComponent *component, gint x, gint y)
{
    return component->data + (gssize)y * component->stride + (gssize)x * component->step;
}

static inline guint16 raster_wide_sample(const RasterComponent *component, const guint8 *sample)
{
    return (component->little_endian ? GST_READ_UINT16_LE(sample) : GST_READ_UINT16_BE(sample)) >>
           component->shift;
}

// A sample, unshifted and without unused bits.
static inline guint16 raster_read(const RasterComponent *component, gint x, gint y)
{
    const guint8 *sample = raster_sample_at(component, x, y);

    return component->wide ? raster_wide_sample(component, sample) & component->mask : *sample;
}

// A bitmap in the samples of one video format; its size is a multiple of the format's grid.
typedef struct {
    gint w, h;                                 // pixels
    guint16 *sample[GST_VIDEO_MAX_COMPONENTS]; // [h >> h_sub][w >> w_sub], unshifted
    guint16 *samples;                          // owns all of them
    gsize bytes;                               // of samples
} Stamp;

// Whether this code can draw into the format.
gboolean raster_can_draw(const GstVideoFormatInfo *finfo);

// Pixels in a row and rows in a column which share a sample; what is drawn has to lie on that grid,
// so that no pixel beside it changes its colour.
gint raster_grid_x(const GstVideoFormatInfo *finfo);
gint raster_grid_y(const GstVideoFormatInfo *finfo);

// The frame must be mapped for writing and stay so while the raster is used.
void raster_init(Raster *raster, const GstVideoFrame *frame);

// Samples of one component, those of wide ones unshifted, in the frame. `values` advances by 0 (n
// times the same) or 1.
RasterSpan raster_span(const RasterComponent *component, const Rect *rect); // clipped to the frame
void raster_write(const RasterComponent *component, gint x, gint y, const guint16 *values, gint n,
                  gint advance);

// How many components from this one on take turns in the same bytes; at least 1.
guint raster_n_interleaved(const Raster *raster, guint first);

// A run of n samples over what is there: of so many interleaved components all with one coverage
// (0..255), or of one component with one each. They must be in the frame.
void raster_blend_solid(const Raster *raster, guint first, guint n_components, const Ink *ink,
                        gint x, gint y, gint n, guint coverage);
void raster_blend(const RasterComponent *component, guint16 value, gint x, gint y, gint n,
                  const guint8 *coverage);

void raster_fill(const Raster *raster, const Rect *rect, const Ink *ink, guint alpha);
void raster_put(const Raster *raster, gint x, gint y, const Stamp *stamp, guint alpha);

// Mean coverage, 0..255, of the pixels that a sample stands for, the first of which is given.
guint raster_mean_coverage(const guint8 *coverage, gint stride, guint w_sub, guint h_sub);

// Ink `text` on ink `plate`; coverage: [h][w] bytes, rows `stride` bytes apart, zero beyond w and h
// up to the grid. Free with stamp_free().
Stamp *stamp_new(const GstVideoFormatInfo *finfo, const guint8 *coverage, gint stride, gint w,
                 gint h, const Ink *plate, const Ink *text);
void stamp_free(Stamp *stamp);

G_END_DECLS
