// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Decode on the device against the naive one, which sorts everything: pairs and arg-max, under and
// over capacity, ties, what is no number, tensors over the storage range.
#include "decode.h"
#include "effdet/effdet.h"
#include "ops/op_decode.h"

#include <math.h>
#include <string.h>

enum contents { RANDOM, COARSE, EQUAL, ZEROS, ODD_NUMBERS };
static const char *const contents_names[] = {"random", "coarse", "equal", "zeros", "odd numbers"};

struct test_case {
    int height, width, classes, scales;
    enum candidates candidates;
    int max_candidates;
    double threshold; // score
    enum contents contents;
    int max_level;
    uint64_t storage_range; // 0 = the device's own
};

static const struct test_case cases[] = {
    {64, 64, 90, 3, CANDIDATES_PAIRS, 5000, 0.99, RANDOM, 7, 0},
    {64, 64, 90, 3, CANDIDATES_PAIRS, 5000, 1.0, RANDOM, 7, 0},
    {64, 64, 90, 3, CANDIDATES_PAIRS, 5000, 0.5, RANDOM, 7, 0},
    {64, 64, 90, 3, CANDIDATES_PAIRS, 5000, 0, COARSE, 7, 0},
    {64, 64, 90, 3, CANDIDATES_PAIRS, 100, 0.3, EQUAL, 7, 0},
    {64, 64, 90, 3, CANDIDATES_PAIRS, 1, 0.3, EQUAL, 7, 0},
    {64, 64, 90, 3, CANDIDATES_PAIRS, 3001, 0, ODD_NUMBERS, 7, 0},
    {65, 97, 1, 3, CANDIDATES_PAIRS, 5000, 0.5, RANDOM, 7, 0},
    {65, 97, 1, 1, CANDIDATES_PAIRS, 7, 0.1, COARSE, 7, 0},
    {40, 100, 3, 2, CANDIDATES_PAIRS, 1000, 0.4, ODD_NUMBERS, 7, 0},
    {32, 32, 1000, 1, CANDIDATES_PAIRS, 512, 0.7, COARSE, 7, 0},
    {64, 64, 90, 3, CANDIDATES_PAIRS, 0, 0.95, RANDOM, 8, 0},
    {128, 128, 90, 3, CANDIDATES_PAIRS, 5000, 0.6, RANDOM, 7, 500000},
    {128, 128, 90, 3, CANDIDATES_PAIRS, 4999, 0.5, EQUAL, 7, 500000},
    {128, 128, 90, 3, CANDIDATES_PAIRS, 4999, 0.5, ZEROS, 7, 0},
    {64, 64, 90, 3, CANDIDATES_ARGMAX, 77, 0.5, ZEROS, 7, 0},
    {64, 64, 90, 3, CANDIDATES_ARGMAX, 0, 0.5, RANDOM, 7, 0},
    {64, 64, 90, 3, CANDIDATES_ARGMAX, 0, 0, ODD_NUMBERS, 7, 0},
    {64, 64, 90, 3, CANDIDATES_ARGMAX, 300, 0, COARSE, 7, 0},
    {64, 64, 7, 2, CANDIDATES_ARGMAX, 50, 0.2, EQUAL, 7, 0},
    {65, 97, 1, 3, CANDIDATES_ARGMAX, 0, 0.01, RANDOM, 8, 0},
    {128, 128, 90, 3, CANDIDATES_ARGMAX, 2000, 0.1, RANDOM, 7, 500000},
    {128, 128, 700, 1, CANDIDATES_ARGMAX, 200, 0.1, COARSE, 7, 400000},
    {128, 128, 333, 1, CANDIDATES_ARGMAX, 0, 0.1, ODD_NUMBERS, 7, 400000},
};

struct rig {
    struct device *device;
    uint64_t storage_range;
    struct kernels *kernels;
    struct graph *graph;
    struct model model;
    struct buffer arena, params, output, scratch;
    struct op_env env;
    GArray *dispatches;
    struct ref_tensor classes[MAX_LEVELS], boxes[MAX_LEVELS];
};

static double make_logit(GRand *rand, enum contents contents)
{
    double value = g_rand_double_range(rand, -8, 8);
    switch (contents) {
    case COARSE:
        return floor(value);
    case EQUAL:
        return 0.25;
    case ZEROS: // which are all the same
        return value < 0 ? -0.0 : 0.0;
    case ODD_NUMBERS: {
        static const double odd[] = {NAN, -NAN, INFINITY, -INFINITY, 0, -0.0, 1e-7, -1e-7};
        guint pick = g_rand_int_range(rand, 0, 24);
        return pick < G_N_ELEMENTS(odd) ? odd[pick] : value;
    }
    case RANDOM:
        break;
    }
    return value;
}

static double stored(double value, bool half)
{
    return half ? (double)float_from_half(half_from_float((float)value)) : (double)(float)value;
}

static void fill_contents(struct rig *rig, const struct test_case *test)
{
    const struct value *value = graph_value(rig->graph, rig->graph->classes);
    int anchors = model_anchors_per_cell(&rig->model);
    g_autoptr(GRand) rand = g_rand_new_with_seed(5);
    for (int l = 0; l < value->n_levels; l++) {
        int height = value->level[l].height, width = value->level[l].width;
        rig->classes[l] = ref_new(anchors * test->classes, height, width);
        rig->boxes[l] = ref_new(anchors * 4, height, width);
        for (int i = 0; i < anchors * test->classes * height * width; i++) {
            rig->classes[l].data[i] = stored(make_logit(rand, test->contents), rig->env.half);
        }
        for (int i = 0; i < anchors * 4 * height * width; i++) {
            double code = g_rand_double_range(rand, -2, 2);
            if (test->contents == ODD_NUMBERS && g_rand_int_range(rand, 0, 40) == 0) {
                static const double odd[] = {NAN, INFINITY, -INFINITY, 50, 1000, -60};
                code = odd[g_rand_int_range(rand, 0, G_N_ELEMENTS(odd))];
            }
            rig->boxes[l].data[i] = stored(code, rig->env.half);
        }
    }
}

static void write_value(const struct rig *rig, guint8 *arena, int id,
                        const struct ref_tensor *levels)
{
    const struct value *value = graph_value(rig->graph, id);
    size_t scalar = rig->env.half ? 2 : 4;
    for (int l = 0; l < value->n_levels; l++) {
        for (int c = 0; c < value->channels; c++) {
            for (int i = 0; i < levels[l].h * levels[l].w; i++) {
                float number = (float)levels[l].data[c * levels[l].h * levels[l].w + i];
                size_t pixel =
                    (size_t)(c / 4) * (size_t)value->pitch + (size_t)(value->level[l].offset + i);
                guint8 *to = arena + value->offset + (pixel * 4 + (size_t)c % 4) * scalar;
                uint16_t bits = half_from_float(number);
                memcpy(to, rig->env.half ? (void *)&bits : (void *)&number, scalar);
            }
        }
    }
}

static void make_buffers(struct rig *rig)
{
    g_autoptr(GError) error = NULL;
    g_autofree guint8 *arena = g_malloc(rig->graph->arena_bytes);
    memset(arena, 0xff, rig->graph->arena_bytes);
    write_value(rig, arena, rig->graph->classes, rig->classes);
    write_value(rig, arena, rig->graph->boxes, rig->boxes);
    uint64_t scratch_bytes = decode_scratch_bytes(&rig->model, rig->graph);
    g_autofree guint8 *garbage = g_malloc(scratch_bytes);
    memset(garbage, 0xa5, scratch_bytes);
    bool ok =
        buffer_init(&rig->arena, rig->device, rig->graph->arena_bytes, MEMORY_DEVICE, &error) &&
        buffer_write(&rig->arena, rig->device, 0, arena, rig->graph->arena_bytes, &error) &&
        buffer_init(&rig->params, rig->device, 256 + sizeof(struct decode_params), MEMORY_UPLOAD,
                    &error) &&
        buffer_init(&rig->output, rig->device, decode_output_bytes(&rig->model, rig->graph),
                    MEMORY_READBACK, &error) &&
        buffer_init(&rig->scratch, rig->device, scratch_bytes, MEMORY_DEVICE, &error) &&
        buffer_write(&rig->scratch, rig->device, 0, garbage, scratch_bytes, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
}

static bool rig_init(struct rig *rig, const struct test_case *test, bool half, unsigned parts)
{
    g_autoptr(GError) error = NULL;
    *rig = (struct rig){.device = device_new(g_getenv("EFFDET_TEST_DEVICE"), &error)};
    g_assert_no_error(error);
    rig->storage_range = rig->device->limits.storage_range;
    if (half && !rig->device->features.storage16) {
        device_free(&rig->device);
        return false;
    }
    rig->kernels = kernels_new(rig->device, &error);
    g_assert_no_error(error);
    model_init(&rig->model, arch_find("lite0"), test->classes);
    rig->model.arch.max_level = test->max_level;
    rig->model.input_height = test->height;
    rig->model.input_width = test->width;
    rig->model.anchors.num_scales = test->scales;
    rig->model.anchors.scale[1] = 3.5; // levels may differ
    rig->model.post.candidates = test->candidates;
    rig->model.post.max_candidates = test->max_candidates;
    rig->graph = graph_new(&rig->model);
    graph_plan(rig->graph, half ? 2 : 4);
    rig->env = (struct op_env){.device = rig->device,
                               .kernels = rig->kernels,
                               .graph = rig->graph,
                               .half = half,
                               .cpu_plan = rig->device->is_cpu,
                               .arena = &rig->arena};
    fill_contents(rig, test);
    make_buffers(rig);
    rig->dispatches = g_array_new(FALSE, TRUE, sizeof(struct dispatch));
    if (test->storage_range) {
        rig->device->limits.storage_range = test->storage_range / (half ? 2 : 1);
    }
    const struct decode_buffers buffers = {&rig->params, &rig->output, &rig->scratch, 256};
    g_assert_true(
        op_decode_prepare(&rig->env, &rig->model, &buffers, parts, rig->dispatches, &error));
    rig->device->limits.storage_range = rig->storage_range;
    return true;
}

static void rig_finish(struct rig *rig)
{
    for (int l = 0; l < MAX_LEVELS; l++) {
        ref_free(&rig->classes[l]);
        ref_free(&rig->boxes[l]);
    }
    g_array_unref(rig->dispatches);
    buffer_finish(&rig->arena, rig->device);
    buffer_finish(&rig->params, rig->device);
    buffer_finish(&rig->output, rig->device);
    buffer_finish(&rig->scratch, rig->device);
    kernels_free(&rig->kernels);
    graph_free(&rig->graph);
    model_finish(&rig->model);
    device_free(&rig->device);
}

static int by_pair(const void *a, const void *b)
{
    const struct decode_record *left = a, *right = b;
    if (left->anchor != right->anchor) {
        return left->anchor < right->anchor ? -1 : 1;
    }
    return left->class_id < right->class_id ? -1 : left->class_id > right->class_id;
}

static int by_pair_reference(gconstpointer a, gconstpointer b)
{
    const struct ref_candidate *left = a, *right = b;
    if (left->anchor != right->anchor) {
        return left->anchor < right->anchor ? -1 : 1;
    }
    return left->class_id < right->class_id ? -1 : left->class_id > right->class_id;
}

static struct decode_output *run(struct rig *rig)
{
    g_autoptr(GError) error = NULL;
    bool done = false;
    memset(rig->output.map, 0xee, rig->output.bytes);
    struct recorder *recorder = recorder_new(rig->device, (int)rig->dispatches->len, 0, &error);
    bool ok = recorder && buffer_flush(&rig->params, rig->device, 0, rig->params.bytes, &error) &&
              buffer_flush(&rig->output, rig->device, 0, rig->output.bytes, &error) &&
              recorder_begin(recorder, &error);
    if (ok) { // as preprocess does
        recorder_fill(recorder, &rig->scratch, 0, DECODE_COUNTERS * sizeof(uint32_t), 0);
    }
    for (guint i = 0; ok && i < rig->dispatches->len; i++) {
        ok = recorder_dispatch(recorder, &g_array_index(rig->dispatches, struct dispatch, i),
                               &error);
    }
    ok = ok && recorder_end(recorder, &error) && recorder_submit(recorder, &error) &&
         recorder_wait(recorder, UINT64_MAX, &done, &error) &&
         buffer_invalidate(&rig->output, rig->device, 0, rig->output.bytes, &error);
    recorder_free(&recorder);
    g_assert_no_error(error);
    g_assert_true(ok && done);
    struct decode_output *copy = g_memdup2(rig->output.map, rig->output.bytes);
    g_assert_cmpuint(copy->kept, <=, decode_capacity(&rig->model));
    qsort(copy->records, copy->kept, sizeof copy->records[0], by_pair);
    return copy;
}

static bool near(float got, double wanted)
{
    return isnan(wanted) ? isnan(got) : fabs((double)got - wanted) <= 2e-5 * (fabs(wanted) + 10);
}

// quick: over capacity only the number is right.
static void compare(const struct rig *rig, const struct decode_output *got, bool quick,
                    const char *name)
{
    const struct decode_params *params = (void *)((guint8 *)rig->params.map + 256);
    guint found;
    g_autoptr(GArray) wanted =
        ref_decode(&rig->model, rig->classes, rig->boxes, (double)params->threshold,
                   decode_capacity(&rig->model), &found);
    g_array_sort(wanted, by_pair_reference);
    if (got->found != found || got->kept != wanted->len) {
        g_test_message("%s: found %u kept %u, wanted %u and %u", name, got->found, got->kept, found,
                       wanted->len);
        g_test_fail();
        return;
    }
    if (quick && found > wanted->len) {
        return;
    }
    for (guint i = 0; i < wanted->len; i++) {
        const struct decode_record *g = &got->records[i];
        const struct ref_candidate *w = &g_array_index(wanted, struct ref_candidate, i);
        if (g->anchor != w->anchor || g->class_id != w->class_id || (double)g->logit != w->logit ||
            !near(g->x1, w->x1) || !near(g->y1, w->y1) || !near(g->x2, w->x2) ||
            !near(g->y2, w->y2)) {
            g_test_message("%s: record %u of %u: got anchor %u class %u logit %g box %g %g %g %g, "
                           "wanted %u %u %g %g %g %g %g",
                           name, i, wanted->len, g->anchor, g->class_id, (double)g->logit,
                           (double)g->x1, (double)g->y1, (double)g->x2, (double)g->y2, w->anchor,
                           w->class_id, w->logit, w->x1, w->y1, w->x2, w->y2);
            g_test_fail();
            return;
        }
    }
}

static void check_case(const struct test_case *test, bool half, const char *form, bool quick)
{
    struct rig rig;
    g_autofree char *variant = g_strconcat("decode:", form, NULL);
    g_autofree char *name = g_strdup_printf(
        "%dx%d, %d classes, %d scales, P3-P%d, %s, best %d, score >= %g, %s, range %d, %s, %s%s",
        test->width, test->height, test->classes, test->scales, test->max_level,
        test->candidates == CANDIDATES_PAIRS ? "pairs" : "arg-max", test->max_candidates,
        test->threshold, contents_names[test->contents], (int)test->storage_range,
        half ? "fp16" : "fp32", form, quick ? ", quick" : "");
    g_setenv("EFFDET_VARIANT", variant, TRUE);
    unsigned parts = DECODE_PART_LIST | DECODE_PART_BOXES | (quick ? 0 : DECODE_PART_SELECT);
    if (!rig_init(&rig, test, half, parts)) {
        g_test_skip("the device has no 16-bit storage");
        return;
    }
    decode_fill((void *)((guint8 *)rig.params.map + 256), &rig.model, test->threshold);
    g_autofree struct decode_output *first = run(&rig);
    g_autofree struct decode_output *second = run(&rig);
    compare(&rig, first, quick, name);
    bool complete = !quick || first->found == first->kept;
    if (complete &&
        (first->kept != second->kept ||
         memcmp(first->records, second->records, first->kept * sizeof first->records[0]) != 0)) {
        g_test_message("%s: two runs differ", name);
        g_test_fail();
    }
    rig_finish(&rig);
}

static void test_cases(gconstpointer data)
{
    bool half = GPOINTER_TO_INT(data) & 1;
    const char *form = GPOINTER_TO_INT(data) & 2 ? "texel" : "buffer";
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        check_case(&cases[i], half, form, false);
        check_case(&cases[i], half, form, true);
    }
}

// The device lets a hair more than the threshold pass, never less.
static void test_threshold(void)
{
    static const double scores[] = {0, 1e-6, 0.001, 0.05, 0.4, 0.5, 0.9, 0.999, 1};
    struct model model;
    struct decode_params params;
    model_init(&model, arch_find("d0"), 90);
    for (gsize i = 0; i < G_N_ELEMENTS(scores); i++) {
        decode_fill(&params, &model, scores[i]);
        double passing = 1 / (1 + exp(-(double)params.threshold));
        g_assert_cmpfloat(passing, <=, scores[i]);
        g_assert_cmpfloat(passing, >=, scores[i] * (1 - 1e-6));
        uint32_t half_key = params.threshold_key_half >> 16;
        float half =
            float_from_half((uint16_t)(half_key >= 0x8000 ? half_key & 0x7fff : 0xffff - half_key));
        g_assert_cmpfloat((double)half, >=, (double)params.threshold);
        g_assert_true(scores[i] == 0 || (double)half <= (double)params.threshold +
                                                            fabs((double)params.threshold) * 0.001 +
                                                            1e-7);
    }
    model_finish(&model);
}

// Anchors and decoding by the numbers of the specification, 6.3 and 6.4.
static void test_anchors(void)
{
    struct model model;
    model_init(&model, arch_find("d0"), 90);
    struct anchor anchor = anchor_at(&model, 0, 0, 0, 4);
    g_assert_cmpfloat_with_epsilon(anchor.cy - anchor.h / 2, -10.1111, 1e-4);
    g_assert_cmpfloat_with_epsilon(anchor.cx + anchor.w / 2, 32.2222, 1e-4);
    anchor = anchor_at(&model, 4, 3, 3, 8);
    g_assert_cmpfloat_with_epsilon(anchor.cy - anchor.h / 2, -120.9245, 1e-4);
    g_assert_cmpfloat_with_epsilon(anchor.cx - anchor.w / 2, 163.5377, 1e-4);
    g_assert_cmpfloat_with_epsilon(anchor.cy + anchor.h / 2, 1016.9246, 1e-4);
    g_assert_cmpfloat_with_epsilon(anchor.cx + anchor.w / 2, 732.4623, 1e-4);
    struct ref_tensor classes[5], boxes[5];
    for (int l = 0; l < 5; l++) {
        classes[l] = ref_new(810, 64 >> l, 64 >> l);
        boxes[l] = ref_new(36, 64 >> l, 64 >> l);
    }
    *ref_at(&classes[0], 1 * 90 + 7, 17, 23) = 9;
    static const double codes[] = {0.1, -0.2, 0.3, -0.4};
    for (int i = 0; i < 4; i++) {
        *ref_at(&boxes[0], 4 + i, 17, 23) = codes[i];
    }
    guint found;
    g_autoptr(GArray) list = ref_decode(&model, classes, boxes, 5, 10, &found);
    g_assert_cmpuint(found, ==, 1);
    const struct ref_candidate *only = &g_array_index(list, struct ref_candidate, 0);
    g_assert_cmpuint(only->anchor, ==, 10000);
    g_assert_cmpuint(only->class_id, ==, 7);
    g_assert_cmpfloat_with_epsilon(only->y1, 127.1216, 1e-4);
    g_assert_cmpfloat_with_epsilon(only->x1, 164.0248, 1e-4);
    g_assert_cmpfloat_with_epsilon(only->y2, 157.3584, 1e-4);
    g_assert_cmpfloat_with_epsilon(only->x2, 194.0552, 1e-4);
    for (int l = 0; l < 5; l++) {
        ref_free(&classes[l]);
        ref_free(&boxes[l]);
    }
    model_finish(&model);
    model_init(&model, arch_find("lite0"), 90);
    anchor = anchor_at(&model, 4, 2, 2, 8); // 320 / 3: the stride is no power of two
    g_assert_cmpfloat_with_epsilon(anchor.cy - anchor.h / 2, -88.9112, 1e-3);
    g_assert_cmpfloat_with_epsilon(anchor.cx + anchor.w / 2, 444.4556, 1e-3);
    model_finish(&model);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/decode/anchors", test_anchors);
    g_test_add_func("/decode/threshold", test_threshold);
    g_test_add_data_func("/decode/fp32/buffer", GINT_TO_POINTER(0), test_cases);
    g_test_add_data_func("/decode/fp16/buffer", GINT_TO_POINTER(1), test_cases);
    g_test_add_data_func("/decode/fp32/texel", GINT_TO_POINTER(2), test_cases);
    g_test_add_data_func("/decode/fp16/texel", GINT_TO_POINTER(3), test_cases);
    return g_test_run();
}
