// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Where messages go, taken apart from the text that the user wrote. No connection is made here, and
// no error and no name that it gives has a password in it.
#pragma once

#include <glib.h>

typedef enum { TARGET_STDOUT, TARGET_FILE, TARGET_MQTT, TARGET_KAFKA } TargetKind;

typedef struct {
    TargetKind kind;
    gboolean tls;
    gchar *path; // of a file
    gchar *host; // MQTT: one name; Kafka: host[:port][,host[:port]]…
    guint port;  // MQTT
    gchar *topic;
    gchar *user, *password; // NULL = none
    gchar **options;        // Kafka: name, value, …, NULL
    gchar *name;            // for messages

    // As the element's properties have them; NULL = none.
    gchar *ca_file, *cert_file, *key_file;
    gchar *stream;
} Target;

// The forms are in README.md. What the text has no user for, the environment may have:
// EFFDET_PUBLISH_USER and EFFDET_PUBLISH_PASSWORD.
Target *target_parse(const gchar *location, GError **error);
void target_free(Target *self); // NULL is fine
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Target, target_free)

// Whether the files of certificates fit together and can be read.
gboolean target_check_files(const Target *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

// The text with stars for what may be secret. NULL for NULL. (transfer full)
gchar *target_redact(const gchar *location);
