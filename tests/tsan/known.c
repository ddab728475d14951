// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What ThreadSanitizer has to pass and to report, run before the tests: `known good` uses each kind
// of lock and hand-over rightly, `known bad` shares a counter without one.
#include <gst/gst.h>

#include <string.h>

#define TURNS 2000

static struct {
    GMutex lock;
    GCond cond;
    GRecMutex recursive;
    GstElement *element;
    GAsyncQueue *queue;
    gint *handed; // under lock; its target belongs to who holds it
    guint by_mutex, by_object_lock, by_recursive, by_nothing;
} shared;

static gint *made_once(void)
{
    static gsize place = 0;

    if (g_once_init_enter(&place)) {
        gint *made = g_new0(gint, 1);

        g_usleep(1000); // the other thread comes and waits
        *made = 7;
        g_once_init_leave(&place, (gsize)made);
    }
    return (gint *)place;
}

static void count(void)
{
    g_mutex_lock(&shared.lock);
    shared.by_mutex++;
    g_mutex_unlock(&shared.lock);
    if (g_mutex_trylock(&shared.lock)) {
        shared.by_mutex++;
        g_mutex_unlock(&shared.lock);
    }
    GST_OBJECT_LOCK(shared.element);
    shared.by_object_lock++;
    GST_OBJECT_UNLOCK(shared.element);
    g_rec_mutex_lock(&shared.recursive);
    shared.by_recursive++;
    g_rec_mutex_unlock(&shared.recursive);
}

static gpointer take(gpointer data)
{
    gint *from_queue;

    g_assert_cmpint(*made_once(), ==, 7);
    for (guint i = 0; i < TURNS; i++) {
        gint *mine;

        count();
        g_mutex_lock(&shared.lock);
        while (shared.handed == NULL) {
            if (i % 2 == 0) {
                g_cond_wait(&shared.cond, &shared.lock);
            } else {
                g_cond_wait_until(&shared.cond, &shared.lock, g_get_monotonic_time() + 1000);
            }
        }
        mine = g_steal_pointer(&shared.handed);
        g_cond_broadcast(&shared.cond);
        g_mutex_unlock(&shared.lock);
        *mine += 1;
        g_free(mine);
        from_queue = g_async_queue_pop(shared.queue);
        g_assert_cmpint(*from_queue, ==, (gint)i);
        g_free(from_queue);
    }
    return NULL;
}

static void give(void)
{
    g_assert_cmpint(*made_once(), ==, 7);
    for (guint i = 0; i < TURNS; i++) {
        gint *for_queue = g_new(gint, 1);

        count();
        *for_queue = (gint)i;
        g_mutex_lock(&shared.lock);
        while (shared.handed != NULL) {
            g_cond_wait(&shared.cond, &shared.lock);
        }
        shared.handed = g_new0(gint, 1);
        g_cond_broadcast(&shared.cond);
        g_mutex_unlock(&shared.lock);
        g_async_queue_push(shared.queue, for_queue);
    }
}

// GStreamer takes the locks and starts the thread; the pad's function and the reader are ours.
static gint by_chain;

static GstFlowReturn chain(GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
    by_chain++;
    gst_buffer_unref(buffer);
    return GST_FLOW_OK;
}

static void push_from_task(gpointer pad)
{
    if (by_chain == TURNS) {
        gst_pad_pause_task(pad);
        return;
    }
    gst_pad_push(pad, gst_buffer_new());
}

static void run_task(void)
{
    GstPad *src = gst_object_ref_sink(gst_pad_new("src", GST_PAD_SRC));
    GstPad *sink = gst_object_ref_sink(gst_pad_new("sink", GST_PAD_SINK));
    GstSegment segment;

    gst_pad_set_chain_function(sink, chain);
    g_assert_cmpint(gst_pad_link(src, sink), ==, GST_PAD_LINK_OK);
    gst_pad_set_active(sink, TRUE);
    gst_pad_set_active(src, TRUE);
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_pad_push_event(src, gst_event_new_stream_start("known"));
    gst_pad_push_event(src, gst_event_new_segment(&segment));
    gst_pad_start_task(src, push_from_task, src, NULL);
    g_usleep(100000);
    gst_pad_stop_task(src);
    g_assert_cmpint(by_chain, >, 0);
    gst_object_unref(src);
    gst_object_unref(sink);
}

// At different times: two accesses at the same moment can hide from ThreadSanitizer; a pause orders
// nothing.
static gpointer count_without_lock(gpointer pause_us)
{
    for (guint i = 0; i < 5; i++) {
        g_usleep(GPOINTER_TO_SIZE(pause_us));
        shared.by_nothing++;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    GThread *thread;

    gst_init(NULL, NULL);
    if (argc == 2 && strcmp(argv[1], "bad") == 0) {
        thread = g_thread_new("bad", count_without_lock, GSIZE_TO_POINTER(7000));
        count_without_lock(GSIZE_TO_POINTER(10000));
        g_thread_join(thread);
        return 0;
    }
    shared.element = gst_object_ref_sink(gst_pipeline_new(NULL));
    shared.queue = g_async_queue_new();
    thread = g_thread_new("good", take, NULL);
    give();
    g_thread_join(thread);
    run_task();
    g_assert_cmpuint(shared.by_object_lock, ==, 2 * TURNS);
    g_assert_cmpuint(shared.by_recursive, ==, 2 * TURNS);
    g_async_queue_unref(shared.queue);
    gst_object_unref(shared.element);
    return 0;
}
