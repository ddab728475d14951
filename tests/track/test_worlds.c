// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// How well invented worlds are followed, at all frame rates and intervals, and that the scores are
// counted right. The bounds lie a few points below what was reached, on other seeds than the
// tuning.
#include "follow.h"
#include "score.h"
#include "world.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define FIRST_SEED 201
#define SEEDS 3

struct row {
    double fps;
    int interval;
    double mota, idf1; // at least
    double switches;   // at most, a minute of the world
};

static const struct row cases[] = {
    {60, 1, 0.79, 0.77, 45}, {60, 3, 0.78, 0.77, 45}, {60, 10, 0.76, 0.77, 40},
    {30, 1, 0.78, 0.77, 45}, {30, 3, 0.76, 0.77, 45}, {30, 10, 0.72, 0.74, 35},
    {15, 1, 0.77, 0.77, 40}, {15, 3, 0.74, 0.75, 40}, {5, 1, 0.73, 0.75, 40},
};

static void options_for(struct follow_options *options, const struct world *world, double fps,
                        int interval)
{
    follow_options_init(options);
    options->fps = fps;
    options->interval = interval;
    options->frames = world->frames;
    options->track.width = WORLD_WIDTH;
    options->track.height = WORLD_HEIGHT;
}

static void check_rows(const GArray *results)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    int frame = 0;
    for (guint i = 0; i < results->len; i++) {
        const struct mot_row *row = &g_array_index(results, struct mot_row, i);
        if (row->frame != frame) {
            g_hash_table_remove_all(seen);
            frame = row->frame;
        }
        g_assert_cmpint(row->id, >, 0);
        g_assert_true(g_hash_table_add(seen, GINT_TO_POINTER(row->id)));
    }
}

static void test_worlds(gconstpointer data)
{
    const struct row *row = data;
    double mota = 0, idf1 = 0, ahead = 0, switches = 0, minutes = 0;
    for (guint seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
        struct world_options how;
        struct world world;
        struct follow_options options;
        struct score score, all;
        world_options_init(&how, seed, row->fps);
        world_make(&world, &how);
        options_for(&options, &world, row->fps, row->interval);
        g_autoptr(GArray) results = follow(world.detections, &options);
        check_rows(results);
        score_make(&score, world.truth, results, world.frames, row->interval);
        score_make(&all, world.truth, results, world.frames, 1);
        mota += score.mota / SEEDS;
        idf1 += score.idf1 / SEEDS;
        ahead += all.mota / SEEDS;
        switches += score.switches;
        minutes += how.duration_s / 60;
        world_finish(&world);
    }
    g_test_message("%2.0f fps, every %2d.: MOTA %.3f (with predicted frames %.3f), IDF1 %.3f, "
                   "%.1f switches a minute",
                   row->fps, row->interval, mota, ahead, idf1, switches / minutes);
    g_assert_cmpfloat(mota, >=, row->mota);
    g_assert_cmpfloat(idf1, >=, row->idf1);
    g_assert_cmpfloat(switches / minutes, <=, row->switches);
    g_assert_cmpfloat(ahead, >=, mota - 0.12);
}

// A detector that sees everything exactly, and nothing to hide behind: one number a life.
static void test_perfect(void)
{
    struct world_options how;
    struct world world;
    struct follow_options options;
    struct score score;
    world_options_init(&how, 301, 30);
    how.objects = 4;
    how.noise = how.miss_rate = how.false_per_s = how.flip_rate = 0;
    how.occluders = FALSE;
    world_make(&world, &how);
    g_autoptr(GArray) exact = g_array_new(FALSE, FALSE, sizeof(struct mot_row));
    for (guint i = 0; i < world.truth->len; i++) {
        struct mot_row row = g_array_index(world.truth, struct mot_row, i);
        row.score = 0.9;
        g_array_append_val(exact, row);
    }
    options_for(&options, &world, 30, 1);
    options.track.confirm_s = 0;
    g_autoptr(GArray) results = follow(exact, &options);
    score_make(&score, world.truth, results, world.frames, 1);
    g_test_message("MOTA %.4f, IDF1 %.4f, %u switches", score.mota, score.idf1, score.switches);
    g_assert_cmpfloat(score.mota, >, 0.995);
    g_assert_cmpfloat(score.idf1, >, 0.97);
    g_assert_cmpuint(score.switches, <=, 1);
    world_finish(&world);
}

// The same looks give the same results, however many frames lie between them.
static void test_frames_between(void)
{
    struct world_options how;
    struct world world;
    struct follow_options options;
    world_options_init(&how, 302, 10);
    world_make(&world, &how);
    options_for(&options, &world, 10, 1);
    g_autoptr(GArray) plain = follow(world.detections, &options);
    for (guint i = 0; i < world.detections->len; i++) {
        struct mot_row *row = &g_array_index(world.detections, struct mot_row, i);
        row->frame = (row->frame - 1) * 6 + 1;
    }
    options.fps = 60;
    options.interval = 6;
    options.frames = 0;
    g_autoptr(GArray) between = follow(world.detections, &options);
    guint k = 0;
    for (guint i = 0; i < plain->len; i++, k++) {
        const struct mot_row *one = &g_array_index(plain, struct mot_row, i);
        while (k < between->len && (g_array_index(between, struct mot_row, k).frame - 1) % 6 != 0) {
            k++;
        }
        g_assert_cmpuint(k, <, between->len);
        const struct mot_row *other = &g_array_index(between, struct mot_row, k);
        g_assert_cmpint((one->frame - 1) * 6 + 1, ==, other->frame);
        g_assert_cmpint(one->id, ==, other->id);
        g_assert_cmpfloat(fabs(one->box.x - other->box.x), <, 1e-6);
        g_assert_cmpfloat(fabs(one->box.w - other->box.w), <, 1e-6);
    }
    world_finish(&world);
}

// The same objects at other rates are as easy to follow.
static void test_frame_rates(void)
{
    const double rates[] = {60, 30, 20, 12};
    double least = 1, most = 0;
    for (guint i = 0; i < G_N_ELEMENTS(rates); i++) {
        double idf1 = 0;
        for (guint seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
            struct world_options how;
            struct world world;
            struct follow_options options;
            struct score score;
            world_options_init(&how, seed, rates[i]);
            world_make(&world, &how);
            options_for(&options, &world, rates[i], 1);
            g_autoptr(GArray) results = follow(world.detections, &options);
            score_make(&score, world.truth, results, world.frames, 1);
            idf1 += score.idf1 / SEEDS;
            world_finish(&world);
        }
        g_test_message("%.0f fps: IDF1 %.3f", rates[i], idf1);
        least = MIN(least, idf1);
        most = MAX(most, idf1);
    }
    g_assert_cmpfloat(most - least, <, 0.08);
}

static void add(GArray *rows, int frame, gint64 id, double x)
{
    struct mot_row row = {.frame = frame, .id = id, .box = {x, 0, 10, 10}, .score = 1};
    g_array_append_val(rows, row);
}

// Counted by hand: two truths over ten frames.
static void test_score(void)
{
    g_autoptr(GArray) truth = g_array_new(FALSE, FALSE, sizeof(struct mot_row));
    g_autoptr(GArray) results = g_array_new(FALSE, FALSE, sizeof(struct mot_row));
    for (int frame = 1; frame <= 10; frame++) {
        add(truth, frame, 1, 0);
        add(truth, frame, 2, 100);
        if (frame != 4) { // missed once, another number from frame 7 on
            add(results, frame, frame < 7 ? 11 : 12, 1);
        }
        add(results, frame, 13, 100);
        if (frame > 8) { // invented
            add(results, frame, 14, 500);
        }
    }
    struct score score;
    score_make(&score, truth, results, 10, 1);
    g_assert_cmpuint(score.truth, ==, 20);
    g_assert_cmpuint(score.results, ==, 21);
    g_assert_cmpuint(score.misses, ==, 1);
    g_assert_cmpuint(score.inventions, ==, 2);
    g_assert_cmpuint(score.switches, ==, 1);
    g_assert_cmpuint(score.identified, ==, 5 + 10);
    g_assert_cmpuint(score.identities, ==, 4);
    g_assert_cmpfloat(fabs(score.mota - (1 - 4 / 20.0)), <, 1e-12);
    g_assert_cmpfloat(fabs(score.idf1 - 2 * 15 / 41.0), <, 1e-12);
    score_make(&score, truth, truth, 10, 3);
    g_assert_cmpuint(score.truth, ==, 8);
    g_assert_cmpfloat(score.mota, ==, 1);
    g_assert_cmpfloat(score.idf1, ==, 1);
}

static void test_files(void)
{
    g_autofree char *folder = g_dir_make_tmp("effdet-track-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "det.txt", NULL);
    const char *good = "2,-1,10.5,20,30,40,0.9,-1,-1,-1\r\n\n1, 7, 1,2,3,4\n2,-1,5,6,7,8,0.25,3\n";
    const char *bad[] = {"x",           "1,1,1,1,1",  "0,1,1,1,1,1",
                         "1,1,1,1;1,1", "1,1,1,1,1,", "nan,1,1,1,1,1"};
    g_autoptr(GError) error = NULL;
    gboolean written = g_file_set_contents(path, good, -1, &error);
    g_assert_true(written);
    g_autoptr(GArray) rows = mot_read(path, &error);
    g_assert_no_error(error);
    guint n;
    const struct mot_row *found = mot_frame(rows, 2, &n);
    g_assert_cmpuint(n, ==, 2);
    g_assert_cmpfloat(found[0].box.x, ==, 10.5);
    g_assert_cmpint(found[1].class_id, ==, 3);
    found = mot_frame(rows, 1, &n);
    g_assert_cmpuint(n, ==, 1);
    g_assert_cmpfloat(found[0].score, ==, 1);
    mot_frame(rows, 3, &n);
    g_assert_cmpuint(n, ==, 0);
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_file_set_contents(path, bad[i], -1, NULL);
        g_autoptr(GError) wrong = NULL;
        g_assert_null(mot_read(path, &wrong));
        g_assert_nonnull(strstr(wrong->message, "det.txt:1: wanted frame,id,x,y,w,h,score"));
    }
    g_remove(path);
    g_assert_null(mot_read(path, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    g_rmdir(folder);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/track/score", test_score);
    g_test_add_func("/track/files", test_files);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *name =
            g_strdup_printf("/track/worlds/%.0f-fps-every-%d", cases[i].fps, cases[i].interval);
        g_test_add_data_func(name, &cases[i], test_worlds);
    }
    g_test_add_func("/track/worlds/perfect", test_perfect);
    g_test_add_func("/track/worlds/frames-between", test_frames_between);
    g_test_add_func("/track/worlds/frame-rates", test_frame_rates);
    return g_test_run();
}
