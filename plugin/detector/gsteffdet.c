// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The `effdet` element: class, instance, properties and states. The stream itself is in admit.c,
// output.c and pads.c.

/**
 * SECTION:element-effdet
 * @title: effdet
 *
 * Finds objects in raw video with an EfficientDet network that runs as Vulkan compute shaders, and
 * attaches them to the buffers: as GstAnalyticsRelationMeta (GStreamer 1.24 and later) and as
 * GstVideoRegionOfInterestMeta with a parameter `detection` (x_min, x_max, y_min, y_max from 0 to
 * 1, confidence, label_id). Pixels, timestamps and flags are never touched.
 *
 * On live pipelines video never waits for the detector, unless #GstEffdet:overload asks for it;
 * #GstEffdet:max-latency bounds how long a frame is held for its own result. Every buffer carries
 * an EffdetFrameMeta that tells "no objects" from "not looked".
 *
 * No queue is needed before or after the element. `effdet devices` lists the GPUs, `effdet models`
 * the networks found, and `effdet check` says what is missing.
 *
 * ## Example launch lines
 *
 * People in a clip:
 * |[
 * gst-launch-1.0 filesrc location=clip.mkv ! decodebin ! videoconvert ! effdet ! effdetoverlay ! \
 *     videoconvert ! autovideosink
 * ]|
 * A camera, looked at ten times a second, with a network that `effdet fetch d0` has brought:
 * |[
 * gst-launch-1.0 rtspsrc location=rtsp://camera/ ! decodebin ! videoconvert ! \
 *     effdet model=d0 classes=person,car max-rate=10 ! effdetoverlay ! videoconvert ! autovideosink
 * ]|
 * Two cameras on one engine:
 * |[
 * gst-launch-1.0 \
 *     rtspsrc location=rtsp://a/ ! decodebin ! videoconvert ! effdet share-group=all ! fakesink \
 *     rtspsrc location=rtsp://b/ ! decodebin ! videoconvert ! effdet share-group=all ! fakesink
 * ]|
 *
 * ## Messages
 *
 * - an element message `effdet-stats` with #GstEffdet:stats every #GstEffdet:stats-interval seconds
 * - progress with the code `load`, when a network is loaded: at the start, after a change of
 *   #GstEffdet:model, and anew after a lost device
 * - a QOS message for each frame that is left out because it is too late, see #GstEffdet:qos
 * - a warning where something is not done but video flows: a model or classes that cannot be had,
 *   buffers that are no picture of their caps, #GstEffdet:silence-warning, and a lost device where
 *   #GstEffdet:on-device-lost is `recover`
 *
 * The debug category `effdet-sched` tells what happens to each buffer, `effdet-engine` what comes
 * of each inference, with times.
 *
 * Since: 0.1
 */
#include "detector.h"
#include "frame_map.h"
#include "stream.h"

#include "meta/detections.h"

GST_DEBUG_CATEGORY(gst_effdet_debug);
GST_DEBUG_CATEGORY(gst_effdet_sched_debug);
GST_DEBUG_CATEGORY(gst_effdet_engine_debug);

#define CAPS                                                                                       \
    "video/x-raw, format = (string) " FRAME_MAP_FORMATS ", width = (int) [ 1, 16384 ], "           \
    "height = (int) [ 1, 16384 ], framerate = (fraction) [ 0, max ]"

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(CAPS));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(CAPS));

static void init_debug_categories(void)
{
    GST_DEBUG_CATEGORY_INIT(gst_effdet_debug, "effdet", 0, "EfficientDet object detector");
    GST_DEBUG_CATEGORY_INIT(gst_effdet_sched_debug, "effdet-sched", 0,
                            "effdet: what happens to each buffer");
    GST_DEBUG_CATEGORY_INIT(gst_effdet_engine_debug, "effdet-engine", 0,
                            "effdet: the engine's messages, and what comes of each inference");
}

G_DEFINE_TYPE_WITH_CODE(GstEffdet, gst_effdet, GST_TYPE_ELEMENT, init_debug_categories())
GST_ELEMENT_REGISTER_DEFINE(effdet, "effdet", GST_RANK_NONE, GST_TYPE_EFFDET)

// ---- properties ----

static void gst_effdet_set_property(GObject *object, guint property, const GValue *value,
                                    GParamSpec *spec)
{
    GstEffdet *self = GST_EFFDET(object);
    gboolean known, running, model_changed;
    g_autofree gchar *old_model = NULL;

    GST_OBJECT_LOCK(self);
    old_model = g_strdup(self->settings.model);
    known = settings_set(&self->settings, property, value);
    model_changed = g_strcmp0(old_model, self->settings.model) != 0;
    self->filter_changed |= property == PROP_SCORE_THRESHOLD || property == PROP_IOU_THRESHOLD ||
                            property == PROP_MAX_DETECTIONS || property == PROP_CLASSES;
    running = GST_STATE(self) > GST_STATE_READY;
    GST_OBJECT_UNLOCK(self);

    if (!known) {
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, property, spec);
        return;
    }
    if (running && settings_fixed_while_running(spec)) {
        GST_WARNING_OBJECT(self, "%s takes effect at the next start", spec->name);
    }
    if (model_changed) {
        loader_kick(self);
    }
    if (property == PROP_MAX_LATENCY || property == PROP_ENABLED || property == PROP_OVERLOAD) {
        g_mutex_lock(&self->lock); // who waits looks again
        self->reported_us = property == PROP_OVERLOAD ? self->reported_us : -1;
        g_cond_broadcast(&self->cond);
        g_mutex_unlock(&self->lock);
    }
    if (running && (property == PROP_MAX_LATENCY || property == PROP_ENABLED)) {
        gst_element_post_message(GST_ELEMENT(self), gst_message_new_latency(GST_OBJECT(self)));
    }
}

static GstStructure *current_stats(GstEffdet *self)
{
    GstStructure *structure;

    g_mutex_lock(&self->lock);
    structure = stats_to_structure(
        &self->stats,
        self->use.share != NULL ? effdet_engine_info(share_engine(self->use.share))->device : NULL);
    g_mutex_unlock(&self->lock);
    return structure;
}

static void gst_effdet_get_property(GObject *object, guint property, GValue *value,
                                    GParamSpec *spec)
{
    GstEffdet *self = GST_EFFDET(object);
    gboolean known = TRUE;

    if (property == PROP_STATS) {
        g_value_take_boxed(value, current_stats(self));
        return;
    }
    GST_OBJECT_LOCK(self);
    known = settings_get(&self->settings, property, value);
    GST_OBJECT_UNLOCK(self);
    if (!known) {
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, property, spec);
    }
}

// ---- states ----

static GstStateChangeReturn gst_effdet_change_state(GstElement *element, GstStateChange transition)
{
    GstEffdet *self = GST_EFFDET(element);
    GstStateChangeReturn result;

    if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
        if (!detector_start(self)) {
            return GST_STATE_CHANGE_FAILURE;
        }
        admit_reset(self);
        self->info = (GstVideoInfo){0};
        gst_segment_init(&self->segment, GST_FORMAT_UNDEFINED);
        self->stats_due_us = 0;
        self->reported_us = self->held_us = -1;
        self->latency_due_us = self->latency_low_since_us = self->frame_time_us = 0;
    }
    result = GST_ELEMENT_CLASS(gst_effdet_parent_class)->change_state(element, transition);
    if (transition == GST_STATE_CHANGE_PAUSED_TO_READY ||
        (transition == GST_STATE_CHANGE_READY_TO_PAUSED && result == GST_STATE_CHANGE_FAILURE)) {
        detector_stop(self);
    }
    return result;
}

// ---- class and instance ----

static void gst_effdet_finalize(GObject *object)
{
    GstEffdet *self = GST_EFFDET(object);

    settings_clear(&self->settings);
    g_free(self->classes_in_force);
    gst_queue_array_free(self->items);
    g_array_unref(self->scratch);
    g_mutex_clear(&self->lock);
    g_cond_clear(&self->cond);
    G_OBJECT_CLASS(gst_effdet_parent_class)->finalize(object);
}

static void log_engine(int level, const gchar *message, gpointer user_data)
{
    static const GstDebugLevel levels[] = {GST_LEVEL_ERROR, GST_LEVEL_WARNING, GST_LEVEL_INFO,
                                           GST_LEVEL_DEBUG};

    GST_CAT_LEVEL_LOG(gst_effdet_engine_debug, levels[CLAMP(level, 0, 3)], NULL, "%s", message);
}

static void gst_effdet_class_init(GstEffdetClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    GstElementClass *element_class = GST_ELEMENT_CLASS(klass);

    object_class->set_property = gst_effdet_set_property;
    object_class->get_property = gst_effdet_get_property;
    object_class->finalize = gst_effdet_finalize;
    settings_install_properties(object_class);
    element_class->change_state = GST_DEBUG_FUNCPTR(gst_effdet_change_state);
    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_add_static_pad_template(element_class, &src_template);
    gst_element_class_set_static_metadata(
        element_class, "EfficientDet object detector", "Filter/Analyzer/Video",
        "Finds objects with an EfficientDet network on any Vulkan GPU and attaches them to the "
        "buffers; "
        "`effdet devices` lists the GPUs, `effdet check` says what is missing",
        "effdet contributors");
    effdet_set_log_func(log_engine, NULL);
}

static void gst_effdet_init(GstEffdet *self)
{
    GstElementClass *klass = GST_ELEMENT_GET_CLASS(self);

    settings_init(&self->settings, G_OBJECT_CLASS(klass));
    g_mutex_init(&self->lock);
    g_cond_init(&self->cond);
    self->items = gst_queue_array_new_for_struct(sizeof(Item), 2 * MAX_HELD);
    self->scratch = g_array_new(FALSE, TRUE, sizeof(EffdetDetection));
    self->flushing = TRUE;

    self->sinkpad = gst_pad_new_from_static_template(&sink_template, "sink");
    gst_pad_set_chain_function(self->sinkpad, GST_DEBUG_FUNCPTR(admit_chain));
    gst_pad_set_event_function(self->sinkpad, GST_DEBUG_FUNCPTR(pads_sink_event));
    gst_pad_set_query_function(self->sinkpad, GST_DEBUG_FUNCPTR(pads_sink_query));
    gst_pad_set_activatemode_function(self->sinkpad, GST_DEBUG_FUNCPTR(pads_sink_activate));
    GST_PAD_SET_PROXY_CAPS(self->sinkpad);
    gst_element_add_pad(GST_ELEMENT(self), self->sinkpad);

    self->srcpad = gst_pad_new_from_static_template(&src_template, "src");
    gst_pad_set_event_function(self->srcpad, GST_DEBUG_FUNCPTR(pads_src_event));
    gst_pad_set_query_function(self->srcpad, GST_DEBUG_FUNCPTR(pads_src_query));
    gst_pad_set_activatemode_function(self->srcpad, GST_DEBUG_FUNCPTR(pads_src_activate));
    GST_PAD_SET_PROXY_CAPS(self->srcpad);
    gst_element_add_pad(GST_ELEMENT(self), self->srcpad);
}
