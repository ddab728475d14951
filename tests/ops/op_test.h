// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Bench for one operation on the GPU: a hand-made graph, an arena full of NaN, two runs that must
// be bit-identical, and the comparison with a reference. What is tested is in test_STEM.c.
#pragma once

#include "ops/ops.h"
#include "reference.h"

// The form and precision that a case runs in.
struct op_form {
    const char *variant; // "texel_16x4"
    bool half;
};

struct op_test {
    char *name; // the whole parameter tuple, for messages
    struct graph graph;
    struct op_env env;
    struct buffer arena, weights;
    GPtrArray *contents; // by value: struct ref_tensor * or NULL
    uint8_t *result;     // the arena after a run
};

// Opens the device once for the program; false (and g_test_skip) without one.
bool op_test_device(void);
void op_test_finish_device(void);
struct device *op_test_the_device(void);

// name: the parameter tuple without the form. Sets EFFDET_VARIANT for the stem.
void op_test_begin(struct op_test *test, const char *stem, const struct op_form *form,
                   const char *name, ...) G_GNUC_PRINTF(4, 5);
int op_test_value(struct op_test *test, int channels, int height, int width);
int op_test_vector(struct op_test *test, int channels, int pixels); // always 32-bit
int op_test_pyramid(struct op_test *test, int channels, int levels, const int sizes[][2]);
int op_test_view(struct op_test *test, int pyramid, int level);
// A node with everything absent.
struct node op_test_node(enum op op, int input, int output);
// Random contents of a value, in -amplitude..amplitude, rounded to what it stores; the test owns
// them. For a pyramid: one tensor of height 1 over all its pixels.
const struct ref_tensor *op_test_fill(struct op_test *test, int value, double amplitude);
// Lays the values out; call after the last value and before the operation.
void op_test_plan(struct op_test *test);
// Runs the dispatches twice on a poisoned arena; checks that both runs agree and that nothing
// outside `outputs` was written.
void op_test_run(struct op_test *test, const int *outputs, int n);
// A value (or level of one) after the run.
struct ref_tensor op_test_read(const struct op_test *test, int value);
// Only the first `count` pixels of it; the others are not looked at.
struct ref_tensor op_test_read_first(const struct op_test *test, int value, int count);
// Marks the test failed and prints the tuple and the first bad index unless the largest error is at
// most `relative` (in fp16 + 2^-10, two roundings to storage) times the largest wanted value, and
// NMSE at most 1e-10, in fp16 1e-6.
void op_test_compare(const struct op_test *test, const struct ref_tensor *got,
                     const struct ref_tensor *want, double relative);
void op_test_end(struct op_test *test);

// The sum of factors[i] * x[i] resampled to height x width as a node (NODE, SUM_DEPTHWISE) does it,
// by the naive references, without activation.
struct ref_tensor op_test_weighted_sum(const struct node *node, const float *factors,
                                       const struct ref_tensor *const *x, int height, int width);

// Calls check(form, data) for every variant of a stem in both precisions.
typedef void (*op_form_func)(const struct op_form *form, const void *data);
void op_test_forms(const char *stem, op_form_func check, const void *data);
// Deterministic random floats in -amplitude..amplitude, rounded to fp16 where half.
float *op_test_floats(const char *name, size_t count, double amplitude, bool half);
// Part of a pyramid's tensor (height 1) that is one level.
struct ref_tensor op_test_level(const struct op_test *test, int pyramid,
                                const struct ref_tensor *all, int level);
