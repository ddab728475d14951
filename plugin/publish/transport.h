// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What all ways out have in common: the outbox calls them in its own thread, one function at a
// time.
#pragma once

#include "outbox.h"
#include "target.h"

GST_DEBUG_CATEGORY_EXTERN(publish_debug);
#define GST_CAT_DEFAULT publish_debug

typedef struct _Transport Transport;
struct _Transport {
    // Finds out whatever can be known before there is a connection. Called in the thread that
    // starts the element; the target outlives the result. NULL with an error.
    gpointer (*open)(const Target *target, GError **error);
    // The life of one connection: returns TRUE when outbox_ends(), FALSE with an error when it is
    // lost or could not be made. Called again later.
    gboolean (*run)(gpointer self, Outbox *outbox, GError **error);
    void (*free)(gpointer self);
};

extern const Transport transport_file; // and standard output
extern const Transport transport_mqtt;
extern const Transport transport_kafka;

// Of the target's kind; NULL with an error where it was not built.
const Transport *transport_of(const Target *target, GError **error);
