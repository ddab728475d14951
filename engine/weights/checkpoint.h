// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A weights file understood: which architecture it holds, what it says about itself, and its
// tensors by canonical (rwightman) name and PyTorch shape, whatever naming the file uses. Also the
// deterministic synthetic weights of the tests. One thread at a time.
#pragma once

#include "base/util.h"
#include "net/model.h"
#include "weights/container.h"

struct checkpoint;

struct checkpoint_options {
    const char *architecture;      // expected architecture, or NULL: recognise it from the file
    const char *labels;            // label file that overrides, or NULL
    const char *project;           // zylo117 project file, or NULL
    const char *convention;        // "tf", "rwightman", "zylo117" or NULL
    int input_height, input_width; // 0 = the file's or architecture's own
};

// Opens, recognises, reads the metadata, and checks that every tensor of the network is there in
// its shape. NULL with *error. When the file is a sound container without a known network the error
// is EFFDET_ERROR_UNSUPPORTED.
struct checkpoint *checkpoint_open(const char *path, const struct checkpoint_options *options,
                                   GError **error) WARN_UNUSED;
// Synthetic weights of the specification's section 13.1: gains of the 4-D weights of the backbone
// and of the rest.
struct checkpoint *checkpoint_synthetic(const struct arch *arch, int num_classes,
                                        double backbone_gain, double head_gain) WARN_UNUSED;
void checkpoint_close(struct checkpoint **checkpoint);

const struct model *checkpoint_model(const struct checkpoint *checkpoint);
// Lets a caller change sizes, labels and the like after opening.
struct model *checkpoint_model_mutable(struct checkpoint *checkpoint);
const char *checkpoint_path(const struct checkpoint *checkpoint); // NULL: synthetic
// "rwightman", "zylo117", "automl", "synthetic"
const char *checkpoint_naming(const struct checkpoint *checkpoint);

// Reads a tensor by canonical name as float32 into dst, after checking its shape, and marks it as
// used. Missing or of another shape: an error that names the tensor, what was wanted and what was
// found.
bool checkpoint_read(struct checkpoint *checkpoint, const char *name, const int64_t *shape,
                     int rank, float *dst, GError **error) WARN_UNUSED;
bool checkpoint_has(const struct checkpoint *checkpoint, const char *name);
// After everything was read: an error that names a tensor nobody wanted (counters and known extras
// excepted).
bool checkpoint_all_used(const struct checkpoint *checkpoint, GError **error) WARN_UNUSED;

// Writes any checkpoint as one safetensors file that describes itself: canonical names, all
// metadata keys, float32 or half precision. The file appears whole or not at all.
bool checkpoint_save(struct checkpoint *checkpoint, const char *path, bool half,
                     GError **error) WARN_UNUSED;

// What naming.c and recognise.c know of a file without opening a checkpoint; for `effdet inspect`.
// "rwightman", "zylo117", "automl" or NULL
const char *recognise_naming(const struct container *container);
bool recognise_model(const struct container *container, const struct checkpoint_options *options,
                     struct model *model, GError **error) WARN_UNUSED;
