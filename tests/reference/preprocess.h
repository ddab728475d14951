// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Naive preprocessing in double: picture -> normalised [3][H][W], one pixel of one format at a time
// (spec 7).
#pragma once

#include "effdet/effdet.h"
#include "reference.h"

struct ref_tensor ref_preprocess(const EffdetFrame *frame, const struct model *model);
