// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The properties of `effdetpublish` and what they mean to a start.
#pragma once

#include "target.h"

#include <gst/gst.h>

// Guarded by the element's object lock.
typedef struct {
    gchar *location; // with its password
    gchar *stream, *ca_file, *cert_file, *key_file;
    guint queue_size;
    guint drain_ms;
    gboolean inferred_only, empty_frames;
} PublishSettings;

void publish_settings_init(PublishSettings *settings);
void publish_settings_clear(PublishSettings *settings);
void publish_settings_install(GObjectClass *klass);

// FALSE: not one of these properties.
gboolean publish_settings_set(PublishSettings *settings, guint id, const GValue *value);
gboolean publish_settings_get(const PublishSettings *settings, guint id, GValue *value);

// NULL with an error. (transfer full)
Target *publish_settings_target(const PublishSettings *settings, GError **error);

#define PUBLISH_PROP_STATS 100 // the element's own
