// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The whole network in double, written from the specification alone (spec 1, 3, 4, 5): the oracle
// of every test that runs a network. It asks for its weights by canonical name.
#pragma once

#include "reference.h"

// Fills out with the tensor of this name and PyTorch shape; false ends the run.
typedef bool (*ref_get)(void *data, const char *name, const int *shape, int rank, float *out);

// Synthetic weights of spec 13.1: data is a struct ref_gains. The golden values of networks with
// head_bn_level_first follow from the names that those networks' own files use.
struct ref_gains {
    double backbone, head;
    bool head_bn_level_first;
};
bool ref_get_synthetic(void *data, const char *name, const int *shape, int rank, float *out);

struct ref_network;
// Runs model (its arch, classes, anchors and pool padding; not its input size) on a normalised
// [3][H][W] input. NULL when get returned false.
struct ref_network *ref_network_run(const struct model *model, const struct ref_tensor *input,
                                    ref_get get, void *data);
void ref_network_free(struct ref_network **network);
// Values by name: "stem", "blocks.2.1", "C3", "C4", "C5", "P6", "P7", "P8" (as they enter the first
// cell), "cell0.node4" (any node after its convolution), "cell0.P4" (output of a cell), "class3"
// and "box3" (logits of a level). NULL when there is none.
const struct ref_tensor *ref_network_value(const struct ref_network *network, const char *name);

// One node of an FPN cell (spec 4.2, 4.6).
struct ref_node {
    int level;
    int n_inputs;
    int inputs[3];
    bool quad; // one of the last nodes of QuFPN, which fuse by arch.quad_fusion
};
// Nodes of a cell in order; returns their number. nodes holds at least 32.
int ref_fpn_nodes(const struct arch *arch, struct ref_node *nodes);
