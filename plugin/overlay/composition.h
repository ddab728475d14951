// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Shapes as a GstVideoOverlayComposition: for formats that raster.h does not know and for memory
// that only downstream can draw into.
#pragma once

#include "coverage.h"

G_BEGIN_DECLS

// What inks and stamps must be made for. With video the composition will be blended into frames of
// it: in its own colours, since the video library would convert RGB with a matrix of its own
// choice. With NULL it is for downstream.
void composition_video_info(GstVideoInfo *info, const GstVideoInfo *video);

// A coverage in one ink of the format that composition_video_info() said, cut where nothing is
// covered: array of GstVideoOverlayRectangle, for any number of compositions. (transfer full)
GPtrArray *composition_rectangles(const Coverage *coverage, const Ink *ink, GstVideoFormat format);

// Rectangles (may be NULL) and, over them, shapes in the inks and the format that
// composition_video_info() said; alpha, that of the shapes, as in raster.h.
// (transfer full) NULL where there is nothing.
GstVideoOverlayComposition *composition_new(const GPtrArray *rectangles, const GArray *shapes,
                                            const InkSet *inks, GstVideoFormat format, guint alpha);

G_END_DECLS
