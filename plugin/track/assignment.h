// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The cheapest assignment of rows to columns where only some pairs are possible: shortest
// augmenting paths (Jonker, Volgenant 1987) that never leave the pairs given, so that what is not
// connected costs nothing. Knows no tracks.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ASSIGNMENT_NONE UINT32_MAX

struct assignment_pair {
    uint32_t column;
    double cost;
};

// Working memory of one solver; one thread at a time. All zero is a solver without memory.
struct assignment {
    size_t row_capacity, column_capacity;
    double *row_price, *row_distance;       // [row]
    uint32_t *tree_rows;                    // [row] in the order they were reached
    double *column_price, *column_distance; // [column]
    uint32_t *column_from;                  // [column] row that a path comes from
    uint32_t *open, *closed;                // [column] reached, and gone through
    uint8_t *state;                         // [column] whether reached, gone through
    uint32_t *row_of;                       // [column] out: the row, or ASSIGNMENT_NONE
};

// Room for so many rows and columns; false without memory, then what was there stays.
bool assignment_reserve(struct assignment *a, size_t rows, size_t columns)
    __attribute__((warn_unused_result));
void assignment_finish(struct assignment *a);
// The pairs of row i are pairs[starts[i]] .. pairs[starts[i + 1] - 1], all costs finite. Minimises
// the cost of the chosen pairs plus `alone` for each row without one. column_of [rows]: the column,
// or ASSIGNMENT_NONE.
void assignment_solve(struct assignment *a, size_t rows, size_t columns, const uint32_t *starts,
                      const struct assignment_pair *pairs, double alone, uint32_t *column_of);
