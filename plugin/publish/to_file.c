// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Lines into a file, a FIFO or standard output, without ever waiting for a reader longer than the
// outbox wants.
#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_MS 1000
#define TURN_MS 5 // between looks at who has standard output

// Elements of one process write whole lines there.
static GMutex stdout_lock;

typedef struct {
    const Target *target;
    gint fd;            // -1 = none
    gboolean is_stream; // a write of more than PIPE_BUF may wait, in the middle of a line
    guint64 number;     // of the message that is half written, 0 = none
    gsize offset;       // in it
    gint code;          // errno of what failed last
} FileSink;

static gboolean fail(FileSink *self, const gchar *what, GError **error)
{
    self->code = errno;
    g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE, "%s: %s%s", what,
                g_strerror(self->code), self->code == ENXIO ? " (nobody reads the FIFO)" : "");
    return FALSE;
}

static gboolean open_file(FileSink *self, GError **error)
{
    struct stat status;

    if (self->target->kind == TARGET_STDOUT) {
        self->fd = STDOUT_FILENO;
    } else {
        self->fd = open(self->target->path,
                        O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
    }
    if (self->fd < 0 || fstat(self->fd, &status) < 0) {
        return fail(self, "cannot open it for writing", error);
    }
    self->is_stream = !S_ISREG(status.st_mode);
    self->number = 0;
    self->offset = 0;
    return TRUE;
}

static void close_file(FileSink *self)
{
    if (self->fd >= 0 && self->target->kind == TARGET_FILE) {
        close(self->fd);
    }
    self->fd = -1;
}

static void file_free(gpointer data)
{
    close_file(data);
    g_free(data);
}

static gpointer file_open(const Target *target, GError **error)
{
    FileSink *self = g_new0(FileSink, 1);

    self->target = target;
    if (!open_file(self, error) && self->code != ENXIO) {
        g_prefix_error(error,
                       "%s: wanted a file to write, found one that does not let: ", target->name);
        file_free(self);
        return NULL;
    }
    g_clear_error(error); // a FIFO's reader may come later
    return self;
}

// The rest of a line, TRUE also where the outbox ends before it.
static gboolean write_rest(FileSink *self, Outbox *outbox, const gchar *text, gsize length,
                           GError **error)
{
    while (self->offset < length && !outbox_ends(outbox)) {
        gsize n = length - self->offset;
        gssize written;

        if (self->is_stream && !outbox_wait(outbox, self->fd, G_IO_OUT, WAIT_MS)) {
            continue;
        }
        written = write(self->fd, text + self->offset, self->is_stream ? MIN(n, PIPE_BUF) : n);
        if (written < 0 && errno != EAGAIN && errno != EINTR) {
            return fail(self, "cannot write to it", error);
        }
        self->offset += written > 0 ? (gsize)written : 0;
    }
    return TRUE;
}

static gboolean write_line(FileSink *self, Outbox *outbox, const OutboxMessage *message,
                           GError **error)
{
    if (self->number != 0 && self->number != message->number) { // dropped half way
        self->number = message->number;
        self->offset = 0;
        if (!write_rest(self, outbox, "\n", 1, error)) {
            return FALSE;
        }
        self->offset = 0;
    }
    self->number = message->number;
    if (!write_rest(self, outbox, message->text, message->length + 1, error)) {
        return FALSE;
    }
    if (self->offset == message->length + 1) {
        self->number = 0;
        self->offset = 0;
        outbox_done(outbox, message->number);
    }
    return TRUE;
}

static gboolean get_turn(FileSink *self, Outbox *outbox)
{
    if (self->target->kind != TARGET_STDOUT) {
        return TRUE;
    }
    while (!g_mutex_trylock(&stdout_lock)) {
        if (outbox_ends(outbox)) {
            return FALSE;
        }
        outbox_wait(outbox, -1, 0, TURN_MS);
    }
    return TRUE;
}

static gboolean file_run(gpointer data, Outbox *outbox, GError **error)
{
    FileSink *self = data;
    OutboxMessage message;
    gboolean ok = TRUE;

    if (self->fd < 0 && !open_file(self, error)) {
        return FALSE;
    }
    outbox_connected(outbox);
    while (ok && !outbox_ends(outbox)) {
        if (!outbox_take(outbox, &message)) {
            outbox_wait(outbox, -1, 0, WAIT_MS);
        } else if (get_turn(self, outbox)) {
            ok = write_line(self, outbox, &message, error);
            if (self->target->kind == TARGET_STDOUT) {
                g_mutex_unlock(&stdout_lock);
            }
        }
    }
    // Who reads a stream anew wants whole lines; a file that is full goes on where it broke off.
    if (!ok && self->is_stream) {
        close_file(self);
    }
    return ok;
}

const Transport transport_file = {.open = file_open, .run = file_run, .free = file_free};
