// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Counting frames. Texts change rarely, so that their bitmaps can be kept: the rate once a second.
#include "statistics.h"

static void count(Statistics *s, GstClockTime time, gboolean by_clock)
{
    if (s->n_frames == 0 || by_clock != s->by_clock || time < s->last) {
        s->since = time;
        s->n_frames = 0;
        s->by_clock = by_clock;
        s->rate_hz = 0.0;
    } else if (time - s->since >= GST_SECOND) {
        s->rate_hz = (gdouble)s->n_frames * GST_SECOND / (gdouble)(time - s->since);
        s->since = time;
        s->n_frames = 0;
    }
    s->last = time;
    s->n_frames++;
}

void statistics_add(Statistics *s, GstClockTime pts, GstClockTime now, guint n_objects,
                    const EffdetFrameMeta *frame)
{
    gboolean by_clock = !GST_CLOCK_TIME_IS_VALID(pts);
    guint n = 0;

    count(s, by_clock ? now : pts, by_clock);
    for (guint i = 0; i < STATISTICS_N_TEXTS; i++) {
        s->texts[i] = NULL;
    }
    if (s->rate_hz > 0.0) {
        g_snprintf(s->rate, sizeof s->rate, "%.1f frames/s", s->rate_hz);
        s->texts[n++] = s->rate;
    }
    g_snprintf(s->objects, sizeof s->objects, n_objects == 1 ? "%u object" : "%u objects",
               n_objects);
    s->texts[n++] = s->objects;
    if (frame != NULL) {
        s->texts[n++] = frame->inferred ? "inferred" : "not inferred";
    }
}
