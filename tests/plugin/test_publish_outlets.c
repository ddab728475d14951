// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// effdetpublish without a broker: files, standard output, a queue that overflows, what is said
// about bad settings.
#include "publish_video.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "publish/gsteffdetpublish.h"
#include "publish/outbox.h"
#include "publish/target.h"

static gchar *folder; // of this run

static gchar *path_of(const gchar *name)
{
    return g_build_filename(folder, name, NULL);
}

// ---- where to -----------------------------------------------------------------------------------

static void test_file(void)
{
    g_autofree gchar *path = path_of("lines"), *uri = g_filename_to_uri(path, NULL, NULL);
    g_autoptr(GPtrArray) lines = NULL;
    GstHarness *h = publish_harness(uri, NULL);

    for (guint i = 0; i < 150; i++) {
        publish_push(h, i, 1, NULL);
    }
    publish_stop(h); // drains
    h = publish_harness(path, NULL);
    publish_push(h, 150, 1, NULL); // a file is continued
    publish_stop(h);
    lines = publish_read(path);
    g_assert_cmpuint(lines->len, ==, 151);
    publish_assert_all(lines, 151);
}

// Two elements and a slow reader of standard output: every line is whole.
static void test_stdout(void)
{
    GstHarness *h[2];
    g_autoptr(GString) text = g_string_new(NULL);
    g_auto(GStrv) lines = NULL;
    gint ends[2], saved = dup(STDOUT_FILENO);
    guint n_lines = 0;
    gchar bytes[8192];
    gssize n;

    fflush(stdout);
    g_assert_cmpint(pipe(ends), ==, 0);
    g_assert_cmpint(dup2(ends[1], STDOUT_FILENO), ==, STDOUT_FILENO);
    close(ends[1]);
    h[0] = publish_harness("-", "stream", "a", "drain-time", 0, NULL);
    h[1] = publish_harness("-", "stream", "b", "drain-time", 0, NULL);
    for (guint i = 0; i < 6; i++) {
        publish_push(h[0], i, 60, NULL); // some 10 kB
        publish_push(h[1], i, 60, NULL);
    }
    while (n_lines < 12 && (n = read(ends[0], bytes, sizeof bytes)) > 0) {
        for (gssize i = 0; i < n; i++) {
            n_lines += bytes[i] == '\n';
        }
        g_string_append_len(text, bytes, n);
    }
    publish_stop(h[0]);
    publish_stop(h[1]);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(ends[0]);
    lines = g_strsplit(text->str, "\n", -1);
    for (guint i = 0; i < 12; i++) {
        json_node_unref(publish_parse(lines[i]));
    }
}

static guint fifo_number(gint fd)
{
    g_autoptr(GString) line = g_string_new(NULL);
    gchar byte;

    while (read(fd, &byte, 1) == 1 && byte != '\n') {
        g_string_append_c(line, byte);
    }
    return publish_number(line->str);
}

// Nobody reads: what is oldest goes, is counted, and the video does not notice.
static void test_overflow(void)
{
    g_autofree gchar *path = path_of("fifo");
    g_autoptr(GError) error = NULL;
    gint64 longest_us = 0;
    GstHarness *h;
    gint fd;

    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    h = publish_harness(path, "queue-size", 10, NULL);
    for (guint i = 0; i < 100; i++) {
        publish_push(h, i, 1, &longest_us);
    }
    g_assert_cmpuint(publish_stat(h, "queued"), ==, 10);
    g_assert_cmpuint(publish_stat(h, "dropped"), ==, 90);
    fixture_wait_until(publish_messages(h, GST_MESSAGE_WARNING, &error) == 1);
    g_assert_nonnull(strstr(error->message, "nobody reads the FIFO"));
    fd = open(path, O_RDONLY);
    for (guint i = 90; i < 100; i++) {
        g_assert_cmpuint(fifo_number(fd), ==, i);
    }
    fixture_wait_until(publish_stat(h, "published") == 10);
    g_assert_cmpuint(publish_messages(h, GST_MESSAGE_INFO, NULL), ==, 1);
    g_assert_cmpuint(publish_stat(h, "reconnects"), ==, 1);

    // The reader stalls: the pipe fills, and then the queue.
    for (guint i = 0; i < 60; i++) { // some 4 kB each
        publish_push(h, i, 20, &longest_us);
    }
    g_assert_cmpuint(publish_stat(h, "queued"), ==, 10);
    g_assert_cmpuint(publish_stat(h, "dropped"), >, 100);
    close(fd); // and goes
    fixture_wait_until(publish_messages(h, GST_MESSAGE_WARNING, NULL) == 1);
    g_object_set(h->element, "drain-time", 100, NULL);
    gst_element_set_state(h->element, GST_STATE_NULL);
    g_assert_cmpuint(publish_stat(h, "undelivered"), ==, 10);
    g_assert_cmpuint(publish_messages(h, GST_MESSAGE_WARNING, &error), ==, 1);
    g_assert_nonnull(strstr(error->message, "10 messages were not delivered within 100 ms"));
    publish_stop(h);
    g_test_message("longest time in the element: %" G_GINT64_FORMAT " us", longest_us);
    g_assert_cmpint(longest_us, <, G_USEC_PER_SEC / 2);
}

static GstBusSyncReply stop_at_warning(GstBus *bus, GstMessage *message, gpointer data)
{
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING) {
        gst_element_set_state(GST_ELEMENT(GST_MESSAGE_SRC(message)), GST_STATE_NULL);
        g_atomic_int_inc((gint *)data);
    }
    gst_message_unref(message);
    return GST_BUS_DROP;
}

// A handler in the element's own thread ends it from there.
static void test_stop_from_within(void)
{
    g_autofree gchar *path = path_of("within");
    GstHarness *h;
    g_autoptr(GstBus) bus = NULL;
    gint n_stops = 0;

    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    h = publish_harness("-", NULL);
    gst_element_set_state(h->element, GST_STATE_READY);
    bus = gst_element_get_bus(h->element);
    gst_bus_set_sync_handler(bus, stop_at_warning, &n_stops, NULL);
    g_object_set(h->element, "location", path, NULL);
    gst_element_set_state(h->element, GST_STATE_PLAYING); // nobody reads the FIFO
    fixture_wait_until(g_atomic_int_get(&n_stops) == 1);
    gst_bus_set_sync_handler(bus, NULL, NULL, NULL);
    publish_stop(h);
}

// ---- what is wrong ------------------------------------------------------------------------------

static void expect_error(const gchar *location, const gchar *property, const gchar *value,
                         const gchar *wanted)
{
    GstElement *element = gst_object_ref_sink(
        gst_element_factory_make_full("effdetpublish", "location", location, NULL));
    g_autoptr(GstBus) bus = gst_bus_new();
    g_autoptr(GError) error = NULL;

    if (property != NULL) {
        g_object_set(element, property, value, NULL);
    }
    gst_element_set_bus(element, bus);
    if (gst_element_set_state(element, GST_STATE_PAUSED) != GST_STATE_CHANGE_FAILURE) {
        g_error("%s: started, wanted '%s'", location, wanted);
    }
    g_assert_cmpuint(fixture_messages(bus, GST_MESSAGE_ERROR, &error), ==, 1);
    if (strstr(error->message, wanted) == NULL || strstr(error->message, "secret") != NULL) {
        g_error("%s: wanted '%s' in '%s'", location, wanted, error->message);
    }
    gst_element_set_state(element, GST_STATE_NULL);
    gst_element_set_bus(element, NULL);
    gst_object_unref(element);
}

static void test_bad_settings(void)
{
    expect_error("", NULL, NULL, "found nothing");
    expect_error("amqp://u:secret@h/t", NULL, NULL, "found amqp://");
    expect_error("mqtt:///topic", NULL, NULL, "wanted a host");
    expect_error("mqtt://u:secret@host", NULL, NULL, "wanted a topic");
    expect_error("mqtt://u:secret@host:70000/t", NULL, NULL, "wanted a port");
    expect_error("mqtt://u:sec/secret@host/t", NULL, NULL, "%2F");
    expect_error("mqtt://u:%zzsecret@host/t", NULL, NULL, "two hexadecimal digits");
    expect_error("mqtt://host/a/#", NULL, NULL, "for subscribers");
    expect_error("mqtt://host/a?b=c", NULL, NULL, "%3F");
    expect_error("mqtt://[::1/t", NULL, NULL, "wanted a ]");
    expect_error("mqtt://host/t", "ca-file", "/nowhere.pem", "wanted mqtts://");
    expect_error("mqtts://host/t", "ca-file", "/nowhere.pem", "ca-file: wanted a file");
    expect_error("mqtts://host/t", "cert-file", "/nowhere.pem", "wanted both");
    expect_error("kafka://h1:1,:2/t", NULL, NULL, "wanted a host");
    expect_error("kafka://host/t?x", NULL, NULL, "option=value");
    expect_error("file://host/path", NULL, NULL, "three slashes");
    expect_error("/nowhere/lines.json", NULL, NULL, "/nowhere/lines.json: wanted a file");
    expect_error(folder, NULL, NULL, "Is a directory");
#ifdef HAVE_KAFKA
    expect_error("kafka://h/t?acks=secret", NULL, NULL, "found acks");
#else
    expect_error("kafka://h/t", NULL, NULL, "-Dkafka=enabled");
#endif
#ifndef HAVE_MQTT
    expect_error("mqtt://h/t", NULL, NULL, "-Dmqtt=enabled");
#endif
}

static void test_target(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Target) mqtt = target_parse("MQTTS://us%40er:p%3A%2Fw@[::1]:99/a/b%20c", &error);
    g_autoptr(Target) kafka = target_parse("kafka://a:1,b:2/t?x=1%262&y=", &error);
    g_autoptr(Target) from_environment = NULL;

    g_assert_no_error(error);
    g_assert_true(mqtt->kind == TARGET_MQTT && mqtt->tls);
    g_assert_cmpstr(mqtt->user, ==, "us@er");
    g_assert_cmpstr(mqtt->password, ==, "p:/w");
    g_assert_cmpstr(mqtt->host, ==, "::1");
    g_assert_cmpuint(mqtt->port, ==, 99);
    g_assert_cmpstr(mqtt->topic, ==, "a/b c");
    g_assert_null(strstr(mqtt->name, "w"));
    g_assert_cmpstr(kafka->host, ==, "a:1,b:2");
    g_assert_cmpstr(kafka->options[1], ==, "1&2");
    g_assert_cmpstr(kafka->options[3], ==, "");
    g_assert_null(kafka->options[4]);
    g_assert_null(kafka->user);
    g_setenv("EFFDET_PUBLISH_USER", "me", TRUE);
    g_setenv("EFFDET_PUBLISH_PASSWORD", "mine", TRUE);
    from_environment = target_parse("mqtt://h/t", &error);
    g_assert_cmpstr(from_environment->user, ==, "me");
    g_assert_cmpstr(from_environment->password, ==, "mine");
    g_unsetenv("EFFDET_PUBLISH_USER");
    g_unsetenv("EFFDET_PUBLISH_PASSWORD");
}

static void test_redaction(void)
{
    static const gchar *const cases[][2] = {
        {"-", "-"},
        {"/a/file?with:odd@name", "/a/file?with:odd@name"},
        {"mqtt://host:1/t", "mqtt://host:1/t"},
        {"mqtt://user@host/t", "mqtt://user@host/t"},
        {"mqtt://user:secret@host/t", "mqtt://user:***@host/t"},
        {"mqtt://user:se/cr@et@host/t", "mqtt://user:***@host/t"},
        {"mqtt://user:se?cret@host/t", "mqtt://user:***@host/t"},
        {"kafka://u:secret@a,b/t?sasl.password=secret", "kafka://u:***@a,b/t?***"},
        {"kafka://a,b/t?ssl.key.password=secret", "kafka://a,b/t?***"},
    };
    GstElement *element = gst_object_ref_sink(gst_element_factory_make("effdetpublish", NULL));

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree gchar *shown = NULL;

        g_object_set(element, "location", cases[i][0], NULL);
        g_object_get(element, "location", &shown, NULL);
        g_assert_cmpstr(shown, ==, cases[i][1]);
    }
    gst_object_unref(element);
}

static void test_delays(void)
{
    g_assert_cmpuint(outbox_delay_ms(1, 0.5), ==, 250);
    g_assert_cmpuint(outbox_delay_ms(1, 0.0), ==, 187);
    g_assert_cmpuint(outbox_delay_ms(1, 1.0), ==, 312);
    g_assert_cmpuint(outbox_delay_ms(4, 0.5), ==, 2000);
    g_assert_cmpuint(outbox_delay_ms(8, 0.5), ==, 30000);
    g_assert_cmpuint(outbox_delay_ms(G_MAXUINT, 1.0), ==, 37500);
}

int main(int argc, char **argv)
{
    int status;

    fixture_init(&argc, &argv);
    g_assert_true(GST_ELEMENT_REGISTER(effdetpublish, NULL));
    folder = publish_make_folder();
    g_test_add_func("/plugin/publish/file", test_file);
    g_test_add_func("/plugin/publish/stdout", test_stdout);
    g_test_add_func("/plugin/publish/overflow", test_overflow);
    g_test_add_func("/plugin/publish/stop-from-within", test_stop_from_within);
    g_test_add_func("/plugin/publish/bad-settings", test_bad_settings);
    g_test_add_func("/plugin/publish/target", test_target);
    g_test_add_func("/plugin/publish/redaction", test_redaction);
    g_test_add_func("/plugin/publish/delays", test_delays);
    status = fixture_run();
    publish_remove_folder(folder);
    return status;
}
