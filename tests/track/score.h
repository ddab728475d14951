// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// How well results fit the truth: MOTA of CLEAR MOT and IDF1, at an overlap of a half. compare.py
// holds both against py-motmetrics. Knows no tracker.
#pragma once

#include "mot.h"

struct score {
    guint truth, results, matched; // boxes
    guint misses, inventions, switches;
    guint identified; // boxes that the best one-to-one map of identities explains
    guint identities; // of the results
    double mota, idf1;
};

// Of every interval-th frame, the first included.
void score_make(struct score *score, const GArray *truth, const GArray *results, int frames,
                int interval);
