// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Names of rwightman's checkpoints, and the index of canonical names that everything else looks
// into.
#include "weights/naming.h"

#include "effdet/effdet.h"

#include <stdio.h>
#include <string.h>

static const char *const ignored_suffixes[] = {"num_batches_tracked"};
// What is left of a classifier, and the anchors that a wrapped model stores as a buffer (spec 9.9).
static const char *const ignored_prefixes[] = {"backbone.conv_head.", "backbone.bn2.",
                                               "backbone.classifier.", "backbone.fc.",
                                               "anchors.boxes"};

enum naming naming_detect(const struct container *container)
{
    bool backbone = false, head = false;
    for (int i = 0; i < container_count(container); i++) {
        const char *name = container_tensor(container, i)->name;
        if (g_str_has_prefix(name, "backbone_net.model.")) {
            return NAMING_ZYLO117;
        }
        if (g_str_has_prefix(name, "efficientnet-") || g_str_has_prefix(name, "backbone/_") ||
            g_str_has_prefix(name, "fpn_cells/")) {
            return NAMING_AUTOML;
        }
        backbone = backbone || g_str_has_prefix(name, "backbone.");
        head = head || g_str_has_prefix(name, "class_net.") || g_str_has_prefix(name, "box_net.");
    }
    return backbone && head ? NAMING_RWIGHTMAN : NAMING_NONE;
}

const char *naming_name(enum naming naming)
{
    static const char *const names[] = {NULL, "rwightman", "zylo117", "automl"};
    return names[naming];
}

// The two indices of a head's batch norm and what follows them ("bn.weight" or "weight"); false for
// any other name.
static bool head_bn(const char *name, char head[16], int *first, int *second, const char **rest)
{
    int consumed = 0;
    if (sscanf(name, "%9[a-z_].bn_rep.%d.%d.%n", head, first, second, &consumed) != 3 ||
        consumed == 0) {
        return false;
    }
    *rest = name + consumed;
    return true;
}

// The literal ".bn." stands in files that count repeats first; where the numbers of repeats and
// levels differ, they have the last word (spec 9.2).
static bool is_level_first(const struct container *container)
{
    int repeats = 0, firsts = 0, seconds = 0;
    bool literal = false;
    for (int i = 0; i < container_count(container); i++) {
        const char *name = container_tensor(container, i)->name, *rest;
        char head[16];
        int first, second, repeat;
        if (head_bn(name, head, &first, &second, &rest) && first < G_MAXINT && second < G_MAXINT) {
            firsts = MAX(firsts, first + 1);
            seconds = MAX(seconds, second + 1);
            literal = literal || g_str_has_prefix(rest, "bn.");
        } else if (sscanf(name, "class_net.conv_rep.%d.", &repeat) == 1 && repeat < G_MAXINT) {
            repeats = MAX(repeats, repeat + 1);
        }
    }
    if (firsts != seconds && (firsts == repeats || seconds == repeats)) {
        return seconds == repeats;
    }
    return !literal;
}

static bool is_ignored(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(ignored_suffixes); i++) {
        if (g_str_has_suffix(name, ignored_suffixes[i])) {
            return true;
        }
    }
    for (gsize i = 0; i < G_N_ELEMENTS(ignored_prefixes); i++) {
        if (g_str_has_prefix(name, ignored_prefixes[i])) {
            return true;
        }
    }
    return false;
}

static char *rwightman_canonical(const char *name, bool level_first)
{
    char head[16];
    const char *rest;
    int first, second;
    if (!head_bn(name, head, &first, &second, &rest)) {
        return g_strdup(name);
    }
    return g_strdup_printf("%s.bn_rep.%d.%d.%s%s", head, level_first ? second : first,
                           level_first ? first : second, g_str_has_prefix(rest, "bn.") ? "" : "bn.",
                           rest);
}

struct rules { // of the naming
    struct zylo117 zylo;
    struct automl automl;
};

static void rules_init(struct rules *rules, struct names *names, const struct container *container)
{
    switch (names->naming) {
    case NAMING_ZYLO117:
        zylo117_init(&rules->zylo, container);
        break;
    case NAMING_AUTOML:
        automl_init(&rules->automl, container);
        break;
    default:
        names->head_bn_level_first = is_level_first(container);
        break;
    }
}

// The canonical name (transfer full) of a tensor, or NULL for one that no detector needs.
static char *canonical_of(const struct rules *rules, const struct names *names, const char *name,
                          enum order *order, int *part)
{
    *order = ORDER_SAME;
    *part = -1;
    switch (names->naming) {
    case NAMING_ZYLO117:
        return zylo117_canonical(&rules->zylo, name);
    case NAMING_AUTOML:
        return automl_canonical(&rules->automl, name, order, part);
    default:
        return rwightman_canonical(name, names->head_bn_level_first);
    }
}

static bool name_all(struct names *names, const struct container *container, GError **error)
{
    g_autofree struct rules *rules = g_new0(struct rules, 1);
    rules_init(rules, names, container);
    for (int i = 0; i < container_count(container); i++) {
        const char *name = container_tensor(container, i)->name;
        enum order order;
        int part;
        g_autofree char *canonical =
            is_ignored(name) ? NULL : canonical_of(rules, names, name, &order, &part);
        if (canonical && !names_add(names, container, canonical, i, order, part)) {
            int other = names_find(names, canonical);
            g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_FILE,
                        "%s: tensors %s and %s are the same part of the network; the file is "
                        "damaged or holds two models",
                        container_path(container), names_tensor(names, container, other)->name,
                        name);
            return false;
        }
    }
    names_finish(names, container);
    return true;
}

struct names *names_new(const struct container *container, GError **error)
{
    enum naming naming = naming_detect(container);
    if (naming == NAMING_NONE && container_unknown(container)) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED,
                    "%s: wanted the graph of an EfficientDet-Lite, but %s; give the file that its "
                    "exporter writes, or the checkpoint that it came from",
                    container_path(container), container_unknown(container));
        return NULL;
    }
    if (naming == NAMING_NONE) {
        g_set_error(
            error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED,
            "%s: wanted tensors of an EfficientDet (\"backbone.…\" with \"class_net.…\", "
            "\"backbone_net.model.…\" or \"efficientnet-…\"), found %d tensors%s%s; give the "
            "weights of a detector",
            container_path(container), container_count(container),
            container_count(container) > 0 ? " such as " : "",
            container_count(container) > 0 ? container_tensor(container, 0)->name : "");
        return NULL;
    }
    struct names *names = g_new0(struct names, 1);
    names->naming = naming;
    names->index = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    names->views = g_array_new(FALSE, FALSE, sizeof(struct view));
    if (!name_all(names, container, error)) {
        names_free(&names);
    }
    return names;
}

void names_free(struct names **names)
{
    if (*names) {
        g_hash_table_unref((*names)->index);
        g_array_unref((*names)->views);
        g_clear_pointer(names, g_free);
    }
}

int names_find(const struct names *names, const char *canonical)
{
    gpointer index;
    return g_hash_table_lookup_extended(names->index, canonical, NULL, &index)
               ? GPOINTER_TO_INT(index)
               : -1;
}
