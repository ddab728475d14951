// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// effdetpublish to the cluster that librdkafka has for tests: what is sent is read back with its
// key, also when the broker was away.
#include "publish_video.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <string.h>

#include "publish/gsteffdetpublish.h"

#define TOPIC "effdet"
#define N_PARTITIONS 4
#define PATIENCE_US (20 * G_USEC_PER_SEC)

typedef struct {
    rd_kafka_t *owner;
    rd_kafka_mock_cluster_t *cluster;
    gchar *location;
} Cluster;

static void be_silent(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
}

static rd_kafka_t *new_client(rd_kafka_type_t type, const gchar *servers)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    gchar text[256];
    rd_kafka_t *client;

    rd_kafka_conf_set_log_cb(conf, be_silent);
    if (servers != NULL) {
        rd_kafka_conf_set(conf, "bootstrap.servers", servers, NULL, 0);
        rd_kafka_conf_set(conf, "group.id", "test", NULL, 0);
        rd_kafka_conf_set(conf, "fetch.wait.max.ms", "20", NULL, 0);
    }
    client = rd_kafka_new(type, conf, text, sizeof text);
    g_assert_nonnull(client);
    return client;
}

static Cluster start_cluster(const gchar *options)
{
    Cluster self = {.owner = new_client(RD_KAFKA_PRODUCER, NULL)};

    self.cluster = rd_kafka_mock_cluster_new(self.owner, 1);
    g_assert_nonnull(self.cluster);
    rd_kafka_mock_topic_create(self.cluster, TOPIC, N_PARTITIONS, 1);
    self.location = g_strdup_printf("kafka://%s/" TOPIC "?%s",
                                    rd_kafka_mock_cluster_bootstraps(self.cluster), options);
    return self;
}

static void stop_cluster(Cluster *self)
{
    rd_kafka_mock_cluster_destroy(self->cluster);
    rd_kafka_destroy(self->owner);
    g_free(self->location);
}

// Reads until there are n lines, of which each has the key and all are in one partition.
static GPtrArray *read_lines(const Cluster *self, const gchar *key, guint n)
{
    rd_kafka_t *consumer =
        new_client(RD_KAFKA_CONSUMER, rd_kafka_mock_cluster_bootstraps(self->cluster));
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(N_PARTITIONS);
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    gint64 end = g_get_monotonic_time() + PATIENCE_US;
    gint32 partition = -1;

    for (gint32 i = 0; i < N_PARTITIONS; i++) {
        rd_kafka_topic_partition_list_add(all, TOPIC, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    g_assert_cmpint(rd_kafka_assign(consumer, all), ==, RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(all);
    while (lines->len < n && g_get_monotonic_time() < end) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);

        if (message != NULL && message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            g_assert_true(partition < 0 || message->partition == partition);
            partition = message->partition;
            g_assert_cmpmem(message->key, message->key_len, key, strlen(key));
            g_ptr_array_add(lines, g_strndup(message->payload, message->len));
        }
        g_clear_pointer(&message, rd_kafka_message_destroy);
    }
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return lines;
}

static void wait_for(GstHarness *h, const gchar *stat, guint64 value)
{
    gint64 end = g_get_monotonic_time() + PATIENCE_US;

    while (publish_stat(h, stat) != value && g_get_monotonic_time() < end) {
        g_usleep(1000);
    }
    g_assert_cmpuint(publish_stat(h, stat), ==, value);
}

static void test_key_and_payload(void)
{
    Cluster cluster = start_cluster("linger.ms=1");
    GstHarness *h = publish_harness(cluster.location, "stream", "door 1", NULL);
    g_autoptr(GPtrArray) lines = NULL;
    g_autoptr(JsonNode) node = NULL;

    for (guint i = 0; i < 120; i++) { // more than may be on their way
        publish_push(h, i, 1, NULL);
    }
    publish_stop(h);
    lines = read_lines(&cluster, "door 1", 120);
    g_assert_cmpuint(lines->len, ==, 120); // idempotent: none came twice
    publish_assert_all(lines, 120);
    node = publish_parse(lines->pdata[0]);
    g_assert_cmpstr(json_object_get_string_member(json_node_get_object(node), "source"), ==,
                    "door 1");
    stop_cluster(&cluster);
}

// The broker goes, the video does not notice; it comes back, and nothing is missing.
static void test_broker_away(void)
{
    Cluster cluster = start_cluster("linger.ms=1&reconnect.backoff.ms=20&"
                                    "reconnect.backoff.max.ms=100&retry.backoff.ms=20");
    GstHarness *h = publish_harness(cluster.location, "stream", "yard", NULL);
    g_autoptr(GPtrArray) lines = NULL;
    g_autoptr(GError) error = NULL;
    gint64 longest_us = 0, end = g_get_monotonic_time() + PATIENCE_US;
    guint n_warnings = 0;

    for (guint i = 0; i < 50; i++) {
        publish_push(h, i, 1, &longest_us);
    }
    wait_for(h, "published", 50);
    rd_kafka_mock_broker_set_down(cluster.cluster, 1);
    for (guint i = 50; i < 200; i++) {
        publish_push(h, i, 1, &longest_us);
    }
    while (n_warnings == 0 && g_get_monotonic_time() < end) {
        n_warnings = publish_messages(h, GST_MESSAGE_WARNING, &error);
        g_usleep(1000);
    }
    g_assert_cmpuint(n_warnings, ==, 1);
    g_assert_nonnull(strstr(error->message, "No connection to kafka://"));
    g_assert_cmpuint(publish_stat(h, "queued"), ==, 150);
    rd_kafka_mock_broker_set_up(cluster.cluster, 1);
    wait_for(h, "published", 200);
    g_assert_cmpuint(publish_stat(h, "reconnects"), ==, 1);
    g_assert_cmpuint(publish_messages(h, GST_MESSAGE_INFO, NULL), ==, 1);
    g_assert_cmpuint(publish_stat(h, "dropped"), ==, 0);
    publish_stop(h);
    lines = read_lines(&cluster, "yard", 200);
    publish_assert_all(lines, 200);
    g_test_message("longest time in the element: %" G_GINT64_FORMAT " us", longest_us);
    g_assert_cmpint(longest_us, <, G_USEC_PER_SEC / 2);
    stop_cluster(&cluster);
}

// What the broker never takes is counted; an error that passes is no loss.
static void test_refusals(void)
{
    Cluster cluster = start_cluster("linger.ms=1&retry.backoff.ms=20&message.max.bytes=2000&"
                                    "max.in.flight=1"); // the mock takes what comes behind a gap
    GstHarness *h = publish_harness(cluster.location, "stream", "x", NULL);
    g_autoptr(GPtrArray) lines = NULL;
    g_autoptr(GError) error = NULL;

    rd_kafka_mock_push_request_errors(cluster.cluster, 0 /* Produce */, 2,
                                      RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    for (guint i = 0; i < 10; i++) {
        publish_push(h, i, 1, NULL);
    }
    wait_for(h, "published", 10);
    publish_push(h, 11, 60, NULL); // more than message.max.bytes
    wait_for(h, "dropped", 1);
    fixture_wait_until(publish_messages(h, GST_MESSAGE_WARNING, &error) > 0);
    g_assert_nonnull(strstr(error->message, "A message was refused"));
    publish_stop(h);
    lines = read_lines(&cluster, "x", 10);
    publish_assert_all(lines, 10);
    stop_cluster(&cluster);
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_assert_true(GST_ELEMENT_REGISTER(effdetpublish, NULL));
    g_test_add_func("/plugin/publish/kafka/key-and-payload", test_key_and_payload);
    g_test_add_func("/plugin/publish/kafka/broker-away", test_broker_away);
    g_test_add_func("/plugin/publish/kafka/refusals", test_refusals);
    return fixture_run();
}
