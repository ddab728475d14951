// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The logging hook.
#include "base/log.h"

#include "effdet/effdet.h"

static EffdetLogFunc log_func;
static gpointer log_data;

void effdet_set_log_func(EffdetLogFunc func, gpointer user_data)
{
    log_func = func;
    log_data = user_data;
}

void log_message(enum log_level level, const char *format, ...)
{
    static const GLogLevelFlags flags[] = {G_LOG_LEVEL_WARNING, G_LOG_LEVEL_WARNING,
                                           G_LOG_LEVEL_INFO, G_LOG_LEVEL_DEBUG};
    va_list args;
    va_start(args, format);
    g_autofree gchar *text = g_strdup_vprintf(format, args);
    va_end(args);
    if (log_func) {
        log_func(level, text, log_data);
    } else {
        g_log("effdet", flags[level], "%s", text);
    }
}
