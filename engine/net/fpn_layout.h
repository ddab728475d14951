// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The node list of one FPN cell. Feature ids 0 .. n_levels - 1 are the cell's inputs, lowest level
// first; node k makes feature n_levels + k.
#pragma once

#include "net/model.h"

#define MAX_FPN_NODES 32

struct fpn_node {
    int level; // index from the lowest level
    int n_inputs;
    int inputs[3]; // feature ids, in weight order
    bool quad;     // one of QuFPN's last nodes, which join its two halves
};

struct fpn_cell {
    int n_levels, n_nodes;
    struct fpn_node nodes[MAX_FPN_NODES];
};

void fpn_cell_init(struct fpn_cell *cell, enum fpn_layout layout, int n_levels);
// Feature id that a level leaves the cell with: the last node of that level.
int fpn_cell_output(const struct fpn_cell *cell, int level);
