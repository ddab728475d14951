// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Cell means of each component, and their way back into it.
#include "privacy.h"

#define MAX_ALONG 64 // cells along the longer side
#define MAX_CELLS (MAX_ALONG * PRIVACY_CELLS)
#define MAX_READ 8 // samples across a cell that its mean is made of
#define CHUNK 512  // samples written at once
#define SMALL 14   // the same where a sample of 16 bits is in front of the point
#define ONE 20     // log2 of the fixed-point one

// The cells of one component's part; cell x spans samples [x w / n_x, (x + 1) w / n_x).
typedef struct {
    RasterSpan span;
    gint w, h, n_x, n_y;
    guint16 mean[MAX_CELLS]; // [n_y][n_x]
} Mosaic;

static gint cells_along(gint side, gint shorter)
{
    gint n = MIN((gint)((gint64)PRIVACY_CELLS * side / shorter), MAX_ALONG);

    return MAX(MIN(n, side / PRIVACY_MIN_CELL_PX), 1);
}

static guint16 cell_mean(const RasterComponent *component, gint x0, gint x1, gint y0, gint y1)
{
    // odd, so as not to see one half of a fine pattern only
    gint step_x = ((x1 - x0) / MAX_READ) | 1, step_y = ((y1 - y0) / MAX_READ) | 1;
    guint64 sum = 0;
    guint n = 0;

    for (gint y = y0; y < y1; y += step_y) {
        for (gint x = x0; x < x1; x += step_x) {
            sum += raster_read(component, x, y);
            n++;
        }
    }
    return (guint16)((sum + n / 2) / n);
}

static void mosaic_init(Mosaic *mosaic, const RasterComponent *component, const Rect *rect)
{
    gint shorter = MIN(rect->w, rect->h);
    RasterSpan span = mosaic->span = raster_span(component, rect);

    mosaic->w = span.right - span.left;
    mosaic->h = span.bottom - span.top;
    mosaic->n_x = MIN(cells_along(rect->w, shorter), mosaic->w);
    mosaic->n_y = MIN(cells_along(rect->h, shorter), mosaic->h);
    for (gint y = 0; y < mosaic->n_y; y++) {
        gint y0 = span.top + y * mosaic->h / mosaic->n_y;
        gint y1 = span.top + (y + 1) * mosaic->h / mosaic->n_y;

        for (gint x = 0; x < mosaic->n_x; x++) {
            mosaic->mean[y * mosaic->n_x + x] =
                cell_mean(component, span.left + x * mosaic->w / mosaic->n_x,
                          span.left + (x + 1) * mosaic->w / mosaic->n_x, y0, y1);
        }
    }
}

static void write_blocks(const Mosaic *mosaic, const RasterComponent *component)
{
    for (gint cell = 0; cell < mosaic->n_x * mosaic->n_y; cell++) {
        gint x = cell % mosaic->n_x, y = cell / mosaic->n_x;
        gint x0 = x * mosaic->w / mosaic->n_x, x1 = (x + 1) * mosaic->w / mosaic->n_x;
        gint y1 = (y + 1) * mosaic->h / mosaic->n_y;

        for (gint row = y * mosaic->h / mosaic->n_y; row < y1; row++) {
            raster_write(component, mosaic->span.left + x0, mosaic->span.top + row,
                         &mosaic->mean[cell], x1 - x0, 0);
        }
    }
}

// Position of a sample's centre between the centres of n cells, in cells from the first one's.
static gint between(gint sample, gint n_samples, gint n)
{
    return (gint)((((2 * (gint64)sample + 1) * n << ONE) / n_samples - (1 << ONE)) / 2);
}

static gint mix(gint a, gint b, gint position)
{
    return a + (gint)(((gint64)(b - a) * (position & ((1 << ONE) - 1))) >> ONE);
}

// Samples first to first + n of a row of w, between the values of its n_cells cells.
static void ramps(guint16 *values, gint first, gint n, gint w, const gint *cells, gint n_cells)
{
    gint step = (gint)(((gint64)n_cells << ONE) / w), place = between(first, w, n_cells), x = 0;

    for (; x < n && place < 0; place += step) {
        values[x++] = (guint16)cells[0];
    }
    for (gint cell = place >> ONE; cell + 1 < n_cells && x < n; cell++) {
        gint64 rise = cells[cell + 1] - cells[cell];
        gint end = MIN(x + (((cell + 1) << ONE) - place + step - 1) / step, n);
        // divided, not shifted: cut off towards zero, so that no value is beyond a cell's
        gint value = (cells[cell] << SMALL) +
                     (gint)(rise * (place & ((1 << ONE) - 1)) / (1 << (ONE - SMALL)));
        gint slope = (gint)(rise * step / (1 << (ONE - SMALL)));

        place += (end - x) * step;
        for (; x < end; x++, value += slope) {
            values[x] = (guint16)(value >> SMALL);
        }
    }
    while (x < n) {
        values[x++] = (guint16)cells[n_cells - 1];
    }
}

static void write_smooth(const Mosaic *mosaic, const RasterComponent *component)
{
    gint cells[MAX_ALONG];
    guint16 values[CHUNK];

    for (gint y = 0; y < mosaic->h; y++) {
        gint at = CLAMP(between(y, mosaic->h, mosaic->n_y), 0, (mosaic->n_y - 1) << ONE);
        const guint16 *above = &mosaic->mean[(at >> ONE) * mosaic->n_x];
        const guint16 *below = (at >> ONE) + 1 < mosaic->n_y ? above + mosaic->n_x : above;

        for (gint x = 0; x < mosaic->n_x; x++) {
            cells[x] = mix(above[x], below[x], at);
        }
        for (gint x = 0; x < mosaic->w; x += CHUNK) {
            gint n = MIN(CHUNK, mosaic->w - x);

            ramps(values, x, n, mosaic->w, cells, mosaic->n_x);
            raster_write(component, mosaic->span.left + x, mosaic->span.top + y, values, n, 1);
        }
    }
}

void privacy_obscure(const Raster *raster, const Rect *rect, gboolean smooth)
{
    Mosaic mosaic;

    for (guint i = 0; i < raster->n_components; i++) {
        const RasterComponent *component = &raster->component[i];
        RasterSpan span = raster_span(component, rect);

        if (span.right <= span.left || span.bottom <= span.top) {
            continue;
        }
        mosaic_init(&mosaic, component, rect);
        if (smooth) {
            write_smooth(&mosaic, component);
        } else {
            write_blocks(&mosaic, component);
        }
    }
}
