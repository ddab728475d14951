// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Escaping and numbers.
#include "json.h"

#include <math.h>

void json_separate(GString *out)
{
    gchar last = out->len > 0 ? out->str[out->len - 1] : '{';

    if (last != '{' && last != '[' && last != ':') {
        g_string_append_c(out, ',');
    }
}

static void add_byte(GString *out, guchar byte)
{
    static const gchar *const names[] = {
        ['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\f'] = "\\f", ['\r'] = "\\r"};

    if (byte == '"' || byte == '\\') {
        g_string_append_c(out, '\\');
        g_string_append_c(out, (gchar)byte);
    } else if (byte >= 0x20) {
        g_string_append_c(out, (gchar)byte);
    } else if (byte < G_N_ELEMENTS(names) && names[byte] != NULL) {
        g_string_append(out, names[byte]);
    } else {
        g_string_append_printf(out, "\\u%04x", byte);
    }
}

void json_add_string(GString *out, const gchar *text)
{
    g_string_append_c(out, '"');
    while (text != NULL && *text != '\0') {
        const gchar *end;
        gboolean valid = g_utf8_validate(text, -1, &end);

        for (; text < end; text++) {
            add_byte(out, (guchar)*text);
        }
        if (!valid) {
            g_string_append(out, "\xef\xbf\xbd"); // U+FFFD
            text++;
        }
    }
    g_string_append_c(out, '"');
}

void json_add_double(GString *out, double value)
{
    gchar digits[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append(out, isfinite(value) ? g_ascii_formatd(digits, sizeof digits, "%.9g", value)
                                         : "null");
}

void json_add_name(GString *out, const gchar *name)
{
    json_separate(out);
    g_string_append_c(out, '"');
    g_string_append(out, name);
    g_string_append(out, "\":");
}

void json_add_string_member(GString *out, const gchar *name, const gchar *text)
{
    json_add_name(out, name);
    json_add_string(out, text);
}

void json_add_double_member(GString *out, const gchar *name, double value)
{
    json_add_name(out, name);
    json_add_double(out, value);
}

void json_add_integer_member(GString *out, const gchar *name, gint64 value)
{
    json_add_name(out, name);
    g_string_append_printf(out, "%" G_GINT64_FORMAT, value);
}

void json_add_unsigned_member(GString *out, const gchar *name, guint64 value)
{
    json_add_name(out, name);
    g_string_append_printf(out, "%" G_GUINT64_FORMAT, value);
}

void json_add_boolean_member(GString *out, const gchar *name, gboolean value)
{
    json_add_name(out, name);
    g_string_append(out, value ? "true" : "false");
}
