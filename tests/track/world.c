// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Objects are moved in steps of 1/120 s from one generator of numbers, the detector draws from
// another.
#include "world.h"

#include <math.h>
#include <string.h>

#define STEP_S (1.0 / 120)
#define MOST_OBJECTS 256
#define PILLARS 3
#define GRID 8 // samples of an object's visibility, each way

struct body {
    gint64 id; // 0: free
    double x, y, w, h;
    double vx, vy;           // px/s
    double want_vx, want_vy; // what it comes back to
    double born_s, lives_s;
    double quality;     // of its detections, 0..1
    double quality_now; // wanders about it
    double dropped_s;   // the detector is blind for it until then
    int class_id;
};

struct scene {
    struct world_options options;
    GRand *life, *detector;
    struct body bodies[MOST_OBJECTS];
    struct track_box pillars[PILLARS];
    int n_pillars;
    gint64 next_id;
    double now_s;
    struct track_box clutter; // an invention that stays for a while
    double clutter_until_s;
};

static double normal(GRand *rand)
{
    double u = g_rand_double_range(rand, 1e-12, 1), v = g_rand_double(rand);
    return sqrt(-2 * log(u)) * cos(2 * G_PI * v);
}

void world_options_init(struct world_options *options, guint32 seed, double fps)
{
    *options = (struct world_options){.seed = seed,
                                      .fps = fps,
                                      .duration_s = 30,
                                      .objects = 14,
                                      .noise = 0.04,
                                      .miss_rate = 0.05,
                                      .false_per_s = 6,
                                      .flip_rate = 0.05,
                                      .occluders = TRUE};
}

// Walkers, cars, and small fast things. At a border unless the world begins with it.
static void be_born(struct scene *s, struct body *b, gboolean inside)
{
    GRand *r = s->life;
    double kind = g_rand_double(r), depth = g_rand_double_range(r, 0.35, 1);
    double speed, across = g_rand_boolean(r) ? 1 : -1;
    memset(b, 0, sizeof(*b));
    b->id = s->next_id++;
    if (kind < 0.6) {
        b->class_id = 0;
        b->h = 220 * depth * g_rand_double_range(r, 0.85, 1.15);
        b->w = b->h * g_rand_double_range(r, 0.32, 0.48);
        speed = b->h * g_rand_double_range(r, 0.3, 1.0);
    } else if (kind < 0.85) {
        b->class_id = 1 + g_rand_int_range(r, 0, 2);
        b->h = 130 * depth * g_rand_double_range(r, 0.8, 1.3);
        b->w = b->h * g_rand_double_range(r, 1.4, 2.4);
        speed = b->w * g_rand_double_range(r, 0.3, 1.6);
    } else {
        b->class_id = 3;
        b->h = b->w = g_rand_double_range(r, 18, 40);
        speed = b->h * g_rand_double_range(r, 3, 8);
    }
    double tilt = g_rand_double_range(r, -0.3, 0.3);
    b->want_vx = b->vx = across * speed * cos(tilt);
    b->want_vy = b->vy = speed * sin(tilt);
    double level = 120 + 500 * (depth - 0.35) / 0.65 + g_rand_double_range(r, -80, 80);
    b->y = CLAMP(level, b->h / 2, WORLD_HEIGHT - b->h / 2);
    b->x = inside ? g_rand_double_range(r, 0.1, 0.9) * WORLD_WIDTH
                  : (across > 0 ? -b->w * 0.3 : WORLD_WIDTH + b->w * 0.3);
    b->born_s = s->now_s;
    b->lives_s = s->options.whole_life ? G_MAXDOUBLE : 40;
    b->quality = b->quality_now = g_rand_double_range(r, 0.6, 0.92);
    b->dropped_s = -1;
}

static void move(struct scene *s, struct body *b)
{
    GRand *r = s->life;
    double push = 0.5 * sqrt(b->w * b->h) * sqrt(STEP_S);
    b->vx += (b->want_vx - b->vx) * STEP_S / 0.7 + push * normal(r);
    b->vy += (b->want_vy - b->vy) * STEP_S / 0.7 + push * 0.4 * normal(r);
    double change = g_rand_double(r), turn = g_rand_double(r);
    if (change < STEP_S / 8) { // now and then one stops, turns, or goes on
        double speed = MAX(hypot(b->want_vx, b->want_vy), b->h * 0.5);
        b->want_vx = turn < 0.25 ? 0 : turn < 0.6 ? -b->want_vx : copysign(speed, b->want_vx);
        b->want_vy = turn < 0.25 ? 0 : (turn - 0.5) * 0.6 * speed;
    }
    b->x += b->vx * STEP_S;
    b->y += b->vy * STEP_S;
    double growth = 1 + 0.1 * STEP_S * b->vy / b->h; // what goes down comes nearer
    b->w *= growth;
    b->h *= growth;
    if (s->options.whole_life) {
        b->want_vx = fabs(b->want_vx) * (b->x < 0.1 * WORLD_WIDTH   ? 1
                                         : b->x > 0.9 * WORLD_WIDTH ? -1
                                                                    : copysign(1, b->want_vx));
        b->want_vy = fabs(b->want_vy) * (b->y < 0.2 * WORLD_HEIGHT   ? 1
                                         : b->y > 0.8 * WORLD_HEIGHT ? -1
                                                                     : copysign(1, b->want_vy));
    } else if (b->y < 0.1 * WORLD_HEIGHT || b->y > 0.95 * WORLD_HEIGHT) {
        b->want_vy = copysign(fabs(b->want_vy), WORLD_HEIGHT / 2.0 - b->y);
    }
    if (!s->options.whole_life &&
        (b->x < -b->w / 2 || b->x > WORLD_WIDTH + b->w / 2 || s->now_s - b->born_s > b->lives_s)) {
        b->id = 0;
    }
}

static void live(struct scene *s)
{
    int alive = 0;
    for (int i = 0; i < MOST_OBJECTS; i++) {
        if (s->bodies[i].id) {
            move(s, &s->bodies[i]);
            alive += s->bodies[i].id != 0;
        }
    }
    double born = g_rand_double(s->life);
    if (!s->options.whole_life && alive < s->options.objects && born < STEP_S * 3) {
        for (int i = 0; i < MOST_OBJECTS; i++) {
            if (!s->bodies[i].id) {
                be_born(s, &s->bodies[i], FALSE);
                break;
            }
        }
    }
    s->now_s += STEP_S;
}

static struct track_box box_of(const struct body *b)
{
    return (struct track_box){b->x - b->w / 2, b->y - b->h / 2, b->w, b->h};
}

static gboolean covers(const struct track_box *box, double x, double y)
{
    return x > box->x && x < box->x + box->w && y > box->y && y < box->y + box->h;
}

// Share of a body that is seen; what ends lower in the picture is nearer. `seen`: what is left of
// it.
static double visibility(const struct scene *s, const struct body *b, struct track_box *seen)
{
    struct track_box box = box_of(b);
    double left = INFINITY, right = -INFINITY, top = INFINITY, bottom = -INFINITY;
    int n = 0;
    for (int i = 0; i < GRID * GRID; i++) {
        double x = box.x + box.w * (i % GRID + 0.5) / GRID;
        double y = box.y + box.h * ((int)(i / GRID) + 0.5) / GRID;
        gboolean hidden = x < 0 || y < 0 || x > WORLD_WIDTH || y > WORLD_HEIGHT;
        for (int k = 0; k < s->n_pillars && !hidden; k++) {
            hidden = covers(&s->pillars[k], x, y);
        }
        for (int k = 0; k < MOST_OBJECTS && !hidden; k++) {
            const struct body *other = &s->bodies[k];
            if (other->id && other != b && other->y + other->h / 2 > b->y + b->h / 2) {
                struct track_box front = box_of(other);
                hidden = covers(&front, x, y);
            }
        }
        if (!hidden) {
            n++;
            left = MIN(left, x - box.w / GRID / 2);
            right = MAX(right, x + box.w / GRID / 2);
            top = MIN(top, y - box.h / GRID / 2);
            bottom = MAX(bottom, y + box.h / GRID / 2);
        }
    }
    *seen = (struct track_box){left, top, right - left, bottom - top};
    return n / (double)(GRID * GRID);
}

static void add(GArray *rows, int frame, gint64 id, struct track_box box, double score,
                int class_id)
{
    struct mot_row row = {frame, id, box, CLAMP(score, 0.01, 0.99), class_id};
    g_array_append_val(rows, row);
}

// What the detector says about a body: less, and less surely, the less it sees of it.
static void detect(struct scene *s, struct body *b, double visible, const struct track_box *seen,
                   int frame, GArray *detections)
{
    GRand *r = s->detector;
    const struct world_options *o = &s->options;
    double keep = exp(-1 / o->fps / 0.4);
    b->quality_now = b->quality + (b->quality_now - b->quality) * keep +
                     0.10 * sqrt(1 - keep * keep) * normal(r);
    if (g_rand_double(r) < 0.12 / o->fps) { // blind for a while, about every eight seconds
        b->dropped_s = s->now_s + g_rand_double_range(r, 0.1, 0.5);
    }
    double score = b->quality_now * (0.15 + 0.85 * pow(visible, 0.8)) + 0.04 * normal(r);
    double found = visible < 0.15 ? 0 : (1 - o->miss_rate) * MIN(1, visible * 1.5);
    double noise = o->noise * (1 + 1.5 * (1 - visible));
    double error[4];
    for (int i = 0; i < 4; i++) {
        error[i] = normal(r) * noise * sqrt(b->w * b->h);
    }
    gboolean missed = g_rand_double(r) > found, flipped = g_rand_double(r) < o->flip_rate;
    if (missed || s->now_s < b->dropped_s || score < 0.05) {
        return;
    }
    // Between the whole body, which it knows the form of, and what it sees.
    struct track_box whole = box_of(b);
    double share = g_rand_double_range(r, 0.3, 0.7);
    struct track_box box = {whole.x + share * (seen->x - whole.x) + error[0],
                            whole.y + share * (seen->y - whole.y) + error[1],
                            whole.w + share * (seen->w - whole.w) + error[2],
                            whole.h + share * (seen->h - whole.h) + error[3]};
    box.w = MAX(box.w, 4);
    box.h = MAX(box.h, 4);
    add(detections, frame, -1, box, score, flipped ? (b->class_id + 1) % 4 : b->class_id);
}

static struct track_box anywhere(GRand *r)
{
    double h = g_rand_double_range(r, 30, 200), w = h * g_rand_double_range(r, 0.4, 1.6);
    return (struct track_box){g_rand_double_range(r, 0, WORLD_WIDTH - w),
                              g_rand_double_range(r, 0, WORLD_HEIGHT - h), w, h};
}

static void invent(struct scene *s, int frame, GArray *detections)
{
    GRand *r = s->detector;
    double rate = s->options.false_per_s / s->options.fps;
    for (double left = rate; left > 0; left -= 1) {
        if (g_rand_double(r) < MIN(left, 1)) {
            double u = g_rand_double(r);
            add(detections, frame, -1, anywhere(r), 0.1 + 0.65 * u * u, g_rand_int_range(r, 0, 4));
        }
    }
    if (rate > 0 && s->now_s > s->clutter_until_s && g_rand_double(r) < 0.2 / s->options.fps) {
        s->clutter = anywhere(r);
        s->clutter_until_s = s->now_s + g_rand_double_range(r, 0.1, 0.6);
    }
    if (s->now_s < s->clutter_until_s) {
        struct track_box box = s->clutter;
        box.x += normal(r) * 0.05 * box.w;
        box.y += normal(r) * 0.05 * box.h;
        add(detections, frame, -1, box, 0.45 + 0.12 * normal(r), 0);
    }
}

static double overlap(const struct track_box *a, const struct track_box *b)
{
    double w = MIN(a->x + a->w, b->x + b->w) - MAX(a->x, b->x);
    double h = MIN(a->y + a->h, b->y + b->h) - MAX(a->y, b->y);
    return w > 0 && h > 0 ? w * h / (a->w * a->h + b->w * b->h - w * h) : 0;
}

static gint by_score(gconstpointer a, gconstpointer b)
{
    const struct mot_row *one = a, *other = b;
    return one->score > other->score ? -1 : one->score < other->score;
}

// Non-maximum suppression within each class, as detectors do it.
static void suppress(GArray *rows, guint from)
{
    g_autoptr(GArray) frame = g_array_new(FALSE, FALSE, sizeof(struct mot_row));
    if (rows->len == from) {
        return;
    }
    g_array_append_vals(frame, &g_array_index(rows, struct mot_row, from), rows->len - from);
    g_array_sort(frame, by_score);
    g_array_set_size(rows, from);
    for (guint i = 0; i < frame->len; i++) {
        const struct mot_row *row = &g_array_index(frame, struct mot_row, i);
        gboolean kept = TRUE;
        for (guint k = from; k < rows->len && kept; k++) {
            const struct mot_row *other = &g_array_index(rows, struct mot_row, k);
            kept = other->class_id != row->class_id || overlap(&other->box, &row->box) < 0.55;
        }
        if (kept) {
            g_array_append_val(rows, *row);
        }
    }
}

static void look(struct scene *s, int frame, struct world *world)
{
    guint from = world->detections->len;
    for (int i = 0; i < MOST_OBJECTS; i++) {
        struct body *b = &s->bodies[i];
        struct track_box seen;
        if (!b->id) {
            continue;
        }
        double visible = visibility(s, b, &seen);
        if (visible >= 0.2) {
            add(world->truth, frame, b->id, box_of(b), 1, b->class_id);
        }
        detect(s, b, visible, &seen, frame, world->detections);
    }
    invent(s, frame, world->detections);
    suppress(world->detections, from);
}

void world_make(struct world *world, const struct world_options *options)
{
    struct scene *s = g_new0(struct scene, 1);
    s->options = *options;
    s->life = g_rand_new_with_seed(options->seed);
    s->detector = g_rand_new_with_seed(options->seed ^ 0x9e3779b9u);
    s->next_id = 1;
    for (int i = 0; i < PILLARS && options->occluders; i++) {
        double w = g_rand_double_range(s->life, 30, 90);
        s->pillars[s->n_pillars++] = (struct track_box){
            WORLD_WIDTH * (i + g_rand_double_range(s->life, 0.2, 0.8)) / PILLARS, 0, w, 620};
    }
    for (int i = 0; i < MIN(options->objects, MOST_OBJECTS); i++) {
        be_born(s, &s->bodies[i], TRUE);
    }
    *world = (struct world){.frames = (int)lrint(options->duration_s * options->fps),
                            .truth = g_array_new(FALSE, FALSE, sizeof(struct mot_row)),
                            .detections = g_array_new(FALSE, FALSE, sizeof(struct mot_row))};
    gint64 steps = 0;
    for (int frame = 1; frame <= world->frames; frame++) {
        for (; steps < llrint((frame - 1) / options->fps / STEP_S); steps++) {
            live(s);
        }
        look(s, frame, world);
    }
    g_rand_free(s->life);
    g_rand_free(s->detector);
    g_free(s);
}

void world_finish(struct world *world)
{
    g_clear_pointer(&world->truth, g_array_unref);
    g_clear_pointer(&world->detections, g_array_unref);
}
