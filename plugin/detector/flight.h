// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A frame with the engine: who waits for its result, and when its place is free again. All
// functions are called with the element's lock held; none calls the engine.
#pragma once

#include "gsteffdet.h"

#include <effdet/effdet.h>

#define MAX_HELD 16                          // buffers between the pads
#define MAX_DEPTH 16                         // frames with the engine
#define N_FLIGHTS (MAX_HELD + MAX_DEPTH + 2) // each buffer, each orphan, a late result and the next

// A frame's way through the engine.
typedef enum {
    FLIGHT_FREE,
    FLIGHT_ENGINE, // being submitted or submitted
    FLIGHT_DONE,   // result is set, or NULL where the engine failed
} FlightState;

typedef enum {
    WANTED_BY_ITEM, // a queued buffer waits for it
    WANTED_LATE,    // its buffer went out; the next one takes the result
    WANTED_NOT,     // flushed
} FlightWanted;

typedef struct {
    FlightState state;
    FlightWanted wanted;
    gboolean submitted; // the engine has accepted it
    gboolean probe;     // inferred with a lower threshold than the user's
    GstClockTime pts;
    guint width, height; // of the picture, in pixels
    GArray *labels;      // GQuark for each class, of the engine that has the frame
    EffdetResult *result;
} Flight;

// A free flight, already counted as with the engine.
Flight *flight_begin(GstEffdet *self, GstClockTime pts);
// The engine has accepted it.
void flight_submitted(GstEffdet *self, Flight *flight);
// Its result is there; NULL: there will be none. Takes the result.
void flight_land(GstEffdet *self, Flight *flight, EffdetResult *result);
// Every submitted flight lands without a result.
void flight_land_all(GstEffdet *self);
// Nobody waits for it any more: it ends now, or when it lands.
void flight_abandon(GstEffdet *self, Flight *flight);
