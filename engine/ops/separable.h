// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What the kernels of separable convolutions are told: a description of one, and from it the table
// and the weights that a dispatch binds. Which dispatches there are is in op_separable.c and
// op_chain.c. Internal to ops/.
#pragma once

#include "ops/launch.h"

#define SEPARABLE_PARTS MAX_PARTS

// One of several convolutions side by side, each with channels of its own.
struct separable_part {
    int inputs, first_input;    // channels; the first is a multiple of 4
    int channels, first_output; // likewise
    const float *depthwise;     // [inputs][3][3]
};

// y = act(pointwise(depthwise(act_in(sum of factor * resample(input))))); without parts the sum
// itself, and no activation.
struct separable {
    const char *name;
    int n_inputs, inputs[MAX_INPUTS]; // values
    enum resample resample[MAX_INPUTS];
    float factors[MAX_INPUTS];
    enum pad_type pad; // of pools
    enum pool_padding pool_padding;
    enum activation act_in, act;
    int output;
    int n_parts;
    struct separable_part parts[SEPARABLE_PARTS];
    const struct folded *folded; // of the pointwise convolutions, stacked by output channel
};

// A graph node (SEPARABLE, or NODE for a sum only) as a description, with its weights read.
struct separable_node {
    struct separable separable;
    struct folded folded;
    float *depthwise[SEPARABLE_PARTS];
};
bool separable_node_init(struct separable_node *read, const struct op_env *env,
                         const struct node *node, GError **error) WARN_UNUSED;
void separable_node_finish(struct separable_node *read);

// Where the weights of a separable convolution are in a binding.
struct separable_weights {
    int padded[SEPARABLE_PARTS];                                     // output blocks of a row
    uint32_t depthwise[SEPARABLE_PARTS], pointwise[SEPARABLE_PARTS]; // elements
};

bool op_separable_dispatch(struct op_env *env, const struct separable *step,
                           GError **error) WARN_UNUSED;
bool op_chain_dispatch(struct op_env *env, const char *name, const struct separable *steps, int n,
                       GError **error) WARN_UNUSED;
// Whether the steps agree in activations, padding and input channels, and all that they touch fits
// one binding.
bool op_chain_fits(const struct op_env *env, const struct separable *steps, int n);

// Collects tasks and weights of one dispatch.
struct separable_pack {
    const struct op_env *env;
    int logits;      // channels that are class logits with maxima, or 0
    GArray *tasks;   // struct separable_task
    GArray *affine;  // float
    GArray *weights; // float
};
void separable_pack_init(struct separable_pack *pack, const struct op_env *env);
void separable_pack_finish(struct separable_pack *pack);
// Appends weights; range: output blocks of a workgroup.
void separable_pack_weights(struct separable_pack *pack, const struct separable *step, int range,
                            struct separable_weights *weights);
// Appends the tasks of output blocks first..first + count - 1: one a part and level. x[], y: the
// values, y from its block `first` on.
void separable_pack_tasks(struct separable_pack *pack, const struct separable *step,
                          const struct separable_weights *weights, const struct slice *x,
                          struct slice y, int first, int count);
// Packs table and weights.
void separable_pack_end(const struct separable_pack *pack, struct op_env *env,
                        struct binding *table, struct binding *weights);
// Whether the shapes fit each other.
bool separable_check(const struct op_env *env, const struct separable *step,
                     GError **error) WARN_UNUSED;
// Input blocks of the parts.
int separable_inputs(const struct separable *step);
double separable_flops(const struct op_env *env, const struct separable *step);
