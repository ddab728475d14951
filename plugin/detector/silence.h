// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A network that finds nothing at all: told from a scene in which nothing is, as far as possible.
//
// Results speak only of candidates above the user's threshold. When there was none for
// `silence-warning` seconds of inference, some frames are probes: inferred with a threshold of
// SILENCE_SCORE, while only what passes the user's is reported. When they have no candidate either,
// one warning is on the bus, until something is seen again.
#pragma once

#include "gsteffdet.h"

#include <effdet/effdet.h>

#define SILENCE_SCORE 0.05
#define SILENCE_PROBES 3

// All zero: nothing was inferred yet.
typedef struct {
    gint64 silent_us;   // of inference without a candidate
    gint64 last_us;     // when the last result came; 0: none yet
    gint64 next_us;     // when the next probe may go
    guint n_probes;     // without a candidate
    gboolean in_flight; // a probe is
    gboolean warned;
} Silence;

// Whether the next frame is to be a probe. Takes lock.
gboolean silence_probe(GstEffdet *self);
// The probe did not become a frame. Takes lock.
void silence_unprobe(GstEffdet *self);
// Notes a result, and takes from that of a probe what the user did not ask for. TRUE where the
// warning is due. Under lock.
gboolean silence_note(GstEffdet *self, gboolean probe,
                      EffdetResult *result) G_GNUC_WARN_UNUSED_RESULT;
// Posts the warning. Without lock.
void silence_warn(GstEffdet *self);
