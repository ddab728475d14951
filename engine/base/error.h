// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Short ways to fail with an error of the library's domain.
#pragma once

#include <glib.h>
#include <stdbool.h>

// EFFDET_ERROR_BAD_VALUE with a one-line message; always false.
bool fail_value(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

// g_propagate_error() for texts that may quote a file: they stay one line of valid UTF-8, because
// control characters become '?'. Takes the cause; NULL changes nothing.
void error_propagate_line(GError **error, GError *cause);
