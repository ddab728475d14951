// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The rules of the tracker, one by one, on objects that are told apart by eye.
#include "tracker.h"

#include <glib.h>
#include <math.h>

static struct tracker *make(void)
{
    struct track_options options;
    track_options_init(&options);
    struct tracker *tracker = tracker_new(&options);
    g_assert_nonnull(tracker);
    return tracker;
}

static struct tracker *make_immediate(void)
{
    struct track_options options;
    track_options_init(&options);
    options.confirm_s = 0;
    return tracker_new(&options);
}

static struct track_detection at(double x, double y, double w, double h, double score)
{
    return (struct track_detection){.box = {x, y, w, h}, .score = score, .class_id = 1};
}

// One detection; what it belongs to.
static gint64 see(struct tracker *tracker, double time_s, struct track_detection detection)
{
    tracker_update(tracker, time_s, &detection, 1);
    return detection.track_id;
}

static const struct track *find(struct tracker *tracker, gint64 id)
{
    size_t n;
    const struct track *tracks = tracker_tracks(tracker, &n);
    for (size_t i = 0; i < n; i++) {
        if (tracks[i].id == id) {
            return &tracks[i];
        }
    }
    return NULL;
}

static void test_number_after_a_time(void)
{
    for (int fps = 10; fps <= 60; fps += 10) { // at every rate the picture at 0.1 s is the one
        struct tracker *tracker = make();
        for (int i = 0; i <= fps / 10; i++) {
            gint64 id = see(tracker, i / (double)fps, at(10, 10, 50, 50, 0.8));
            g_assert_cmpint(id, ==, i < fps / 10 ? 0 : 1);
        }
        tracker_free(&tracker);
        g_assert_null(tracker);
    }
    struct tracker *tracker = make_immediate();
    g_assert_cmpint(see(tracker, 1e6, at(10, 10, 50, 50, 0.8)), ==, 1);
    tracker_free(&tracker);
}

static void test_one_glance_is_no_object(void)
{
    struct tracker *tracker = make();
    g_assert_cmpint(see(tracker, 0, at(10, 10, 50, 50, 0.8)), ==, 0);
    tracker_update(tracker, 0.05, NULL, 0);
    tracker_update(tracker, 0.1, NULL, 0);
    tracker_update(tracker, 0.15, NULL, 0);
    g_assert_cmpint(see(tracker, 0.2, at(10, 10, 50, 50, 0.8)), ==, 0);
    g_assert_cmpint(see(tracker, 0.3, at(10, 10, 50, 50, 0.8)), ==, 1);
    tracker_free(&tracker);
}

static void test_memory(void)
{
    const double gaps[] = {0.5, 1.9, 2.3};
    for (guint i = 0; i < G_N_ELEMENTS(gaps); i++) {
        struct tracker *tracker = make();
        double time_s = 0;
        for (; time_s < 1; time_s += 0.1) {
            see(tracker, time_s, at(100, 100, 60, 60, 0.8));
        }
        for (double end = time_s + gaps[i]; time_s < end; time_s += 0.1) {
            tracker_update(tracker, time_s, NULL, 0);
        }
        g_assert_cmpint(find(tracker, 1) != NULL, ==, gaps[i] < 2);
        see(tracker, time_s, at(100, 100, 60, 60, 0.8));
        gint64 id = see(tracker, time_s + 0.11, at(100, 100, 60, 60, 0.8));
        g_assert_cmpint(id, ==, gaps[i] < 2 ? 1 : 2);
        tracker_free(&tracker);
    }
}

// Between two looks that are farther apart than the memory nothing is forgotten.
static void test_slow_looks(void)
{
    struct tracker *tracker = make_immediate();
    for (int i = 0; i < 10; i++) {
        g_assert_cmpint(see(tracker, i * 5.0, at(100, 100, 60, 60, 0.8)), ==, 1);
    }
    tracker_free(&tracker);
}

static void test_doubtful(void)
{
    struct tracker *tracker = make_immediate();
    g_assert_cmpint(see(tracker, 0, at(10, 10, 50, 50, 0.3)), ==, 0);
    g_assert_cmpint(see(tracker, 0.1, at(10, 10, 50, 50, 0.6)), ==, 1);
    g_assert_cmpint(see(tracker, 0.2, at(12, 10, 50, 50, 0.2)), ==, 1);
    g_assert_cmpint(see(tracker, 0.3, at(12, 10, 50, 50, 0.05)), ==, 0);
    // The sure one first, however well the doubtful one lies.
    struct track_detection both[] = {at(13, 10, 50, 50, 0.2), at(20, 10, 50, 50, 0.7)};
    tracker_update(tracker, 0.4, both, 2);
    g_assert_cmpint(both[0].track_id, ==, 0);
    g_assert_cmpint(both[1].track_id, ==, 1);
    tracker_free(&tracker);
}

static void test_classes(void)
{
    struct track_options options;
    track_options_init(&options);
    options.confirm_s = 0;
    for (int across = 0; across < 2; across++) {
        options.across_classes = across;
        struct tracker *tracker = tracker_new(&options);
        for (int i = 0; i < 5; i++) {
            see(tracker, i * 0.1, at(10, 10, 50, 50, 0.8));
        }
        struct track_detection other = at(10, 10, 50, 50, 0.9);
        other.class_id = 7;
        tracker_update(tracker, 0.5, &other, 1);
        g_assert_cmpint(other.track_id, ==, across ? 1 : 2);
        g_assert_cmpuint(other.track_class, ==, across ? 1 : 7);
        for (int i = 6; i < 40; i++) { // what it turns out to be in the end
            tracker_update(tracker, i * 0.1, &other, 1);
        }
        g_assert_cmpuint(other.track_class, ==, 7);
        // Every class there is takes its turn: the votes are bounded.
        for (guint i = 0; i < 100; i++) {
            other.class_id = i;
            tracker_update(tracker, 4 + i * 0.1, &other, 1);
        }
        tracker_free(&tracker);
    }
}

// What detectors that suppress within each class say of one thing: two boxes, two classes.
static void test_twins(void)
{
    struct tracker *tracker = make_immediate();
    for (int i = 0; i < 10; i++) {
        struct track_detection twins[] = {at(10, 10, 50, 50, 0.8), at(11, 10, 50, 51, 0.6)};
        twins[1].class_id = 2;
        tracker_update(tracker, i * 0.1, twins, 2);
        g_assert_cmpint(twins[0].track_id, ==, 1);
        g_assert_cmpint(twins[1].track_id, ==, 0);
    }
    tracker_free(&tracker);
}

static void test_prediction(void)
{
    struct tracker *tracker = make(), *undisturbed = make();
    for (int i = 0; i <= 20; i++) { // 200 px/s to the right, 40 up
        struct track_detection one = at(100 + 20 * i, 500 - 4 * i, 60, 80, 0.8), same = one;
        // Results come late: what was predicted far ahead in between must not count.
        tracker_predict(tracker, i * 0.1 + 1);
        tracker_update(tracker, i * 0.1, &one, 1);
        tracker_predict(tracker, i * 0.1 + 0.05);
        tracker_update(undisturbed, i * 0.1, &same, 1);
        g_assert_cmpint(one.track_id, ==, same.track_id);
    }
    tracker_predict(tracker, 2);
    tracker_predict(undisturbed, 2);
    const struct track *track = find(tracker, 1), *other = find(undisturbed, 1);
    g_assert_cmpfloat(track->box.x, ==, other->box.x);
    g_assert_cmpfloat(track->box.h, ==, other->box.h);
    for (int i = 0; i < 30; i++) {
        tracker_predict(tracker, 2 + i / 30.0);
        track = find(tracker, 1);
        g_assert_cmpfloat(fabs(track->box.x - (500 + 200 * i / 30.0)), <, 6);
        g_assert_cmpfloat(fabs(track->box.y - (420 - 40 * i / 30.0)), <, 6);
        g_assert_false(track->seen);
        g_assert_cmpfloat(track->last_s, ==, 20 * 0.1);
    }
    tracker_predict(tracker, 1); // before the last update: where it was then
    g_assert_cmpfloat(fabs(find(tracker, 1)->box.x - 500), <, 6);
    tracker_free(&tracker);
    tracker_free(&undisturbed);
}

// No two of its boxes overlap.
static void test_fast_and_small(void)
{
    for (int speed = 22; speed <= 34; speed++) {
        struct tracker *tracker = make();
        gint64 id = 0;
        for (int i = 0; i < 20; i++) {
            id = see(tracker, i / 10.0, at(100 + speed * i, 300, 20, 20, 0.8));
        }
        g_assert_cmpint(id, ==, 1);
        tracker_free(&tracker);
    }
}

// Through each other, with a look hidden where they are one.
static void test_crossing(void)
{
    for (int fps = 5; fps <= 60; fps += 5) {
        struct tracker *tracker = make();
        gint64 before[2] = {0, 0};
        for (int i = 0; i <= 4 * fps; i++) {
            double time_s = i / (double)fps;
            struct track_detection two[] = {at(100 + 150 * time_s, 300, 50, 100, 0.8),
                                            at(700 - 150 * time_s, 310, 50, 100, 0.7)};
            gboolean one = fabs(two[0].box.x - two[1].box.x) < 15; // suppressed
            tracker_update(tracker, time_s, two, one ? 1 : 2);
            for (int k = 0; k < 2 && time_s > 1 && !one; k++) {
                g_assert_cmpint(two[k].track_id, >, 0);
                g_assert_true(before[k] == 0 || before[k] == two[k].track_id);
                before[k] = two[k].track_id;
            }
        }
        tracker_free(&tracker);
    }
}

static void test_leaves_the_picture(void)
{
    struct track_options options;
    track_options_init(&options);
    for (int known = 0; known < 2; known++) {
        options.width = options.height = known ? 640 : 0;
        struct tracker *tracker = tracker_new(&options);
        for (int i = 0; i < 10; i++) {
            see(tracker, i * 0.1, at(400 + 20 * i, 300, 40, 40, 0.8));
        }
        tracker_update(tracker, 1, NULL, 0);
        g_assert_nonnull(find(tracker, 1));
        tracker_update(tracker, 1.5, NULL, 0);
        g_assert_cmpint(find(tracker, 1) != NULL, ==, !known);
        tracker_free(&tracker);
    }
}

static void test_bounded(void)
{
    struct track_options options;
    track_options_init(&options);
    options.confirm_s = 0;
    options.max_tracks = 10;
    struct tracker *tracker = tracker_new(&options);
    g_autoptr(GHashTable) ids = g_hash_table_new(NULL, NULL);
    for (int i = 0; i < 100; i++) { // one new place each time, all remembered
        gint64 id = see(tracker, i * 0.001, at(1000 * i, 0, 50, 50, 0.8));
        g_assert_true(g_hash_table_add(ids, GINT_TO_POINTER(id)));
        size_t n;
        tracker_tracks(tracker, &n);
        g_assert_cmpuint(n, ==, MIN(i + 1, 10));
        g_assert_nonnull(find(tracker, MAX(id - 9, 1))); // the oldest of ten
        g_assert_null(find(tracker, id - 10));
    }
    struct track_detection many[30];
    for (int i = 0; i < 30; i++) {
        many[i] = at(1000 * i, 5000, 50, 50, 0.8);
    }
    tracker_update(tracker, 0.2, many, 30);
    for (int i = 0; i < 30; i++) { // none that is seen goes for one that is new
        g_assert_cmpint(many[i].track_id != 0, ==, i < 10);
    }
    tracker_free(&tracker);
}

static void test_reset(void)
{
    struct tracker *tracker = make_immediate();
    size_t n;
    see(tracker, 100, at(10, 10, 50, 50, 0.8));
    tracker_reset(tracker, false);
    tracker_tracks(tracker, &n);
    g_assert_cmpuint(n, ==, 0);
    g_assert_cmpint(see(tracker, 5, at(10, 10, 50, 50, 0.8)), ==, 2); // another origin of time
    tracker_predict(tracker, 5.5);
    g_assert_cmpfloat(find(tracker, 2)->last_s, ==, 5);
    tracker_reset(tracker, true);
    g_assert_cmpint(see(tracker, 5, at(10, 10, 50, 50, 0.8)), ==, 1);
    tracker_free(&tracker);
    tracker_free(&tracker);
}

static void test_configure(void)
{
    struct track_options options;
    struct tracker *tracker = make_immediate();
    g_assert_cmpint(see(tracker, 0, at(10, 10, 50, 50, 0.5)), ==, 1);
    track_options_init(&options);
    options.high_score = 0.9;
    options.max_tracks = 1; // holds for life: no effect
    tracker_configure(tracker, &options);
    g_assert_cmpint(see(tracker, 0.1, at(500, 10, 50, 50, 0.8)), ==, 0);
    see(tracker, 0.2, at(500, 10, 50, 50, 0.95));
    g_assert_cmpint(see(tracker, 0.3, at(500, 10, 50, 50, 0.95)), ==, 2);
    g_assert_nonnull(find(tracker, 1));
    tracker_free(&tracker);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/track/number-after-a-time", test_number_after_a_time);
    g_test_add_func("/track/one-glance-is-no-object", test_one_glance_is_no_object);
    g_test_add_func("/track/memory", test_memory);
    g_test_add_func("/track/slow-looks", test_slow_looks);
    g_test_add_func("/track/doubtful", test_doubtful);
    g_test_add_func("/track/classes", test_classes);
    g_test_add_func("/track/twins", test_twins);
    g_test_add_func("/track/prediction", test_prediction);
    g_test_add_func("/track/fast-and-small", test_fast_and_small);
    g_test_add_func("/track/crossing", test_crossing);
    g_test_add_func("/track/leaves-the-picture", test_leaves_the_picture);
    g_test_add_func("/track/bounded", test_bounded);
    g_test_add_func("/track/reset", test_reset);
    g_test_add_func("/track/configure", test_configure);
    return g_test_run();
}
