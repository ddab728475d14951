// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Registration of the custom meta, and appending where an earlier effdetzones was. No geometry
// here.
#include "zone_meta.h"

#include <gst/video/gstvideometa.h>

// Nothing in it changes with size or format, and a transformation does not say what else it does to
// the picture: each is a copy.
static gboolean transform(GstBuffer *dest, GstCustomMeta *meta, GstBuffer *src, GQuark type,
                          gpointer data, gpointer user_data)
{
    if (gst_buffer_get_custom_meta(dest, EFFDET_ZONE_META_NAME) == NULL) {
        effdet_zone_meta_append(dest, gst_custom_meta_get_structure(meta));
    }
    return TRUE;
}

void effdet_zone_meta_register(void)
{
    static gsize registered;
    static const gchar *tags[] = {NULL};

    if (g_once_init_enter(&registered)) {
        gst_meta_register_custom(EFFDET_ZONE_META_NAME, tags, transform, NULL, NULL);
        g_once_init_leave(&registered, 1);
    }
}

// Appends the array in a field of one structure to that in the same field of another.
static void append_array(GstStructure *to, const GstStructure *from, const gchar *field)
{
    const GValue *there = gst_structure_get_value(to, field);
    const GValue *more = gst_structure_get_value(from, field);
    GValue all = G_VALUE_INIT;

    if (more == NULL || !GST_VALUE_HOLDS_ARRAY(more)) {
        return;
    }
    g_value_init(&all, GST_TYPE_ARRAY);
    if (there != NULL && GST_VALUE_HOLDS_ARRAY(there)) {
        g_value_copy(there, &all);
    }
    for (guint i = 0; i < gst_value_array_get_size(more); i++) {
        gst_value_array_append_value(&all, gst_value_array_get_value(more, i));
    }
    gst_structure_take_value(to, field, &all);
}

void effdet_zone_meta_append(GstBuffer *buffer, const GstStructure *content)
{
    GstCustomMeta *meta;
    GstStructure *own;

    effdet_zone_meta_register();
    meta = gst_buffer_get_custom_meta(buffer, EFFDET_ZONE_META_NAME);
    if (meta == NULL) {
        meta = gst_buffer_add_custom_meta(buffer, EFFDET_ZONE_META_NAME);
    }
    own = gst_custom_meta_get_structure(meta);
    append_array(own, content, "zones");
    append_array(own, content, "lines");
    append_array(own, content, "objects");
    append_array(own, content, "events");
}

const GstStructure *effdet_zone_meta_get(GstBuffer *buffer)
{
    GstCustomMeta *meta;

    effdet_zone_meta_register();
    meta = gst_buffer_get_custom_meta(buffer, EFFDET_ZONE_META_NAME);
    return meta != NULL ? gst_custom_meta_get_structure(meta) : NULL;
}

void effdet_zone_meta_append_to_roi(GstBuffer *buffer, const EffdetDetection *object,
                                    const GValue *names)
{
    GstVideoRegionOfInterestMeta *roi;
    gpointer state = NULL;

    while ((roi = (GstVideoRegionOfInterestMeta *)gst_buffer_iterate_meta_filtered(
                buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)) != NULL) {
        g_autoptr(GstStructure) more = NULL;
        GstStructure *param;

        if (roi->id != object->id || roi->roi_type != object->label) {
            continue;
        }
        param = gst_video_region_of_interest_meta_get_param(roi, EFFDET_ZONE_ROI_PARAM);
        if (param == NULL) {
            param = gst_structure_new_empty(EFFDET_ZONE_ROI_PARAM);
            gst_video_region_of_interest_meta_add_param(roi, param);
        }
        more = gst_structure_new_empty(EFFDET_ZONE_ROI_PARAM);
        gst_structure_set_value(more, "inside", names);
        append_array(param, more, "inside");
    }
}
