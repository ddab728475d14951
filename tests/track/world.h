// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Invented worlds whose truth is known: objects that enter, cross, hide and leave, and a detector
// that misses, doubts, mistakes classes and sees what is not there. The objects move the same at
// every frame rate. Knows no tracker.
#pragma once

#include "mot.h"

#define WORLD_WIDTH 1280
#define WORLD_HEIGHT 720

struct world_options {
    guint32 seed;
    double fps, duration_s;
    int objects;         // at a time, about
    double noise;        // of boxes, share of the size; 0.04
    double miss_rate;    // of an object in full view; 0.05
    double false_per_s;  // inventions of the detector; 6
    double flip_rate;    // mistaken classes; 0.05
    gboolean occluders;  // pillars before which nothing is seen
    gboolean whole_life; // nothing enters or leaves
};

struct world {
    int frames;
    GArray *truth;      // struct mot_row, id from 1; what is visible by a fifth or more
    GArray *detections; // struct mot_row, id -1
};

void world_options_init(struct world_options *options, guint32 seed, double fps);
void world_make(struct world *world, const struct world_options *options);
void world_finish(struct world *world);
