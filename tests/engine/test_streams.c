// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Streams that share an engine: the same results as alone, to the bit; order and turns; batches;
// private filters; leaving and joining with frames in flight; the loss of the device.
#include "effdet/effdet.h"
#include "engine_private.h"

#include <string.h>

#define N_STREAMS 4
#define N_FRAMES 25

static guint8 pixels[320 * 240 * 3 + 6];

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
    return engine;
}

static EffdetStream *open_stream(EffdetEngine *engine, guint depth, float score, guint most)
{
    g_autoptr(GError) error = NULL;
    EffdetStream *stream = effdet_stream_new(engine, depth, &error);
    g_assert_no_error(error);
    EffdetFilter filter = {.score_threshold = score, .iou_threshold = 0.5f, .max_detections = most};
    g_assert_true(effdet_stream_set_filter(stream, &filter, &error));
    return stream;
}

// Pictures that differ by size, format and content.
static EffdetFrame picture(guint kind)
{
    static const guint sizes[][2] = {{97, 61}, {320, 240}, {64, 48}, {33, 200}};
    guint width = sizes[kind % 4][0], height = sizes[kind % 4][1];
    EffdetFormat format = kind % 3 ? EFFDET_FORMAT_RGB : EFFDET_FORMAT_GRAY8;
    return (EffdetFrame){.format = format,
                         .width = width,
                         .height = height,
                         .planes = {{pixels + kind % 7, (gsize)width * (kind % 3 ? 3 : 1)}}};
}

static void fill_pixels(void)
{
    for (gsize i = 0; i < sizeof pixels; i++) {
        pixels[i] = (guint8)(i * 2654435761u >> 24);
    }
}

static EffdetResult *collect(EffdetStream *stream)
{
    g_autoptr(GError) error = NULL;
    EffdetResult *result = NULL;
    EffdetStatus status = effdet_stream_collect(stream, -1, &result, &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, EFFDET_OK);
    return result;
}

static void submit(EffdetStream *stream, guint kind, gint64 time_ns, guint cookie)
{
    g_autoptr(GError) error = NULL;
    EffdetFrame frame = picture(kind);
    EffdetStatus status =
        effdet_stream_submit(stream, &frame, time_ns, GUINT_TO_POINTER(cookie), &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, EFFDET_OK);
}

static void check_equal(const EffdetResult *result, const EffdetResult *wanted)
{
    g_assert_cmpuint(result->n_candidates, ==, wanted->n_candidates);
    g_assert_cmpfloat(result->best_score, ==, wanted->best_score);
    g_assert_cmpmem(result->objects, result->n_objects * sizeof(EffdetObject), wanted->objects,
                    wanted->n_objects * sizeof(EffdetObject));
}

// ---- the same as alone ----

static EffdetResult *expected[N_STREAMS][12]; // by stream and picture

struct job {
    EffdetStream *stream;
    guint index;
};

static gpointer submitter(gpointer data)
{
    const struct job *job = data;
    for (guint i = 0; i < N_FRAMES;) {
        EffdetFrame frame = picture(i % 12);
        EffdetStatus status = effdet_stream_submit(job->stream, &frame, (gint64)i * 1000000,
                                                   GUINT_TO_POINTER(i), NULL);
        g_assert_cmpint(status, !=, EFFDET_FAILED);
        i += status == EFFDET_OK;
        if (status == EFFDET_BUSY) {
            g_usleep(200);
        }
    }
    return NULL;
}

static gpointer collector(gpointer data)
{
    const struct job *job = data;
    for (guint i = 0; i < N_FRAMES;) {
        EffdetResult *result = NULL;
        EffdetStatus status = effdet_stream_collect(job->stream, 50000, &result, NULL);
        g_assert_cmpint(status, !=, EFFDET_FAILED);
        if (status == EFFDET_AGAIN) {
            g_usleep(200);
            continue;
        }
        g_assert_cmpuint(GPOINTER_TO_UINT(result->cookie), ==, i);
        check_equal(result, expected[job->index][i % 12]);
        effdet_result_free(&result);
        i++;
    }
    return NULL;
}

// Each stream has two threads and its own threshold and limit; the results are those that the
// engine gives of each picture alone. The first stream's is over capacity, where every frame runs
// twice or in full. limit_ms: of a piece of a frame's commands, or NULL: the default.
static void test_same(gconstpointer limit_ms)
{
    if (limit_ms) {
        g_setenv("EFFDET_SUBMIT_MS", limit_ms, TRUE);
    }
    EffdetEngine *engine = open_engine(2);
    g_unsetenv("EFFDET_SUBMIT_MS");
    EffdetStream *streams[N_STREAMS];
    GThread *threads[2 * N_STREAMS];
    struct job jobs[N_STREAMS];
    static const float scores[N_STREAMS] = {0.0f, 0.3f, 0.4f, 0.6f};
    for (guint s = 0; s < N_STREAMS; s++) {
        EffdetFilter filter = {
            .score_threshold = scores[s], .iou_threshold = 0.5f, .max_detections = 20 + s};
        g_assert_true(effdet_engine_set_filter(engine, &filter, NULL));
        for (guint kind = 0; kind < 12; kind++) {
            EffdetFrame frame = picture(kind);
            g_assert_cmpint(effdet_engine_submit(engine, &frame, NULL, NULL), ==, EFFDET_OK);
            g_assert_cmpint(effdet_engine_collect(engine, -1, &expected[s][kind], NULL), ==,
                            EFFDET_OK);
        }
    }
    g_assert_cmpuint(expected[1][0]->n_objects, >, 0);
    for (guint s = 0; s < N_STREAMS; s++) {
        streams[s] = open_stream(engine, s % 3 + 1, scores[s], 20 + s);
        jobs[s] = (struct job){streams[s], s};
        threads[2 * s] = g_thread_new("submit", submitter, &jobs[s]);
        threads[2 * s + 1] = g_thread_new("collect", collector, &jobs[s]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_thread_join(threads[i]);
    }
    g_assert_cmpuint(effdet_engine_in_flight(engine), ==, 0);
    for (guint s = 0; s < N_STREAMS; s++) {
        effdet_stream_free(&streams[s]);
        for (guint kind = 0; kind < 12; kind++) {
            effdet_result_free(&expected[s][kind]);
        }
    }
    effdet_engine_free(&engine);
}

// ---- turns and batches ----

static PFN_vkQueueSubmit real_submit;
static guint n_calls, batches[64];
static VkResult submit_result;
static guint submit_fails; // calls of more than so many frames fail with submit_result

static VKAPI_ATTR VkResult VKAPI_CALL counted_submit(VkQueue queue, uint32_t count,
                                                     const VkSubmitInfo *infos, VkFence fence)
{
    batches[n_calls++ % G_N_ELEMENTS(batches)] = count;
    if (submit_result != VK_SUCCESS && count > submit_fails) {
        return submit_result;
    }
    return real_submit(queue, count, infos, fence);
}

static PFN_vkWaitForFences real_wait;
static gint held; // the device seems not to come to an end

static VKAPI_ATTR VkResult VKAPI_CALL held_wait(VkDevice device, uint32_t count,
                                                const VkFence *fences, VkBool32 all, uint64_t ns)
{
    if (g_atomic_int_get(&held)) {
        return VK_TIMEOUT;
    }
    return real_wait(device, count, fences, all, ns);
}

// With EFFDET_SUBMIT_MS at its default a small network is one piece.
static void hook(EffdetEngine *engine)
{
    n_calls = 0;
    submit_result = VK_SUCCESS;
    real_submit = engine->device->vk.vkQueueSubmit;
    real_wait = engine->device->vk.vkWaitForFences;
    engine->device->vk.vkQueueSubmit = counted_submit;
    engine->device->vk.vkWaitForFences = held_wait;
}

static void unhook(EffdetEngine *engine)
{
    engine->device->vk.vkQueueSubmit = real_submit;
    engine->device->vk.vkWaitForFences = real_wait;
}

// While one frame runs five of three streams come; they go at once, the oldest first.
static void test_batch(void)
{
    EffdetEngine *engine = open_engine(1);
    EffdetStream *streams[3];
    for (guint s = 0; s < 3; s++) {
        streams[s] = open_stream(engine, 2, 0.9f, 0);
    }
    hook(engine);
    g_atomic_int_set(&held, 1);
    submit(streams[0], 0, 1000, 0);
    submit(streams[2], 1, 7000, 0);
    submit(streams[1], 2, 500, 0);
    submit(streams[1], 3, 600, 1);
    submit(streams[2], 4, 7300, 1);
    submit(streams[0], 5, 1050, 1);
    g_assert_cmpuint(n_calls, ==, 1);
    g_assert_cmpuint(engine->n_launches, ==, 1);
    g_assert_cmpuint(effdet_engine_in_flight(engine), ==, 6);
    EffdetFrame frame = picture(0);
    g_assert_cmpint(effdet_stream_submit(streams[0], &frame, 2000, NULL, NULL), ==, EFFDET_BUSY);
    g_atomic_int_set(&held, 0);
    EffdetResult *result = collect(streams[0]);
    g_assert_cmpuint(GPOINTER_TO_UINT(result->cookie), ==, 0);
    effdet_result_free(&result);
    g_assert_cmpuint(n_calls, ==, 2);
    g_assert_cmpuint(batches[1], ==, 5);
    // streams 1 and 2 were joined to the order at stream 0's first frame: 0, then +50, +100, +300
    const struct launch *launch = &engine->launches[engine->first_launch];
    const EffdetStream *wanted[] = {streams[2], streams[1], streams[0], streams[1], streams[2]};
    g_assert_cmpint(launch->n, ==, 5);
    for (int i = 0; i < launch->n; i++) {
        g_assert_true(launch->slots[i]->stream == wanted[i]);
    }
    for (guint s = 0; s < 3; s++) {
        while (effdet_stream_in_flight(streams[s]) > 0) {
            result = collect(streams[s]);
            effdet_result_free(&result);
        }
        effdet_stream_free(&streams[s]);
    }
    unhook(engine);
    effdet_engine_free(&engine);
}

// A stream far ahead, one that starts from nothing, and one without times: each has every turn.
static void test_turns(void)
{
    EffdetEngine *engine = open_engine(1);
    EffdetStream *streams[3];
    static const gint64 starts[] = {0, 3600 * G_GINT64_CONSTANT(1000000000), -1};
    guint done[3] = {0};
    for (guint s = 0; s < 3; s++) {
        streams[s] = open_stream(engine, 1, 0.5f, 0);
    }
    for (guint i = 0; i < 30; i++) {
        for (guint s = 0; s < 3; s++) {
            gint64 jump = i >= 15 && s == 0 ? -starts[1] : 0; // backwards
            submit(streams[s], 2, starts[s] < 0 ? -1 : MAX(starts[s] + i * 40000000 + jump, 0), i);
        }
        for (guint s = 0; s < 3; s++) {
            EffdetResult *result = collect(streams[s]);
            g_assert_cmpuint(GPOINTER_TO_UINT(result->cookie), ==, done[s]++);
            effdet_result_free(&result);
        }
    }
    // all wait at once, and are collected from the last to the first
    hook(engine);
    g_atomic_int_set(&held, 1);
    submit(streams[0], 2, 100, 0);
    submit(streams[1], 2, 300, 0);
    submit(streams[2], 2, -1, 0);
    g_atomic_int_set(&held, 0);
    for (guint s = 3; s-- > 0;) {
        EffdetResult *result = collect(streams[s]);
        effdet_result_free(&result);
        effdet_stream_free(&streams[s]);
    }
    unhook(engine);
    effdet_engine_free(&engine);
}

// ---- leaving, joining, failing ----

static void test_leave(void)
{
    EffdetEngine *engine = open_engine(1);
    EffdetStream *stay = open_stream(engine, 2, 0.9f, 0);
    hook(engine);
    for (guint i = 0; i < 20; i++) {
        EffdetStream *guest = open_stream(engine, 3, 0.9f, 0);
        g_atomic_int_set(&held, 1);
        if (i % 2) {
            submit(guest, 0, 0, 0); // runs
        }
        submit(stay, 1, i * 1000, i);
        submit(guest, 2, 10, 1); // waits
        submit(guest, 3, 20, 2);
        effdet_stream_free(&guest);
        g_assert_null(guest);
        g_atomic_int_set(&held, 0);
        EffdetResult *result = collect(stay);
        g_assert_cmpuint(GPOINTER_TO_UINT(result->cookie), ==, i);
        effdet_result_free(&result);
    }
    unhook(engine);
    g_assert_cmpint(engine->n_slots, ==, 5); // used again
    g_autoptr(GError) error = NULL;
    g_assert_null(effdet_stream_new(engine, 17, &error));
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE);
    g_clear_error(&error);
    EffdetStream *many[MAX_SLOTS] = {NULL};
    guint n = 0;
    while ((many[n] = effdet_stream_new(engine, 16, &error))) {
        n++;
    }
    g_assert_cmpuint(n, ==, MAX_SLOTS / 16 - 1); // and two frames of the first stream
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE);
    g_assert_nonnull(strstr(error->message, "256"));
    while (n > 0) {
        effdet_stream_free(&many[--n]);
    }
    submit(stay, 1, 0, 0); // in flight at the end
    effdet_stream_free(&stay);
    effdet_engine_free(&engine);
}

// A wrong frame of one stream, and a submission that is too large, are nothing to the others.
static void test_errors(void)
{
    g_autoptr(GError) error = NULL;
    EffdetEngine *engine = open_engine(1);
    EffdetStream *a = open_stream(engine, 2, 0.9f, 0), *b = open_stream(engine, 2, 0.3f, 0);
    EffdetFrame wrong = {.format = EFFDET_FORMAT_RGB};
    g_assert_cmpint(effdet_stream_submit(a, &wrong, 0, NULL, &error), ==, EFFDET_FAILED);
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE);
    g_clear_error(&error);
    g_assert_cmpuint(effdet_engine_in_flight(engine), ==, 0);
    hook(engine);
    g_atomic_int_set(&held, 1);
    submit(a, 0, 0, 0);
    submit(a, 1, 1, 1);
    submit(b, 2, 1, 2);
    submit(b, 3, 2, 3);
    submit_result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    submit_fails = 1;
    g_atomic_int_set(&held, 0);
    for (guint i = 0; i < 4; i++) {
        EffdetResult *result = collect(i < 2 ? a : b);
        g_assert_cmpuint(GPOINTER_TO_UINT(result->cookie), ==, i);
        effdet_result_free(&result);
    }
    submit_fails = 0;
    EffdetFrame frame = picture(0);
    g_assert_cmpint(effdet_stream_submit(a, &frame, 5, NULL, &error), ==, EFFDET_FAILED);
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY);
    g_clear_error(&error);
    submit_result = VK_SUCCESS;
    submit(b, 0, 5, 9);
    EffdetResult *result = collect(b);
    effdet_result_free(&result);
    // the device is lost: each stream hears of it, at once and from then on
    g_atomic_int_set(&held, 1);
    submit(a, 0, 6, 0);
    submit(b, 0, 6, 0);
    g_atomic_int_set(&engine->device->lost, 1);
    for (guint i = 0; i < 4; i++) {
        EffdetStream *stream = i % 2 ? a : b;
        g_assert_cmpint(effdet_stream_collect(stream, i < 2 ? -1 : 0, &result, &error), ==,
                        EFFDET_FAILED);
        g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_DEVICE_LOST);
        g_clear_error(&error);
        g_assert_cmpint(effdet_stream_submit(stream, &frame, 7, NULL, &error), ==, EFFDET_FAILED);
        g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_DEVICE_LOST);
        g_clear_error(&error);
    }
    g_atomic_int_set(&held, 0);
    unhook(engine);
    effdet_stream_free(&a);
    effdet_stream_free(&b);
    effdet_engine_free(&engine);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fill_pixels();
    g_test_add_data_func("/streams/same", NULL, test_same);
    g_test_add_data_func("/streams/same-in-pieces", "0.05", test_same);
    g_test_add_func("/streams/batch", test_batch);
    g_test_add_func("/streams/turns", test_turns);
    g_test_add_func("/streams/leave", test_leave);
    g_test_add_func("/streams/errors", test_errors);
    return g_test_run();
}
