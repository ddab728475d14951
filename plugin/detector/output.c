// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The source pad's task: waits for the result of the oldest buffer as long as it may be held,
// attaches, and pushes everything in order. It decides nothing about inference.
#include "detector.h"
#include "latency.h"
#include "stream.h"

#include "meta/detections.h"
#include "meta/frame_meta.h"

void output_queue(GstEffdet *self, const Item *item)
{
    gst_queue_array_push_tail_struct(self->items, (gpointer)item);
    if (item->kind == ITEM_BUFFER) {
        self->n_buffers++;
    }
    g_cond_broadcast(&self->cond);
}

static void discard_item(GstEffdet *self, Item *item)
{
    if (item->kind == ITEM_QUERY) {
        self->query_waits = FALSE;
        return;
    }
    if (item->kind == ITEM_BUFFER) {
        self->n_buffers--;
        if (item->flight != NULL) {
            flight_abandon(self, item->flight);
        }
    } else {
        GstEvent *event = GST_EVENT_CAST(item->object);

        if (GST_EVENT_IS_STICKY(event) && GST_EVENT_TYPE(event) != GST_EVENT_SEGMENT &&
            GST_EVENT_TYPE(event) != GST_EVENT_EOS) {
            gst_pad_store_sticky_event(self->srcpad, event);
        }
    }
    gst_mini_object_unref(item->object);
}

void output_discard(GstEffdet *self)
{
    g_mutex_lock(&self->lock);
    while (gst_queue_array_get_length(self->items) > 0) {
        discard_item(self, gst_queue_array_pop_head_struct(self->items));
    }
    for (guint i = 0; i < N_FLIGHTS; i++) { // those whose buffers are gone already
        if (self->flights[i].state == FLIGHT_ENGINE) {
            self->flights[i].wanted = WANTED_NOT;
        }
    }
    if (self->late != NULL) {
        flight_abandon(self, self->late);
    }
    g_cond_broadcast(&self->cond);
    g_mutex_unlock(&self->lock);
}

// ---- waiting, under lock ----

// Until when the buffer may be held for its result; G_MAXINT64 = for ever.
static gint64 hold_until_us(GstEffdet *self, const Item *item)
{
    // Behind an end of stream nothing waits for the frames in flight, and no later buffer would
    // carry their results.
    if (!self->live || self->eos) {
        return G_MAXINT64;
    }
    return item->arrival_us + latency_hold_us(self);
}

static gboolean output_stopped(const GstEffdet *self)
{
    return self->flushing || (self->flow != GST_FLOW_OK && self->flow != GST_FLOW_EOS);
}

// Takes the oldest item once it may go. FALSE: nothing more is pushed.
static gboolean take_head(GstEffdet *self, Item *head)
{
    while (!output_stopped(self)) {
        Item *item = gst_queue_array_peek_head_struct(self->items);

        if (item == NULL) {
            g_cond_wait(&self->cond, &self->lock);
            continue;
        }
        if (item->kind == ITEM_BUFFER && item->flight != NULL &&
            item->flight->state == FLIGHT_ENGINE && !self->release_head) {
            gint64 deadline = hold_until_us(self, item);

            if (deadline == G_MAXINT64) {
                g_cond_wait(&self->cond, &self->lock);
                continue;
            }
            if (g_get_monotonic_time() < deadline) {
                g_cond_wait_until(&self->cond, &self->lock, deadline);
                continue;
            }
        }
        *head = *(Item *)gst_queue_array_pop_head_struct(self->items);
        return TRUE;
    }
    return FALSE;
}

// The flight whose result goes out with the buffer, if any; its own before one that came late.
// Under lock.
static Flight *take_flight(GstEffdet *self, Item *item)
{
    Flight *own = item->flight, *late = self->late;

    self->release_head = FALSE;
    if (own != NULL && own->state == FLIGHT_ENGINE) {
        own->wanted = WANTED_LATE;
        self->stats.late++;
        own = NULL;
    } else if (own != NULL && own->result == NULL) {
        flight_abandon(self, own);
        own = NULL;
    }
    if (late != NULL && (own != NULL || item->bypass || late->width != item->width ||
                         late->height != item->height)) {
        flight_abandon(self, late);
        late = NULL;
    }
    self->late = NULL;
    return own != NULL ? own : late;
}

// ---- pushing, without lock ----

static GstBuffer *attach(GstEffdet *self, GstBuffer *buffer, const Flight *flight, const Item *item)
{
    gboolean roi_meta;

    buffer = gst_buffer_make_writable(buffer);
    effdet_frame_meta_set(buffer, flight != NULL,
                          flight != NULL ? flight->pts : GST_CLOCK_TIME_NONE);
    if (flight == NULL) {
        return buffer;
    }
    GST_OBJECT_LOCK(self);
    roi_meta = self->settings.tunables.roi_meta;
    GST_OBJECT_UNLOCK(self);
    g_array_set_size(self->scratch, flight->result->n_objects);
    for (guint i = 0; i < flight->result->n_objects; i++) {
        const EffdetObject *object = &flight->result->objects[i];
        guint class = (guint)object->label_id;

        g_array_index(self->scratch, EffdetDetection, i) = (EffdetDetection){
            .label = class < flight->labels->len ? g_array_index(flight->labels, GQuark, class) : 0,
            .label_id = object->label_id,
            .confidence = object->confidence,
            .x = object->x,
            .y = object->y,
            .w = object->w,
            .h = object->h};
    }
    effdet_meta_attach(buffer, (EffdetDetection *)self->scratch->data, self->scratch->len,
                       item->width, item->height, roi_meta);
    return buffer;
}

static GstFlowReturn push_buffer(GstEffdet *self, Item *item, Flight *flight)
{
    GstBuffer *buffer = GST_BUFFER_CAST(item->object);

    if (!item->bypass) {
        buffer = attach(self, buffer, flight, item);
    }
    if (flight != NULL) {
        g_mutex_lock(&self->lock);
        flight_abandon(self, flight);
        g_mutex_unlock(&self->lock);
    }
    return gst_pad_push(self->srcpad, buffer);
}

static void answer_query(GstEffdet *self, const Item *item)
{
    gboolean ok = gst_pad_peer_query(self->srcpad, GST_QUERY_CAST(item->object));

    g_mutex_lock(&self->lock);
    self->query_waits = FALSE;
    self->query_ok = ok;
    g_mutex_unlock(&self->lock);
}

// Under lock, which is released for the push. Returns what the stream is to do.
static GstFlowReturn push_item(GstEffdet *self, Item *item)
{
    Flight *flight = item->kind == ITEM_BUFFER ? take_flight(self, item) : NULL;
    gboolean discard = self->flow == GST_FLOW_EOS;
    GstFlowReturn flow = self->flow;

    self->pushing = TRUE;
    g_cond_broadcast(&self->cond);
    g_mutex_unlock(&self->lock);
    switch (item->kind) {
    case ITEM_BUFFER:
        if (discard) {
            gst_buffer_unref(GST_BUFFER_CAST(item->object));
        } else {
            flow = push_buffer(self, item, flight);
            flight = NULL;
        }
        break;
    case ITEM_EVENT:
        if (GST_EVENT_TYPE(item->object) == GST_EVENT_SEGMENT ||
            GST_EVENT_TYPE(item->object) == GST_EVENT_STREAM_START) {
            flow = GST_FLOW_OK; // what follows is new to a downstream that had enough
        }
        gst_pad_push_event(self->srcpad, GST_EVENT_CAST(item->object));
        break;
    case ITEM_QUERY:
        if (item->object != NULL) {
            answer_query(self, item);
        }
        break;
    }
    g_mutex_lock(&self->lock);
    if (flight != NULL) {
        flight_abandon(self, flight);
    }
    if (item->kind == ITEM_BUFFER) {
        self->n_buffers--;
    }
    self->pushing = FALSE;
    g_cond_broadcast(&self->cond);
    return flow;
}

static void post_stats(GstEffdet *self)
{
    guint interval_s;
    gint64 now_us = g_get_monotonic_time();
    GstStructure *stats = NULL;

    GST_OBJECT_LOCK(self);
    interval_s = self->settings.stats_interval_s;
    GST_OBJECT_UNLOCK(self);
    if (interval_s == 0 || now_us < self->stats_due_us) {
        return;
    }
    if (self->stats_due_us != 0) {
        g_object_get(self, "stats", &stats, NULL);
        gst_element_post_message(GST_ELEMENT(self),
                                 gst_message_new_element(GST_OBJECT(self), stats));
    }
    self->stats_due_us = now_us + (gint64)interval_s * G_USEC_PER_SEC;
}

void output_loop(gpointer data)
{
    GstPad *pad = data;
    GstEffdet *self = GST_EFFDET(GST_PAD_PARENT(pad));
    GstFlowReturn flow;
    gboolean report_eos;
    Item item;

    g_mutex_lock(&self->lock);
    if (!take_head(self, &item)) {
        goto pause;
    }
    flow = push_item(self, &item);
    if (!output_stopped(self)) {
        self->flow = flow;
    }
    if (output_stopped(self)) {
        goto pause;
    }
    g_mutex_unlock(&self->lock);
    post_stats(self);
    latency_review(self);
    return;

pause:
    // With the end of stream queued upstream sends no more and would never learn of the error.
    flow = self->flow;
    report_eos = self->eos && !self->flushing && !self->failed &&
                 (flow == GST_FLOW_NOT_LINKED || flow < GST_FLOW_EOS);
    gst_pad_pause_task(pad);
    g_cond_broadcast(&self->cond);
    g_mutex_unlock(&self->lock);
    if (report_eos) {
        GST_ELEMENT_FLOW_ERROR(self, flow);
        gst_pad_push_event(self->srcpad, gst_event_new_eos());
    }
}
