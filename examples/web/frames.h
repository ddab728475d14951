// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Takes frames out of a pipeline, each as a JPEG and a text of the objects in it. Knows no network.
#pragma once

#include <gst/app/gstappsink.h>

G_BEGIN_DECLS

typedef struct Frames Frames;

// In the main loop's thread. text is JSON, of which y, w and h are the box in pixels of the frame:
//   {"pts": 40000000, "width": 640, "height": 360, "aspect": 1.78, "objects": [
//     {"label": "person", "confidence": 0.87, "id": 1, "x": 412, "y": 31, "w": 98, "h": 301,
//      "predicted": false}]}
// "confidence" and "id", the track's number, are null where they are not known; "predicted" is a
// tracker's estimate. picture is the same PTS again, 8 bytes, big-endian, and then the JPEG.
typedef void (*FramesFunc)(const gchar *text, GBytes *picture, gpointer data);

// objects is a pad of raw video with the objects on the buffers, sink where its JPEGs arrive. When
// the main loop is late it gets the newest frame alone.
Frames *frames_new(GstPad *objects, GstAppSink *sink, FramesFunc function, gpointer data);

// When the pipeline has stopped.
void frames_free(Frames *self);

G_END_DECLS
