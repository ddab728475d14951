// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Properties of an element that are kept in the fields of a structure. Which field, the element
// says.
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

// field: a gchar * (which it owns; a copy is put), guint, gdouble or gboolean, by the value's type;
// a gint for enumerations, a guint for flags. The caller locks.
void field_set(gpointer field, const GValue *value);
void field_get(gconstpointer field, GValue *value);

G_END_DECLS
