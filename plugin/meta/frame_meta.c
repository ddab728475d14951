// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// EffdetFrameMeta: registration and the copy that survives every transformation. No detections
// here.
#include "frame_meta.h"

GType effdet_frame_meta_api_get_type(void)
{
    static GType type;
    static const gchar *tags[] = {NULL};

    if (g_once_init_enter(&type)) {
        GType registered = gst_meta_api_type_register("EffdetFrameMetaAPI", tags);
        g_once_init_leave(&type, registered);
    }
    return type;
}

static gboolean frame_meta_init(GstMeta *meta, gpointer params, GstBuffer *buffer)
{
    EffdetFrameMeta *self = (EffdetFrameMeta *)meta;

    self->inferred = FALSE;
    self->source_pts = GST_CLOCK_TIME_NONE;
    return TRUE;
}

// What the network looked at does not change with size, format or orientation: every transformation
// is a copy.
static gboolean frame_meta_transform(GstBuffer *dest, GstMeta *meta, GstBuffer *src, GQuark type,
                                     gpointer data)
{
    const EffdetFrameMeta *self = (EffdetFrameMeta *)meta;

    return effdet_frame_meta_set(dest, self->inferred, self->source_pts) != NULL;
}

const GstMetaInfo *effdet_frame_meta_get_info(void)
{
    static const GstMetaInfo *info;

    if (g_once_init_enter((GstMetaInfo **)&info)) {
        const GstMetaInfo *registered =
            gst_meta_register(effdet_frame_meta_api_get_type(), "EffdetFrameMeta",
                              sizeof(EffdetFrameMeta), frame_meta_init, NULL, frame_meta_transform);
        g_once_init_leave((GstMetaInfo **)&info, (GstMetaInfo *)registered);
    }
    return info;
}

EffdetFrameMeta *effdet_frame_meta_get(GstBuffer *buffer)
{
    return (EffdetFrameMeta *)gst_buffer_get_meta(buffer, effdet_frame_meta_api_get_type());
}

EffdetFrameMeta *effdet_frame_meta_set(GstBuffer *buffer, gboolean inferred,
                                       GstClockTime source_pts)
{
    EffdetFrameMeta *self = effdet_frame_meta_get(buffer);

    if (self == NULL) {
        self = (EffdetFrameMeta *)gst_buffer_add_meta(buffer, effdet_frame_meta_get_info(), NULL);
    }
    self->inferred = inferred;
    self->source_pts = source_pts;
    return self;
}
