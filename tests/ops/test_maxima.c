// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The maxima that the kernels of the class head leave, against the results that they store: every
// kernel that leaves any, with and without boxes beside the classes, what is no number among them.
#include "op_test.h"
#include "ops/maxima.h"
#include "ops/separable.h"

#include <math.h>
#include <string.h>

struct shape {
    int inputs, classes, boxes; // channels; boxes: 0 for none
    int levels;
    bool odd_inputs; // some are NaN or infinite
};

static const struct shape shapes[] = {
    {10, 18, 12, 4, false}, {7, 130, 0, 1, false}, {12, 6, 36, 2, false},
    {8, 27, 36, 4, true},   {5, 96, 0, 3, true},
};
static const int sizes[][2] = {{13, 21}, {5, 6}, {3, 3}, {1, 2}};

struct head {
    struct op_test test;
    struct maxima maxima;
    int x, y; // values
    struct folded folded;
    float *depthwise;
};

static int add_classes(struct op_test *test, int parent, int channels)
{
    struct value view = *graph_value(&test->graph, parent);
    view.channels = channels;
    view.parent = parent;
    view.view_level = -1;
    view.view_block = 0;
    g_array_append_val(test->graph.values, view);
    return (int)test->graph.values->len - 1;
}

static void head_init(struct head *head, const char *stem, const struct op_form *form,
                      const struct shape *shape)
{
    struct op_test *test = &head->test;
    *head = (struct head){0};
    op_test_begin(test, stem, form, "maxima, %d levels, %d -> %d + %d, odd %d", shape->levels,
                  shape->inputs, shape->classes, shape->boxes, shape->odd_inputs);
    const int blocks = 4 * channel_blocks(shape->classes);
    const int outputs = shape->boxes ? blocks + shape->boxes : shape->classes;
    head->x = op_test_pyramid(test, shape->inputs, shape->levels, sizes);
    head->y = op_test_pyramid(test, outputs, shape->levels, sizes);
    struct ref_tensor *input = (struct ref_tensor *)op_test_fill(test, head->x, 3);
    static const double odd[] = {NAN, INFINITY, -INFINITY, -NAN};
    for (int i = 0; shape->odd_inputs && i < 4; i++) {
        input->data[(i + 1) * input->w / 5 + i * input->w] = odd[i];
    }
    test->graph.classes = shape->boxes ? add_classes(test, head->y, shape->classes) : head->y;
    test->env.maxima = &head->maxima;
    op_test_plan(test);
    head->folded = (struct folded){
        .outputs = outputs,
        .inputs = shape->inputs,
        .kernel = 1,
        .n_levels = 1,
        .weight = op_test_floats("weight", (size_t)(outputs * shape->inputs), 1, form->half),
        .bias = op_test_floats("bias", (size_t)outputs, 1, false),
    };
    for (int o = 0; o < outputs; o++) {
        head->folded.bias[o] -= o % 3 ? 0 : 8; // whole tiles of negative results
    }
    head->depthwise = op_test_floats("depthwise", (size_t)shape->inputs * 9, 0.5, form->half);
}

static bool dispatch_pointwise(struct head *head, const struct shape *shape)
{
    g_autoptr(GError) error = NULL;
    struct node node = op_test_node(OP_POINTWISE, head->x, head->y);
    node.n_parts = shape->boxes ? 2 : 1;
    node.parts[0] = (struct part){.channels = shape->classes, .inputs = shape->inputs};
    node.parts[1] = (struct part){.channels = shape->boxes,
                                  .inputs = shape->inputs,
                                  .first_output = 4 * channel_blocks(shape->classes)};
    bool ok = op_pointwise_dispatch(&head->test.env, &node, &head->folded, &error);
    g_assert_no_error(error);
    return ok;
}

static bool dispatch_separable(struct head *head, const struct shape *shape)
{
    g_autoptr(GError) error = NULL;
    struct separable step = {.name = "test",
                             .n_inputs = 1,
                             .inputs = {head->x},
                             .factors = {1},
                             .output = head->y,
                             .n_parts = shape->boxes ? 2 : 1,
                             .folded = &head->folded};
    for (int p = 0; p < step.n_parts; p++) {
        step.parts[p] = (struct separable_part){
            .inputs = shape->inputs,
            .channels = p ? shape->boxes : shape->classes,
            .first_output = p * 4 * channel_blocks(shape->classes),
            .depthwise = head->depthwise,
        };
    }
    bool ok = op_separable_dispatch(&head->test.env, &step, &error);
    g_assert_no_error(error);
    return ok;
}

static double float_of(uint32_t key)
{
    const uint32_t bits = key >> 31 ? key & 0x7fffffff : ~key;
    float number;
    memcpy(&number, &bits, sizeof number);
    return (double)number;
}

// got: all results; those of a tile are looked for among all, which is slow and plain.
static void check_tile(const struct head *head, const struct ref_tensor *got, int classes,
                       uint32_t row, uint32_t column, uint32_t key)
{
    const struct maxima *maxima = &head->maxima;
    const int pixels = got->h * got->w;
    double most = -INFINITY;
    bool any = false, odd = false;
    for (uint32_t i = 0; i < maxima->pixels; i++) {
        const uint32_t group = column / maxima->lanes;
        const uint32_t pixel =
            (group * maxima->pixels + i) * maxima->lanes + column % maxima->lanes;
        const int first = (int)(row * maxima->blocks * 4);
        const int end = MIN(classes, first + (int)maxima->blocks * 4);
        for (int c = first; c < end && pixel < (uint32_t)pixels; c++) {
            const double result = got->data[c * pixels + (int)pixel];
            odd = odd || isnan(result);
            any = true;
            most = MAX(most, isnan(result) ? -INFINITY : result);
        }
    }
    const double left = float_of(key);
    const double rounding =
        head->test.env.half && isfinite(most) ? fabs(most) * 0x1p-10 + 0x1p-14 : 0;
    const bool enough =
        isnan(left) ? key >> 31 || most == -INFINITY : left >= most - rounding || left == most;
    const bool exact =
        odd || left <= most + rounding || left == most || (head->test.env.half && most == INFINITY);
    if (any && !(enough && exact)) {
        g_test_message("%s: tile of row %u, column %u: maximum %g, wanted %g", head->test.name, row,
                       column, left, most);
        g_test_fail();
    }
}

static void check_results(struct head *head, const struct shape *shape)
{
    g_autoptr(GError) error = NULL;
    struct device *device = op_test_the_device();
    struct maxima *maxima = &head->maxima;
    g_autofree uint32_t *keys = g_malloc0(maxima->bytes);
    bool ok = buffer_init(&maxima->buffer, device, maxima->bytes, MEMORY_DEVICE, &error) &&
              buffer_write(&maxima->buffer, device, 0, keys, maxima->bytes, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    op_test_run(&head->test, &head->y, 1);
    ok = buffer_read(&maxima->buffer, device, 0, keys, maxima->bytes, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    struct ref_tensor got = {0};
    if (!shape->odd_inputs) {
        got = op_test_read(&head->test, head->y);
    } else { // the lanes past the last channel are odd too
        struct value *value = graph_value(&head->test.graph, head->y);
        const int channels = value->channels;
        value->channels = 4 * channel_blocks(channels);
        got = op_test_read(&head->test, head->y);
        value->channels = channels;
    }
    for (uint32_t i = 0; i < maxima->rows * maxima->columns; i++) {
        check_tile(head, &got, shape->classes, i / maxima->columns, i % maxima->columns, keys[i]);
    }
    g_assert_cmpuint(maxima->rows * maxima->blocks * 4, >=, (guint)shape->classes);
    g_assert_cmpuint(maxima->columns * maxima->pixels, >=, (guint)(got.h * got.w));
    ref_free(&got);
}

static void run_shape(const char *stem, const struct op_form *form, const struct shape *shape,
                      bool windows)
{
    struct head head;
    head_init(&head, stem, form, shape);
    struct device *device = op_test_the_device();
    const uint64_t whole_range = device->limits.storage_range;
    if (windows) {
        device->limits.storage_range = graph_value(&head.test.graph, head.y)->bytes - 1;
    }
    const bool separable = g_str_equal(stem, "separable");
    g_assert_true(separable ? dispatch_separable(&head, shape) : dispatch_pointwise(&head, shape));
    device->limits.storage_range = whole_range;
    const bool leaves = !windows && !strstr(form->variant, "split") && // whose sums are shared
                        !g_str_has_suffix(form->variant, "_4x1");      // too small
    g_assert_cmpint(head.maxima.rows > 0, ==, leaves);
    if (leaves) {
        check_results(&head, shape);
    }
    buffer_finish(&head.maxima.buffer, device);
    folded_finish(&head.folded);
    g_free(head.depthwise);
    op_test_end(&head.test);
}

static void check_form(const struct op_form *form, const void *data)
{
    for (gsize i = 0; i < G_N_ELEMENTS(shapes); i++) {
        run_shape(data, form, &shapes[i], false);
    }
    run_shape(data, form, &shapes[0], true);
}

static void test_pointwise(void)
{
    op_test_forms("pointwise", check_form, "pointwise");
}

static void test_separable(void)
{
    op_test_forms("separable", check_form, "separable");
}

// Views of levels, and parts that are not the first, are not all of the classes.
static void test_wanted(void)
{
    struct op_test test;
    const struct op_form form = {"buffer_8x4", false};
    if (!op_test_device()) {
        return;
    }
    struct maxima maxima = {0};
    op_test_begin(&test, "pointwise", &form, "wanted");
    int y = op_test_pyramid(&test, 40, 2, sizes), other = op_test_pyramid(&test, 40, 2, sizes);
    test.graph.classes = y;
    g_assert_false(maxima_wanted(&test.env, y));
    test.env.maxima = &maxima;
    g_assert_true(maxima_wanted(&test.env, y));
    g_assert_false(maxima_wanted(&test.env, other));
    g_assert_false(maxima_wanted(&test.env, op_test_view(&test, y, 0)));
    test.graph.classes = add_classes(&test, y, 20);
    g_assert_true(maxima_wanted(&test.env, y));
    graph_value(&test.graph, test.graph.classes)->view_block = 1;
    g_assert_false(maxima_wanted(&test.env, y));
    op_test_end(&test);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/maxima/wanted", test_wanted);
    g_test_add_func("/maxima/pointwise", test_pointwise);
    g_test_add_func("/maxima/separable", test_separable);
    int status = g_test_run();
    op_test_finish_device();
    return status;
}
