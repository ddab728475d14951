// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// One object that is followed: the filters of its box, the votes on its class, and what it has been
// seen of. Knows no other objects.
#pragma once

#include "kalman.h"
#include "tracker.h"

#define OBJECT_VOTES 4

// The order of an object's filters.
enum object_axis { OBJECT_CX, OBJECT_CY, OBJECT_W, OBJECT_H, OBJECT_AXES };

struct object_vote {
    uint32_t class_id;
    double weight;
};

struct object {
    struct kalman axis[OBJECT_AXES]; // at the time of the last update
    double seen_w, seen_h;           // when last seen, px
    double size;                     // root of their product
    int64_t id;                      // 0: none yet
    double score, first_s, last_s;
    double missed_s; // first look in vain since it was last seen
    bool missed;     // whether there was one
    uint32_t looks, sightings;
    double presence;      // of the looks of the last third of a second, the share that showed it
    double presence_gain; // what a sighting now adds to that
    struct object_vote votes[OBJECT_VOTES]; // the heaviest first
};

// One step of all objects over a time.
struct object_step {
    struct kalman_step place, extent;
    double votes, presence; // what is left of them
};

void object_step_init(struct object_step *step, double dt_s);
void object_begin(struct object *o, const struct track_detection *detection, double time_s);
void object_predict(struct object *o, const struct object_step *step);
void object_see(struct object *o, const struct track_detection *detection, double time_s);
// Variance of what a detection of this object says about an axis, px².
double object_noise(const struct object *o, enum object_axis axis, double score);
// Where it is after one more step; the object stays as it is.
struct track_box object_box(const struct object *o, const struct object_step *step);
