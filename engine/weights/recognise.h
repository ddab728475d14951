// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Internal to weights/: what a file says about its network, from several sources.
#pragma once

#include "weights/checkpoint.h"
#include "weights/naming.h"

// recognise.c: the whole model description of a file whose names are known.
bool recognise_with_names(const struct container *container, const struct names *names,
                          const struct checkpoint_options *options, struct model *model,
                          GError **error) WARN_UNUSED;

// structure.c: the network as far as tensors show it.
struct structure {
    struct arch arch; // name NULL and input_size 0 where the tensors do not tell
    int num_classes, anchors_per_cell;
};
bool structure_read(const struct container *container, const struct names *names,
                    struct structure *structure, GError **error) WARN_UNUSED;

// foreign.c: in words, the part of a backbone that this engine lacks (transfer full). blocks: of
// its stages, as far as their names are those of EfficientNets.
char *foreign_backbone(const struct container *container, const int blocks[MAX_STAGES]);

// metadata.c: the keys of our own safetensors files. Reading changes only what a key names;
// a value that cannot be is an error that names the key.
const char *metadata_get(const struct container *container, const char *key); // NULL: not there
bool metadata_check_format(const struct container *container, GError **error) WARN_UNUSED;
bool metadata_apply(const struct container *container, struct model *model,
                    GError **error) WARN_UNUSED;
// metadata_write.c: every key of a model: name -> value, both owned by the table.
GHashTable *metadata_describe(const struct model *model);

// labels.c: one label a line. NULL with *error when there are not as many as classes.
char **labels_read(const char *path, int num_classes, GError **error) WARN_UNUSED;
