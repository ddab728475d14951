// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The table of measured choices, its trials and its file.
#include "ops/tuning.h"

#include <glib/gstdio.h>
#include <string.h>

#include "base/log.h"
#include "gpu/kernel_cache.h"

#define GROUP "variants"
#define ORIGIN                                                                                     \
    "origin" // file: the name that the file was written under, which has device and build
#define MODELS "models"

// What a class of shapes ran with, and how long all its nodes took together.
struct choice {
    char tile[16];
    int local;
    double us;
};

struct taken {
    char *shape;
    struct choice choice; // us: of this node
};

struct tuning {
    char *path;
    GHashTable *best;  // shape -> struct choice
    GHashTable *taken; // node -> struct taken, of the trial under way
    GHashTable *known; // networks that were measured
    int rank, most_candidates;
};

static void taken_free(gpointer data)
{
    struct taken *taken = data;
    g_free(taken->shape);
    g_free(taken);
}

static struct choice *choice_new(const char *tile, int local, double us)
{
    struct choice *choice = g_new0(struct choice, 1);
    g_strlcpy(choice->tile, tile, sizeof choice->tile);
    choice->local = local;
    choice->us = us;
    return choice;
}

static void read_file(struct tuning *tuning)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) error = NULL;
    if (!g_key_file_load_from_file(file, tuning->path, G_KEY_FILE_NONE, &error)) {
        if (!g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
            log_info("measured variants in %s are not used: %s", tuning->path, error->message);
        }
        return;
    }
    g_autofree char *name = g_path_get_basename(tuning->path);
    g_autofree char *origin = g_key_file_get_string(file, ORIGIN, "file", NULL);
    if (g_strcmp0(name, origin) != 0) {
        log_info("measured variants in %s are not used: they are of %s", tuning->path,
                 origin ? origin : "unknown origin");
        return;
    }
    g_auto(GStrv) models = g_key_file_get_keys(file, MODELS, NULL, NULL);
    for (int i = 0; models && models[i]; i++) {
        tuning_set_known(tuning, models[i]);
    }
    g_auto(GStrv) shapes = g_key_file_get_keys(file, GROUP, NULL, NULL);
    for (int i = 0; shapes && shapes[i]; i++) {
        gsize n = 0;
        g_auto(GStrv) fields = g_key_file_get_string_list(file, GROUP, shapes[i], &n, NULL);
        if (n == 3) {
            g_hash_table_insert(tuning->best, g_strdup(shapes[i]),
                                choice_new(fields[0], (int)g_ascii_strtoll(fields[1], NULL, 10),
                                           g_ascii_strtod(fields[2], NULL)));
        }
    }
}

struct tuning *tuning_new(const struct device *device)
{
    struct tuning *tuning = g_new0(struct tuning, 1);
    g_autofree char *pipelines = kernel_cache_path(device);
    tuning->path = g_strconcat(pipelines, ".variants", NULL);
    tuning->best = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    tuning->taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, taken_free);
    tuning->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    tuning->rank = -1;
    read_file(tuning);
    return tuning;
}

void tuning_free(struct tuning **tuning)
{
    if (*tuning) {
        g_free((*tuning)->path);
        g_hash_table_unref((*tuning)->best);
        g_hash_table_unref((*tuning)->taken);
        g_hash_table_unref((*tuning)->known);
        g_clear_pointer(tuning, g_free);
    }
}

void tuning_begin_trial(struct tuning *tuning, int rank)
{
    tuning->rank = rank;
    tuning->most_candidates = 0;
    g_hash_table_remove_all(tuning->taken);
}

void tuning_report(struct tuning *tuning, const char *node, double us)
{
    struct taken *taken = g_hash_table_lookup(tuning->taken, node);
    if (taken) {
        taken->choice.us += us;
    }
}

bool tuning_end_trial(struct tuning *tuning)
{
    g_autoptr(GHashTable) sums = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    GHashTableIter iter;
    gpointer key, value;
    g_hash_table_iter_init(&iter, tuning->taken);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const struct taken *taken = value;
        struct choice *sum = g_hash_table_lookup(sums, taken->shape);
        if (sum) {
            sum->us += taken->choice.us;
        } else {
            g_hash_table_insert(
                sums, taken->shape,
                choice_new(taken->choice.tile, taken->choice.local, taken->choice.us));
        }
    }
    g_hash_table_iter_init(&iter, sums);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        const struct choice *sum = value;
        const struct choice *best = g_hash_table_lookup(tuning->best, key);
        if (!best || tuning->rank == 0 ||
            sum->us < best->us) { // times of another day do not compare
            g_hash_table_insert(tuning->best, g_strdup(key),
                                choice_new(sum->tile, sum->local, sum->us));
        }
    }
    return tuning->rank + 1 < tuning->most_candidates;
}

bool tuning_is_known(const struct tuning *tuning, const char *model)
{
    return g_hash_table_contains(tuning->known, model);
}

void tuning_set_known(struct tuning *tuning, const char *model)
{
    g_hash_table_add(tuning->known, g_strdup(model));
}

void tuning_save(const struct tuning *tuning)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_path_get_dirname(tuning->path);
    g_autofree char *name = g_path_get_basename(tuning->path);
    g_key_file_set_string(file, ORIGIN, "file", name);
    GHashTableIter iter;
    gpointer key, value;
    g_hash_table_iter_init(&iter, tuning->known);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        g_key_file_set_boolean(file, MODELS, key, TRUE);
    }
    g_hash_table_iter_init(&iter, tuning->best);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        const struct choice *choice = value;
        g_autofree char *local = g_strdup_printf("%d", choice->local);
        g_autofree char *us = g_strdup_printf("%.1f", choice->us);
        const char *const fields[] = {choice->tile, local, us};
        g_key_file_set_string_list(file, GROUP, key, fields, G_N_ELEMENTS(fields));
    }
    if (g_mkdir_with_parents(folder, 0700) != 0 ||
        !g_key_file_save_to_file(file, tuning->path, &error)) {
        log_info("measured variants are not kept: %s", error ? error->message : "no cache folder");
    }
}

const struct variant *tuning_choose(struct tuning *tuning, const char *node, const char *shape,
                                    const struct variant *const *candidates, int n)
{
    n = MIN(n, MAX_CANDIDATES);
    if (tuning->rank < 0) {
        const struct choice *best = g_hash_table_lookup(tuning->best, shape);
        for (int i = 0; best && i < n; i++) {
            if (g_str_equal(candidates[i]->tile, best->tile) &&
                candidates[i]->local == best->local) {
                return candidates[i];
            }
        }
        return candidates[0];
    }
    const struct variant *variant = candidates[MIN(tuning->rank, n - 1)];
    struct taken *taken = g_new0(struct taken, 1);
    taken->shape = g_strdup(shape);
    g_strlcpy(taken->choice.tile, variant->tile, sizeof taken->choice.tile);
    taken->choice.local = variant->local;
    g_hash_table_insert(tuning->taken, g_strdup(node), taken);
    tuning->most_candidates = MAX(tuning->most_candidates, n);
    return variant;
}
