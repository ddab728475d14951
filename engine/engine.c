// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Making an engine of its parameters, and taking it apart. Frames are stream.c's matter.
#include "effdet/effdet.h"

#include "base/error.h"
#include "base/log.h"
#include "engine_private.h"
#include "search.h"
#include "tune.h"

#include <string.h>

#define DEFAULT_QUEUE_DEPTH 2
#define DEFAULT_TIMEOUT_MS 5000
#define MAX_INPUT_SIDE 4096
#define SMALL_PICTURE_BYTES (640 * 480 * 2)
#define TUNE_LIMIT_S 30 // when asked for, and for all compilation

static bool check_params(const EffdetEngineParams *params, GError **error)
{
    static const char *const plans[] = {"auto", "gpu", "cpu", NULL};
    if (params->queue_depth > MAX_QUEUE_DEPTH) {
        return fail_value(error, "queue depth %u is out of range: use 1 to %d", params->queue_depth,
                          MAX_QUEUE_DEPTH);
    }
    if (params->input_width > MAX_INPUT_SIDE || params->input_height > MAX_INPUT_SIDE) {
        return fail_value(error, "network input %ux%u is too large: at most %d pixels a side",
                          params->input_width, params->input_height, MAX_INPUT_SIDE);
    }
    if ((params->input_width == 0) != (params->input_height == 0)) {
        return fail_value(error, "network input %ux%u: give both sides or none",
                          params->input_width, params->input_height);
    }
    if (params->plan && !g_strv_contains(plans, params->plan)) {
        return fail_value(error, "unknown plan '%s': use auto, gpu or cpu", params->plan);
    }
    if (params->precision > EFFDET_PRECISION_FP32) {
        return fail_value(error, "unknown precision %d", params->precision);
    }
    return true;
}

static struct checkpoint *open_random(const EffdetEngineParams *params, GError **error)
{
    const struct arch *arch = arch_find(params->model);
    if (!arch) {
        fail_value(error,
                   "random weights need the name of an architecture, but '%s' is none: see 'effdet "
                   "models'",
                   params->model ? params->model : "");
        return NULL;
    }
    // gains under which deep networks neither vanish nor overflow 16 bit
    return checkpoint_synthetic(arch, 90, arch->backbone->lite ? 1.0 : 1.2, 1.0);
}

static struct checkpoint *open_weights(const EffdetEngineParams *params, GError **error)
{
    if (params->random_weights) {
        return open_random(params, error);
    }
    g_autofree char *architecture = NULL;
    g_autofree char *path = search_weights(params->model, params->weights, &architecture, error);
    if (!path) {
        return NULL;
    }
    struct checkpoint_options options = {
        .architecture = architecture,
        .labels = params->labels,
        .project = params->project,
        .convention = params->convention,
    };
    return checkpoint_open(path, &options, error);
}

static bool choose_half(const struct device *device, EffdetPrecision precision, bool *half,
                        GError **error)
{
    *half = precision == EFFDET_PRECISION_FP16 ||
            (precision == EFFDET_PRECISION_AUTO && device->features.storage16 &&
             class_plan(device->device_class)->half);
    if (*half && !device->features.storage16) {
        g_set_error(
            error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED,
            "precision fp16 was asked for, but device %s has no 16-bit storage: use auto or fp32",
            device->name);
        return false;
    }
    return true;
}

static void fill_info(EffdetEngine *engine, bool half, bool cpu_plan)
{
    const struct model *model = engine->model;
    uint64_t staging = 0;
    for (int i = 0; i < engine->n_slots; i++) {
        staging += slot_bytes(&engine->slots[i]);
    }
    engine->info = (EffdetEngineInfo){
        .model = model->arch.name,
        .weights_path = checkpoint_path(engine->checkpoint),
        .device = engine->device->name,
        .driver = engine->device->driver_text,
        .precision = half ? "fp16" : "fp32",
        .plan = cpu_plan ? "cpu" : "gpu",
        .input_width = (guint)model->input_width,
        .input_height = (guint)model->input_height,
        .n_classes = (guint)model->num_classes,
        .labels = (const gchar *const *)model->labels,
        .queue_depth = (guint)engine->n_slots,
        .suggested_score_threshold = model->suggested_score_threshold,
        .n_dispatches = (guint)recorder_dispatches(engine->slots[0].passes[PASS_QUICK].recorder),
        .n_pipelines = (guint)kernels_count(engine->network.kernels),
        .arena_bytes = engine->network.graph->arena_bytes,
        .arena_lower_bound_bytes = engine->network.graph->lower_bound_bytes,
        .weights_bytes = engine->network.weights.bytes,
        .staging_bytes = staging,
        .cache_hit = kernels_cache_hit(engine->network.kernels),
    };
}

bool engine_make_slots(EffdetEngine *engine, guint n, GError **error)
{
    for (guint made = (guint)engine->n_slots; made < n; made++) {
        // Of many streams not all have large pictures.
        uint64_t staging_bytes = made < engine->max_launches ? PICTURE_BYTES : SMALL_PICTURE_BYTES;
        if (!slot_init(&engine->slots[made], &engine->context, staging_bytes, error)) {
            return false;
        }
        g_mutex_lock(&engine->lock);
        engine->n_slots++;
        g_mutex_unlock(&engine->lock);
    }
    return true;
}

// Frames of one submission know its end from the last of them: all are over before any slot goes.
static void free_slots(EffdetEngine *engine)
{
    g_mutex_lock(&engine->lock);
    schedule_drain(engine);
    g_mutex_unlock(&engine->lock);
    for (int i = 0; i < engine->n_slots; i++) {
        recorder_settle(slot_recorder(&engine->slots[i]));
    }
    while (engine->n_slots > 0) {
        slot_finish(&engine->slots[--engine->n_slots], &engine->context);
    }
    engine->head = 0;
}

// One small dark frame: drivers compile at the first dispatch, and it shows how long the network's
// dispatches take. Nothing passes the threshold, so that the full pass is compiled only where it is
// needed. *frame_us: how long it took.
static bool warm_up(EffdetEngine *engine, gint64 *frame_us, GError **error)
{
    static const guint8 dark[64 * 96];
    EffdetFilter filter = {.score_threshold = 1, .iou_threshold = 0.5f};
    EffdetFrame frame = {.format = EFFDET_FORMAT_NV12,
                         .width = 64,
                         .height = 64,
                         .planes = {{dark, 64}, {dark + 64 * 64, 64}}};
    EffdetResult *result = NULL;
    frame_context_measure(&engine->context);
    if (!engine_make_slots(engine, 1, error) || !effdet_engine_set_filter(engine, &filter, error) ||
        effdet_engine_submit(engine, &frame, NULL, error) != EFFDET_OK ||
        effdet_engine_collect(engine, -1, &result, error) != EFFDET_OK) {
        return false;
    }
    *frame_us = result->latency_us;
    effdet_result_free(&result);
    frame_context_learn(&engine->context, &engine->slots[0]);
    free_slots(engine);
    return true;
}

// A large network on a CPU takes longer than any GPU that still lives.
static guint frame_timeout_ms(guint wanted_ms, gint64 warm_up_us)
{
    return wanted_ms ? wanted_ms : (guint)MAX(DEFAULT_TIMEOUT_MS, warm_up_us / 1000 * 10);
}

// With the variants that were measured on this device, now or earlier, unless they are not wanted.
static bool build_network(EffdetEngine *engine, const EffdetEngineParams *params,
                          struct network_options *options, GError **error)
{
    struct device *device = engine->device;
    struct checkpoint *checkpoint = engine->checkpoint;
    struct tuning *tuning = params->tune < 0 ? NULL : tuning_new(device);
    bool ok =
        !tuning ||
        (params->tune > 0 ? tune_network(tuning, device, checkpoint, options, TUNE_LIMIT_S, error)
                          : tune_at_first_start(tuning, device, checkpoint, options, error));
    options->tuning = tuning;
    ok = ok && network_init(&engine->network, device, checkpoint, options, error);
    options->tuning = NULL;
    tuning_free(&tuning);
    return ok;
}

static bool build(EffdetEngine *engine, const EffdetEngineParams *params, GError **error)
{
    bool half;
    gint64 frame_us = 0;
    engine->checkpoint = open_weights(params, error);
    if (!engine->checkpoint) {
        return false;
    }
    struct model *model = checkpoint_model_mutable(engine->checkpoint);
    engine->model = model;
    if (params->input_width) {
        model->input_width = (int)params->input_width;
        model->input_height = (int)params->input_height;
    }
    engine->device = device_new(params->device, error);
    if (!engine->device || !choose_half(engine->device, params->precision, &half, error)) {
        return false;
    }
    engine->timeout_ms =
        MAX(params->gpu_timeout_ms, (guint)(engine->device->patience_ns / 1000000));
    struct network_options options = {
        .half = half, .fuse = !params->no_fuse, .cpu_plan = engine->device->is_cpu};
    if (params->plan && !g_str_equal(params->plan, "auto")) {
        options.cpu_plan = g_str_equal(params->plan, "cpu");
    }
    if (!build_network(engine, params, &options, error) ||
        !frame_context_init(&engine->context, &engine->network, model, error)) {
        return false;
    }
    engine->results = result_pool_new();
    engine->max_launches = params->queue_depth ? params->queue_depth : DEFAULT_QUEUE_DEPTH;
    engine->own = g_new0(EffdetStream, 1);
    *engine->own =
        (EffdetStream){.engine = engine, .post = post_new(model), .depth = engine->max_launches};
    EffdetFilter filter = {
        .score_threshold = (float)model->suggested_score_threshold,
        .iou_threshold = (float)model->post.nms_iou,
        .max_detections = model->post.max_detections ? (guint)model->post.max_detections : 100};
    if (!warm_up(engine, &frame_us, error) ||
        !engine_make_slots(engine, engine->max_launches, error) ||
        !effdet_engine_set_filter(engine, &filter, error)) {
        return false;
    }
    engine->timeout_ms = frame_timeout_ms(params->gpu_timeout_ms, frame_us);
    kernels_save(engine->network.kernels);
    fill_info(engine, half, options.cpu_plan);
    return true;
}

EffdetEngine *effdet_engine_new(const EffdetEngineParams *params, GError **error)
{
    static const EffdetEngineParams defaults;
    params = params ? params : &defaults;
    if (!check_params(params, error)) {
        return NULL;
    }
    gint64 start = g_get_monotonic_time();
    EffdetEngine *engine = g_new0(EffdetEngine, 1);
    g_mutex_init(&engine->lock);
    g_cond_init(&engine->change);
    if (!build(engine, params, error)) {
        effdet_engine_free(&engine);
        return NULL;
    }
    engine->info.start_ms = (double)(g_get_monotonic_time() - start) / 1000.0;
    log_info("%s on %s (%s), %s, input %ux%u, %u dispatches, ready in %.0f ms", engine->info.model,
             engine->info.device, engine->info.driver, engine->info.precision,
             engine->info.input_width, engine->info.input_height, engine->info.n_dispatches,
             engine->info.start_ms);
    return engine;
}

void effdet_engine_free(EffdetEngine **engine)
{
    EffdetEngine *self = engine ? g_steal_pointer(engine) : NULL;
    if (!self) {
        return;
    }
    free_slots(self);
    effdet_stream_free(&self->own);
    frame_context_finish(&self->context);
    network_finish(&self->network);
    result_pool_free(&self->results);
    device_free(&self->device);
    checkpoint_close(&self->checkpoint);
    g_clear_error(&self->failure);
    g_cond_clear(&self->change);
    g_mutex_clear(&self->lock);
    g_free(self);
}

const EffdetEngineInfo *effdet_engine_info(EffdetEngine *engine)
{
    return &engine->info;
}
