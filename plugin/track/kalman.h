// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A Kalman filter of one coordinate and its velocity. The noise of the motion is that of a white
// acceleration in continuous time: two steps give what one step over both times gives, so nothing
// depends on the frame rate. Knows no boxes.
#pragma once

#include <stdbool.h>

// State and covariance. px, px/s, px², px²/s, px²/s².
struct kalman {
    double x, v;
    double xx, xv, vv;
};

// What a step over a time does, the same for all filters that make it.
struct kalman_step {
    double x_of_v, v_of_v;   // what the velocity adds to the place, and what is left of it
    double q_xx, q_xv, q_vv; // covariance for a noise of 1
};

// settle_s: the time in which a velocity falls to 1/e; INFINITY keeps it.
void kalman_step_init(struct kalman_step *step, double dt_s, double settle_s);
// Seen for the first time at z with variance r (px²); the velocity is 0 with variance vv.
void kalman_begin(struct kalman *k, double z, double r, double vv);
// q: spectral density of the acceleration, px²/s³.
void kalman_predict(struct kalman *k, const struct kalman_step *step, double q);
void kalman_update(struct kalman *k, double z, double r);
