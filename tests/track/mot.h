// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Boxes in the text form of the MOTChallenge: frame,id,x,y,w,h,score,class,visibility with frames
// from 1. Knows neither tracker nor worlds.
#pragma once

#include "tracker.h"

#include <glib.h>
#include <stdio.h>

struct mot_row {
    int frame; // from 1
    gint64 id; // -1: none
    struct track_box box;
    double score;
    int class_id; // -1: not told
};

// Array of struct mot_row sorted by frame, in each frame as in the file; NULL with an error that
// names file and line.
GArray *mot_read(const char *path, GError **error);
void mot_write(FILE *file, const struct mot_row *row);
// Where the rows of `frame` are in a sorted array.
const struct mot_row *mot_frame(const GArray *rows, int frame, guint *n);
