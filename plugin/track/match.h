// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Which detection belongs to which object: the pairs that are possible, found strip by strip of the
// picture, and the cheapest choice among them. Changes neither objects nor detections.
#pragma once

#include "assignment.h"
#include "object.h"

#define MATCH_STRIPS 64
#define MATCH_PAIRS 24 // possible detections of one object that are looked at, the best ones

struct match_rules {
    double min_overlap;
    bool by_motion; // a detection that the filter expects needs no overlap
    bool across_classes;
};

// Working memory; one thread at a time. All zero is one without memory.
struct match {
    struct assignment assignment;
    size_t row_capacity, column_capacity;
    struct assignment_pair *pairs; // [row][MATCH_PAIRS]
    uint32_t *starts;              // [row + 1]
    uint32_t *order;               // [column] sorted by strip
    uint32_t strips[MATCH_STRIPS + 1];
    double left, strip_w;  // of all strips, and of one, px
    double half_w, half_h; // of the largest detections
};

bool match_reserve(struct match *m, size_t rows, size_t columns)
    __attribute__((warn_unused_result));
void match_finish(struct match *m);
double match_overlap(const struct track_box *a, const struct track_box *b);
// objects[rows[i]] for i < n_rows, detections[columns[j]] for j < n_columns. column_of [n_rows]:
// the number in `columns`, or ASSIGNMENT_NONE.
void match_run(struct match *m, const struct match_rules *rules, const struct object *objects,
               const uint32_t *rows, size_t n_rows, const struct track_detection *detections,
               const uint32_t *columns, size_t n_columns, uint32_t *column_of);
