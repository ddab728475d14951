// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// EffdetFrameMeta: what the detector did with a buffer. It does not hold the detections themselves
// (detections.h).
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

// On every buffer that passed an enabled `effdet`, so that a consumer can tell "no objects" from
// "not looked". It has no tags: converters and scalers copy it.
typedef struct {
    GstMeta meta;
    // This buffer carries a result of the network, be it one without objects.
    gboolean inferred;
    // PTS of the picture the result was computed from: the buffer's own, or that of an earlier
    // buffer which had to go out before its result came. NONE where inferred is FALSE.
    GstClockTime source_pts;
} EffdetFrameMeta;

GType effdet_frame_meta_api_get_type(void);
const GstMetaInfo *effdet_frame_meta_get_info(void);

// Adds the meta, or overwrites the one of an earlier detector in the same pipeline. The buffer must
// be writable.
EffdetFrameMeta *effdet_frame_meta_set(GstBuffer *buffer, gboolean inferred,
                                       GstClockTime source_pts);

// NULL where the buffer has none. (transfer none)
EffdetFrameMeta *effdet_frame_meta_get(GstBuffer *buffer);

G_END_DECLS
