// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// An object's filters and votes. All noises are shares of the object's size, as far objects are
// small and slow in pixels.
#include "object.h"

#include <math.h>

// Standard deviations of a detection, as shares of the size: of a sure one, and what a score of 0
// adds. Detectors place boxes to about a twentieth, and size them a bit worse.
static const double place_noise = 0.05, extent_noise = 0.10, doubt_noise = 0.25;
static const double pixel_noise = 0.3; // px; the grid
// Root of the spectral density of the acceleration, sizes/s^1.5.
static const double place_push = 1.0, extent_push = 0.2;
// What is thinkable of an object that was seen once, sizes/s.
static const double first_speed = 6.0, first_growth = 0.2;
static const double growth_settles_s = 0.3; // nothing grows for long
static const double votes_settle_s = 2.0, presence_settles_s = 0.3;
static const double least_extent =
    0.3; // of the size when last seen; predictions stop shrinking there

void object_step_init(struct object_step *step, double dt_s)
{
    kalman_step_init(&step->place, dt_s, INFINITY);
    kalman_step_init(&step->extent, dt_s, growth_settles_s);
    step->votes = exp(-dt_s / votes_settle_s);
    step->presence = exp(-dt_s / presence_settles_s);
}

double object_noise(const struct object *o, enum object_axis axis, double score)
{
    double share =
        (axis < OBJECT_W ? place_noise : extent_noise) + doubt_noise * (1 - score) * (1 - score);
    return share * share * o->size * o->size + pixel_noise * pixel_noise;
}

static void measure(double z[OBJECT_AXES], const struct track_box *box)
{
    z[OBJECT_CX] = box->x + box->w / 2;
    z[OBJECT_CY] = box->y + box->h / 2;
    z[OBJECT_W] = box->w;
    z[OBJECT_H] = box->h;
}

static void vote(struct object *o, uint32_t class_id, double weight)
{
    int place = 0;
    while (place < OBJECT_VOTES - 1 && o->votes[place].weight > 0 &&
           o->votes[place].class_id != class_id) {
        place++;
    }
    if (o->votes[place].class_id != class_id) {
        o->votes[place] = (struct object_vote){.class_id = class_id};
    }
    struct object_vote cast = o->votes[place];
    cast.weight += weight;
    for (; place > 0 && o->votes[place - 1].weight < cast.weight; place--) {
        o->votes[place] = o->votes[place - 1];
    }
    o->votes[place] = cast;
}

void object_begin(struct object *o, const struct track_detection *detection, double time_s)
{
    const struct track_box *box = &detection->box;
    double z[OBJECT_AXES];
    *o = (struct object){.size = sqrt(box->w * box->h),
                         .seen_w = box->w,
                         .seen_h = box->h,
                         .score = detection->score,
                         .first_s = time_s,
                         .last_s = time_s,
                         .looks = 1,
                         .sightings = 1,
                         .presence = 1};
    measure(z, box);
    for (int i = 0; i < OBJECT_AXES; i++) {
        double speed = (i < OBJECT_W ? first_speed : first_growth) * o->size;
        kalman_begin(&o->axis[i], z[i], object_noise(o, i, detection->score), speed * speed);
    }
    vote(o, detection->class_id, detection->score);
}

static void stop_shrinking(struct kalman *k, double least)
{
    if (k->x < least) {
        k->x = least;
        k->v = fmax(k->v, 0);
    }
}

void object_predict(struct object *o, const struct object_step *step)
{
    double place = place_push * place_push * o->size * o->size;
    double extent = extent_push * extent_push * o->size * o->size;
    for (int i = 0; i < OBJECT_AXES; i++) {
        kalman_predict(&o->axis[i], i < OBJECT_W ? &step->place : &step->extent,
                       i < OBJECT_W ? place : extent);
    }
    stop_shrinking(&o->axis[OBJECT_W], least_extent * o->seen_w);
    stop_shrinking(&o->axis[OBJECT_H], least_extent * o->seen_h);
    for (int i = 0; i < OBJECT_VOTES; i++) {
        o->votes[i].weight *= step->votes;
    }
    o->presence *= step->presence;
    o->presence_gain = 1 - step->presence;
}

void object_see(struct object *o, const struct track_detection *detection, double time_s)
{
    double z[OBJECT_AXES];
    measure(z, &detection->box);
    o->seen_w = detection->box.w;
    o->seen_h = detection->box.h;
    o->size = sqrt(o->seen_w * o->seen_h);
    for (int i = 0; i < OBJECT_AXES; i++) {
        kalman_update(&o->axis[i], z[i], object_noise(o, i, detection->score));
    }
    o->score = detection->score;
    o->last_s = time_s;
    o->missed = false;
    o->looks++;
    o->sightings++;
    o->presence += o->presence_gain;
    vote(o, detection->class_id, detection->score);
}

struct track_box object_box(const struct object *o, const struct object_step *step)
{
    double at[OBJECT_AXES];
    for (int i = 0; i < OBJECT_AXES; i++) {
        const struct kalman_step *s = i < OBJECT_W ? &step->place : &step->extent;
        at[i] = o->axis[i].x + s->x_of_v * o->axis[i].v;
    }
    at[OBJECT_W] = fmax(at[OBJECT_W], least_extent * o->seen_w);
    at[OBJECT_H] = fmax(at[OBJECT_H], least_extent * o->seen_h);
    return (struct track_box){at[OBJECT_CX] - at[OBJECT_W] / 2, at[OBJECT_CY] - at[OBJECT_H] / 2,
                              at[OBJECT_W], at[OBJECT_H]};
}
