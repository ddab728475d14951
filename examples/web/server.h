// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A web server for one page and its viewers. It runs in the main loop, and knows no video.
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct Server Server;

// address is an IP address to listen on, port 0 = any free one. Browsers may name the server by IP
// address, as localhost, and by what is in hosts (NULL = nothing more), which is not copied.
Server *server_new(const gchar *address, guint port, const gchar *const *hosts, GError **error);
void server_free(Server *self);

// Of the page. (transfer full)
gchar *server_get_url(Server *self);

// Sends a frame to each viewer, as a text and a binary message of its WebSocket (path "frames"). A
// viewer answers each frame it has shown with a text message of its own; who has two that are not
// answered, or cannot take more bytes, is left out. Nobody waits for anybody.
void server_send(Server *self, const gchar *text, GBytes *picture);

G_END_DECLS
