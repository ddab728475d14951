// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The fields, in one place.
#include "record.h"

#include <string.h>

#include "json.h"

// ---- zones --------------------------------------------------------------------------------------

// NULL where there is no array, or nothing in it.
static const GValue *array_of(const GstStructure *structure, const gchar *field)
{
    const GValue *array = structure != NULL ? gst_structure_get_value(structure, field) : NULL;

    return array != NULL && GST_VALUE_HOLDS_ARRAY(array) && gst_value_array_get_size(array) > 0
               ? array
               : NULL;
}

const GValue *record_events(const GstStructure *zones)
{
    return array_of(zones, "events");
}

// Of the frame's own time, which the line has already.
static gboolean is_time(GQuark field)
{
    const gchar *name = g_quark_to_string(field);

    return strcmp(name, "timestamp") == 0 || strcmp(name, "running-time") == 0;
}

// Scalars become members of their name; other values are of no use to a reader of JSON.
static gboolean add_field(GQuark field, const GValue *value, gpointer data)
{
    const gchar *name = g_quark_to_string(field);
    GString *out = data;

    if (is_time(field)) {
        return TRUE;
    }
    if (G_VALUE_HOLDS_STRING(value)) {
        json_add_string_member(out, name, g_value_get_string(value));
    } else if (G_VALUE_HOLDS_BOOLEAN(value)) {
        json_add_boolean_member(out, name, g_value_get_boolean(value));
    } else if (G_VALUE_HOLDS_DOUBLE(value)) {
        json_add_double_member(out, name, g_value_get_double(value));
    } else if (G_VALUE_HOLDS_INT64(value)) {
        json_add_integer_member(out, name, g_value_get_int64(value));
    } else if (G_VALUE_HOLDS_UINT64(value)) {
        json_add_unsigned_member(out, name, g_value_get_uint64(value));
    } else if (G_VALUE_HOLDS_UINT(value)) {
        json_add_unsigned_member(out, name, g_value_get_uint(value));
    } else if (G_VALUE_HOLDS_INT(value)) {
        json_add_integer_member(out, name, g_value_get_int(value));
    }
    return TRUE;
}

static void add_structures(GString *out, const gchar *name, const GValue *array)
{
    if (array == NULL) {
        return;
    }
    json_add_name(out, name);
    g_string_append_c(out, '[');
    for (guint i = 0; i < gst_value_array_get_size(array); i++) {
        const GValue *item = gst_value_array_get_value(array, i);

        if (GST_VALUE_HOLDS_STRUCTURE(item)) {
            json_separate(out);
            g_string_append_c(out, '{');
            gst_structure_foreach(gst_value_get_structure(item), add_field, out);
            g_string_append_c(out, '}');
        }
    }
    g_string_append_c(out, ']');
}

// The names of the zones that an object is in.
static void add_places(GString *out, const GstStructure *zones, gint id)
{
    const GValue *entries = array_of(zones, "objects");

    for (guint i = 0; entries != NULL && i < gst_value_array_get_size(entries); i++) {
        const GValue *item = gst_value_array_get_value(entries, i);
        const GstStructure *entry =
            GST_VALUE_HOLDS_STRUCTURE(item) ? gst_value_get_structure(item) : NULL;
        const GValue *names = array_of(entry, "zones");
        gint of;

        if (names == NULL || !gst_structure_get_int(entry, "id", &of) || of != id) {
            continue;
        }
        json_add_name(out, "zones");
        g_string_append_c(out, '[');
        for (guint k = 0; k < gst_value_array_get_size(names); k++) {
            const GValue *name = gst_value_array_get_value(names, k);

            json_separate(out);
            json_add_string(out, G_VALUE_HOLDS_STRING(name) ? g_value_get_string(name) : NULL);
        }
        g_string_append_c(out, ']');
        return;
    }
}

// ---- objects ------------------------------------------------------------------------------------

static void add_detection(GString *out, const Record *record, const EffdetDetection *object)
{
    const double width = record->width, height = record->height;

    json_add_name(out, "detection");
    g_string_append(out, "{\"bounding_box\":{");
    json_add_double_member(out, "x_max", CLAMP((object->x + object->w) / width, 0.0, 1.0));
    json_add_double_member(out, "x_min", CLAMP(object->x / width, 0.0, 1.0));
    json_add_double_member(out, "y_max", CLAMP((object->y + object->h) / height, 0.0, 1.0));
    json_add_double_member(out, "y_min", CLAMP(object->y / height, 0.0, 1.0));
    g_string_append_c(out, '}');
    if (object->confidence >= 0) { // neither unknown nor no number
        json_add_double_member(out, "confidence", object->confidence);
    }
    if (object->label != 0) {
        json_add_string_member(out, "label", g_quark_to_string(object->label));
    }
    if (object->label_id >= 0) {
        json_add_integer_member(out, "label_id", object->label_id);
    }
    g_string_append_c(out, '}');
}

static void add_object(GString *out, const Record *record, const EffdetDetection *object)
{
    json_separate(out);
    g_string_append_c(out, '{');
    add_detection(out, record, object);
    json_add_double_member(out, "h", object->h);
    if (object->track_id > 0) {
        json_add_integer_member(out, "id", object->track_id);
    }
    if (object->predicted) {
        json_add_boolean_member(out, "predicted", TRUE);
    }
    json_add_integer_member(out, "region_id", object->id);
    if (object->label != 0) {
        json_add_string_member(out, "roi_type", g_quark_to_string(object->label));
    }
    if (object->track_label != 0 && object->track_label != object->label) {
        json_add_string_member(out, "track_label", g_quark_to_string(object->track_label));
    }
    json_add_double_member(out, "w", object->w);
    json_add_double_member(out, "x", object->x);
    json_add_double_member(out, "y", object->y);
    add_places(out, record->zones, object->id);
    g_string_append_c(out, '}');
}

// ---- the frame ----------------------------------------------------------------------------------

static void add_times(GString *out, const Record *record)
{
    g_autofree gchar *utc = utc_format(record->utc.unix_ns);

    if (record->utc.of_sender) {
        json_add_name(out, "rtp");
        g_string_append_c(out, '{');
        json_add_integer_member(out, "sender_ntp_unix_timestamp_ns", record->utc.unix_ns);
        g_string_append_c(out, '}');
    }
    if (GST_CLOCK_TIME_IS_VALID(record->stream_time)) {
        json_add_unsigned_member(out, "timestamp", record->stream_time);
    }
    if (utc != NULL) {
        json_add_string_member(out, "utc", utc);
        json_add_boolean_member(out, "utc_estimated", record->utc.estimated);
    }
}

void record_write(GString *out, const Record *record)
{
    g_string_append_c(out, '{');
    add_structures(out, "events", record_events(record->zones));
    if (record->frame != NULL) {
        json_add_boolean_member(out, "inferred", record->frame->inferred);
    }
    add_structures(out, "lines", array_of(record->zones, "lines"));
    json_add_name(out, "objects");
    g_string_append_c(out, '[');
    for (guint i = 0; i < record->objects->len; i++) {
        add_object(out, record, &g_array_index(record->objects, EffdetDetection, i));
    }
    g_string_append_c(out, ']');
    json_add_name(out, "resolution");
    g_string_append_c(out, '{');
    json_add_unsigned_member(out, "height", record->height);
    json_add_unsigned_member(out, "width", record->width);
    g_string_append_c(out, '}');
    if (record->source != NULL) {
        json_add_string_member(out, "source", record->source);
    }
    add_times(out, record);
    add_structures(out, "zones", array_of(record->zones, "zones"));
    g_string_append_c(out, '}');
}
