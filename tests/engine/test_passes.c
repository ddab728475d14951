// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// How frames go to the device: the quick and the full way of decoding, by the class head's maxima
// or without, and in how many pieces.
#include "effdet/effdet.h"
#include "engine_private.h"

#include <stdlib.h>
#include <string.h>

static guint8 pixels[4 * 640 * 480];

static EffdetFrame make_frame(guint width, guint height, EffdetFormat format)
{
    for (gsize i = 0; i < sizeof pixels; i++) {
        pixels[i] = (guint8)(i * 2654435761u >> 24);
    }
    EffdetFrame frame = {.format = format, .width = width, .height = height};
    gsize offset = 0;
    for (int p = 0; p < format_info(format)->n_planes; p++) {
        gsize row = format_row_bytes(format, p, width);
        frame.planes[p] = (EffdetPlane){pixels + offset, row};
        offset += row * format_rows(format, p, height);
    }
    return frame;
}

static EffdetEngine *open_engine(guint depth)
{
    g_autoptr(GError) error = NULL;
    EffdetEngineParams params = {.model = "lite0",
                                 .random_weights = TRUE,
                                 .input_width = 96,
                                 .input_height = 64,
                                 .queue_depth = depth,
                                 .device = g_getenv("EFFDET_TEST_DEVICE")};
    EffdetEngine *engine = effdet_engine_new(&params, &error);
    g_assert_no_error(error);
    g_assert_nonnull(engine);
    return engine;
}

static EffdetResult *collect(EffdetEngine *engine)
{
    g_autoptr(GError) error = NULL;
    EffdetResult *result = NULL;
    EffdetStatus status = effdet_engine_collect(engine, -1, &result, &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, EFFDET_OK);
    return result;
}

static void set_threshold(EffdetEngine *engine, float score)
{
    g_autoptr(GError) error = NULL;
    EffdetFilter filter = {.score_threshold = score, .iou_threshold = 0.5f, .max_detections = 50};
    g_assert_true(effdet_engine_set_filter(engine, &filter, &error));
}

static void submit(EffdetEngine *engine, const EffdetFrame *frame)
{
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(effdet_engine_submit(engine, frame, NULL, &error), ==, EFFDET_OK);
    g_assert_no_error(error);
}

static void check_same(EffdetEngine *engine, const EffdetResult *wanted)
{
    EffdetResult *result = collect(engine);
    g_assert_cmpuint(result->n_candidates, ==, wanted->n_candidates);
    g_assert_cmpmem(result->objects, result->n_objects * sizeof(EffdetObject), wanted->objects,
                    wanted->n_objects * sizeof(EffdetObject));
    effdet_result_free(&result);
}

// Frames over capacity give the same objects whether that was expected or not, and a run of frames
// below it goes back to the quick way.
static void test_over_capacity(void)
{
    EffdetEngine *engine = open_engine(2);
    const struct slot *first = &engine->slots[engine->head];
    EffdetFrame frame = make_frame(97, 61, EFFDET_FORMAT_BGRX);
    set_threshold(engine, 0);
    submit(engine, &frame);
    const struct slot *second = &engine->slots[engine->head];
    submit(engine, &frame);
    g_assert_cmpint(first->kind, ==, PASS_QUICK);
    g_assert_cmpint(second->kind, ==, PASS_QUICK);
    EffdetResult *wanted = collect(engine);
    g_assert_cmpint(first->kind, ==, PASS_FULL); // again
    g_assert_cmpuint(wanted->n_candidates, >, decode_capacity(engine->model));
    check_same(engine, wanted);
    for (int i = 0; i < 4; i++) {
        submit(engine, &frame);
        g_assert_cmpint((i % 2 ? second : first)->kind, ==, PASS_FULL); // at once
        check_same(engine, wanted);
    }
    set_threshold(engine, 0.6f);
    submit(engine, &frame);
    EffdetResult *few = collect(engine);
    g_assert_cmpuint(few->n_candidates, <=, decode_capacity(engine->model));
    int full = 0;
    for (int i = 1; i < 100; i++) {
        submit(engine, &frame);
        full += (i % 2 ? second : first)->kind == PASS_FULL;
        check_same(engine, few);
    }
    g_assert_cmpint(full, ==, 29); // of a run of 30
    // one over capacity between others: only that one
    submit(engine, &frame);
    set_threshold(engine, 0);
    submit(engine, &frame);
    check_same(engine, few);
    check_same(engine, wanted);
    // polled, as an element does
    set_threshold(engine, 0.6f);
    for (int i = 0; i < 40; i++) {
        submit(engine, &frame);
        check_same(engine, few);
    }
    set_threshold(engine, 0);
    submit(engine, &frame);
    EffdetResult *polled = NULL;
    while (effdet_engine_collect(engine, 0, &polled, NULL) == EFFDET_AGAIN) {
        g_thread_yield();
    }
    g_assert_cmpmem(polled->objects, polled->n_objects * sizeof(EffdetObject), wanted->objects,
                    wanted->n_objects * sizeof(EffdetObject));
    effdet_result_free(&polled);
    effdet_result_free(&few);
    effdet_result_free(&wanted);
    effdet_engine_free(&engine);
}

static int by_pair(const void *a, const void *b)
{
    const struct decode_record *left = a, *right = b;
    if (left->anchor != right->anchor) {
        return left->anchor < right->anchor ? -1 : 1;
    }
    return left->class_id < right->class_id ? -1 : left->class_id > right->class_id;
}

// Decodes the logits of the last frame, in full, with what `env` knows of maxima.
static struct decode_output *decode_again(EffdetEngine *engine, struct op_env *env, bool *maxima)
{
    g_autoptr(GError) error = NULL;
    struct slot *slot = &engine->slots[0];
    const struct decode_buffers buffers = {&slot->params, &slot->output, &engine->context.scratch,
                                           512};
    g_autoptr(GArray) dispatches = g_array_new(FALSE, TRUE, sizeof(struct dispatch));
    g_assert_true(op_decode_prepare(env, engine->model, &buffers,
                                    DECODE_PART_LIST | DECODE_PART_SELECT | DECODE_PART_BOXES,
                                    dispatches, &error));
    *maxima =
        g_str_has_prefix(g_array_index(dispatches, struct dispatch, 0).label, "decode_maxima");
    struct recorder *recorder = recorder_new(engine->device, (int)dispatches->len, 0, &error);
    bool done = false, ok = recorder && recorder_begin(recorder, &error);
    if (ok) {
        recorder_fill(recorder, &engine->context.scratch, 0, DECODE_COUNTERS * 4, 0);
    }
    for (guint i = 0; ok && i < dispatches->len; i++) {
        ok = recorder_dispatch(recorder, &g_array_index(dispatches, struct dispatch, i), &error);
    }
    ok = ok && recorder_end(recorder, &error) && recorder_submit(recorder, &error) &&
         recorder_wait(recorder, UINT64_MAX, &done, &error) &&
         buffer_invalidate(&slot->output, engine->device, 0, slot->output.bytes, &error);
    recorder_free(&recorder);
    g_assert_no_error(error);
    g_assert_true(ok && done);
    struct decode_output *copy = g_memdup2(slot->output.map, slot->output.bytes);
    qsort(copy->records, copy->kept, sizeof copy->records[0], by_pair);
    return copy;
}

static void check_maxima(const char *plan, EffdetPrecision precision)
{
    static const float scores[] = {0, 0.45f, 0.5f, 0.53f, 0.55f, 0.57f, 1};
    g_autoptr(GError) error = NULL;
    EffdetEngineParams params = {.model = "d0",
                                 .random_weights = TRUE,
                                 .input_width = 96,
                                 .input_height = 64,
                                 .queue_depth = 1,
                                 .plan = plan,
                                 .precision = precision,
                                 .tune = -1,
                                 .device = g_getenv("EFFDET_TEST_DEVICE")};
    EffdetEngine *engine = effdet_engine_new(&params, &error);
    if (precision == EFFDET_PRECISION_FP16 && error) {
        g_test_message("%s", error->message);
        return;
    }
    g_assert_no_error(error);
    EffdetFrame frame = make_frame(97, 61, EFFDET_FORMAT_BGRX);
    struct op_env plain = engine->network.env;
    plain.maxima = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(scores); i++) {
        bool with, without;
        set_threshold(engine, scores[i]);
        submit(engine, &frame);
        EffdetResult *result = collect(engine);
        g_autofree struct decode_output *wanted = decode_again(engine, &plain, &without);
        g_autofree struct decode_output *got = decode_again(engine, &engine->network.env, &with);
        g_assert_false(without);
        g_assert_true(with || g_getenv("EFFDET_VARIANT")); // which may leave none
        g_assert_cmpuint(result->n_candidates, ==, wanted->found);
        g_assert_cmpuint(got->found, ==, wanted->found);
        g_assert_cmpmem(got->records, got->kept * sizeof got->records[0], wanted->records,
                        wanted->kept * sizeof wanted->records[0]);
        g_test_message("%s plan, score >= %g: %u pairs", plan, (double)scores[i], wanted->found);
        effdet_result_free(&result);
    }
    effdet_engine_free(&engine);
}

static void test_maxima(void)
{
    check_maxima("cpu", EFFDET_PRECISION_FP32);
    check_maxima("cpu", EFFDET_PRECISION_FP16);
    check_maxima("gpu", EFFDET_PRECISION_FP32);
    check_maxima("gpu", EFFDET_PRECISION_FP16);
}

static int submits, waits;
static PFN_vkQueueSubmit real_vkQueueSubmit;
static PFN_vkWaitForFences real_vkWaitForFences;

static VKAPI_ATTR VkResult VKAPI_CALL traced_submit(VkQueue queue, uint32_t n,
                                                    const VkSubmitInfo *info, VkFence fence)
{
    submits++;
    return real_vkQueueSubmit(queue, n, info, fence);
}

static VKAPI_ATTR VkResult VKAPI_CALL traced_wait(VkDevice device, uint32_t n,
                                                  const VkFence *fences, VkBool32 all,
                                                  uint64_t timeout)
{
    waits++;
    return real_vkWaitForFences(device, n, fences, all, timeout);
}

// In as many pieces as there are dispatches the result is the same, and the second frame goes to
// the device while the first is there; nobody waits but collect.
static void test_pieces(void)
{
    EffdetResult *whole = NULL;
    for (int pieces = 0; pieces < 2; pieces++) {
        g_setenv("EFFDET_SUBMIT_MS", pieces ? "0" : "1e9", TRUE);
        EffdetEngine *engine = open_engine(2);
        g_unsetenv("EFFDET_SUBMIT_MS");
        set_threshold(engine, 0.6f);
        EffdetFrame frame = make_frame(320, 240, EFFDET_FORMAT_NV12);
        real_vkQueueSubmit = engine->device->vk.vkQueueSubmit;
        real_vkWaitForFences = engine->device->vk.vkWaitForFences;
        engine->device->vk.vkQueueSubmit = traced_submit;
        engine->device->vk.vkWaitForFences = traced_wait;
        submits = waits = 0;
        submit(engine, &frame);
        g_assert_cmpint(submits, ==, pieces ? (int)engine->info.n_dispatches : 1);
        submit(engine, &frame);
        g_assert_cmpint(submits, ==, pieces ? 2 * (int)engine->info.n_dispatches : 2);
        g_assert_cmpint(waits, ==, 0);
        for (int i = 0; i < 2; i++) {
            if (whole) {
                check_same(engine, whole);
            } else {
                whole = collect(engine);
            }
        }
        g_assert_cmpint(waits, ==, 2);
        engine->device->vk.vkQueueSubmit = real_vkQueueSubmit;
        engine->device->vk.vkWaitForFences = real_vkWaitForFences;
        effdet_engine_free(&engine);
    }
    effdet_result_free(&whole);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/passes/over-capacity", test_over_capacity);
    g_test_add_func("/passes/maxima", test_maxima);
    g_test_add_func("/passes/pieces", test_pieces);
    return g_test_run();
}
