// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Which variant of a kernel a node gets: forced, measured, or the cheapest by estimate.
#include "ops/launch.h"

#include <math.h>
#include <string.h>

#include "effdet/effdet.h"
#include "gpu/kernel_cache.h"
#include "ops/tuning.h"

static bool is_form(const char *name)
{
    return g_str_equal(name, "texel") || g_str_equal(name, "buffer");
}

struct candidate {
    const struct variant *variant;
    double cost;
};

static int by_cost(gconstpointer a, gconstpointer b)
{
    double left = ((const struct candidate *)a)->cost;
    double right = ((const struct candidate *)b)->cost;
    return (left > right) - (left < right);
}

// The variants (all, or those of a tile) that the device can run, cheapest first; those that cannot
// serve cost infinity.
static GArray *rank_variants(const struct op_env *env, const struct variant *variants,
                             const char *tile, variant_cost_func cost, const void *data)
{
    const struct class_plan *plan = plan_for(env->device, env->cpu_plan);
    GArray *ranked = g_array_new(FALSE, FALSE, sizeof(struct candidate));
    for (const struct variant *v = variants; v->tile; v++) {
        struct candidate candidate = {v, cost(plan, v, data)};
        bool runs = variant_runs(v, &env->device->features);
        if (runs && (!tile || g_str_equal(tile, v->tile))) {
            g_array_append_val(ranked, candidate);
        }
    }
    g_array_sort(ranked, by_cost);
    return ranked;
}

// Shapes for which every variant costs the same by estimate are one class.
static char *shape_class(const char *stem, bool half, const GArray *ranked)
{
    uint64_t hash = ranked->len;
    for (guint i = 0; i < ranked->len; i++) {
        double estimate = g_array_index(ranked, struct candidate, i).cost;
        hash = hash * 31 + kernel_cache_hash(&estimate, sizeof estimate);
    }
    return g_strdup_printf("%s-%s-%016" G_GINT64_MODIFIER "x", stem, half ? "fp16" : "fp32", hash);
}

static const struct variant *pick(const struct op_env *env, const char *stem, const GArray *ranked)
{
    if (ranked->len == 0) {
        return NULL;
    }
    if (!env->tuning) {
        return g_array_index(ranked, struct candidate, 0).variant;
    }
    const struct variant *candidates[MAX_CANDIDATES];
    int n = MIN((int)ranked->len, MAX_CANDIDATES);
    for (int i = 0; i < n; i++) {
        const struct candidate *candidate = &g_array_index(ranked, struct candidate, i);
        candidates[i] = candidate->variant;
        if (i > 0 && isinf(candidate->cost)) {
            n = i;
        }
    }
    g_autofree char *shape = shape_class(stem, env->half, ranked);
    return tuning_choose(env->tuning, env->node_name, shape, candidates, n);
}

const struct variant *op_choose(const struct op_env *env, const char *stem, variant_cost_func cost,
                                const void *data, GError **error)
{
    const struct class_plan *plan = plan_for(env->device, env->cpu_plan);
    const char *forced = op_forced_variant(stem);
    const char *tile = forced ? strrchr(forced, '_') : NULL;
    tile = tile ? tile + 1 : forced;
    if (tile && is_form(tile)) {
        tile = NULL;
    }
    const struct variant *all = variants_of(class_plan(CLASS_CPU_OLD), stem);
    // last: what the device cannot do is not forced upon it
    const struct variant *const lists[] = {variants_of(plan, stem), all, all};
    g_autoptr(GArray) ranked = rank_variants(env, lists[0], tile, cost, data);
    for (gsize i = 1; i < G_N_ELEMENTS(lists) && ranked->len == 0; i++) {
        bool known = !tile || variant_find(all, tile);
        g_array_unref(ranked);
        ranked = rank_variants(env, lists[i], i == 2 && known ? NULL : tile, cost, data);
    }
    const struct variant *best = pick(env, stem, ranked);
    if (!best) {
        g_auto(GStrv) names = variant_names(stem, &env->device->features);
        g_autofree char *known = g_strjoinv(", ", names);
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE,
                    "EFFDET_VARIANT wants '%s' of '%s', which has: %s", forced, stem, known);
    }
    return best;
}
