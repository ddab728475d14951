// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Writing JSON: text and numbers that are right in every locale. What is written where, the caller
// knows.
#pragma once

#include <glib.h>

// A comma where one is needed: between members, not behind an opening bracket or at the start.
void json_separate(GString *out);

// A string in quotes. Bytes that are not UTF-8 become U+FFFD, control characters are escaped, so
// that the result is one line. NULL is "".
void json_add_string(GString *out, const gchar *text);

// Nine significant digits; null where there is no finite number.
void json_add_double(GString *out, double value);

// A comma if needed, and the name of a member, which needs no escaping.
void json_add_name(GString *out, const gchar *name);

// Members with values.
void json_add_string_member(GString *out, const gchar *name, const gchar *text);
void json_add_double_member(GString *out, const gchar *name, double value);
void json_add_integer_member(GString *out, const gchar *name, gint64 value);
void json_add_unsigned_member(GString *out, const gchar *name, guint64 value);
void json_add_boolean_member(GString *out, const gchar *name, gboolean value);
