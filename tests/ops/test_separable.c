// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Separable convolutions with the weighted sum before them, and chains of them, against the naive
// single operations: every resampling, levels, parts, awkward sizes and channels, windows.
#include "op_test.h"
#include "ops/separable.h"

#include <string.h>

// fp32: sums of up to 9 * channels products. fp16: three more roundings inside (2^-11 each of the
// sum, which the convolutions average out).
#define TOLERANCE 2e-5
#define TOLERANCE_HALF 0x1p-9

#define NONE RESAMPLE_NONE
#define NEAREST RESAMPLE_NEAREST
#define BILINEAR RESAMPLE_BILINEAR
#define POOL RESAMPLE_MAXPOOL

struct shape {
    int height, width;             // of the output
    int inputs;                    // channels of a part
    int channels[SEPARABLE_PARTS]; // outputs of each part; none: the sum only
    int n_inputs;
    struct {
        int height, width;
        enum resample resample;
    } from[MAX_INPUTS];
    enum activation act_in, act;
    enum pad_type pad;
    enum pool_padding padding;
    int levels;        // 1, or this many with halved sizes, each with a scale and bias of its own
    bool shared_input; // all parts read the same channels
};

// A step with weights, and what it is to give.
struct step {
    struct separable separable;
    struct folded folded;
    float *depthwise[SEPARABLE_PARTS];
    bool is_set;
};

static int n_parts(const struct shape *shape)
{
    int n = 0;
    while (n < SEPARABLE_PARTS && shape->channels[n]) {
        n++;
    }
    return n;
}

static void make_weights(struct step *step, const struct op_test *test, const struct shape *shape,
                         const char *tag)
{
    struct separable *separable = &step->separable;
    int outputs = 0;
    separable->n_parts = n_parts(shape);
    for (int p = 0; p < separable->n_parts; p++) {
        g_autofree char *name = g_strdup_printf("%s depthwise %d", tag, p);
        step->depthwise[p] = op_test_floats(name, (size_t)shape->inputs * 9, 0.5, test->env.half);
        separable->parts[p] = (struct separable_part){
            .inputs = shape->inputs,
            .first_input = shape->shared_input ? 0 : p * channel_blocks(shape->inputs) * 4,
            .channels = shape->channels[p],
            .first_output = outputs,
            .depthwise = step->depthwise[p],
        };
        outputs += channel_blocks(shape->channels[p]) * 4;
    }
    if (separable->n_parts) {
        const struct separable_part *last = &separable->parts[separable->n_parts - 1];
        int rows = last->first_output + last->channels;
        int levels = shape->levels;
        g_autofree char *name = g_strdup_printf("%s pointwise", tag);
        g_autofree char *bias = g_strdup_printf("%s bias", tag);
        g_autofree char *scale = g_strdup_printf("%s scale", tag);
        step->folded = (struct folded){
            .outputs = rows,
            .inputs = shape->inputs,
            .kernel = 1,
            .n_levels = levels,
            .weight =
                op_test_floats(name, (size_t)rows * (size_t)shape->inputs, 0.3, test->env.half),
            .bias = op_test_floats(bias, (size_t)(rows * levels), 1, false),
            .scale = levels > 1 ? op_test_floats(scale, (size_t)(rows * levels), 1, false) : NULL,
        };
        separable->folded = &step->folded;
    }
    separable->name = tag;
    separable->act_in = shape->act_in;
    separable->act = shape->act;
    separable->pad = shape->pad;
    separable->pool_padding = shape->padding;
}

static void step_finish(struct step *step)
{
    folded_finish(&step->folded);
    for (int p = 0; p < SEPARABLE_PARTS; p++) {
        g_free(step->depthwise[p]);
    }
}

static struct ref_tensor weighted_sum(const struct separable *separable,
                                      const struct ref_tensor *const *x, int height, int width)
{
    struct node node = {.n_inputs = separable->n_inputs,
                        .pad = separable->pad,
                        .pool_padding = separable->pool_padding};
    memcpy(node.resample, separable->resample, sizeof node.resample);
    struct ref_tensor sum = op_test_weighted_sum(&node, separable->factors, x, height, width);
    ref_activation(&sum, separable->act_in);
    return sum;
}

// One part of one level into channels of `out`, from column `offset` on.
static void reference_part(const struct step *step, const struct ref_tensor *sum, int p, int level,
                           struct ref_tensor *out, int offset)
{
    const struct separable_part *part = &step->separable.parts[p];
    const struct folded *folded = &step->folded;
    size_t plane = (size_t)(sum->h * sum->w);
    struct ref_tensor slice = ref_new(part->inputs, sum->h, sum->w);
    memcpy(slice.data, sum->data + (size_t)part->first_input * plane,
           (size_t)part->inputs * plane * sizeof(double));
    struct ref_tensor middle = ref_depthwise(&slice, part->depthwise, NULL, 3, 1, PAD_SAME);
    const float *rows = folded->weight + part->first_output * folded->inputs;
    struct ref_tensor y = ref_pointwise(&middle, rows, NULL, part->channels);
    int set = folded->n_levels > 1 ? level : 0;
    for (int c = 0; c < part->channels; c++) {
        int from = set * folded->outputs + part->first_output + c;
        for (size_t i = 0; i < plane; i++) {
            double value = y.data[(size_t)c * plane + i];
            value = value * (folded->scale ? (double)folded->scale[from] : 1.0) +
                    (double)folded->bias[from];
            int to = (part->first_output + c) * out->h * out->w + offset + (int)i;
            out->data[to] = ref_activate(value, step->separable.act);
        }
    }
    ref_free(&slice);
    ref_free(&middle);
    ref_free(&y);
}

static struct ref_tensor reference_map(const struct step *step, const struct ref_tensor *const *x,
                                       int height, int width)
{
    struct ref_tensor sum = weighted_sum(&step->separable, x, height, width);
    if (!step->separable.n_parts) {
        return sum;
    }
    struct ref_tensor out = ref_new(step->folded.outputs, height, width);
    for (int p = 0; p < step->separable.n_parts; p++) {
        reference_part(step, &sum, p, 0, &out, 0);
    }
    ref_free(&sum);
    return out;
}

static void compare(const struct op_test *test, const struct separable *separable,
                    const struct ref_tensor *got, const struct ref_tensor *want)
{
    // channels between the parts are anything
    for (int c = 0; c < want->c && separable->n_parts; c++) {
        bool inside = false;
        for (int p = 0; p < separable->n_parts; p++) {
            const struct separable_part *part = &separable->parts[p];
            inside = inside || (c >= part->first_output && c < part->first_output + part->channels);
        }
        if (!inside) {
            size_t plane = (size_t)(want->h * want->w);
            memset(&want->data[(size_t)c * plane], 0, plane * sizeof(double));
            memset(&got->data[(size_t)c * plane], 0, plane * sizeof(double));
        }
    }
    op_test_compare(test, got, want, test->env.half ? TOLERANCE_HALF : TOLERANCE);
}

static char *describe(const struct shape *shape)
{
    return g_strdup_printf("%dx%d, %d levels, %d channels to %d + %d, %d inputs (%d %d %d %d), "
                           "activations %d %d, pad %d %d",
                           shape->height, shape->width, shape->levels, shape->inputs,
                           shape->channels[0], shape->channels[1], shape->n_inputs,
                           shape->from[0].resample, shape->from[1].resample,
                           shape->from[2].resample, shape->from[3].resample, shape->act_in,
                           shape->act, shape->pad, shape->padding);
}

static int outputs_of(const struct shape *shape)
{
    int outputs = 0, parts = n_parts(shape);
    for (int p = 0; p < parts; p++) {
        outputs += p < parts - 1 ? channel_blocks(shape->channels[p]) * 4 : shape->channels[p];
    }
    return parts ? outputs : shape->inputs;
}

static int inputs_of(const struct shape *shape)
{
    int parts = MAX(1, n_parts(shape));
    return shape->shared_input ? shape->inputs
                               : (parts - 1) * channel_blocks(shape->inputs) * 4 + shape->inputs;
}

static const float factors[MAX_INPUTS] = {0.75f, 1, 0.3f, -0.5f};

// windows: the storage range is so short that the output needs several dispatches.
static void run_map(const struct op_form *form, const struct shape *shape, bool windows)
{
    struct op_test test;
    struct step step = {0};
    g_autofree char *name = describe(shape);
    op_test_begin(&test, "separable", form, "%s%s", name, windows ? ", windows" : "");
    make_weights(&step, &test, shape, "test");
    const struct ref_tensor *x[MAX_INPUTS];
    step.separable.n_inputs = shape->n_inputs;
    for (int i = 0; i < shape->n_inputs; i++) {
        step.separable.inputs[i] =
            op_test_value(&test, inputs_of(shape), shape->from[i].height, shape->from[i].width);
        step.separable.resample[i] = shape->from[i].resample;
        step.separable.factors[i] = factors[i];
        x[i] = op_test_fill(&test, step.separable.inputs[i], 2);
    }
    int y = op_test_value(&test, outputs_of(shape), shape->height, shape->width);
    step.separable.output = y;
    op_test_plan(&test);
    uint64_t whole_range = test.env.device->limits.storage_range;
    if (windows) {
        test.env.device->limits.storage_range = graph_value(&test.graph, y)->bytes - 1;
    }
    g_autoptr(GError) error = NULL;
    bool ok = op_separable_dispatch(&test.env, &step.separable, &error);
    test.env.device->limits.storage_range = whole_range;
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_cmpint((int)test.env.dispatches->len > 1, ==, windows);
    op_test_run(&test, &y, 1);
    struct ref_tensor want = reference_map(&step, x, shape->height, shape->width);
    struct ref_tensor got = op_test_read(&test, y);
    compare(&test, &step.separable, &got, &want);
    ref_free(&want);
    ref_free(&got);
    step_finish(&step);
    op_test_end(&test);
}

static void check_maps(const struct op_form *form, const void *data)
{
    static const struct shape shapes[] = {
        // height, width, inputs, outputs, inputs, activations, paddings, levels
        {1, 1, 4, {4}, 1, {{1, 1, NONE}}, 0, 0, 0, 0, 1},
        {8, 8, 12, {20}, 1, {{8, 8, NONE}}, ACT_SWISH, 0, 0, 0, 1},
        {9, 7, 36, {9}, 2, {{9, 7, NONE}, {5, 4, NEAREST}}, ACT_SWISH, 0, 0, 0, 1},
        {7, 9, 10, {66}, 2, {{7, 9, NONE}, {14, 17, POOL}}, ACT_RELU6, ACT_RELU, 0, 0, 1},
        {16,
         17,
         33,
         {34},
         3,
         {{16, 17, NONE}, {16, 17, NONE}, {31, 34, POOL}},
         ACT_SWISH,
         0,
         PAD_SYMMETRIC,
         POOL_PAD_ZERO,
         1},
        {5,
         3,
         8,
         {4},
         4,
         {{5, 3, NONE}, {3, 2, NEAREST}, {10, 5, POOL}, {3, 2, BILINEAR}},
         ACT_SWISH,
         ACT_SWISH,
         0,
         0,
         1},
        {1, 33, 5, {3}, 2, {{1, 17, BILINEAR}, {2, 65, POOL}}, 0, ACT_SIGMOID, 0, 0, 1},
        {4, 6, 64, {70, 36}, 1, {{4, 6, NONE}}, 0, 0, 0, 0, 1, true},
        {6, 4, 16, {5, 4, 9}, 1, {{6, 4, NONE}}, 0, ACT_SWISH, 0, 0, 1},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(shapes); i++) {
        run_map(form, &shapes[i], false);
    }
    static const struct shape large = {16, 16, 8, {70, 18}, 1, {{16, 16, NONE}}, 0, 0, 0, 0, 1};
    run_map(form, &large, true);
}

static void test_maps(void)
{
    op_test_forms("separable", check_maps, NULL);
}

// All levels and both branches in one grid.
static void check_pyramid(const struct op_form *form, const void *data)
{
    static const int sizes[][2] = {{9, 11}, {5, 6}, {3, 3}, {1, 2}, {1, 1}};
    static const struct shape shape = {0,         0, 12, {27, 12},           1, {{0, 0, NONE}}, 0,
                                       ACT_SWISH, 0, 0,  G_N_ELEMENTS(sizes)};
    struct op_test test;
    struct step step = {0};
    op_test_begin(&test, "separable", form, "pyramid of %d levels", shape.levels);
    make_weights(&step, &test, &shape, "test");
    int x = op_test_pyramid(&test, inputs_of(&shape), shape.levels, sizes);
    int y = op_test_pyramid(&test, outputs_of(&shape), shape.levels, sizes);
    const struct ref_tensor *input = op_test_fill(&test, x, 2);
    op_test_plan(&test);
    step.separable.n_inputs = 1;
    step.separable.inputs[0] = x;
    step.separable.factors[0] = 1;
    step.separable.output = y;
    g_autoptr(GError) error = NULL;
    bool ok = op_separable_dispatch(&test.env, &step.separable, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    op_test_run(&test, &y, 1);
    struct ref_tensor got = op_test_read(&test, y);
    struct ref_tensor want = ref_new(got.c, 1, got.w);
    for (int l = 0; l < shape.levels; l++) {
        struct ref_tensor level = op_test_level(&test, x, input, l);
        for (int p = 0; p < step.separable.n_parts; p++) {
            reference_part(&step, &level, p, l, &want,
                           graph_value(&test.graph, y)->level[l].offset);
        }
        ref_free(&level);
    }
    compare(&test, &step.separable, &got, &want);
    ref_free(&want);
    ref_free(&got);
    step_finish(&step);
    op_test_end(&test);
}

static void test_pyramid(void)
{
    op_test_forms("separable", check_pyramid, NULL);
}

// pool to the next level, then nodes up and down; the same by single dispatches.
#define STEPS 4

static void make_chain(struct op_test *test, struct step *steps, int *values)
{
    static const int places[STEPS + 1][2] = {{9, 7}, {5, 4}, {9, 7}, {5, 4}, {3, 2}};
    static const int from[STEPS][2] = {{0, -1}, {0, 1}, {1, 2}, {3, -1}};
    static const enum resample kinds[STEPS][2] = {
        {POOL, 0}, {NONE, NEAREST}, {NONE, POOL}, {POOL, 0}};
    const struct shape sum = {.inputs = 36, .levels = 1};
    const struct shape node = {.inputs = 36, .channels = {36}, .act_in = ACT_SWISH, .levels = 1};
    for (int i = 0; i <= STEPS; i++) {
        values[i] = op_test_value(test, 36, places[i][0], places[i][1]);
    }
    for (int s = 0; s < STEPS; s++) {
        struct separable *separable = &steps[s].separable;
        make_weights(&steps[s], test, s == 0 ? &sum : &node, s == 1 ? "one" : "two");
        separable->n_inputs = from[s][1] < 0 ? 1 : 2;
        for (int i = 0; i < separable->n_inputs; i++) {
            separable->inputs[i] = values[from[s][i]];
            separable->resample[i] = kinds[s][i];
            separable->factors[i] = separable->n_inputs == 1 ? 1 : factors[i];
        }
        separable->output = values[s + 1];
    }
}

static void check_chain(const struct op_form *form, const void *data)
{
    struct ref_tensor want[STEPS + 1], got[2][STEPS];
    for (int single = 0; single < 2; single++) {
        struct op_test test;
        struct step steps[STEPS] = {0};
        int values[STEPS + 1];
        op_test_begin(&test, "chain", form, "of %d steps, by itself", STEPS);
        make_chain(&test, steps, values);
        want[0] = *op_test_fill(&test, values[0], 2);
        op_test_plan(&test);
        struct separable all[STEPS];
        g_autoptr(GError) error = NULL;
        bool ok = true;
        for (int s = 0; s < STEPS; s++) {
            all[s] = steps[s].separable;
            ok = ok && (!single || op_chain_dispatch(&test.env, "single", &all[s], 1, &error));
        }
        ok = ok && (single || op_chain_dispatch(&test.env, "chain", all, STEPS, &error));
        g_assert_no_error(error);
        g_assert_true(ok);
        op_test_run(&test, &values[1], STEPS);
        for (int s = 0; s < STEPS; s++) {
            got[single][s] = op_test_read(&test, values[s + 1]);
            const struct ref_tensor *x[2] = {NULL};
            for (int i = 0; i < all[s].n_inputs; i++) {
                int from = all[s].inputs[i] - values[0];
                x[i] = from ? &got[single][from - 1] : &want[0];
            }
            struct ref_tensor step =
                reference_map(&steps[s], x, got[single][s].h, got[single][s].w);
            compare(&test, &all[s], &got[single][s], &step);
            ref_free(&step);
            step_finish(&steps[s]);
        }
        op_test_end(&test);
    }
    for (int s = 0; s < STEPS; s++) {
        size_t bytes = (size_t)(got[0][s].c * got[0][s].h * got[0][s].w) * sizeof(double);
        g_assert_cmpmem(got[0][s].data, bytes, got[1][s].data, bytes);
        ref_free(&got[0][s]);
        ref_free(&got[1][s]);
    }
}

static void test_chain(void)
{
    op_test_forms("chain", check_chain, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/separable/maps", test_maps);
    g_test_add_func("/separable/pyramid", test_pyramid);
    g_test_add_func("/separable/chain", test_chain);
    int status = g_test_run();
    op_test_finish_device();
    return status;
}
