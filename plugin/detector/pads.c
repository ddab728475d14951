// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Events, queries and activation of both pads. Buffers are the matter of admit.c and output.c.
#include "detector.h"
#include "latency.h"
#include "stream.h"

// ---- flushing ----

static void set_flushing(GstEffdet *self, gboolean flushing)
{
    g_mutex_lock(&self->lock);
    self->flushing = flushing;
    if (!flushing) {
        self->eos = FALSE;
        if (!self->failed) {
            self->flow = GST_FLOW_OK;
        }
    }
    g_cond_broadcast(&self->cond);
    g_mutex_unlock(&self->lock);
}

static gboolean flush_start(GstEffdet *self, GstEvent *event)
{
    gboolean ok = gst_pad_push_event(self->srcpad, event);

    set_flushing(self, TRUE);
    gst_pad_pause_task(self->srcpad);
    return ok;
}

static gboolean flush_stop(GstEffdet *self, GstEvent *event)
{
    gboolean ok = gst_pad_push_event(self->srcpad, event);

    output_discard(self);
    admit_reset(self);
    qos_reset(self);
    gst_segment_init(&self->segment, GST_FORMAT_UNDEFINED);
    set_flushing(self, FALSE);
    if (gst_pad_is_active(self->srcpad)) {
        gst_pad_start_task(self->srcpad, output_loop, self->srcpad, NULL);
    }
    return ok;
}

// ---- sink events ----

static gboolean take_caps(GstEffdet *self, GstEvent *event)
{
    GstCaps *caps;
    GstVideoInfo info;

    gst_event_parse_caps(event, &caps);
    if (!gst_video_info_from_caps(&info, caps)) {
        g_autofree gchar *found = gst_caps_to_string(caps);

        GST_ELEMENT_ERROR(
            self, STREAM, FORMAT,
            ("Raw video caps were expected, %s came: put a videoconvert before the element.",
             found),
            (NULL));
        return FALSE;
    }
    self->info = info;
    g_mutex_lock(&self->lock);
    self->frame_time_us =
        info.fps_n > 0 ? gst_util_uint64_scale_int(G_USEC_PER_SEC, info.fps_d, info.fps_n) : 0;
    g_mutex_unlock(&self->lock);
    self->warned_unmappable = FALSE;
    return TRUE;
}

// Consumes the event. What cannot be queued any more fails as it does in a queue element.
static gboolean queue_event(GstEffdet *self, GstEvent *event)
{
    Item item = {.kind = ITEM_EVENT, .object = GST_MINI_OBJECT_CAST(event)};
    gboolean is_eos = GST_EVENT_TYPE(event) == GST_EVENT_EOS, report = FALSE, taken = FALSE;
    GstFlowReturn flow;

    g_mutex_lock(&self->lock);
    flow = self->flushing ? GST_FLOW_FLUSHING : self->flow;
    if (GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT ||
        GST_EVENT_TYPE(event) == GST_EVENT_STREAM_START) {
        self->eos = FALSE;
    }
    if (!self->eos &&
        (flow == GST_FLOW_OK || flow == GST_FLOW_EOS || (GST_EVENT_IS_STICKY(event) && !is_eos))) {
        self->eos = is_eos;
        output_queue(self, &item);
        taken = TRUE;
    } else {
        report = is_eos && !self->failed && (flow == GST_FLOW_NOT_LINKED || flow < GST_FLOW_EOS);
    }
    g_mutex_unlock(&self->lock);
    if (report) {
        GST_ELEMENT_FLOW_ERROR(self, flow);
    }
    if (!taken) {
        gst_event_unref(event);
    }
    return taken;
}

gboolean pads_sink_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
    GstEffdet *self = GST_EFFDET(parent);

    switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_FLUSH_START:
        return flush_start(self, event);
    case GST_EVENT_FLUSH_STOP:
        return flush_stop(self, event);
    case GST_EVENT_STREAM_START:
        self->live_known = FALSE;
        qos_reset(self);
        break;
    case GST_EVENT_SEGMENT:
        gst_event_copy_segment(event, &self->segment);
        qos_reset(self);
        break;
    case GST_EVENT_CAPS:
        if (!take_caps(self, event)) {
            gst_event_unref(event);
            return FALSE;
        }
        break;
    default:
        if (!GST_EVENT_IS_SERIALIZED(event)) {
            return gst_pad_push_event(self->srcpad, event);
        }
    }
    return queue_event(self, event);
}

// ---- sink queries ----

// Takes a query back that the task will not reach. Under lock.
static void withdraw_query(GstEffdet *self, GstQuery *query)
{
    guint n = gst_queue_array_get_length(self->items);

    for (guint i = 0; i < n; i++) {
        Item *item = gst_queue_array_peek_nth_struct(self->items, i);

        if (item->object == GST_MINI_OBJECT_CAST(query)) {
            item->object = NULL;
            self->query_waits = FALSE;
        }
    }
}

// A serialised query is asked behind everything that is queued.
static gboolean ask_in_order(GstEffdet *self, GstQuery *query)
{
    Item item = {.kind = ITEM_QUERY, .object = GST_MINI_OBJECT_CAST(query)};
    gboolean ok;

    g_mutex_lock(&self->lock);
    self->query_ok = FALSE;
    if (!self->flushing && self->flow == GST_FLOW_OK) {
        self->query_waits = TRUE;
        output_queue(self, &item);
    }
    while (self->query_waits) {
        // One that the task has begun with is waited for in any case: the query is in use.
        if (self->flushing || self->flow != GST_FLOW_OK) {
            withdraw_query(self, query);
        }
        if (self->query_waits) {
            g_cond_wait(&self->cond, &self->lock);
        }
    }
    ok = self->query_ok;
    g_mutex_unlock(&self->lock);
    return ok;
}

// Buffers are passed on, so padded ones may come only where downstream takes them; with nobody
// there, we do. Pools must be able to give what lies between the pads, or a small fixed pool stalls
// its producer.
static gboolean answer_allocation(GstEffdet *self, GstQuery *query)
{
    gboolean ok = ask_in_order(self, query);
    guint n_pools, held;

    if (!ok && !gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, NULL)) {
        gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, NULL);
    }
    n_pools = gst_query_get_n_allocation_pools(query);
    g_mutex_lock(&self->lock);
    held = self->use.depth;
    g_mutex_unlock(&self->lock);
    for (guint i = 0; i < n_pools; i++) {
        GstBufferPool *pool;
        guint size, min, max;

        gst_query_parse_nth_allocation_pool(query, i, &pool, &size, &min, &max);
        gst_query_set_nth_allocation_pool(query, i, pool, size, min + held,
                                          max == 0 ? 0 : max + held);
        g_clear_pointer(&pool, gst_object_unref);
    }
    return TRUE;
}

gboolean pads_sink_query(GstPad *pad, GstObject *parent, GstQuery *query)
{
    GstEffdet *self = GST_EFFDET(parent);

    if (GST_QUERY_TYPE(query) == GST_QUERY_ALLOCATION) {
        return answer_allocation(self, query);
    }
    if (GST_QUERY_IS_SERIALIZED(query)) {
        return ask_in_order(self, query);
    }
    return gst_pad_query_default(pad, parent, query);
}

// ---- source pad ----

gboolean pads_src_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
    GstEffdet *self = GST_EFFDET(parent);

    if (GST_EVENT_TYPE(event) == GST_EVENT_QOS) {
        qos_take(self, event);
    }
    // A new peer: what failed for want of one may go on.
    if (GST_EVENT_TYPE(event) == GST_EVENT_RECONFIGURE) {
        g_mutex_lock(&self->lock);
        if (self->flow == GST_FLOW_NOT_LINKED && !self->flushing) {
            self->flow = GST_FLOW_OK;
            gst_pad_start_task(self->srcpad, output_loop, self->srcpad, NULL);
        }
        g_mutex_unlock(&self->lock);
    }
    return gst_pad_event_default(pad, parent, event);
}

void pads_learn_live(GstEffdet *self)
{
    GstQuery *query = gst_query_new_latency();
    gboolean live = FALSE;

    if (gst_pad_peer_query(self->sinkpad, query)) {
        gst_query_parse_latency(query, &live, NULL, NULL);
    }
    gst_query_unref(query);
    g_mutex_lock(&self->lock);
    self->live = live;
    g_mutex_unlock(&self->lock);
    self->live_known = TRUE;
}

// On a live pipeline a buffer is held for its result, and as much can be kept back.
static gboolean answer_latency(GstEffdet *self, GstQuery *query)
{
    GstClockTime min, max, held;
    gboolean live;

    if (!gst_pad_peer_query(self->sinkpad, query)) {
        return FALSE;
    }
    gst_query_parse_latency(query, &live, &min, &max);
    g_mutex_lock(&self->lock);
    self->live = live;
    held = live ? (GstClockTime)latency_answer_us(self) * GST_USECOND : 0;
    g_mutex_unlock(&self->lock);
    gst_query_set_latency(query, live, min + held, GST_CLOCK_TIME_IS_VALID(max) ? max + held : max);
    return TRUE;
}

gboolean pads_src_query(GstPad *pad, GstObject *parent, GstQuery *query)
{
    if (GST_QUERY_TYPE(query) == GST_QUERY_LATENCY) {
        return answer_latency(GST_EFFDET(parent), query);
    }
    return gst_pad_query_default(pad, parent, query);
}

// ---- activation ----

gboolean pads_sink_activate(GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
{
    GstEffdet *self = GST_EFFDET(parent);

    if (mode != GST_PAD_MODE_PUSH) {
        return FALSE;
    }
    set_flushing(self, !active);
    if (!active) {
        GST_PAD_STREAM_LOCK(pad); // until the streaming thread has left
        output_discard(self);
        GST_PAD_STREAM_UNLOCK(pad);
    }
    return TRUE;
}

gboolean pads_src_activate(GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
{
    if (mode != GST_PAD_MODE_PUSH) {
        return FALSE;
    }
    set_flushing(GST_EFFDET(parent), !active);
    return active ? gst_pad_start_task(pad, output_loop, pad, NULL) : gst_pad_stop_task(pad);
}
