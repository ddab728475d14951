// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The state of every track against every area and line, and when a change of it counts. How points
// lie to each other is in geometry.c.
#include "zones.h"

#include <math.h>
#include <string.h>

// Just inside the right and lower border, where boxes that touch the border have their anchors:
// areas that reach to the border contain them.
#define BORDER (1.0 - 1e-9)
#define NS_PER_S 1e9

// A track against one area or line.
typedef struct {
    gint side;        // area: 1 = inside, 0 = outside; line: as zones_side(), 0 = not known yet
    gboolean pending; // it was seen on the other side, without a break since `since_ns`
    gboolean passed;  // line: the pending change led between the line's ends
    gboolean dwelt;   // area: said so
    guint64 since_ns, entered_ns;
} Cell;

typedef struct {
    gint64 id;
    GQuark label;
    ZonesPoint seen_at;
    gboolean missing;
    guint64 missing_since_ns;
    guint64 frame;       // the last it was on
    GList link;          // in Zones.order
    Cell *areas, *lines; // n_areas and n_lines, one allocation
} Track;

struct _Zones {
    ZonesConfig *config;
    ZonesCounts areas[ZONES_MAX_SHAPES], lines[ZONES_MAX_SHAPES];
    guint untracked[ZONES_MAX_SHAPES]; // part of areas[].inside
    GHashTable *tracks;                // id → Track, which it owns
    GQueue order;                      // the tracks, longest out of sight first
    guint64 clock_ns, last_pts_ns;
    guint64 frame; // number of the current one
};

// ---- configuration ------------------------------------------------------------------------------

static void clear_shape(ZonesShape *shape)
{
    g_free(shape->name);
    g_free(shape->points);
    g_clear_pointer(&shape->shared, g_variant_unref);
    g_strfreev(shape->classes);
}

void zones_config_free(ZonesConfig *config)
{
    if (config != NULL) {
        for (guint i = 0; i < ZONES_MAX_SHAPES; i++) {
            clear_shape(&config->areas[i]);
            clear_shape(&config->lines[i]);
        }
        g_free(config);
    }
}

const ZonesConfig *zones_get_config(const Zones *self)
{
    return self->config;
}

static gint find_name(const ZonesShape *shapes, guint n, const gchar *name)
{
    for (guint i = 0; i < n; i++) {
        if (strcmp(shapes[i].name, name) == 0) {
            return (gint)i;
        }
    }
    return -1;
}

static gboolean same_place(const ZonesShape *a, const ZonesShape *b)
{
    return a->n_points == b->n_points &&
           memcmp(a->points, b->points, a->n_points * sizeof(ZonesPoint)) == 0;
}

static void share_points(ZonesShape *shapes, guint n)
{
    for (guint i = 0; i < n; i++) {
        g_clear_pointer(&shapes[i].shared, g_variant_unref);
        shapes[i].shared = g_variant_ref_sink(
            g_variant_new_fixed_array(G_VARIANT_TYPE("(dd)"), shapes[i].points, shapes[i].n_points,
                                      sizeof *shapes[i].points));
    }
}

static void new_cells(Track *track, const ZonesConfig *config)
{
    track->areas = g_new0(Cell, config->n_areas + config->n_lines + 1);
    track->lines = track->areas + config->n_areas;
}

// Where each new shape was in the old configuration, -1 = nowhere, and its counts.
static void map_shapes(const ZonesShape *shapes, guint n, const ZonesShape *old, guint n_old,
                       ZonesCounts *counts, gint *from)
{
    ZonesCounts before[ZONES_MAX_SHAPES];

    memcpy(before, counts, sizeof(before));
    memset(counts, 0, sizeof(before));
    for (guint i = 0; i < n; i++) {
        from[i] = find_name(old, n_old, shapes[i].name);
        if (from[i] >= 0) {
            counts[i] = before[from[i]];
        }
    }
}

void zones_set_config(Zones *self, ZonesConfig *config)
{
    ZonesConfig *old = self->config;
    gint areas_from[ZONES_MAX_SHAPES], lines_from[ZONES_MAX_SHAPES];
    guint untracked[ZONES_MAX_SHAPES];

    if (config == NULL) {
        config = g_new0(ZonesConfig, 1);
    }
    share_points(config->areas, config->n_areas);
    share_points(config->lines, config->n_lines);
    map_shapes(config->areas, config->n_areas, old->areas, old->n_areas, self->areas, areas_from);
    map_shapes(config->lines, config->n_lines, old->lines, old->n_lines, self->lines, lines_from);
    memcpy(untracked, self->untracked, sizeof(untracked));
    memset(self->untracked, 0, sizeof(untracked));
    for (guint i = 0; i < config->n_areas; i++) {
        self->untracked[i] = areas_from[i] >= 0 ? untracked[areas_from[i]] : 0;
    }
    for (GList *link = self->order.head; link != NULL; link = link->next) {
        Track *track = link->data;
        Cell *areas = track->areas, *lines = track->lines;

        new_cells(track, config);
        for (guint i = 0; i < config->n_areas; i++) {
            if (areas_from[i] >= 0) {
                track->areas[i] = areas[areas_from[i]];
            }
        }
        for (guint i = 0; i < config->n_lines; i++) {
            if (lines_from[i] >= 0 && same_place(&config->lines[i], &old->lines[lines_from[i]])) {
                track->lines[i] = lines[lines_from[i]];
            }
        }
        g_free(areas);
    }
    self->config = config;
    zones_config_free(old);
}

// ---- tracks -------------------------------------------------------------------------------------

static void free_track(gpointer data)
{
    Track *track = data;

    g_free(track->areas);
    g_free(track);
}

static void append_event(const Zones *self, GArray *events, ZonesEvent event, const Track *track)
{
    event.track = track->id;
    event.label = track->label;
    event.counts = event.kind == ZONES_CROSS ? self->lines[event.index] : self->areas[event.index];
    g_array_append_val(events, event);
}

static void leave(Zones *self, const Track *track, guint n, guint64 at_ns, gboolean lost,
                  GArray *events)
{
    Cell *cell = &track->areas[n];

    cell->side = 0;
    self->areas[n].inside--;
    self->areas[n].left++;
    append_event(self, events,
                 (ZonesEvent){.kind = ZONES_LEAVE,
                              .index = n,
                              .lost = lost,
                              .dwell_s = (at_ns - cell->entered_ns) / NS_PER_S},
                 track);
}

static void forget_track(Zones *self, Track *track, GArray *events)
{
    for (guint i = 0; i < self->config->n_areas; i++) {
        if (track->areas[i].side) {
            leave(self, track, i, track->missing ? track->missing_since_ns : self->clock_ns, TRUE,
                  events);
        }
    }
    g_queue_unlink(&self->order, &track->link);
    g_hash_table_remove(self->tracks, &track->id);
}

// NULL: all the tracks there may be are on this frame.
static Track *find_or_add_track(Zones *self, gint64 id, GArray *events)
{
    Track *track = g_hash_table_lookup(self->tracks, &id);

    if (track != NULL) {
        return track;
    }
    if (self->order.length >= ZONES_MAX_TRACKS) {
        Track *oldest = self->order.head->data;

        if (oldest->frame == self->frame) {
            return NULL;
        }
        forget_track(self, oldest, events);
    }
    track = g_new0(Track, 1);
    track->id = id;
    track->link.data = track;
    new_cells(track, self->config);
    g_queue_push_tail_link(&self->order, &track->link);
    g_hash_table_insert(self->tracks, &track->id, track);
    return track;
}

static void expire_tracks(Zones *self, guint64 lost_ns, GArray *events)
{
    GList *next;

    for (GList *link = self->order.head; link != NULL; link = next) {
        Track *track = link->data;

        next = link->next;
        if (track->frame == self->frame) {
            break; // so are all behind it
        }
        if (!track->missing) {
            track->missing = TRUE;
            track->missing_since_ns = self->clock_ns;
        }
        if (self->clock_ns - track->missing_since_ns >= lost_ns) {
            forget_track(self, track, events);
        }
    }
}

// ---- a frame ------------------------------------------------------------------------------------

static gboolean wanted(const ZonesShape *shape, GQuark label)
{
    return shape->classes == NULL ||
           (label != 0 &&
            g_strv_contains((const gchar *const *)shape->classes, g_quark_to_string(label)));
}

// Whether the side it was seen on has been the other one for long enough.
static gboolean has_changed(const Zones *self, Cell *cell, gint side, guint64 debounce_ns)
{
    if (side == cell->side) {
        cell->pending = FALSE;
        return FALSE;
    }
    if (!cell->pending) {
        cell->pending = TRUE;
        cell->since_ns = self->clock_ns;
    }
    if (self->clock_ns - cell->since_ns < debounce_ns) {
        return FALSE;
    }
    cell->pending = FALSE;
    return TRUE;
}

static void update_area(Zones *self, Track *track, guint n, gint inside, guint64 debounce_ns,
                        GArray *events)
{
    const ZonesShape *shape = &self->config->areas[n];
    Cell *cell = &track->areas[n];
    double inside_s;

    if (has_changed(self, cell, inside, debounce_ns)) {
        if (!inside) {
            leave(self, track, n, cell->since_ns, FALSE, events);
            return;
        }
        cell->side = 1;
        cell->dwelt = FALSE;
        cell->entered_ns = cell->since_ns;
        self->areas[n].inside++;
        self->areas[n].entered++;
        append_event(self, events, (ZonesEvent){.kind = ZONES_ENTER, .index = n}, track);
    }
    inside_s = (self->clock_ns - cell->entered_ns) / NS_PER_S;
    if (cell->side && inside && !cell->dwelt && shape->dwell_s > 0.0 &&
        inside_s >= shape->dwell_s) {
        cell->dwelt = TRUE;
        append_event(self, events,
                     (ZonesEvent){.kind = ZONES_DWELL, .index = n, .dwell_s = inside_s}, track);
    }
}

static void update_line(Zones *self, Track *track, guint n, const ZonesObject *object,
                        guint64 debounce_ns, GArray *events)
{
    const ZonesShape *shape = &self->config->lines[n];
    Cell *cell = &track->lines[n];
    gint side = zones_side(shape->points, object->anchor);
    gboolean forward = side > 0;

    if (cell->side == 0) {
        cell->side = side;
    }
    if (side != cell->side && !cell->pending) {
        cell->passed = zones_pass(shape->points, track->seen_at, object->anchor);
    }
    if (!has_changed(self, cell, side, debounce_ns)) {
        return;
    }
    cell->side = side;
    if (cell->passed && wanted(shape, object->label)) {
        self->lines[n].forward += forward;
        self->lines[n].backward += !forward;
        append_event(self, events,
                     (ZonesEvent){.kind = ZONES_CROSS, .index = n, .forward = forward}, track);
    }
}

static gboolean usable(const ZonesObject *object)
{
    return isfinite(object->anchor.x) && isfinite(object->anchor.y);
}

static void locate(const Zones *self, ZonesObject *object)
{
    object->areas = 0;
    if (!usable(object)) {
        return;
    }
    object->anchor.x = CLAMP(object->anchor.x, 0.0, BORDER);
    object->anchor.y = CLAMP(object->anchor.y, 0.0, BORDER);
    for (guint i = 0; i < self->config->n_areas; i++) {
        const ZonesShape *shape = &self->config->areas[i];

        if (wanted(shape, object->label) &&
            zones_contain(shape->points, shape->n_points, object->anchor)) {
            object->areas |= G_GUINT64_CONSTANT(1) << i;
        }
    }
}

static void count_untracked(Zones *self, const ZonesObject *objects, guint n_objects)
{
    for (guint i = 0; i < self->config->n_areas; i++) {
        self->areas[i].inside -= self->untracked[i];
        self->untracked[i] = 0;
        for (guint k = 0; k < n_objects; k++) {
            self->untracked[i] += objects[k].track <= 0 && (objects[k].areas >> i & 1);
        }
        self->areas[i].inside += self->untracked[i];
    }
}

static void observe_track(Zones *self, const ZonesObject *object, guint64 debounce_ns,
                          GArray *events)
{
    Track *track = find_or_add_track(self, object->track, events);

    if (track == NULL || track->frame == self->frame) {
        return; // a track is in one place only
    }
    track->frame = self->frame;
    track->missing = FALSE;
    track->label = object->label;
    g_queue_unlink(&self->order, &track->link);
    g_queue_push_tail_link(&self->order, &track->link);
    if (object->predicted) {
        return;
    }
    for (guint i = 0; i < self->config->n_areas; i++) {
        update_area(self, track, i, object->areas >> i & 1, debounce_ns, events);
    }
    for (guint i = 0; i < self->config->n_lines; i++) {
        update_line(self, track, i, object, debounce_ns, events);
    }
    track->seen_at = object->anchor;
}

void zones_observe(Zones *self, const ZonesFrame *frame, ZonesObject *objects, guint n_objects,
                   GArray *events)
{
    for (guint i = 0; i < n_objects; i++) {
        locate(self, &objects[i]);
    }
    if (frame->pts_ns == ZONES_NO_TIME) {
        return;
    }
    if (self->last_pts_ns != ZONES_NO_TIME && frame->pts_ns > self->last_pts_ns) {
        self->clock_ns += frame->pts_ns - self->last_pts_ns;
    }
    self->last_pts_ns = frame->pts_ns;
    self->frame++;
    if (frame->looked) {
        count_untracked(self, objects, n_objects);
    }
    for (guint i = 0; i < n_objects; i++) {
        if (objects[i].track > 0 && usable(&objects[i])) {
            observe_track(self, &objects[i], frame->debounce_ns, events);
        }
    }
    if (frame->looked) {
        expire_tracks(self, frame->lost_ns, events);
    }
}

// ---- life ---------------------------------------------------------------------------------------

Zones *zones_new(void)
{
    Zones *self = g_new0(Zones, 1);

    self->config = g_new0(ZonesConfig, 1);
    self->tracks = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_track);
    self->last_pts_ns = ZONES_NO_TIME;
    return self;
}

void zones_free(Zones *self)
{
    if (self != NULL) {
        zones_reset(self, TRUE);
        g_hash_table_unref(self->tracks);
        zones_config_free(self->config);
        g_free(self);
    }
}

void zones_reset(Zones *self, gboolean counts_too)
{
    while (self->order.head != NULL) {
        g_queue_unlink(&self->order, self->order.head);
    }
    g_hash_table_remove_all(self->tracks);
    memset(self->untracked, 0, sizeof(self->untracked));
    for (guint i = 0; i < ZONES_MAX_SHAPES; i++) {
        self->areas[i].inside = 0;
    }
    if (counts_too) {
        memset(self->areas, 0, sizeof(self->areas));
        memset(self->lines, 0, sizeof(self->lines));
    }
}

ZonesCounts zones_area_counts(const Zones *self, guint n)
{
    return self->areas[n];
}

ZonesCounts zones_line_counts(const Zones *self, guint n)
{
    return self->lines[n];
}

guint zones_n_tracks(const Zones *self)
{
    return self->order.length;
}
