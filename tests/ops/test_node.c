// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Pyramid nodes against the naive reference: sums of one to four inputs, every resampling and pool
// padding, odd sizes, views, and tensors over the storage range.
#include "op_test.h"

#define TOLERANCE 1e-5 // four products; bilinear coordinates in fp32

struct shape {
    int height, width, channels; // of the output
    int n_inputs;
    struct {
        int height, width;
        enum resample resample;
    } inputs[MAX_INPUTS];
    enum pad_type pad;
    enum pool_padding padding;
    enum activation act;
    double amplitude;
    bool windows;
};

static void run_shape(const struct op_form *form, const struct shape *shape)
{
    struct op_test test;
    op_test_begin(&test, "node", form,
                  "%dx%d of %d channels, %d inputs (%dx%d by %d; %dx%d by %d), pad %d/%d, act %d, "
                  "+-%g, windows %d",
                  shape->height, shape->width, shape->channels, shape->n_inputs,
                  shape->inputs[0].height, shape->inputs[0].width, shape->inputs[0].resample,
                  shape->inputs[1].height, shape->inputs[1].width, shape->inputs[1].resample,
                  shape->pad, shape->padding, shape->act, shape->amplitude, shape->windows);
    int y = op_test_value(&test, shape->channels, shape->height, shape->width);
    struct node node = op_test_node(OP_NODE, -1, y);
    node.n_inputs = shape->n_inputs;
    node.pad = shape->pad;
    node.pool_padding = shape->padding;
    node.act = shape->act;
    const struct ref_tensor *inputs[MAX_INPUTS];
    uint64_t largest = 0;
    for (int i = 0; i < shape->n_inputs; i++) {
        node.inputs[i] =
            op_test_value(&test, shape->channels, shape->inputs[i].height, shape->inputs[i].width);
        node.resample[i] = shape->inputs[i].resample;
        inputs[i] = op_test_fill(&test, node.inputs[i], shape->amplitude);
    }
    op_test_plan(&test);
    for (int i = 0; i < shape->n_inputs; i++) {
        largest = MAX(largest, graph_value(&test.graph, node.inputs[i])->bytes);
    }
    const float factors[MAX_INPUTS] = {0.75f, 1, 0.3f, -0.5f};
    uint64_t whole_range = test.env.device->limits.storage_range;
    if (shape->windows) {
        test.env.device->limits.storage_range = largest - 1;
    }
    g_autoptr(GError) error = NULL;
    bool ok = op_node_dispatch(&test.env, &node, factors, &error);
    test.env.device->limits.storage_range = whole_range;
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_cmpint((int)test.env.dispatches->len > 1, ==, shape->windows);
    op_test_run(&test, &y, 1);
    struct ref_tensor want =
        op_test_weighted_sum(&node, factors, inputs, shape->height, shape->width);
    struct ref_tensor got = op_test_read(&test, y);
    ref_activation(&want, shape->act);
    op_test_compare(&test, &got, &want, TOLERANCE);
    ref_free(&want);
    ref_free(&got);
    op_test_end(&test);
}

#define NONE RESAMPLE_NONE
#define NEAREST RESAMPLE_NEAREST
#define BILINEAR RESAMPLE_BILINEAR
#define POOL RESAMPLE_MAXPOOL

static void check_shapes(const struct op_form *form, const void *data)
{
    static const struct shape shapes[] = {
        // plain activation, addition, resampling
        {1, 1, 4, 1, {{1, 1, NONE}}, 0, 0, ACT_SWISH, 4},
        {7, 9, 3, 1, {{7, 9, NONE}}, 0, 0, ACT_SWISH, 4},
        {8, 8, 17, 2, {{8, 8, NONE}, {8, 8, NONE}}, 0, 0, ACT_NONE, 1},
        {5, 13, 10, 2, {{5, 13, NONE}, {5, 13, NONE}}, 0, 0, ACT_NONE, 1},
        {6, 8, 5, 1, {{3, 4, NEAREST}}, 0, 0, ACT_NONE, 1},
        {9, 8, 5, 1, {{4, 3, NEAREST}}, 0, 0, ACT_NONE, 1},
        {7, 5, 4, 1, {{4, 3, BILINEAR}}, 0, 0, ACT_NONE, 1},
        {4, 3, 4, 1, {{7, 5, BILINEAR}}, 0, 0, ACT_NONE, 1},
        {3, 4, 4, 1, {{11, 13, BILINEAR}}, 0, 0, ACT_NONE, 1},
        // pools: both paddings, odd and even
        {4, 4, 6, 1, {{8, 8, POOL}}, PAD_SAME, POOL_PAD_IGNORE, ACT_NONE, 1},
        {4, 5, 6, 1, {{7, 9, POOL}}, PAD_SAME, POOL_PAD_IGNORE, ACT_NONE, 1},
        {1, 1, 6, 1, {{1, 2, POOL}}, PAD_SAME, POOL_PAD_IGNORE, ACT_NONE, 1},
        {4, 4, 6, 1, {{8, 8, POOL}}, PAD_SAME, POOL_PAD_ZERO, ACT_NONE, 1},
        {3, 1, 6, 1, {{5, 1, POOL}}, PAD_SAME, POOL_PAD_ZERO, ACT_NONE, 1},
        {4, 4, 6, 1, {{8, 7, POOL}}, PAD_SYMMETRIC, POOL_PAD_IGNORE, ACT_NONE, 1},
        {4, 4, 6, 1, {{8, 7, POOL}}, PAD_SYMMETRIC, POOL_PAD_ZERO, ACT_NONE, 1},
        // pyramid nodes
        {10, 7, 9, 2, {{10, 7, NONE}, {5, 4, NEAREST}}, PAD_SAME, 0, ACT_SWISH, 2},
        {5, 4, 20, 3, {{5, 4, NONE}, {5, 4, NONE}, {10, 7, POOL}}, 0, 0, ACT_SWISH, 2},
        {5, 4, 8, 2, {{10, 7, POOL}, {3, 2, NEAREST}}, 0, POOL_PAD_ZERO, ACT_RELU6, 9},
        {6,
         6,
         8,
         4,
         {{6, 6, NONE}, {3, 3, NEAREST}, {12, 11, POOL}, {3, 3, BILINEAR}},
         0,
         0,
         ACT_SWISH,
         2},
        {16, 16, 33, 2, {{16, 16, NONE}, {8, 8, NEAREST}}, 0, 0, ACT_SWISH, 2, true},
        {3, 4, 4, 1, {{3, 4, NONE}}, 0, 0, ACT_SWISH, 3e4},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(shapes); i++) {
        run_shape(form, &shapes[i]);
    }
}

static void test_shapes(void)
{
    op_test_forms("node", check_shapes, NULL);
}

// Levels of a pyramid as input and output, and a whole pyramid added up.
static void check_pyramid(const struct op_form *form, const void *data)
{
    static const int sizes[][2] = {{9, 11}, {5, 6}, {3, 3}};
    const int levels = G_N_ELEMENTS(sizes), channels = 10;
    const float factors[MAX_INPUTS] = {1, 0.5f};
    struct op_test test;
    op_test_begin(&test, "node", form, "pyramid of %d levels", levels);
    int x = op_test_pyramid(&test, channels, levels, sizes);
    int y = op_test_pyramid(&test, channels, levels, sizes);
    int z = op_test_pyramid(&test, channels, levels, sizes);
    int view_low = op_test_view(&test, x, 0), view_high = op_test_view(&test, x, 1);
    int view_y = op_test_view(&test, y, 1);
    const struct ref_tensor *input = op_test_fill(&test, x, 2);
    op_test_plan(&test);
    struct node whole = op_test_node(OP_NODE, x, z);
    whole.act = ACT_SWISH;
    struct node view = op_test_node(OP_NODE, view_high, view_y);
    view.n_inputs = 2;
    view.inputs[1] = view_low;
    view.resample[1] = RESAMPLE_MAXPOOL;
    g_autoptr(GError) error = NULL;
    bool ok = op_node_dispatch(&test.env, &whole, factors, &error) &&
              op_node_dispatch(&test.env, &view, factors, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    const int written[] = {z, view_y};
    op_test_run(&test, written, 2);
    struct ref_tensor want = ref_new(channels, 1, input->w), got = op_test_read(&test, z);
    ref_add(&want, input);
    ref_activation(&want, ACT_SWISH);
    op_test_compare(&test, &got, &want, TOLERANCE);
    struct ref_tensor low = op_test_level(&test, x, input, 0);
    struct ref_tensor high = op_test_level(&test, x, input, 1);
    struct ref_tensor want_view = op_test_weighted_sum(
        &view, factors, (const struct ref_tensor *const[]){&high, &low}, 5, 6);
    struct ref_tensor got_view = op_test_read(&test, view_y);
    op_test_compare(&test, &got_view, &want_view, TOLERANCE);
    ref_free(&want);
    ref_free(&got);
    ref_free(&low);
    ref_free(&high);
    ref_free(&want_view);
    ref_free(&got_view);
    op_test_end(&test);
}

static void test_pyramid(void)
{
    op_test_forms("node", check_pyramid, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/node/shapes", test_shapes);
    g_test_add_func("/node/pyramid", test_pyramid);
    int status = g_test_run();
    op_test_finish_device();
    return status;
}
