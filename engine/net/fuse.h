// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The rules of the fusion pass and what they share. Internal to net/.
#pragma once

#include "net/graph.h"

struct pass {
    struct graph *graph;
    const struct fuse_options *options;
    GArray *dead; // gboolean by node index
};

bool is_dead(const struct pass *pass, int index);
void kill_node(struct pass *pass, int index);
// Index of the node that writes a value, or -1 for the graph's input and for a part of a value.
int producer(const struct pass *pass, int value);
int count_readers(const struct pass *pass, int value);
// The producer of a value that nobody else reads and no view shares, if it is of the wanted kind;
// else NULL.
struct node *sole_producer(const struct pass *pass, int value, enum op op, int *index);
// Whether a value of the maps of this one, with so many channels, can be bound whole.
bool binds_whole(const struct pass *pass, const struct value *value, int channels);
// A new value in which these, of the same maps, lie side by side: they become views of it.
int stack_values(struct pass *pass, const int *ids, int n, const char *name);

// A rule: tries to merge the node with this index with others. fuse_backbone.c:
void fuse_squeeze(struct pass *pass, int index);
void fuse_scale(struct pass *pass, int index);
void fuse_expand(struct pass *pass, int index);
void fuse_residual(struct pass *pass, int index);
void fuse_squeeze_scale(struct pass *pass, int index);
// fuse_pyramid.c:
void fuse_resample(struct pass *pass, int index);
void fuse_activation(struct pass *pass, int index);
void fuse_levels(struct pass *pass, int index);
void fuse_sums(struct pass *pass, int index);
void fuse_separable(struct pass *pass, int index);
// fuse_chain.c:
void fuse_chain(struct pass *pass, int index);
// fuse_parts.c:
void fuse_laterals(struct pass *pass, int index);
void fuse_heads(struct pass *pass, int index);
