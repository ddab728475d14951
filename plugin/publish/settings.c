// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The properties of `effdetpublish`.
#include "settings.h"

#include "base/fields.h"

#define DEFAULT_LOCATION "-"
#define DEFAULT_QUEUE_SIZE 1000
#define DEFAULT_DRAIN_MS 5000

enum {
    PROP_LOCATION = 1,
    PROP_STREAM,
    PROP_INFERRED_ONLY,
    PROP_EMPTY_FRAMES,
    PROP_QUEUE_SIZE,
    PROP_DRAIN_TIME,
    PROP_CA_FILE,
    PROP_CERT_FILE,
    PROP_KEY_FILE,
};

void publish_settings_init(PublishSettings *settings)
{
    *settings = (PublishSettings){.location = g_strdup(DEFAULT_LOCATION),
                                  .queue_size = DEFAULT_QUEUE_SIZE,
                                  .drain_ms = DEFAULT_DRAIN_MS};
}

void publish_settings_clear(PublishSettings *settings)
{
    g_free(settings->location);
    g_free(settings->stream);
    g_free(settings->ca_file);
    g_free(settings->cert_file);
    g_free(settings->key_file);
}

static gpointer field(PublishSettings *settings, guint id)
{
    switch (id) {
    case PROP_LOCATION:
        return &settings->location;
    case PROP_STREAM:
        return &settings->stream;
    case PROP_INFERRED_ONLY:
        return &settings->inferred_only;
    case PROP_EMPTY_FRAMES:
        return &settings->empty_frames;
    case PROP_QUEUE_SIZE:
        return &settings->queue_size;
    case PROP_DRAIN_TIME:
        return &settings->drain_ms;
    case PROP_CA_FILE:
        return &settings->ca_file;
    case PROP_CERT_FILE:
        return &settings->cert_file;
    case PROP_KEY_FILE:
        return &settings->key_file;
    default:
        return NULL;
    }
}

gboolean publish_settings_set(PublishSettings *settings, guint id, const GValue *value)
{
    gpointer place = field(settings, id);

    if (place != NULL) {
        field_set(place, value);
    }
    return place != NULL;
}

gboolean publish_settings_get(const PublishSettings *settings, guint id, GValue *value)
{
    gconstpointer place = field((PublishSettings *)settings, id);

    if (id == PROP_LOCATION) { // others read it: debuggers, graphs of the pipeline
        g_value_take_string(value, target_redact(settings->location));
    } else if (place != NULL) {
        field_get(place, value);
    }
    return place != NULL;
}

Target *publish_settings_target(const PublishSettings *settings, GError **error)
{
    Target *target = target_parse(settings->location, error);

    if (target != NULL) {
        target->ca_file = g_strdup(settings->ca_file);
        target->cert_file = g_strdup(settings->cert_file);
        target->key_file = g_strdup(settings->key_file);
        target->stream = g_strdup(settings->stream);
    }
    return target;
}

static void install_text(GObjectClass *klass, guint id, const gchar *name, const gchar *nick,
                         const gchar *blurb, const gchar *value)
{
    g_object_class_install_property(
        klass, id,
        g_param_spec_string(name, nick, blurb, value,
                            G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY));
}

static void install_choices(GObjectClass *klass)
{
    const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;

    g_object_class_install_property(
        klass, PROP_INFERRED_ONLY,
        g_param_spec_boolean("inferred-only", "Inferred only",
                             "Only frames that the detector looked at, none with objects that a "
                             "tracker predicts",
                             FALSE, flags | GST_PARAM_MUTABLE_PLAYING));
    g_object_class_install_property(klass, PROP_EMPTY_FRAMES,
                                    g_param_spec_boolean("empty-frames", "Empty frames",
                                                         "Also frames without objects", FALSE,
                                                         flags | GST_PARAM_MUTABLE_PLAYING));
    g_object_class_install_property(
        klass, PROP_QUEUE_SIZE,
        g_param_spec_uint("queue-size", "Queue size",
                          "Messages that are kept until they are taken; of more, the oldest are "
                          "dropped",
                          2, 1000000, DEFAULT_QUEUE_SIZE, flags | GST_PARAM_MUTABLE_READY));
    g_object_class_install_property(
        klass, PROP_DRAIN_TIME,
        g_param_spec_uint("drain-time", "Time to drain",
                          "How long the end waits for messages to be taken (ms)", 0, 600000,
                          DEFAULT_DRAIN_MS, flags | GST_PARAM_MUTABLE_PLAYING));
}

void publish_settings_install(GObjectClass *klass)
{
    install_text(klass, PROP_LOCATION, "location", "Location",
                 "Where to: - (standard output), a path, file:///path, "
                 "mqtt://[user[:password]@]host[:port]/topic, mqtts://…, "
                 "kafka://[user:password@]host[:port][,…]/topic[?option=value], kafkas://…; reads "
                 "without password",
                 DEFAULT_LOCATION);
    install_text(klass, PROP_STREAM, "stream", "Stream",
                 "Name of the stream: source in the JSON, key of Kafka's messages", NULL);
    install_choices(klass);
    install_text(klass, PROP_CA_FILE, "ca-file", "CA file",
                 "Certificates (PEM) of who may vouch for the broker; else those of the system",
                 NULL);
    install_text(klass, PROP_CERT_FILE, "cert-file", "Certificate file",
                 "Certificate (PEM) that we show the broker", NULL);
    install_text(klass, PROP_KEY_FILE, "key-file", "Key file",
                 "Private key (PEM, without a password) of cert-file", NULL);
}
