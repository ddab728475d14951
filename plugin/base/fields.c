// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// From values to fields and back.
#include "fields.h"

void field_set(gpointer field, const GValue *value)
{
    if (G_VALUE_HOLDS_STRING(value)) {
        g_free(*(gchar **)field);
        *(gchar **)field = g_value_dup_string(value);
    } else if (G_VALUE_HOLDS_UINT(value)) {
        *(guint *)field = g_value_get_uint(value);
    } else if (G_VALUE_HOLDS_DOUBLE(value)) {
        *(gdouble *)field = g_value_get_double(value);
    } else if (G_VALUE_HOLDS_BOOLEAN(value)) {
        *(gboolean *)field = g_value_get_boolean(value);
    } else if (G_VALUE_HOLDS_FLAGS(value)) {
        *(guint *)field = g_value_get_flags(value);
    } else {
        *(gint *)field = g_value_get_enum(value);
    }
}

void field_get(gconstpointer field, GValue *value)
{
    if (G_VALUE_HOLDS_STRING(value)) {
        g_value_set_string(value, *(gchar *const *)field);
    } else if (G_VALUE_HOLDS_UINT(value)) {
        g_value_set_uint(value, *(const guint *)field);
    } else if (G_VALUE_HOLDS_DOUBLE(value)) {
        g_value_set_double(value, *(const gdouble *)field);
    } else if (G_VALUE_HOLDS_BOOLEAN(value)) {
        g_value_set_boolean(value, *(const gboolean *)field);
    } else if (G_VALUE_HOLDS_FLAGS(value)) {
        g_value_set_flags(value, *(const guint *)field);
    } else {
        g_value_set_enum(value, *(const gint *)field);
    }
}
