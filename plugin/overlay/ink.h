// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Colours of classes, and their samples in any video format. No geometry and no pixels here.
#pragma once

#include <gst/video/video.h>

#include "meta/detections.h"

G_BEGIN_DECLS

#define INK_N_CLASSES 16 // colours for classes and tracks, before they repeat

#define INK_NEUTRAL INK_N_CLASSES // dark grey, of no class
#define INK_N (INK_N_CLASSES + 1)

// One colour as the component samples of a video format, in the order of its GstVideoFormatInfo.
typedef struct {
    guint16 sample[GST_VIDEO_MAX_COMPONENTS];
} Ink;

// The colours of one video format.
typedef struct {
    Ink plate[INK_N]; // boxes and the plates behind the text
    Ink text[INK_N];  // black or white, whichever reads better on the plate
} InkSet;

// Fills the set for the format, matrix, range and transfer of a video.
void ink_set_init(InkSet *set, const GstVideoInfo *info);

// Colour of an object, below INK_N_CLASSES: by its track where that is wanted and known, else by
// class channel where it is known, else by label, so that objects of other detectors keep their
// colour too.
guint ink_of(const EffdetDetection *object, gboolean by_track);

G_END_DECLS
