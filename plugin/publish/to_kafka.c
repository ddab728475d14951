// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Kafka by librdkafka: an idempotent producer that keeps its own connections. Here is what it is
// told, and what its reports mean to the outbox.
#include "transport.h"

#include <librdkafka/rdkafka.h>
#include <string.h>

#define WAIT_MS 1000

typedef struct {
    const Target *target;
    rd_kafka_t *producer; // NULL: the last one could not go on
    Outbox *outbox;       // in run()
    gchar *failure;       // what made it impossible to go on; NULL = nothing
    gchar *detail;        // what was wrong with one of the brokers last
} Kafka;

// ---- reports, in rd_kafka_poll() ----------------------------------------------------------------

static void on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *data)
{
    Kafka *self = data;
    guint64 number = GPOINTER_TO_SIZE(message->_private);

    switch (message->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        outbox_done(self->outbox, number);
        outbox_connected(self->outbox);
        break;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
        outbox_refuse(self->outbox, number, rd_kafka_err2str(message->err));
        break;
    default: // it waits again, and so do those behind it
        if (self->failure == NULL) {
            self->failure = g_strdup(rd_kafka_err2str(message->err));
        }
    }
}

static void on_error(rd_kafka_t *producer, int code, const char *reason, void *data)
{
    Kafka *self = data;

    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        g_free(self->failure);
        self->failure = g_strdup(reason);
    } else if (code == RD_KAFKA_RESP_ERR__TRANSPORT) {
        g_free(self->detail);
        self->detail = g_strdup(reason);
    } else if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        outbox_lost(self->outbox, self->detail != NULL ? self->detail : reason);
    } else if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION || code == RD_KAFKA_RESP_ERR__SSL ||
               code == RD_KAFKA_RESP_ERR__RESOLVE) {
        outbox_lost(self->outbox, reason);
    }
}

// The default writes to standard error.
static void on_log(const rd_kafka_t *producer, int level, const char *facility, const char *text)
{
    GST_DEBUG("librdkafka: %s: %s", facility, text);
}

// ---- a producer ---------------------------------------------------------------------------------

static gboolean set(rd_kafka_conf_t *conf, const gchar *name, const gchar *value, GError **error)
{
    gchar text[512];

    if (value == NULL ||
        rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK) {
        return TRUE;
    }
    // Its own text repeats the value, which may be a password.
    g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                "location: wanted an option and value that librdkafka knows, found %s", name);
    return FALSE;
}

static gboolean configure(const Target *target, rd_kafka_conf_t *conf, GError **error)
{
    const gchar *protocol = target->user != NULL ? (target->tls ? "sasl_ssl" : "sasl_plaintext")
                                                 : (target->tls ? "ssl" : "plaintext");

    if (!set(conf, "bootstrap.servers", target->host, error) ||
        !set(conf, "client.id", "effdetpublish", error) ||
        !set(conf, "enable.idempotence", "true", error) ||
        !set(conf, "enable.gapless.guarantee", "true", error) || // what failed is sent first again
        !set(conf, "message.timeout.ms", "0", error) ||          // the outbox decides
        !set(conf, "security.protocol", protocol, error) ||
        !set(conf, "sasl.mechanism", target->user != NULL ? "PLAIN" : NULL, error) ||
        !set(conf, "sasl.username", target->user, error) ||
        !set(conf, "sasl.password", target->password, error) ||
        !set(conf, "ssl.ca.location", target->ca_file, error) ||
        !set(conf, "ssl.certificate.location", target->cert_file, error) ||
        !set(conf, "ssl.key.location", target->key_file, error)) {
        return FALSE;
    }
    for (guint i = 0; target->options != NULL && target->options[i] != NULL; i += 2) {
        if (!set(conf, target->options[i], target->options[i + 1], error)) {
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean make_producer(Kafka *self, GError **error)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    gchar text[512];

    if (!configure(self->target, conf, error)) {
        rd_kafka_conf_destroy(conf);
        return FALSE;
    }
    rd_kafka_conf_set_opaque(conf, self);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
    self->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (self->producer == NULL) {
        rd_kafka_conf_destroy(conf);
        g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                    "%s: librdkafka cannot work with this: %s", self->target->name, text);
    }
    return self->producer != NULL;
}

static void end_producer(Kafka *self)
{
    if (self->producer != NULL) {
        rd_kafka_purge(self->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_destroy(self->producer);
        self->producer = NULL;
    }
}

// All that is there, as far as it may be on its way.
static void produce(Kafka *self)
{
    const gchar *key = self->target->stream;
    const gsize key_length = key != NULL ? strlen(key) : 0;
    OutboxMessage message;

    while (self->failure == NULL && outbox_take(self->outbox, &message)) {
        rd_kafka_resp_err_t code = rd_kafka_producev(
            self->producer, RD_KAFKA_V_TOPIC(self->target->topic), RD_KAFKA_V_KEY(key, key_length),
            RD_KAFKA_V_VALUE((void *)message.text, message.length),
            RD_KAFKA_V_OPAQUE(GSIZE_TO_POINTER(message.number)), RD_KAFKA_V_END);

        if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
            outbox_refuse(self->outbox, message.number, rd_kafka_err2str(code));
        } else if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            self->failure = g_strdup(rd_kafka_err2str(code));
        }
    }
}

static gboolean kafka_run(gpointer data, Outbox *outbox, GError **error)
{
    Kafka *self = data;
    rd_kafka_queue_t *events;
    gboolean ok;

    self->outbox = outbox;
    if (self->producer == NULL && !make_producer(self, error)) {
        return FALSE;
    }
    events = rd_kafka_queue_get_main(self->producer);
    rd_kafka_queue_io_event_enable(events, outbox_wake_fd(outbox), "!", 1);
    while (self->failure == NULL && !outbox_ends(outbox)) {
        produce(self);
        outbox_wait(outbox, -1, 0, WAIT_MS);
        rd_kafka_poll(self->producer, 0);
    }
    rd_kafka_queue_io_event_enable(events, -1, NULL, 0);
    rd_kafka_queue_destroy(events);
    ok = self->failure == NULL;
    if (!ok) {
        g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE, "%s", self->failure);
        end_producer(self);
        g_clear_pointer(&self->failure, g_free);
    }
    return ok;
}

static void kafka_free(gpointer data)
{
    Kafka *self = data;

    end_producer(self);
    g_free(self->failure);
    g_free(self->detail);
    g_free(self);
}

static gpointer kafka_open(const Target *target, GError **error)
{
    Kafka *self = g_new0(Kafka, 1);

    self->target = target;
    if (!make_producer(self, error)) {
        kafka_free(self);
        return NULL;
    }
    return self;
}

const Transport transport_kafka = {.open = kafka_open, .run = kafka_run, .free = kafka_free};
