// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Making a part of a frame unrecognisable. Which part is decided elsewhere.
#pragma once

#include "raster.h"

G_BEGIN_DECLS

// What is left of a picture: its means over so many cells along its shorter side, and cells of no
// fewer pixels. Four rows cannot hold a letter of a number plate, nor four columns a face.
#define PRIVACY_CELLS 4
#define PRIVACY_MIN_CELL_PX 8

// Replaces the part of the frame in the rectangle by the cells' means: smoothly between their
// centres, or each as a block. Every component is, also alpha. Allocates nothing.
void privacy_obscure(const Raster *raster, const Rect *rect, gboolean smooth);

G_END_DECLS
