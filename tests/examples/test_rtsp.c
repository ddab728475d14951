// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// examples/rtsp as its users run it: real processes on loopback, cameras that are killed, hang or
// refuse, the bundled model and clip.
#include <gio/gio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define WAIT_S 120 // for one expectation; the first waits for the network to be loaded

typedef struct {
    GSubprocess *process;
    GDataInputStream *output; // stdout and stderr
} Program;

// A test that fails leaves no camera behind.
static void end_with_parent(gpointer data)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static Program *start(const gchar *variable, const gchar *const *arguments)
{
    Program *self = g_new0(Program, 1);
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE);
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autoptr(GError) error = NULL;

    g_ptr_array_add(argv, (gpointer)g_getenv(variable));
    for (guint i = 0; arguments[i] != NULL; i++) {
        g_ptr_array_add(argv, (gpointer)arguments[i]);
    }
    g_ptr_array_add(argv, NULL);
    g_subprocess_launcher_set_child_setup(launcher, end_with_parent, NULL, NULL);
    self->process =
        g_subprocess_launcher_spawnv(launcher, (const gchar *const *)argv->pdata, &error);
    g_assert_no_error(error);
    self->output = g_data_input_stream_new(g_subprocess_get_stdout_pipe(self->process));
    return self;
}

#define START(variable, ...) start(variable, (const gchar *const[]){__VA_ARGS__, NULL})

static void have_line(GObject *stream, GAsyncResult *result, gpointer data)
{
    *(GAsyncResult **)data = g_object_ref(result);
}

static gboolean too_long(gpointer data)
{
    g_error("waited for more than %d s", WAIT_S);
    return G_SOURCE_REMOVE;
}

// NULL at the end of the output. Criticals, warnings and leaks that GStreamer's tracer finds fail.
static gchar *next_line(Program *self)
{
    guint timer = g_timeout_add_seconds(WAIT_S, too_long, NULL);
    GAsyncResult *result = NULL;
    g_autoptr(GError) error = NULL;
    gchar *line;

    g_data_input_stream_read_line_async(self->output, 0, NULL, have_line, &result);
    while (result == NULL) {
        g_main_context_iteration(NULL, TRUE);
    }
    g_source_remove(timer);
    line = g_data_input_stream_read_line_finish(self->output, result, NULL, &error);
    g_object_unref(result);
    g_assert_no_error(error);
    if (line != NULL) {
        g_test_message("%s", line);
        g_assert_null(strstr(line, "CRITICAL **"));
        g_assert_null(strstr(line, "WARNING **"));
        g_assert_null(strstr(line, "Leaks detected"));
        g_assert_null(strstr(line, "Sanitizer"));
    }
    return line;
}

static void finish(Program *self, int signal_number, int wanted_status)
{
    g_autoptr(GError) error = NULL;
    gchar *line;

    if (signal_number != 0) {
        g_subprocess_send_signal(self->process, signal_number);
    }
    while ((line = next_line(self)) != NULL) {
        g_free(line);
    }
    g_assert_true(g_subprocess_wait(self->process, NULL, &error));
    if (signal_number == SIGKILL) {
        g_assert_true(g_subprocess_get_if_signaled(self->process));
    } else {
        g_assert_true(g_subprocess_get_if_exited(self->process));
        g_assert_cmpint(g_subprocess_get_exit_status(self->process), ==, wanted_status);
    }
    g_object_unref(self->output);
    g_object_unref(self->process);
    g_free(self);
}

static gdouble number(const gchar *line, const gchar *name)
{
    g_autofree gchar *key = g_strdup_printf("\"%s\":", name);
    const gchar *at = strstr(line, key);

    g_assert_nonnull(at);
    return g_ascii_strtod(at + strlen(key), NULL);
}

// The next line that holds the text. Every picture that passes is checked on the way: none is from
// the future, and running time only grows, over all connections.
static gchar *expect(Program *self, const gchar *text, gdouble *time)
{
    gint64 until_us = g_get_monotonic_time() + WAIT_S * G_USEC_PER_SEC;
    gchar *line;

    while ((line = next_line(self)) != NULL && g_get_monotonic_time() < until_us) {
        if (strstr(line, "\"objects\"") != NULL) {
            g_assert_cmpfloat(number(line, "time"), >, *time);
            g_assert_cmpfloat(number(line, "age_ms"), >=, 0.0);
            g_assert_cmpfloat(number(line, "age_ms"), <, 30e3);
            *time = number(line, "time");
        }
        if (strstr(line, text) != NULL) {
            return line;
        }
        g_free(line);
    }
    g_error("ended, or too late, and never said: %s", text);
    return NULL;
}

static void expect_picture(Program *self, int width, int height, gdouble *time)
{
    g_autofree gchar *size = g_strdup_printf("\"width\":%d,\"height\":%d,", width, height);
    g_autofree gchar *text = g_strconcat(size, "\"objects\":[{\"label\":\"person\"", NULL);

    g_free(expect(self, text, time));
}

static Program *start_camera(const gchar *port, const gchar *size, const gchar *user, gchar **url)
{
    Program *self = START("RTSP_CAMERA", "--port", port, "--size", size, "--fps", "5",
                          user != NULL ? "--user" : NULL, user);

    do {
        g_free(*url);
        *url = next_line(self);
        g_assert_nonnull(*url);
    } while (!g_str_has_prefix(*url, "rtsp://127.0.0.1:"));
    return self;
}

static void test_restart(gconstpointer transport)
{
    g_autofree gchar *url = NULL, *line = NULL, *port = NULL;
    Program *camera = start_camera("0", "320x240", NULL, &url);
    Program *watch = START("RTSP_WATCH", "--json", "--timeout", "10", url, transport);
    gint64 killed_us, restarted_us;
    gdouble time = -1.0, n_inferred;

    port = g_strdup_printf("%d", atoi(strrchr(url, ':') + 1));
    expect_picture(watch, 320, 240, &time);
    finish(camera, SIGKILL, 0);
    killed_us = g_get_monotonic_time();
    line = expect(watch, "\"state\":\"lost\"", &time);
    n_inferred = number(line, "inferred");
    g_test_message("lost after %.1f s",
                   (gdouble)(g_get_monotonic_time() - killed_us) / G_USEC_PER_SEC);
    g_assert_cmpfloat(n_inferred, >, 0.0);
    g_free(expect(watch, "\"state\":\"connecting\"", &time)); // in vain: one attempt at least fails
    g_free(expect(watch, "\"state\":\"lost\"", &time));

    camera = start_camera(port, "400x304", NULL, &url);
    restarted_us = g_get_monotonic_time();
    g_clear_pointer(&line, g_free);
    line = expect(watch, "\"state\":\"playing\",\"detail\":\"400x304\"", &time);
    g_assert_cmpfloat(number(line, "inferred"), >=, n_inferred); // a new engine counts from 0
    expect_picture(watch, 400, 304, &time);
    g_test_message("objects again %.1f s after the camera",
                   (gdouble)(g_get_monotonic_time() - restarted_us) / G_USEC_PER_SEC);
    finish(watch, SIGTERM, 0);
    finish(camera, SIGTERM, 0);
}

// The kernel accepts; nobody answers.
static void test_hanging(void)
{
    g_autoptr(GSocketListener) listener = g_socket_listener_new();
    g_autoptr(GError) error = NULL;
    guint16 port = g_socket_listener_add_any_inet_port(listener, NULL, &error);
    g_autofree gchar *url = g_strdup_printf("rtsp://127.0.0.1:%u/stream", port);
    g_autofree gchar *line = NULL;
    Program *watch = START("RTSP_WATCH", "--json", "--timeout", "2", url);
    gint64 started_us;
    gdouble time = -1.0;

    g_assert_no_error(error);
    for (guint i = 0; i < 2; i++) {
        g_free(expect(watch, "\"state\":\"connecting\"", &time));
        started_us = g_get_monotonic_time();
        g_free(expect(watch, "\"state\":\"lost\"", &time));
        g_assert_cmpint(g_get_monotonic_time() - started_us, >, G_USEC_PER_SEC);
        g_assert_cmpint(g_get_monotonic_time() - started_us, <, 20 * G_USEC_PER_SEC);
    }
    finish(watch, SIGINT, 0);
}

// A wrong password is tried once, a name that nobody knows as often as allowed.
static void test_refused(void)
{
    g_autofree gchar *url = NULL, *wrong = NULL, *right = NULL, *line = NULL;
    Program *camera = start_camera("0", "320x240", "viewer:secret", &url), *watch;
    gdouble time = -1.0;
    guint n_connecting[3] = {0}, n_given_up = 0;

    wrong = g_strdup_printf("rtsp://viewer:guess@%s", url + strlen("rtsp://"));
    right = g_strdup_printf("rtsp://viewer:secret@%s", url + strlen("rtsp://"));
    watch = START("RTSP_WATCH", "--json", "--attempts", "2", wrong, "rtsp://nobody.invalid/stream");
    while (n_given_up < 2) {
        guint n;

        g_free(line);
        line = next_line(watch);
        g_assert_nonnull(line);
        if (strstr(line, "\"state\"") == NULL) {
            continue;
        }
        n = (guint)number(line, "camera");
        g_assert_cmpuint(n, <=, 2);
        g_assert_null(strstr(line, "guess"));
        n_connecting[n] += strstr(line, "\"connecting\"") != NULL;
        if (strstr(line, "\"given-up\"") != NULL) {
            n_given_up++;
            g_assert_true(n == 2 || strstr(line, "Unauthorized") != NULL);
        }
    }
    g_assert_cmpuint(n_connecting[1], ==, 1);
    g_assert_cmpuint(n_connecting[2], ==, 2);
    finish(watch, 0, 1);

    watch = START("RTSP_WATCH", "--json", "--tcp", right);
    expect_picture(watch, 320, 240, &time);
    finish(camera, SIGTERM, 0); // while somebody watches
    finish(watch, SIGTERM, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/examples/rtsp/restart-tcp", "--tcp", test_restart);
    g_test_add_data_func("/examples/rtsp/restart-udp", NULL, test_restart);
    g_test_add_func("/examples/rtsp/hanging", test_hanging);
    g_test_add_func("/examples/rtsp/refused", test_refused);
    return g_test_run();
}
