// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// When a frame is a probe, and when nothing was seen for too long.
#include "detector.h"
#include "silence.h"

#define LONGEST_GAP_US G_USEC_PER_SEC // between results; what is longer is a pause
#define PROBE_EVERY_US G_USEC_PER_SEC

// Under the object lock.
static guint limit_s(GstEffdet *self, double *score_threshold)
{
    guint seconds;

    GST_OBJECT_LOCK(self);
    seconds = self->settings.silence_warning_s;
    *score_threshold = self->settings.score_threshold;
    GST_OBJECT_UNLOCK(self);
    return seconds;
}

gboolean silence_probe(GstEffdet *self)
{
    Silence *silence = &self->silence;
    double score_threshold;
    guint seconds = limit_s(self, &score_threshold);
    gboolean probe;

    g_mutex_lock(&self->lock);
    probe = seconds != 0 && score_threshold > SILENCE_SCORE && !silence->warned &&
            !silence->in_flight && silence->silent_us >= (gint64)seconds * G_USEC_PER_SEC &&
            g_get_monotonic_time() >= silence->next_us;
    silence->in_flight |= probe;
    g_mutex_unlock(&self->lock);
    return probe;
}

void silence_unprobe(GstEffdet *self)
{
    g_mutex_lock(&self->lock);
    self->silence.in_flight = FALSE;
    g_mutex_unlock(&self->lock);
}

static void keep_wanted(EffdetResult *result, float score_threshold)
{
    guint n = 0;

    while (n < result->n_objects && result->objects[n].confidence >= score_threshold) {
        n++;
    }
    result->n_objects = n; // the confidence falls
}

gboolean silence_note(GstEffdet *self, gboolean probe, EffdetResult *result)
{
    Silence *silence = &self->silence;
    double score_threshold;
    guint seconds = limit_s(self, &score_threshold);
    gint64 now_us = g_get_monotonic_time();

    if (result->n_candidates > 0) {
        *silence = (Silence){.last_us = now_us, .in_flight = silence->in_flight && !probe};
    } else {
        if (silence->last_us != 0) {
            silence->silent_us += MIN(now_us - silence->last_us, LONGEST_GAP_US);
        }
        silence->last_us = now_us;
    }
    if (probe) {
        silence->in_flight = FALSE;
        silence->next_us = now_us + PROBE_EVERY_US;
        keep_wanted(result, (float)score_threshold);
    }
    if (result->n_candidates > 0 || silence->warned || seconds == 0 ||
        silence->silent_us < (gint64)seconds * G_USEC_PER_SEC) {
        return FALSE;
    }
    // With a threshold as low as that every frame is a probe.
    if (probe || score_threshold <= SILENCE_SCORE) {
        silence->n_probes++;
    }
    silence->warned = silence->n_probes >= SILENCE_PROBES;
    return silence->warned;
}

void silence_warn(GstEffdet *self)
{
    double score_threshold;
    guint seconds = limit_s(self, &score_threshold);

    GST_ELEMENT_WARNING(
        self, STREAM, FAILED,
        ("Objects were expected, but in %u seconds of inference no candidate had a score above "
         "%.2f: the weights may be wrong or not those of this model, or the picture is black or "
         "of other colours than its caps say. Try `effdet inspect` on the weights and `effdet "
         "detect` on a picture; silence-warning=0 turns this off.",
         seconds, SILENCE_SCORE),
        (NULL));
}
