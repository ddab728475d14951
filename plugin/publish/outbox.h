// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A bounded queue of messages and the thread that sends them: what waits, what is on its way, when
// to try again. How they are sent, transports know.
#pragma once

#include <gst/gst.h>

#include "target.h"

typedef struct _Outbox Outbox;

typedef struct {
    guint64 number;    // from 1, growing
    const gchar *text; // with a '\n' and a NUL behind its length
    gsize length;
} OutboxMessage;

typedef enum {
    OUTBOX_LOST,    // there is no connection, for the first time or again
    OUTBOX_BACK,    // there is one again
    OUTBOX_REFUSED, // a message will never be taken
} OutboxNews;

// In the outbox's thread, with the owner alive.
typedef void (*OutboxReport)(GObject *owner, OutboxNews news, const gchar *text);

typedef struct {
    guint64 queued;      // now, those on their way included
    guint64 published;   // taken by the other side
    guint64 dropped;     // because there were too many, or refused
    guint64 undelivered; // given up at the end
    guint64 reconnects;
    gboolean connected;
} OutboxStats;

// ---- for the element ----------------------------------------------------------------------------

// Takes the target, also on failure. At most max_queued (2 or more) messages are kept.
Outbox *outbox_start(Target *target, guint max_queued, GObject *owner, OutboxReport report,
                     GError **error);

// Takes the text, which has to be followed by "\n" and NUL. Never waits for the network.
void outbox_push(Outbox *self, gchar *text, gsize length);

OutboxStats outbox_get_stats(Outbox *self);

// Sends what is there for so long at most. Returns when there is no more, or no time.
void outbox_drain(Outbox *self, guint drain_ms);

// Afterwards: gives up the rest and frees it. Returns the last statistics. A thread that is stuck
// in a call into the system is left behind and ends when it comes back.
OutboxStats outbox_end(Outbox *self);

// How long to wait after so many failures in a row, with a random number from 0 to 1.
guint outbox_delay_ms(guint n_failures, double random);

// ---- for transports -----------------------------------------------------------------------------

// The next message to send, which stays valid until it is done or refused, or run() returns; FALSE:
// none, or too many on their way.
gboolean outbox_take(Outbox *self, OutboxMessage *message);

// The other side has taken it, or never will.
void outbox_done(Outbox *self, guint64 number);
void outbox_refuse(Outbox *self, guint64 number, const gchar *reason);

// There is a connection; there is none, and the transport tries by itself to get it back.
void outbox_connected(Outbox *self);
void outbox_lost(Outbox *self, const gchar *reason);

// Whether run() has to return: nothing is left to do, or no time.
gboolean outbox_ends(Outbox *self);

// Waits until there is news for outbox_take() or outbox_ends(), or something happens on the other
// descriptor (-1 = none): returns what (G_IO_…), 0 for anything else. At most so long.
gushort outbox_wait(Outbox *self, gint fd, gushort events, guint timeout_ms);

// For libraries that write a byte there when something happens.
gint outbox_wake_fd(Outbox *self);
