// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The paths of tracks: where the middle of each box's foot was. Which objects have a track, others
// know.
#pragma once

#include "layout.h"

G_BEGIN_DECLS

#define TRAILS_N_TRACKS 64 // remembered at once; the one not seen for longest is forgotten first
#define TRAILS_N_POINTS 64 // of each

// One thread at a time. Its memory has one size, all of it allocated by trails_new().
typedef struct Trails Trails;

Trails *trails_new(void);
void trails_free(Trails *trails);

// Forgets all tracks.
void trails_clear(Trails *trails);

// Adds the places of the objects (element type EffdetDetection) at the time pts, and forgets what
// is older than age. Without a valid pts, or with one before the last, it forgets everything else.
void trails_update(Trails *trails, const GArray *objects, GstClockTime pts, GstClockTime age);

// Whether there is anything to draw.
gboolean trails_any(const Trails *trails);

// Adds the shapes of all paths, in the colours of the objects.
void trails_layout(const Trails *trails, GArray *shapes, const LayoutStyle *style);

G_END_DECLS
