// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The element: when a picture was looked at, when a world ends, and tracks to metas.
// How objects are recognised again is in tracker.c.
/**
 * SECTION:element-effdettrack
 * @title: effdettrack
 *
 * Gives every object on a buffer (of #GstVideoRegionOfInterestMeta or #GstAnalyticsRelationMeta, by
 * effdet or any other element) the number of its track, the same from frame to frame. On frames
 * which effdet let pass without inference it puts the objects where they have to be by then.
 * Numbers count from 1 in each stream. It needs no pixels: any memory passes.
 *
 * In region-of-interest metas the number is the field `id` (integer) of the parameter structure
 * `object_id`, which says `predicted` (boolean) where the object was not seen on this frame, and
 * `label` (string) where most of the track's detections were of another class than this one. In
 * GstAnalytics it is a #GstAnalyticsTrackingMtd to which the object's #GstAnalyticsODMtd relates,
 * with the PTS when the object was first and last seen; a #GstAnalyticsClsMtd that it relates to
 * has the other class.
 *
 * ## Example launch lines
 *
 * |[
 * gst-launch-1.0 filesrc location=street.mkv ! decodebin ! videoconvert ! effdet interval=3 ! \
 *     effdettrack ! effdetoverlay ! videoconvert ! autovideosink
 * ]|
 * Objects that the detector is less sure of keep their number, too, but do not begin one:
 * |[
 * gst-launch-1.0 filesrc location=street.mkv ! decodebin ! videoconvert ! \
 *     effdet score-threshold=0.1 ! effdettrack high-score=0.5 low-score=0.1 ! effdetoverlay ! \
 *     videoconvert ! autovideosink
 * ]|
 *
 * Since: 0.1
 */
#include "gsteffdettrack.h"

#include <gst/video/video.h>

#include "meta/detections.h"
#include "meta/frame_meta.h"
#include "settings.h"

GST_DEBUG_CATEGORY_STATIC(track_debug);
#define GST_CAT_DEFAULT track_debug

#define DEFAULT_FRAME_S (1.0 / 30)
#define BEFORE_ALL (-G_MAXDOUBLE)
#define UNNAMED_CLASS 0x80000000u // and its label_id, as a class of the tracker

struct _GstEffdetTrack {
    GstBaseTransform parent;

    TrackSettings settings; // under the object lock
    gboolean changed;       // under the object lock

    // Of the streaming thread.
    struct tracker *tracker;
    guint width, height;
    gdouble frame_s;       // of the caps' frame rate
    gdouble rate;          // of the segment
    gdouble now_s;         // time of the last buffer, in the direction that is played
    gdouble last_s;        // time of the last picture that was looked at, BEFORE_ALL without one
    GArray *objects;       // EffdetDetection, of this buffer
    GArray *detections;    // struct track_detection, the same
    GHashTable *label_ids; // class of the tracker to label_id
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw(ANY)"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw(ANY)"));

G_DEFINE_TYPE_WITH_CODE(GstEffdetTrack, gst_effdet_track, GST_TYPE_BASE_TRANSFORM,
                        GST_DEBUG_CATEGORY_INIT(track_debug, "effdettrack", 0,
                                                "tracking of detections"))
GST_ELEMENT_REGISTER_DEFINE(effdettrack, "effdettrack", GST_RANK_NONE, GST_TYPE_EFFDET_TRACK)

// ---- worlds -------------------------------------------------------------------------------------

static void forget(GstEffdetTrack *self, gboolean renumber)
{
    if (self->tracker != NULL) {
        tracker_reset(self->tracker, renumber);
    }
    self->last_s = BEFORE_ALL;
}

static gboolean resets_on(GstEffdetTrack *self, EffdetTrackReset reason)
{
    gboolean wanted;

    GST_OBJECT_LOCK(self);
    wanted = (self->settings.reset & reason) != 0;
    GST_OBJECT_UNLOCK(self);
    return wanted;
}

static gboolean gst_effdet_track_sink_event(GstBaseTransform *transform, GstEvent *event)
{
    GstEffdetTrack *self = GST_EFFDET_TRACK(transform);
    const GstSegment *segment;

    switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_STREAM_START:
        if (resets_on(self, EFFDET_TRACK_RESET_STREAM_START)) {
            forget(self, TRUE);
        }
        break;
    case GST_EVENT_FLUSH_STOP:
        if (resets_on(self, EFFDET_TRACK_RESET_FLUSH)) {
            forget(self, FALSE);
        }
        break;
    case GST_EVENT_SEGMENT:
        gst_event_parse_segment(event, &segment);
        if ((segment->rate < 0) != (self->rate < 0)) {
            forget(self, FALSE); // time runs the other way
        }
        self->rate = segment->rate;
        break;
    default:
        break;
    }
    return GST_BASE_TRANSFORM_CLASS(gst_effdet_track_parent_class)->sink_event(transform, event);
}

static gboolean gst_effdet_track_set_caps(GstBaseTransform *transform, GstCaps *caps,
                                          GstCaps *out_caps)
{
    GstEffdetTrack *self = GST_EFFDET_TRACK(transform);
    const GstStructure *structure = gst_caps_get_structure(caps, 0);
    gint width, height, numerator, denominator;

    if (!gst_structure_get_int(structure, "width", &width) ||
        !gst_structure_get_int(structure, "height", &height)) {
        GST_ERROR_OBJECT(self, "caps without a size: %" GST_PTR_FORMAT, caps);
        return FALSE;
    }
    if ((guint)width != self->width || (guint)height != self->height) {
        forget(self, FALSE); // boxes are in pixels
    }
    self->width = (guint)width;
    self->height = (guint)height;
    GST_OBJECT_LOCK(self);
    self->changed = TRUE; // the tracker knows the size
    GST_OBJECT_UNLOCK(self);
    self->frame_s = DEFAULT_FRAME_S;
    if (gst_structure_get_fraction(structure, "framerate", &numerator, &denominator) &&
        numerator > 0) {
        self->frame_s = (gdouble)denominator / numerator;
    }
    return TRUE;
}

// ---- frames -------------------------------------------------------------------------------------

static guint32 class_of(GstEffdetTrack *self, const EffdetDetection *object)
{
    guint32 class_id =
        object->label != 0 ? object->label : UNNAMED_CLASS | (guint32)object->label_id;

    g_hash_table_insert(self->label_ids, GUINT_TO_POINTER(class_id),
                        GINT_TO_POINTER(object->label_id));
    return class_id;
}

static GQuark label_of(guint32 class_id)
{
    return (class_id & UNNAMED_CLASS) != 0 ? 0 : class_id;
}

// Seconds, growing as the stream is played.
static gdouble seconds(const GstEffdetTrack *self, GstClockTime pts)
{
    return (self->rate < 0 ? -1.0 : 1.0) * (gdouble)pts / GST_SECOND;
}

static GstClockTime pts_of(const GstEffdetTrack *self, gdouble time_s)
{
    gdouble pts = (self->rate < 0 ? -1.0 : 1.0) * time_s * GST_SECOND;

    return pts > 0 ? (GstClockTime)(pts + 0.5) : 0;
}

static const struct track *find_track(const struct track *tracks, gsize n, gint64 id)
{
    for (gsize i = 0; i < n; i++) {
        if (tracks[i].id == id) {
            return &tracks[i];
        }
    }
    return NULL;
}

// A picture that was looked at: the objects on it get their numbers.
static void update(GstEffdetTrack *self, GstBuffer *buffer, gdouble time_s)
{
    const struct track *tracks;
    gsize n;

    if (time_s < self->last_s) {
        GST_DEBUG_OBJECT(self, "time went back by %.3f s: every track ends", self->last_s - time_s);
        forget(self, FALSE);
    }
    self->last_s = time_s;
    g_array_set_size(self->detections, self->objects->len);
    for (guint i = 0; i < self->objects->len; i++) {
        const EffdetDetection *object = &g_array_index(self->objects, EffdetDetection, i);

        g_array_index(self->detections, struct track_detection, i) =
            (struct track_detection){.box = {object->x, object->y, object->w, object->h},
                                     .score = object->confidence < 0 ? 1.0 : object->confidence,
                                     .class_id = class_of(self, object)};
    }
    tracker_update(self->tracker, time_s, (struct track_detection *)(void *)self->detections->data,
                   self->detections->len);
    tracks = tracker_tracks(self->tracker, &n);
    for (guint i = 0; i < self->objects->len; i++) {
        EffdetDetection *object = &g_array_index(self->objects, EffdetDetection, i);
        const struct track_detection *detection =
            &g_array_index(self->detections, struct track_detection, i);
        const struct track *track = find_track(tracks, n, detection->track_id);

        if (detection->track_id > 0 && track != NULL) {
            object->track_id = detection->track_id;
            object->track_label = label_of(detection->track_class);
            effdet_meta_set_track(buffer, object, pts_of(self, track->first_s),
                                  pts_of(self, track->last_s));
        }
    }
}

static gboolean is_outside(const GstEffdetTrack *self, const struct track_box *box)
{
    return box->x >= self->width || box->y >= self->height || box->x + box->w <= 0 ||
           box->y + box->h <= 0;
}

// A picture that was not looked at: what the last one showed, where it has to be by now.
static void predict(GstEffdetTrack *self, GstBuffer *buffer, gdouble time_s)
{
    EffdetDetection *objects;
    const struct track *tracks;
    guint n = 0;
    gsize n_tracks;

    if (time_s < self->last_s) {
        return;
    }
    tracker_predict(self->tracker, time_s);
    tracks = tracker_tracks(self->tracker, &n_tracks);
    g_array_set_size(self->objects, (guint)n_tracks);
    objects = (EffdetDetection *)(void *)self->objects->data;
    for (gsize i = 0; i < n_tracks; i++) {
        const struct track *track = &tracks[i];

        if (track->last_s < self->last_s || is_outside(self, &track->box)) {
            continue;
        }
        objects[n++] = (EffdetDetection){.label = label_of(track->class_id),
                                         .label_id = GPOINTER_TO_INT(g_hash_table_lookup(
                                             self->label_ids, GUINT_TO_POINTER(track->class_id))),
                                         .confidence = track->score,
                                         .x = track->box.x,
                                         .y = track->box.y,
                                         .w = track->box.w,
                                         .h = track->box.h,
                                         .track_id = track->id,
                                         .predicted = TRUE};
    }
    effdet_meta_attach(buffer, objects, n, self->width, self->height, TRUE);
    for (guint i = 0; i < n; i++) {
        const struct track *track = find_track(tracks, n_tracks, objects[i].track_id);

        effdet_meta_set_track(buffer, &objects[i], pts_of(self, track->first_s),
                              pts_of(self, track->last_s));
    }
}

static void apply_settings(GstEffdetTrack *self)
{
    GST_OBJECT_LOCK(self);
    if (self->changed) {
        struct track_options options =
            track_settings_options(&self->settings, self->width, self->height);

        tracker_configure(self->tracker, &options);
        self->changed = FALSE;
    }
    GST_OBJECT_UNLOCK(self);
}

static GstFlowReturn gst_effdet_track_transform_ip(GstBaseTransform *transform, GstBuffer *buffer)
{
    GstEffdetTrack *self = GST_EFFDET_TRACK(transform);
    const EffdetFrameMeta *frame = effdet_frame_meta_get(buffer);
    GstClockTime pts = GST_BUFFER_PTS(buffer);

    if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT) &&
        resets_on(self, EFFDET_TRACK_RESET_DISCONT)) {
        forget(self, FALSE);
    }
    apply_settings(self);
    self->now_s = GST_CLOCK_TIME_IS_VALID(pts) ? seconds(self, pts) : self->now_s + self->frame_s;
    g_array_set_size(self->objects, 0);
    effdet_meta_read(buffer, self->objects);
    if (frame != NULL && !frame->inferred && self->objects->len == 0) {
        predict(self, buffer, self->now_s);
    } else if (frame == NULL || frame->inferred) {
        update(self, buffer,
               frame != NULL && GST_CLOCK_TIME_IS_VALID(frame->source_pts)
                   ? seconds(self, frame->source_pts)
                   : self->now_s);
    }
    return GST_FLOW_OK;
}

// ---- life ---------------------------------------------------------------------------------------

static gboolean gst_effdet_track_start(GstBaseTransform *transform)
{
    GstEffdetTrack *self = GST_EFFDET_TRACK(transform);
    struct track_options options;

    GST_OBJECT_LOCK(self);
    options = track_settings_options(&self->settings, 0, 0);
    GST_OBJECT_UNLOCK(self);
    self->tracker = tracker_new(&options);
    if (self->tracker == NULL) {
        GST_ELEMENT_ERROR(self, RESOURCE, NO_SPACE_LEFT, ("Not enough memory for the tracker."),
                          ("%u tracks were asked for: lower max-tracks", options.max_tracks));
        return FALSE;
    }
    forget(self, TRUE);
    self->rate = 1;
    self->now_s = 0;
    return TRUE;
}

static gboolean gst_effdet_track_stop(GstBaseTransform *transform)
{
    GstEffdetTrack *self = GST_EFFDET_TRACK(transform);

    tracker_free(&self->tracker);
    g_hash_table_remove_all(self->label_ids);
    self->width = self->height = 0;
    return TRUE;
}

static void gst_effdet_track_finalize(GObject *object)
{
    GstEffdetTrack *self = GST_EFFDET_TRACK(object);

    g_array_unref(self->objects);
    g_array_unref(self->detections);
    g_hash_table_unref(self->label_ids);
    G_OBJECT_CLASS(gst_effdet_track_parent_class)->finalize(object);
}

static void gst_effdet_track_init(GstEffdetTrack *self)
{
    track_settings_init(&self->settings);
    self->rate = 1;
    self->frame_s = DEFAULT_FRAME_S;
    self->last_s = BEFORE_ALL;
    self->objects = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));
    self->detections = g_array_new(FALSE, FALSE, sizeof(struct track_detection));
    self->label_ids = g_hash_table_new(NULL, NULL);
    gst_base_transform_set_in_place(GST_BASE_TRANSFORM(self), TRUE);
}

static void gst_effdet_track_set_property(GObject *object, guint id, const GValue *value,
                                          GParamSpec *spec)
{
    GstEffdetTrack *self = GST_EFFDET_TRACK(object);

    GST_OBJECT_LOCK(self);
    self->changed = TRUE;
    if (!track_settings_set(&self->settings, id, value)) {
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
    GST_OBJECT_UNLOCK(self);
}

static void gst_effdet_track_get_property(GObject *object, guint id, GValue *value,
                                          GParamSpec *spec)
{
    GstEffdetTrack *self = GST_EFFDET_TRACK(object);

    GST_OBJECT_LOCK(self);
    if (!track_settings_get(&self->settings, id, value)) {
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
    GST_OBJECT_UNLOCK(self);
}

static void gst_effdet_track_class_init(GstEffdetTrackClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
    GstBaseTransformClass *transform_class = GST_BASE_TRANSFORM_CLASS(klass);

    object_class->set_property = gst_effdet_track_set_property;
    object_class->get_property = gst_effdet_track_get_property;
    object_class->finalize = gst_effdet_track_finalize;
    track_settings_install(object_class);

    gst_element_class_set_static_metadata(element_class, "Object tracker", "Filter/Analyzer/Video",
                                          "Gives detected objects numbers that stay",
                                          "effdet contributors");
    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_add_static_pad_template(element_class, &src_template);

    transform_class->start = GST_DEBUG_FUNCPTR(gst_effdet_track_start);
    transform_class->stop = GST_DEBUG_FUNCPTR(gst_effdet_track_stop);
    transform_class->set_caps = GST_DEBUG_FUNCPTR(gst_effdet_track_set_caps);
    transform_class->sink_event = GST_DEBUG_FUNCPTR(gst_effdet_track_sink_event);
    transform_class->transform_ip = GST_DEBUG_FUNCPTR(gst_effdet_track_transform_ip);
}
