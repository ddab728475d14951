// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Polygons and lines against brute force, and people who walk: every frame rate and interval tells
// the same story. Single rules are in test_zones_core.c.
#include <math.h>

#include "zones/config.h"

#define MS G_GUINT64_CONSTANT(1000000)

static double uniform(void)
{
    return g_test_rand_double();
}

static double distance_to_edge(ZonesPoint a, ZonesPoint b, ZonesPoint p)
{
    double x = b.x - a.x, y = b.y - a.y, length2 = x * x + y * y;
    double along = length2 > 0.0 ? ((p.x - a.x) * x + (p.y - a.y) * y) / length2 : 0.0;

    along = CLAMP(along, 0.0, 1.0);
    return hypot(p.x - a.x - along * x, p.y - a.y - along * y);
}

// How often a way crosses a line, by solving for both parameters.
static gboolean meets(ZonesPoint a, ZonesPoint b, ZonesPoint c, ZonesPoint d)
{
    double rx = b.x - a.x, ry = b.y - a.y, sx = d.x - c.x, sy = d.y - c.y;
    double cross = rx * sy - ry * sx;
    double t = ((c.x - a.x) * sy - (c.y - a.y) * sx) / cross;
    double u = ((c.x - a.x) * ry - (c.y - a.y) * rx) / cross;

    return cross != 0.0 && t > 0.0 && t <= 1.0 && u >= 0.0 && u < 1.0;
}

// A polygon of any shape contains what a ray in any direction leaves by an odd number of edges.
static void test_contain(void)
{
    guint n_inside = 0, n_checked = 0;

    for (guint round = 0; round < 20000; round++) {
        ZonesPoint corners[12], p = {uniform(), uniform()}, far;
        guint n = 3 + (guint)g_test_rand_int_range(0, 10), n_met = 0;
        double angle = uniform() * 2.0 * G_PI, nearest = 1.0;

        far = (ZonesPoint){p.x + 3.0 * cos(angle), p.y + 3.0 * sin(angle)};
        for (guint i = 0; i < n; i++) {
            corners[i] = (ZonesPoint){uniform(), uniform()};
        }
        for (guint i = 0; i < n; i++) {
            n_met += meets(p, far, corners[i], corners[(i + 1) % n]);
            nearest = MIN(nearest, distance_to_edge(corners[i], corners[(i + 1) % n], p));
        }
        if (nearest > 1e-9) {
            g_assert_true(zones_contain(corners, n, p) == (n_met % 2 == 1));
            n_inside += n_met % 2;
            n_checked++;
        }
    }
    g_assert_cmpuint(n_checked, >, 19000);
    g_assert_cmpuint(n_inside, >, 2000);
}

static void test_even_odd(void)
{
    ZonesPoint star[5];

    for (guint i = 0; i < 5; i++) { // each second corner of a pentagon
        star[i] = (ZonesPoint){0.5 + 0.4 * sin(i * 0.8 * G_PI), 0.5 - 0.4 * cos(i * 0.8 * G_PI)};
    }
    g_assert_false(zones_contain(star, 5, (ZonesPoint){0.5, 0.5}));
    g_assert_true(zones_contain(star, 5, (ZonesPoint){0.5, 0.2}));
    g_assert_false(zones_contain(star, 5, (ZonesPoint){0.5, 0.95}));
}

// Four quarters and their edges: each point of the grid is in exactly one.
static void test_shared_edges(void)
{
    for (guint i = 0; i <= 32; i++) {
        for (guint k = 0; k <= 32; k++) {
            ZonesPoint p = {MIN(i / 32.0, 1.0 - 1e-9), MIN(k / 32.0, 1.0 - 1e-9)};
            guint n = 0;

            for (guint q = 0; q < 4; q++) {
                double x = (q & 1) * 0.5, y = (q >> 1) * 0.5;
                ZonesPoint quarter[4] = {{x, y}, {x + 0.5, y}, {x + 0.5, y + 0.5}, {x, y + 0.5}};
                n += zones_contain(quarter, 4, p);
            }
            g_assert_cmpuint(n, ==, 1);
        }
    }
}

static void test_pass(void)
{
    guint n_passed = 0;

    for (guint round = 0; round < 50000; round++) {
        ZonesPoint line[2] = {{uniform(), uniform()}, {uniform(), uniform()}};
        ZonesPoint a = {uniform(), uniform()}, b = {uniform(), uniform()};

        if (zones_side(line, a) != zones_side(line, b)) {
            g_assert_true(zones_pass(line, a, b) == meets(a, b, line[0], line[1]));
            n_passed += zones_pass(line, a, b);
        } else {
            g_assert_false(meets(a, b, line[0], line[1]));
        }
    }
    g_assert_cmpuint(n_passed, >, 5000);
}

// Ways along the seam of two lines, and past their free ends.
static void test_line_ends(void)
{
    const ZonesPoint first[2] = {{0.25, 0.5}, {0.5, 0.5}}, second[2] = {{0.5, 0.5}, {0.75, 0.5}};

    for (gint i = -4; i <= 4; i++) { // slanted ways through the seam
        ZonesPoint up = {0.5 + i / 16.0, 0.25}, down = {0.5 - i / 16.0, 0.75};

        g_assert_cmpint(zones_pass(first, up, down) + zones_pass(second, up, down), ==, 1);
        g_assert_cmpint(zones_pass(first, down, up) + zones_pass(second, down, up), ==, 1);
    }
    g_assert_true(zones_pass(first, (ZonesPoint){0.25, 0.0}, (ZonesPoint){0.25, 1.0}));
    g_assert_false(zones_pass(first, (ZonesPoint){0.2499999, 0.0}, (ZonesPoint){0.2499999, 1.0}));
    g_assert_false(zones_pass(second, (ZonesPoint){0.75, 0.0}, (ZonesPoint){0.75, 1.0}));
    g_assert_true(zones_pass(second, (ZonesPoint){0.7499999, 1.0}, (ZonesPoint){0.7499999, 0.0}));
}

static Zones *zones_of(const gchar *json)
{
    g_autoptr(GError) error = NULL;
    Zones *zones = zones_new();
    ZonesConfig *config = zones_config_parse(json, &error);

    g_assert_no_error(error);
    zones_set_config(zones, config);
    return zones;
}

// Someone who rests at each corner of a random way for longer than the debounce crosses a line as
// often as the way does.
static void test_random_ways(void)
{
    Zones *zones = zones_of("{\"lines\": [{\"name\": \"l\", \"from\": [0.3, 0.35], \"to\": [0.7, "
                            "0.6]}], \"zones\": [{\"name\": \"z\", \"polygon\": [[0.2, 0.1], "
                            "[0.9, 0.4], [0.5, 0.6], [0.4, 0.9]]}]}");
    const ZonesShape *line = &zones_get_config(zones)->lines[0];
    const ZonesShape *area = &zones_get_config(zones)->areas[0];
    g_autoptr(GArray) events = g_array_new(FALSE, FALSE, sizeof(ZonesEvent));
    ZonesPoint before = {0.0, 0.0};
    guint64 n_forward = 0, n_backward = 0, n_entered = 0, n_left = 0, pts = 0;
    gboolean was_inside = FALSE;

    for (guint i = 0; i < 5000; i++) {
        ZonesPoint at = i == 0 ? before : (ZonesPoint){uniform() * 0.99, uniform() * 0.99};
        gboolean inside = zones_contain(area->points, area->n_points, at);

        n_entered += inside && !was_inside;
        n_left += !inside && was_inside;
        if (i > 0 && meets(before, at, line->points[0], line->points[1])) {
            *(zones_side(line->points, at) > 0 ? &n_forward : &n_backward) += 1;
        }
        for (guint k = 0; k < 11; k++, pts += 40 * MS) {
            ZonesObject object = {.track = 1, .anchor = at};
            ZonesFrame frame = {
                .pts_ns = pts, .looked = TRUE, .debounce_ns = 300 * MS, .lost_ns = 2000 * MS};

            zones_observe(zones, &frame, &object, 1, events);
        }
        before = at;
        was_inside = inside;
    }
    g_assert_cmpuint(n_forward, >, 200);
    g_assert_cmpuint(n_entered, >, 200);
    g_assert_cmpuint(zones_line_counts(zones, 0).forward, ==, n_forward);
    g_assert_cmpuint(zones_line_counts(zones, 0).backward, ==, n_backward);
    g_assert_cmpuint(zones_area_counts(zones, 0).entered, ==, n_entered);
    g_assert_cmpuint(zones_area_counts(zones, 0).left, ==, n_left);
    g_assert_cmpuint(events->len, ==, n_forward + n_backward + n_entered + n_left);
    zones_free(zones);
}

// ---- frame rates --------------------------------------------------------------------------------

enum between { NOTHING, PREDICTED }; // what frames that were not looked at carry

// From left to right in ten seconds, with a shiver: in the zone from 2 s to 6 s, over the line at
// 4 s. An event may be late by the debounce, one interval and what the shiver costs.
static void walk(guint fps, guint interval, enum between between)
{
    static const struct {
        ZonesEventKind kind;
        double at_s;
    } story[] = {{ZONES_ENTER, 2.0}, {ZONES_CROSS, 4.0}, {ZONES_DWELL, 5.0}, {ZONES_LEAVE, 6.0}};
    Zones *zones = zones_of("{\"zones\": [{\"name\": \"z\", \"dwell\": 3, \"polygon\": [[0.2, "
                            "0.2], [0.6, 0.2], [0.6, 0.8], [0.2, 0.8]]}], \"lines\": [{\"name\": "
                            "\"l\", \"from\": [0.4, 0.9], \"to\": [0.4, 0.1]}]}");
    g_autoptr(GArray) events = g_array_new(FALSE, FALSE, sizeof(ZonesEvent));
    double late_s = 0.3 + 2.0 * interval / fps + 0.3;
    guint n_seen = 0;

    for (guint i = 0; i < 10 * fps; i++) {
        double at_s = (double)i / fps;
        gboolean looked = i % interval == 0;
        ZonesObject object = {
            .track = 5,
            .anchor = {at_s / 10.0 + (i / interval % 2 ? 0.003 : -0.003), 0.5},
            .predicted = !looked,
        };
        ZonesFrame frame = {.pts_ns = (guint64)(at_s * 1e9),
                            .looked = looked,
                            .debounce_ns = 300 * MS,
                            .lost_ns = 2000 * MS};

        zones_observe(zones, &frame, &object, looked || between == PREDICTED, events);
        for (; n_seen < events->len; n_seen++) {
            const ZonesEvent *event = &g_array_index(events, ZonesEvent, n_seen);

            g_assert_cmpuint(n_seen, <, G_N_ELEMENTS(story));
            g_assert_cmpint(event->kind, ==, story[n_seen].kind);
            g_assert_true(looked);
            g_assert_cmpfloat(at_s, >=, story[n_seen].at_s);
            g_assert_cmpfloat(at_s, <=, story[n_seen].at_s + late_s);
            g_assert_true(event->kind != ZONES_CROSS || event->forward);
            g_assert_true(event->kind != ZONES_LEAVE || fabs(event->dwell_s - 4.0) <= late_s);
        }
    }
    if (n_seen != G_N_ELEMENTS(story)) {
        g_error("%u fps, interval %u, between %d: %u events", fps, interval, between, n_seen);
    }
    zones_free(zones);
}

static void test_frame_rates(void)
{
    const guint rates[] = {5, 10, 25, 30, 60, 120}, intervals[] = {1, 3, 10};

    for (guint i = 0; i < G_N_ELEMENTS(rates); i++) {
        for (guint k = 0; k < G_N_ELEMENTS(intervals); k++) {
            if (rates[i] >= 2 * intervals[k] || intervals[k] == 1) {
                walk(rates[i], intervals[k], NOTHING);
                walk(rates[i], intervals[k], PREDICTED);
            }
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/zones/walks/contain", test_contain);
    g_test_add_func("/zones/walks/even-odd", test_even_odd);
    g_test_add_func("/zones/walks/shared-edges", test_shared_edges);
    g_test_add_func("/zones/walks/pass", test_pass);
    g_test_add_func("/zones/walks/line-ends", test_line_ends);
    g_test_add_func("/zones/walks/random-ways", test_random_ways);
    g_test_add_func("/zones/walks/frame-rates", test_frame_rates);
    return g_test_run();
}
