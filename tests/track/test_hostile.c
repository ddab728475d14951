// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What no detector should say, many objects, memory and time. malloc() and its kin are counted: the
// program is linked with --wrap.
#include "tracker.h"

#include <glib.h>
#include <math.h>
#include <stdlib.h>

static guint allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
    allocations++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    allocations++;
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    allocations++;
    return __real_realloc(old, size);
}

static struct tracker *make(guint max_tracks)
{
    struct track_options options;
    track_options_init(&options);
    options.confirm_s = 0;
    options.max_tracks = max_tracks;
    return tracker_new(&options);
}

// Every number once, every box a box.
static void check(struct tracker *tracker, const struct track_detection *detections, size_t n)
{
    static guint8 used[1 << 20];
    size_t n_tracks;
    const struct track *tracks = tracker_tracks(tracker, &n_tracks);
    for (size_t i = 0; i < n_tracks; i++) {
        const struct track_box *box = &tracks[i].box;
        g_assert_true(isfinite(box->x) && isfinite(box->y) && isfinite(box->w) &&
                      isfinite(box->h) && box->w > 0 && box->h > 0);
        g_assert_true(isfinite(tracks[i].last_s) && tracks[i].last_s >= tracks[i].first_s);
        g_assert_cmpint(tracks[i].id, <, sizeof(used));
        g_assert_cmpint(used[tracks[i].id], ==, 0);
        used[tracks[i].id] = 1;
    }
    for (size_t i = 0; i < n; i++) {
        if (detections[i].track_id) { // a track there is, and no other detection's
            g_assert_cmpint(used[detections[i].track_id], ==, 1);
            used[detections[i].track_id] = 2;
        }
    }
    for (size_t i = 0; i < n_tracks; i++) {
        g_assert_cmpint(used[tracks[i].id], ==, tracks[i].seen ? 2 : 1);
    }
    for (size_t i = 0; i < n_tracks; i++) {
        used[tracks[i].id] = 0;
    }
}

static double any(GRand *rand)
{
    const double odd[] = {NAN,   INFINITY, -INFINITY, 0,    -0.0, 1e300, -1e300, 1e-300,
                          1e308, 999999,   -999999,   1e-3, 0.5,  1,     -1,     1e6};
    return g_rand_double(rand) < 0.3 ? odd[g_rand_int_range(rand, 0, G_N_ELEMENTS(odd))]
                                     : g_rand_double_range(rand, -50, 500);
}

static void test_nonsense(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);
    for (int round = 0; round < 40; round++) {
        struct track_options options = {any(rand),
                                        any(rand),
                                        any(rand),
                                        any(rand),
                                        any(rand),
                                        g_rand_boolean(rand),
                                        g_rand_int_range(rand, 0, 40),
                                        any(rand),
                                        any(rand)};
        if (round % 2) {
            track_options_init(&options);
        }
        struct tracker *tracker = tracker_new(&options);
        double time_s = 0;
        for (int frame = 0; frame < 300; frame++) {
            struct track_detection detections[40];
            int n = g_rand_int_range(rand, 0, 41);
            for (int i = 0; i < n; i++) {
                detections[i] = (struct track_detection){
                    .box = {any(rand), any(rand), any(rand), any(rand)},
                    .score = g_rand_boolean(rand) ? g_rand_double(rand) : any(rand),
                    .class_id = g_rand_int(rand)};
            }
            double t = g_rand_double(rand) < 0.1 ? any(rand) : (time_s += 0.03);
            tracker_update(tracker, t, detections, (size_t)n);
            check(tracker, detections, (size_t)n);
            for (int i = 0; i < n; i++) {
                g_assert_true(detections[i].track_id ||
                              detections[i].track_class == detections[i].class_id);
            }
            tracker_predict(tracker, any(rand));
            check(tracker, NULL, 0);
        }
        tracker_free(&tracker);
    }
}

// The same picture again and again, and times that go back.
static void test_time_stands(void)
{
    struct tracker *tracker = make(64);
    for (int i = 0; i < 1000; i++) {
        struct track_detection two[] = {{.box = {10, 10, 50, 50}, .score = 0.8},
                                        {.box = {200, 10, 50, 50}, .score = 0.8}};
        tracker_update(tracker, i < 500 ? 10 : 10 - i, two, 2);
        check(tracker, two, 2);
        g_assert_cmpint(two[0].track_id, ==, 1);
        g_assert_cmpint(two[1].track_id, ==, 2);
    }
    struct track_detection one = {.box = {10, 10, 50, 50}, .score = 0.8};
    tracker_update(tracker, NAN, &one, 1);
    g_assert_cmpint(one.track_id, ==, 1);
    tracker_update(tracker, 10.1, &one, 1);
    g_assert_cmpint(one.track_id, ==, 1);
    tracker_free(&tracker);
}

static void fill(GRand *rand, struct track_detection *detections, int n, double spread)
{
    for (int i = 0; i < n; i++) {
        detections[i] = (struct track_detection){
            .box = {g_rand_double(rand) * spread, g_rand_double(rand) * spread,
                    g_rand_double_range(rand, 20, 80), g_rand_double_range(rand, 20, 80)},
            .score = g_rand_double(rand),
            .class_id = (guint)i % 5};
    }
}

// Two thousand boxes on one heap: slow for a picture, but bounded.
static void test_crowds(void)
{
    const double spreads[] = {0, 1, 50, 500, 5000};
    g_autoptr(GRand) rand = g_rand_new_with_seed(5);
    g_autofree struct track_detection *detections = g_new(struct track_detection, 2000);
    for (guint i = 0; i < G_N_ELEMENTS(spreads); i++) {
        for (int n = 300; n <= 2000; n += 1700) {
            struct tracker *tracker = make(512);
            gint64 longest = 0;
            for (int frame = 0; frame < 5; frame++) {
                fill(rand, detections, n, spreads[i]);
                gint64 start = g_get_monotonic_time();
                tracker_update(tracker, frame * 0.05, detections, (size_t)n);
                longest = MAX(longest, g_get_monotonic_time() - start);
                check(tracker, detections, (size_t)n);
            }
            g_test_message("%d boxes within %.0f px: at most %" G_GINT64_FORMAT " us a picture", n,
                           spreads[i], longest);
            g_assert_cmpint(longest, <, 2 * G_USEC_PER_SEC);
            tracker_free(&tracker);
        }
    }
}

#define WALKERS 100

static void walk(struct track_detection *detections, GRand *rand, double time_s)
{
    for (int i = 0; i < WALKERS; i++) { // ten rows, to and fro, over one another
        double phase = time_s * (0.2 + 0.01 * i) + i;
        detections[i] = (struct track_detection){
            .box = {900 + 800 * sin(phase) + g_rand_double_range(rand, -2, 2), i / 10 * 100.0, 40,
                    90},
            .score = g_rand_double_range(rand, 0.3, 1)};
    }
}

static void test_no_allocation(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(6);
    g_autofree struct track_detection *detections = g_new(struct track_detection, 2000);
    struct tracker *tracker = make(256);
    g_assert_cmpuint(allocations, >, 0); // the counting works
    fill(rand, detections, 2000, 2000);
    tracker_update(tracker, 0, detections, 2000);
    guint before = allocations;
    for (int frame = 1; frame < 300; frame++) {
        int n = g_rand_int_range(rand, 0, 2001);
        fill(rand, detections, n, 2000);
        tracker_update(tracker, frame / 30.0, detections, (size_t)n);
        tracker_predict(tracker, frame / 30.0 + 0.01);
    }
    g_assert_cmpuint(allocations, ==, before);
    tracker_free(&tracker);
}

static void test_speed(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(8);
    struct track_detection detections[WALKERS];
    struct tracker *tracker = make(512);
    gint64 best = G_MAXINT64;
    for (int batch = 0, frame = 0; batch < 40; batch++) {
        gint64 spent = 0;
        for (int i = 0; i < 25; i++, frame++) {
            walk(detections, rand, frame / 30.0);
            gint64 start = g_get_monotonic_time();
            tracker_update(tracker, frame / 30.0, detections, WALKERS);
            spent += g_get_monotonic_time() - start;
        }
        best = MIN(best, spent);
    }
    g_test_message("%d objects: %.1f us a picture", WALKERS, best / 25.0);
    g_assert_cmpfloat(best / 25.0, <, 500); // ten times what is wanted, for slow and busy machines
    tracker_free(&tracker);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/track/hostile/nonsense", test_nonsense);
    g_test_add_func("/track/hostile/time-stands", test_time_stands);
    g_test_add_func("/track/hostile/crowds", test_crowds);
    g_test_add_func("/track/hostile/no-allocation", test_no_allocation);
    g_test_add_func("/track/hostile/speed", test_speed);
    return g_test_run();
}
