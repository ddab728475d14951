// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Texts as bitmaps, each rendered once and kept. Where they go on a frame is decided in layout.h.
#pragma once

#include "raster.h"

G_BEGIN_DECLS

// One thread at a time.
typedef struct LabelCache LabelCache;

// Bitmaps will be in the samples of finfo and the colours of inks, both of which must live as long;
// font is a Pango font description without size, no text is wider than max_width_px.
LabelCache *label_cache_new(const GstVideoFormatInfo *finfo, const InkSet *inks, const gchar *font,
                            guint size_px, guint max_width_px);
void label_cache_free(LabelCache *cache);

// Forgets all bitmaps if they have become many. Stamps got before are then gone: to be called
// between frames.
void label_cache_trim(LabelCache *cache);

// The text on a plate of this class colour. (transfer none) Allocates only when the text is new.
const Stamp *label_cache_get(LabelCache *cache, const gchar *text, guint ink);

// How many texts have been rendered since the cache was made.
guint label_cache_n_rendered(const LabelCache *cache);

G_END_DECLS
