// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Detections on buffers: the one place that knows how they lie in GstAnalytics and
// region-of-interest metas. It knows nothing of engines, pads or drawing.
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

// One object on a buffer, whoever found it.
typedef struct {
    GQuark label;       // class name; 0 = unknown
    gint label_id;      // class channel of the network, from 0; -1 = unknown
    double confidence;  // 0..1; negative = unknown (converters drop it from ROI metas)
    double x, y, w, h;  // pixels of the picture, top-left corner and size; may lie partly outside
    gint id;            // of the metas on this buffer, equal in both; not stable between buffers
    gint64 track_id;    // of a tracker, from 1; 0 = none
    GQuark track_label; // what the tracker takes it for; 0 = as `label`, or none
    gboolean predicted; // a tracker's estimate on a frame that was not looked at
} EffdetDetection;

// Appends every object of the buffer to the array (element type EffdetDetection) and returns how
// many. GstAnalytics metas are preferred; a region-of-interest meta counts where no GstAnalytics
// object has its id and label. Allocates nothing but array growth.
guint effdet_meta_read(GstBuffer *buffer, GArray *objects);

// Attaches objects to a writable buffer whose picture has this many pixels, behind what is there
// already, and fills the ids. with_roi also writes region-of-interest metas where GstAnalytics is
// there; without GstAnalytics they are always written.
void effdet_meta_attach(GstBuffer *buffer, EffdetDetection *objects, guint n_objects, guint width,
                        guint height, gboolean with_roi);

// Writes the object's track_id and track_label, in place of another tracker's, to the metas of an
// object that was read from this writable buffer or attached to it. first_seen, last_seen: PTS.
void effdet_meta_set_track(GstBuffer *buffer, const EffdetDetection *object,
                           GstClockTime first_seen, GstClockTime last_seen);

G_END_DECLS
