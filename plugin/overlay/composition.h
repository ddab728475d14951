// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Shapes as a GstVideoOverlayComposition: for formats that raster.h does not know and for memory
// that only downstream can draw into.
#pragma once

#include "layout.h"

G_BEGIN_DECLS

// The format that inks and stamps must be made for.
void composition_video_info(GstVideoInfo *info, guint width, guint height);

// (transfer full) NULL where there is no shape. alpha as in raster.h.
GstVideoOverlayComposition *composition_new(const GArray *shapes, const InkSet *inks, guint alpha);

G_END_DECLS
