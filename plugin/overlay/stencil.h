// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A coverage made ready for the planes of one video format, to be drawn on many frames.
#pragma once

#include "coverage.h"

G_BEGIN_DECLS

// Immutable. Memory is by the length of its edges, not by its area.
typedef struct Stencil Stencil;

Stencil *stencil_new(const GstVideoFormatInfo *finfo, const Coverage *coverage);
void stencil_free(Stencil *stencil); // NULL is fine

// A sample that several pixels share gets their mean.
void stencil_draw(const Stencil *stencil, const Raster *raster, const Ink *ink);

G_END_DECLS
