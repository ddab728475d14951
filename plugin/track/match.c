// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Possible pairs and their costs. A pair is possible by overlap, or because it lies where the
// filter expects it; its cost is made of both.
#include "match.h"

#include "grow.h"

#include <math.h>
#include <stdlib.h>

// Squared deviations beyond which the filter does not expect a detection: of the place (99 % of
// what belongs together lies nearer) and of the extent.
static const double place_gate = 9.2, extent_gate = 6.0;
static const double farthest = 4.0; // sizes; the filter is asked no farther away than this
// Parts of the cost. Overlap and deviation cost 1 and less, the rest is added.
static const double overlap_share = 0.5;
static const double class_cost = 0.1, tentative_cost = 0.3, missed_cost = 0.2;
static const double alone_cost = 1.3; // pairs that cost more are none

bool match_reserve(struct match *m, size_t rows, size_t columns)
{
    if (!assignment_reserve(&m->assignment, rows, columns)) {
        return false;
    }
    if (rows > m->row_capacity) {
        if (!grow(&m->pairs, rows * MATCH_PAIRS, sizeof(*m->pairs)) ||
            !grow(&m->starts, rows + 1, sizeof(*m->starts))) {
            return false;
        }
        m->row_capacity = rows;
    }
    if (columns > m->column_capacity) {
        if (!grow(&m->order, columns, sizeof(*m->order))) {
            return false;
        }
        m->column_capacity = columns;
    }
    return true;
}

void match_finish(struct match *m)
{
    assignment_finish(&m->assignment);
    free(m->pairs);
    free(m->starts);
    free(m->order);
    *m = (struct match){0};
}

double match_overlap(const struct track_box *a, const struct track_box *b)
{
    double w = fmin(a->x + a->w, b->x + b->w) - fmax(a->x, b->x);
    double h = fmin(a->y + a->h, b->y + b->h) - fmax(a->y, b->y);
    if (!(w > 0 && h > 0)) {
        return 0;
    }
    return w * h / (a->w * a->h + b->w * b->h - w * h);
}

static size_t strip_of(const struct match *m, double x)
{
    double strip = (x - m->left) / m->strip_w;
    return strip > 0 ? (size_t)fmin(strip, MATCH_STRIPS - 1) : 0;
}

// Counting sort of the detections by the strip that their centre lies in.
static void sort_by_strip(struct match *m, const struct track_detection *detections,
                          const uint32_t *columns, size_t n)
{
    double left = INFINITY, right = -INFINITY;
    m->half_w = m->half_h = 0;
    for (size_t i = 0; i < n; i++) {
        const struct track_box *box = &detections[columns[i]].box;
        left = fmin(left, box->x + box->w / 2);
        right = fmax(right, box->x + box->w / 2);
        m->half_w = fmax(m->half_w, box->w / 2);
        m->half_h = fmax(m->half_h, box->h / 2);
    }
    m->left = left;
    m->strip_w = fmax((right - left) / MATCH_STRIPS, 1e-3);
    for (size_t s = 0; s <= MATCH_STRIPS; s++) {
        m->strips[s] = 0;
    }
    for (size_t i = 0; i < n; i++) {
        const struct track_box *box = &detections[columns[i]].box;
        m->strips[strip_of(m, box->x + box->w / 2) + 1]++;
    }
    for (size_t s = 0; s < MATCH_STRIPS; s++) {
        m->strips[s + 1] += m->strips[s];
    }
    for (size_t i = n; i-- > 0;) {
        const struct track_box *box = &detections[columns[i]].box;
        m->order[--m->strips[strip_of(m, box->x + box->w / 2) + 1]] = (uint32_t)i;
    }
    // Each strip now begins where the next one's entry says.
    for (size_t s = 0; s < MATCH_STRIPS; s++) {
        m->strips[s] = m->strips[s + 1];
    }
    m->strips[MATCH_STRIPS] = (uint32_t)n;
}

// What is the same for all detections of a row.
struct row {
    struct track_box box;
    double at[OBJECT_AXES], per_variance[OBJECT_AXES];
    double reach_x, reach_y; // of the filter, px
    double added_cost;
    uint32_t class_id;
};

static void row_init(struct row *r, const struct object *o, const struct match_rules *rules)
{
    double variance[OBJECT_AXES];
    for (int i = 0; i < OBJECT_AXES; i++) {
        r->at[i] = o->axis[i].x;
        variance[i] = o->axis[i].xx + object_noise(o, i, o->score);
        r->per_variance[i] = 1 / variance[i];
    }
    r->box = (struct track_box){r->at[OBJECT_CX] - r->at[OBJECT_W] / 2,
                                r->at[OBJECT_CY] - r->at[OBJECT_H] / 2, r->at[OBJECT_W],
                                r->at[OBJECT_H]};
    double most = farthest * o->size;
    r->reach_x = rules->by_motion ? fmin(sqrt(variance[OBJECT_CX] * place_gate), most) : 0;
    r->reach_y = rules->by_motion ? fmin(sqrt(variance[OBJECT_CY] * place_gate), most) : 0;
    r->added_cost = o->id ? 0 : tentative_cost;
    // One that is seen keeps its detections from one that would take every other of them.
    r->added_cost += missed_cost * (1 - fmin(o->presence + o->presence_gain, 1));
    r->class_id = o->votes[0].class_id;
}

// Cost of a pair, or INFINITY where it is not possible.
static double pair_cost(const struct row *r, const struct track_detection *detection,
                        const struct match_rules *rules)
{
    const struct track_box *box = &detection->box;
    double dx = fabs(box->x + box->w / 2 - r->at[OBJECT_CX]);
    double dy = fabs(box->y + box->h / 2 - r->at[OBJECT_CY]);
    bool touch = dx < (r->box.w + box->w) / 2 && dy < (r->box.h + box->h) / 2;
    bool near = dx < r->reach_x && dy < r->reach_y;
    bool same_class = detection->class_id == r->class_id;
    if ((!touch && !near) || (!same_class && !rules->across_classes)) {
        return INFINITY;
    }
    double dw = box->w - r->at[OBJECT_W], dh = box->h - r->at[OBJECT_H];
    double place = dx * dx * r->per_variance[OBJECT_CX] + dy * dy * r->per_variance[OBJECT_CY];
    double extent = dw * dw * r->per_variance[OBJECT_W] + dh * dh * r->per_variance[OBJECT_H];
    double overlap = touch ? match_overlap(&r->box, box) : 0;
    if (overlap < rules->min_overlap && !(near && place < place_gate && extent < extent_gate)) {
        return INFINITY;
    }
    double deviation = fmin((place + extent) / (place_gate + extent_gate), 1);
    return overlap_share * (1 - overlap) + (1 - overlap_share) * deviation + r->added_cost +
           (same_class ? 0 : class_cost);
}

// Keeps the cheapest MATCH_PAIRS. Returns how many there are now.
static size_t keep(struct assignment_pair *pairs, size_t n, struct assignment_pair pair)
{
    if (n < MATCH_PAIRS) {
        pairs[n] = pair;
        return n + 1;
    }
    size_t worst = 0;
    for (size_t i = 1; i < n; i++) {
        if (pairs[i].cost > pairs[worst].cost) {
            worst = i;
        }
    }
    if (pair.cost < pairs[worst].cost) {
        pairs[worst] = pair;
    }
    return n;
}

void match_run(struct match *m, const struct match_rules *rules, const struct object *objects,
               const uint32_t *rows, size_t n_rows, const struct track_detection *detections,
               const uint32_t *columns, size_t n_columns, uint32_t *column_of)
{
    if (n_rows == 0 || n_columns == 0) {
        for (size_t i = 0; i < n_rows; i++) {
            column_of[i] = ASSIGNMENT_NONE;
        }
        return;
    }
    sort_by_strip(m, detections, columns, n_columns);
    m->starts[0] = 0;
    for (size_t i = 0; i < n_rows; i++) {
        struct row r;
        row_init(&r, &objects[rows[i]], rules);
        struct assignment_pair *pairs = &m->pairs[m->starts[i]];
        double reach = fmax(r.reach_x, r.box.w / 2 + m->half_w);
        uint32_t from = m->strips[strip_of(m, r.at[OBJECT_CX] - reach)];
        uint32_t to = m->strips[strip_of(m, r.at[OBJECT_CX] + reach) + 1];
        size_t n = 0;
        for (uint32_t k = from; k < to; k++) {
            uint32_t column = m->order[k];
            double cost = pair_cost(&r, &detections[columns[column]], rules);
            if (cost < alone_cost) {
                n = keep(pairs, n, (struct assignment_pair){column, cost});
            }
        }
        m->starts[i + 1] = m->starts[i] + (uint32_t)n;
    }
    assignment_solve(&m->assignment, n_rows, n_columns, m->starts, m->pairs, alone_cost, column_of);
}
