// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Internal to weights/ and its tests: the tensors that a network needs, by canonical name and
// PyTorch shape.
#pragma once

#include "net/graph.h"

struct wanted {
    char name[NAME_SIZE];
    int rank;
    int64_t shape[4];
};
// Every tensor of a plain graph once, in the order of the nodes (element type struct wanted,
// transfer full).
GArray *wanted_tensors(const struct graph *graph);
