// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The double of libeffdet. It keeps effdet.h's contract (slots, order, threads) and nothing of its
// meaning.
#include "fake_engine.h"

#include <string.h>

#define MAX_SLOTS 16
#define N_CLASSES 3

typedef struct {
    gpointer cookie;
    gint64 submitted_us;
} Slot;

struct EffdetEngine {
    EffdetEngineInfo info;
    gboolean dead;
    guint n_streams;
};

struct EffdetStream {
    EffdetEngine *engine;
    guint depth;
    Slot slots[MAX_SLOTS]; // ring
    guint first, n;
    EffdetFilter filter;
};

static GMutex lock;
static GCond cond;
static FakeScript script;
static FakeLog journal;
static guint credits, n_collects, n_submits;

static const gchar *const labels[] = {"person", "car", "", NULL};

G_DEFINE_QUARK(effdet - error - quark, effdet_error)

void fake_script(const FakeScript *wanted)
{
    g_mutex_lock(&lock);
    script = *wanted;
    journal = (FakeLog){.n_alive = journal.n_alive, .filter = journal.filter};
    credits = n_collects = n_submits = 0;
    g_cond_broadcast(&cond);
    g_mutex_unlock(&lock);
}

void fake_release(guint n)
{
    g_mutex_lock(&lock);
    credits += n;
    g_cond_broadcast(&cond);
    g_mutex_unlock(&lock);
}

FakeLog fake_log(void)
{
    FakeLog copy;

    g_mutex_lock(&lock);
    copy = journal;
    g_mutex_unlock(&lock);
    return copy;
}

EffdetEngine *effdet_engine_new(const EffdetEngineParams *params, GError **error)
{
    EffdetEngine *engine = NULL;
    gint64 sleep_us;

    g_mutex_lock(&lock);
    sleep_us = script.new_us;
    g_mutex_unlock(&lock);
    if (sleep_us > 0) {
        g_usleep((gulong)sleep_us);
    }
    g_mutex_lock(&lock);
    if (script.new_error != NULL) {
        g_set_error_literal(error, EFFDET_ERROR, (gint)script.new_code, script.new_error);
    } else {
        engine = g_new0(EffdetEngine, 1);
        engine->info =
            (EffdetEngineInfo){.model = "fake",
                               .device = "Fake device",
                               .driver = "none",
                               .precision = "fp32",
                               .plan = "cpu",
                               .input_width = 64,
                               .input_height = 64,
                               .n_classes = N_CLASSES,
                               .labels = labels,
                               .queue_depth = params->queue_depth != 0 ? params->queue_depth : 2,
                               .suggested_score_threshold = 0.4};
        g_strlcpy(journal.model, params->model != NULL ? params->model : "", sizeof(journal.model));
        journal.n_new++;
        journal.n_alive++;
    }
    g_mutex_unlock(&lock);
    return engine;
}

void effdet_engine_free(EffdetEngine **engine)
{
    if (*engine == NULL) {
        return;
    }
    g_mutex_lock(&lock);
    journal.n_alive--;
    g_assert_cmpuint((*engine)->n_streams, ==, 0);
    g_mutex_unlock(&lock);
    g_clear_pointer(engine, g_free);
}

const EffdetEngineInfo *effdet_engine_info(EffdetEngine *engine)
{
    return &engine->info;
}

EffdetStream *effdet_stream_new(EffdetEngine *engine, guint queue_depth, GError **error)
{
    EffdetStream *stream = g_new0(EffdetStream, 1);

    g_mutex_lock(&lock);
    stream->engine = engine;
    stream->depth = queue_depth != 0 ? queue_depth : engine->info.queue_depth;
    engine->n_streams++;
    g_mutex_unlock(&lock);
    return stream;
}

void effdet_stream_free(EffdetStream **stream)
{
    g_mutex_lock(&lock);
    (*stream)->engine->n_streams--;
    g_mutex_unlock(&lock);
    g_clear_pointer(stream, g_free);
}

gboolean effdet_stream_set_filter(EffdetStream *stream, const EffdetFilter *filter, GError **error)
{
    const gchar *classes = filter->classes != NULL ? filter->classes : "";

    if (strstr(classes, "unicorn") != NULL) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE,
                    "class unicorn is not known: the model has person, car");
        return FALSE;
    }
    g_mutex_lock(&lock);
    stream->filter = *filter;
    journal.filter = *filter;
    journal.filter.classes = NULL;
    g_strlcpy(journal.classes, classes, sizeof(journal.classes));
    g_mutex_unlock(&lock);
    return TRUE;
}

// How many of the script's objects the stream's own threshold leaves.
static guint wanted_objects(const EffdetStream *stream)
{
    guint n = 0;

    while (n < script.n_objects && script.objects[n].confidence >= stream->filter.score_threshold) {
        n++;
    }
    return n;
}

// Reads what the format says is visible, so that a wrong stride or offset shows in the sums, or in
// a sanitizer.
static void read_planes(const EffdetFrame *frame)
{
    static const struct {
        guint8 shift_x, shift_y, bytes;
    } layouts[EFFDET_N_FORMATS][3] = {{{0, 0, 1}, {1, 1, 2}},
                                      {{0, 0, 1}, {1, 1, 1}, {1, 1, 1}},
                                      {{0, 0, 2}, {1, 1, 4}},
                                      {{1, 0, 4}},
                                      {{1, 0, 4}},
                                      {{0, 0, 3}},
                                      {{0, 0, 3}},
                                      {{0, 0, 4}},
                                      {{0, 0, 4}},
                                      {{0, 0, 4}},
                                      {{0, 0, 4}},
                                      {{0, 0, 1}}};

    for (guint p = 0; p < 3; p++) {
        guint sx = layouts[frame->format][p].shift_x, sy = layouts[frame->format][p].shift_y;
        guint row_bytes = ((frame->width + (1u << sx) - 1) >> sx) * layouts[frame->format][p].bytes;
        guint rows = (frame->height + (1u << sy) - 1) >> sy;

        journal.plane_sum[p] = 0;
        for (guint y = 0; y < (row_bytes > 0 ? rows : 0); y++) {
            for (guint x = 0; x < row_bytes; x++) {
                journal.plane_sum[p] +=
                    frame->planes[p].data[y * frame->planes[p].stride_bytes + x];
            }
        }
    }
}

EffdetStatus effdet_stream_submit(EffdetStream *stream, const EffdetFrame *frame, gint64 time_ns,
                                  gpointer cookie, GError **error)
{
    EffdetEngine *engine = stream->engine;
    EffdetStatus status = EFFDET_OK;

    g_mutex_lock(&lock);
    if (engine->dead || ++n_submits == script.fail_submit_at) {
        engine->dead = TRUE;
        g_set_error_literal(error, EFFDET_ERROR, EFFDET_ERROR_DEVICE_LOST, "device lost at submit");
        status = EFFDET_FAILED;
    } else if (stream->n == stream->depth) {
        journal.n_busy++;
        status = EFFDET_BUSY;
    } else {
        stream->slots[(stream->first + stream->n++) % MAX_SLOTS] =
            (Slot){.cookie = cookie, .submitted_us = g_get_monotonic_time()};
        journal.n_submitted++;
        journal.frame = *frame;
        if (!script.blind) {
            read_planes(frame);
        }
        g_cond_broadcast(&cond);
    }
    g_mutex_unlock(&lock);
    return status;
}

// Under lock. TRUE once the oldest frame is finished, FALSE where none is there or the time is up.
static gboolean wait_for_oldest(EffdetStream *stream, gint64 deadline_us)
{
    while (stream->n > 0) {
        gint64 finished_us = stream->slots[stream->first].submitted_us + script.completion_us;

        if (stream->engine->dead) {
            return TRUE;
        }
        if (script.gated ? credits > 0 : g_get_monotonic_time() >= finished_us) {
            return TRUE;
        }
        if (!g_cond_wait_until(&cond, &lock,
                               script.gated ? deadline_us : MIN(finished_us, deadline_us)) &&
            g_get_monotonic_time() >= deadline_us) {
            return FALSE;
        }
    }
    return FALSE;
}

EffdetStatus effdet_stream_collect(EffdetStream *stream, gint64 timeout_us, EffdetResult **result,
                                   GError **error)
{
    EffdetEngine *engine = stream->engine;
    // A gate that no test opens must not hang the teardown.
    gint64 longest_us = 3 * G_USEC_PER_SEC, deadline_us;
    Slot slot;

    g_mutex_lock(&lock);
    deadline_us = g_get_monotonic_time() + (timeout_us < 0 ? longest_us : timeout_us);
    if (!wait_for_oldest(stream, deadline_us)) {
        gboolean lost = timeout_us < 0 && stream->n > 0;

        engine->dead |= lost;
        g_cond_broadcast(&cond);
        g_mutex_unlock(&lock);
        if (lost) {
            g_set_error_literal(error, EFFDET_ERROR, EFFDET_ERROR_DEVICE_LOST, "no result in time");
        }
        return lost ? EFFDET_FAILED : EFFDET_AGAIN;
    }
    if (engine->dead || ++n_collects == script.fail_collect_at) {
        engine->dead = TRUE;
        g_cond_broadcast(&cond);
        g_mutex_unlock(&lock);
        g_set_error_literal(error, EFFDET_ERROR, EFFDET_ERROR_DEVICE_LOST,
                            "device lost at collect");
        return EFFDET_FAILED;
    }
    slot = stream->slots[stream->first];
    stream->first = (stream->first + 1) % MAX_SLOTS;
    stream->n--;
    credits -= script.gated ? 1 : 0;
    *result = g_new0(EffdetResult, 1);
    **result = (EffdetResult){
        .cookie = slot.cookie,
        .n_objects = wanted_objects(stream),
        .objects = g_memdup2(script.objects, script.n_objects * sizeof(EffdetObject)),
        .n_candidates = wanted_objects(stream),
        .latency_us = g_get_monotonic_time() - slot.submitted_us,
        .gpu_preprocess_us = 10,
        .gpu_network_us = 20,
        .gpu_decode_us = -1};
    g_mutex_unlock(&lock);
    return EFFDET_OK;
}

void effdet_result_free(EffdetResult **result)
{
    if (*result != NULL) {
        g_free((*result)->objects);
    }
    g_clear_pointer(result, g_free);
}

void effdet_set_log_func(EffdetLogFunc func, gpointer user_data)
{
    func(3, "the double of the engine is in use", user_data);
}
