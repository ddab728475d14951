// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What the user wants reported: thresholds, limit, and the list of classes by name or number.
#include "post/post.h"

#include <math.h>
#include <string.h>

#define NAMES_IN_MESSAGE 100

// All channels of a name or number; false when there is none.
static bool mark(const struct model *model, const char *name, uint8_t *marks, uint8_t value)
{
    bool found = false;
    for (int exact = 1; exact >= 0 && !found; exact--) {
        for (int c = 0; c < model->num_classes; c++) {
            const char *label = model->labels[c];
            if (*label && (exact ? strcmp(label, name) : g_ascii_strcasecmp(label, name)) == 0) {
                marks[c] = value;
                found = true;
            }
        }
    }
    guint64 number;
    if (!found &&
        g_ascii_string_to_unsigned(name, 10, 0, (guint64)model->num_classes - 1, &number, NULL)) {
        marks[number] = value;
        found = true;
    }
    return found;
}

static void set_unknown(GError **error, const struct model *model, const char *name)
{
    g_autoptr(GString) known = g_string_new(NULL);
    int named = 0;
    for (int c = 0; c < model->num_classes; c++) {
        if (*model->labels[c] && named++ < NAMES_IN_MESSAGE) {
            g_string_append_printf(known, "%s, ", model->labels[c]);
        }
    }
    if (named > NAMES_IN_MESSAGE) {
        g_string_append_printf(known, "%d more, ", named - NAMES_IN_MESSAGE);
    }
    g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE,
                "class '%s' is unknown; this model has: %sor a channel number, 0 to %d", name,
                known->str, model->num_classes - 1);
}

// "person,3,-car": if nothing is named, everything is wanted; then what has a minus is not.
static bool parse_classes(const struct model *model, const char *list, uint8_t *wanted,
                          GError **error)
{
    g_auto(GStrv) tokens = g_strsplit(list ? list : "", ",", -1);
    size_t n = (size_t)model->num_classes;
    g_autofree uint8_t *excluded = g_malloc0(n);
    bool any = false;
    memset(wanted, 0, n);
    for (char **token = tokens; *token; token++) {
        const char *name = g_strstrip(*token);
        if (!*name) {
            continue;
        }
        if (mark(model, name, wanted, 1)) { // a label may begin with a minus
            any = true;
            continue;
        }
        const char *rest = *name == '-' ? g_strchug(*token + (name - *token) + 1) : NULL;
        if (!rest || !mark(model, rest, excluded, 1)) {
            set_unknown(error, model, rest ? rest : name);
            return false;
        }
    }
    for (size_t c = 0; c < n; c++) {
        wanted[c] = (!any || wanted[c]) && !excluded[c];
    }
    return true;
}

static bool check_fraction(float value, const char *name, GError **error)
{
    if (value >= 0 && value <= 1) {
        return true;
    }
    g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE,
                "the %s threshold must be between 0 and 1, not %g", name, (double)value);
    return false;
}

bool post_filter_init(struct post_filter *out, const struct model *model,
                      const EffdetFilter *filter, GError **error)
{
    g_autofree uint8_t *wanted = g_malloc((size_t)model->num_classes);
    if (!check_fraction(filter->score_threshold, "score", error) ||
        !check_fraction(filter->iou_threshold, "IoU", error) ||
        !parse_classes(model, filter->classes, wanted, error)) {
        return false;
    }
    *out = (struct post_filter){
        .score_threshold = filter->score_threshold,
        .iou_threshold = filter->iou_threshold,
        .max_detections = filter->max_detections,
        .n_classes = model->num_classes,
        .wanted = g_steal_pointer(&wanted),
    };
    return true;
}

void post_filter_finish(struct post_filter *filter)
{
    g_clear_pointer(&filter->wanted, g_free);
    filter->n_classes = 0;
}

void post_filter_copy(struct post_filter *to, const struct post_filter *from)
{
    uint8_t *wanted = to->wanted;
    if (to->n_classes != from->n_classes) {
        wanted = g_realloc(wanted, (size_t)from->n_classes);
    }
    if (from->n_classes > 0) {
        memcpy(wanted, from->wanted, (size_t)from->n_classes);
    }
    *to = *from;
    to->wanted = wanted;
}
