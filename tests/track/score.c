// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Bernardin and Stiefelhagen 2008 for MOTA, Ristani et al. 2016 for IDF1.
#include "score.h"

#include "assignment.h"

#define HALF 0.5

// Counts of pairs of a truth's and a result's identity, and all identities in the order they come.
struct tally {
    GHashTable *truth_index, *result_index; // id → index + 1
    GHashTable *together;                   // index << 16 | index → frames + 1
    GArray *last;                           // guint: of each truth, its last result's index + 1
    struct assignment solver;
    GArray *starts, *pairs, *column_of;
};

static double overlap(const struct track_box *a, const struct track_box *b)
{
    double w = MIN(a->x + a->w, b->x + b->w) - MAX(a->x, b->x);
    double h = MIN(a->y + a->h, b->y + b->h) - MAX(a->y, b->y);
    return w > 0 && h > 0 ? w * h / (a->w * a->h + b->w * b->h - w * h) : 0;
}

static guint index_of(GHashTable *table, gint64 id)
{
    guint known = GPOINTER_TO_UINT(g_hash_table_lookup(table, GINT_TO_POINTER(id)));
    if (!known) {
        known = g_hash_table_size(table) + 1;
        g_hash_table_insert(table, GINT_TO_POINTER(id), GUINT_TO_POINTER(known));
    }
    return known;
}

static void solve(struct tally *t, guint rows, guint columns, double alone)
{
    gboolean room = assignment_reserve(&t->solver, rows + 1, columns + 1);
    g_assert_true(room);
    g_array_set_size(t->column_of, rows);
    assignment_solve(&t->solver, rows, columns, (guint *)(void *)t->starts->data,
                     (struct assignment_pair *)(void *)t->pairs->data, alone,
                     (guint *)(void *)t->column_of->data);
}

// Pairs of one frame: those that held before go on, the rest by the greatest overlap.
static void match_frame(struct tally *t, const struct mot_row *truth, guint n_truth,
                        const struct mot_row *results, guint n_results, struct score *score)
{
    g_array_set_size(t->starts, 0);
    g_array_set_size(t->pairs, 0);
    guint zero = 0;
    g_array_append_val(t->starts, zero);
    for (guint i = 0; i < n_truth; i++) {
        guint known = index_of(t->truth_index, truth[i].id);
        if (known > t->last->len) {
            g_array_set_size(t->last, known);
        }
        guint last = g_array_index(t->last, guint, known - 1);
        for (guint k = 0; k < n_results; k++) {
            double same = overlap(&truth[i].box, &results[k].box);
            guint result = index_of(t->result_index, results[k].id);
            if (same < HALF) {
                continue;
            }
            struct assignment_pair pair = {k, (1 - same) - (result == last ? 1e6 : 0)};
            g_array_append_val(t->pairs, pair);
            gpointer key = GSIZE_TO_POINTER((gsize)known << 16 | result);
            guint frames = GPOINTER_TO_UINT(g_hash_table_lookup(t->together, key));
            g_hash_table_insert(t->together, key, GUINT_TO_POINTER(frames + 1));
        }
        g_array_append_val(t->starts, t->pairs->len);
    }
    solve(t, n_truth, n_results, 1e4);
    for (guint i = 0; i < n_truth; i++) {
        guint column = g_array_index(t->column_of, guint, i);
        if (column == ASSIGNMENT_NONE) {
            continue;
        }
        guint *last = &g_array_index(t->last, guint, index_of(t->truth_index, truth[i].id) - 1);
        guint result = index_of(t->result_index, results[column].id);
        score->switches += *last && *last != result;
        score->matched++;
        *last = result;
    }
}

// The map of truths to results that has the most frames in common.
static guint identify(struct tally *t)
{
    guint n = g_hash_table_size(t->truth_index), columns = g_hash_table_size(t->result_index);
    g_assert_cmpuint(columns, <, 1 << 16);
    g_array_set_size(t->starts, 0);
    g_array_set_size(t->pairs, 0);
    for (guint truth = 1; truth <= n; truth++) {
        g_array_append_val(t->starts, t->pairs->len);
        for (guint result = 1; result <= columns; result++) {
            gpointer key = GSIZE_TO_POINTER((gsize)truth << 16 | result);
            guint frames = GPOINTER_TO_UINT(g_hash_table_lookup(t->together, key));
            struct assignment_pair pair = {result - 1, -(double)frames};
            if (frames) {
                g_array_append_val(t->pairs, pair);
            }
        }
    }
    g_array_append_val(t->starts, t->pairs->len);
    solve(t, n, columns, 0);
    guint identified = 0;
    for (guint i = 0; i < n; i++) {
        guint from = g_array_index(t->starts, guint, i);
        guint to = g_array_index(t->starts, guint, i + 1);
        for (guint p = from; p < to; p++) {
            struct assignment_pair pair = g_array_index(t->pairs, struct assignment_pair, p);
            if (pair.column == g_array_index(t->column_of, guint, i)) {
                identified += (guint)-pair.cost;
            }
        }
    }
    return identified;
}

void score_make(struct score *score, const GArray *truth, const GArray *results, int frames,
                int interval)
{
    struct tally t = {.truth_index = g_hash_table_new(NULL, NULL),
                      .result_index = g_hash_table_new(NULL, NULL),
                      .together = g_hash_table_new(NULL, NULL),
                      .last = g_array_new(FALSE, TRUE, sizeof(guint)),
                      .starts = g_array_new(FALSE, FALSE, sizeof(guint)),
                      .pairs = g_array_new(FALSE, FALSE, sizeof(struct assignment_pair)),
                      .column_of = g_array_new(FALSE, FALSE, sizeof(guint))};
    *score = (struct score){0};
    for (int frame = 1; frame <= frames; frame += interval) {
        guint n_truth, n_results;
        const struct mot_row *wanted = mot_frame(truth, frame, &n_truth);
        const struct mot_row *found = mot_frame(results, frame, &n_results);
        score->truth += n_truth;
        score->results += n_results;
        match_frame(&t, wanted, n_truth, found, n_results, score);
    }
    score->misses = score->truth - score->matched;
    score->inventions = score->results - score->matched;
    score->identified = identify(&t);
    score->identities = g_hash_table_size(t.result_index);
    score->mota =
        1 - (double)(score->misses + score->inventions + score->switches) / MAX(score->truth, 1);
    score->idf1 = 2.0 * score->identified / MAX(score->truth + score->results, 1);
    g_hash_table_unref(t.truth_index);
    g_hash_table_unref(t.result_index);
    g_hash_table_unref(t.together);
    g_array_unref(t.last);
    g_array_unref(t.starts);
    g_array_unref(t.pairs);
    g_array_unref(t.column_of);
    assignment_finish(&t.solver);
}
