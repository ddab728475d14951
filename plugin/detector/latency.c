// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// How long a live buffer is held for its result, and what is told to the pipeline of it. Holding
// itself is the matter of output.c.
#include "detector.h"
#include "latency.h"

#define ENOUGH_RESULTS 32u
#define STEP_US 5000
#define LOWER_AFTER_US (3 * G_USEC_PER_SEC)
#define POST_EVERY_US G_USEC_PER_SEC

// The most that can be held at all: MAX_HELD buffers, and what the user allows. Under lock.
static gint64 bound_us(GstEffdet *self)
{
    gint64 bound;

    GST_OBJECT_LOCK(self);
    bound =
        self->settings.tunables.enabled ? (gint64)self->settings.tunables.max_latency_ms * 1000 : 0;
    GST_OBJECT_UNLOCK(self);
    return self->frame_time_us > 0 ? MIN(bound, MAX_HELD * self->frame_time_us) : bound;
}

// p95 and a quarter, in whole steps so that noise does not move it. Under lock.
static gint64 wanted_us(GstEffdet *self, gint64 *p95_us)
{
    gint64 bound = bound_us(self);

    *p95_us = -1;
    if (self->stats.n_times < ENOUGH_RESULTS) {
        return bound;
    }
    *p95_us = stats_latency_us(&self->stats, 95);
    return MIN((*p95_us * 5 / 4 + STEP_US - 1) / STEP_US * STEP_US, bound);
}

gint64 latency_answer_us(GstEffdet *self)
{
    gint64 p95_us;

    if (self->reported_us < 0) {
        self->reported_us = wanted_us(self, &p95_us);
    }
    self->held_us = self->reported_us;
    return self->held_us;
}

gint64 latency_hold_us(GstEffdet *self)
{
    gint64 bound = bound_us(self);

    return self->held_us < 0 ? bound : MIN(bound, self->held_us);
}

void latency_review(GstEffdet *self)
{
    gint64 now_us = g_get_monotonic_time(), wanted, p95_us;
    gboolean post;

    g_mutex_lock(&self->lock);
    if (!self->live || self->reported_us < 0 || now_us < self->latency_due_us) {
        g_mutex_unlock(&self->lock);
        return;
    }
    wanted = wanted_us(self, &p95_us);
    if (wanted * 10 >= self->reported_us * 7) {
        self->latency_low_since_us = 0;
    } else if (self->latency_low_since_us == 0) {
        self->latency_low_since_us = now_us;
    }
    post =
        (wanted > self->reported_us && p95_us > self->reported_us) ||
        (self->latency_low_since_us != 0 && now_us - self->latency_low_since_us >= LOWER_AFTER_US);
    if (post) {
        GST_INFO_OBJECT(self, "latency %" G_GINT64_FORMAT " -> %" G_GINT64_FORMAT " us",
                        self->reported_us, wanted);
        self->reported_us = wanted;
        self->latency_low_since_us = 0;
        self->latency_due_us = now_us + POST_EVERY_US;
    }
    g_mutex_unlock(&self->lock);
    if (post) {
        gst_element_post_message(GST_ELEMENT(self), gst_message_new_latency(GST_OBJECT(self)));
    }
}
