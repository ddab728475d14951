// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Detections of a whole sequence through the tracker, as the element does it. Knows no worlds.
#pragma once

#include "mot.h"

struct follow_options {
    double fps;
    int interval;         // every such frame is looked at, from the first on
    int frames;           // of the sequence; 0: to the last detection
    double hold_s;        // results go on for so long where an object is not seen
    gboolean looked_only; // no results of frames that are not looked at
    struct track_options track;
};

void follow_options_init(struct follow_options *options);
// Array of struct mot_row.
GArray *follow(const GArray *detections, const struct follow_options *options);
