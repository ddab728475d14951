// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Decode on the device against the naive one, which sorts everything: pairs and arg-max, under and
// over capacity, ties, what is no number, tensors over the storage range. With maxima of tiles of
// several shapes, as the class head leaves them, and without: bit-identical.
#include "decode.h"
#include "effdet/effdet.h"
#include "ops/maxima.h"
#include "ops/op_decode.h"

#include <math.h>
#include <string.h>

enum contents { RANDOM, COARSE, EQUAL, ZEROS, ODD_NUMBERS, NEAR_THRESHOLD, HALF_DENORMALS };
static const char *const contents_names[] = {
    "random", "coarse", "equal", "zeros", "odd numbers", "near threshold", "denormals of fp16"};

struct test_case {
    int height, width, classes, scales;
    enum candidates candidates;
    int max_candidates;
    double threshold; // score
    enum contents contents;
    int max_level;
    uint64_t storage_range; // 0 = the device's own
};

// Tiles of the maxima: lanes (0: all of a row, as separable.comp has it), pixels, channel blocks.
static const struct maxima tiles[] = {
    {.lanes = 8, .pixels = 1, .blocks = 16},
    {.lanes = 64, .pixels = 8, .blocks = 4},
    {.lanes = 16, .pixels = 4, .blocks = 2},
    {.lanes = 0, .pixels = 1, .blocks = 8},
};
#define N_TILES (int)G_N_ELEMENTS(tiles)

static const struct test_case cases[] = {
    {65, 97, 90, 3, CANDIDATES_PAIRS, 5000, 0.4, NEAR_THRESHOLD, 7, 0},
    {64, 64, 7, 1, CANDIDATES_PAIRS, 5000, 0.002, NEAR_THRESHOLD, 7, 0},
    {64, 64, 90, 1, CANDIDATES_PAIRS, 5000, 0.5, HALF_DENORMALS, 7, 0},
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

// One for all cases: opening a driver takes longer than most of them.
static struct device *device;
static struct kernels *kernels;

struct rig {
    struct device *device;
    uint64_t storage_range;
    struct graph *graph;
    struct model model;
    struct buffer arena, params, output, scratch;
    struct maxima maxima;
    struct op_env env;
    GArray *dispatches;
    struct ref_tensor classes[MAX_LEVELS], boxes[MAX_LEVELS];
    struct ref_tensor results[MAX_LEVELS]; // logits before they were stored
};

static double make_logit(GRand *rand, const struct test_case *test)
{
    double value = g_rand_double_range(rand, -8, 8);
    switch (test->contents) {
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
    case NEAR_THRESHOLD: // mostly far below
        if (g_rand_int_range(rand, 0, 500)) {
            return -9;
        }
        return log(test->threshold / (1 - test->threshold)) + value * 1e-4;
    case HALF_DENORMALS:
        return g_rand_int_range(rand, 0, 500) ? -9 : value * 1e-8;
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
        rig->results[l] = ref_new(anchors * test->classes, height, width);
        rig->boxes[l] = ref_new(anchors * 4, height, width);
        for (int i = 0; i < anchors * test->classes * height * width; i++) {
            rig->results[l].data[i] = stored(make_logit(rand, test), false);
            rig->classes[l].data[i] = stored(rig->results[l].data[i], rig->env.half);
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

// As shaders/maxima.glsl does.
static uint32_t key_of(double result)
{
    float number = (float)result;
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

static void note_level(const struct rig *rig, uint32_t *keys, int l)
{
    const struct value *value = graph_value(rig->graph, rig->graph->classes);
    const struct maxima *maxima = &rig->maxima;
    const int plane = value->level[l].height * value->level[l].width;
    for (int c = 0; c < value->channels; c++) {
        const uint32_t row = (uint32_t)c / 4 / maxima->blocks;
        for (int i = 0; i < plane; i++) {
            const uint32_t pixel = (uint32_t)(value->level[l].offset + i);
            const uint32_t group = pixel / (maxima->lanes * maxima->pixels);
            const uint32_t column = group * maxima->lanes + pixel % maxima->lanes;
            uint32_t *to = &keys[row * maxima->columns + column];
            *to = MAX(*to, key_of(rig->results[l].data[c * plane + i]));
        }
    }
}

// What the class head leaves. Nothing is left of tiles without a pixel: all may seem to pass there.
static void make_maxima(struct rig *rig, const struct maxima *tile)
{
    g_autoptr(GError) error = NULL;
    const struct value *value = graph_value(rig->graph, rig->graph->classes);
    struct maxima *maxima = &rig->maxima;
    const int blocks = channel_blocks(value->channels);
    *maxima = *tile;
    if (maxima->lanes == 0) {
        maxima->lanes = (uint32_t)ceil_div(value->pixels, 4) * 4;
    }
    const int each = (int)(maxima->lanes * maxima->pixels);
    maxima->rows = (uint32_t)ceil_div(blocks, (int)maxima->blocks);
    maxima->columns = (uint32_t)ceil_div(value->pixels, each) * maxima->lanes;
    maxima->bytes = (uint64_t)(maxima->rows + 1) * maxima->columns * sizeof(uint32_t);
    g_autofree uint32_t *keys = g_malloc0(maxima->bytes);
    for (uint32_t i = 0; i < (maxima->rows + 1) * maxima->columns; i++) {
        const uint32_t column = i % maxima->columns;
        const uint32_t group = column / maxima->lanes, lane = column % maxima->lanes;
        const bool empty = group * maxima->lanes * maxima->pixels + lane >= (uint32_t)value->pixels;
        keys[i] = empty || i / maxima->columns == maxima->rows ? UINT32_MAX : 0;
    }
    for (int l = 0; l < value->n_levels; l++) {
        note_level(rig, keys, l);
    }
    bool ok = buffer_init(&maxima->buffer, rig->device, maxima->bytes, MEMORY_DEVICE, &error) &&
              buffer_write(&maxima->buffer, rig->device, 0, keys, maxima->bytes, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    rig->env.maxima = maxima;
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

// tile: NULL for no maxima.
static bool rig_init(struct rig *rig, const struct test_case *test, bool half, unsigned parts,
                     const struct maxima *tile)
{
    g_autoptr(GError) error = NULL;
    *rig = (struct rig){.device = device, .storage_range = device->limits.storage_range};
    if (half && !device->features.storage16) {
        return false;
    }
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
                               .kernels = kernels,
                               .graph = rig->graph,
                               .half = half,
                               .cpu_plan = rig->device->is_cpu,
                               .arena = &rig->arena};
    fill_contents(rig, test);
    make_buffers(rig);
    if (tile) {
        make_maxima(rig, tile);
    }
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
        ref_free(&rig->results[l]);
        ref_free(&rig->boxes[l]);
    }
    buffer_finish(&rig->maxima.buffer, rig->device);
    g_array_unref(rig->dispatches);
    buffer_finish(&rig->arena, rig->device);
    buffer_finish(&rig->params, rig->device);
    buffer_finish(&rig->output, rig->device);
    buffer_finish(&rig->scratch, rig->device);
    graph_free(&rig->graph);
    model_finish(&rig->model);
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

// Whether the first dispatch goes by the maxima: of pairs that are bound whole.
static void check_way(const struct rig *rig, const struct test_case *test, bool maxima)
{
    const struct dispatch *first = &g_array_index(rig->dispatches, struct dispatch, 0);
    const bool wanted = maxima && test->candidates == CANDIDATES_PAIRS && test->storage_range == 0;
    g_assert_cmpint(g_str_has_prefix(first->label, "decode_maxima"), ==, wanted);
}

// tile: -1 for no maxima. The records, where they are complete; NULL for a device without half.
static struct decode_output *check_case(const struct test_case *test, bool half, const char *form,
                                        bool quick, int tile)
{
    struct rig rig;
    g_autofree char *variant = g_strconcat("decode:", form, NULL);
    g_autofree char *name = g_strdup_printf(
        "%dx%d, %d classes, %d scales, P3-P%d, %s, best %d, score >= %g, %s, range %d, %s, %s%s, "
        "tile %d",
        test->width, test->height, test->classes, test->scales, test->max_level,
        test->candidates == CANDIDATES_PAIRS ? "pairs" : "arg-max", test->max_candidates,
        test->threshold, contents_names[test->contents], (int)test->storage_range,
        half ? "fp16" : "fp32", form, quick ? ", quick" : "", tile);
    g_setenv("EFFDET_VARIANT", variant, TRUE);
    unsigned parts = DECODE_PART_LIST | DECODE_PART_BOXES | (quick ? 0 : DECODE_PART_SELECT);
    if (!rig_init(&rig, test, half, parts, tile < 0 ? NULL : &tiles[tile])) {
        g_test_skip("the device has no 16-bit storage");
        return NULL;
    }
    check_way(&rig, test, tile >= 0);
    decode_fill((void *)((guint8 *)rig.params.map + 256), &rig.model, test->threshold);
    struct decode_output *first = run(&rig);
    g_autofree struct decode_output *second = run(&rig);
    compare(&rig, first, quick, name);
    if (quick && first->found > first->kept) {
        first->kept = 0; // any of them
    } else if (first->kept != second->kept || memcmp(first->records, second->records,
                                                     first->kept * sizeof first->records[0]) != 0) {
        g_test_message("%s: two runs differ", name);
        g_test_fail();
    }
    rig_finish(&rig);
    return first;
}

static void test_cases(gconstpointer data)
{
    bool half = GPOINTER_TO_INT(data) & 1;
    const char *form = GPOINTER_TO_INT(data) & 2 ? "texel" : "buffer";
    for (gsize i = 0; i < 2 * G_N_ELEMENTS(cases); i++) {
        const struct test_case *test = &cases[i / 2];
        const bool quick = i % 2;
        g_autofree struct decode_output *plain = check_case(test, half, form, quick, -1);
        for (int tile = 0; plain && tile < N_TILES; tile++) {
            if (!quick && tile != (int)(i / 2) % N_TILES) {
                continue; // lists pairs as the quick way does
            }
            g_autofree struct decode_output *got = check_case(test, half, form, quick, tile);
            g_assert_cmpuint(got->found, ==, plain->found);
            g_assert_cmpmem(got->records, got->kept * sizeof got->records[0], plain->records,
                            plain->kept * sizeof plain->records[0]);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/decode/fp32/buffer", GINT_TO_POINTER(0), test_cases);
    g_test_add_data_func("/decode/fp16/buffer", GINT_TO_POINTER(1), test_cases);
    g_test_add_data_func("/decode/fp32/texel", GINT_TO_POINTER(2), test_cases);
    g_test_add_data_func("/decode/fp16/texel", GINT_TO_POINTER(3), test_cases);
    g_autoptr(GError) error = NULL;
    device = device_new(g_getenv("EFFDET_TEST_DEVICE"), &error);
    g_assert_no_error(error);
    kernels = kernels_new(device, &error);
    g_assert_no_error(error);
    int status = g_test_run();
    kernels_free(&kernels);
    device_free(&device);
    return status;
}
