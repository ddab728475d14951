// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The filter against a plain one with matrices and against closed forms, the assignment against
// trying everything, the overlap and the strips of the matching against all pairs.
#include "match.h"

#include <glib.h>
#include <math.h>

static void near(double found, double wanted, double tolerance, const char *what, int line)
{
    if (!(fabs(found - wanted) <= tolerance * MAX(1, fabs(wanted)))) {
        g_error("line %d: %s is %.17g, not %.17g", line, what, found, wanted);
    }
}
#define NEAR(found, wanted, tolerance) near(found, wanted, tolerance, #found, __LINE__)

// P' = F P Fᵀ + Q, summed over n small steps, where constant velocity needs no closed form of Q.
struct naive {
    double x[2], p[2][2];
};

static void naive_predict(struct naive *s, double dt_s, double settle_s, double q, int n)
{
    double dt = dt_s / n;
    for (int step = 0; step < n; step++) {
        double f[2][2] = {{1, dt}, {0, 1 - dt / settle_s}}, fp[2][2], x[2];
        for (int i = 0; i < 2; i++) {
            x[i] = f[i][0] * s->x[0] + f[i][1] * s->x[1];
            for (int k = 0; k < 2; k++) {
                fp[i][k] = f[i][0] * s->p[0][k] + f[i][1] * s->p[1][k];
            }
        }
        for (int i = 0; i < 2; i++) {
            s->x[i] = x[i];
            for (int k = 0; k < 2; k++) {
                s->p[i][k] = fp[i][0] * f[k][0] + fp[i][1] * f[k][1];
            }
        }
        s->p[1][1] += q * dt;
    }
}

// Joseph's form.
static void naive_update(struct naive *s, double z, double r)
{
    double gain[2] = {s->p[0][0] / (s->p[0][0] + r), s->p[1][0] / (s->p[0][0] + r)};
    double a[2][2] = {{1 - gain[0], 0}, {-gain[1], 1}}, ap[2][2];
    double off = z - s->x[0];
    for (int i = 0; i < 2; i++) {
        s->x[i] += gain[i] * off;
        for (int k = 0; k < 2; k++) {
            ap[i][k] = a[i][0] * s->p[0][k] + a[i][1] * s->p[1][k];
        }
    }
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 2; k++) {
            s->p[i][k] = ap[i][0] * a[k][0] + ap[i][1] * a[k][1] + gain[i] * gain[k] * r;
        }
    }
}

static void test_kalman_naive(void)
{
    // 4000 steps of Euler: the error of the sum is about dt / (2 n settle), below 1e-3.
    const double settles[] = {INFINITY, 5, 0.5};
    for (guint i = 0; i < G_N_ELEMENTS(settles); i++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(i + 1);
        struct kalman k;
        struct naive s = {.x = {100, 0}, .p = {{9, 0}, {0, 2500}}};
        kalman_begin(&k, 100, 9, 2500);
        for (int frame = 0; frame < 40; frame++) {
            double dt = g_rand_double_range(rand, 0, 0.5),
                   z = 100 + g_rand_double_range(rand, -40, 80);
            double r = g_rand_double_range(rand, 1, 30);
            struct kalman_step step;
            kalman_step_init(&step, dt, settles[i]);
            kalman_predict(&k, &step, 700);
            naive_predict(&s, dt, settles[i], 700, 4000);
            NEAR(k.x, s.x[0], 2e-3);
            NEAR(k.xx, s.p[0][0], 2e-3);
            NEAR(k.xv, s.p[0][1], 2e-3);
            NEAR(k.vv, s.p[1][1], 2e-3);
            kalman_update(&k, z, r);
            naive_update(&s, z, r);
            NEAR(k.x, s.x[0], 2e-3);
            NEAR(k.v, s.x[1], 5e-3);
            NEAR(k.xx, s.p[0][0], 2e-3);
            NEAR(k.vv, s.p[1][1], 2e-3);
        }
    }
}

static void test_kalman_steps_add_up(void)
{
    const double settles[] = {INFINITY, 1000, 0.5, 0.01};
    for (guint i = 0; i < G_N_ELEMENTS(settles); i++) {
        for (double whole = 1e-4; whole < 20; whole *= 3) {
            struct kalman one = {10, 3, 4, -1, 9}, many = one;
            struct kalman_step step, part;
            kalman_step_init(&step, whole, settles[i]);
            kalman_step_init(&part, whole / 16, settles[i]);
            kalman_predict(&one, &step, 50);
            for (int n = 0; n < 16; n++) {
                kalman_predict(&many, &part, 50);
            }
            // The series leaves out terms of the share cubed, below 1e-9.
            NEAR(many.x, one.x, 1e-8);
            NEAR(many.v, one.v, 1e-8);
            NEAR(many.xx, one.xx, 1e-6);
            NEAR(many.xv, one.xv, 1e-6);
            NEAR(many.vv, one.vv, 1e-6);
        }
    }
}

static void test_kalman_line(void)
{
    struct kalman k;
    struct kalman_step step;
    kalman_step_init(&step, 0.1, INFINITY);
    kalman_begin(&k, 0, 1, 1e6);
    for (int i = 1; i <= 50; i++) {
        kalman_predict(&k, &step, 0);
        kalman_update(&k, 7.0 * i, 1);
    }
    // Least squares of 51 points on a line, the first of which is as sure as the others.
    NEAR(k.x, 350, 1e-6);
    NEAR(k.v, 70, 1e-6);
    NEAR(k.xx, 2.0 * (2 * 51 - 1) / (51.0 * 52), 1e-3);
    NEAR(k.vv, 12 / (51.0 * (51 * 51 - 1) * 0.01), 1e-3);
}

#define MOST 6

struct problem {
    guint rows, columns;
    double cost[MOST][MOST]; // INFINITY: not possible
    double alone;
};

static double try_all(const struct problem *p, guint row, guint used)
{
    if (row == p->rows) {
        return 0;
    }
    double best = p->alone + try_all(p, row + 1, used);
    for (guint c = 0; c < p->columns; c++) {
        if (!(used >> c & 1) && p->cost[row][c] < INFINITY) {
            best = MIN(best, p->cost[row][c] + try_all(p, row + 1, used | 1u << c));
        }
    }
    return best;
}

static double solve(struct assignment *a, const struct problem *p, guint32 *column_of)
{
    struct assignment_pair pairs[MOST * MOST];
    guint32 starts[MOST + 1] = {0}, n = 0;
    for (guint i = 0; i < p->rows; i++) {
        for (guint c = 0; c < p->columns; c++) {
            if (p->cost[i][c] < INFINITY) {
                pairs[n++] = (struct assignment_pair){c, p->cost[i][c]};
            }
        }
        starts[i + 1] = n;
    }
    assignment_solve(a, p->rows, p->columns, starts, pairs, p->alone, column_of);
    double total = 0;
    guint used = 0;
    for (guint i = 0; i < p->rows; i++) {
        if (column_of[i] == ASSIGNMENT_NONE) {
            total += p->alone;
            continue;
        }
        g_assert_cmpuint(column_of[i], <, p->columns);
        g_assert_false(used >> column_of[i] & 1);
        g_assert_cmpuint(a->row_of[column_of[i]], ==, i);
        used |= 1u << column_of[i];
        total += p->cost[i][column_of[i]];
    }
    return total;
}

static void test_assignment_brute_force(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(42);
    struct assignment a = {0};
    gboolean room = assignment_reserve(&a, MOST, MOST);
    g_assert_true(room);
    for (int n = 0; n < 20000; n++) {
        struct problem p = {.rows = (guint)g_rand_int_range(rand, 0, MOST + 1),
                            .columns = (guint)g_rand_int_range(rand, 0, MOST + 1),
                            .alone = g_rand_double_range(rand, -0.2, 1.5)};
        double possible = g_rand_double(rand);
        gboolean ties = g_rand_boolean(rand);
        for (guint i = 0; i < p.rows; i++) {
            for (guint c = 0; c < p.columns; c++) {
                double cost = ties ? g_rand_int_range(rand, 0, 4) / 4.0 : g_rand_double(rand);
                p.cost[i][c] = g_rand_double(rand) < possible ? cost : INFINITY;
            }
        }
        guint32 column_of[MOST];
        double found = solve(&a, &p, column_of), best = try_all(&p, 0, 0);
        if (fabs(found - best) > 1e-9) {
            g_error("problem %d, %u x %u: cost %g, not %g", n, p.rows, p.columns, found, best);
        }
    }
    assignment_finish(&a);
}

// A long chain in which each row pushes all rows before it along.
static void test_assignment_chain(void)
{
    const guint n = 400;
    struct assignment a = {0};
    gboolean room = assignment_reserve(&a, n, n);
    g_assert_true(room);
    g_autofree struct assignment_pair *pairs = g_new(struct assignment_pair, 2 * n);
    g_autofree guint32 *starts = g_new(guint32, n + 1), *column_of = g_new(guint32, n);
    guint32 used = 0;
    for (guint i = 0; i < n; i++) { // row i likes column n-1-i best, and has the next one as well
        starts[i] = used;
        if (i + 1 < n) {
            pairs[used++] = (struct assignment_pair){n - 1 - i, 0.1};
            pairs[used++] = (struct assignment_pair){n - 2 - i, 0.1001};
        } else {
            pairs[used++] = (struct assignment_pair){n - 1, 0.1};
        }
    }
    starts[n] = used;
    assignment_solve(&a, n, n, starts, pairs, 1, column_of);
    for (guint i = 0; i + 1 < n; i++) {
        g_assert_cmpuint(column_of[i], ==, n - 2 - i);
    }
    g_assert_cmpuint(column_of[n - 1], ==, n - 1);
    assignment_finish(&a);
}

static void test_match_overlap(void)
{
    const struct track_box a = {0, 0, 10, 10}, b = {5, 0, 10, 10}, c = {10, 0, 5, 5},
                           inside = {2, 2, 5, 5};
    NEAR(match_overlap(&a, &a), 1, 1e-12);
    NEAR(match_overlap(&a, &b), 50.0 / 150, 1e-12);
    NEAR(match_overlap(&a, &inside), 0.25, 1e-12);
    g_assert_true(match_overlap(&a, &c) <= 0);
}

// The strips must leave out no pair: each object has one detection that overlaps by the half.
static void test_match_strips(void)
{
    enum { N = 300 };
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    struct match m = {0};
    gboolean room = match_reserve(&m, N, N);
    g_assert_true(room);
    g_autofree struct object *objects = g_new0(struct object, N);
    g_autofree struct track_detection *detections = g_new0(struct track_detection, N);
    guint32 rows[N], columns[N], column_of[N];
    for (int round = 0; round < 50; round++) {
        double spread = round == 0 ? 0 : pow(10, round % 7);
        for (guint i = 0; i < N; i++) { // far apart vertically, anywhere horizontally
            struct track_box box = {g_rand_double_range(rand, -1, 1) * spread, i * 2000.0,
                                    g_rand_double_range(rand, 1, 900),
                                    g_rand_double_range(rand, 1, 900)};
            struct track_detection before = {.box = box, .score = 0.9};
            object_begin(&objects[i], &before, 0);
            box.x += box.w * g_rand_double_range(rand, -0.3, 0.3);
            detections[N - 1 - i] = (struct track_detection){.box = box, .score = 0.9};
            rows[i] = columns[i] = i;
        }
        struct match_rules rules = {.min_overlap = 0.2, .by_motion = round % 2 == 0};
        match_run(&m, &rules, objects, rows, N, detections, columns, N, column_of);
        for (guint i = 0; i < N; i++) {
            g_assert_cmpuint(column_of[i], ==, N - 1 - i);
        }
    }
    match_finish(&m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/track/kalman/naive", test_kalman_naive);
    g_test_add_func("/track/kalman/steps-add-up", test_kalman_steps_add_up);
    g_test_add_func("/track/kalman/line", test_kalman_line);
    g_test_add_func("/track/assignment/brute-force", test_assignment_brute_force);
    g_test_add_func("/track/assignment/chain", test_assignment_chain);
    g_test_add_func("/track/match/overlap", test_match_overlap);
    g_test_add_func("/track/match/strips", test_match_strips);
    return g_test_run();
}
