// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Pairs JPEGs with what was known of the raw frames. An encoder leaves the metas behind, and so
// does the converter in front of it with their parameters: they are read earlier, in a pad probe,
// and wait there as text for the JPEG of the same PTS.
#include "frames.h"

#include <gst/video/video.h>
#include <json-glib/json-glib.h>

typedef struct {
    GstClockTime pts;
    gchar *text;
} Note;

struct Frames {
    FramesFunc function;
    gpointer data;
    GMutex lock;     // guards all below
    GQueue notes;    // of Note: frames that are being encoded, the oldest first
    gchar *text;     // the newest frame that is encoded and not yet handed over, or NULL
    GBytes *picture; // its other half
    guint source;    // hands it over
};

// ---- text ----

static void add_number(JsonBuilder *json, const gchar *name, gdouble value)
{
    json_builder_set_member_name(json, name);
    json_builder_add_double_value(json, value);
}

static void add_integer(JsonBuilder *json, const gchar *name, gint64 value)
{
    json_builder_set_member_name(json, name);
    json_builder_add_int_value(json, value);
}

// Both parameters may be missing: other detectors write none, and before it is sure the tracker
// gives no number.
static void add_object(JsonBuilder *json, GstVideoRegionOfInterestMeta *roi)
{
    const GstStructure *detection = gst_video_region_of_interest_meta_get_param(roi, "detection");
    const GstStructure *tracked = gst_video_region_of_interest_meta_get_param(roi, "object_id");
    const gchar *label = tracked != NULL ? gst_structure_get_string(tracked, "label") : NULL;
    g_autofree gchar *valid = NULL;
    gdouble confidence = 0.0;
    gboolean predicted = FALSE;
    gint id = 0;

    if (label == NULL) {
        label = g_quark_to_string(roi->roi_type);
    }
    valid = g_utf8_make_valid(label != NULL ? label : "", -1);
    json_builder_begin_object(json);
    json_builder_set_member_name(json, "label");
    json_builder_add_string_value(json, valid);
    if (detection != NULL && gst_structure_get_double(detection, "confidence", &confidence)) {
        add_number(json, "confidence", confidence);
    } else {
        json_builder_set_member_name(json, "confidence");
        json_builder_add_null_value(json);
    }
    if (tracked != NULL && gst_structure_get_int(tracked, "id", &id)) {
        add_integer(json, "id", id);
        gst_structure_get_boolean(tracked, "predicted", &predicted);
    } else {
        json_builder_set_member_name(json, "id");
        json_builder_add_null_value(json);
    }
    add_integer(json, "x", roi->x);
    add_integer(json, "y", roi->y);
    add_integer(json, "w", roi->w);
    add_integer(json, "h", roi->h);
    json_builder_set_member_name(json, "predicted");
    json_builder_add_boolean_value(json, predicted);
    json_builder_end_object(json);
}

static gchar *describe(GstBuffer *buffer, const GstVideoInfo *video)
{
    g_autoptr(JsonBuilder) json = json_builder_new_immutable();
    g_autoptr(JsonNode) root = NULL;
    gpointer at = NULL;
    GstMeta *meta;

    json_builder_begin_object(json);
    add_integer(json, "pts", (gint64)GST_BUFFER_PTS(buffer));
    add_integer(json, "width", video->width);
    add_integer(json, "height", video->height);
    // of the picture on a screen: pixels need not be square
    add_number(json, "aspect",
               (gdouble)video->width * video->par_n / ((gdouble)video->height * video->par_d));
    json_builder_set_member_name(json, "objects");
    json_builder_begin_array(json);
    while ((meta = gst_buffer_iterate_meta_filtered(
                buffer, &at, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)) != NULL) {
        add_object(json, (GstVideoRegionOfInterestMeta *)meta);
    }
    json_builder_end_array(json);
    json_builder_end_object(json);
    root = json_builder_get_root(json);
    return json_to_string(root, FALSE);
}

// ---- the pipeline's threads ----

static void free_note(Note *note)
{
    g_free(note->text);
    g_free(note);
}

static GstPadProbeReturn have_objects(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    Frames *self = data;
    GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
    g_autoptr(GstCaps) caps = gst_pad_get_current_caps(pad);
    GstVideoInfo video;
    Note *note;

    if (caps == NULL || !gst_video_info_from_caps(&video, caps) ||
        !GST_BUFFER_PTS_IS_VALID(buffer)) {
        g_autoptr(GstElement) element = gst_pad_get_parent_element(pad);

        GST_ELEMENT_ERROR(element, STREAM, FORMAT, ("wanted video frames with timestamps"), (NULL));
        return GST_PAD_PROBE_DROP;
    }
    note = g_new0(Note, 1);
    note->pts = GST_BUFFER_PTS(buffer);
    note->text = describe(buffer, &video);
    g_mutex_lock(&self->lock);
    g_queue_push_tail(&self->notes, note);
    g_mutex_unlock(&self->lock);
    return GST_PAD_PROBE_OK;
}

// NULL where there is none. Those before it belong to frames that never arrived, as in a seek.
static gchar *take_text(Frames *self, GstClockTime pts)
{
    gchar *text = NULL;
    Note *note;

    while (text == NULL && (note = g_queue_pop_head(&self->notes)) != NULL) {
        if (note->pts == pts) {
            text = g_steal_pointer(&note->text);
        }
        free_note(note);
    }
    return text;
}

static gboolean hand_over(gpointer data)
{
    Frames *self = data;
    g_autofree gchar *text = NULL;
    g_autoptr(GBytes) picture = NULL;

    g_mutex_lock(&self->lock);
    text = g_steal_pointer(&self->text);
    picture = g_steal_pointer(&self->picture);
    self->source = 0;
    g_mutex_unlock(&self->lock);
    self->function(text, picture, self->data);
    return G_SOURCE_REMOVE;
}

static GBytes *make_picture(GstBuffer *jpeg)
{
    guint64 pts = GUINT64_TO_BE(GST_BUFFER_PTS(jpeg));
    gsize n_bytes = gst_buffer_get_size(jpeg);
    guint8 *bytes = g_malloc(sizeof pts + n_bytes);

    memcpy(bytes, &pts, sizeof pts);
    gst_buffer_extract(jpeg, 0, bytes + sizeof pts, n_bytes);
    return g_bytes_new_take(bytes, sizeof pts + n_bytes);
}

static GstFlowReturn have_jpeg(GstAppSink *sink, gpointer data)
{
    Frames *self = data;
    g_autoptr(GstSample) sample = gst_app_sink_pull_sample(sink);
    GstBuffer *jpeg = sample != NULL ? gst_sample_get_buffer(sample) : NULL;
    gchar *text;

    if (jpeg == NULL) {
        return sample != NULL ? GST_FLOW_OK : GST_FLOW_EOS;
    }
    g_mutex_lock(&self->lock);
    text = take_text(self, GST_BUFFER_PTS(jpeg));
    if (text != NULL) {
        g_free(self->text);
        g_clear_pointer(&self->picture, g_bytes_unref);
        self->text = text;
        self->picture = make_picture(jpeg);
        if (self->source == 0) {
            self->source = g_timeout_add(0, hand_over, self);
        }
    }
    g_mutex_unlock(&self->lock);
    return GST_FLOW_OK;
}

// ---- beginning and end ----

Frames *frames_new(GstPad *objects, GstAppSink *sink, FramesFunc function, gpointer data)
{
    GstAppSinkCallbacks callbacks = {.new_sample = have_jpeg};
    Frames *self = g_new0(Frames, 1);

    self->function = function;
    self->data = data;
    g_mutex_init(&self->lock);
    g_queue_init(&self->notes);
    gst_pad_add_probe(objects, GST_PAD_PROBE_TYPE_BUFFER, have_objects, self, NULL);
    gst_app_sink_set_callbacks(sink, &callbacks, self, NULL);
    return self;
}

void frames_free(Frames *self)
{
    if (self->source != 0) {
        g_source_remove(self->source);
    }
    g_queue_clear_full(&self->notes, (GDestroyNotify)free_note);
    g_free(self->text);
    g_clear_pointer(&self->picture, g_bytes_unref);
    g_mutex_clear(&self->lock);
    g_free(self);
}
