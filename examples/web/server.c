// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Who may see the video, and at which pace. The page itself is in page/.
#include "server.h"

#include <libsoup/soup.h>
#include <string.h>

#define MAX_VIEWERS 32
#define MAX_UNANSWERED 2 // one on its way while another is drawn
#define MAX_MESSAGE_BYTES 125

struct Server {
    SoupServer *soup;
    const gchar *const *hosts;
    GPtrArray *viewers; // of Viewer
};

typedef struct {
    Server *server;
    SoupWebsocketConnection *connection;
    guint n_unanswered;
} Viewer;

// ---- who may ask ----

// Any web site may send a browser here, under a name of its own that leads to this machine, and
// then read the answers ("DNS rebinding"). It cannot do that with an address or localhost.
static gboolean is_known(const Server *self, const gchar *host)
{
    g_autoptr(GSocketConnectable) parsed =
        host != NULL ? g_network_address_parse(host, 80, NULL) : NULL;
    const gchar *name =
        parsed != NULL ? g_network_address_get_hostname(G_NETWORK_ADDRESS(parsed)) : NULL;

    if (name == NULL) {
        return FALSE;
    }
    for (guint i = 0; self->hosts != NULL && self->hosts[i] != NULL; i++) {
        if (g_ascii_strcasecmp(name, self->hosts[i]) == 0) {
            return TRUE;
        }
    }
    return g_hostname_is_ip_address(name) || g_ascii_strcasecmp(name, "localhost") == 0;
}

// Pages of other sites may open WebSockets to anywhere, but browsers say whose page it is. Programs
// that are no browsers say nothing.
static gboolean is_own_page(const gchar *origin, const gchar *host)
{
    const gchar *name = origin != NULL ? strstr(origin, "://") : NULL;

    return origin == NULL || (name != NULL && g_ascii_strcasecmp(name + 3, host) == 0);
}

static void refuse(SoupServerMessage *message, guint status, const gchar *why)
{
    soup_server_message_set_status(message, status, NULL);
    soup_server_message_set_response(message, "text/plain", SOUP_MEMORY_STATIC, why, strlen(why));
}

// Comes before everything else; what has a status is answered.
static void check_sender(SoupServer *soup, SoupServerMessage *message, const char *path,
                         GHashTable *query, gpointer data)
{
    SoupMessageHeaders *headers = soup_server_message_get_request_headers(message);
    const gchar *host = soup_message_headers_get_one(headers, "Host");

    if (!is_known(data, host)) {
        refuse(message, SOUP_STATUS_FORBIDDEN,
               "Unknown host name: use the IP address, or start with --allow-host NAME\n");
    } else if (!is_own_page(soup_message_headers_get_one(headers, "Origin"), host)) {
        refuse(message, SOUP_STATUS_FORBIDDEN, "The video is for the page of this server alone\n");
    }
}

// ---- the page ----

static void send_page(SoupServer *soup, SoupServerMessage *message, const char *path,
                      GHashTable *query, gpointer data)
{
    static const struct {
        const gchar *path, *file, *type;
    } files[] = {{"/", "/page/index.html", "text/html; charset=utf-8"},
                 {"/viewer.css", "/page/viewer.css", "text/css; charset=utf-8"},
                 {"/viewer.js", "/page/viewer.js", "text/javascript; charset=utf-8"}};
    SoupMessageHeaders *headers = soup_server_message_get_response_headers(message);
    const gchar *method = soup_server_message_get_method(message);
    g_autoptr(GBytes) content = NULL;
    guint n = 0;

    if (g_strcmp0(method, "GET") != 0 && g_strcmp0(method, "HEAD") != 0) {
        soup_message_headers_replace(headers, "Allow", "GET, HEAD");
        refuse(message, SOUP_STATUS_METHOD_NOT_ALLOWED, "Only GET and HEAD\n");
        return;
    }
    while (n < G_N_ELEMENTS(files) && g_strcmp0(path, files[n].path) != 0) {
        n++;
    }
    if (n == G_N_ELEMENTS(files)) {
        refuse(message, SOUP_STATUS_NOT_FOUND, "No such page\n");
        return;
    }
    content = g_resources_lookup_data(files[n].file, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
    soup_message_headers_replace(headers, "Content-Security-Policy",
                                 "default-src 'none'; script-src 'self'; style-src 'self'; "
                                 "connect-src 'self'; img-src data:; base-uri 'none'; "
                                 "form-action 'none'; frame-ancestors 'none'");
    soup_message_headers_replace(headers, "X-Content-Type-Options", "nosniff");
    soup_message_headers_replace(headers, "Referrer-Policy", "no-referrer");
    soup_message_headers_replace(headers, "Cache-Control", "no-cache");
    soup_message_headers_set_content_type(headers, files[n].type, NULL);
    soup_message_body_append_bytes(soup_server_message_get_response_body(message), content);
    soup_server_message_set_status(message, SOUP_STATUS_OK, NULL);
}

// ---- viewers ----

static void have_answer(SoupWebsocketConnection *connection, gint type, GBytes *message,
                        gpointer data)
{
    Viewer *viewer = data;

    if (viewer->n_unanswered > 0) {
        viewer->n_unanswered--;
    }
}

static void have_closed(SoupWebsocketConnection *connection, gpointer data)
{
    Viewer *viewer = data;

    g_ptr_array_remove_fast(viewer->server->viewers, viewer);
}

static void add_viewer(SoupServer *soup, SoupServerMessage *message, const char *path,
                       SoupWebsocketConnection *connection, gpointer data)
{
    Server *self = data;
    Viewer *viewer;

    if (self->viewers->len == MAX_VIEWERS) {
        soup_websocket_connection_close(connection, SOUP_WEBSOCKET_CLOSE_GOING_AWAY,
                                        "too many viewers");
        return;
    }
    viewer = g_new0(Viewer, 1);
    viewer->server = self;
    viewer->connection = g_object_ref(connection);
    soup_websocket_connection_set_max_incoming_payload_size(connection, MAX_MESSAGE_BYTES);
    g_signal_connect(connection, "message", G_CALLBACK(have_answer), viewer);
    g_signal_connect(connection, "closed", G_CALLBACK(have_closed), viewer);
    g_ptr_array_add(self->viewers, viewer);
}

static void free_viewer(gpointer data)
{
    Viewer *viewer = data;

    g_signal_handlers_disconnect_by_data(viewer->connection, viewer);
    g_object_unref(viewer->connection);
    g_free(viewer);
}

// The answers bound the delay: the kernel alone would keep seconds of video. That the socket takes
// bytes bounds the memory, whatever a viewer answers without reading.
static gboolean wants_frame(const Viewer *viewer)
{
    GIOStream *stream = soup_websocket_connection_get_io_stream(viewer->connection);
    GOutputStream *output = stream != NULL ? g_io_stream_get_output_stream(stream) : NULL;

    return viewer->n_unanswered < MAX_UNANSWERED && G_IS_POLLABLE_OUTPUT_STREAM(output) &&
           g_pollable_output_stream_is_writable(G_POLLABLE_OUTPUT_STREAM(output)) &&
           soup_websocket_connection_get_state(viewer->connection) == SOUP_WEBSOCKET_STATE_OPEN;
}

void server_send(Server *self, const gchar *text, GBytes *picture)
{
    for (guint i = 0; i < self->viewers->len; i++) {
        Viewer *viewer = g_ptr_array_index(self->viewers, i);

        if (wants_frame(viewer)) {
            viewer->n_unanswered++;
            soup_websocket_connection_send_text(viewer->connection, text);
            soup_websocket_connection_send_message(viewer->connection, SOUP_WEBSOCKET_DATA_BINARY,
                                                   picture);
        }
    }
}

// ---- beginning and end ----

Server *server_new(const gchar *address, guint port, const gchar *const *hosts, GError **error)
{
    g_autoptr(GSocketAddress) socket_address = g_inet_socket_address_new_from_string(address, port);
    Server *self;

    if (socket_address == NULL) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--listen %s: wanted an IP address of this machine, such as 127.0.0.1, or "
                    "0.0.0.0 for all",
                    address);
        return NULL;
    }
    self = g_new0(Server, 1);
    self->hosts = hosts;
    self->viewers = g_ptr_array_new_with_free_func(free_viewer);
    self->soup = soup_server_new(NULL, NULL);
    // JPEGs do not get any smaller
    soup_server_remove_websocket_extension(self->soup, SOUP_TYPE_WEBSOCKET_EXTENSION_DEFLATE);
    soup_server_add_early_handler(self->soup, "/", check_sender, self, NULL);
    soup_server_add_early_handler(self->soup, "/frames", check_sender, self, NULL);
    soup_server_add_handler(self->soup, "/", send_page, self, NULL);
    soup_server_add_websocket_handler(self->soup, "/frames", NULL, NULL, add_viewer, self, NULL);
    if (!soup_server_listen(self->soup, socket_address, 0, error)) {
        g_prefix_error(error, "--listen %s, --port %u (0 takes a free one): ", address, port);
        g_clear_pointer(&self, server_free);
    }
    return self;
}

void server_free(Server *self)
{
    soup_server_disconnect(self->soup);
    g_object_unref(self->soup);
    g_ptr_array_unref(self->viewers);
    g_free(self);
}

gchar *server_get_url(Server *self)
{
    GSList *uris = soup_server_get_uris(self->soup);
    gchar *url = uris != NULL ? g_uri_to_string(uris->data) : g_strdup("");

    g_slist_free_full(uris, (GDestroyNotify)g_uri_unref);
    return url;
}
