// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// effdetpublish to a real broker that is killed and started again, over TLS, with wrong passwords,
// and to one that does not answer.
#include "publish_video.h"

#include <gio/gio.h>
#include <mosquitto.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "publish/gsteffdetpublish.h"

#define TOPIC "cameras/door"
#define N_FRAMES 150
#define PATIENCE_US (20 * G_USEC_PER_SEC)

static gchar *folder; // of this run

#define wait_long_until(condition)                                                                 \
    do {                                                                                           \
        gint64 until_ = g_get_monotonic_time() + PATIENCE_US;                                      \
        while (!(condition)) {                                                                     \
            if (g_get_monotonic_time() > until_) {                                                 \
                g_error("%s: not within 20 seconds", #condition);                                  \
            }                                                                                      \
            g_usleep(1000);                                                                        \
        }                                                                                          \
    } while (0)

// ---- a broker -----------------------------------------------------------------------------------

static gint listen_somewhere(guint *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    gint fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, length), ==, 0);
    g_assert_cmpint(listen(fd, 4), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &length), ==, 0);
    *port = ntohs(address.sin_port);
    return fd;
}

typedef struct {
    GSubprocess *process;
    gchar *config;
    guint port;
} Broker;

static gboolean answers(guint port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((guint16)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    gint fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    gboolean ok = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;

    close(fd);
    return ok;
}

// A test that fails leaves no broker behind.
static void die_with_parent(gpointer data)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void launch(Broker *self)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(
        G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
    g_autoptr(GError) error = NULL;

    g_subprocess_launcher_set_child_setup(launcher, die_with_parent, NULL, NULL);
    self->process = g_subprocess_launcher_spawn(launcher, &error, g_getenv("EFFDET_MOSQUITTO"),
                                                "-c", self->config, NULL);
    g_assert_no_error(error);
    wait_long_until(answers(self->port));
}

static void end(Broker *self, gint signal)
{
    g_subprocess_send_signal(self->process, signal);
    g_subprocess_wait(self->process, NULL, NULL);
    g_clear_object(&self->process);
}

// A process that fails ends the test; what it says is on standard error.
static void run(const gchar *const *argv)
{
    g_autoptr(GError) error = NULL;
    g_autofree gchar *text = NULL;
    gint status;

    g_spawn_sync(folder, (gchar **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL,
                 NULL, NULL, NULL, &text, &status, &error);
    g_assert_no_error(error);
    if (!g_spawn_check_wait_status(status, NULL)) {
        g_error("%s failed: %s", argv[0], text);
    }
}

// With a password file, and sessions that outlive it. more: further lines of its configuration.
static Broker start_broker(const gchar *more)
{
    Broker self = {0};
    g_autofree gchar *passwords = g_build_filename(folder, "passwords", NULL), *text = NULL;

    close(listen_somewhere(&self.port));
    run((const gchar *[]){"mosquitto_passwd", "-b", "-c", "passwords", "camera", "secret", NULL});
    self.config = g_build_filename(folder, "mosquitto.conf", NULL);
    text = g_strdup_printf("user root\nlistener %u 127.0.0.1\nallow_anonymous false\n"
                           "password_file %s\npersistence true\npersistence_location %s/\n"
                           "autosave_interval 1\nautosave_on_changes true\n%s",
                           self.port, passwords, folder, more);
    g_assert_true(g_file_set_contents(self.config, text, -1, NULL));
    launch(&self);
    return self;
}

static void free_broker(Broker *self)
{
    g_autofree gchar *database = g_build_filename(folder, "mosquitto.db", NULL);

    end(self, SIGTERM);
    unlink(database);
    g_free(self->config);
}

// ---- a subscriber -------------------------------------------------------------------------------

typedef struct {
    struct mosquitto *client;
    GMutex lock;
    GPtrArray *lines; // under the lock
    gint subscribed;  // atomic
} Subscriber;

static void on_connect(struct mosquitto *client, void *data, int code)
{
    g_assert_cmpint(code, ==, 0);
    mosquitto_subscribe(client, NULL, TOPIC, 1);
}

static void on_subscribe(struct mosquitto *client, void *data, int mid, int n, const int *granted)
{
    g_atomic_int_inc(&((Subscriber *)data)->subscribed);
}

static void on_message(struct mosquitto *client, void *data,
                       const struct mosquitto_message *message)
{
    Subscriber *self = data;

    g_mutex_lock(&self->lock);
    g_ptr_array_add(self->lines, g_strndup(message->payload, (gsize)message->payloadlen));
    g_mutex_unlock(&self->lock);
}

static Subscriber *subscribe(const Broker *broker, const gchar *ca_file)
{
    Subscriber *self = g_new0(Subscriber, 1);

    g_mutex_init(&self->lock);
    self->lines = g_ptr_array_new_with_free_func(g_free);
    self->client = mosquitto_new("subscriber", false, self);
    mosquitto_username_pw_set(self->client, "camera", "secret");
    mosquitto_connect_callback_set(self->client, on_connect);
    mosquitto_subscribe_callback_set(self->client, on_subscribe);
    mosquitto_message_callback_set(self->client, on_message);
    if (ca_file != NULL) {
        mosquitto_tls_set(self->client, ca_file, NULL, NULL, NULL, NULL);
    }
    g_assert_cmpint(mosquitto_connect(self->client, "127.0.0.1", (int)broker->port, 60), ==, 0);
    g_assert_cmpint(mosquitto_loop_start(self->client), ==, 0);
    wait_long_until(g_atomic_int_get(&self->subscribed) == 1);
    return self;
}

static guint n_lines(Subscriber *self)
{
    guint n;

    g_mutex_lock(&self->lock);
    n = self->lines->len;
    g_mutex_unlock(&self->lock);
    return n;
}

static guint last_number(Subscriber *self)
{
    guint number;

    g_mutex_lock(&self->lock);
    number = self->lines->len > 0 ? publish_number(self->lines->pdata[self->lines->len - 1]) : 0;
    g_mutex_unlock(&self->lock);
    return number;
}

static void unsubscribe(Subscriber *self)
{
    mosquitto_disconnect(self->client);
    mosquitto_loop_stop(self->client, false);
    mosquitto_destroy(self->client);
    g_mutex_clear(&self->lock);
    g_ptr_array_unref(self->lines);
    g_free(self);
}

static gboolean lacks_broker(void)
{
    if (*g_getenv("EFFDET_MOSQUITTO") == '\0') {
        g_test_skip("mosquitto was not installed when this was configured");
        return TRUE;
    }
    return FALSE;
}

// ---- tests --------------------------------------------------------------------------------------

// Killed in the middle and started again while frames go on.
static void test_killed(void)
{
    g_autofree gchar *location = NULL;
    g_autoptr(GError) error = NULL;
    Subscriber *subscriber;
    gint64 longest_us = 0;
    GstHarness *h;
    Broker broker;

    if (lacks_broker()) {
        return;
    }
    broker = start_broker("");
    subscriber = subscribe(&broker, NULL);
    location = g_strdup_printf("mqtt://camera:secret@127.0.0.1:%u/" TOPIC, broker.port);
    g_subprocess_send_signal(broker.process, SIGUSR1); // saves the subscription
    h = publish_harness(location, "stream", "door", NULL);
    for (guint i = 0; i < N_FRAMES; i++) {
        publish_push(h, i, 1, &longest_us);
        g_usleep(1000);
        if (i == N_FRAMES / 3) {
            end(&broker, SIGKILL);
        } else if (i == 2 * N_FRAMES / 3) {
            launch(&broker);
        }
    }
    wait_long_until(publish_stat(h, "published") == N_FRAMES);
    wait_long_until(n_lines(subscriber) >= N_FRAMES && last_number(subscriber) == N_FRAMES - 1);
    g_mutex_lock(&subscriber->lock);
    publish_assert_all(subscriber->lines, N_FRAMES);
    g_mutex_unlock(&subscriber->lock);
    g_assert_cmpuint(publish_stat(h, "dropped"), ==, 0);
    g_assert_cmpuint(publish_stat(h, "reconnects"), ==, 1);
    g_assert_cmpuint(publish_messages(h, GST_MESSAGE_WARNING, &error), ==, 1);
    g_assert_nonnull(strstr(error->message, "No connection to mqtt://127.0.0.1:"));
    g_assert_null(strstr(error->message, "secret"));
    g_test_message("%u lines for %u frames, longest time in the element: %" G_GINT64_FORMAT " us",
                   n_lines(subscriber), N_FRAMES, longest_us);
    g_assert_cmpint(longest_us, <, G_USEC_PER_SEC / 2);
    publish_stop(h);
    unsubscribe(subscriber);
    free_broker(&broker);
}

static void expect_warning(GstHarness *h, const gchar *wanted)
{
    g_autoptr(GError) error = NULL;

    wait_long_until(publish_messages(h, GST_MESSAGE_WARNING, &error) > 0);
    if (strstr(error->message, wanted) == NULL || strstr(error->message, "secret") != NULL) {
        g_error("wanted '%s' in '%s'", wanted, error->message);
    }
    g_assert_cmpuint(publish_messages(h, GST_MESSAGE_ERROR, NULL), ==, 0);
}

static void test_wrong_password(void)
{
    g_autofree gchar *location = NULL;
    GstHarness *h;
    Broker broker;

    if (lacks_broker()) {
        return;
    }
    broker = start_broker("");
    location = g_strdup_printf("mqtt://camera:secretive@127.0.0.1:%u/" TOPIC, broker.port);
    h = publish_harness(location, "drain-time", 0, NULL);
    publish_push(h, 0, 1, NULL);
    expect_warning(h, "not authori");
    publish_stop(h);
    free_broker(&broker);
}

static void make_certificate(const gchar *name, const gchar *issuer)
{
    g_autofree gchar *key = g_strconcat(name, ".key", NULL),
                     *file = g_strconcat(name, ".pem", NULL);
    g_autofree gchar *subject = g_strconcat("/CN=", name, NULL);
    g_autofree gchar *issuer_key = g_strconcat(issuer, ".key", NULL);
    g_autofree gchar *issuer_file = g_strconcat(issuer, ".pem", NULL);

    run((const gchar *[]){"openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out",
                          key, NULL});
    if (issuer == NULL) {
        run((const gchar *[]){"openssl", "req", "-x509", "-new", "-key", key, "-subj", subject,
                              "-days", "2", "-out", file, NULL});
        return;
    }
    run((const gchar *[]){"openssl", "req", "-new", "-key", key, "-subj", subject, "-out",
                          "request.pem", NULL});
    run((const gchar *[]){"openssl", "x509", "-req", "-in", "request.pem", "-CA", issuer_file,
                          "-CAkey", issuer_key, "-CAcreateserial", "-days", "2", "-extfile",
                          "extensions", "-out", file, NULL});
}

static void test_tls(void)
{
    g_autofree gchar *more = NULL, *location = NULL, *right = NULL, *wrong = NULL, *path = NULL;
    Subscriber *subscriber;
    GstHarness *h;
    Broker broker;

    if (lacks_broker()) {
        return;
    }
    path = g_build_filename(folder, "extensions", NULL);
    g_assert_true(g_file_set_contents(path, "subjectAltName=IP:127.0.0.1\n", -1, NULL));
    make_certificate("authority", NULL);
    make_certificate("stranger", NULL);
    make_certificate("server", "authority");
    right = g_build_filename(folder, "authority.pem", NULL);
    wrong = g_build_filename(folder, "stranger.pem", NULL);
    more = g_strdup_printf("cafile %s\ncertfile %s/server.pem\nkeyfile %s/server.key\n", right,
                           folder, folder);
    broker = start_broker(more);
    location = g_strdup_printf("mqtts://camera:secret@127.0.0.1:%u/" TOPIC, broker.port);
    subscriber = subscribe(&broker, right);
    h = publish_harness(location, "ca-file", right, NULL);
    for (guint i = 0; i < 20; i++) {
        publish_push(h, i, 1, NULL);
    }
    wait_long_until(n_lines(subscriber) == 20);
    publish_assert_all(subscriber->lines, 20);
    g_assert_cmpuint(publish_messages(h, GST_MESSAGE_WARNING, NULL), ==, 0);
    publish_stop(h);

    h = publish_harness(location, "ca-file", wrong, "drain-time", 0, NULL);
    publish_push(h, 0, 1, NULL);
    expect_warning(h, "certificate verify failed");
    g_assert_cmpuint(publish_stat(h, "published"), ==, 0);
    publish_stop(h);
    unsubscribe(subscriber);
    free_broker(&broker);
}

// A port that nobody serves, and one where connections are accepted and nothing is said: the queue
// drops what is oldest, and the end comes in time.
static void test_unreachable(void)
{
    for (guint silent = 0; silent < 2; silent++) {
        g_autofree gchar *location = NULL;
        gint64 longest_us = 0;
        GstHarness *h;
        guint port;
        gint fd = listen_somewhere(&port);

        if (!silent) {
            close(fd);
        }
        location = g_strdup_printf("mqtt://127.0.0.1:%u/" TOPIC, port);
        h = publish_harness(location, "queue-size", 10, "drain-time", 100, NULL);
        for (guint i = 0; i < 100; i++) {
            publish_push(h, i, 1, &longest_us);
        }
        if (!silent) {
            expect_warning(h, "Connection refused");
        }
        g_assert_cmpuint(publish_stat(h, "queued"), ==, 10);
        g_assert_cmpuint(publish_stat(h, "dropped"), ==, 90);
        g_assert_cmpint(longest_us, <, G_USEC_PER_SEC / 2);
        g_assert_cmpint(publish_stop(h), <, G_USEC_PER_SEC);
        if (silent) {
            close(fd);
        }
    }
}

int main(int argc, char **argv)
{
    int status;

    fixture_init(&argc, &argv);
    g_assert_true(GST_ELEMENT_REGISTER(effdetpublish, NULL));
    mosquitto_lib_init();
    folder = publish_make_folder();
    g_test_add_func("/plugin/publish/mqtt/killed", test_killed);
    g_test_add_func("/plugin/publish/mqtt/wrong-password", test_wrong_password);
    g_test_add_func("/plugin/publish/mqtt/tls", test_tls);
    g_test_add_func("/plugin/publish/mqtt/unreachable", test_unreachable);
    status = fixture_run();
    publish_remove_folder(folder);
    return status;
}
