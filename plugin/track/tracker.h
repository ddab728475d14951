// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Multi-object tracking in plain C: boxes of one picture after the other in, identities out. Two
// passes of association (sure detections first, then doubtful ones) on boxes that a Kalman filter
// with constant velocity predicts. All times are seconds, so that nothing depends on the frame rate
// or on how many frames lie between two detections. Knows neither GStreamer nor GLib.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Pixels of the picture: top-left corner and size.
struct track_box {
    double x, y, w, h;
};

struct track_detection {
    struct track_box box;
    double score;      // 0..1
    uint32_t class_id; // any number; equal = same class
    // Out, by tracker_update(): the track that it belongs to, from 1; 0 = none.
    int64_t track_id;
    // What most of the track's detections were, by score; class_id without a track.
    uint32_t track_class;
};

struct track_options {
    double high_score;  // from here on a detection begins a track; 0..1, default 0.4
    double low_score;   // from here on it continues one; 0..1, default 0.1
    double min_overlap; // intersection over union of a detection and a track's prediction that they
                        // need at least to be the same, where the filter is no reason to look
                        // farther (new, fast or long unseen objects); 0..1, default 0.25
    double confirm_s;   // how long an object has to be seen before it gets its number; default 0.1
    double memory_s;    // how long one is remembered from the first picture on that was looked at
                        // in vain; default 2
    bool across_classes;  // a detection may continue a track of another class; default true
    uint32_t max_tracks;  // at a time; the ones longest unseen go first; 1..65536, default 512
    double width, height; // of the picture: unseen tracks end where they leave it; 0, the default,
                          // is not known
};

// A track at the time of the last call.
struct track {
    int64_t id;
    struct track_box box; // where it was seen, or where it has to be by now
    uint32_t class_id;
    double score;           // of its last detection
    double first_s, last_s; // when it was first and last seen
    bool seen;              // in the last call; else `box` is a prediction
};

struct tracker;

void track_options_init(struct track_options *options); // the defaults above
// NULL only without memory. max_tracks holds for its whole life.
struct tracker *tracker_new(const struct track_options *options);
void tracker_free(struct tracker **tracker);
// All options but max_tracks, from the next call on.
void tracker_configure(struct tracker *tracker, const struct track_options *options);
// Forgets every track. Numbers go on, unless `renumber`: then they begin at 1 again.
void tracker_reset(struct tracker *tracker, bool renumber);

// A picture that was looked at; no detections are a result as well. time_s: any origin; it must not
// be before that of the last update (it is then taken as the same time), but may be before that of
// tracker_predict(): results come late, and belong to the time of their picture. Memory is
// allocated while the number of detections reaches a new maximum, never beyond.
void tracker_update(struct tracker *tracker, double time_s, struct track_detection *detections,
                    size_t n);
// A picture that was not looked at: where the tracks are by then. Changes nothing but what
// tracker_tracks() says: the next update goes on from the last one.
void tracker_predict(struct tracker *tracker, double time_s);

// The tracks with a number: those seen in the last call, and those remembered. Valid until the next
// call.
const struct track *tracker_tracks(const struct tracker *tracker, size_t *n);
