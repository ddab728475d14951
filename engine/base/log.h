// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Logging hook of the library. No formatting of values beyond printf; errors that go to a caller
// are GErrors, not log lines.
#pragma once

#include <glib.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
void log_message(enum log_level level, const char *format, ...) G_GNUC_PRINTF(2, 3);
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_message(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_message(LOG_DEBUG, __VA_ARGS__)
