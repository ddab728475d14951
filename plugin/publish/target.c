// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Schemes and the parts of an address.
#include "target.h"

#include <gst/gst.h>
#include <string.h>
#include <unistd.h>

#define STARS "***"

typedef struct {
    const gchar *scheme;
    TargetKind kind;
    gboolean tls;
    guint port;
} Scheme;

static const Scheme schemes[] = {
    {"mqtt", TARGET_MQTT, FALSE, 1883},
    {"mqtts", TARGET_MQTT, TRUE, 8883},
    {"kafka", TARGET_KAFKA, FALSE, 9092},
    {"kafkas", TARGET_KAFKA, TRUE, 9092},
};

#define WANTED                                                                                     \
    "wanted -, a path, file:///path, mqtt://[user[:password]@]host[:port]/topic, mqtts://…, "    \
    "kafka://[user:password@]host[:port][,host[:port]]/topic[?option=value] or kafkas://…"

static gboolean fail(GError **error, const gchar *format, ...) G_GNUC_PRINTF(2, 3);
static gboolean fail(GError **error, const gchar *format, ...)
{
    g_autofree gchar *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "location: %s", text);
    return FALSE;
}

// Percent signs resolved; NULL with an error where they are wrong.
static gchar *unescape(const gchar *text, gssize length, const gchar *what, GError **error)
{
    g_autofree gchar *part = length < 0 ? g_strdup(text) : g_strndup(text, (gsize)length);
    gchar *plain = g_uri_unescape_string(part, NULL);

    if (plain == NULL) {
        fail(error, "wanted two hexadecimal digits behind each %% of the %s", what);
    }
    return plain;
}

static gboolean parse_user(Target *self, const gchar *text, gsize length, GError **error)
{
    const gchar *colon = memchr(text, ':', length);

    if (colon != NULL) {
        self->password = unescape(colon + 1, text + length - colon - 1, "password", error);
        if (self->password == NULL) {
            return FALSE;
        }
        length = (gsize)(colon - text);
    }
    self->user = unescape(text, (gssize)length, "user", error);
    return self->user != NULL;
}

static gboolean parse_port(const gchar *text, guint *port, GError **error)
{
    guint64 value;

    if (!g_ascii_string_to_unsigned(text, 10, 1, G_MAXUINT16, &value, NULL)) {
        return fail(error, "wanted a port from 1 to 65535 behind the host (and %%2F for a / in "
                           "user or password)");
    }
    *port = (guint)value;
    return TRUE;
}

// host, host:port, [v6], [v6]:port: fills the name without brackets, and the port if there is one.
static gboolean parse_host(const gchar *text, gchar **host, guint *port, GError **error)
{
    const gchar *end = text[0] == '[' ? strchr(text, ']') : strchr(text, ':'), *rest;

    if (text[0] == '[' && end == NULL) {
        return fail(error, "wanted a ] behind the address of the host");
    }
    if (end == NULL) {
        end = text + strlen(text);
    }
    rest = text[0] == '[' ? end + 1 : end;
    *host = text[0] == '[' ? g_strndup(text + 1, (gsize)(end - text - 1))
                           : g_strndup(text, (gsize)(end - text));
    if (**host == '\0') {
        return fail(error, "wanted a host, found none; " WANTED);
    }
    if (*rest == '\0') {
        return TRUE;
    }
    if (*rest != ':') {
        return fail(error, "wanted :port behind the ] of the host");
    }
    return parse_port(rest + 1, port, error);
}

// Kafka's list of hosts is checked, and given on as it is.
static gboolean parse_hosts(Target *self, const gchar *text, GError **error)
{
    g_auto(GStrv) hosts = g_strsplit(text, ",", -1);

    if (self->kind == TARGET_MQTT) {
        return parse_host(text, &self->host, &self->port, error);
    }
    if (hosts[0] == NULL) {
        return fail(error, "wanted a host, found none; " WANTED);
    }
    for (guint i = 0; hosts[i] != NULL; i++) {
        g_autofree gchar *host = NULL;
        guint port;

        if (!parse_host(hosts[i], &host, &port, error)) {
            return FALSE;
        }
    }
    self->host = g_strdup(text);
    return TRUE;
}

static gboolean parse_options(Target *self, const gchar *query, GError **error)
{
    g_auto(GStrv) pairs = g_strsplit(query, "&", -1);
    g_autoptr(GPtrArray) options = g_ptr_array_new_with_free_func(g_free);

    if (self->kind != TARGET_KAFKA) {
        return fail(error, "wanted no ? behind an MQTT topic (%%3F for one in its name)");
    }
    for (guint i = 0; pairs[i] != NULL; i++) {
        gchar *equals = strchr(pairs[i], '='), *value;

        if (equals == NULL || equals == pairs[i]) {
            return fail(error, "wanted option=value behind the ?, separated by &");
        }
        value = unescape(equals + 1, -1, "option's value", error);
        if (value == NULL) {
            return FALSE;
        }
        g_ptr_array_add(options, g_strndup(pairs[i], (gsize)(equals - pairs[i])));
        g_ptr_array_add(options, value);
    }
    g_ptr_array_add(options, NULL);
    self->options = (gchar **)g_ptr_array_steal(options, NULL);
    return TRUE;
}

static gboolean parse_topic(Target *self, const gchar *text, gsize length, GError **error)
{
    self->topic = unescape(text, (gssize)length, "topic", error);
    if (self->topic == NULL) {
        return FALSE;
    }
    if (*self->topic == '\0') {
        return fail(error, "wanted a topic behind the host, found none; " WANTED);
    }
    if (!g_utf8_validate(self->topic, -1, NULL)) {
        return fail(error, "wanted UTF-8 in the topic");
    }
    if (self->kind == TARGET_MQTT && strpbrk(self->topic, "+#") != NULL) {
        return fail(error, "wanted a topic to publish to, found + or #, which are for subscribers");
    }
    return TRUE;
}

// What stands behind "://".
static gboolean parse_address(Target *self, const gchar *text, GError **error)
{
    gsize length = strcspn(text, "/?");
    g_autofree gchar *authority = g_strndup(text, length);
    const gchar *at = strrchr(authority, '@'), *topic = text + length + (text[length] == '/');
    gsize topic_length = strcspn(topic, "?");

    if (at != NULL && !parse_user(self, authority, (gsize)(at - authority), error)) {
        return FALSE;
    }
    if (!parse_hosts(self, at != NULL ? at + 1 : authority, error) ||
        !parse_topic(self, topic, topic_length, error)) {
        return FALSE;
    }
    if (topic[topic_length] == '?' && !parse_options(self, topic + topic_length + 1, error)) {
        return FALSE;
    }
    if (self->user == NULL) {
        self->user = g_strdup(g_getenv("EFFDET_PUBLISH_USER"));
        self->password = g_strdup(g_getenv("EFFDET_PUBLISH_PASSWORD"));
    }
    return TRUE;
}

static gboolean parse_remote(Target *self, const gchar *location, GError **error)
{
    const gchar *address = strstr(location, "://") + strlen("://");
    g_autofree gchar *scheme = g_strndup(location, (gsize)(strstr(location, "://") - location));

    for (guint i = 0; i < G_N_ELEMENTS(schemes); i++) {
        if (g_ascii_strcasecmp(scheme, schemes[i].scheme) == 0) {
            self->kind = schemes[i].kind;
            self->tls = schemes[i].tls;
            self->port = schemes[i].port;
            if (!parse_address(self, address, error)) {
                return FALSE;
            }
            self->name =
                self->kind == TARGET_MQTT
                    ? g_strdup_printf("%s://%s:%u/%s", schemes[i].scheme, self->host, self->port,
                                      self->topic)
                    : g_strdup_printf("%s://%s/%s", schemes[i].scheme, self->host, self->topic);
            return TRUE;
        }
    }
    return fail(error, WANTED ", found %s://", scheme);
}

Target *target_parse(const gchar *location, GError **error)
{
    g_autoptr(Target) self = g_new0(Target, 1);

    if (location == NULL || *location == '\0') {
        fail(error, WANTED ", found nothing");
        return NULL;
    }
    if (strcmp(location, "-") == 0) {
        self->kind = TARGET_STDOUT;
        self->name = g_strdup("standard output");
    } else if (g_ascii_strncasecmp(location, "file://", 7) == 0) {
        g_autofree gchar *host = NULL;

        self->kind = TARGET_FILE;
        self->path = g_filename_from_uri(location, &host, NULL);
        if (self->path == NULL || host != NULL) {
            fail(error, "wanted file:///path, with three slashes, found %s", location);
            return NULL;
        }
    } else if (strstr(location, "://") != NULL) {
        if (!parse_remote(self, location, error)) {
            return NULL;
        }
    } else {
        self->kind = TARGET_FILE;
        self->path = g_strdup(location);
    }
    if (self->name == NULL) {
        self->name = g_filename_display_name(self->path);
    }
    return g_steal_pointer(&self);
}

void target_free(Target *self)
{
    if (self == NULL) {
        return;
    }
    g_free(self->path);
    g_free(self->host);
    g_free(self->topic);
    g_free(self->user);
    g_free(self->password);
    g_strfreev(self->options);
    g_free(self->name);
    g_free(self->ca_file);
    g_free(self->cert_file);
    g_free(self->key_file);
    g_free(self->stream);
    g_free(self);
}

static gboolean check_file(const gchar *property, const gchar *path, GError **error)
{
    if (path == NULL || (g_file_test(path, G_FILE_TEST_IS_REGULAR) && access(path, R_OK) == 0)) {
        return TRUE;
    }
    g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                "%s: wanted a file that can be read, found %s", property, path);
    return FALSE;
}

gboolean target_check_files(const Target *self, GError **error)
{
    if (!self->tls && (self->ca_file != NULL || self->cert_file != NULL)) {
        g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                    "ca-file and cert-file: wanted mqtts:// or kafkas:// with them, found %s",
                    self->name);
        return FALSE;
    }
    if ((self->cert_file != NULL) != (self->key_file != NULL)) {
        g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                    "cert-file and key-file: wanted both or neither, found one");
        return FALSE;
    }
    return check_file("ca-file", self->ca_file, error) &&
           check_file("cert-file", self->cert_file, error) &&
           check_file("key-file", self->key_file, error);
}

gchar *target_redact(const gchar *location)
{
    const gchar *address, *at, *colon, *query;
    gsize shown;

    if (location == NULL || (address = strstr(location, "://")) == NULL ||
        g_ascii_strncasecmp(location, "file://", 7) == 0) {
        return g_strdup(location);
    }
    address += strlen("://");
    // The last one, whatever stands before it: a password with a / in it is wrong, and no less
    // secret.
    at = strrchr(address, '@');
    colon = at != NULL ? memchr(address, ':', (gsize)(at - address)) : NULL;
    query = strchr(at != NULL ? at : address, '?');
    shown = query != NULL ? (gsize)(query - location) : strlen(location);
    if (colon == NULL) {
        return g_strdup_printf("%.*s%s", (gint)shown, location, query != NULL ? "?" STARS : "");
    }
    return g_strdup_printf("%.*s" STARS "%.*s%s", (gint)(colon + 1 - location), location,
                           (gint)(location + shown - at), at, query != NULL ? "?" STARS : "");
}
