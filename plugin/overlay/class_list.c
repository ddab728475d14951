// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Reading lists of classes, and looking objects up in them.
#include "class_list.h"

struct ClassList {
    GStrv wanted, excluded;
};

static gboolean is_in(const GStrv names, const gchar *label, gint label_id)
{
    for (guint i = 0; names[i] != NULL; i++) {
        guint64 number;

        if ((label != NULL && g_ascii_strcasecmp(names[i], label) == 0) ||
            (label_id >= 0 &&
             g_ascii_string_to_unsigned(names[i], 10, 0, G_MAXINT, &number, NULL) &&
             number == (guint64)label_id)) {
            return TRUE;
        }
    }
    return FALSE;
}

ClassList *class_list_new(const gchar *text)
{
    g_auto(GStrv) tokens = g_strsplit(text != NULL ? text : "", ",", -1);
    GStrvBuilder *wanted = g_strv_builder_new(), *excluded = g_strv_builder_new();
    ClassList *list = NULL;
    gboolean any = FALSE;

    for (guint i = 0; tokens[i] != NULL; i++) {
        gchar *name = g_strstrip(tokens[i]);
        gboolean minus = *name == '-';

        name = minus ? g_strchug(name + 1) : name;
        if (*name != '\0') {
            g_strv_builder_add(minus ? excluded : wanted, name);
            any = TRUE;
        }
    }
    if (any) {
        list = g_new0(ClassList, 1);
        list->wanted = g_strv_builder_end(wanted);
        list->excluded = g_strv_builder_end(excluded);
    }
    g_strv_builder_unref(wanted);
    g_strv_builder_unref(excluded);
    return list;
}

void class_list_free(ClassList *list)
{
    if (list != NULL) {
        g_strfreev(list->wanted);
        g_strfreev(list->excluded);
        g_free(list);
    }
}

static gboolean has(const ClassList *list, GQuark label, gint label_id)
{
    const gchar *name = g_quark_to_string(label);

    return (list->wanted[0] == NULL || is_in(list->wanted, name, label_id)) &&
           !is_in(list->excluded, name, label_id);
}

// The class channel is the detector's: it says nothing about another class that a tracker chose.
static gboolean has_vote(const ClassList *list, const EffdetDetection *object)
{
    return has(list, object->track_label,
               object->track_label == object->label ? object->label_id : -1);
}

gboolean class_list_has_shown(const ClassList *list, const EffdetDetection *object)
{
    return object->track_label != 0 ? has_vote(list, object)
                                    : has(list, object->label, object->label_id);
}

gboolean class_list_has_any(const ClassList *list, const EffdetDetection *object)
{
    return has(list, object->label, object->label_id) ||
           (object->track_label != 0 && has_vote(list, object));
}
