// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The queue, the thread, and the pauses between attempts.
#define _GNU_SOURCE // pipe2()
#include "outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "transport.h"

#define MAX_ON_THEIR_WAY 100 // what may have to be sent twice
#define FIRST_DELAY_MS 250
#define LONGEST_DELAY_MS 30000
#define JITTER 0.25
#define LASTING_US (10 * G_USEC_PER_SEC) // a connection that ends sooner, and unused, is a failure
#define GRACE_US G_USEC_PER_SEC          // for a library to let go at the end

typedef struct {
    guint64 number;
    gchar *text;
    gsize length;
} Item;

struct _Outbox {
    gatomicrefcount refs; // the element's and the thread's
    GThread *thread;
    GWeakRef owner;
    OutboxReport report;
    Target *target;
    const Transport *transport;
    gpointer connection; // of the thread
    guint max_queued, max_on_their_way;
    gint wake[2]; // read by the thread

    GMutex lock; // guards what follows
    GCond changed;
    GQueue items; // Item, by number: first those on their way, then those that wait
    GList *next;  // the first that waits; NULL = none
    guint n_on_their_way;
    guint64 last_number;
    OutboxStats stats;
    gboolean told;      // that there is no connection
    gboolean draining;  // the end has been asked for
    gboolean hurried;   // and the pause before the next attempt was cut short for it
    gint64 deadline_us; // of draining
    gboolean ended;     // the thread is done
    gboolean abandoned; // nobody waits for it
};

static void item_free(gpointer data)
{
    Item *item = data;

    g_free(item->text);
    g_free(item);
}

static void outbox_unref(Outbox *self)
{
    if (!g_atomic_ref_count_dec(&self->refs)) {
        return;
    }
    g_queue_clear_full(&self->items, item_free);
    g_weak_ref_clear(&self->owner);
    target_free(self->target);
    for (guint i = 0; i < G_N_ELEMENTS(self->wake); i++) {
        if (self->wake[i] >= 0) {
            close(self->wake[i]);
        }
    }
    g_mutex_clear(&self->lock);
    g_cond_clear(&self->changed);
    g_free(self);
}

// A full pipe is as good as a byte more.
static void wake(Outbox *self)
{
    gssize ignored;

    do {
        ignored = write(self->wake[1], "!", 1);
    } while (ignored < 0 && errno == EINTR);
}

static void tell(Outbox *self, OutboxNews news, const gchar *text)
{
    g_autoptr(GObject) owner = NULL;
    gboolean abandoned;

    g_mutex_lock(&self->lock);
    abandoned = self->abandoned;
    g_mutex_unlock(&self->lock);
    owner = abandoned ? NULL : g_weak_ref_get(&self->owner);
    if (owner != NULL) {
        self->report(owner, news, text);
    }
}

// ---- the queue ----------------------------------------------------------------------------------

static void remove_locked(Outbox *self, GList *link)
{
    if (link == self->next) {
        self->next = link->next;
    }
    item_free(link->data);
    g_queue_delete_link(&self->items, link);
}

void outbox_push(Outbox *self, gchar *text, gsize length)
{
    Item *item = g_new(Item, 1);

    g_mutex_lock(&self->lock);
    // At most half of them are on their way, so one that waits is there.
    if (self->items.length >= self->max_queued && self->next != NULL) {
        remove_locked(self, self->next);
        self->stats.dropped++;
    }
    *item = (Item){.number = ++self->last_number, .text = text, .length = length};
    g_queue_push_tail(&self->items, item);
    if (self->next == NULL) {
        self->next = self->items.tail;
    }
    g_mutex_unlock(&self->lock);
    wake(self);
}

gboolean outbox_take(Outbox *self, OutboxMessage *message)
{
    gboolean found;

    g_mutex_lock(&self->lock);
    found = self->next != NULL && self->n_on_their_way < self->max_on_their_way;
    if (found) {
        const Item *item = self->next->data;

        *message =
            (OutboxMessage){.number = item->number, .text = item->text, .length = item->length};
        self->next = self->next->next;
        self->n_on_their_way++;
    }
    g_mutex_unlock(&self->lock);
    return found;
}

// TRUE: it was on its way.
static gboolean take_back(Outbox *self, guint64 number, guint64 *counter)
{
    GList *link;

    g_mutex_lock(&self->lock);
    for (link = self->items.head; link != self->next; link = link->next) {
        if (((Item *)link->data)->number == number) {
            remove_locked(self, link);
            self->n_on_their_way--;
            ++*counter;
            break;
        }
    }
    link = link != self->next ? link : NULL;
    g_mutex_unlock(&self->lock);
    return link != NULL;
}

void outbox_done(Outbox *self, guint64 number)
{
    take_back(self, number, &self->stats.published);
}

void outbox_refuse(Outbox *self, guint64 number, const gchar *reason)
{
    if (take_back(self, number, &self->stats.dropped)) {
        tell(self, OUTBOX_REFUSED, reason);
    }
}

// Those on their way wait again, in their order. Returns how many were published so far.
static guint64 recall(Outbox *self)
{
    guint64 n_published;

    g_mutex_lock(&self->lock);
    self->next = self->items.head;
    self->n_on_their_way = 0;
    n_published = self->stats.published;
    g_mutex_unlock(&self->lock);
    return n_published;
}

// ---- the connection -----------------------------------------------------------------------------

void outbox_connected(Outbox *self)
{
    gboolean back;

    g_mutex_lock(&self->lock);
    back = self->told;
    self->told = FALSE;
    self->stats.connected = TRUE;
    self->stats.reconnects += back;
    g_mutex_unlock(&self->lock);
    if (back) {
        tell(self, OUTBOX_BACK, self->target->name);
    }
}

void outbox_lost(Outbox *self, const gchar *reason)
{
    gboolean news;

    g_mutex_lock(&self->lock);
    news = !self->told;
    self->told = TRUE;
    self->stats.connected = FALSE;
    g_mutex_unlock(&self->lock);
    if (news) {
        g_autofree gchar *text = g_strdup_printf("%s: %s", self->target->name, reason);

        tell(self, OUTBOX_LOST, text);
    }
}

static gboolean ends_locked(Outbox *self)
{
    return self->draining &&
           (self->items.length == 0 || g_get_monotonic_time() >= self->deadline_us);
}

gboolean outbox_ends(Outbox *self)
{
    gboolean ends;

    g_mutex_lock(&self->lock);
    ends = ends_locked(self);
    g_mutex_unlock(&self->lock);
    return ends;
}

gint outbox_wake_fd(Outbox *self)
{
    return self->wake[1];
}

gushort outbox_wait(Outbox *self, gint fd, gushort events, guint timeout_ms)
{
    GPollFD fds[] = {{.fd = self->wake[0], .events = G_IO_IN}, {.fd = fd, .events = events}};
    gchar bytes[64];

    g_mutex_lock(&self->lock);
    if (self->draining) {
        gint64 left_us = self->deadline_us - g_get_monotonic_time();

        timeout_ms = (guint)CLAMP(left_us / 1000 + 1, 0, (gint64)timeout_ms);
    }
    g_mutex_unlock(&self->lock);
    if (g_poll(fds, fd >= 0 ? 2 : 1, (gint)timeout_ms) <= 0) {
        return 0;
    }
    while (fds[0].revents != 0 && read(self->wake[0], bytes, sizeof bytes) == sizeof bytes) {
    }
    return fd >= 0 ? fds[1].revents : 0;
}

guint outbox_delay_ms(guint n_failures, double random)
{
    guint delay_ms = FIRST_DELAY_MS;

    for (guint i = 1; i < n_failures && delay_ms < LONGEST_DELAY_MS; i++) {
        delay_ms *= 2;
    }
    delay_ms = MIN(delay_ms, LONGEST_DELAY_MS);
    return (guint)(delay_ms * (1.0 - JITTER + 2.0 * JITTER * random));
}

// The end cuts it short once: it is worth a try.
static void pause_before_attempt(Outbox *self, guint *n_failures)
{
    gint64 end = g_get_monotonic_time() +
                 outbox_delay_ms(*n_failures, g_random_double()) * G_GINT64_CONSTANT(1000);

    g_mutex_lock(&self->lock);
    while (!(self->draining && !self->hurried) && !ends_locked(self) &&
           g_get_monotonic_time() < end) {
        g_cond_wait_until(&self->changed, &self->lock,
                          self->draining ? MIN(end, self->deadline_us) : end);
    }
    if (self->draining && !self->hurried) {
        self->hurried = TRUE;
        *n_failures = 0;
    }
    g_mutex_unlock(&self->lock);
}

// Writing to who has gone is an error here, and not the end of the process.
static void block_sigpipe(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static gpointer work(gpointer data)
{
    Outbox *self = data;
    guint n_failures = 0;
    guint64 n_before = 0;

    block_sigpipe();
    while (!outbox_ends(self)) {
        g_autoptr(GError) error = NULL;
        gint64 begin = g_get_monotonic_time();
        guint64 n_published;

        if (self->transport->run(self->connection, self, &error)) {
            break;
        }
        n_published = recall(self);
        if (n_published > n_before || g_get_monotonic_time() - begin > LASTING_US) {
            n_failures = 0;
        }
        n_before = n_published;
        n_failures++;
        outbox_lost(self, error->message);
        pause_before_attempt(self, &n_failures);
    }
    self->transport->free(self->connection);
    g_mutex_lock(&self->lock);
    self->ended = TRUE;
    g_cond_broadcast(&self->changed);
    g_mutex_unlock(&self->lock);
    outbox_unref(self);
    return NULL;
}

// ---- begin and end ------------------------------------------------------------------------------

static Outbox *outbox_new(Target *target, guint max_queued, GObject *owner, OutboxReport report)
{
    Outbox *self = g_new0(Outbox, 1);

    g_atomic_ref_count_init(&self->refs);
    g_weak_ref_init(&self->owner, owner);
    g_mutex_init(&self->lock);
    g_cond_init(&self->changed);
    g_queue_init(&self->items);
    self->target = target;
    self->report = report;
    self->max_queued = MAX(max_queued, 2);
    self->max_on_their_way = MIN(self->max_queued / 2, MAX_ON_THEIR_WAY);
    self->wake[0] = self->wake[1] = -1;
    return self;
}

Outbox *outbox_start(Target *target, guint max_queued, GObject *owner, OutboxReport report,
                     GError **error)
{
    Outbox *self = outbox_new(target, max_queued, owner, report);

    if (!target_check_files(target, error)) {
        goto error;
    }
    self->transport = transport_of(target, error);
    if (self->transport == NULL) {
        goto error;
    }
    if (pipe2(self->wake, O_CLOEXEC | O_NONBLOCK) < 0) {
        g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED, "cannot make a pipe: %s",
                    g_strerror(errno));
        goto error;
    }
    self->connection = self->transport->open(target, error);
    if (self->connection == NULL) {
        goto error;
    }
    g_atomic_ref_count_inc(&self->refs);
    self->thread = g_thread_try_new("effdetpublish", work, self, error);
    if (self->thread == NULL) {
        self->transport->free(self->connection);
        outbox_unref(self);
        goto error;
    }
    return self;
error:
    outbox_unref(self);
    return NULL;
}

OutboxStats outbox_get_stats(Outbox *self)
{
    OutboxStats stats;

    g_mutex_lock(&self->lock);
    stats = self->stats;
    stats.queued = self->items.length;
    g_mutex_unlock(&self->lock);
    return stats;
}

void outbox_drain(Outbox *self, guint drain_ms)
{
    const gboolean from_within = g_thread_self() == self->thread; // a handler of what it told

    g_mutex_lock(&self->lock);
    self->draining = TRUE;
    self->deadline_us = g_get_monotonic_time() + drain_ms * G_GINT64_CONSTANT(1000);
    g_cond_broadcast(&self->changed);
    g_mutex_unlock(&self->lock);
    wake(self);
    g_mutex_lock(&self->lock);
    while (!self->ended && !from_within &&
           g_cond_wait_until(&self->changed, &self->lock, self->deadline_us + GRACE_US)) {
    }
    g_mutex_unlock(&self->lock);
}

OutboxStats outbox_end(Outbox *self)
{
    OutboxStats stats;
    gboolean ended;

    g_mutex_lock(&self->lock);
    self->abandoned = TRUE;
    ended = self->ended;
    stats = self->stats;
    stats.undelivered = self->items.length;
    stats.connected = FALSE;
    g_mutex_unlock(&self->lock);
    if (ended) {
        g_thread_join(self->thread);
    } else {
        g_thread_unref(self->thread);
    }
    outbox_unref(self);
    return stats;
}
