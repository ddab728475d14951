// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// GstBuffer → EffdetFrame. No policy: who is mapped, and when, is decided elsewhere.
#pragma once

#include <effdet/effdet.h>
#include <gst/video/video.h>

// Formats of the pad templates, best first.
#define FRAME_MAP_FORMATS                                                                          \
    "{ NV12, I420, RGB, BGR, RGBx, RGBA, BGRx, BGRA, xRGB, ARGB, xBGR, ABGR, YUY2, UYVY, "         \
    "P010_10LE, GRAY8 }"

typedef struct {
    GstVideoFrame video;
    EffdetFrame frame; // valid until frame_unmap()
} FrameMap;

// Maps for reading. Strides and offsets come from a GstVideoMeta, the visible part from a
// GstVideoCropMeta, else both from the caps. FALSE where the buffer holds less than a picture of
// these caps; nothing is mapped then.
gboolean frame_map(FrameMap *map, const GstVideoInfo *info,
                   GstBuffer *buffer) G_GNUC_WARN_UNUSED_RESULT;
void frame_unmap(FrameMap *map);
