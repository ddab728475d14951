// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Weighted sum and depthwise convolution in one against the naive single operations: one to four
// inputs, every resampling and pool padding, sizes around every tile edge, and tensors over the
// storage range.
#include "op_test.h"

#include "effdet/effdet.h"

#include <string.h>

#define TOLERANCE 2e-5 // 9 sums of up to four products, exp and division of the device

#define NONE RESAMPLE_NONE
#define NEAREST RESAMPLE_NEAREST
#define BILINEAR RESAMPLE_BILINEAR
#define POOL RESAMPLE_MAXPOOL

struct shape {
    int height, width, channels; // of the output
    int n_inputs;
    struct {
        int height, width;
        enum resample resample;
    } inputs[MAX_INPUTS];
    enum activation act_in, act;
    enum pad_type pad;
    enum pool_padding padding;
    bool windows;
};

static struct node make_node(struct op_test *test, const struct shape *shape,
                             const struct ref_tensor *inputs[MAX_INPUTS])
{
    int y = op_test_value(test, shape->channels, shape->height, shape->width);
    struct node node = op_test_node(OP_SUM_DEPTHWISE, -1, y);
    node.kernel = 3;
    node.stride = 1;
    node.sums = true;
    node.n_inputs = shape->n_inputs;
    node.pad = shape->pad;
    node.pool_padding = shape->padding;
    node.act_in = shape->act_in;
    node.act = shape->act;
    for (int i = 0; i < shape->n_inputs; i++) {
        node.inputs[i] =
            op_test_value(test, shape->channels, shape->inputs[i].height, shape->inputs[i].width);
        node.resample[i] = shape->inputs[i].resample;
        inputs[i] = op_test_fill(test, node.inputs[i], 2);
    }
    return node;
}

static struct folded make_folded(const struct op_test *test, int channels)
{
    return (struct folded){
        .outputs = channels,
        .inputs = 1,
        .kernel = 3,
        .n_levels = 1,
        .weight = op_test_floats("weight", (size_t)channels * 9, 0.3, test->env.half),
        .bias = op_test_floats("bias", (size_t)channels, 1, false),
    };
}

static void check_result(const struct op_test *test, const struct shape *shape,
                         const struct node *node, const struct ref_tensor *const *inputs,
                         const struct folded *folded, const float *factors)
{
    struct ref_tensor sum =
        op_test_weighted_sum(node, factors, inputs, shape->height, shape->width);
    ref_activation(&sum, shape->act_in);
    struct ref_tensor want = ref_depthwise(&sum, folded->weight, folded->bias, 3, 1, shape->pad);
    ref_activation(&want, shape->act);
    struct ref_tensor got = op_test_read(test, node->output);
    op_test_compare(test, &got, &want, TOLERANCE);
    ref_free(&sum);
    ref_free(&want);
    ref_free(&got);
}

static void run_shape(const struct op_form *form, const struct shape *shape)
{
    struct op_test test;
    op_test_begin(&test, "sum_depthwise", form,
                  "%dx%d of %d channels, %d inputs (%dx%d by %d; %dx%d by %d; by %d; by %d), act "
                  "%d, %d, pad %d/%d, windows %d",
                  shape->height, shape->width, shape->channels, shape->n_inputs,
                  shape->inputs[0].height, shape->inputs[0].width, shape->inputs[0].resample,
                  shape->inputs[1].height, shape->inputs[1].width, shape->inputs[1].resample,
                  shape->inputs[2].resample, shape->inputs[3].resample, shape->act_in, shape->act,
                  shape->pad, shape->padding, shape->windows);
    const struct ref_tensor *inputs[MAX_INPUTS];
    struct node node = make_node(&test, shape, inputs);
    op_test_plan(&test);
    struct folded folded = make_folded(&test, shape->channels);
    const float factors[MAX_INPUTS] = {0.75f, 1, 0.3f, -0.5f};
    uint64_t whole_range = test.env.device->limits.storage_range, largest = 0;
    for (int i = 0; i < shape->n_inputs; i++) {
        largest = MAX(largest, graph_value(&test.graph, node.inputs[i])->bytes);
    }
    if (shape->windows) {
        test.env.device->limits.storage_range = largest - 1;
    }
    g_autoptr(GError) error = NULL;
    bool ok = op_sum_depthwise_dispatch(&test.env, &node, &folded, factors, &error);
    test.env.device->limits.storage_range = whole_range;
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_cmpint((int)test.env.dispatches->len > 1, ==, shape->windows);
    op_test_run(&test, &node.output, 1);
    check_result(&test, shape, &node, inputs, &folded, factors);
    folded_finish(&folded);
    op_test_end(&test);
}

static void check_shapes(const struct op_form *form, const void *data)
{
    static const struct shape shapes[] = {
        // few kinds: a CPU's driver compiles each for as long as all of them run
        {1, 1, 4, 1, {{1, 1, NONE}}, ACT_SWISH},
        {2, 3, 3, 1, {{2, 3, NONE}}, ACT_SWISH},
        {33, 8, 4, 1, {{33, 8, NONE}}, ACT_SWISH},
        {1, 65, 5, 1, {{1, 65, NONE}}, ACT_SWISH},
        {65, 1, 2, 1, {{65, 1, NONE}}, ACT_SWISH},
        {7, 9, 10, 1, {{7, 9, NONE}}, ACT_RELU6, ACT_SWISH},
        {9, 8, 5, 1, {{4, 3, NEAREST}}, ACT_SWISH},
        {5, 4, 5, 1, {{9, 7, NEAREST}}, ACT_SWISH},
        {4, 4, 6, 1, {{8, 7, POOL}}, ACT_NONE, ACT_NONE, PAD_SYMMETRIC, POOL_PAD_IGNORE},
        {4, 4, 6, 1, {{8, 7, POOL}}, ACT_NONE, ACT_NONE, PAD_SYMMETRIC, POOL_PAD_ZERO},
        // pyramid nodes
        {10, 7, 9, 2, {{10, 7, NONE}, {5, 4, NEAREST}}, ACT_SWISH},
        {64, 64, 8, 2, {{64, 64, NONE}, {32, 32, NEAREST}}, ACT_SWISH},
        {16, 16, 33, 2, {{16, 16, NONE}, {8, 8, NEAREST}}, ACT_SWISH, .windows = true},
        {5, 4, 20, 3, {{5, 4, NONE}, {5, 4, NONE}, {10, 7, POOL}}, ACT_SWISH},
        {5, 4, 8, 2, {{10, 7, POOL}, {3, 2, NEAREST}}, ACT_RELU6, ACT_NONE, 0, POOL_PAD_ZERO},
        {6, 9, 8, 4, {{6, 9, NONE}, {3, 5, NEAREST}, {6, 9, NONE}, {3, 3, BILINEAR}}, ACT_SWISH},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(shapes); i++) {
        run_shape(form, &shapes[i]);
    }
}

static void test_shapes(void)
{
    op_test_forms("sum_depthwise", check_shapes, NULL);
}

// What no kernel does is refused, and nothing is dispatched.
static void test_refusals(void)
{
    if (!op_test_device()) {
        return;
    }
    const struct op_form form = {"buffer", false};
    const struct shape shape = {5, 4, 8, 2, {{5, 4, NONE}, {10, 7, POOL}}};
    const float factors[MAX_INPUTS] = {1, 1, 1, 1};
    struct op_test test;
    op_test_begin(&test, "sum_depthwise", &form, "refusals");
    const struct ref_tensor *inputs[MAX_INPUTS];
    struct node node = make_node(&test, &shape, inputs), wrong[4];
    op_test_plan(&test);
    struct folded folded = make_folded(&test, shape.channels);
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        wrong[i] = node;
    }
    wrong[0].stride = 2;
    wrong[1].resample[1] = NONE;
    wrong[2].inputs[1] = node.inputs[0]; // of the wrong size for a pool
    wrong[3].partial = node.inputs[0];
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(op_sum_depthwise_dispatch(&test.env, &wrong[i], &folded, factors, &error));
        g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED);
        g_assert_nonnull(strstr(error->message, "depthwise convolution 3x3"));
    }
    g_assert_cmpint((int)test.env.dispatches->len, ==, 0);
    folded_finish(&folded);
    op_test_end(&test);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sum_depthwise/shapes", test_shapes);
    g_test_add_func("/sum_depthwise/refusals", test_refusals);
    int status = g_test_run();
    op_test_finish_device();
    return status;
}
