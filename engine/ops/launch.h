// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// From a node to its dispatches: slices of values that fit a storage-buffer range, and the assembly
// of one dispatch. Internal to ops/.
#pragma once

#include "ops/op.h"
#include "ops/variant.h"

// Channel blocks of a value as one binding. A tensor over the device's storage range is processed
// in windows of channel blocks; the binding then starts at an aligned offset below the first one.
struct slice {
    struct binding binding;
    uint32_t first; // element (four channels of a pixel) where the first block's first pixel is
    uint32_t pitch; // elements from one block to the next
};
struct slice op_slice(const struct op_env *env, int value, int block, int blocks, bool write);
// The most channel blocks of each of these values (-1: none) that fit one binding. False with
// *error when not even one does.
bool op_window(const struct op_env *env, const int *values, int n, int *blocks,
               GError **error) WARN_UNUSED;

// One dispatch in the making.
struct launch {
    struct op_env *env;
    const char *stem;
    struct kernel kernel;
    struct dispatch dispatch;
    uint32_t floats;    // bit mask: bindings that are 32-bit whatever the precision
    uint32_t storage;   // bit mask: bindings that are storage buffers in every form
    const char *suffix; // of the shader build before the tile: "_k3s1", or ""
    bool along_z;       // workgroups along x go along z, so that those along y follow each other
    const struct variant *variant;
    const struct node *node;
};
void launch_init(struct launch *launch, struct op_env *env, const struct node *node,
                 const char *stem, const struct variant *variant);
void launch_spec(struct launch *launch, int id, uint32_t value);
void launch_bind(struct launch *launch, int number, struct binding binding);
void launch_bind_float(struct launch *launch, int number, struct binding binding);
void launch_bind_storage(struct launch *launch, int number, struct binding binding);
// Floats that the kernel finds by the device address at the start of its push block; the binding
// only says what is read. So does the next one, of what kernels without addresses bind there.
void launch_bind_address(struct launch *launch, int number, struct binding binding);
// For kernels that read values by device address (variant->lanes): the first element of a slice,
// counted from the start of its buffer, which is that of binding 0. is_float: of values that are
// 32-bit whatever the precision.
uint32_t launch_from_start(struct launch *launch, struct slice slice, bool is_float);
// Picks the form (texel or buffer), finds the pipeline and appends the dispatch.
bool launch_emit(struct launch *launch, const void *push, size_t push_bytes, uint32_t groups_x,
                 uint32_t groups_y, GError **error) WARN_UNUSED;

// The cheapest variant of a stem for the device, or of the tile that EFFDET_VARIANT names (the
// device's class need not list it). cost(): see variant_cost(). NULL with *error for an unknown
// name.
typedef double (*variant_cost_func)(const struct class_plan *plan, const struct variant *variant,
                                    const void *data);
const struct variant *op_choose(const struct op_env *env, const char *stem, variant_cost_func cost,
                                const void *data, GError **error) WARN_UNUSED;
uint32_t packed_size(struct extent extent); // width << 16 | height
