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

// Of all areas or of all lines.
static void report_shapes(const Zones *zones, gboolean of_lines, gboolean with_points,
                          GValue *entries)
{
    const ZonesConfig *config = zones_get_config(zones);
    const ZonesShape *shapes = of_lines ? config->lines : config->areas;
    guint n = of_lines ? config->n_lines : config->n_areas;

    g_value_init(entries, GST_TYPE_ARRAY);
    for (guint i = 0; i < n; i++) {
        ZonesCounts of = of_lines ? zones_line_counts(zones, i) : zones_area_counts(zones, i);
        GstStructure *entry = gst_structure_new(of_lines ? "line" : "zone", "name", G_TYPE_STRING,
                                                shapes[i].name, NULL);

        set_counts(entry, &of, of_lines);
        if (with_points) {
            gst_structure_set(entry, "points", G_TYPE_VARIANT, shapes[i].shared, NULL);
        }
        append_structure(entries, entry);
    }
}

static GstStructure *report(const Zones *zones, gboolean with_points)
{
    GstStructure *structure = gst_structure_new_empty(ZONES_COUNTS_NAME);
    GValue areas = G_VALUE_INIT, lines = G_VALUE_INIT;

    report_shapes(zones, FALSE, with_points, &areas);
    report_shapes(zones, TRUE, with_points, &lines);
    gst_structure_take_value(structure, "zones", &areas);
    gst_structure_take_value(structure, "lines", &lines);
    return structure;
}

GstStructure *zones_report_counts(const Zones *zones)
{
    return report(zones, FALSE);
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
                         const ZonesObject *found, const GValue *events)
{
    const ZonesConfig *config = zones_get_config(zones);
    g_autoptr(GstStructure) content = report(zones, TRUE);
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
    gst_structure_set_value(content, "events", events);
    effdet_zone_meta_append(buffer, content);
}
