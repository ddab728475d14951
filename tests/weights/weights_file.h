// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Small weights files for tests: safetensors with any names, shapes and values. Tensors without
// values are holes of zeros that take no room on the disk.
#pragma once

#include "net/graph.h"
#include "weights/wanted.h"

struct weights_file {
    GPtrArray *tensors;   // of struct file_tensor *
    GHashTable *metadata; // char * -> char *
};
struct file_tensor {
    char *name;
    const char *dtype; // "F32", "I64"
    int rank;
    int64_t shape[8];
    float *values; // F32 only, or NULL
};

struct weights_file *weights_file_new(void);
void weights_file_free(struct weights_file *file);
// values: NULL or as many floats as the shape says; copied. Returns the tensor, valid until free.
struct file_tensor *weights_file_add(struct weights_file *file, const char *name, const char *dtype,
                                     const int64_t *shape, int rank, const float *values);
struct file_tensor *weights_file_find(const struct weights_file *file, const char *name);
void weights_file_remove(struct weights_file *file, const char *name);
void weights_file_set(struct weights_file *file, const char *key, const char *value);
void weights_file_write(const struct weights_file *file, const char *path);

// Every tensor of a model, renamed by rename(canonical name) (transfer full); with the synthetic
// values of spec 13.1 by canonical name, gains 1, or as holes.
typedef char *(*weights_rename)(const char *canonical, const struct model *model);
struct weights_file *weights_file_of(const struct model *model, weights_rename rename,
                                     bool with_values);
char *rename_none(const char *canonical, const struct model *model);
char *rename_level_first(const char *canonical, const struct model *model); // spec 9.2
char *rename_zylo117(const char *canonical, const struct model *model);     // spec 9.7

// A folder for a test's files (transfer full); removed with what it holds by weights_folder_remove.
char *weights_folder(void);
void weights_folder_remove(char *folder);
