// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The element: properties, caps, when a configuration comes into force, messages. Who is where is
// found out in zones.c.
/**
 * SECTION:element-effdetzones
 * @title: effdetzones
 *
 * Tells which objects enter, leave and stay in areas of the picture and cross lines in it, as
 * element messages named `effdet-zone` and on the buffers (custom meta `EffdetZones`, parameter
 * `zones` of region-of-interest metas). Needs a tracker before it; objects without a track only
 * count as being inside. It never touches pixels.
 *
 * The form of the JSON, the rules and the fields of messages and metas are in
 * [zones.md](../zones.md).
 *
 * ## Example launch line
 *
 * |[
 * gst-launch-1.0 -m filesrc location=street.mkv ! decodebin ! videoconvert ! effdet ! \
 *     effdettrack ! \
 *     effdetzones zones='{"lines": [{"name": "gate", "from": [0.5, 0], "to": [0.5, 1]}]}' ! \
 *     fakesink
 * ]|
 *
 * ## Messages
 *
 * - an element message `effdet-zone` for each event
 * - a warning where new zones cannot be read while playing: those before them stay in force
 *
 * Since: 0.1
 */
#include "gsteffdetzones.h"

#include <gst/video/video.h>

#include "config.h"
#include "report.h"

#include "meta/detections.h"
#include "meta/frame_meta.h"

GST_DEBUG_CATEGORY_STATIC(zones_debug);
#define GST_CAT_DEFAULT zones_debug

#define DEFAULT_DEBOUNCE_MS 300
#define DEFAULT_LOST_MS 2000
#define MAX_MS 3600000

enum {
    PROP_ZONES = 1,
    PROP_ZONES_FILE,
    PROP_ANCHOR,
    PROP_DEBOUNCE,
    PROP_LOST_TIME,
    PROP_COUNTS,
};

typedef enum { ANCHOR_BOTTOM_CENTRE, ANCHOR_CENTRE } Anchor;

struct _GstEffdetZones {
    GstBaseTransform parent;

    // Taken before the object lock, from reading a configuration until it is put.
    GMutex config_lock;
    gboolean started;

    // Under the object lock; text and file are written under config_lock, too. At most one of them
    // is set: what is in force, or will be.
    gchar *text, *file;
    ZonesConfig *pending; // for the next frame; NULL = no change
    Anchor anchor;
    guint debounce_ms, lost_ms;

    GMutex core_lock; // guards `core`, which only the streaming thread changes
    Zones *core;

    // Of the streaming thread.
    gint width, height;
    GArray *read, *found, *events; // EffdetDetection, ZonesObject, ZonesEvent
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw(ANY)"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw(ANY)"));

G_DEFINE_TYPE_WITH_CODE(GstEffdetZones, gst_effdet_zones, GST_TYPE_BASE_TRANSFORM,
                        GST_DEBUG_CATEGORY_INIT(zones_debug, "effdetzones", 0, "areas and lines"))
GST_ELEMENT_REGISTER_DEFINE(effdetzones, "effdetzones", GST_RANK_NONE, GST_TYPE_EFFDET_ZONES)

#define TYPE_ANCHOR (anchor_get_type())

static GType anchor_get_type(void)
{
    static GType type;
    static const GEnumValue values[] = {
        {ANCHOR_BOTTOM_CENTRE, "middle of the box's lower edge: where it stands", "bottom-centre"},
        {ANCHOR_CENTRE, "middle of the box", "centre"},
        {0, NULL, NULL},
    };

    if (g_once_init_enter(&type)) {
        GType registered = g_enum_register_static("GstEffdetZonesAnchor", values);

        gst_type_mark_as_plugin_api(registered, 0);
        g_once_init_leave(&type, registered);
    }
    return type;
}

// ---- configuration ------------------------------------------------------------------------------

static ZonesConfig *read_config(const gchar *text, const gchar *file, GError **error)
{
    return file != NULL ? zones_config_load(file, error)
                        : zones_config_parse(text != NULL ? text : "", error);
}

// What the properties are from here on, in force from the next frame. Takes the strings.
static void put_config(GstEffdetZones *self, gchar *text, gchar *file, ZonesConfig *config)
{
    gchar *old_text, *old_file;
    ZonesConfig *old_config;

    GST_OBJECT_LOCK(self);
    old_text = self->text;
    old_file = self->file;
    old_config = self->pending;
    self->text = text;
    self->file = file;
    self->pending = config;
    GST_OBJECT_UNLOCK(self);
    g_free(old_text);
    g_free(old_file);
    zones_config_free(old_config);
}

// Before the start anything is taken, and start() says what is wrong with it. Afterwards a bad
// configuration changes nothing.
static void change_config(GstEffdetZones *self, const gchar *text, const gchar *file)
{
    g_autoptr(GError) error = NULL;
    ZonesConfig *config = NULL;
    gboolean ok = TRUE;

    g_mutex_lock(&self->config_lock);
    if (self->started) {
        config = read_config(text, file, &error);
        ok = config != NULL;
    }
    if (ok) {
        put_config(self, g_strdup(text), g_strdup(file), config);
    }
    g_mutex_unlock(&self->config_lock);
    if (!ok) {
        GST_ELEMENT_WARNING(self, RESOURCE, SETTINGS,
                            ("The new zones are not used: %s", error->message),
                            ("those before them stay in force"));
    }
}

static gboolean gst_effdet_zones_start(GstBaseTransform *transform)
{
    GstEffdetZones *self = GST_EFFDET_ZONES(transform);
    g_autoptr(GError) error = NULL;
    ZonesConfig *config;

    g_mutex_lock(&self->config_lock);
    config = read_config(self->text, self->file, &error);
    if (config != NULL) {
        put_config(self, g_strdup(self->text), g_strdup(self->file), config);
        self->started = TRUE;
    }
    g_mutex_unlock(&self->config_lock);
    if (config == NULL) {
        GST_ELEMENT_ERROR(self, RESOURCE, SETTINGS, ("The zones are bad: %s", error->message),
                          (NULL));
        return FALSE;
    }
    return TRUE;
}

static gboolean gst_effdet_zones_stop(GstBaseTransform *transform)
{
    GstEffdetZones *self = GST_EFFDET_ZONES(transform);

    g_mutex_lock(&self->config_lock);
    self->started = FALSE;
    put_config(self, g_strdup(self->text), g_strdup(self->file), NULL);
    g_mutex_unlock(&self->config_lock);
    g_mutex_lock(&self->core_lock);
    zones_reset(self->core, TRUE);
    zones_set_config(self->core, NULL);
    g_mutex_unlock(&self->core_lock);
    return TRUE;
}

// ---- a frame ------------------------------------------------------------------------------------

static gboolean gst_effdet_zones_set_caps(GstBaseTransform *transform, GstCaps *caps,
                                          GstCaps *out_caps)
{
    GstEffdetZones *self = GST_EFFDET_ZONES(transform);
    const GstStructure *structure = gst_caps_get_structure(caps, 0);

    if (!gst_structure_get_int(structure, "width", &self->width) ||
        !gst_structure_get_int(structure, "height", &self->height) || self->width <= 0 ||
        self->height <= 0) {
        GST_ERROR_OBJECT(self, "caps without a size: %" GST_PTR_FORMAT, caps);
        return FALSE;
    }
    return TRUE;
}

static gboolean gst_effdet_zones_propose_allocation(GstBaseTransform *transform,
                                                    GstQuery *decide_query, GstQuery *query)
{
    if (!GST_BASE_TRANSFORM_CLASS(gst_effdet_zones_parent_class)
             ->propose_allocation(transform, decide_query, query)) {
        return FALSE;
    }
    if (!gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, NULL)) {
        gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, NULL);
    }
    return TRUE;
}

static void read_objects(GstEffdetZones *self, GstBuffer *buffer, Anchor anchor)
{
    g_array_set_size(self->read, 0);
    effdet_meta_read(buffer, self->read);
    g_array_set_size(self->found, self->read->len);
    for (guint i = 0; i < self->read->len; i++) {
        const EffdetDetection *object = &g_array_index(self->read, EffdetDetection, i);
        double down = anchor == ANCHOR_CENTRE ? 0.5 : 1.0;

        g_array_index(self->found, ZonesObject, i) = (ZonesObject){
            .track = object->track_id,
            .label = object->track_label != 0 ? object->track_label : object->label,
            .anchor = {(object->x + 0.5 * object->w) / self->width,
                       (object->y + down * object->h) / self->height},
            .predicted = object->predicted,
        };
    }
}

// Posts them, and appends them to the array.
static void post_events(GstEffdetZones *self, GstClockTime pts, GValue *array)
{
    GstClockTime running_time =
        gst_segment_to_running_time(&GST_BASE_TRANSFORM(self)->segment, GST_FORMAT_TIME, pts);

    for (guint i = 0; i < self->events->len; i++) {
        const ZonesEvent *event = &g_array_index(self->events, ZonesEvent, i);
        GstStructure *structure =
            zones_report_event(zones_get_config(self->core), event, pts, running_time);
        GValue item = G_VALUE_INIT;

        GST_DEBUG_OBJECT(self, "%" GST_PTR_FORMAT, structure);
        g_value_init(&item, GST_TYPE_STRUCTURE);
        gst_value_set_structure(&item, structure);
        gst_value_array_append_and_take_value(array, &item);
        gst_element_post_message(GST_ELEMENT(self),
                                 gst_message_new_element(GST_OBJECT(self), structure));
    }
}

static GstFlowReturn gst_effdet_zones_transform_ip(GstBaseTransform *transform, GstBuffer *buffer)
{
    GstEffdetZones *self = GST_EFFDET_ZONES(transform);
    const EffdetFrameMeta *meta = effdet_frame_meta_get(buffer);
    ZonesFrame frame = {.pts_ns = GST_BUFFER_PTS(buffer), .looked = meta == NULL || meta->inferred};
    GValue events = G_VALUE_INIT;
    const ZonesConfig *config;
    ZonesConfig *pending;
    Anchor anchor;

    GST_OBJECT_LOCK(self);
    pending = g_steal_pointer(&self->pending);
    anchor = self->anchor;
    frame.debounce_ns = self->debounce_ms * GST_MSECOND;
    frame.lost_ns = self->lost_ms * GST_MSECOND;
    GST_OBJECT_UNLOCK(self);

    g_mutex_lock(&self->core_lock);
    if (pending != NULL) {
        zones_set_config(self->core, pending);
    }
    config = zones_get_config(self->core);
    if (config->n_areas + config->n_lines == 0) {
        g_mutex_unlock(&self->core_lock);
        return GST_FLOW_OK;
    }
    read_objects(self, buffer, anchor);
    g_array_set_size(self->events, 0);
    zones_observe(self->core, &frame, (ZonesObject *)self->found->data, self->found->len,
                  self->events);
    g_mutex_unlock(&self->core_lock);

    g_value_init(&events, GST_TYPE_ARRAY);
    post_events(self, frame.pts_ns, &events);
    zones_report_buffer(self->core, buffer, self->read, (ZonesObject *)self->found->data, &events);
    g_value_unset(&events);
    return GST_FLOW_OK;
}

static gboolean gst_effdet_zones_sink_event(GstBaseTransform *transform, GstEvent *event)
{
    GstEffdetZones *self = GST_EFFDET_ZONES(transform);

    if (GST_EVENT_TYPE(event) == GST_EVENT_STREAM_START ||
        GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP) {
        g_mutex_lock(&self->core_lock);
        zones_reset(self->core, GST_EVENT_TYPE(event) == GST_EVENT_STREAM_START);
        g_mutex_unlock(&self->core_lock);
    }
    return GST_BASE_TRANSFORM_CLASS(gst_effdet_zones_parent_class)->sink_event(transform, event);
}

// ---- properties and life ------------------------------------------------------------------------

static void gst_effdet_zones_set_property(GObject *object, guint id, const GValue *value,
                                          GParamSpec *spec)
{
    GstEffdetZones *self = GST_EFFDET_ZONES(object);

    if (id == PROP_ZONES) {
        change_config(self, g_value_get_string(value), NULL);
        return;
    }
    if (id == PROP_ZONES_FILE) {
        change_config(self, NULL, g_value_get_string(value));
        return;
    }
    GST_OBJECT_LOCK(self);
    switch (id) {
    case PROP_ANCHOR:
        self->anchor = (Anchor)g_value_get_enum(value);
        break;
    case PROP_DEBOUNCE:
        self->debounce_ms = g_value_get_uint(value);
        break;
    case PROP_LOST_TIME:
        self->lost_ms = g_value_get_uint(value);
        break;
    default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
    GST_OBJECT_UNLOCK(self);
}

static void gst_effdet_zones_get_property(GObject *object, guint id, GValue *value,
                                          GParamSpec *spec)
{
    GstEffdetZones *self = GST_EFFDET_ZONES(object);

    if (id == PROP_COUNTS) {
        g_mutex_lock(&self->core_lock);
        g_value_take_boxed(value, zones_report_counts(self->core));
        g_mutex_unlock(&self->core_lock);
        return;
    }
    GST_OBJECT_LOCK(self);
    switch (id) {
    case PROP_ZONES:
        g_value_set_string(value, self->text);
        break;
    case PROP_ZONES_FILE:
        g_value_set_string(value, self->file);
        break;
    case PROP_ANCHOR:
        g_value_set_enum(value, self->anchor);
        break;
    case PROP_DEBOUNCE:
        g_value_set_uint(value, self->debounce_ms);
        break;
    case PROP_LOST_TIME:
        g_value_set_uint(value, self->lost_ms);
        break;
    default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
    GST_OBJECT_UNLOCK(self);
}

static void gst_effdet_zones_finalize(GObject *object)
{
    GstEffdetZones *self = GST_EFFDET_ZONES(object);

    put_config(self, NULL, NULL, NULL);
    zones_free(self->core);
    g_mutex_clear(&self->core_lock);
    g_mutex_clear(&self->config_lock);
    g_array_unref(self->read);
    g_array_unref(self->found);
    g_array_unref(self->events);
    G_OBJECT_CLASS(gst_effdet_zones_parent_class)->finalize(object);
}

static void gst_effdet_zones_init(GstEffdetZones *self)
{
    self->debounce_ms = DEFAULT_DEBOUNCE_MS;
    self->lost_ms = DEFAULT_LOST_MS;
    g_mutex_init(&self->core_lock);
    g_mutex_init(&self->config_lock);
    self->core = zones_new();
    self->read = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));
    self->found = g_array_new(FALSE, FALSE, sizeof(ZonesObject));
    self->events = g_array_new(FALSE, FALSE, sizeof(ZonesEvent));
    gst_base_transform_set_in_place(GST_BASE_TRANSFORM(self), TRUE);
}

static void install_properties(GObjectClass *object_class)
{
    const GParamFlags flags =
        G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;

    /**
     * GstEffdetZones:zones:
     *
     * Areas and lines as JSON, in the form of [zones.md](../zones.md). What cannot be read is an
     * error at the start; while playing it is a warning, and changes nothing. Replaces
     * #GstEffdetZones:zones-file.
     *
     * Since: 0.1
     */
    g_object_class_install_property(
        object_class, PROP_ZONES,
        g_param_spec_string("zones", "Zones",
                            "Areas and lines as JSON: {\"zones\": [{\"name\", \"polygon\": [[x, "
                            "y], …], \"classes\", \"dwell\"}], \"lines\": [{\"name\", \"from\": "
                            "[x, y], \"to\": [x, y], \"classes\"}]}, places from 0 to 1; replaces "
                            "zones-file",
                            NULL, flags));
    /**
     * GstEffdetZones:zones-file:
     *
     * A file with what #GstEffdetZones:zones takes, read whenever this is set. Replaces it.
     *
     * Since: 0.1
     */
    g_object_class_install_property(
        object_class, PROP_ZONES_FILE,
        g_param_spec_string("zones-file", "Zones file",
                            "File with the JSON, read when it is set; replaces zones", NULL,
                            flags));
    g_object_class_install_property(object_class, PROP_ANCHOR,
                                    g_param_spec_enum("anchor", "Anchor",
                                                      "Which point of an object is meant",
                                                      TYPE_ANCHOR, ANCHOR_BOTTOM_CENTRE, flags));
    g_object_class_install_property(
        object_class, PROP_DEBOUNCE,
        g_param_spec_uint("debounce", "Debounce",
                          "How long an object has to be on the other side until it counts (ms)", 0,
                          MAX_MS, DEFAULT_DEBOUNCE_MS, flags));
    g_object_class_install_property(
        object_class, PROP_LOST_TIME,
        g_param_spec_uint("lost-time", "Lost time",
                          "How long a track may be missing until it leaves (ms)", 0, MAX_MS,
                          DEFAULT_LOST_MS, flags));
    g_object_class_install_property(
        object_class, PROP_COUNTS,
        g_param_spec_boxed("counts", "Counts",
                           "Of each zone: inside, entered, left; of each line: forward, backward",
                           GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

static void gst_effdet_zones_class_init(GstEffdetZonesClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
    GstBaseTransformClass *transform_class = GST_BASE_TRANSFORM_CLASS(klass);

    object_class->set_property = gst_effdet_zones_set_property;
    object_class->get_property = gst_effdet_zones_get_property;
    object_class->finalize = gst_effdet_zones_finalize;
    install_properties(object_class);

    gst_element_class_set_static_metadata(element_class, "Zones and lines", "Filter/Analyzer/Video",
                                          "Tells who enters areas of the picture and crosses lines",
                                          "effdet contributors");
    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_add_static_pad_template(element_class, &src_template);

    transform_class->start = GST_DEBUG_FUNCPTR(gst_effdet_zones_start);
    transform_class->stop = GST_DEBUG_FUNCPTR(gst_effdet_zones_stop);
    transform_class->set_caps = GST_DEBUG_FUNCPTR(gst_effdet_zones_set_caps);
    transform_class->sink_event = GST_DEBUG_FUNCPTR(gst_effdet_zones_sink_event);
    transform_class->transform_ip = GST_DEBUG_FUNCPTR(gst_effdet_zones_transform_ip);
    transform_class->propose_allocation = GST_DEBUG_FUNCPTR(gst_effdet_zones_propose_allocation);
    effdet_zone_meta_register();
}
