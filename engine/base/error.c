// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The error domain and its short ways.
#include "base/error.h"

#include "effdet/effdet.h"

G_DEFINE_QUARK(effdet - error - quark, effdet_error)

bool fail_value(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE, text);
    return false;
}

void error_propagate_line(GError **error, GError *cause)
{
    if (!cause) {
        return;
    }
    char *line = g_utf8_make_valid(cause->message, -1);
    for (char *c = line; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = '?';
        }
    }
    g_free(cause->message);
    cause->message = line;
    g_propagate_error(error, cause);
}
