// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Depthwise convolution against the naive reference: both kernels, strides and paddings around
// every tile edge, partial sums, pyramids, and tensors over the storage range.
#include "op_test.h"

#include "net/tiles.h"

#define TOLERANCE 2e-5 // up to 25 products, then exp and division of the device

struct shape {
    int height, width, channels;
    int kernel, stride;
    enum pad_type pad;
    enum activation act;
    bool partial;
    double amplitude;
};

static struct folded make_folded(const struct op_test *test, int channels, int kernel)
{
    return (struct folded){
        .outputs = channels,
        .inputs = 1,
        .kernel = kernel,
        .n_levels = 1,
        .weight =
            op_test_floats("weight", (size_t)(channels * kernel * kernel), 0.3, test->env.half),
        .bias = op_test_floats("bias", (size_t)channels, 1, false),
    };
}

// The sums that the operation left add up to those of the wanted results.
static void check_partial(const struct op_test *test, int partial, const struct ref_tensor *want)
{
    int count = op_partials(&test->env, partial);
    struct ref_tensor sums = op_test_read_first(test, partial, count);
    struct ref_tensor got = ref_new(want->c, 1, 1), total = ref_new(want->c, 1, 1);
    for (int c = 0; c < want->c; c++) {
        for (int i = 0; i < count; i++) {
            got.data[c] += sums.data[c * sums.w + i];
        }
        for (int i = 0; i < want->h * want->w; i++) {
            total.data[c] += want->data[c * want->h * want->w + i];
        }
    }
    op_test_compare(test, &got, &total, TOLERANCE);
    ref_free(&sums);
    ref_free(&got);
    ref_free(&total);
}

static void run_shape(const struct op_form *form, const struct shape *shape, uint64_t range,
                      bool cpu_plan)
{
    struct op_test test;
    op_test_begin(&test, "depthwise", form,
                  "%dx%d %d channels k%d s%d pad %d act %d partial %d +-%g range %d cpu %d",
                  shape->height, shape->width, shape->channels, shape->kernel, shape->stride,
                  shape->pad, shape->act, shape->partial, shape->amplitude, (int)range, cpu_plan);
    test.env.cpu_plan = cpu_plan;
    int height = conv_output_size(shape->height, shape->stride);
    int width = conv_output_size(shape->width, shape->stride);
    int x = op_test_value(&test, shape->channels, shape->height, shape->width);
    int y = op_test_value(&test, shape->channels, height, width);
    struct node node = op_test_node(OP_DEPTHWISE, x, y);
    node.kernel = shape->kernel;
    node.stride = shape->stride;
    node.pad = shape->pad;
    node.act = shape->act;
    if (shape->partial) {
        node.partial = op_test_vector(&test, shape->channels, depthwise_tiles(height, width));
    }
    const struct ref_tensor *input = op_test_fill(&test, x, shape->amplitude);
    op_test_plan(&test);
    struct folded folded = make_folded(&test, shape->channels, shape->kernel);
    uint64_t whole_range = test.env.device->limits.storage_range;
    test.env.device->limits.storage_range = range ? range : whole_range;
    g_autoptr(GError) error = NULL;
    bool ok = op_depthwise_dispatch(&test.env, &node, &folded, &error);
    test.env.device->limits.storage_range = whole_range;
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_cmpint((int)test.env.dispatches->len > 1, ==, range > 0);
    const int written[] = {y, node.partial};
    op_test_run(&test, written, shape->partial ? 2 : 1);
    struct ref_tensor want =
        ref_depthwise(input, folded.weight, folded.bias, shape->kernel, shape->stride, shape->pad);
    ref_activation(&want, shape->act);
    struct ref_tensor got = op_test_read(&test, y);
    op_test_compare(&test, &got, &want, TOLERANCE);
    if (shape->partial) {
        check_partial(&test, node.partial, &want);
    }
    ref_free(&want);
    ref_free(&got);
    g_free(folded.weight);
    g_free(folded.bias);
    op_test_end(&test);
}

static void check_shapes(const struct op_form *form, const void *data)
{
    static const int sizes[][3] = {{1, 1, 4},  {2, 2, 3},  {3, 4, 5},   {4, 3, 1},
                                   {5, 5, 8},  {7, 2, 10}, {8, 9, 2},   {16, 17, 3},
                                   {1, 65, 4}, {33, 1, 4}, {13, 40, 6}, {32, 32, 4}};
    for (int k = 3; k <= 5; k += 2) {
        for (int s = 1; s <= 2; s++) {
            for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
                struct shape shape = {
                    sizes[i][0], sizes[i][1], sizes[i][2],
                    k,           s,           i % 3 == 2 ? PAD_SYMMETRIC : PAD_SAME,
                    ACT_SWISH,   false,       1};
                run_shape(form, &shape, 0, op_test_the_device()->is_cpu);
            }
        }
    }
}

static void test_shapes(void)
{
    op_test_forms("depthwise", check_shapes, NULL);
}

// Partial sums in both manners (one a tile, one a workgroup), and the other activations.
static void check_partials(const struct op_form *form, const void *data)
{
    static const struct shape shapes[] = {
        {1, 1, 4, 3, 1, PAD_SAME, ACT_SWISH, true, 1},
        {9, 7, 10, 3, 1, PAD_SAME, ACT_SWISH, true, 1},
        {40, 33, 6, 5, 2, PAD_SAME, ACT_SWISH, true, 1},
        {64, 31, 5, 5, 1, PAD_SAME, ACT_SWISH, true, 1},
        {6, 7, 4, 3, 2, PAD_SAME, ACT_RELU6, true, 9},
        {6, 7, 4, 3, 1, PAD_SAME, ACT_NONE, false, 1e-3},
        {6, 7, 4, 3, 1, PAD_SAME, ACT_SWISH, false, 3e4}, // exp(-x) overflows
    };
    // only one a tile; lanes are the same in both forms
    const bool lanes = g_str_equal(form->variant, "buffer_lanes4x8") && !form->half;
    const bool large = lanes || g_str_has_suffix(form->variant, "_4x4");
    if (!large && !g_str_has_suffix(form->variant, "_4x2")) {
        return;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(shapes); i++) {
        run_shape(form, &shapes[i], 0, true);
        if (!large) {
            run_shape(form, &shapes[i], 0, false);
        }
    }
}

static void test_partials(void)
{
    op_test_forms("depthwise", check_partials, NULL);
}

// Tensors that exceed a small storage range: three channel blocks fit.
static void check_windows(const struct op_form *form, const void *data)
{
    static const struct shape shape = {16, 16, 33, 3, 1, PAD_SAME, ACT_SWISH, true, 1};
    if (g_str_has_suffix(form->variant, "_4x2")) {
        run_shape(form, &shape, (form->half ? 8 : 16) * 256 * 3 + 256, true);
    }
}

static void test_windows(void)
{
    op_test_forms("depthwise", check_windows, NULL);
}

static void check_pyramid(const struct op_form *form, const void *data)
{
    static const int sizes[][2] = {{9, 11}, {5, 6}, {3, 3}, {2, 2}, {1, 1}};
    const int levels = G_N_ELEMENTS(sizes), channels = 10;
    struct op_test test;
    op_test_begin(&test, "depthwise", form, "pyramid of %d levels", levels);
    int x = op_test_pyramid(&test, channels, levels, sizes);
    int y = op_test_pyramid(&test, channels, levels, sizes);
    int z = op_test_pyramid(&test, channels, levels, sizes);
    int view_x = op_test_view(&test, x, 1), view_z = op_test_view(&test, z, 1);
    const struct ref_tensor *input = op_test_fill(&test, x, 1);
    op_test_plan(&test);
    struct folded folded = make_folded(&test, channels, 3);
    struct node node = op_test_node(OP_DEPTHWISE, x, y);
    node.kernel = 3;
    node.stride = 1;
    struct node view_node = node;
    view_node.inputs[0] = view_x;
    view_node.output = view_z;
    g_autoptr(GError) error = NULL;
    bool ok = op_depthwise_dispatch(&test.env, &node, &folded, &error) &&
              op_depthwise_dispatch(&test.env, &view_node, &folded, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    const int written[] = {y, view_z};
    op_test_run(&test, written, 2);
    struct ref_tensor got = op_test_read(&test, y), got_view = op_test_read(&test, view_z);
    for (int l = 0; l < levels; l++) {
        struct ref_tensor part = op_test_level(&test, x, input, l);
        struct ref_tensor want = ref_depthwise(&part, folded.weight, folded.bias, 3, 1, PAD_SAME);
        struct ref_tensor got_part = op_test_level(&test, y, &got, l);
        op_test_compare(&test, &got_part, &want, TOLERANCE);
        if (l == 1) {
            op_test_compare(&test, &got_view, &want, TOLERANCE);
        }
        ref_free(&part);
        ref_free(&want);
        ref_free(&got_part);
    }
    ref_free(&got);
    ref_free(&got_view);
    g_free(folded.weight);
    g_free(folded.bias);
    op_test_end(&test);
}

static void test_pyramid(void)
{
    op_test_forms("depthwise", check_pyramid, NULL);
}

// Two convolutions side by side: of the same channels, and each of its own; at once and in windows.
static void run_parts(const struct op_form *form, int channels, bool shared, bool windows)
{
    int stride = 4 * channel_blocks(channels), outputs = stride + channels;
    struct op_test test;
    op_test_begin(&test, "depthwise", form, "parts of %d channels, shared %d, windows %d", channels,
                  shared, windows);
    int x = op_test_value(&test, shared ? channels : outputs, 16, 16);
    int y = op_test_value(&test, outputs, 16, 16);
    struct node node = op_test_node(OP_DEPTHWISE, x, y);
    node.kernel = 3;
    node.stride = 1;
    node.n_parts = 2;
    for (int p = 0; p < 2; p++) {
        node.parts[p] = (struct part){.channels = channels,
                                      .first_output = p * stride,
                                      .inputs = channels,
                                      .first_input = shared ? 0 : p * stride};
    }
    const struct ref_tensor *input = op_test_fill(&test, x, 1);
    op_test_plan(&test);
    struct folded folded = make_folded(&test, outputs, 3);
    uint64_t whole_range = test.env.device->limits.storage_range;
    if (windows) {
        test.env.device->limits.storage_range = (form->half ? 8 : 16) * 256 * 3 + 256;
    }
    g_autoptr(GError) error = NULL;
    bool ok = op_depthwise_dispatch(&test.env, &node, &folded, &error);
    test.env.device->limits.storage_range = whole_range;
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_true((test.env.dispatches->len > 1) == windows);
    op_test_run(&test, &y, 1);
    struct ref_tensor got = op_test_read(&test, y);
    for (int p = 0; p < 2; p++) {
        const struct part *part = &node.parts[p];
        struct ref_tensor from = {channels, 16, 16, input->data + part->first_input * 256};
        struct ref_tensor found = {channels, 16, 16, got.data + part->first_output * 256};
        struct ref_tensor want = ref_depthwise(&from, folded.weight + part->first_output * 9,
                                               folded.bias + part->first_output, 3, 1, PAD_SAME);
        op_test_compare(&test, &found, &want, TOLERANCE);
        ref_free(&want);
    }
    ref_free(&got);
    g_free(folded.weight);
    g_free(folded.bias);
    op_test_end(&test);
}

static void check_parts(const struct op_form *form, const void *data)
{
    static const int channels[] = {3, 8, 22};
    for (int i = 0; i < 12; i++) {
        run_parts(form, channels[i / 4], i & 1, i & 2 && channels[i / 4] > 8);
    }
}

static void test_parts(void)
{
    op_test_forms("depthwise", check_parts, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/depthwise/shapes", test_shapes);
    g_test_add_func("/depthwise/partials", test_partials);
    g_test_add_func("/depthwise/windows", test_windows);
    g_test_add_func("/depthwise/pyramid", test_pyramid);
    g_test_add_func("/depthwise/parts", test_parts);
    int status = g_test_run();
    op_test_finish_device();
    return status;
}
