// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A frame as one line of JSON, in the schema of DL Streamer's gvametaconvert and with more fields.
// When to write one, and what becomes of it, is decided elsewhere.
#pragma once

#include "utc.h"

#include "meta/detections.h"
#include "meta/frame_meta.h"

typedef struct {
    guint width, height;
    const gchar *source;      // NULL = none
    GstClockTime stream_time; // NONE = unknown
    FrameUtc utc;
    const EffdetFrameMeta *frame; // NULL = not known what was looked at
    const GArray *objects;        // EffdetDetection
    const GstStructure *zones;    // zone_meta.h; NULL = no zones
} Record;

// Appends an object in braces, without the end of the line. README.md documents its fields.
void record_write(GString *out, const Record *record);

// What happened in zones on this frame; NULL = nothing.
const GValue *record_events(const GstStructure *zones);
