// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Which ways out were built.
#include "transport.h"

static const Transport *not_built(const Target *target, const gchar *library, const gchar *option,
                                  GError **error) G_GNUC_UNUSED;
static const Transport *not_built(const Target *target, const gchar *library, const gchar *option,
                                  GError **error)
{
    g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                "location: wanted %s, found a plugin that was built without %s: build it with "
                "-D%s=enabled",
                target->name, library, option);
    return NULL;
}

const Transport *transport_of(const Target *target, GError **error)
{
    switch (target->kind) {
    case TARGET_MQTT:
#ifdef HAVE_MQTT
        return &transport_mqtt;
#else
        return not_built(target, "libmosquitto", "mqtt", error);
#endif
    case TARGET_KAFKA:
#ifdef HAVE_KAFKA
        return &transport_kafka;
#else
        return not_built(target, "librdkafka", "kafka", error);
#endif
    default:
        return &transport_file;
    }
}
