// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Coverage as runs of samples, component by component. What it shows is not known here.
#include "stencil.h"

#define SOLID_RUN 8 // samples of equal coverage that are worth a run of their own

typedef struct {
    gint x, y, n; // samples
    gint advance; // 0: all have the coverage of the first
    gsize first;  // in Stencil.coverage
} StencilRun;

struct Stencil {
    guint n_components;
    GArray *runs[GST_VIDEO_MAX_COMPONENTS]; // StencilRun
    GByteArray *coverage;
};

static gint equal_run(const guint8 *row, gint n)
{
    gint k = 1;

    while (k < n && row[k] == row[0]) {
        k++;
    }
    return k;
}

// A row of samples that begins at x; what is not covered is left out.
static void add_row(Stencil *stencil, GArray *runs, gint x, gint y, const guint8 *row, gint n)
{
    for (gint i = 0; i < n;) {
        gint equal = equal_run(row + i, n - i);
        StencilRun run = {.x = x + i, .y = y, .n = equal, .first = stencil->coverage->len};

        if (row[i] == 0) {
            i += equal;
            continue;
        }
        if (equal < SOLID_RUN) {
            run.advance = 1;
            while (i + run.n < n && row[i + run.n] != 0 &&
                   (equal = equal_run(row + i + run.n, n - i - run.n)) < SOLID_RUN) {
                run.n += equal;
            }
        }
        g_byte_array_append(stencil->coverage, row + i, run.advance == 0 ? 1 : (guint)run.n);
        g_array_append_val(runs, run);
        i += run.n;
    }
}

Stencil *stencil_new(const GstVideoFormatInfo *finfo, const Coverage *coverage)
{
    const Rect *rect = &coverage->rect;
    g_autofree guint8 *row = g_malloc((gsize)rect->w);
    Stencil *stencil = g_new0(Stencil, 1);

    stencil->n_components = GST_VIDEO_FORMAT_INFO_N_COMPONENTS(finfo);
    stencil->coverage = g_byte_array_new();
    for (guint i = 0; i < stencil->n_components; i++) {
        guint w_sub = GST_VIDEO_FORMAT_INFO_W_SUB(finfo, i);
        guint h_sub = GST_VIDEO_FORMAT_INFO_H_SUB(finfo, i);

        stencil->runs[i] = g_array_new(FALSE, FALSE, sizeof(StencilRun));
        for (gint y = 0; y < rect->h; y += 1 << h_sub) {
            for (gint x = 0; x < rect->w; x += 1 << w_sub) {
                row[x >> w_sub] =
                    (guint8)raster_mean_coverage(coverage->data + (gssize)y * coverage->stride + x,
                                                 coverage->stride, w_sub, h_sub);
            }
            add_row(stencil, stencil->runs[i], rect->x >> w_sub, (rect->y + y) >> h_sub, row,
                    rect->w >> w_sub);
        }
    }
    return stencil;
}

void stencil_free(Stencil *stencil)
{
    if (stencil != NULL) {
        for (guint i = 0; i < stencil->n_components; i++) {
            g_array_unref(stencil->runs[i]);
        }
        g_byte_array_unref(stencil->coverage);
        g_free(stencil);
    }
}

// The components, so many from the first on, have the same runs.
static void draw_together(const Stencil *stencil, const Raster *raster, const Ink *ink, guint first,
                          guint n_components)
{
    const RasterComponent *component = &raster->component[first];

    for (guint k = 0; k < stencil->runs[first]->len; k++) {
        const StencilRun *run = &g_array_index(stencil->runs[first], StencilRun, k);
        gint n = MIN(run->n, component->width - run->x);
        const guint8 *coverage;

        if (n <= 0 || run->y >= component->height) {
            continue;
        }
        coverage = stencil->coverage->data + run->first;
        if (run->advance == 0) {
            raster_blend_solid(raster, first, n_components, ink, run->x, run->y, n, *coverage);
            continue;
        }
        for (guint i = 0; i < n_components; i++) {
            raster_blend(component + i, ink->sample[first + i], run->x, run->y, n, coverage);
        }
    }
}

void stencil_draw(const Stencil *stencil, const Raster *raster, const Ink *ink)
{
    guint n;

    for (guint i = 0; i < stencil->n_components; i += n) {
        n = raster_n_interleaved(raster, i);
        draw_together(stencil, raster, ink, i, n);
    }
}
