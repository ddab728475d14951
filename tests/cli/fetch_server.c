// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The misbehaving server of test_fetch.c.
#include "fetch_server.h"

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct fetch_server server;

static void send_text(GOutputStream *out, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void send_text(GOutputStream *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_output_stream_vprintf(out, NULL, NULL, NULL, format, args);
    va_end(args);
}

static void send_file(GOutputStream *out, enum mode mode, unsigned request, gsize start,
                      bool ranged)
{
    g_autofree char *body = g_memdup2(server.data, server.size);
    if (mode == MODE_CORRUPT || (mode == MODE_CHANGED && request == 1)) {
        memset(body + server.size / 3, 0x55, 64);
    }
    const char *etag = mode == MODE_CHANGED && request == 1 ? "\"old\"" : "\"new\"";
    gsize shift = mode == MODE_WRONG_RANGE && ranged ? 1 : 0;
    gsize end = server.size;
    send_text(out, ranged ? "HTTP/1.1 206 Partial Content\r\n" : "HTTP/1.1 200 OK\r\n");
    send_text(out, "ETag: %s\r\nConnection: close\r\n", etag);
    if (ranged) {
        send_text(out, "Content-Range: bytes %zu-%zu/%zu\r\n", start + shift, server.size - 1,
                  server.size);
    }
    if (mode != MODE_CHUNKED) {
        send_text(out, "Content-Length: %" G_GUINT64_FORMAT "\r\n",
                  mode == MODE_HUGE ? UINT64_C(3) << 30 : (guint64)(server.size - start - shift));
    }
    send_text(out, "\r\n");
    if (request == 1 && (mode == MODE_CUT || mode == MODE_STALL || mode == MODE_CHANGED)) {
        end = server.size / 2;
    }
    g_output_stream_write_all(out, body + start + shift, end - start - shift, NULL, NULL, NULL);
    g_output_stream_flush(out, NULL, NULL);
    if (request == 1 && mode == MODE_STALL) {
        g_usleep(2500000);
    }
}

static gboolean answer(GThreadedSocketService *service, GSocketConnection *connection,
                       GObject *source, gpointer user_data)
{
    g_autoptr(GDataInputStream) in =
        g_data_input_stream_new(g_io_stream_get_input_stream(G_IO_STREAM(connection)));
    GOutputStream *out = g_io_stream_get_output_stream(G_IO_STREAM(connection));
    g_data_input_stream_set_newline_type(in, G_DATA_STREAM_NEWLINE_TYPE_CR_LF);
    g_autofree char *target = g_data_input_stream_read_line(in, NULL, NULL, NULL);
    gsize start = 0;
    bool ranged = false, right_etag = true;
    for (;;) {
        g_autofree char *line = g_data_input_stream_read_line(in, NULL, NULL, NULL);
        if (!line || !*line) {
            break;
        }
        if (g_ascii_strncasecmp(line, "range: bytes=", 13) == 0) {
            start = g_ascii_strtoull(line + 13, NULL, 10);
            ranged = true;
        } else if (g_ascii_strncasecmp(line, "if-range:", 9) == 0) {
            right_etag = strstr(line, "\"new\"") != NULL;
        }
    }
    g_mutex_lock(&server.lock);
    enum mode mode = server.mode;
    unsigned request = ++server.requests;
    server.ranges += ranged;
    g_free(server.last_target);
    server.last_target = g_strdup(target);
    g_mutex_unlock(&server.lock);
    if (mode == MODE_NO_RANGES || !right_etag) {
        ranged = false;
        start = 0;
    }
    if (mode == MODE_MISSING) {
        send_text(out, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    } else if (mode == MODE_BUSY && request == 1) {
        send_text(
            out,
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    } else if (mode == MODE_PAGE) {
        send_text(out, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: "
                       "close\r\n\r\n<html>Hello.</html>\n");
    } else if (mode == MODE_REDIRECT && !strstr(target, "/elsewhere")) {
        send_text(out, "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: "
                       "0\r\nConnection: close\r\n\r\n");
    } else if (ranged && start >= server.size) {
        send_text(
            out,
            "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    } else {
        send_file(out, mode, request, start, ranged);
    }
    g_io_stream_close(G_IO_STREAM(connection), NULL, NULL);
    return TRUE;
}

static void server_start(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(g_getenv("EFFDET_SOURCE_DIR"), "tests", "data",
                                             "containers", "pt_zip_many.pth", NULL);
    g_file_get_contents(path, &server.data, &server.size, &error);
    g_assert_no_error(error);
    server.sha256 =
        g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)server.data, server.size);
    GSocketService *service = g_threaded_socket_service_new(8);
    g_autoptr(GInetAddress) loopback = g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4);
    g_autoptr(GSocketAddress) wanted = g_inet_socket_address_new(loopback, 0);
    g_autoptr(GSocketAddress) got = NULL;
    g_socket_listener_add_address(G_SOCKET_LISTENER(service), wanted, G_SOCKET_TYPE_STREAM,
                                  G_SOCKET_PROTOCOL_TCP, NULL, &got, &error);
    g_assert_no_error(error);
    server.base = g_strdup_printf("http://127.0.0.1:%u",
                                  g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(got)));
    g_signal_connect(service, "run", G_CALLBACK(answer), NULL);
}

// Connections are accepted by a main loop of its own thread.
static gpointer serve(gpointer started)
{
    g_autoptr(GMainContext) context = g_main_context_new();
    g_main_context_push_thread_default(context);
    server_start();
    g_atomic_int_set((int *)started, 1);
    for (;;) {
        g_main_context_iteration(context, TRUE);
    }
    return NULL;
}

void server_run(void)
{
    int started = 0;
    g_thread_unref(g_thread_new("server", serve, &started));
    while (!g_atomic_int_get(&started)) {
        g_usleep(1000);
    }
}
