// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// MQTT by libmosquitto: QoS 1, one client a connection. What was not acknowledged stays in the
// outbox and is sent again on the next one, in the same order.
#include "transport.h"

#include <errno.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>

#define QOS 1
#define KEEPALIVE_S 15 // a broker that is silent for one and a half of it is gone
#define CONNECT_TIMEOUT_US (10 * G_USEC_PER_SEC)
#define WAIT_MS 500
#define SYSTEM_CERTIFICATES "/etc/ssl/certs"

typedef struct {
    gint mid;
    guint64 number;
} OnItsWay;

typedef struct {
    const Target *target;

    // Of one connection.
    struct mosquitto *client;
    Outbox *outbox;
    gboolean connected;
    gint refusal;       // of the connection, by the broker; 0 = none
    GArray *on_its_way; // OnItsWay, until the broker acknowledges it
    gchar *detail;      // the last thing that the library logged as an error
} Mqtt;

static gboolean fail(const Mqtt *self, const gchar *text, GError **error)
{
    g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ_WRITE, "%s%s%s", text,
                self->detail != NULL ? ": " : "", self->detail != NULL ? self->detail : "");
    return FALSE;
}

static gboolean fail_code(const Mqtt *self, gint code, GError **error)
{
    return fail(self, code == MOSQ_ERR_ERRNO ? g_strerror(errno) : mosquitto_strerror(code), error);
}

// ---- the library's calls ------------------------------------------------------------------------

static void on_connect(struct mosquitto *client, void *data, int code)
{
    Mqtt *self = data;

    self->connected = code == 0;
    self->refusal = code;
}

static void on_publish(struct mosquitto *client, void *data, int mid)
{
    Mqtt *self = data;

    for (guint i = 0; i < self->on_its_way->len; i++) {
        const OnItsWay *message = &g_array_index(self->on_its_way, OnItsWay, i);

        if (message->mid == mid) {
            outbox_done(self->outbox, message->number);
            g_array_remove_index(self->on_its_way, i);
            return;
        }
    }
}

static void on_log(struct mosquitto *client, void *data, int level, const char *text)
{
    Mqtt *self = data;

    GST_LOG("libmosquitto: %s", text);
    if (level == MOSQ_LOG_ERR) {
        g_free(self->detail);
        self->detail = g_strdup(text);
    }
}

// The default asks for it on the terminal.
static int no_key_password(char *buffer, int size, int rwflag, void *data)
{
    return 0;
}

// ---- a connection -------------------------------------------------------------------------------

static gint set_up_tls(Mqtt *self)
{
    const Target *target = self->target;
    gint code;

    if (target->ca_file == NULL) {
        code = mosquitto_int_option(self->client, MOSQ_OPT_TLS_USE_OS_CERTS, 1);
        if (code != MOSQ_ERR_SUCCESS) {
            return code;
        }
    }
    return mosquitto_tls_set(self->client, target->ca_file,
                             target->ca_file == NULL ? SYSTEM_CERTIFICATES : NULL,
                             target->cert_file, target->key_file, no_key_password);
}

static gboolean set_up(Mqtt *self, GError **error)
{
    const Target *target = self->target;
    gint code = MOSQ_ERR_SUCCESS;

    self->client = mosquitto_new(NULL, true, self);
    if (self->client == NULL) {
        return fail(self, "cannot make an MQTT client", error);
    }
    mosquitto_connect_callback_set(self->client, on_connect);
    mosquitto_publish_callback_set(self->client, on_publish);
    mosquitto_log_callback_set(self->client, on_log);
    if (target->user != NULL) {
        code = mosquitto_username_pw_set(self->client, target->user, target->password);
    }
    if (code == MOSQ_ERR_SUCCESS && target->tls) {
        code = set_up_tls(self);
    }
    if (code == MOSQ_ERR_SUCCESS) { // how many, the outbox decides
        code = mosquitto_int_option(self->client, MOSQ_OPT_SEND_MAXIMUM, G_MAXUINT16);
    }
    return code == MOSQ_ERR_SUCCESS || fail_code(self, code, error);
}

static void tear_down(Mqtt *self)
{
    if (self->client != NULL) {
        mosquitto_destroy(self->client);
        self->client = NULL;
    }
    self->connected = FALSE;
    self->refusal = 0;
    g_array_set_size(self->on_its_way, 0);
    g_clear_pointer(&self->detail, g_free);
}

static gint publish(Mqtt *self)
{
    OutboxMessage message;

    while (self->connected && outbox_take(self->outbox, &message)) {
        OnItsWay sent = {.number = message.number};
        gint code = message.length > MQTT_MAX_PAYLOAD
                        ? MOSQ_ERR_PAYLOAD_SIZE
                        : mosquitto_publish(self->client, &sent.mid, self->target->topic,
                                            (int)message.length, message.text, QOS, false);

        if (code == MOSQ_ERR_PAYLOAD_SIZE || code == MOSQ_ERR_OVERSIZE_PACKET) {
            outbox_refuse(self->outbox, message.number, mosquitto_strerror(code));
        } else if (code != MOSQ_ERR_SUCCESS) {
            return code;
        } else {
            g_array_append_val(self->on_its_way, sent);
        }
    }
    return MOSQ_ERR_SUCCESS;
}

// Whatever the socket is ready for.
static gint serve(Mqtt *self)
{
    gboolean writes = mosquitto_want_write(self->client);
    gushort ready = outbox_wait(self->outbox, mosquitto_socket(self->client),
                                G_IO_IN | (writes ? G_IO_OUT : 0), WAIT_MS);
    gint code = MOSQ_ERR_SUCCESS;

    if ((ready & G_IO_OUT) != 0) {
        code = mosquitto_loop_write(self->client, 1);
    }
    if (code == MOSQ_ERR_SUCCESS && (ready & ~G_IO_OUT) != 0) {
        code = mosquitto_loop_read(self->client, 1);
    }
    return code == MOSQ_ERR_SUCCESS ? mosquitto_loop_misc(self->client) : code;
}

static gboolean live(Mqtt *self, GError **error)
{
    gint64 deadline_us = g_get_monotonic_time() + CONNECT_TIMEOUT_US;
    gint code = mosquitto_connect_async(self->client, self->target->host, (int)self->target->port,
                                        KEEPALIVE_S);

    while (code == MOSQ_ERR_SUCCESS && !outbox_ends(self->outbox)) {
        gboolean before = self->connected;

        code = serve(self);
        if (self->refusal != 0) {
            return fail(self, mosquitto_connack_string(self->refusal), error);
        }
        if (self->connected && !before) {
            outbox_connected(self->outbox);
        } else if (!self->connected && g_get_monotonic_time() > deadline_us) {
            return fail(self, "the broker does not answer", error);
        }
        if (code == MOSQ_ERR_SUCCESS) {
            code = publish(self);
        }
    }
    if (code == MOSQ_ERR_SUCCESS) {
        mosquitto_disconnect(self->client);
    }
    return code == MOSQ_ERR_SUCCESS || fail_code(self, code, error);
}

static gboolean mqtt_run(gpointer data, Outbox *outbox, GError **error)
{
    Mqtt *self = data;
    gboolean ok;

    self->outbox = outbox;
    ok = set_up(self, error) && live(self, error);
    tear_down(self);
    return ok;
}

static gpointer mqtt_open(const Target *target, GError **error)
{
    static gsize initialised; // never undone: others in the process may use the library
    Mqtt *self = g_new0(Mqtt, 1);

    if (g_once_init_enter(&initialised)) {
        mosquitto_lib_init();
        g_once_init_leave(&initialised, 1);
    }
    self->target = target;
    self->on_its_way = g_array_new(FALSE, FALSE, sizeof(OnItsWay));
    return self;
}

static void mqtt_free(gpointer data)
{
    Mqtt *self = data;

    g_array_unref(self->on_its_way);
    g_free(self);
}

const Transport transport_mqtt = {.open = mqtt_open, .run = mqtt_run, .free = mqtt_free};
