// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What effdetzones leaves on a buffer, and how: a custom meta for the frame, a parameter on the
// region-of-interest metas. Who is where is found out elsewhere.
#pragma once

#include "detections.h"

G_BEGIN_DECLS

// Anyone reads it with gst_buffer_get_custom_meta(buffer, EFFDET_ZONE_META_NAME): a GstStructure of
// that name with four arrays (GST_TYPE_ARRAY) of structures:
//   zones    zone, name (string), inside (uint), entered, left (uint64), points
//   lines    line, name (string), forward, backward (uint64), points
//   objects  object, id (int, of the metas on this buffer), track (int64, 0 = none),
//            zones (array of string): those which the object's anchor is in now
//   events   what happened on this frame, with the fields of the element messages
//            (examples/docs/zones.md)
// points (GVariant a(dd)) are the corners of a zone, or the ends `from` and `to` of a line, in
// parts of the picture: x from the left, y from the top. Buffers and their copies share it. It has
// no tags: converters and scalers copy it.
#define EFFDET_ZONE_META_NAME "EffdetZones"
#define EFFDET_ZONE_ROI_PARAM "zones" // with the field `inside`, an array of string

// Makes the name known, which reading needs too. Cheap after the first time.
void effdet_zone_meta_register(void);

// Appends these arrays of a structure to those on the writable buffer.
void effdet_zone_meta_append(GstBuffer *buffer, const GstStructure *content);

// The content, NULL where the buffer has none. (transfer none)
const GstStructure *effdet_zone_meta_get(GstBuffer *buffer);

// Appends names (GST_TYPE_ARRAY of string) to the parameter of the object's region-of-interest
// metas, of which there may be none.
void effdet_zone_meta_append_to_roi(GstBuffer *buffer, const EffdetDetection *object,
                                    const GValue *names);

G_END_DECLS
