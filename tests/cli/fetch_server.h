// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A server in this process that truncates, stalls, redirects, lies and refuses, for test_fetch.c.
#pragma once

#include <glib.h>

enum mode {
    MODE_PLAIN,
    MODE_NO_RANGES,   // the whole file whatever was asked for
    MODE_CUT,         // first request: a third of the body, then the end
    MODE_STALL,       // first request: a third of the body, then silence
    MODE_BUSY,        // first request: 503
    MODE_WRONG_RANGE, // ranges start a byte late
    MODE_REDIRECT,
    MODE_MISSING,
    MODE_CORRUPT,
    MODE_PAGE,
    MODE_HUGE,    // announces 3 GiB
    MODE_CHUNKED, // no length
    MODE_CHANGED, // first request: half of another file; then the right one, under another ETag
};

struct fetch_server {
    char *base; // http://127.0.0.1:PORT
    char *data;
    gsize size;
    char *sha256;
    GMutex lock; // of what follows
    enum mode mode;
    unsigned requests, ranges;
    char *last_target;
};
extern struct fetch_server server;

// Serves tests/data/containers/pt_zip_many.pth from a thread of its own until the process ends.
void server_run(void);
