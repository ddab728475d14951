// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Shapes as a GstVideoOverlayComposition: for formats that raster.h does not know and for memory
// that only downstream can draw into.
#pragma once

#include "layout.h"

G_BEGIN_DECLS

// What inks and stamps must be made for. With video the composition will be blended into frames of
// it: in its own colours, since the video library would convert RGB with a matrix of its own
// choice. With NULL it is for downstream.
void composition_video_info(GstVideoInfo *info, const GstVideoInfo *video);

// Shapes in the inks and the format that composition_video_info() said; alpha as in raster.h.
// (transfer full) NULL where there is no shape.
GstVideoOverlayComposition *composition_new(const GArray *shapes, const InkSet *inks,
                                            GstVideoFormat format, guint alpha);

G_END_DECLS
