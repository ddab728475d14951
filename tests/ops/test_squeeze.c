// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Squeeze-excite against the naive reference: the squeeze from partial sums, and the mean and the
// scale of the unfused graph.
#include "op_test.h"

#include <math.h>

#define TOLERANCE 2e-5 // sums of up to some thousand terms of both signs, then exp and division

static struct squeeze_weights make_weights(int channels, int hidden)
{
    size_t count = (size_t)channels * (size_t)hidden;
    return (struct squeeze_weights){
        .reduce = op_test_floats("reduce", count, 4 / sqrt(channels), false),
        .reduce_bias = op_test_floats("reduce bias", (size_t)hidden, 1, false),
        .expand = op_test_floats("expand", count, 2 / sqrt(hidden), false),
        .expand_bias = op_test_floats("expand bias", (size_t)channels, 1, false),
    };
}

static void free_weights(struct squeeze_weights *weights)
{
    g_free(weights->reduce);
    g_free(weights->reduce_bias);
    g_free(weights->expand);
    g_free(weights->expand_bias);
}

struct shape {
    int channels, hidden, partials;
    enum activation act;
    double amplitude;
};

static struct ref_tensor reference(const struct shape *shape, const struct squeeze_weights *weights,
                                   const struct ref_tensor *sums, double divisor, int partials)
{
    struct ref_tensor mean = ref_new(shape->channels, 1, 1);
    for (int c = 0; c < shape->channels; c++) {
        for (int i = 0; i < partials; i++) {
            mean.data[c] += sums->data[c * sums->w + i] / divisor;
        }
    }
    struct ref_tensor hidden =
        ref_pointwise(&mean, weights->reduce, weights->reduce_bias, shape->hidden);
    ref_activation(&hidden, shape->act);
    struct ref_tensor factors =
        ref_pointwise(&hidden, weights->expand, weights->expand_bias, shape->channels);
    ref_activation(&factors, ACT_SIGMOID);
    ref_free(&mean);
    ref_free(&hidden);
    return factors;
}

enum plan { PLAN_GPU, PLAN_CPU, PLAN_LANES };

static void run_squeeze(const struct op_form *form, const struct shape *shape, enum plan plan)
{
    struct op_test test;
    op_test_begin(&test, "squeeze", form, "%d channels, %d hidden, %d partial sums +-%g plan %d",
                  shape->channels, shape->hidden, shape->partials, shape->amplitude, plan);
    test.env.cpu_plan = plan != PLAN_GPU;
    const bool lanes = test.env.device->features.lanes;
    int x = op_test_vector(&test, shape->channels, shape->partials);
    int y = op_test_vector(&test, shape->channels, 1);
    struct node node = op_test_node(OP_SQUEEZE, -1, y);
    node.n_inputs = 0;
    node.partial = x;
    node.squeeze = shape->hidden;
    node.act = shape->act;
    node.divisor = 3.0 * shape->partials;
    const struct ref_tensor *input = op_test_fill(&test, x, shape->amplitude);
    op_test_plan(&test);
    struct squeeze_weights weights = make_weights(shape->channels, shape->hidden);
    test.env.device->features.lanes = plan == PLAN_LANES;
    g_autoptr(GError) error = NULL;
    bool ok = op_squeeze_dispatch(&test.env, &node, &weights, &error);
    test.env.device->features.lanes = lanes;
    g_assert_no_error(error);
    g_assert_true(ok);
    const struct dispatch *dispatch = &g_array_index(test.env.dispatches, struct dispatch, 0);
    const bool fits = plan == PLAN_LANES && shape->channels <= SQUEEZE_LANES_MEANS;
    g_assert_true(g_str_has_suffix(dispatch->variant, "_lanes") == fits);
    op_test_run(&test, &y, 1);
    struct ref_tensor want =
        reference(shape, &weights, input, node.divisor, op_partials(&test.env, x));
    struct ref_tensor got = op_test_read(&test, y);
    op_test_compare(&test, &got, &want, TOLERANCE);
    ref_free(&want);
    ref_free(&got);
    free_weights(&weights);
    op_test_end(&test);
}

static void check_lanes(const struct op_form *form)
{
    // channels around 4, 8 and 32, units around 8, partial sums around 2, 16 and 32
    static const struct shape shapes[] = {
        {1, 1, 1, ACT_SWISH, 1},      {4, 4, 15, ACT_SWISH, 1},       {10, 6, 16, ACT_RELU, 1},
        {32, 8, 9, ACT_SWISH, 1},     {33, 9, 17, ACT_SWISH, 1},      {61, 10, 32, ACT_SWISH, 30},
        {64, 16, 33, ACT_SWISH, 1},   {96, 4, 63, ACT_RELU6, 1},      {126, 17, 257, ACT_SWISH, 1},
        {672, 28, 2, ACT_SWISH, 1},   {1152, 48, 13, ACT_SWISH, 300}, {3840, 160, 4, ACT_SWISH, 1},
        {4096, 256, 1, ACT_SWISH, 1}, // all the room there is, and more
        {4097, 8, 3, ACT_SWISH, 1},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(shapes); i++) {
        run_squeeze(form, &shapes[i], PLAN_LANES);
    }
}

static void check_squeeze(const struct op_form *form, const void *data)
{
    // channels around the workgroup's 64 blocks, hidden widths around 4 and the workgroup
    static const struct shape shapes[] = {
        {4, 1, 1, ACT_SWISH, 1},      {3, 6, 2, ACT_SWISH, 1},     {96, 4, 257, ACT_SWISH, 1},
        {126, 10, 65, ACT_SWISH, 1},  {129, 5, 64, ACT_RELU, 1},   {253, 63, 3, ACT_SWISH, 1},
        {256, 64, 16, ACT_SWISH, 30}, {260, 65, 63, ACT_SWISH, 1}, {1152, 48, 13, ACT_SWISH, 300},
        {3840, 160, 2, ACT_SWISH, 1}, // D7x, 16 KiB of shared memory
    };
    for (gsize i = 0; i < G_N_ELEMENTS(shapes); i++) {
        run_squeeze(form, &shapes[i], PLAN_CPU);
        run_squeeze(form, &shapes[i], PLAN_GPU);
    }
    if (op_test_the_device()->features.lanes) {
        check_lanes(form);
    }
}

// Squeeze-excite before the 1x1 convolution that it scales the input of, in one dispatch.
static void run_project(const struct op_form *form, const struct shape *shape, int outputs)
{
    struct op_test test;
    op_test_begin(&test, "pointwise", form, "%d channels to %d, %d hidden, %d partial sums",
                  shape->channels, outputs, shape->hidden, shape->partials);
    test.env.cpu_plan = false;
    int x = op_test_value(&test, shape->channels, 7, 11);
    int y = op_test_value(&test, outputs, 7, 11);
    struct node node = op_test_node(OP_POINTWISE, x, y);
    node.partial = op_test_vector(&test, shape->channels, shape->partials);
    node.squeeze = shape->hidden;
    node.act_in = shape->act;
    node.divisor = 3.0 * shape->partials;
    const struct ref_tensor *input = op_test_fill(&test, x, 1);
    const struct ref_tensor *sums = op_test_fill(&test, node.partial, shape->amplitude);
    op_test_plan(&test);
    struct squeeze_weights weights = make_weights(shape->channels, shape->hidden);
    size_t count = (size_t)(shape->channels * outputs);
    struct folded folded = {
        .outputs = outputs,
        .inputs = shape->channels,
        .kernel = 1,
        .n_levels = 1,
        .weight = op_test_floats("weight", count, 1 / sqrt(shape->channels), form->half),
        .bias = op_test_floats("bias", (size_t)outputs, 1, false)};
    g_autoptr(GError) error = NULL;
    bool ok = op_pointwise_squeeze_dispatch(&test.env, &node, &folded, &weights, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    op_test_run(&test, &y, 1);
    struct ref_tensor factors =
        reference(shape, &weights, sums, node.divisor, op_partials(&test.env, node.partial));
    struct ref_tensor scaled = ref_new(shape->channels, 7, 11), got = op_test_read(&test, y);
    ref_add(&scaled, input);
    ref_scale(&scaled, factors.data);
    struct ref_tensor want = ref_pointwise(&scaled, folded.weight, folded.bias, outputs);
    op_test_compare(&test, &got, &want, TOLERANCE);
    ref_free(&factors);
    ref_free(&scaled);
    ref_free(&want);
    ref_free(&got);
    folded_finish(&folded);
    free_weights(&weights);
    op_test_end(&test);
}

static void check_project(const struct op_form *form, const void *data)
{
    static const struct shape shapes[] = {
        {3, 2, 1, ACT_SWISH, 1}, {126, 10, 257, ACT_SWISH, 1}, {260, 65, 63, ACT_RELU, 1}};
    for (gsize i = 0; i < G_N_ELEMENTS(shapes); i++) {
        run_project(form, &shapes[i], 10 + 7 * (int)i);
    }
}

static void test_project(void)
{
    op_test_forms("pointwise", check_project, NULL);
}

static void test_squeeze(void)
{
    op_test_forms("squeeze", check_squeeze, NULL);
}

// More partial sums for a lane than Mesa 22.3 runs loop trips for an invocation.
static void test_many(void)
{
    if (op_test_device()) {
        const struct op_form form = {"texel", false};
        const struct shape shape = {260, 4, 40000, ACT_SWISH, 1};
        run_squeeze(&form, &shape, PLAN_CPU);
    }
}

static const int map_sizes[][3] = {{1, 1, 4},   {7, 9, 3},   {8, 8, 10},
                                   {5, 13, 17}, {1, 257, 5}, {40, 33, 8}};

// range 0: the device's own
static void run_mean(const struct op_form *form, const int *size, bool windows)
{
    struct op_test test;
    op_test_begin(&test, "mean", form, "%dx%d of %d channels, windows %d", size[0], size[1],
                  size[2], windows);
    int x = op_test_value(&test, size[2], size[0], size[1]);
    int y = op_test_vector(&test, size[2], 1);
    struct node node = op_test_node(OP_MEAN, x, y);
    const struct ref_tensor *input = op_test_fill(&test, x, 1);
    op_test_plan(&test);
    uint64_t whole_range = test.env.device->limits.storage_range;
    if (windows) {
        test.env.device->limits.storage_range = graph_value(&test.graph, x)->bytes - 1;
    }
    g_autoptr(GError) error = NULL;
    bool ok = op_mean_prepare(&test.env, &node, &error);
    test.env.device->limits.storage_range = whole_range;
    g_assert_no_error(error);
    g_assert_true(ok);
    op_test_run(&test, &y, 1);
    struct ref_tensor want = ref_mean(input), got = op_test_read(&test, y);
    op_test_compare(&test, &got, &want, TOLERANCE);
    ref_free(&want);
    ref_free(&got);
    op_test_end(&test);
}

static void check_mean(const struct op_form *form, const void *data)
{
    for (gsize i = 0; i < G_N_ELEMENTS(map_sizes); i++) {
        run_mean(form, map_sizes[i], false);
    }
    run_mean(form, (const int[]){16, 16, 21}, true);
}

static void test_mean(void)
{
    op_test_forms("mean", check_mean, NULL);
}

static void run_scale(const struct op_form *form, const int *size, bool windows)
{
    struct op_test test;
    op_test_begin(&test, "scale", form, "%dx%d of %d channels, windows %d", size[0], size[1],
                  size[2], windows);
    int x = op_test_value(&test, size[2], size[0], size[1]);
    int y = op_test_value(&test, size[2], size[0], size[1]);
    struct node node = op_test_node(OP_SCALE, x, y);
    node.scale = op_test_vector(&test, size[2], 1);
    const struct ref_tensor *input = op_test_fill(&test, x, 1);
    const struct ref_tensor *factors = op_test_fill(&test, node.scale, 1);
    op_test_plan(&test);
    uint64_t whole_range = test.env.device->limits.storage_range;
    if (windows) {
        test.env.device->limits.storage_range = graph_value(&test.graph, x)->bytes - 1;
    }
    g_autoptr(GError) error = NULL;
    bool ok = op_scale_prepare(&test.env, &node, &error);
    test.env.device->limits.storage_range = whole_range;
    g_assert_no_error(error);
    g_assert_true(ok);
    op_test_run(&test, &y, 1);
    struct ref_tensor want = ref_new(input->c, input->h, input->w);
    ref_add(&want, input);
    ref_scale(&want, factors->data);
    struct ref_tensor got = op_test_read(&test, y);
    op_test_compare(&test, &got, &want, TOLERANCE);
    ref_free(&want);
    ref_free(&got);
    op_test_end(&test);
}

static void check_scale(const struct op_form *form, const void *data)
{
    for (gsize i = 0; i < G_N_ELEMENTS(map_sizes); i++) {
        run_scale(form, map_sizes[i], false);
    }
    run_scale(form, (const int[]){16, 16, 21}, true);
}

static void test_scale(void)
{
    op_test_forms("scale", check_scale, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/squeeze/shapes", test_squeeze);
    g_test_add_func("/squeeze/many", test_many);
    g_test_add_func("/squeeze/project", test_project);
    g_test_add_func("/mean", test_mean);
    g_test_add_func("/scale", test_scale);
    int status = g_test_run();
    op_test_finish_device();
    return status;
}
