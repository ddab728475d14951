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
