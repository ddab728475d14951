// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The element's engine: start, stop, the thread that collects results, and how its errors reach the
// bus. No pads here.
#include "detector.h"

// ---- errors ----

static void bus_code(const GError *error, GQuark *domain, gint *code)
{
    *domain = GST_LIBRARY_ERROR;
    *code = GST_LIBRARY_ERROR_INIT;
    if (error->domain != EFFDET_ERROR) {
        return;
    }
    switch ((EffdetErrorCode)error->code) {
    case EFFDET_ERROR_NOT_FOUND:
    case EFFDET_ERROR_NO_VULKAN:
        *domain = GST_RESOURCE_ERROR;
        *code = GST_RESOURCE_ERROR_NOT_FOUND;
        break;
    case EFFDET_ERROR_BAD_FILE:
        *domain = GST_RESOURCE_ERROR;
        *code = GST_RESOURCE_ERROR_READ;
        break;
    case EFFDET_ERROR_UNSUPPORTED:
    case EFFDET_ERROR_BAD_VALUE:
        *code = GST_LIBRARY_ERROR_SETTINGS;
        break;
    case EFFDET_ERROR_OUT_OF_MEMORY:
        *domain = GST_RESOURCE_ERROR;
        *code = GST_RESOURCE_ERROR_NO_SPACE_LEFT;
        break;
    case EFFDET_ERROR_DEVICE_LOST:
        *domain = GST_RESOURCE_ERROR;
        *code = GST_RESOURCE_ERROR_FAILED;
        break;
    case EFFDET_ERROR_FAILED:
        break;
    }
}

void detector_post(GstEffdet *self, GstMessageType type, GError *error)
{
    GQuark domain;
    gint code;

    bus_code(error, &domain, &code);
    gst_element_message_full(GST_ELEMENT(self), type, domain, code, g_strdup(error->message), NULL,
                             __FILE__, GST_FUNCTION, __LINE__);
    g_error_free(error);
}

void detector_fail(GstEffdet *self, GError *error)
{
    gboolean first;

    g_mutex_lock(&self->lock);
    first = !self->failed;
    self->failed = TRUE;
    self->flow = GST_FLOW_ERROR;
    g_cond_broadcast(&self->cond);
    g_mutex_unlock(&self->lock);
    if (first) {
        detector_post(self, GST_MESSAGE_ERROR, error);
    } else {
        g_error_free(error);
    }
}

void detector_engine_failed(GstEffdet *self, GError *error)
{
    gboolean recover, first;
    gboolean lost = g_error_matches(error, EFFDET_ERROR, EFFDET_ERROR_DEVICE_LOST);

    if (lost) {
        share_forget(self->use.share);
    }
    GST_OBJECT_LOCK(self);
    recover = (lost || g_error_matches(error, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY)) &&
              self->settings.on_device_lost == GST_EFFDET_DEVICE_LOST_RECOVER;
    GST_OBJECT_UNLOCK(self);
    g_mutex_lock(&self->lock);
    recover = recover && !self->unproven;
    first = recover && !self->lost;
    self->lost |= recover;
    g_cond_broadcast(&self->cond);
    g_mutex_unlock(&self->lock);
    if (!recover) {
        detector_fail(self, error);
    } else if (first) {
        detector_post(self, GST_MESSAGE_WARNING, error);
        loader_kick(self);
    } else {
        g_error_free(error);
    }
}

// ---- filter ----

static EffdetFilter filter_of(const Settings *settings)
{
    return (EffdetFilter){.score_threshold = (float)settings->score_threshold,
                          .iou_threshold = (float)settings->iou_threshold,
                          .max_detections = settings->max_detections,
                          .classes = settings_text(settings->classes)};
}

static void classes_took_force(GstEffdet *self, const gchar *classes)
{
    GST_OBJECT_LOCK(self);
    if (g_strcmp0(self->classes_in_force, classes) != 0) {
        g_free(self->classes_in_force);
        self->classes_in_force = g_strdup(classes);
    }
    GST_OBJECT_UNLOCK(self);
}

void detector_update_filter(GstEffdet *self, gboolean probe)
{
    g_autoptr(GError) error = NULL;
    Settings settings;
    EffdetFilter filter;

    GST_OBJECT_LOCK(self);
    settings_copy(&settings, &self->settings);
    self->filter_changed = probe; // the next frame's is the user's again
    GST_OBJECT_UNLOCK(self);
    if (probe) {
        settings.score_threshold = MIN(settings.score_threshold, SILENCE_SCORE);
    }
    filter = filter_of(&settings);
    if (effdet_stream_set_filter(self->use.stream, &filter, &error)) {
        classes_took_force(self, settings.classes);
        settings_clear(&settings);
        return;
    }
    // Only classes can be wrong, the numbers are checked by their properties: the old classes stay,
    // the new numbers count.
    GST_OBJECT_LOCK(self);
    g_free(self->settings.classes);
    self->settings.classes = g_strdup(self->classes_in_force);
    g_free(settings.classes);
    settings.classes = g_strdup(self->classes_in_force);
    GST_OBJECT_UNLOCK(self);
    filter = filter_of(&settings);
    if (!effdet_stream_set_filter(self->use.stream, &filter, NULL)) {
        GST_ERROR_OBJECT(self, "the filter in force is refused");
    }
    settings_clear(&settings);
    detector_post(self, GST_MESSAGE_WARNING, g_steal_pointer(&error));
}

// ---- start and stop ----

static GArray *label_quarks(const EffdetEngineInfo *info)
{
    GArray *quarks = g_array_sized_new(FALSE, FALSE, sizeof(GQuark), info->n_classes);

    for (guint i = 0; i < info->n_classes; i++) {
        const gchar *label = info->labels != NULL ? info->labels[i] : "";
        gchar number[16];
        GQuark quark;

        g_snprintf(number, sizeof(number), "%u",
                   i); // as the `classes` property calls a class without a name
        quark = g_quark_from_string(*label != '\0' ? label : number);
        g_array_append_val(quarks, quark);
    }
    return quarks;
}

gboolean detector_open(GstEffdet *self, Use *use, GError **error)
{
    Settings settings;
    EffdetFilter filter;
    gboolean ok;

    GST_OBJECT_LOCK(self);
    settings_copy(&settings, &self->settings);
    GST_OBJECT_UNLOCK(self);
    filter = filter_of(&settings);
    *use = (Use){.share = share_acquire(&settings, error), .depth = settings.queue_depth};
    ok = use->share != NULL && (use->stream = share_stream(use->share, &settings, error)) != NULL &&
         effdet_stream_set_filter(use->stream, &filter, error);
    if (ok) {
        use->model = g_strdup(settings.model);
        use->labels = label_quarks(effdet_engine_info(share_engine(use->share)));
        classes_took_force(self, settings.classes);
    } else {
        detector_close(use);
    }
    settings_clear(&settings);
    return ok;
}

void detector_close(Use *use)
{
    if (use->stream != NULL) {
        effdet_stream_free(&use->stream);
    }
    share_release(&use->share);
    g_clear_pointer(&use->labels, g_array_unref);
    g_clear_pointer(&use->model, g_free);
}

// Waits for the oldest frame. Under lock, which is released meanwhile.
static void collect_one(GstEffdet *self)
{
    EffdetStream *stream = self->use.stream;
    EffdetResult *result = NULL;
    GError *error = NULL;
    gboolean silent = FALSE;
    EffdetStatus status;

    self->collecting = TRUE;
    g_mutex_unlock(&self->lock);
    status = effdet_stream_collect(stream, -1, &result, &error);
    if (status != EFFDET_OK && error == NULL) {
        error = g_error_new(
            EFFDET_ERROR, EFFDET_ERROR_FAILED,
            "a submitted frame was expected, the engine knows of none: restart the pipeline");
    }
    if (error != NULL) {
        detector_engine_failed(self, error);
    }
    g_mutex_lock(&self->lock);
    self->collecting = FALSE;
    if (status == EFFDET_OK) {
        Flight *flight = result->cookie;

        self->unproven = FALSE;
        silent = silence_note(self, flight->probe, result);
        GST_CAT_LOG_OBJECT(
            gst_effdet_engine_debug, self,
            "%" GST_TIME_FORMAT ": %u objects of %u candidates, best score %.3f, %" G_GINT64_FORMAT
            " us (device: preprocess %" G_GINT64_FORMAT ", network %" G_GINT64_FORMAT
            ", decode %" G_GINT64_FORMAT ")",
            GST_TIME_ARGS(flight->pts), result->n_objects, result->n_candidates,
            (double)result->best_score, result->latency_us, result->gpu_preprocess_us,
            result->gpu_network_us, result->gpu_decode_us);
        stats_add_result(&self->stats, result);
        flight_land(self, flight, result);
    }
    g_cond_broadcast(&self->cond);
    if (silent) {
        g_mutex_unlock(&self->lock);
        silence_warn(self);
        g_mutex_lock(&self->lock);
    }
}

// The collector. It alone lands what was submitted, so that no flight ends while the engine may
// still hand out its result.
static gpointer collect(gpointer data)
{
    GstEffdet *self = data;

    g_mutex_lock(&self->lock);
    while (!self->quit) {
        if (self->n_submitted == 0) {
            g_cond_wait(&self->cond, &self->lock);
        } else if (self->lost || self->failed) {
            flight_land_all(self);
        } else {
            collect_one(self);
        }
    }
    g_mutex_unlock(&self->lock);
    return NULL;
}

void detector_progress(GstEffdet *self, GstProgressType type, const gchar *text)
{
    gst_element_post_message(GST_ELEMENT(self),
                             gst_message_new_progress(GST_OBJECT(self), type, "load", text));
}

gchar *detector_describe(const Use *use)
{
    const EffdetEngineInfo *info = effdet_engine_info(share_engine(use->share));

    return g_strdup_printf("%s on %s", info->model, info->device);
}

gboolean detector_start(GstEffdet *self)
{
    GError *error = NULL;
    const EffdetEngineInfo *info;
    Use use;
    g_autofree gchar *text = NULL;

    detector_progress(self, GST_PROGRESS_TYPE_START, "Loading the model");
    if (!detector_open(self, &use, &error)) {
        detector_progress(self, GST_PROGRESS_TYPE_ERROR, error->message);
        detector_post(self, GST_MESSAGE_ERROR, error);
        return FALSE;
    }
    info = effdet_engine_info(share_engine(use.share));
    text = detector_describe(&use);
    detector_progress(self, GST_PROGRESS_TYPE_COMPLETE, text);
    GST_INFO_OBJECT(self, "%s, %s, %ux%u, %u classes, started in %.0f ms", text, info->precision,
                    info->input_width, info->input_height, info->n_classes, info->start_ms);
    g_mutex_lock(&self->lock); // properties are set and statistics read at any time
    self->use = use;
    self->quit = self->failed = self->lost = self->unproven = self->draining = self->reload_wanted =
        FALSE;
    self->stats = (Stats){0};
    self->qos = (Qos){FALSE};
    self->silence = (Silence){0};
    self->collector = g_thread_new("effdet-collect", collect, self);
    g_mutex_unlock(&self->lock);
    return TRUE;
}

void detector_stop(GstEffdet *self)
{
    Use use;

    if (self->collector == NULL) {
        return;
    }
    g_mutex_lock(&self->lock);
    self->quit = TRUE;
    g_cond_broadcast(&self->cond);
    g_mutex_unlock(&self->lock);
    loader_join(self);
    g_thread_join(self->collector);
    g_mutex_lock(&self->lock);
    self->collector = NULL;
    flight_land_all(self);
    if (self->late != NULL) {
        flight_abandon(self, self->late);
    }
    use = self->use;
    self->use = (Use){NULL};
    g_mutex_unlock(&self->lock);
    detector_close(&use);
}
