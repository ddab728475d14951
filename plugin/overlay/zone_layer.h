// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The zones and lines that a frame's meta tells of: their pictures, made once for as long as they
// stay as they are, and their texts. Who is in them is counted elsewhere.
#pragma once

#include "composition.h"

#include "meta/zone_meta.h"

G_BEGIN_DECLS

// One thread at a time.
typedef struct ZoneLayer ZoneLayer;

ZoneLayer *zone_layer_new(void);
void zone_layer_free(ZoneLayer *layer); // NULL is fine

// Forgets all pictures: to be called when format or inks change.
void zone_layer_clear(ZoneLayer *layer);

// Takes the zones and lines of a frame (as in zone_meta.h) and appends their texts to the shapes.
// Zones without points that can be drawn have no picture and no text.
void zone_layer_layout(ZoneLayer *layer, const GstStructure *content, const LayoutStyle *style,
                       LabelCache *labels, GArray *shapes);

// Draws the pictures of the last layout on frames of that format.
void zone_layer_draw(const ZoneLayer *layer, const GstVideoFormatInfo *finfo, const Raster *raster,
                     const InkSet *inks);

// The same pictures for a composition in the format of composition_video_info(), in drawing order:
// array of GstVideoOverlayRectangle, of the layer, valid until the next layout.
const GPtrArray *zone_layer_rectangles(ZoneLayer *layer, const InkSet *inks, GstVideoFormat format);

G_END_DECLS
