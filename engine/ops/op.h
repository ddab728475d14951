// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Operations: each op_STEM.c turns a graph node into dispatches - chooses the kernel variant and
// its specialisation constants, packs the weights, fills the push block. No command buffer and no
// submission here.
#pragma once

#include "gpu/recorder.h"
#include "net/graph.h"
#include "weights/fold.h"

// Everything an operation needs at preparation time.
struct op_env {
    struct device *device;
    struct kernels *kernels;
    const struct graph *graph;
    struct checkpoint *checkpoint;
    bool half;              // fp16 storage of values and weights
    bool cpu_plan;          // plan for CPU devices
    struct tuning *tuning;  // measured variants (ops/tuning.h), or NULL
    const char *node_name;  // of the node that is being prepared, for `tuning`
    struct buffer *arena;   // values live at value.offset
    struct buffer *weights; // created after all ops have packed: dispatches refer to it by pointer
    GHashTable *partials;   // of each channel, by value, where fewer than fit (op_partials())
    struct maxima *maxima;  // what the class head leaves for decode (ops/maxima.h); NULL: nothing
    GByteArray *packed;     // weight bytes so far; op_pack() appends
    GArray *dispatches;     // struct dispatch, result
};

typedef bool (*op_prepare_func)(struct op_env *env, const struct node *node, GError **error);
// Row of the op table, indexed by enum op.
struct op_row {
    const char *stem;
    op_prepare_func prepare;
};
extern const struct op_row op_table[N_OPS];

bool op_stem_prepare(struct op_env *env, const struct node *node, GError **error) WARN_UNUSED;
bool op_pointwise_prepare(struct op_env *env, const struct node *node, GError **error) WARN_UNUSED;
bool op_depthwise_prepare(struct op_env *env, const struct node *node, GError **error) WARN_UNUSED;
bool op_mean_prepare(struct op_env *env, const struct node *node, GError **error) WARN_UNUSED;
bool op_squeeze_prepare(struct op_env *env, const struct node *node, GError **error) WARN_UNUSED;
bool op_scale_prepare(struct op_env *env, const struct node *node, GError **error) WARN_UNUSED;
bool op_node_prepare(struct op_env *env, const struct node *node, GError **error) WARN_UNUSED;
bool op_separable_prepare(struct op_env *env, const struct node *node, GError **error) WARN_UNUSED;
bool op_expand_depthwise_prepare(struct op_env *env, const struct node *node,
                                 GError **error) WARN_UNUSED;
bool op_sum_depthwise_prepare(struct op_env *env, const struct node *node,
                              GError **error) WARN_UNUSED;
bool op_conv_prepare(struct op_env *env, const struct node *node, GError **error) WARN_UNUSED;
bool op_chain_prepare(struct op_env *env, const struct node *node, GError **error) WARN_UNUSED;

// --- helpers (op.c)
// Binding of a value (a view binds its parent's range), and of packed weights.
struct binding op_bind(const struct op_env *env, int value, bool write);
// Appends floats to env->packed as fp16 or fp32 (half), aligned to 256 bytes, and returns the
// binding.
struct binding op_pack(struct op_env *env, const float *data, size_t count, bool half);
// Kernel name: stem + "_texel" + "_half" + suffix as built by shaders/meson.build.
void op_kernel_name(char *out, size_t size, const char *stem, bool texel, bool half,
                    const char *suffix);
// Whether the texel form may and should be used for these bindings (limits, class,
// EFFDET_VARIANT=stem:texel|buffer).
bool op_use_texel(const struct op_env *env, const char *stem, const struct binding *bindings,
                  int n);
// Which form a stem gets where both serve: the one that EFFDET_VARIANT forces, else texels if they
// are `preferred` and the device has them.
bool op_prefers_texel(const struct op_env *env, const char *stem, bool preferred);
// Variant forced for a stem by EFFDET_VARIANT=stem:name,..., or NULL.
const char *op_forced_variant(const char *stem);
// Names that EFFDET_VARIANT takes for a stem are listed by variant_names() in ops/variant.h.
// Checks the group counts against the device's limits and appends.
bool op_emit(struct op_env *env, struct dispatch *dispatch, GError **error) WARN_UNUSED;
