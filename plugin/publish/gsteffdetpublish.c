// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The element: which frames become messages, and what the bus is told. How a message looks is in
// record.c, how it is sent in outbox.c.
/**
 * SECTION:element-effdetpublish
 * @title: effdetpublish
 *
 * Publishes objects, tracks and events in zones as lines of JSON: to a file, to standard output, by
 * MQTT or to Kafka. The schema is that of DL Streamer's gvametaconvert, with more fields. It never
 * holds the video: messages wait in a queue of bounded size while nobody takes them.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 rtspsrc location=rtsp://camera/ ! decodebin ! videoconvert ! effdet ! \
 *     effdettrack ! effdetpublish location=mqtt://broker/cameras/door stream=door ! fakesink
 * ]|
 *
 * The forms of #GstEffdetPublish:location and the fields of a line are in
 * [publish.md](../publish.md).
 *
 * ## Messages
 *
 * - a warning where the broker is away, once until it is back, and an info when it is
 * - a warning where it refuses a message for good
 * - a warning at the end that counts what remained undelivered
 *
 * Since: 0.1
 */
#include "gsteffdetpublish.h"

#include <gst/video/video.h>

#include "meta/zone_meta.h"
#include "outbox.h"
#include "record.h"
#include "settings.h"

GST_DEBUG_CATEGORY(publish_debug);
#define GST_CAT_DEFAULT publish_debug

#define FIRST_LENGTH 1024 // of a message, before it grows

struct _GstEffdetPublish {
    GstBaseTransform parent;

    PublishSettings settings; // under the object lock
    Outbox *outbox;           // set and read under the object lock; not NULL between start and stop
    OutboxStats last_stats;   // under the object lock: of the run that ended
    gchar *stream;            // between start and stop

    // Of the streaming thread.
    guint width, height;
    gsize length;    // of the last message
    GArray *objects; // EffdetDetection
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw(ANY)"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw(ANY)"));

G_DEFINE_TYPE_WITH_CODE(GstEffdetPublish, gst_effdet_publish, GST_TYPE_BASE_TRANSFORM,
                        GST_DEBUG_CATEGORY_INIT(publish_debug, "effdetpublish", 0,
                                                "publishing of detections"))
GST_ELEMENT_REGISTER_DEFINE(effdetpublish, "effdetpublish", GST_RANK_NONE, GST_TYPE_EFFDET_PUBLISH)

// ---- begin and end ------------------------------------------------------------------------------

static void report(GObject *owner, OutboxNews news, const gchar *text)
{
    GstEffdetPublish *self = GST_EFFDET_PUBLISH(owner);

    switch (news) {
    case OUTBOX_LOST:
        GST_ELEMENT_WARNING(self, RESOURCE, OPEN_WRITE, ("No connection to %s", text),
                            ("messages wait in the queue, and it is tried again"));
        break;
    case OUTBOX_BACK:
        GST_ELEMENT_INFO(self, RESOURCE, OPEN_WRITE, ("Connected to %s again", text), (NULL));
        break;
    case OUTBOX_REFUSED:
        GST_ELEMENT_WARNING(self, RESOURCE, WRITE, ("A message was refused: %s", text), (NULL));
        break;
    }
}

static gboolean gst_effdet_publish_start(GstBaseTransform *transform)
{
    GstEffdetPublish *self = GST_EFFDET_PUBLISH(transform);
    g_autoptr(GError) error = NULL;
    Outbox *outbox = NULL;
    Target *target;
    guint queue_size;

    GST_OBJECT_LOCK(self);
    target = publish_settings_target(&self->settings, &error);
    queue_size = self->settings.queue_size;
    self->stream = g_strdup(self->settings.stream);
    GST_OBJECT_UNLOCK(self);
    if (target != NULL) {
        outbox = outbox_start(target, queue_size, G_OBJECT(self), report, &error);
    }
    if (outbox == NULL) {
        GST_ELEMENT_ERROR(self, RESOURCE, SETTINGS, ("Cannot publish: %s", error->message), (NULL));
        g_clear_pointer(&self->stream, g_free);
        return FALSE;
    }
    GST_OBJECT_LOCK(self);
    self->outbox = outbox;
    GST_OBJECT_UNLOCK(self);
    self->length = FIRST_LENGTH;
    return TRUE;
}

static gboolean gst_effdet_publish_stop(GstBaseTransform *transform)
{
    GstEffdetPublish *self = GST_EFFDET_PUBLISH(transform);
    OutboxStats stats;
    Outbox *outbox;
    guint drain_ms;

    GST_OBJECT_LOCK(self);
    outbox = self->outbox;
    drain_ms = self->settings.drain_ms;
    GST_OBJECT_UNLOCK(self);
    // Its statistics can be read meanwhile, and count down.
    outbox_drain(outbox, drain_ms);
    GST_OBJECT_LOCK(self);
    self->outbox = NULL;
    stats = self->last_stats = outbox_end(outbox);
    GST_OBJECT_UNLOCK(self);
    g_clear_pointer(&self->stream, g_free);
    if (stats.undelivered > 0) {
        GST_ELEMENT_WARNING(self, RESOURCE, WRITE,
                            ("%" G_GUINT64_FORMAT " messages were not delivered within %u ms",
                             stats.undelivered, drain_ms),
                            ("drain-time is how long the end waits"));
    }
    return TRUE;
}

// ---- a frame ------------------------------------------------------------------------------------

static gboolean gst_effdet_publish_set_caps(GstBaseTransform *transform, GstCaps *caps,
                                            GstCaps *out_caps)
{
    GstEffdetPublish *self = GST_EFFDET_PUBLISH(transform);
    const GstStructure *structure = gst_caps_get_structure(caps, 0);
    gint width, height;

    if (!gst_structure_get_int(structure, "width", &width) ||
        !gst_structure_get_int(structure, "height", &height) || width <= 0 || height <= 0) {
        GST_ERROR_OBJECT(self, "caps without a size: %" GST_PTR_FORMAT, caps);
        return FALSE;
    }
    self->width = (guint)width;
    self->height = (guint)height;
    return TRUE;
}

static gboolean is_wanted(GstEffdetPublish *self, const Record *record)
{
    gboolean looked = record->frame == NULL || record->frame->inferred;
    gboolean inferred_only, empty_frames;

    GST_OBJECT_LOCK(self);
    inferred_only = self->settings.inferred_only;
    empty_frames = self->settings.empty_frames;
    GST_OBJECT_UNLOCK(self);
    return record_events(record->zones) != NULL ||
           ((looked || !inferred_only) && (record->objects->len > 0 || empty_frames));
}

static void publish(GstEffdetPublish *self, const Record *record)
{
    GString *line = g_string_sized_new(self->length + self->length / 4);

    record_write(line, record);
    self->length = line->len;
    GST_LOG_OBJECT(self, "%s", line->str);
    g_string_append_c(line, '\n');
    outbox_push(self->outbox, g_string_free(line, FALSE), self->length);
}

static GstFlowReturn gst_effdet_publish_transform_ip(GstBaseTransform *transform, GstBuffer *buffer)
{
    GstEffdetPublish *self = GST_EFFDET_PUBLISH(transform);
    const GstSegment *segment = &transform->segment;
    Record record = {.width = self->width,
                     .height = self->height,
                     .source = self->stream,
                     .stream_time = GST_CLOCK_TIME_NONE,
                     .frame = effdet_frame_meta_get(buffer),
                     .objects = self->objects,
                     .zones = effdet_zone_meta_get(buffer)};
    GstClockTime pts = GST_BUFFER_PTS(buffer), running_time = GST_CLOCK_TIME_NONE;

    g_array_set_size(self->objects, 0);
    effdet_meta_read(buffer, self->objects);
    if (is_wanted(self, &record)) {
        if (segment->format == GST_FORMAT_TIME) {
            record.stream_time = gst_segment_to_stream_time(segment, GST_FORMAT_TIME, pts);
            running_time = gst_segment_to_running_time(segment, GST_FORMAT_TIME, pts);
        }
        record.utc = utc_of_frame(GST_ELEMENT(self), buffer, running_time);
        publish(self, &record);
    }
    return GST_FLOW_OK;
}

// ---- properties and life ------------------------------------------------------------------------

static GstStructure *stats_structure(const OutboxStats *stats)
{
    return gst_structure_new("effdet-publish-stats", "queued", G_TYPE_UINT64, stats->queued,
                             "published", G_TYPE_UINT64, stats->published, "dropped", G_TYPE_UINT64,
                             stats->dropped, "undelivered", G_TYPE_UINT64, stats->undelivered,
                             "reconnects", G_TYPE_UINT64, stats->reconnects, "connected",
                             G_TYPE_BOOLEAN, stats->connected, NULL);
}

static void gst_effdet_publish_set_property(GObject *object, guint id, const GValue *value,
                                            GParamSpec *spec)
{
    GstEffdetPublish *self = GST_EFFDET_PUBLISH(object);

    GST_OBJECT_LOCK(self);
    if (!publish_settings_set(&self->settings, id, value)) {
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
    GST_OBJECT_UNLOCK(self);
}

static void gst_effdet_publish_get_property(GObject *object, guint id, GValue *value,
                                            GParamSpec *spec)
{
    GstEffdetPublish *self = GST_EFFDET_PUBLISH(object);

    GST_OBJECT_LOCK(self);
    if (id == PUBLISH_PROP_STATS) {
        OutboxStats stats =
            self->outbox != NULL ? outbox_get_stats(self->outbox) : self->last_stats;

        g_value_take_boxed(value, stats_structure(&stats));
    } else if (!publish_settings_get(&self->settings, id, value)) {
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
    GST_OBJECT_UNLOCK(self);
}

static void gst_effdet_publish_finalize(GObject *object)
{
    GstEffdetPublish *self = GST_EFFDET_PUBLISH(object);

    publish_settings_clear(&self->settings);
    g_array_unref(self->objects);
    G_OBJECT_CLASS(gst_effdet_publish_parent_class)->finalize(object);
}

static void gst_effdet_publish_init(GstEffdetPublish *self)
{
    publish_settings_init(&self->settings);
    self->objects = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));
    gst_base_transform_set_passthrough(GST_BASE_TRANSFORM(self), TRUE);
}

static void gst_effdet_publish_class_init(GstEffdetPublishClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
    GstBaseTransformClass *transform_class = GST_BASE_TRANSFORM_CLASS(klass);

    object_class->set_property = gst_effdet_publish_set_property;
    object_class->get_property = gst_effdet_publish_get_property;
    object_class->finalize = gst_effdet_publish_finalize;
    publish_settings_install(object_class);
    g_object_class_install_property(
        object_class, PUBLISH_PROP_STATS,
        g_param_spec_boxed("stats", "Statistics",
                           "Messages queued, published, dropped and undelivered, reconnects, "
                           "connected",
                           GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));

    gst_element_class_set_static_metadata(
        element_class, "Publisher of detections", "Filter/Analyzer/Video",
        "Sends objects, tracks and events as lines of JSON", "effdet contributors");
    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_add_static_pad_template(element_class, &src_template);

    transform_class->start = GST_DEBUG_FUNCPTR(gst_effdet_publish_start);
    transform_class->stop = GST_DEBUG_FUNCPTR(gst_effdet_publish_stop);
    transform_class->set_caps = GST_DEBUG_FUNCPTR(gst_effdet_publish_set_caps);
    transform_class->transform_ip = GST_DEBUG_FUNCPTR(gst_effdet_publish_transform_ip);
}
