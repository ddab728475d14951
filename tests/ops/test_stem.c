// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The first convolution against the naive reference.
#include "op_test.h"

#define TOLERANCE 2e-5 // 27 products, then exp and division of the device

struct shape {
    int height, width, outputs;
    enum pad_type pad;
    enum activation act;
    double amplitude;
    bool windows;
};

static void run_shape(const struct op_form *form, const struct shape *shape)
{
    struct op_test test;
    op_test_begin(&test, "stem", form, "%dx%d to %d pad %d act %d +-%g windows %d", shape->height,
                  shape->width, shape->outputs, shape->pad, shape->act, shape->amplitude,
                  shape->windows);
    int height = conv_output_size(shape->height, 2), width = conv_output_size(shape->width, 2);
    int x = op_test_value(&test, 3, shape->height, shape->width);
    int y = op_test_value(&test, shape->outputs, height, width);
    struct node node = op_test_node(OP_STEM, x, y);
    node.kernel = 3;
    node.stride = 2;
    node.pad = shape->pad;
    node.act = shape->act;
    const struct ref_tensor *input = op_test_fill(&test, x, shape->amplitude);
    op_test_plan(&test);
    struct folded folded = {
        .outputs = shape->outputs,
        .inputs = 3,
        .kernel = 3,
        .n_levels = 1,
        .weight = op_test_floats("weight", (size_t)shape->outputs * 27, 0.3, test.env.half),
        .bias = op_test_floats("bias", (size_t)shape->outputs, 1, false),
    };
    uint64_t whole_range = test.env.device->limits.storage_range;
    if (shape->windows) { // the input and three blocks of the output fit
        test.env.device->limits.storage_range = graph_value(&test.graph, x)->bytes + 256;
    }
    g_autoptr(GError) error = NULL;
    bool ok = op_stem_dispatch(&test.env, &node, &folded, &error);
    test.env.device->limits.storage_range = whole_range;
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_cmpint((int)test.env.dispatches->len > 1, ==, shape->windows);
    op_test_run(&test, &y, 1);
    struct ref_tensor want =
        ref_conv(input, folded.weight, folded.bias, shape->outputs, 3, 2, shape->pad);
    ref_activation(&want, shape->act);
    struct ref_tensor got = op_test_read(&test, y);
    op_test_compare(&test, &got, &want, TOLERANCE);
    ref_free(&want);
    ref_free(&got);
    g_free(folded.weight);
    g_free(folded.bias);
    op_test_end(&test);
}

static void check_shapes(const struct op_form *form, const void *data)
{
    static const struct shape shapes[] = {
        {1, 1, 4, PAD_SAME, ACT_SWISH, 1},          {2, 2, 3, PAD_SAME, ACT_SWISH, 1},
        {3, 2, 5, PAD_SYMMETRIC, ACT_SWISH, 1},     {17, 16, 8, PAD_SAME, ACT_SWISH, 2},
        {16, 15, 17, PAD_SYMMETRIC, ACT_SWISH, 2},  {31, 33, 32, PAD_SAME, ACT_SWISH, 2},
        {32, 16, 15, PAD_SAME, ACT_SWISH, 2},       {16, 64, 9, PAD_SYMMETRIC, ACT_SWISH, 2},
        {33, 31, 40, PAD_SAME, ACT_RELU6, 4},       {4, 6, 4, PAD_SAME, ACT_SWISH, 3e4},
        {32, 32, 35, PAD_SAME, ACT_SWISH, 1, true},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(shapes); i++) {
        run_shape(form, &shapes[i]);
    }
}

static void test_shapes(void)
{
    op_test_forms("stem", check_shapes, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/stem/shapes", test_shapes);
    int status = g_test_run();
    op_test_finish_device();
    return status;
}
