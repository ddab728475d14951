// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The life of the objects: predicted, matched in two passes, begun, given a number, forgotten. What
// belongs together is decided in match.c, where an object is in object.c.
#include "tracker.h"

#include "grow.h"
#include "match.h"
#include "object.h"

#include <math.h>
#include <stdlib.h>

#define LARGEST 1e6 // px; nothing in a picture is farther away or larger
#define SMALLEST 1e-3
#define LONGEST_S 3600 // steps and memories; keeps the filters finite
#define MOST_TRACKS 65536

static const double doubtful_overlap = 0.3; // doubtful detections need at least this much
static const double doubtful_s = 1.0;       // and continue only what was seen within this
static const double same_overlap = 0.7;     // two boxes of one object, for instance of two classes

struct tracker {
    struct track_options options;
    struct object *objects; // [max_tracks], the first n_objects in use
    size_t n_objects;
    struct track *tracks; // [max_tracks] what tracker_tracks() gives
    size_t n_tracks;
    int64_t next_id;
    double time_s; // of the last update
    bool started;

    struct match match;
    uint32_t *rows, *column_of;   // [max_tracks]
    uint32_t *detection_of;       // [max_tracks] of each object, in this update
    uint32_t *columns;            // [detection_capacity]
    bool *taken;                  // [detection_capacity]
    struct track_detection *sane; // [detection_capacity] as given, or with a score below all
    size_t detection_capacity;
};

void track_options_init(struct track_options *options)
{
    *options = (struct track_options){.high_score = 0.4,
                                      .low_score = 0.1,
                                      .min_overlap = 0.25,
                                      .confirm_s = 0.1,
                                      .memory_s = 2,
                                      .across_classes = true,
                                      .max_tracks = 512};
}

static double within(double value, double least, double most)
{
    return value > least ? fmin(value, most) : least; // NaN is the least
}

void tracker_configure(struct tracker *tracker, const struct track_options *options)
{
    uint32_t max_tracks = tracker->options.max_tracks;
    tracker->options = (struct track_options){.high_score = within(options->high_score, 0, 1),
                                              .low_score = within(options->low_score, 0, 1),
                                              .min_overlap = within(options->min_overlap, 0, 1),
                                              .confirm_s = within(options->confirm_s, 0, LONGEST_S),
                                              .memory_s = within(options->memory_s, 0, LONGEST_S),
                                              .across_classes = options->across_classes,
                                              .max_tracks = max_tracks,
                                              .width = within(options->width, 0, LARGEST),
                                              .height = within(options->height, 0, LARGEST)};
}

static bool room_for_detections(struct tracker *tracker, size_t n)
{
    if (n <= tracker->detection_capacity) {
        return true;
    }
    if (n > UINT32_MAX / 2 || !match_reserve(&tracker->match, tracker->options.max_tracks, n)) {
        return false;
    }
    if (!grow(&tracker->columns, n, sizeof(*tracker->columns)) ||
        !grow(&tracker->taken, n, sizeof(*tracker->taken)) ||
        !grow(&tracker->sane, n, sizeof(*tracker->sane))) {
        return false;
    }
    tracker->detection_capacity = n;
    return true;
}

struct tracker *tracker_new(const struct track_options *options)
{
    struct tracker *tracker = calloc(1, sizeof(*tracker));
    if (!tracker) {
        return NULL;
    }
    size_t most = options->max_tracks < 1             ? 1
                  : options->max_tracks > MOST_TRACKS ? MOST_TRACKS
                                                      : options->max_tracks;
    tracker->options.max_tracks = (uint32_t)most;
    tracker_configure(tracker, options);
    tracker->next_id = 1;
    tracker->objects = calloc(most, sizeof(*tracker->objects));
    tracker->tracks = calloc(most, sizeof(*tracker->tracks));
    tracker->rows = calloc(most, sizeof(*tracker->rows));
    tracker->column_of = calloc(most, sizeof(*tracker->column_of));
    tracker->detection_of = calloc(most, sizeof(*tracker->detection_of));
    if (!tracker->objects || !tracker->tracks || !tracker->rows || !tracker->column_of ||
        !tracker->detection_of || !room_for_detections(tracker, 128)) {
        tracker_free(&tracker);
    }
    return tracker;
}

void tracker_free(struct tracker **tracker)
{
    if (!*tracker) {
        return;
    }
    match_finish(&(*tracker)->match);
    free((*tracker)->objects);
    free((*tracker)->tracks);
    free((*tracker)->rows);
    free((*tracker)->column_of);
    free((*tracker)->detection_of);
    free((*tracker)->columns);
    free((*tracker)->taken);
    free((*tracker)->sane);
    free(*tracker);
    *tracker = NULL;
}

void tracker_reset(struct tracker *tracker, bool renumber)
{
    tracker->n_objects = tracker->n_tracks = 0;
    tracker->started = false;
    if (renumber) {
        tracker->next_id = 1;
    }
}

static bool is_box(const struct track_box *box)
{
    return fabs(box->x) < LARGEST && fabs(box->y) < LARGEST && box->w > SMALLEST &&
           box->w < LARGEST && box->h > SMALLEST && box->h < LARGEST;
}

static void make_sane(struct tracker *tracker, const struct track_detection *detections, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        tracker->sane[i] = detections[i];
        tracker->sane[i].score =
            is_box(&detections[i].box) ? within(detections[i].score, -1, 1) : -1;
        tracker->taken[i] = false;
    }
}

// Detections with a score of at least `least` and below `below` to the objects in rows[0..n).
static void pass(struct tracker *tracker, const struct match_rules *rules, double least,
                 double below, size_t n_rows, size_t n)
{
    size_t n_columns = 0;
    for (size_t i = 0; i < n; i++) {
        if (tracker->sane[i].score >= least && tracker->sane[i].score < below) {
            tracker->columns[n_columns++] = (uint32_t)i;
        }
    }
    match_run(&tracker->match, rules, tracker->objects, tracker->rows, n_rows, tracker->sane,
              tracker->columns, n_columns, tracker->column_of);
    for (size_t i = 0; i < n_rows; i++) {
        if (tracker->column_of[i] != ASSIGNMENT_NONE) {
            uint32_t detection = tracker->columns[tracker->column_of[i]];
            tracker->detection_of[tracker->rows[i]] = detection;
            tracker->taken[detection] = true;
        }
    }
}

static void associate(struct tracker *tracker, size_t n)
{
    const struct track_options *options = &tracker->options;
    struct match_rules rules = {.min_overlap = options->min_overlap,
                                .by_motion = true,
                                .across_classes = options->across_classes};
    for (size_t i = 0; i < tracker->n_objects; i++) {
        tracker->detection_of[i] = ASSIGNMENT_NONE;
        tracker->rows[i] = (uint32_t)i;
    }
    pass(tracker, &rules, options->high_score, INFINITY, tracker->n_objects, n);
    size_t n_rows = 0;
    for (size_t i = 0; i < tracker->n_objects; i++) {
        const struct object *o = &tracker->objects[i];
        if (tracker->detection_of[i] == ASSIGNMENT_NONE && o->id &&
            (!o->missed || tracker->time_s - o->last_s <= doubtful_s)) {
            tracker->rows[n_rows++] = (uint32_t)i;
        }
    }
    rules.min_overlap = fmax(options->min_overlap, doubtful_overlap);
    rules.by_motion = false;
    pass(tracker, &rules, options->low_score, options->high_score, n_rows, n);
}

static void maybe_number(struct tracker *tracker, struct object *o)
{
    // The rounding of times must not cost a picture.
    if (!o->id && o->last_s - o->first_s >= tracker->options.confirm_s - 1e-6) {
        o->id = tracker->next_id++;
    }
}

static bool out_of_picture(const struct tracker *tracker, const struct object *o)
{
    double x = o->axis[OBJECT_CX].x, y = o->axis[OBJECT_CY].x;
    return tracker->options.width > 0 && tracker->options.height > 0 &&
           (x < 0 || y < 0 || x > tracker->options.width || y > tracker->options.height);
}

// Whether an object that was not seen now is remembered.
static bool is_kept(struct tracker *tracker, struct object *o)
{
    double now_s = tracker->time_s;
    if (!o->missed) {
        o->missed = true;
        o->missed_s = now_s;
    }
    o->looks++;
    if (out_of_picture(tracker, o)) {
        return false;
    }
    if (!o->id) {
        return now_s - o->last_s <= tracker->options.confirm_s && 2 * o->sightings >= o->looks;
    }
    return now_s - o->missed_s <= tracker->options.memory_s;
}

static void see_or_forget(struct tracker *tracker)
{
    size_t kept = 0;
    for (size_t i = 0; i < tracker->n_objects; i++) {
        struct object *o = &tracker->objects[i];
        uint32_t detection = tracker->detection_of[i];
        if (detection != ASSIGNMENT_NONE) {
            object_see(o, &tracker->sane[detection], tracker->time_s);
            maybe_number(tracker, o);
        } else if (!is_kept(tracker, o)) {
            continue;
        }
        if (kept != i) {
            tracker->objects[kept] = *o;
            tracker->detection_of[kept] = detection;
        }
        kept++;
    }
    tracker->n_objects = kept;
}

// Whether an object that was seen in this update is what the detection shows.
static bool is_another_box(const struct tracker *tracker, const struct track_detection *detection)
{
    for (size_t i = 0; i < tracker->n_objects; i++) {
        if (tracker->detection_of[i] == ASSIGNMENT_NONE) {
            continue;
        }
        const struct track_detection *other = &tracker->sane[tracker->detection_of[i]];
        if ((tracker->options.across_classes || other->class_id == detection->class_id) &&
            match_overlap(&other->box, &detection->box) > same_overlap) {
            return true;
        }
    }
    return false;
}

// The object longest unseen, of those without a number if there are several; NULL if all were seen.
static struct object *longest_unseen(const struct tracker *tracker)
{
    struct object *found = NULL;
    for (size_t i = 0; i < tracker->n_objects; i++) {
        struct object *o = &tracker->objects[i];
        if (tracker->detection_of[i] == ASSIGNMENT_NONE &&
            (!found || o->last_s < found->last_s ||
             (o->last_s <= found->last_s && !o->id && found->id))) {
            found = o;
        }
    }
    return found;
}

static void begin_new(struct tracker *tracker, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct track_detection *detection = &tracker->sane[i];
        if (tracker->taken[i] || detection->score < tracker->options.high_score ||
            is_another_box(tracker, detection)) {
            continue;
        }
        struct object *o = tracker->n_objects < tracker->options.max_tracks
                               ? &tracker->objects[tracker->n_objects++]
                               : longest_unseen(tracker);
        if (!o) {
            return;
        }
        object_begin(o, detection, tracker->time_s);
        maybe_number(tracker, o);
        tracker->detection_of[o - tracker->objects] = (uint32_t)i;
    }
}

// What tracker_tracks() gives, `ahead_s` after the last update.
static void show(struct tracker *tracker, double ahead_s, bool looked)
{
    struct object_step step;
    object_step_init(&step, ahead_s);
    tracker->n_tracks = 0;
    for (size_t i = 0; i < tracker->n_objects; i++) {
        const struct object *o = &tracker->objects[i];
        if (o->id) {
            tracker->tracks[tracker->n_tracks++] =
                (struct track){.id = o->id,
                               .box = object_box(o, &step),
                               .class_id = o->votes[0].class_id,
                               .score = o->score,
                               .first_s = o->first_s,
                               .last_s = o->last_s,
                               .seen = looked && tracker->detection_of[i] != ASSIGNMENT_NONE};
        }
    }
}

void tracker_update(struct tracker *tracker, double time_s, struct track_detection *detections,
                    size_t n)
{
    size_t given = n;
    if (!room_for_detections(tracker, n)) {
        n = tracker->detection_capacity; // the rest belongs to no track
    }
    if (!isfinite(time_s)) {
        time_s = tracker->time_s;
    }
    double dt_s = tracker->started ? within(time_s - tracker->time_s, 0, LONGEST_S) : 0;
    tracker->time_s = tracker->started ? fmax(time_s, tracker->time_s) : time_s;
    tracker->started = true;

    struct object_step step;
    object_step_init(&step, dt_s);
    for (size_t i = 0; i < tracker->n_objects; i++) {
        object_predict(&tracker->objects[i], &step);
    }
    make_sane(tracker, detections, n);
    associate(tracker, n);
    see_or_forget(tracker);
    begin_new(tracker, n);

    for (size_t i = 0; i < given; i++) {
        detections[i].track_id = 0;
        detections[i].track_class = detections[i].class_id;
    }
    for (size_t i = 0; i < tracker->n_objects; i++) {
        if (tracker->detection_of[i] != ASSIGNMENT_NONE && tracker->objects[i].id) {
            detections[tracker->detection_of[i]].track_id = tracker->objects[i].id;
            detections[tracker->detection_of[i]].track_class =
                tracker->objects[i].votes[0].class_id;
        }
    }
    show(tracker, 0, true);
}

void tracker_predict(struct tracker *tracker, double time_s)
{
    double ahead_s = isfinite(time_s) ? within(time_s - tracker->time_s, 0, LONGEST_S) : 0;
    show(tracker, ahead_s, false);
}

const struct track *tracker_tracks(const struct tracker *tracker, size_t *n)
{
    *n = tracker->n_tracks;
    return tracker->tracks;
}
