// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Internal to weights/: the deterministic weights of spec 13.1.
#pragma once

#include "base/util.h"

// Fills the tensor of an rwightman name and PyTorch shape.
void synthetic_weight(const char *name, const int64_t *shape, int rank, double backbone_gain,
                      double head_gain, float *out);
