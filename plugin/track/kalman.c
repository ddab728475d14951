// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Prediction and update of a coordinate with its velocity, in closed form. Allocates nothing.
#include "kalman.h"

#include <math.h>

// Below this share of the settling time the closed form loses digits that the series keeps.
#define SERIES 1e-3

void kalman_step_init(struct kalman_step *step, double dt_s, double settle_s)
{
    double share = dt_s / settle_s;
    if (!(share > SERIES)) {
        step->x_of_v = dt_s * (1 - share / 2 + share * share / 6);
        step->v_of_v = 1 - share + share * share / 2;
        step->q_xx = dt_s * dt_s * dt_s / 3 * (1 - 0.75 * share);
        step->q_xv = dt_s * dt_s / 2 * (1 - share);
        step->q_vv = dt_s * (1 - share);
        return;
    }
    double lost = -expm1(-share), lost_twice = -expm1(-2 * share);
    step->x_of_v = settle_s * lost;
    step->v_of_v = 1 - lost;
    step->q_xx = settle_s * settle_s * (dt_s - 2 * settle_s * lost + settle_s / 2 * lost_twice);
    step->q_xv = settle_s * settle_s / 2 * lost * lost;
    step->q_vv = settle_s / 2 * lost_twice;
}

void kalman_begin(struct kalman *k, double z, double r, double vv)
{
    *k = (struct kalman){.x = z, .xx = r, .vv = vv};
}

void kalman_predict(struct kalman *k, const struct kalman_step *step, double q)
{
    double a = step->x_of_v, b = step->v_of_v;
    k->x += a * k->v;
    k->v *= b;
    k->xx += a * (2 * k->xv + a * k->vv) + q * step->q_xx;
    k->xv = b * (k->xv + a * k->vv) + q * step->q_xv;
    k->vv = b * b * k->vv + q * step->q_vv;
}

void kalman_update(struct kalman *k, double z, double r)
{
    double seen = 1 / (k->xx + r), off = (z - k->x) * seen;
    k->x += k->xx * off;
    k->v += k->xv * off;
    k->vv = fmax(k->vv - k->xv * k->xv * seen, 0);
    k->xx *= r * seen;
    k->xv *= r * seen;
}
