// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Events, counts and objects of the core as structures for messages, the property and the meta.
#pragma once

#include "zones.h"

#include "meta/zone_meta.h"

#define ZONES_MESSAGE_NAME "effdet-zone"
#define ZONES_COUNTS_NAME "effdet-zone-counts"

// (transfer full) examples/docs/zones.md documents its fields.
GstStructure *zones_report_event(const ZonesConfig *config, const ZonesEvent *event,
                                 GstClockTime pts, GstClockTime running_time);

// The arrays `zones` and `lines` of zone_meta.h, without points. (transfer full)
GstStructure *zones_report_counts(const Zones *zones);

// Leaves zones, lines, events (GST_TYPE_ARRAY of structures) and objects on a writable buffer;
// found[n] is what the core said of read[n] (element type EffdetDetection).
void zones_report_buffer(const Zones *zones, GstBuffer *buffer, const GArray *read,
                         const ZonesObject *found, const GValue *events);
