// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The line of figures in a corner of the frame: what it says. It is drawn elsewhere.
#pragma once

#include "meta/frame_meta.h"

G_BEGIN_DECLS

#define STATISTICS_N_TEXTS 3

// One thread at a time; zeroes are a new one.
typedef struct {
    GstClockTime since, last; // of the frames being counted
    guint n_frames;
    gboolean by_clock; // since and last are of the clock, the frames have no PTS
    gdouble rate_hz;   // of the last whole second; 0 = not yet known
    gchar rate[32], objects[32];
    const gchar *texts[STATISTICS_N_TEXTS]; // NULL behind the last one
} Statistics;

// Counts a frame with so many objects and renews the texts. pts may be invalid, then now (ns of a
// monotonic clock) counts; frame NULL: nobody says whether it was looked at.
void statistics_add(Statistics *statistics, GstClockTime pts, GstClockTime now, guint n_objects,
                    const EffdetFrameMeta *frame);

G_END_DECLS
