// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The element: properties, caps, and which detections a frame shows. How they look is in layout.c.
/**
 * SECTION:element-effdetoverlay
 * @title: effdetoverlay
 *
 * Draws the objects on a buffer (of #GstVideoRegionOfInterestMeta or #GstAnalyticsRelationMeta, by
 * effdet or any other element) as boxes coloured by class or track, with a text. On frames which
 * effdet let pass without inference the last objects are shown dimmed, for #GstEffdetOverlay:hold
 * ms; a box whose place is a tracker's estimate is dashed. It also draws the zones and lines of
 * effdetzones, with their counts.
 *
 * It draws into most formats of raw video in system memory, in place. Into others downstream draws,
 * if it takes #GstVideoOverlayComposition; where nobody does, video passes with one warning, or
 * ends with an error where #GstEffdetOverlay:obscure is set.
 *
 * ## Example launch lines
 *
 * |[
 * gst-launch-1.0 filesrc location=street.mkv ! decodebin ! videoconvert ! effdet ! \
 *     effdetoverlay ! videoconvert ! autovideosink
 * ]|
 * Numbers instead of confidences, paths of three seconds, and whoever is found made unrecognisable:
 * |[
 * gst-launch-1.0 filesrc location=street.mkv ! decodebin ! videoconvert ! effdet ! effdettrack ! \
 *     effdetoverlay label-format="{label} #{id}" trails=3000 colour-by=track obscure=person ! \
 *     videoconvert ! autovideosink
 * ]|
 *
 * Since: 0.1
 */
#include "overlay.h"

#include "canvas.h"
#include "class_list.h"
#include "meta/frame_meta.h"

GST_DEBUG_CATEGORY_STATIC(overlay_debug);
#define GST_CAT_DEFAULT overlay_debug

#define DIMMED (RASTER_OPAQUE / 2)
struct _GstEffdetOverlay {
    GstBaseTransform parent;

    // Under the object lock.
    OverlaySettings settings;
    gboolean settings_changed; // since the streaming thread looked
    gchar *objection;          // to a value that came before there was a bus

    // Of the streaming thread.
    Canvas canvas;
    gboolean asked_downstream, warned; // since the caps
    GArray *objects, *last;            // of this frame; of the last frame with a result
    GArray *shown, *obscured;          // of either: without hidden classes; to be obscured
    ClassList *hide, *obscure;
    Trails *trails; // NULL: none are wanted
    GstClockTime trail_age;
    Statistics statistics;
    gboolean with_statistics, with_zones;
    GstClockTime last_pts; // NONE: there is nothing to hold
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw(ANY)"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw(ANY)"));

G_DEFINE_TYPE_WITH_CODE(GstEffdetOverlay, gst_effdet_overlay, GST_TYPE_BASE_TRANSFORM,
                        GST_DEBUG_CATEGORY_INIT(overlay_debug, "effdetoverlay", 0,
                                                "drawing of detections"))
GST_ELEMENT_REGISTER_DEFINE(effdetoverlay, "effdetoverlay", GST_RANK_NONE, GST_TYPE_EFFDET_OVERLAY)
GST_ELEMENT_REGISTER_DEFINE(overlay, "overlay", GST_RANK_NONE, GST_TYPE_EFFDET_OVERLAY)

static void forget(GstEffdetOverlay *self)
{
    self->last_pts = GST_CLOCK_TIME_NONE;
    g_array_set_size(self->last, 0);
    self->statistics.n_frames = 0;
    if (self->trails != NULL) {
        trails_clear(self->trails);
    }
}

// ---- caps ---------------------------------------------------------------------------------------

static gboolean gst_effdet_overlay_set_caps(GstBaseTransform *transform, GstCaps *caps,
                                            GstCaps *out_caps)
{
    GstEffdetOverlay *self = GST_EFFDET_OVERLAY(transform);
    gint width = self->canvas.style.width, height = self->canvas.style.height;

    if (!canvas_set_caps(&self->canvas, caps)) {
        GST_ERROR_OBJECT(self, "caps without a size: %" GST_PTR_FORMAT, caps);
        return FALSE;
    }
    self->asked_downstream = self->warned = FALSE;
    if (self->canvas.style.width != width || self->canvas.style.height != height) {
        forget(self);
    }
    return TRUE;
}

// Whether it draws compositions, which matters where our own code cannot draw. The base class asks
// nothing for an element that works in place, and downstream has no answer before it has the caps.
static void ask_downstream(GstEffdetOverlay *self)
{
    GstPad *pad = GST_BASE_TRANSFORM_SRC_PAD(self);
    GstCaps *caps = gst_pad_get_current_caps(pad);
    GstQuery *query = gst_query_new_allocation(caps, FALSE);

    canvas_set_downstream_draws(&self->canvas,
                                gst_pad_peer_query(pad, query) &&
                                    gst_query_find_allocation_meta(
                                        query, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL));
    gst_query_unref(query);
    gst_caps_unref(caps);
    self->asked_downstream = TRUE;
}

static gboolean gst_effdet_overlay_propose_allocation(GstBaseTransform *transform,
                                                      GstQuery *decide_query, GstQuery *query)
{
    if (!GST_BASE_TRANSFORM_CLASS(gst_effdet_overlay_parent_class)
             ->propose_allocation(transform, decide_query, query)) {
        return FALSE;
    }
    if (!gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, NULL)) {
        gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, NULL);
    }
    return TRUE;
}

// ---- what a frame shows -------------------------------------------------------------------------

static gboolean still_held(const GstEffdetOverlay *self, GstClockTime pts, guint hold_ms)
{
    return GST_CLOCK_TIME_IS_VALID(pts) && GST_CLOCK_TIME_IS_VALID(self->last_pts) &&
           pts >= self->last_pts && pts - self->last_pts <= hold_ms * GST_MSECOND;
}

// The objects to show, and how strongly.
static const GArray *objects_for(GstEffdetOverlay *self, GstBuffer *buffer, guint hold_ms,
                                 guint *alpha)
{
    const EffdetFrameMeta *frame = effdet_frame_meta_get(buffer);
    GstClockTime pts = GST_BUFFER_PTS(buffer);

    *alpha = RASTER_OPAQUE;
    g_array_set_size(self->objects, 0);
    effdet_meta_read(buffer, self->objects);
    if (frame != NULL && frame->inferred) {
        g_array_set_size(self->last, 0);
        g_array_append_vals(self->last, self->objects->data, self->objects->len);
        self->last_pts = pts;
    } else if (frame != NULL && self->objects->len == 0 && still_held(self, pts, hold_ms)) {
        *alpha = DIMMED;
        return self->last;
    }
    return self->objects;
}

// Without those of hidden classes.
static const GArray *shown_of(GstEffdetOverlay *self, const GArray *objects)
{
    if (self->hide == NULL) {
        return objects;
    }
    g_array_set_size(self->shown, 0);
    for (guint i = 0; i < objects->len; i++) {
        const EffdetDetection *object = &g_array_index(objects, EffdetDetection, i);
        if (!class_list_has_shown(self->hide, object)) {
            g_array_append_val(self->shown, *object);
        }
    }
    return self->shown;
}

static const GArray *obscured_of(GstEffdetOverlay *self, const GArray *objects)
{
    g_array_set_size(self->obscured, 0);
    for (guint i = 0; i < objects->len && self->obscure != NULL; i++) {
        const EffdetDetection *object = &g_array_index(objects, EffdetDetection, i);
        if (class_list_has_any(self->obscure, object)) {
            g_array_append_val(self->obscured, *object);
        }
    }
    return self->obscured;
}

// Returns hold_ms.
static guint apply_settings(GstEffdetOverlay *self)
{
    guint hold_ms;

    GST_OBJECT_LOCK(self);
    hold_ms = self->settings.hold_ms;
    if (self->settings_changed) {
        canvas_apply(&self->canvas, &self->settings);
        class_list_free(self->hide);
        class_list_free(self->obscure);
        self->hide = class_list_new(self->settings.hide);
        self->obscure = class_list_new(self->settings.obscure);
        self->with_statistics = self->settings.statistics;
        self->with_zones = self->settings.zones;
        self->trail_age = self->settings.trails_ms * GST_MSECOND;
        self->settings_changed = FALSE;
    }
    GST_OBJECT_UNLOCK(self);
    return hold_ms;
}

// The paths to show, with what is shown on this frame. Objects that are held stand still, and a
// tracker that lost them would know no more.
static const Trails *trails_for(GstEffdetOverlay *self, const GArray *shown, gboolean held,
                                GstClockTime pts)
{
    if (self->trail_age == 0) {
        g_clear_pointer(&self->trails, trails_free);
        return NULL;
    }
    if (self->trails == NULL) {
        self->trails = trails_new();
    }
    trails_update(self->trails, held ? self->objects : shown, pts, self->trail_age);
    return trails_any(self->trails) ? self->trails : NULL;
}

static const Statistics *statistics_for(GstEffdetOverlay *self, GstBuffer *buffer, guint n_objects)
{
    if (!self->with_statistics) {
        self->statistics.n_frames = 0;
        return NULL;
    }
    statistics_add(&self->statistics, GST_BUFFER_PTS(buffer),
                   (GstClockTime)g_get_monotonic_time() * GST_USECOND, n_objects,
                   effdet_frame_meta_get(buffer));
    return &self->statistics;
}

// What the negotiated video allows. FALSE ends the stream: what is to be obscured must not pass in
// plain sight.
static gboolean check_mode(GstEffdetOverlay *self)
{
    if (self->canvas.mode == CANVAS_NEVER && self->obscure != NULL) {
        GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("Cannot obscure objects in this kind of video."),
                          ("neither this element nor the one behind it draws into the negotiated "
                           "format or memory: put an element before it that brings the video to "
                           "system memory (videoconvert, vapostproc, vulkandownload …)"));
        return FALSE;
    }
    if (self->canvas.mode == CANVAS_NEVER && !self->warned) {
        self->warned = TRUE;
        GST_ELEMENT_WARNING(
            self, STREAM, FORMAT, ("Cannot draw into this kind of video."),
            ("neither this element nor the one behind it draws into the negotiated format or "
             "memory: put an element before it that brings the video to system memory "
             "(videoconvert, vapostproc, vulkandownload …)"));
    } else if (self->obscure != NULL && !canvas_can_obscure(&self->canvas) && !self->warned) {
        self->warned = TRUE;
        GST_ELEMENT_WARNING(self, STREAM, FORMAT,
                            ("Objects are covered instead of blurred or pixelated."),
                            ("this element cannot write the samples of the negotiated format or "
                             "memory: put a videoconvert to NV12 or the like before it"));
    }
    return TRUE;
}

static GstFlowReturn draw(GstEffdetOverlay *self, GstBuffer *buffer, const CanvasScene *scene)
{
    if (canvas_draw(&self->canvas, buffer, scene)) {
        return GST_FLOW_OK;
    }
    GST_ELEMENT_ERROR(self, RESOURCE, WRITE, ("Cannot draw into a video frame."),
                      ("its memory of %" G_GSIZE_FORMAT
                       " bytes could not be mapped for writing as the negotiated video: put a "
                       "videoconvert before this element",
                       gst_buffer_get_size(buffer)));
    return GST_FLOW_ERROR;
}

static GstFlowReturn gst_effdet_overlay_transform_ip(GstBaseTransform *transform, GstBuffer *buffer)
{
    GstEffdetOverlay *self = GST_EFFDET_OVERLAY(transform);
    guint hold_ms = apply_settings(self);
    const GArray *objects;
    CanvasScene scene;

    objects = objects_for(self, buffer, hold_ms, &scene.alpha);
    scene.obscured = obscured_of(self, objects);
    scene.objects = shown_of(self, objects);
    scene.trails = trails_for(self, scene.objects, objects == self->last, GST_BUFFER_PTS(buffer));
    scene.statistics = statistics_for(self, buffer, scene.objects->len);
    scene.zones = self->with_zones ? effdet_zone_meta_get(buffer) : NULL;
    if ((scene.objects->len + scene.obscured->len == 0 && scene.trails == NULL &&
         scene.statistics == NULL && scene.zones == NULL) ||
        GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP)) {
        return GST_FLOW_OK;
    }
    if ((self->canvas.mode != CANVAS_PLANES || self->canvas.attach) && !self->asked_downstream) {
        ask_downstream(self);
    }
    if (!check_mode(self)) {
        return GST_FLOW_ERROR;
    }
    return self->canvas.mode == CANVAS_NEVER ? GST_FLOW_OK : draw(self, buffer, &scene);
}

// ---- life ---------------------------------------------------------------------------------------

static gboolean gst_effdet_overlay_sink_event(GstBaseTransform *transform, GstEvent *event)
{
    switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_STREAM_START:
    case GST_EVENT_SEGMENT:
    case GST_EVENT_FLUSH_STOP:
        forget(GST_EFFDET_OVERLAY(transform));
        break;
    default:
        break;
    }
    return GST_BASE_TRANSFORM_CLASS(gst_effdet_overlay_parent_class)->sink_event(transform, event);
}

static void post_objection(GstEffdetOverlay *self, const gchar *why)
{
    GST_ELEMENT_WARNING(self, LIBRARY, SETTINGS, ("A property keeps its value."), ("%s", why));
}

static gboolean gst_effdet_overlay_start(GstBaseTransform *transform)
{
    GstEffdetOverlay *self = GST_EFFDET_OVERLAY(transform);
    g_autofree gchar *why = NULL;

    GST_OBJECT_LOCK(self);
    why = g_steal_pointer(&self->objection);
    GST_OBJECT_UNLOCK(self);
    if (why != NULL) {
        post_objection(self, why);
    }
    return TRUE;
}

static gboolean gst_effdet_overlay_stop(GstBaseTransform *transform)
{
    forget(GST_EFFDET_OVERLAY(transform));
    return TRUE;
}

// An element that a command line has just made has no bus: what is to be said waits for the start.
static void object_to(GstEffdetOverlay *self, const gchar *property, const gchar *why)
{
    g_autofree gchar *text = g_strdup_printf("%s: %s", property, why);
    gboolean heard;

    GST_OBJECT_LOCK(self);
    heard = GST_ELEMENT_BUS(self) != NULL;
    if (!heard) {
        g_free(self->objection);
        self->objection = g_steal_pointer(&text);
    }
    GST_OBJECT_UNLOCK(self);
    if (heard) {
        post_objection(self, text);
    }
}

static void gst_effdet_overlay_set_property(GObject *object, guint id, const GValue *value,
                                            GParamSpec *spec)
{
    GstEffdetOverlay *self = GST_EFFDET_OVERLAY(object);
    g_autofree gchar *why = overlay_settings_objection(value, spec);
    gboolean known;

    if (why != NULL) {
        object_to(self, spec->name, why);
        return;
    }
    GST_OBJECT_LOCK(self);
    known = overlay_settings_set(&self->settings, value, spec);
    self->settings_changed = TRUE;
    GST_OBJECT_UNLOCK(self);
    if (!known) {
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

static void gst_effdet_overlay_get_property(GObject *object, guint id, GValue *value,
                                            GParamSpec *spec)
{
    GstEffdetOverlay *self = GST_EFFDET_OVERLAY(object);
    gboolean known;

    GST_OBJECT_LOCK(self);
    known = overlay_settings_get(&self->settings, value, spec);
    GST_OBJECT_UNLOCK(self);
    if (!known) {
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

static void gst_effdet_overlay_finalize(GObject *object)
{
    GstEffdetOverlay *self = GST_EFFDET_OVERLAY(object);

    canvas_finish(&self->canvas);
    g_array_unref(self->objects);
    g_array_unref(self->last);
    g_array_unref(self->shown);
    g_array_unref(self->obscured);
    class_list_free(self->hide);
    class_list_free(self->obscure);
    trails_free(self->trails);
    overlay_settings_finish(&self->settings);
    g_free(self->objection);
    G_OBJECT_CLASS(gst_effdet_overlay_parent_class)->finalize(object);
}

static void gst_effdet_overlay_init(GstEffdetOverlay *self)
{
    overlay_settings_init(&self->settings, G_OBJECT_GET_CLASS(self));
    self->settings_changed = TRUE;
    self->objects = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));
    self->last = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));
    self->shown = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));
    self->obscured = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));
    self->last_pts = GST_CLOCK_TIME_NONE;
    gst_base_transform_set_in_place(GST_BASE_TRANSFORM(self), TRUE);
}

static void gst_effdet_overlay_class_init(GstEffdetOverlayClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
    GstBaseTransformClass *transform_class = GST_BASE_TRANSFORM_CLASS(klass);

    object_class->set_property = gst_effdet_overlay_set_property;
    object_class->get_property = gst_effdet_overlay_get_property;
    object_class->finalize = gst_effdet_overlay_finalize;
    overlay_settings_install(object_class);

    gst_element_class_set_static_metadata(
        element_class, "Detection overlay", "Filter/Effect/Video",
        "Draws boxes and labels of detected objects, zones and lines", "effdet contributors");
    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_add_static_pad_template(element_class, &src_template);

    transform_class->set_caps = GST_DEBUG_FUNCPTR(gst_effdet_overlay_set_caps);
    transform_class->sink_event = GST_DEBUG_FUNCPTR(gst_effdet_overlay_sink_event);
    transform_class->start = GST_DEBUG_FUNCPTR(gst_effdet_overlay_start);
    transform_class->stop = GST_DEBUG_FUNCPTR(gst_effdet_overlay_stop);
    transform_class->transform_ip = GST_DEBUG_FUNCPTR(gst_effdet_overlay_transform_ip);
    transform_class->propose_allocation = GST_DEBUG_FUNCPTR(gst_effdet_overlay_propose_allocation);
}
