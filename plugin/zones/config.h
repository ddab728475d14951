// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Areas and lines from JSON, and what is wrong with it. The form stands in
// examples/docs/zones.md.
#pragma once

#include "zones.h"

#define ZONES_CONFIG_MAX_BYTES (1024 * 1024)

// Of every error here; there is one code, 0. The messages are one line: where, what was wanted,
// what was found.
#define ZONES_CONFIG_ERROR zones_config_error_quark()
GQuark zones_config_error_quark(void);

// NULL and the error where the text is not what is wanted. An empty text is an empty configuration.
ZonesConfig *zones_config_parse(const gchar *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;

// The same from a file.
ZonesConfig *zones_config_load(const gchar *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
