// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The rules one by one: debouncing, dwelling, being lost, times and places that make no sense.
// Whole walks are in test_zones_walks.c.
#include <math.h>

#include "zones/config.h"

#define MS G_GUINT64_CONSTANT(1000000)
#define NOWHERE ((ZonesPoint){0.9, 0.9})
#define IN_ZONE ((ZonesPoint){0.3, 0.3})

// The zone z is the left upper quarter of the picture, the line l its right edge, downwards.
#define QUARTER                                                                                    \
    "{\"name\": \"z\", \"dwell\": 2, \"polygon\": [[0, 0], [0.5, 0], [0.5, 0.5], [0, 0.5]]}"
#define EDGE "{\"name\": \"l\", \"from\": [0.5, 0], \"to\": [0.5, 0.5]}"

typedef struct {
    Zones *zones;
    GArray *events;
    ZonesFrame frame;
} World;

static void configure(World *world, const gchar *json)
{
    g_autoptr(GError) error = NULL;
    ZonesConfig *config = zones_config_parse(json, &error);

    g_assert_no_error(error);
    zones_set_config(world->zones, config);
}

static World new_world(const gchar *json)
{
    World world = {
        .zones = zones_new(),
        .events = g_array_new(FALSE, FALSE, sizeof(ZonesEvent)),
        .frame = {.looked = TRUE, .debounce_ns = 300 * MS, .lost_ns = 2000 * MS},
    };

    configure(&world, json);
    return world;
}

static void end_world(World *world)
{
    zones_free(world->zones);
    g_array_unref(world->events);
}

static guint count_events(const World *world, ZonesEventKind kind)
{
    guint n = 0;

    for (guint i = 0; i < world->events->len; i++) {
        n += g_array_index(world->events, ZonesEvent, i).kind == kind;
    }
    return n;
}

static const ZonesEvent *last_event(const World *world)
{
    g_assert_cmpuint(world->events->len, >, 0);
    return &g_array_index(world->events, ZonesEvent, world->events->len - 1);
}

// A frame 100 ms behind the last.
static void step(World *world, ZonesObject *objects, guint n)
{
    zones_observe(world->zones, &world->frame, objects, n, world->events);
    world->frame.pts_ns += 100 * MS;
}

static void stay(World *world, gint64 track, ZonesPoint at, guint n_frames)
{
    for (guint i = 0; i < n_frames; i++) {
        ZonesObject object = {.track = track, .anchor = at};
        step(world, &object, 1);
    }
}

static void nobody(World *world, guint n_frames)
{
    for (guint i = 0; i < n_frames; i++) {
        step(world, NULL, 0);
    }
}

static void test_debounce(void)
{
    World world = new_world("{\"zones\": [" QUARTER "]}");

    stay(&world, 1, NOWHERE, 5);
    stay(&world, 1, IN_ZONE, 3); // 200 ms from first to last
    stay(&world, 1, NOWHERE, 5);
    g_assert_cmpuint(world.events->len, ==, 0);
    stay(&world, 1, IN_ZONE, 4);
    g_assert_cmpuint(world.events->len, ==, 1);
    g_assert_cmpint(last_event(&world)->kind, ==, ZONES_ENTER);
    g_assert_cmpuint(last_event(&world)->counts.inside, ==, 1);
    g_assert_cmpuint(last_event(&world)->counts.entered, ==, 1);
    stay(&world, 1, NOWHERE, 3);
    stay(&world, 1, IN_ZONE, 1);
    stay(&world, 1, NOWHERE, 3);
    g_assert_cmpuint(world.events->len, ==, 1);
    stay(&world, 1, NOWHERE, 1);
    g_assert_cmpuint(world.events->len, ==, 2);
    g_assert_cmpint(last_event(&world)->kind, ==, ZONES_LEAVE);
    g_assert_false(last_event(&world)->lost);
    g_assert_cmpfloat_with_epsilon(last_event(&world)->dwell_s, 0.8, 1e-9);
    g_assert_cmpuint(last_event(&world)->counts.inside, ==, 0);
    g_assert_cmpuint(last_event(&world)->counts.left, ==, 1);
    end_world(&world);
}

// Jitter across the edge of the zone and the line on it: without debouncing every frame is two
// events, with it none until it settles.
static void test_jitter(void)
{
    World calm = new_world("{\"zones\": [" QUARTER "], \"lines\": [" EDGE "]}");
    World nervous = new_world("{\"zones\": [" QUARTER "], \"lines\": [" EDGE "]}");

    nervous.frame.debounce_ns = 0;
    for (guint i = 0; i < 100; i++) {
        ZonesPoint at = {i % 2 ? 0.501 : 0.499, 0.25};

        stay(&calm, 1, at, 1);
        stay(&nervous, 1, at, 1);
    }
    g_assert_cmpuint(count_events(&nervous, ZONES_CROSS), ==, 99);
    g_assert_cmpuint(count_events(&nervous, ZONES_ENTER), ==, 50);
    g_assert_cmpuint(count_events(&nervous, ZONES_LEAVE), ==, 50);
    g_assert_cmpuint(calm.events->len, ==, 0);
    stay(&calm, 1, (ZonesPoint){0.6, 0.25}, 5);
    g_assert_cmpuint(calm.events->len, ==, 1); // never inside for long enough, but across the line
    g_assert_cmpint(last_event(&calm)->kind, ==, ZONES_CROSS);
    g_assert_false(last_event(&calm)->forward); // the line points down, it went to its left
    g_assert_cmpuint(last_event(&calm)->counts.backward, ==, 1);
    stay(&calm, 1, (ZonesPoint){0.4, 0.25}, 5);
    g_assert_cmpuint(zones_line_counts(calm.zones, 0).forward, ==, 1);
    g_assert_cmpuint(zones_area_counts(calm.zones, 0).entered, ==, 1);
    end_world(&calm);
    end_world(&nervous);
}

// Around the end of the line is no crossing, and neither is back the same way; through it is.
static void test_around_the_end(void)
{
    World world = new_world("{\"lines\": [" EDGE "]}");

    stay(&world, 1, (ZonesPoint){0.4, 0.6}, 5);
    stay(&world, 1, (ZonesPoint){0.6, 0.6}, 5);
    stay(&world, 1, (ZonesPoint){0.4, 0.6}, 5);
    stay(&world, 1, (ZonesPoint){0.6, 0.6}, 5);
    g_assert_cmpuint(world.events->len, ==, 0);
    stay(&world, 1, (ZonesPoint){0.6, 0.4}, 1);
    stay(&world, 1, (ZonesPoint){0.4, 0.4}, 5);
    g_assert_cmpuint(world.events->len, ==, 1);
    g_assert_true(last_event(&world)->forward);
    // A peep through the line that goes back, then around the end: no crossing.
    stay(&world, 1, (ZonesPoint){0.6, 0.4}, 2);
    stay(&world, 1, (ZonesPoint){0.4, 0.4}, 2);
    stay(&world, 1, (ZonesPoint){0.4, 0.6}, 1);
    stay(&world, 1, (ZonesPoint){0.6, 0.6}, 5);
    g_assert_cmpuint(world.events->len, ==, 1);
    end_world(&world);
}

static void test_dwell(void)
{
    World world = new_world("{\"zones\": [" QUARTER "]}");

    stay(&world, 1, IN_ZONE, 20);
    g_assert_cmpuint(count_events(&world, ZONES_DWELL), ==, 0);
    stay(&world, 1, IN_ZONE, 100);
    g_assert_cmpuint(count_events(&world, ZONES_DWELL), ==, 1);
    g_assert_cmpfloat_with_epsilon(last_event(&world)->dwell_s, 2.0, 1e-9);
    stay(&world, 1, NOWHERE, 5);
    stay(&world, 1, IN_ZONE, 19);
    g_assert_cmpuint(count_events(&world, ZONES_DWELL), ==, 1);
    stay(&world, 1, IN_ZONE, 10);
    g_assert_cmpuint(count_events(&world, ZONES_DWELL), ==, 2);
    end_world(&world);
}

static void test_predicted(void)
{
    World world = new_world("{\"zones\": [" QUARTER "], \"lines\": [" EDGE "]}");
    ZonesObject object = {.track = 1, .anchor = NOWHERE};

    step(&world, &object, 1);
    object.anchor = IN_ZONE;
    object.predicted = TRUE;
    world.frame.looked = FALSE;
    for (guint i = 0; i < 50; i++) {
        step(&world, &object, 1);
        g_assert_cmpuint(object.areas, ==, 1); // it moves
    }
    g_assert_cmpuint(world.events->len, ==, 0);
    object.predicted = FALSE;
    world.frame.looked = TRUE;
    step(&world, &object, 1);
    g_assert_cmpuint(world.events->len, ==, 0); // begins to count when it is seen
    stay(&world, 1, IN_ZONE, 3);
    g_assert_cmpuint(count_events(&world, ZONES_ENTER), ==, 1);
    g_assert_cmpuint(zones_n_tracks(world.zones), ==, 1);
    end_world(&world);
}

static void test_lost(void)
{
    World world = new_world("{\"zones\": [" QUARTER "]}");

    stay(&world, 1, IN_ZONE, 5);
    nobody(&world, 20);
    g_assert_cmpuint(count_events(&world, ZONES_LEAVE), ==, 0);
    stay(&world, 1, IN_ZONE, 1); // found again
    nobody(&world, 20);
    g_assert_cmpuint(count_events(&world, ZONES_LEAVE), ==, 0);
    nobody(&world, 1);
    g_assert_cmpuint(count_events(&world, ZONES_LEAVE), ==, 1);
    g_assert_true(last_event(&world)->lost);
    g_assert_cmpfloat_with_epsilon(last_event(&world)->dwell_s, 2.6, 1e-9);
    g_assert_cmpuint(zones_area_counts(world.zones, 0).inside, ==, 0);
    g_assert_cmpuint(zones_n_tracks(world.zones), ==, 0);

    stay(&world, 2, IN_ZONE, 5); // an old track that stays does not keep a younger one
    for (guint i = 0; i < 5; i++) {
        ZonesObject both[2] = {{.track = 2, .anchor = IN_ZONE}, {.track = 3, .anchor = IN_ZONE}};
        step(&world, both, 2);
    }
    stay(&world, 2, IN_ZONE, 21);
    g_assert_cmpuint(count_events(&world, ZONES_LEAVE), ==, 2);
    g_assert_cmpint(last_event(&world)->track, ==, 3);
    end_world(&world);
}

// Frames that were not looked at say nothing about who is there.
static void test_blind(void)
{
    World world = new_world("{\"zones\": [" QUARTER "]}");
    ZonesObject objects[2] = {{.track = 1, .anchor = IN_ZONE}, {.track = 0, .anchor = IN_ZONE}};

    for (guint i = 0; i < 5; i++) {
        step(&world, objects, 2);
    }
    g_assert_cmpuint(zones_area_counts(world.zones, 0).inside, ==, 2);
    world.frame.looked = FALSE;
    nobody(&world, 1000);
    g_assert_cmpuint(world.events->len, ==, 1);
    g_assert_cmpuint(zones_area_counts(world.zones, 0).inside, ==, 2);
    world.frame.looked = TRUE;
    nobody(&world, 1); // now it is missing for the first time
    g_assert_cmpuint(world.events->len, ==, 1);
    g_assert_cmpuint(zones_area_counts(world.zones, 0).inside, ==, 1);
    nobody(&world, 20);
    g_assert_true(last_event(&world)->lost);
    end_world(&world);
}

static void test_without_tracks(void)
{
    World world = new_world("{\"zones\": [" QUARTER "], \"lines\": [" EDGE "]}");
    ZonesObject objects[3] = {
        {.anchor = IN_ZONE}, {.track = -7, .anchor = {0.1, 0.1}}, {.anchor = NOWHERE}};

    for (guint i = 0; i < 10; i++) {
        step(&world, objects, 3);
        g_assert_cmpuint(zones_area_counts(world.zones, 0).inside, ==, 2);
    }
    objects[0].anchor = NOWHERE;
    step(&world, objects, 3);
    g_assert_cmpuint(zones_area_counts(world.zones, 0).inside, ==, 1);
    g_assert_cmpuint(world.events->len, ==, 0);
    g_assert_cmpuint(zones_n_tracks(world.zones), ==, 0);
    end_world(&world);
}

static void test_classes(void)
{
    World world = new_world("{\"zones\": [{\"name\": \"z\", \"classes\": [\"dog\", \"cat\"], "
                            "\"polygon\": [[0, 0], [1, 0], [1, 1], [0, 1]]}], \"lines\": "
                            "[{\"name\": \"l\", \"from\": [0.5, 0], \"to\": [0.5, 1], "
                            "\"classes\": [\"person\"]}]}");
    ZonesObject objects[3] = {{.track = 1, .label = g_quark_from_static_string("cat")},
                              {.track = 2, .label = g_quark_from_static_string("person")},
                              {.track = 3}};

    for (guint i = 0; i < 20; i++) {
        for (guint k = 0; k < 3; k++) {
            objects[k].anchor = (ZonesPoint){i < 10 ? 0.2 : 0.8, 0.5};
        }
        step(&world, objects, 3);
    }
    g_assert_cmpuint(world.events->len, ==, 2);
    g_assert_cmpint(g_array_index(world.events, ZonesEvent, 0).track, ==, 1);
    g_assert_cmpint(last_event(&world)->kind, ==, ZONES_CROSS);
    g_assert_cmpint(last_event(&world)->track, ==, 2);
    g_assert_cmpstr(g_quark_to_string(last_event(&world)->label), ==, "person");
    end_world(&world);
}

// A box that reaches to the border or beyond has its anchor inside a zone that does.
static void test_border(void)
{
    World world =
        new_world("{\"zones\": [{\"name\": \"all\", \"polygon\": [[0, 0], [1, 0], [1, 1], "
                  "[0, 1]]}]}");
    const ZonesPoint points[] = {{0, 0}, {1, 1}, {0.5, 1}, {0.5, 1.75}, {-3, 0.5}, {7, -7}};

    for (guint i = 0; i < G_N_ELEMENTS(points); i++) {
        ZonesObject object = {.track = 1, .anchor = points[i]};

        step(&world, &object, 1);
        g_assert_cmpuint(object.areas, ==, 1);
    }
    end_world(&world);
}

static void test_senseless_places(void)
{
    World world = new_world("{\"zones\": [" QUARTER "], \"lines\": [" EDGE "]}");
    const double values[] = {NAN, INFINITY, -INFINITY, 1e308, -1e308, 0.25};

    stay(&world, 1, IN_ZONE, 5);
    for (guint i = 0; i < G_N_ELEMENTS(values); i++) {
        for (guint k = 0; k < G_N_ELEMENTS(values); k++) {
            ZonesObject objects[3] = {{.track = 1, .anchor = {values[i], values[k]}},
                                      {.track = G_MAXINT64, .anchor = {values[i], values[k]}},
                                      {.track = G_MININT64, .anchor = {values[i], values[k]}}};
            gboolean finite = isfinite(values[i]) && isfinite(values[k]);

            step(&world, objects, 3);
            g_assert_true(finite || objects[0].areas == 0);
            stay(&world, 1, IN_ZONE, 1);
        }
    }
    g_assert_cmpuint(zones_area_counts(world.zones, 0).left, ==, 0);
    end_world(&world);
}

static void test_senseless_times(void)
{
    World world = new_world("{\"zones\": [" QUARTER "]}");
    const guint64 times[] = {ZONES_NO_TIME - 1, 0, ZONES_NO_TIME - 1, 1, 5000 * MS, 100 * MS};
    ZonesObject object = {.track = 1, .anchor = IN_ZONE};

    // Without a time nothing happens, but places are known.
    world.frame.pts_ns = ZONES_NO_TIME;
    for (guint i = 0; i < 100; i++) {
        zones_observe(world.zones, &world.frame, &object, 1, world.events);
    }
    g_assert_cmpuint(object.areas, ==, 1);
    g_assert_cmpuint(zones_n_tracks(world.zones), ==, 0);

    world.frame.pts_ns = 3600000 * MS;
    stay(&world, 1, IN_ZONE, 5);
    g_assert_cmpuint(world.events->len, ==, 1);
    world.frame.pts_ns = 0; // back: nobody enters twice, nobody leaves, no time passes
    stay(&world, 1, IN_ZONE, 2);
    g_assert_cmpuint(world.events->len, ==, 1);
    stay(&world, 1, NOWHERE, 3);
    g_assert_cmpuint(world.events->len, ==, 1);
    stay(&world, 1, NOWHERE, 1);
    g_assert_cmpuint(world.events->len, ==, 2);
    g_assert_cmpfloat_with_epsilon(last_event(&world)->dwell_s, 0.6, 1e-9);
    for (guint i = 0; i < 1000; i++) {
        world.frame.pts_ns = times[i % G_N_ELEMENTS(times)];
        object.anchor = i % 7 < 3 ? IN_ZONE : NOWHERE;
        zones_observe(world.zones, &world.frame, &object, i % 5 != 0, world.events);
    }
    g_assert_cmpuint(zones_n_tracks(world.zones), <=, 1);
    end_world(&world);
}

// Ids that never come again, and more on one frame than are kept.
static void test_many_tracks(void)
{
    World world = new_world("{\"zones\": [" QUARTER "]}");
    g_autoptr(GArray) crowd = g_array_new(FALSE, TRUE, sizeof(ZonesObject));
    ZonesCounts counts;

    world.frame.debounce_ns = 0;
    world.frame.lost_ns = 3600000 * MS;
    for (gint64 id = 1; id <= 20000; id++) {
        stay(&world, id * 1000003, IN_ZONE, 1);
        g_assert_cmpuint(zones_n_tracks(world.zones), ==, MIN(id, ZONES_MAX_TRACKS));
    }
    counts = zones_area_counts(world.zones, 0);
    g_assert_cmpuint(counts.entered, ==, 20000);
    g_assert_cmpuint(counts.inside, ==, ZONES_MAX_TRACKS);
    g_assert_cmpuint(counts.left, ==, 20000 - ZONES_MAX_TRACKS);
    for (gint64 id = 1; id <= 2 * ZONES_MAX_TRACKS; id++) {
        ZonesObject object = {.track = id, .anchor = IN_ZONE};
        g_array_append_val(crowd, object);
    }
    for (guint i = 0; i < 3; i++) {
        step(&world, (ZonesObject *)crowd->data, crowd->len);
        counts = zones_area_counts(world.zones, 0);
        g_assert_cmpuint(zones_n_tracks(world.zones), ==, ZONES_MAX_TRACKS);
        g_assert_cmpuint(counts.inside, ==, ZONES_MAX_TRACKS);
        g_assert_cmpuint(counts.entered, ==, 20000 + ZONES_MAX_TRACKS); // those that fit, once
    }
    end_world(&world);
}

// A track that is on a frame twice is where it is first.
static void test_twice(void)
{
    World world = new_world("{\"zones\": [" QUARTER "]}");
    ZonesObject objects[2] = {{.track = 1, .anchor = IN_ZONE}, {.track = 1, .anchor = NOWHERE}};

    for (guint i = 0; i < 10; i++) {
        step(&world, objects, 2);
    }
    g_assert_cmpuint(count_events(&world, ZONES_ENTER), ==, 1);
    g_assert_cmpuint(world.events->len, ==, 1);
    end_world(&world);
}

static void test_other_config(void)
{
    World world = new_world("{\"zones\": [" QUARTER ", {\"name\": \"gone\", \"polygon\": [[0, 0], "
                            "[1, 0], [1, 1], [0, 1]]}], \"lines\": [" EDGE "]}");

    stay(&world, 1, (ZonesPoint){0.6, 0.3}, 5);
    stay(&world, 1, IN_ZONE, 5);
    g_assert_cmpuint(world.events->len, ==, 3); // into "gone", into z, over l
    configure(&world, "{\"zones\": [{\"name\": \"new\", \"polygon\": [[0.5, 0.5], [1, 0.5], [1, "
                      "1]]}, " QUARTER "], \"lines\": [" EDGE "]}");
    g_assert_cmpuint(zones_area_counts(world.zones, 0).entered, ==, 0);
    g_assert_cmpuint(zones_area_counts(world.zones, 1).entered, ==, 1);
    g_assert_cmpuint(zones_area_counts(world.zones, 1).inside, ==, 1);
    g_assert_cmpuint(zones_line_counts(world.zones, 0).forward, ==, 1);
    stay(&world, 1, IN_ZONE, 10);
    g_assert_cmpuint(count_events(&world, ZONES_ENTER), ==, 2); // is inside z as before
    // The zone moves away from under it, the line over it: it leaves, and crosses nothing.
    configure(&world, "{\"zones\": [{\"name\": \"z\", \"polygon\": [[0.5, 0.5], [1, 0.5], [1, "
                      "1]]}], \"lines\": [{\"name\": \"l\", \"from\": [0.1, 0], \"to\": [0.1, "
                      "1]}]}");
    stay(&world, 1, IN_ZONE, 5);
    g_assert_cmpint(last_event(&world)->kind, ==, ZONES_LEAVE);
    g_assert_cmpuint(zones_area_counts(world.zones, 0).inside, ==, 0);
    g_assert_cmpuint(count_events(&world, ZONES_CROSS), ==, 1);
    // Turned around, its sides are the other ones from the next frame on.
    configure(&world, "{\"lines\": [{\"name\": \"l\", \"from\": [0.1, 1], \"to\": [0.1, 0]}]}");
    stay(&world, 1, IN_ZONE, 1);
    stay(&world, 1, (ZonesPoint){0.05, 0.3}, 5);
    g_assert_cmpuint(count_events(&world, ZONES_CROSS), ==, 2);
    zones_set_config(world.zones, NULL);
    stay(&world, 1, IN_ZONE, 5);
    configure(&world, "{\"zones\": [" QUARTER "]}");
    stay(&world, 1, IN_ZONE, 5);
    g_assert_cmpuint(zones_area_counts(world.zones, 0).entered, ==, 1);
    end_world(&world);
}

static void test_reset(void)
{
    World world = new_world("{\"zones\": [" QUARTER "], \"lines\": [" EDGE "]}");

    stay(&world, 1, (ZonesPoint){0.6, 0.3}, 5);
    stay(&world, 1, IN_ZONE, 5);
    zones_reset(world.zones, FALSE);
    g_assert_cmpuint(zones_n_tracks(world.zones), ==, 0);
    g_assert_cmpuint(zones_area_counts(world.zones, 0).inside, ==, 0);
    g_assert_cmpuint(zones_area_counts(world.zones, 0).entered, ==, 1);
    g_assert_cmpuint(zones_area_counts(world.zones, 0).left, ==, 0);
    g_assert_cmpuint(zones_line_counts(world.zones, 0).forward, ==, 1);
    world.frame.pts_ns = 0;
    stay(&world, 1, (ZonesPoint){0.6, 0.3}, 5); // a new track, which was never on the other side
    g_assert_cmpuint(count_events(&world, ZONES_CROSS), ==, 1);
    zones_reset(world.zones, TRUE);
    g_assert_cmpuint(zones_area_counts(world.zones, 0).entered, ==, 0);
    g_assert_cmpuint(zones_line_counts(world.zones, 0).forward, ==, 0);
    end_world(&world);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/zones/core/debounce", test_debounce);
    g_test_add_func("/zones/core/jitter", test_jitter);
    g_test_add_func("/zones/core/around-the-end", test_around_the_end);
    g_test_add_func("/zones/core/dwell", test_dwell);
    g_test_add_func("/zones/core/predicted", test_predicted);
    g_test_add_func("/zones/core/lost", test_lost);
    g_test_add_func("/zones/core/blind", test_blind);
    g_test_add_func("/zones/core/without-tracks", test_without_tracks);
    g_test_add_func("/zones/core/classes", test_classes);
    g_test_add_func("/zones/core/border", test_border);
    g_test_add_func("/zones/core/senseless-places", test_senseless_places);
    g_test_add_func("/zones/core/senseless-times", test_senseless_times);
    g_test_add_func("/zones/core/many-tracks", test_many_tracks);
    g_test_add_func("/zones/core/twice", test_twice);
    g_test_add_func("/zones/core/other-config", test_other_config);
    g_test_add_func("/zones/core/reset", test_reset);
    return g_test_run();
}
