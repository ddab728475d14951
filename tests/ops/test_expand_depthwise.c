// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// 1x1 and depthwise convolution in one dispatch against the naive references one after the other:
// both kernels, strides and paddings around every tile edge, partial sums, tensors over the storage
// range.
#include "op_test.h"

#include "net/tiles.h"

#define TOLERANCE 4e-5 // of two convolutions with their activations
// what is between is rounded to fp16 as well
#define TOLERANCE_HALF 1e-3

struct shape {
    int height, width, inputs, channels;
    int kernel, stride;
    enum pad_type pad;
    enum activation act_in, act;
    bool partial;
};

static double tolerance(const struct op_test *test)
{
    return test->env.half ? TOLERANCE_HALF : TOLERANCE;
}

static struct folded make_folded(const struct op_test *test, const char *name, int outputs,
                                 int inputs, int kernel)
{
    g_autofree char *bias = g_strconcat(name, " bias", NULL);
    return (struct folded){
        .outputs = outputs,
        .inputs = inputs,
        .kernel = kernel,
        .n_levels = 1,
        .weight =
            op_test_floats(name, (size_t)(outputs * inputs * kernel * kernel), 0.3, test->env.half),
        .bias = op_test_floats(bias, (size_t)outputs, 1, false),
    };
}

// The sums that the operation left add up to those of the wanted results.
static void check_partial(const struct op_test *test, int partial, const struct ref_tensor *want)
{
    int count = op_partials(&test->env, partial);
    g_assert_cmpint(count, ==, graph_value(&test->graph, partial)->pixels);
    struct ref_tensor sums = op_test_read(test, partial);
    struct ref_tensor got = ref_new(want->c, 1, 1), total = ref_new(want->c, 1, 1);
    for (int c = 0; c < want->c; c++) {
        for (int i = 0; i < count; i++) {
            got.data[c] += sums.data[c * count + i];
        }
        for (int i = 0; i < want->h * want->w; i++) {
            total.data[c] += want->data[c * want->h * want->w + i];
        }
    }
    op_test_compare(test, &got, &total, tolerance(test));
    ref_free(&sums);
    ref_free(&got);
    ref_free(&total);
}

static void run_shape(const struct op_form *form, const struct shape *shape, uint64_t range)
{
    struct op_test test;
    op_test_begin(&test, "expand_depthwise", form,
                  "%dx%d, %d to %d channels k%d s%d pad %d act %d %d partial %d range %d",
                  shape->height, shape->width, shape->inputs, shape->channels, shape->kernel,
                  shape->stride, shape->pad, shape->act_in, shape->act, shape->partial, (int)range);
    int height = conv_output_size(shape->height, shape->stride);
    int width = conv_output_size(shape->width, shape->stride);
    int x = op_test_value(&test, shape->inputs, shape->height, shape->width);
    int y = op_test_value(&test, shape->channels, height, width);
    struct node node = op_test_node(OP_EXPAND_DEPTHWISE, x, y);
    node.kernel = shape->kernel;
    node.stride = shape->stride;
    node.pad = shape->pad;
    node.act_in = shape->act_in;
    node.act = shape->act;
    if (shape->partial) {
        node.partial =
            op_test_vector(&test, shape->channels, expand_depthwise_strips(height, width));
    }
    const struct ref_tensor *input = op_test_fill(&test, x, 1);
    op_test_plan(&test);
    struct folded expand = make_folded(&test, "expand", shape->channels, shape->inputs, 1);
    struct folded depthwise = make_folded(&test, "depthwise", shape->channels, 1, shape->kernel);
    uint64_t whole_range = test.env.device->limits.storage_range;
    test.env.device->limits.storage_range = range ? range : whole_range;
    g_autoptr(GError) error = NULL;
    bool ok = op_expand_depthwise_dispatch(&test.env, &node, &expand, &depthwise, &error);
    test.env.device->limits.storage_range = whole_range;
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_cmpint((int)test.env.dispatches->len > 1, ==, range > 0);
    const int written[] = {y, node.partial};
    op_test_run(&test, written, shape->partial ? 2 : 1);
    struct ref_tensor middle = ref_pointwise(input, expand.weight, expand.bias, shape->channels);
    ref_activation(&middle, shape->act_in);
    struct ref_tensor want = ref_depthwise(&middle, depthwise.weight, depthwise.bias, shape->kernel,
                                           shape->stride, shape->pad);
    ref_activation(&want, shape->act);
    struct ref_tensor got = op_test_read(&test, y);
    op_test_compare(&test, &got, &want, tolerance(&test));
    if (shape->partial) {
        check_partial(&test, node.partial, &want);
    }
    ref_free(&middle);
    ref_free(&want);
    ref_free(&got);
    folded_finish(&expand);
    folded_finish(&depthwise);
    op_test_end(&test);
}

static void check_shapes(const struct op_form *form, const void *data)
{
    static const int sizes[][4] = {{1, 1, 4, 4},   {2, 2, 3, 18},   {3, 4, 5, 7},  {8, 8, 16, 16},
                                   {9, 7, 6, 33},  {16, 17, 8, 3},  {1, 65, 4, 9}, {33, 1, 1, 4},
                                   {13, 40, 9, 6}, {31, 34, 12, 20}};
    for (int k = 3; k <= 5; k += 2) {
        for (int s = 1; s <= 2; s++) {
            for (gsize i = 0; i < 2 * G_N_ELEMENTS(sizes); i++) {
                const int *size = sizes[i / 2];
                struct shape shape = {size[0],
                                      size[1],
                                      size[2],
                                      size[3],
                                      k,
                                      s,
                                      i % 2 ? PAD_SYMMETRIC : PAD_SAME,
                                      ACT_SWISH,
                                      i % 3 ? ACT_SWISH : ACT_NONE,
                                      i % 4 < 2};
                run_shape(form, &shape, 0);
            }
        }
    }
}

static void test_shapes(void)
{
    op_test_forms("expand_depthwise", check_shapes, NULL);
}

// More than one strip of tiles, the last one short; activations that differ.
static void check_strips(const struct op_form *form, const void *data)
{
    static const struct shape shapes[] = {
        {65, 41, 5, 18, 3, 1, PAD_SAME, ACT_SWISH, ACT_SWISH, true},
        {70, 90, 6, 10, 5, 2, PAD_SAME, ACT_RELU6, ACT_SIGMOID, true},
        {40, 40, 8, 16, 5, 1, PAD_SYMMETRIC, ACT_RELU, ACT_RELU6, true},
        {64, 128, 4, 12, 3, 2, PAD_SYMMETRIC, ACT_NONE, ACT_SWISH, true},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(shapes); i++) {
        run_shape(form, &shapes[i], 0);
    }
}

static void test_strips(void)
{
    op_test_forms("expand_depthwise", check_strips, NULL);
}

// Outputs that exceed a small storage range: three channel blocks fit.
static void check_windows(const struct op_form *form, const void *data)
{
    static const struct shape shapes[] = {
        {16, 16, 8, 33, 3, 1, PAD_SAME, ACT_SWISH, ACT_SWISH, true},
        {16, 16, 8, 30, 5, 1, PAD_SAME, ACT_SWISH, ACT_SWISH, false},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(shapes); i++) {
        run_shape(form, &shapes[i], (form->half ? 8 : 16) * 256 * 3 + 256);
    }
}

static void test_windows(void)
{
    op_test_forms("expand_depthwise", check_windows, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/expand_depthwise/shapes", test_shapes);
    g_test_add_func("/expand_depthwise/strips", test_strips);
    g_test_add_func("/expand_depthwise/windows", test_windows);
    int status = g_test_run();
    op_test_finish_device();
    return status;
}
