// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Who is in which area and who crosses which line: a frame's objects in, events and counts out. It
// knows nothing of GStreamer, JSON or pixels.
#pragma once

#include "geometry.h"

#define ZONES_MAX_SHAPES 64   // areas, and as many lines: what a word of bits holds
#define ZONES_MAX_POINTS 256  // of one area
#define ZONES_MAX_TRACKS 4096 // known at once; of more, those longest out of sight leave
#define ZONES_NO_TIME G_MAXUINT64

// An area or a line, as the user wrote it.
typedef struct {
    gchar *name;        // unique among areas, and among lines
    ZonesPoint *points; // the corners; of a line: from, to
    guint n_points;
    GVariant *shared; // the points as a(dd), to be handed on; made by zones_set_config()
    gchar **classes;  // only these; NULL = every object
    double dwell_s;   // of areas: how long is long; 0 = does not matter
} ZonesShape;

typedef struct {
    ZonesShape areas[ZONES_MAX_SHAPES], lines[ZONES_MAX_SHAPES];
    guint n_areas, n_lines;
} ZonesConfig;

void zones_config_free(ZonesConfig *config); // NULL is fine
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ZonesConfig, zones_config_free)

// Since the last reset of the counts.
typedef struct {
    guint inside;          // of an area: tracks that entered and did not leave, and objects
                           // without a track that are in it on the last frame looked at
    guint64 entered, left; // of an area: tracks
    guint64 forward;       // of a line: tracks that came from its left, looking from → to
    guint64 backward;
} ZonesCounts;

typedef struct {
    gint64 track; // from 1; else it only counts as being inside
    GQuark label; // 0 = unknown
    ZonesPoint anchor;
    gboolean predicted; // moves, but neither begins nor confirms anything
    guint64 areas;      // out: bit n = the anchor is in area n now
} ZonesObject;

typedef struct {
    guint64 pts_ns;  // ZONES_NO_TIME: only `areas` of the objects are filled
    gboolean looked; // FALSE: what is not among the objects may still be there
    guint64 debounce_ns, lost_ns;
} ZonesFrame;

typedef enum { ZONES_ENTER, ZONES_LEAVE, ZONES_DWELL, ZONES_CROSS } ZonesEventKind;

typedef struct {
    ZonesEventKind kind;
    guint index; // of the line for CROSS, else of the area
    gint64 track;
    GQuark label;
    double dwell_s;     // LEAVE, DWELL: time inside
    gboolean lost;      // LEAVE: was not seen for too long
    gboolean forward;   // CROSS
    ZonesCounts counts; // of the area or line, this event included
} ZonesEvent;

// One thread at a time.
typedef struct _Zones Zones;

Zones *zones_new(void);
void zones_free(Zones *self); // NULL is fine

// Takes other areas and lines (transfer full; NULL = none). Those whose names stay keep their
// counts and who is inside; a line that moved takes everyone's side anew.
void zones_set_config(Zones *self, ZonesConfig *config);
const ZonesConfig *zones_get_config(const Zones *self); // never NULL

// Forgets all tracks without events; the counts too, if asked.
void zones_reset(Zones *self, gboolean counts_too);

// Takes a frame's objects and appends what happened to the events (element type ZonesEvent). A
// change of side counts once it has lasted for debounce_ns. Time is the sum of the PTS's steps
// forward; a step back adds nothing. A track leaves when it is missing for lost_ns after the first
// frame looked at without it.
void zones_observe(Zones *self, const ZonesFrame *frame, ZonesObject *objects, guint n_objects,
                   GArray *events);

ZonesCounts zones_area_counts(const Zones *self, guint n);
ZonesCounts zones_line_counts(const Zones *self, guint n);
guint zones_n_tracks(const Zones *self);
