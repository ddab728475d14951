// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// QoS: events of downstream in, messages out. Who is left out is decided in admit.c.
#include "detector.h"
#include "qos.h"

void qos_take(GstEffdet *self, GstEvent *event)
{
    GstClockTime timestamp;
    GstClockTimeDiff jitter;
    gdouble proportion;

    gst_event_parse_qos(event, NULL, &proportion, &jitter, &timestamp);
    if (!GST_CLOCK_TIME_IS_VALID(timestamp)) {
        return;
    }
    g_mutex_lock(&self->lock);
    self->qos = (Qos){.late = jitter > 0, .jitter = jitter, .proportion = proportion};
    if (jitter > 0) { // twice as much, so that what comes next is in time, as decoders do it
        self->qos.earliest = timestamp + MIN(2 * (GstClockTime)jitter, GST_SECOND);
    }
    g_mutex_unlock(&self->lock);
    GST_CAT_LOG_OBJECT(gst_effdet_sched_debug, self,
                       "QoS: %" GST_TIME_FORMAT ", jitter %" G_GINT64_FORMAT " ns, proportion %f",
                       GST_TIME_ARGS(timestamp), jitter, proportion);
}

void qos_reset(GstEffdet *self)
{
    g_mutex_lock(&self->lock);
    self->qos = (Qos){FALSE};
    g_mutex_unlock(&self->lock);
}

static GstClockTime running_time(const GstEffdet *self, const GstBuffer *buffer)
{
    return self->segment.format == GST_FORMAT_TIME
               ? gst_segment_to_running_time(&self->segment, GST_FORMAT_TIME,
                                             GST_BUFFER_PTS(buffer))
               : GST_CLOCK_TIME_NONE;
}

gboolean qos_is_late(GstEffdet *self, GstBuffer *buffer)
{
    GstClockTime time = running_time(self, buffer);

    return self->qos.late && GST_CLOCK_TIME_IS_VALID(time) && time < self->qos.earliest;
}

void qos_post(GstEffdet *self, GstBuffer *buffer)
{
    GstClockTime stream_time = GST_CLOCK_TIME_NONE;
    GstMessage *message;
    guint64 n_inferred, n_left_out;
    gboolean live;
    Qos qos;

    if (self->segment.format == GST_FORMAT_TIME) {
        stream_time =
            gst_segment_to_stream_time(&self->segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
    }
    g_mutex_lock(&self->lock);
    live = self->live;
    qos = self->qos;
    n_inferred = self->stats.inferred;
    n_left_out = self->stats.skipped + self->stats.dropped;
    g_mutex_unlock(&self->lock);
    message = gst_message_new_qos(GST_OBJECT(self), live, running_time(self, buffer), stream_time,
                                  GST_BUFFER_PTS(buffer), GST_BUFFER_DURATION(buffer));
    gst_message_set_qos_values(message, qos.jitter, qos.proportion, 1000000);
    gst_message_set_qos_stats(message, GST_FORMAT_BUFFERS, n_inferred, n_left_out);
    gst_element_post_message(GST_ELEMENT(self), message);
}
