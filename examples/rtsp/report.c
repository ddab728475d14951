// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Reads what `effdet` left on a buffer, the way a program outside this project does: by the metas'
// public names. Prints it.
#include "report.h"

#include "meta/frame_meta.h"

#include <gst/video/video.h>
#include <stdio.h>

static void print_line(GString *line)
{
    g_string_append_c(line, '\n');
    fputs(line->str, stdout); // one call: lines of several threads do not mix
    fflush(stdout);
}

static void append_json_string(GString *line, const gchar *text)
{
    g_string_append_c(line, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            g_string_append_c(line, '\\');
        }
        g_string_append_c(line, (guchar)*text < ' ' ? ' ' : *text);
    }
    g_string_append_c(line, '"');
}

void report_state(guint camera, gboolean json, const gchar *state, const gchar *detail,
                  const gchar *fields)
{
    g_autoptr(GString) line = g_string_new(NULL);

    if (json) {
        g_string_printf(line, "{\"camera\":%u,\"state\":\"%s\",\"detail\":", camera, state);
        append_json_string(line, detail);
        g_string_append_printf(line, "%s}", fields != NULL ? fields : "");
    } else {
        g_string_printf(line, "camera %u: %s: %s", camera, state, detail);
    }
    print_line(line);
}

// The meta's functions belong to the plugin, its name is registered with GStreamer.
static gboolean was_looked_at(GstBuffer *buffer)
{
    GType api = g_type_from_name("EffdetFrameMetaAPI");
    EffdetFrameMeta *meta = api != 0 ? (EffdetFrameMeta *)gst_buffer_get_meta(buffer, api) : NULL;

    return meta != NULL && meta->inferred;
}

static GstVideoRegionOfInterestMeta *next_object(GstBuffer *buffer, gpointer *at)
{
    return (GstVideoRegionOfInterestMeta *)gst_buffer_iterate_meta_filtered(
        buffer, at, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
}

static void append_object(GString *line, GstVideoRegionOfInterestMeta *roi)
{
    const GstStructure *detection = gst_video_region_of_interest_meta_get_param(roi, "detection");
    gdouble confidence = -1.0;

    if (detection != NULL) {
        gst_structure_get_double(detection, "confidence", &confidence);
    }
    g_string_append(line, "{\"label\":");
    append_json_string(line, g_quark_to_string(roi->roi_type));
    g_string_append_printf(line, ",\"confidence\":%.3f,\"x\":%u,\"y\":%u,\"w\":%u,\"h\":%u}",
                           confidence, roi->x, roi->y, roi->w, roi->h);
}

static void print_json(guint camera, GstPad *pad, GstBuffer *buffer, GstClockTime running_time,
                       GstClockTimeDiff age)
{
    g_autoptr(GString) line = g_string_new(NULL);
    g_autoptr(GstCaps) caps = gst_pad_get_current_caps(pad);
    GstVideoRegionOfInterestMeta *roi;
    GstVideoInfo info = {0};
    gpointer at = NULL;

    if (caps != NULL) {
        gst_video_info_from_caps(&info, caps);
    }
    g_string_printf(line,
                    "{\"camera\":%u,\"time\":%.3f,\"age_ms\":%.1f,\"width\":%d,\"height\":%d,"
                    "\"objects\":[",
                    camera, (gdouble)running_time / GST_SECOND, (gdouble)age / GST_MSECOND,
                    info.width, info.height);
    while ((roi = next_object(buffer, &at)) != NULL) {
        if (g_str_has_suffix(line->str, "}")) {
            g_string_append_c(line, ',');
        }
        append_object(line, roi);
    }
    g_string_append(line, "]}");
    print_line(line);
}

static gint compare_labels(gconstpointer a, gconstpointer b)
{
    return g_strcmp0(*(const gchar *const *)a, *(const gchar *const *)b);
}

// "2 car, 1 person", or "nothing".
static gchar *count_objects(GstBuffer *buffer)
{
    g_autoptr(GPtrArray) labels = g_ptr_array_new();
    GString *text = g_string_new(NULL);
    GstVideoRegionOfInterestMeta *roi;
    gpointer at = NULL;
    guint n = 0;

    while ((roi = next_object(buffer, &at)) != NULL) {
        g_ptr_array_add(labels, (gpointer)g_quark_to_string(roi->roi_type));
    }
    g_ptr_array_sort(labels, compare_labels);
    for (guint i = 0; i < labels->len; i++) {
        n++;
        if (i + 1 == labels->len || compare_labels(&labels->pdata[i], &labels->pdata[i + 1]) != 0) {
            g_string_append_printf(text, "%s%u %s", text->len > 0 ? ", " : "", n,
                                   (const gchar *)labels->pdata[i]);
            n = 0;
        }
    }
    return g_string_free(text->len > 0 ? text : g_string_append(text, "nothing"), FALSE);
}

void report_objects(guint camera, gboolean json, GstPad *pad, GstBuffer *buffer,
                    GstClockTime running_time, GstClockTimeDiff age, gchar **seen)
{
    g_autofree gchar *now = NULL;

    if (!was_looked_at(buffer)) {
        return; // no objects here does not mean that there are none
    }
    if (json) {
        print_json(camera, pad, buffer, running_time, age);
        return;
    }
    now = count_objects(buffer);
    if (g_strcmp0(now, *seen) != 0) {
        report_state(camera, FALSE, "sees", now, NULL);
        g_free(*seen);
        *seen = g_steal_pointer(&now);
    }
}
