// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The names of fields, in one place. No decision is taken here.
#include "report.h"

static void append_structure(GValue *array, GstStructure *structure)
{
    GValue item = G_VALUE_INIT;

    g_value_init(&item, GST_TYPE_STRUCTURE);
    g_value_take_boxed(&item, structure);
    gst_value_array_append_and_take_value(array, &item);
}

static void set_counts(GstStructure *structure, const ZonesCounts *counts, gboolean of_line)
{
    if (of_line) {
        gst_structure_set(structure, "forward", G_TYPE_UINT64, counts->forward, "backward",
                          G_TYPE_UINT64, counts->backward, NULL);
    } else {
        gst_structure_set(structure, "inside", G_TYPE_UINT, counts->inside, "entered",
                          G_TYPE_UINT64, counts->entered, "left", G_TYPE_UINT64, counts->left,
                          NULL);
    }
}

GstStructure *zones_report_event(const ZonesConfig *config, const ZonesEvent *event,
                                 GstClockTime pts, GstClockTime running_time)
{
    static const gchar *const names[] = {"enter", "leave", "dwell", "cross"};
    const gboolean of_line = event->kind == ZONES_CROSS;
    const ZonesShape *shape = of_line ? &config->lines[event->index] : &config->areas[event->index];
    GstStructure *structure = gst_structure_new(
        ZONES_MESSAGE_NAME, "event", G_TYPE_STRING, names[event->kind], "kind", G_TYPE_STRING,
        of_line ? "line" : "zone", "name", G_TYPE_STRING, shape->name, "track", G_TYPE_INT64,
        event->track, "label", G_TYPE_STRING, g_quark_to_string(event->label), "timestamp",
        G_TYPE_UINT64, pts, "running-time", G_TYPE_UINT64, running_time, NULL);

    if (of_line) {
        gst_structure_set(structure, "direction", G_TYPE_STRING,
                          event->forward ? "forward" : "backward", NULL);
    }
    if (event->kind == ZONES_LEAVE || event->kind == ZONES_DWELL) {
        gst_structure_set(structure, "dwell", G_TYPE_DOUBLE, event->dwell_s, NULL);
    }
    if (event->kind == ZONES_LEAVE) {
        gst_structure_set(structure, "lost", G_TYPE_BOOLEAN, event->lost, NULL);
    }
    set_counts(structure, &event->counts, of_line);
    return structure;
}

GstStructure *zones_report_counts(const Zones *zones)
{
    const ZonesConfig *config = zones_get_config(zones);
    GstStructure *counts = gst_structure_new_empty(ZONES_COUNTS_NAME), *entry;
    GValue areas = G_VALUE_INIT, lines = G_VALUE_INIT;

    g_value_init(&areas, GST_TYPE_ARRAY);
    for (guint i = 0; i < config->n_areas; i++) {
        ZonesCounts of = zones_area_counts(zones, i);

        entry = gst_structure_new("zone", "name", G_TYPE_STRING, config->areas[i].name, NULL);
        set_counts(entry, &of, FALSE);
        append_structure(&areas, entry);
    }
    g_value_init(&lines, GST_TYPE_ARRAY);
    for (guint i = 0; i < config->n_lines; i++) {
        ZonesCounts of = zones_line_counts(zones, i);

        entry = gst_structure_new("line", "name", G_TYPE_STRING, config->lines[i].name, NULL);
        set_counts(entry, &of, TRUE);
        append_structure(&lines, entry);
    }
    gst_structure_take_value(counts, "zones", &areas);
    gst_structure_take_value(counts, "lines", &lines);
    return counts;
}

static void names_of(const ZonesConfig *config, guint64 areas, GValue *names)
{
    g_value_init(names, GST_TYPE_ARRAY);
    for (guint i = 0; i < config->n_areas; i++) {
        GValue name = G_VALUE_INIT;

        if (areas >> i & 1) {
            g_value_init(&name, G_TYPE_STRING);
            g_value_set_string(&name, config->areas[i].name);
            gst_value_array_append_and_take_value(names, &name);
        }
    }
}

void zones_report_buffer(const Zones *zones, GstBuffer *buffer, const GArray *read,
                         const ZonesObject *found)
{
    const ZonesConfig *config = zones_get_config(zones);
    g_autoptr(GstStructure) content = zones_report_counts(zones);
    GValue objects = G_VALUE_INIT;

    g_value_init(&objects, GST_TYPE_ARRAY);
    for (guint i = 0; i < read->len; i++) {
        const EffdetDetection *object = &g_array_index(read, EffdetDetection, i);
        GValue names = G_VALUE_INIT;
        GstStructure *entry;

        if (found[i].areas == 0) {
            continue;
        }
        names_of(config, found[i].areas, &names);
        effdet_zone_meta_append_to_roi(buffer, object, &names);
        entry = gst_structure_new("object", "id", G_TYPE_INT, object->id, "track", G_TYPE_INT64,
                                  MAX(object->track_id, 0), NULL);
        gst_structure_take_value(entry, "zones", &names);
        append_structure(&objects, entry);
    }
    gst_structure_take_value(content, "objects", &objects);
    effdet_zone_meta_append(buffer, content);
}
