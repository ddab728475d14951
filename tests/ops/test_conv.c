// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Dense convolution against the naive reference.
#include "op_test.h"

#define TOLERANCE 2e-5 // of the largest: at most 450 products in a row, then exp and division

struct shape {
    int height, width, inputs, outputs, kernel, stride;
    enum pad_type pad;
    enum activation act;
    double amplitude;
    bool windows;
};

static void run_case(struct op_test *test, const struct shape *shape, int x, int y,
                     const struct ref_tensor *input)
{
    struct node node = op_test_node(OP_CONV, x, y);
    node.kernel = shape->kernel;
    node.stride = shape->stride;
    node.pad = shape->pad;
    node.act = shape->act;
    op_test_plan(test);
    size_t row = (size_t)shape->inputs * (size_t)shape->kernel * (size_t)shape->kernel;
    struct folded folded = {
        .outputs = shape->outputs,
        .inputs = shape->inputs,
        .kernel = shape->kernel,
        .n_levels = 1,
        .weight = op_test_floats("weight", (size_t)shape->outputs * row, 0.2, test->env.half),
        .bias = op_test_floats("bias", (size_t)shape->outputs, 1, false),
    };
    uint64_t whole_range = test->env.device->limits.storage_range;
    if (shape->windows) { // the input and three blocks of the output fit
        uint64_t plane = (uint64_t)graph_value(&test->graph, y)->pitch * (test->env.half ? 8 : 16);
        test->env.device->limits.storage_range = 3 * plane + 256;
    }
    g_autoptr(GError) error = NULL;
    bool ok = op_conv_dispatch(&test->env, &node, &folded, &error);
    test->env.device->limits.storage_range = whole_range;
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_cmpint((int)test->env.dispatches->len > 1, ==, shape->windows);
    op_test_run(test, &y, 1);
    struct ref_tensor want = ref_conv(input, folded.weight, folded.bias, shape->outputs,
                                      shape->kernel, shape->stride, shape->pad);
    ref_activation(&want, shape->act);
    struct ref_tensor got = op_test_read(test, y);
    op_test_compare(test, &got, &want, TOLERANCE);
    ref_free(&want);
    ref_free(&got);
    g_free(folded.weight);
    g_free(folded.bias);
}

static void run_shape(const struct op_form *form, const struct shape *shape)
{
    struct op_test test;
    op_test_begin(&test, "conv", form, "%dx%d of %d to %d k%d s%d pad %d act %d +-%g windows %d",
                  shape->height, shape->width, shape->inputs, shape->outputs, shape->kernel,
                  shape->stride, shape->pad, shape->act, shape->amplitude, shape->windows);
    int x = op_test_value(&test, shape->inputs, shape->height, shape->width);
    int y = op_test_value(&test, shape->outputs, conv_output_size(shape->height, shape->stride),
                          conv_output_size(shape->width, shape->stride));
    const struct ref_tensor *input = op_test_fill(&test, x, shape->amplitude);
    run_case(&test, shape, x, y, input);
    op_test_end(&test);
}

// around the edges of tiles and of workgroups of 64 invocations, channels that are no multiple of
// 4, kernels larger than the map
static void check_shapes(const struct op_form *form, const void *data)
{
    static const struct shape shapes[] = {
        {1, 1, 4, 4, 3, 1, PAD_SAME, ACT_SWISH, 1},
        {2, 3, 3, 5, 3, 2, PAD_SAME, ACT_NONE, 1},
        {3, 2, 5, 7, 3, 2, PAD_SYMMETRIC, ACT_RELU, 1},
        {17, 15, 9, 8, 3, 1, PAD_SAME, ACT_SWISH, 2},
        {16, 16, 8, 9, 3, 1, PAD_SYMMETRIC, ACT_SWISH, 2},
        {16, 17, 17, 33, 3, 2, PAD_SYMMETRIC, ACT_SWISH, 2},
        {15, 33, 50, 12, 3, 2, PAD_SAME, ACT_RELU6, 4},
        {9, 14, 3, 16, 7, 2, PAD_SYMMETRIC, ACT_RELU, 2},
        {2, 2, 3, 6, 7, 2, PAD_SAME, ACT_RELU, 2},
        {13, 6, 20, 11, 1, 2, PAD_SYMMETRIC, ACT_NONE, 2},
        {5, 4, 6, 4, 5, 1, PAD_SAME, ACT_NONE, 1},
        {6, 4, 4, 4, 3, 1, PAD_SAME, ACT_NONE, 300},
        {32, 32, 4, 35, 3, 1, PAD_SAME, ACT_SWISH, 1, true},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(shapes); i++) {
        run_shape(form, &shapes[i]);
    }
}

static void test_shapes(void)
{
    op_test_forms("conv", check_shapes, NULL);
}

// one level of a pyramid into the same level of another: the rest of both stays untouched
static void check_view(const struct op_form *form, const void *data)
{
    static const int sizes[][2] = {{8, 9}, {4, 5}, {2, 3}};
    static const struct shape shape = {4, 5, 6, 10, 3, 1, PAD_SYMMETRIC, ACT_SWISH, 2, false};
    struct op_test test;
    op_test_begin(&test, "conv", form, "the second level of three");
    int from = op_test_pyramid(&test, shape.inputs, 3, sizes);
    int to = op_test_pyramid(&test, shape.outputs, 3, sizes);
    const struct ref_tensor *all = op_test_fill(&test, from, 2);
    int x = op_test_view(&test, from, 1), y = op_test_view(&test, to, 1);
    struct ref_tensor input = op_test_level(&test, from, all, 1);
    run_case(&test, &shape, x, y, &input);
    ref_free(&input);
    op_test_end(&test);
}

static void test_view(void)
{
    op_test_forms("conv", check_view, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/conv/shapes", test_shapes);
    g_test_add_func("/conv/view", test_view);
    int status = g_test_run();
    op_test_finish_device();
    return status;
}
