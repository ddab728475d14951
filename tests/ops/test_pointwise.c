// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Pointwise convolution against the naive reference: every tile edge, odd channel counts, all
// epilogues, pyramids, views, and tensors over the storage range.
#include "op_test.h"

#include <math.h>

struct shape {
    int height, width, inputs, outputs;
    enum activation act;
    bool scale, residual;
    double amplitude; // of the inputs
};

// Sums of products of up to K terms; inputs to the activation of up to 10.
static double tolerance(int inputs)
{
    return 2e-6 * sqrt(inputs) + 5e-6; // fp32 sums, then exp and division of the device
}

static struct folded make_folded(const struct op_test *test, int inputs, int outputs, int levels)
{
    size_t count = (size_t)inputs * (size_t)outputs;
    return (struct folded){
        .outputs = outputs,
        .inputs = inputs,
        .kernel = 1,
        .n_levels = levels,
        .weight = op_test_floats("weight", count, 1 / sqrt(inputs), test->env.half),
        .bias = op_test_floats("bias", (size_t)(outputs * levels), 1, false),
        .scale = levels > 1 ? op_test_floats("scale", (size_t)(outputs * levels), 2, false) : NULL,
    };
}

static void free_folded(struct folded *folded)
{
    g_free(folded->weight);
    g_free(folded->bias);
    g_free(folded->scale);
}

static struct ref_tensor reference(const struct ref_tensor *x, const struct folded *folded,
                                   enum activation act, const struct ref_tensor *factors,
                                   const struct ref_tensor *residual)
{
    struct ref_tensor scaled = ref_new(x->c, x->h, x->w);
    for (int i = 0; i < x->c * x->h * x->w; i++) {
        scaled.data[i] = x->data[i] * (factors ? factors->data[i / (x->h * x->w)] : 1);
    }
    struct ref_tensor y = ref_pointwise(&scaled, folded->weight, folded->bias, folded->outputs);
    ref_free(&scaled);
    ref_activation(&y, act);
    if (residual) {
        ref_add(&y, residual);
    }
    return y;
}

static void run_shape(const struct op_form *form, const struct shape *shape, uint64_t range)
{
    struct op_test test;
    op_test_begin(&test, "pointwise", form,
                  "%dx%d %d->%d act %d scale %d residual %d +-%g range %d", shape->height,
                  shape->width, shape->inputs, shape->outputs, shape->act, shape->scale,
                  shape->residual, shape->amplitude, (int)range);
    int x = op_test_value(&test, shape->inputs, shape->height, shape->width);
    int y = op_test_value(&test, shape->outputs, shape->height, shape->width);
    struct node node = op_test_node(OP_POINTWISE, x, y);
    node.act = shape->act;
    const struct ref_tensor *factors = NULL, *residual = NULL;
    const struct ref_tensor *input = op_test_fill(&test, x, shape->amplitude);
    if (shape->scale) {
        node.scale = op_test_vector(&test, shape->inputs, 1);
        factors = op_test_fill(&test, node.scale, 1);
    }
    if (shape->residual) {
        node.residual = op_test_value(&test, shape->outputs, shape->height, shape->width);
        residual = op_test_fill(&test, node.residual, 1);
    }
    op_test_plan(&test);
    struct folded folded = make_folded(&test, shape->inputs, shape->outputs, 1);
    uint64_t whole_range = test.env.device->limits.storage_range;
    test.env.device->limits.storage_range = range ? range : whole_range;
    g_autoptr(GError) error = NULL;
    bool ok = op_pointwise_dispatch(&test.env, &node, &folded, &error);
    test.env.device->limits.storage_range = whole_range;
    g_assert_no_error(error);
    g_assert_true(ok);
    op_test_run(&test, &y, 1);
    struct ref_tensor want = reference(input, &folded, shape->act, factors, residual);
    struct ref_tensor got = op_test_read(&test, y);
    op_test_compare(&test, &got, &want, tolerance(shape->inputs));
    if (range) {
        g_assert_cmpint((int)test.env.dispatches->len, >, 1);
    }
    ref_free(&want);
    ref_free(&got);
    free_folded(&folded);
    op_test_end(&test);
}

// Pixels around 1, 16, 64, 256 and 512 (every tile's workgroup), channels around 4, 8 and 16. Only
// one set of specialisation constants, because every set is compiled for every variant.
static void check_shapes(const struct op_form *form, const void *data)
{
    static const double sizes[][5] = {
        // height, width, inputs, outputs, amplitude
        {1, 1, 4, 4, 1},     {1, 1, 1, 1, 4},    {3, 5, 3, 5, 1},     {4, 4, 6, 7, 9},
        {1, 17, 5, 8, 1},    {7, 9, 8, 9, 1},    {8, 8, 7, 15, 9},    {5, 13, 12, 16, 6},
        {15, 17, 16, 17, 1}, {16, 16, 9, 33, 1}, {1, 257, 10, 6, 9},  {7, 73, 4, 18, 1},
        {19, 27, 6, 10, 1},  {2, 3, 4, 4, 3e4},  {1, 2, 1152, 20, 2}, {1, 2, 3840, 8, 2},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        const double *size = sizes[i];
        const struct shape shape = {(int)size[0], (int)size[1], (int)size[2], (int)size[3],
                                    ACT_SWISH,    true,         true,         size[4]};
        run_shape(form, &shape, 0);
    }
}

static void test_shapes(void)
{
    op_test_forms("pointwise", check_shapes, NULL);
}

// One variant of each shader text.
static bool is_one_of(const struct op_form *form, const char *direct)
{
    return g_str_has_suffix(form->variant, direct) ||
           g_str_has_suffix(form->variant, "_tiled32x32") ||
           g_str_has_suffix(form->variant, "_split8x1");
}

// Every activation and combination of operands, on the smallest tile.
static void check_epilogues(const struct op_form *form, const void *data)
{
    static const struct shape shapes[] = {
        {2, 3, 6, 7, ACT_NONE, false, false, 1e-3}, {3, 5, 5, 4, ACT_NONE, false, true, 1},
        {3, 5, 5, 4, ACT_SWISH, true, false, 1},    {3, 3, 4, 9, ACT_RELU6, false, false, 9},
        {3, 3, 4, 9, ACT_RELU, false, false, 9},    {2, 3, 4, 4, ACT_SIGMOID, false, false, 3e4},
        {3, 9, 180, 20, ACT_SWISH, true, true, 1}, // several trips through the inputs
    };
    if (!is_one_of(form, "_4x1")) {
        return;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(shapes); i++) {
        run_shape(form, &shapes[i], 0);
    }
}

static void test_epilogues(void)
{
    op_test_forms("pointwise", check_epilogues, NULL);
}

// Tensors that exceed a small storage range (three channel blocks fit): windows over outputs,
// inputs, both.
static void check_windows(const struct op_form *form, const void *data)
{
    static const struct shape shapes[] = {
        {16, 16, 8, 40, ACT_SWISH, false, false, 1},
        {16, 16, 40, 8, ACT_SWISH, false, false, 1},
        {16, 16, 37, 41, ACT_NONE, true, true, 1},
    };
    if (!is_one_of(form, "_16x4")) {
        return;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(shapes); i++) {
        run_shape(form, &shapes[i], (form->half ? 8 : 16) * 256 * 3 + 256);
    }
}

static void test_windows(void)
{
    op_test_forms("pointwise", check_windows, NULL);
}

// A pyramid with a scale and bias of its own for each level, and a single view of one.
static void check_pyramid(const struct op_form *form, const void *data)
{
    static const int sizes[][2] = {{9, 11}, {5, 6}, {3, 3}, {2, 2}, {1, 1}};
    const int levels = G_N_ELEMENTS(sizes), inputs = 10, outputs = 18;
    if (!is_one_of(form, "_8x4")) {
        return;
    }
    struct op_test test;
    op_test_begin(&test, "pointwise", form, "pyramid of %d levels", levels);
    int x = op_test_pyramid(&test, inputs, levels, sizes);
    int y = op_test_pyramid(&test, outputs, levels, sizes);
    int z = op_test_pyramid(&test, outputs, levels, sizes);
    int view_x = op_test_view(&test, x, 1), view_z = op_test_view(&test, z, 1);
    const struct ref_tensor *input = op_test_fill(&test, x, 1);
    op_test_plan(&test);
    struct folded folded = make_folded(&test, inputs, outputs, levels);
    struct folded single = make_folded(&test, inputs, outputs, 1);
    struct node node = op_test_node(OP_POINTWISE, x, y);
    struct node view_node = op_test_node(OP_POINTWISE, view_x, view_z);
    node.act = ACT_SWISH;
    g_autoptr(GError) error = NULL;
    bool ok = op_pointwise_dispatch(&test.env, &node, &folded, &error) &&
              op_pointwise_dispatch(&test.env, &view_node, &single, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    const int written[] = {y, view_z};
    op_test_run(&test, written, 2);
    struct ref_tensor got = op_test_read(&test, y);
    for (int l = 0; l < levels; l++) {
        struct ref_tensor part = op_test_level(&test, x, input, l);
        struct folded level = folded;
        float *weight = g_new(float, inputs *outputs);
        for (int i = 0; i < inputs * outputs; i++) {
            weight[i] = folded.weight[i] * folded.scale[l * outputs + i / inputs];
        }
        level.weight = weight;
        level.bias = folded.bias + l * outputs;
        struct ref_tensor want = reference(&part, &level, ACT_SWISH, NULL, NULL);
        struct ref_tensor got_part = op_test_level(&test, y, &got, l);
        op_test_compare(&test, &got_part, &want, tolerance(inputs));
        ref_free(&part);
        ref_free(&want);
        ref_free(&got_part);
        g_free(weight);
    }
    struct ref_tensor part = op_test_level(&test, x, input, 1);
    struct ref_tensor want = reference(&part, &single, ACT_NONE, NULL, NULL);
    struct ref_tensor got_view = op_test_read(&test, view_z);
    op_test_compare(&test, &got_view, &want, tolerance(inputs));
    ref_free(&part);
    ref_free(&want);
    ref_free(&got_view);
    ref_free(&got);
    free_folded(&folded);
    free_folded(&single);
    op_test_end(&test);
}

static void test_pyramid(void)
{
    op_test_forms("pointwise", check_pyramid, NULL);
}

// Convolutions side by side: of one input, and each of its own channels of it; at once and in
// windows.
struct parts {
    int n, inputs, stride; // input channels of each, and from one to the next
    int outputs, last;     // output channels of all but the last, and of that
    bool windows;
};

static void run_parts(const struct op_form *form, const struct parts *parts)
{
    int blocks = 4 * channel_blocks(parts->outputs);
    struct op_test test;
    op_test_begin(&test, "pointwise", form, "%d parts %d (+%d) -> %d, %d windows %d", parts->n,
                  parts->inputs, parts->stride, parts->outputs, parts->last, parts->windows);
    int x = op_test_value(&test, parts->inputs + (parts->n - 1) * parts->stride, 16, 16);
    int y = op_test_value(&test, blocks * (parts->n - 1) + parts->last, 16, 16);
    struct node node = op_test_node(OP_POINTWISE, x, y);
    node.act = ACT_SWISH;
    node.n_parts = parts->n;
    const struct ref_tensor *input = op_test_fill(&test, x, 1);
    op_test_plan(&test);
    struct folded folded =
        make_folded(&test, parts->inputs, graph_value(&test.graph, y)->channels, 1);
    for (int p = 0; p < parts->n; p++) {
        node.parts[p] = (struct part){
            .channels = p < parts->n - 1 ? parts->outputs : parts->last,
            .first_output = p * blocks,
            .inputs = parts->inputs,
            .first_input = p * parts->stride,
        };
    }
    uint64_t whole_range = test.env.device->limits.storage_range;
    if (parts->windows) {
        test.env.device->limits.storage_range = (form->half ? 8 : 16) * 256 * 3 + 256;
    }
    g_autoptr(GError) error = NULL;
    bool ok = op_pointwise_dispatch(&test.env, &node, &folded, &error);
    test.env.device->limits.storage_range = whole_range;
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_true((test.env.dispatches->len > 1) == parts->windows);
    op_test_run(&test, &y, 1);
    struct ref_tensor got = op_test_read(&test, y);
    for (int p = 0; p < parts->n; p++) {
        const struct part *part = &node.parts[p];
        struct ref_tensor from = {parts->inputs, 16, 16, input->data + part->first_input * 256};
        struct ref_tensor found = {part->channels, 16, 16, got.data + part->first_output * 256};
        struct folded mine = folded;
        mine.weight += part->first_output * parts->inputs;
        mine.bias += part->first_output;
        mine.outputs = part->channels;
        struct ref_tensor want = reference(&from, &mine, ACT_SWISH, NULL, NULL);
        op_test_compare(&test, &found, &want, tolerance(parts->inputs));
        ref_free(&want);
    }
    ref_free(&got);
    free_folded(&folded);
    op_test_end(&test);
}

// The first of them on every tile; the others, which are compiled anew, on the smallest and a large
// one of each shader text.
static void check_parts(const struct op_form *form, const void *data)
{
    static const struct parts cases[] = {
        {2, 8, 0, 12, 12, false}, {3, 7, 0, 22, 22, false},  {2, 10, 12, 18, 5, false},
        {2, 6, 8, 3, 36, false},  {5, 12, 12, 9, 9, false},  {2, 40, 40, 33, 7, false},
        {3, 21, 0, 10, 10, true}, {2, 14, 16, 18, 20, true},
    };
    const bool all = is_one_of(form, "_4x1") || is_one_of(form, "_16x4");
    for (gsize i = 0; i < (all ? G_N_ELEMENTS(cases) : 3); i++) {
        run_parts(form, &cases[i]);
    }
}

static void test_parts(void)
{
    op_test_forms("pointwise", check_parts, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pointwise/shapes", test_shapes);
    g_test_add_func("/pointwise/epilogues", test_epilogues);
    g_test_add_func("/pointwise/windows", test_windows);
    g_test_add_func("/pointwise/pyramid", test_pyramid);
    g_test_add_func("/pointwise/parts", test_parts);
    int status = g_test_run();
    op_test_finish_device();
    return status;
}
