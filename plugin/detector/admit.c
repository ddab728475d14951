// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The streaming thread: which buffers are inferred, which pass, wait or are discarded, and the
// hand-over to the engine. Nothing is pushed from here.
#include "detector.h"
#include "frame_map.h"
#include "stream.h"

// ADMIT_PASS_LATE: without inference, because nobody would see the result
typedef enum { ADMIT_INFER, ADMIT_PASS, ADMIT_PASS_LATE, ADMIT_DROP } Verdict;

void admit_reset(GstEffdet *self)
{
    self->n_seen = 0;
    self->rate_due = GST_CLOCK_TIME_NONE;
    self->live_known = FALSE;
    self->warned_unmappable = FALSE;
}

// ---- wishes ----

static GstClockTime media_time(const GstBuffer *buffer)
{
    return GST_BUFFER_PTS_IS_VALID(buffer) ? GST_BUFFER_PTS(buffer)
                                           : (GstClockTime)g_get_monotonic_time() * GST_USECOND;
}

static gboolean rate_allows(const GstEffdet *self, const Tunables *tunables, GstClockTime now)
{
    GstClockTime period;

    if (tunables->max_rate_hz <= 0.0 || !GST_CLOCK_TIME_IS_VALID(self->rate_due)) {
        return TRUE;
    }
    period = (GstClockTime)(GST_SECOND / tunables->max_rate_hz);
    // Due further ahead than a period: time went backwards, or the rate was raised.
    return now >= self->rate_due || self->rate_due - now > period;
}

// The next one is due a period after the last due time, so that the mean rate is exact, unless the
// stream has fallen behind.
static void rate_taken(GstEffdet *self, const Tunables *tunables, GstClockTime now)
{
    GstClockTime period, due = self->rate_due;

    if (tunables->max_rate_hz <= 0.0) {
        self->rate_due = GST_CLOCK_TIME_NONE;
        return;
    }
    period = (GstClockTime)(GST_SECOND / tunables->max_rate_hz);
    self->rate_due =
        (GST_CLOCK_TIME_IS_VALID(due) && now >= due && now - due < period ? due : now) + period;
}

static gboolean wants_inference(GstEffdet *self, const Tunables *tunables, GstBuffer *buffer)
{
    gboolean on_interval = self->n_seen++ % tunables->interval == 0;

    return on_interval && !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP) &&
           !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DECODE_ONLY) &&
           rate_allows(self, tunables, media_time(buffer));
}

// ---- waiting, all under lock ----

static gboolean stopped(const GstEffdet *self)
{
    return self->flushing || self->eos || self->flow != GST_FLOW_OK;
}

static GstFlowReturn stop_reason(const GstEffdet *self)
{
    return self->flushing ? GST_FLOW_FLUSHING : self->eos ? GST_FLOW_EOS : self->flow;
}

// Reads the properties anew: they may change while the frame waits.
static GstEffdetOverload overload_policy(GstEffdet *self, Tunables *tunables)
{
    GstEffdetOverload policy;

    GST_OBJECT_LOCK(self);
    *tunables = self->settings.tunables;
    GST_OBJECT_UNLOCK(self);
    policy = tunables->overload;
    if (policy == GST_EFFDET_OVERLOAD_AUTO) {
        policy = self->live ? GST_EFFDET_OVERLOAD_SKIP : GST_EFFDET_OVERLOAD_BLOCK;
    }
    // What passes through a detector that is off is not the detector's to drop.
    if (!tunables->enabled && policy == GST_EFFDET_OVERLOAD_DROP) {
        policy = GST_EFFDET_OVERLOAD_SKIP;
    }
    return policy;
}

// Room for one more buffer between the pads. Downstream may be waited for, it always could; the
// engine only by `block`.
static Verdict wait_for_room(GstEffdet *self, Tunables *tunables)
{
    while (!stopped(self) && self->n_buffers >= MAX_HELD) {
        GstEffdetOverload policy = overload_policy(self, tunables);

        if (policy == GST_EFFDET_OVERLOAD_DROP && !self->pushing) {
            return ADMIT_DROP;
        }
        self->release_head = policy == GST_EFFDET_OVERLOAD_SKIP;
        g_cond_broadcast(&self->cond);
        g_cond_wait(&self->cond, &self->lock);
    }
    self->release_head = FALSE;
    return ADMIT_PASS;
}

static Verdict wait_for_slot(GstEffdet *self, Tunables *tunables)
{
    while (!stopped(self)) {
        GstEffdetOverload policy = overload_policy(self, tunables);

        if (self->lost || !tunables->enabled) {
            return ADMIT_PASS;
        }
        if (!self->draining && self->n_in_engine < self->use.depth) {
            return ADMIT_INFER;
        }
        if (policy != GST_EFFDET_OVERLOAD_BLOCK) {
            return policy == GST_EFFDET_OVERLOAD_DROP ? ADMIT_DROP : ADMIT_PASS;
        }
        g_cond_wait(&self->cond, &self->lock);
    }
    return ADMIT_PASS;
}

// Whether downstream would drop the frame, and the policy may leave it out.
static gboolean is_too_late(GstEffdet *self, Tunables *tunables, GstBuffer *buffer)
{
    return overload_policy(self, tunables) != GST_EFFDET_OVERLOAD_BLOCK && tunables->enabled &&
           tunables->qos && !stopped(self) && qos_is_late(self, buffer);
}

// Under lock. Counts what it decides.
static Verdict judge(GstEffdet *self, Tunables *tunables, GstBuffer *buffer)
{
    Verdict verdict;

    self->stats.frames++;
    verdict = wait_for_room(self, tunables);
    if (verdict == ADMIT_PASS && is_too_late(self, tunables, buffer)) {
        verdict = tunables->overload == GST_EFFDET_OVERLOAD_DROP ? ADMIT_DROP : ADMIT_PASS_LATE;
        self->n_seen++;
        self->stats.skipped += verdict == ADMIT_PASS_LATE;
    }
    if (verdict == ADMIT_PASS && tunables->enabled && wants_inference(self, tunables, buffer)) {
        verdict = wait_for_slot(self, tunables);
        if (verdict == ADMIT_PASS && tunables->enabled && !stopped(self)) {
            self->stats.skipped++;
        }
    }
    if (verdict == ADMIT_DROP) {
        self->stats.dropped++;
    }
    return verdict;
}

// ---- hand-over ----

static void warn_unmappable(GstEffdet *self, GstBuffer *buffer)
{
    if (self->warned_unmappable) {
        return;
    }
    self->warned_unmappable = TRUE;
    GST_ELEMENT_WARNING(self, STREAM, FORMAT,
                        ("A picture of %dx%d %s was expected, the buffer holds %" G_GSIZE_FORMAT
                         " bytes in another layout; such buffers pass without inference.",
                         GST_VIDEO_INFO_WIDTH(&self->info), GST_VIDEO_INFO_HEIGHT(&self->info),
                         gst_video_format_to_string(GST_VIDEO_INFO_FORMAT(&self->info)),
                         gst_buffer_get_size(buffer)),
                        (NULL));
}

// Tells the engine of a changed filter and gives it the picture. FALSE where it did not take it.
// Without lock.
static gboolean submit(GstEffdet *self, GstBuffer *buffer, Flight *flight)
{
    FrameMap map;
    EffdetStatus status;
    GError *error = NULL;
    gboolean filter_changed;

    if (!frame_map(&map, &self->info, buffer)) {
        warn_unmappable(self, buffer);
        return FALSE;
    }
    flight->probe = silence_probe(self);
    GST_OBJECT_LOCK(self);
    filter_changed = self->filter_changed;
    GST_OBJECT_UNLOCK(self);
    if (filter_changed || flight->probe) {
        detector_update_filter(self, flight->probe);
    }
    flight->width = map.frame.width;
    flight->height = map.frame.height;
    status = effdet_stream_submit(self->use.stream, &map.frame, (gint64)media_time(buffer), flight,
                                  &error);
    frame_unmap(&map);
    if (flight->probe && status != EFFDET_OK) {
        silence_unprobe(self);
    }
    if (status == EFFDET_FAILED) {
        detector_engine_failed(self, error);
    }
    return status == EFFDET_OK;
}

// Under lock, which is released for the hand-over.
static void infer(GstEffdet *self, const Tunables *tunables, GstBuffer *buffer, Item *item)
{
    Flight *flight = flight_begin(self, GST_BUFFER_PTS(buffer));
    gboolean taken;

    g_mutex_unlock(&self->lock);
    taken = submit(self, buffer, flight);
    g_mutex_lock(&self->lock);
    if (!taken || self->lost || self->failed) {
        flight_land(self, flight, NULL);
        flight_abandon(self, flight);
        return;
    }
    flight_submitted(self, flight);
    rate_taken(self, tunables, media_time(buffer));
    item->flight = flight;
    item->width = flight->width;
    item->height = flight->height;
}

GstFlowReturn admit_chain(GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
    GstEffdet *self = GST_EFFDET(parent);
    Item item = {.kind = ITEM_BUFFER, .object = GST_MINI_OBJECT_CAST(buffer)};
    static const gchar *const names[] = {"infer", "pass", "pass, late", "drop"};
    GstClockTime pts = GST_BUFFER_PTS(buffer);
    GstBuffer *leave = NULL;
    GstFlowReturn flow;
    Tunables tunables;
    Verdict verdict;

    if (self->info.finfo == NULL ||
        GST_VIDEO_INFO_FORMAT(&self->info) == GST_VIDEO_FORMAT_UNKNOWN) {
        gst_buffer_unref(buffer);
        return GST_FLOW_NOT_NEGOTIATED;
    }
    if (!self->live_known) {
        pads_learn_live(self);
    }
    GST_OBJECT_LOCK(self);
    tunables = self->settings.tunables;
    GST_OBJECT_UNLOCK(self);

    item.width = (guint)GST_VIDEO_INFO_WIDTH(&self->info);
    item.height = (guint)GST_VIDEO_INFO_HEIGHT(&self->info);
    g_mutex_lock(&self->lock);
    verdict = judge(self, &tunables, buffer);
    item.bypass = !tunables.enabled;
    if (verdict == ADMIT_INFER) {
        infer(self, &tunables, buffer, &item);
    } else if (verdict == ADMIT_PASS_LATE) {
        g_mutex_unlock(&self->lock);
        qos_post(self, buffer);
        g_mutex_lock(&self->lock);
    }
    item.arrival_us = g_get_monotonic_time();
    flow = stop_reason(self);
    if (flow == GST_FLOW_OK && verdict != ADMIT_DROP) {
        output_queue(self, &item);
    } else {
        if (item.flight != NULL) {
            flight_abandon(self, item.flight);
        }
        leave = buffer;
    }
    g_mutex_unlock(&self->lock);
    GST_CAT_LOG_OBJECT(gst_effdet_sched_debug, self, "%" GST_TIME_FORMAT ": %s", GST_TIME_ARGS(pts),
                       names[verdict]);
    if (flow == GST_FLOW_OK && leave != NULL) {
        qos_post(self, leave);
    }
    gst_clear_buffer(&leave);
    return flow;
}
