// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The properties of `effdettrack`: specifications, and the values behind them.
#pragma once

#include <gst/gst.h>

#include "tracker.h"

G_BEGIN_DECLS

// What ends every track (GstEffdetTrack:reset).
typedef enum {
    EFFDET_TRACK_RESET_STREAM_START = 1 << 0,
    EFFDET_TRACK_RESET_FLUSH = 1 << 1,
    EFFDET_TRACK_RESET_DISCONT = 1 << 2,
} EffdetTrackReset;

GType effdet_track_reset_get_type(void);

// What the properties say.
typedef struct {
    gdouble high_score, low_score, min_overlap;
    guint confirm_ms, memory_ms, max_tracks;
    gboolean per_class;
    guint reset; // EffdetTrackReset
} TrackSettings;

void track_settings_init(TrackSettings *settings); // the defaults
// For a picture of so many pixels; 0 = not known yet.
struct track_options track_settings_options(const TrackSettings *settings, guint width,
                                            guint height);
void track_settings_install(GObjectClass *klass);
// FALSE: there is no such property. The caller locks.
gboolean track_settings_set(TrackSettings *settings, guint id, const GValue *value);
gboolean track_settings_get(const TrackSettings *settings, guint id, GValue *value);

G_END_DECLS
