// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Shortest augmenting paths on sparse pairs. A row may stay alone: each has a column of its own for
// that, which costs nothing, is written nowhere, and ends a path.
#include "assignment.h"

#include "grow.h"

#include <math.h>
#include <stdlib.h>

enum { FAR, OPEN, CLOSED };

bool assignment_reserve(struct assignment *a, size_t rows, size_t columns)
{
    if (rows > a->row_capacity) {
        if (!grow(&a->row_price, rows, sizeof(*a->row_price)) ||
            !grow(&a->row_distance, rows, sizeof(*a->row_distance)) ||
            !grow(&a->tree_rows, rows, sizeof(*a->tree_rows))) {
            return false;
        }
        a->row_capacity = rows;
    }
    if (columns > a->column_capacity) {
        if (!grow(&a->column_price, columns, sizeof(*a->column_price)) ||
            !grow(&a->column_distance, columns, sizeof(*a->column_distance)) ||
            !grow(&a->column_from, columns, sizeof(*a->column_from)) ||
            !grow(&a->open, columns, sizeof(*a->open)) ||
            !grow(&a->closed, columns, sizeof(*a->closed)) ||
            !grow(&a->state, columns, sizeof(*a->state)) ||
            !grow(&a->row_of, columns, sizeof(*a->row_of))) {
            return false;
        }
        a->column_capacity = columns;
    }
    return true;
}

void assignment_finish(struct assignment *a)
{
    free(a->row_price);
    free(a->row_distance);
    free(a->tree_rows);
    free(a->column_price);
    free(a->column_distance);
    free(a->column_from);
    free(a->open);
    free(a->closed);
    free(a->state);
    free(a->row_of);
    *a = (struct assignment){0};
}

struct search {
    const uint32_t *starts;
    const struct assignment_pair *pairs;
    double alone;
    uint32_t *column_of;
    size_t n_open, n_closed, n_rows;
    double end_distance; // shortest way to a row that can be left alone
    uint32_t end_row;
};

static void reach_from(struct assignment *a, struct search *s, uint32_t row, double distance)
{
    a->row_distance[row] = distance;
    a->tree_rows[s->n_rows++] = row;
    if (distance - a->row_price[row] < s->end_distance) {
        s->end_distance = distance - a->row_price[row];
        s->end_row = row;
    }
    for (uint32_t p = s->starts[row]; p < s->starts[row + 1]; p++) {
        uint32_t column = s->pairs[p].column;
        if (a->state[column] == CLOSED) {
            continue;
        }
        double there =
            distance + s->pairs[p].cost - s->alone - a->row_price[row] - a->column_price[column];
        if (a->state[column] == FAR) {
            a->state[column] = OPEN;
            a->open[s->n_open++] = column;
        } else if (there >= a->column_distance[column]) {
            continue;
        }
        a->column_distance[column] = there;
        a->column_from[column] = row;
    }
}

// The open column that is nearest, taken out; ASSIGNMENT_NONE if a row left alone is nearer.
static uint32_t take_nearest(struct assignment *a, struct search *s)
{
    size_t best = s->n_open;
    double distance = s->end_distance;
    for (size_t i = 0; i < s->n_open; i++) {
        if (a->column_distance[a->open[i]] <= distance) {
            distance = a->column_distance[a->open[i]];
            best = i;
        }
    }
    if (best == s->n_open) {
        return ASSIGNMENT_NONE;
    }
    uint32_t column = a->open[best];
    a->open[best] = a->open[--s->n_open];
    a->state[column] = CLOSED;
    a->closed[s->n_closed++] = column;
    return column;
}

// Gives `column` to the row that the path came from, that one's column to the row before, and so
// on.
static void flip(struct assignment *a, struct search *s, uint32_t column, uint32_t first)
{
    for (;;) {
        uint32_t row = a->column_from[column], next = s->column_of[row];
        a->row_of[column] = row;
        s->column_of[row] = column;
        if (row == first) {
            return;
        }
        column = next;
    }
}

static void insert(struct assignment *a, struct search *s, uint32_t row)
{
    double price = 0;
    for (uint32_t p = s->starts[row]; p < s->starts[row + 1]; p++) {
        double cost = s->pairs[p].cost - s->alone - a->column_price[s->pairs[p].column];
        price = fmin(price, cost);
    }
    a->row_price[row] = price;
    s->n_open = s->n_closed = s->n_rows = 0;
    s->end_distance = INFINITY;
    reach_from(a, s, row, 0);
    double length;
    for (;;) {
        uint32_t column = take_nearest(a, s);
        if (column == ASSIGNMENT_NONE) {
            length = s->end_distance;
            uint32_t freed = s->column_of[s->end_row];
            s->column_of[s->end_row] = ASSIGNMENT_NONE;
            if (s->end_row != row) {
                flip(a, s, freed, row);
            }
            break;
        }
        length = a->column_distance[column];
        if (a->row_of[column] == ASSIGNMENT_NONE) {
            flip(a, s, column, row);
            break;
        }
        reach_from(a, s, a->row_of[column], length);
    }
    for (size_t i = 0; i < s->n_rows; i++) {
        a->row_price[a->tree_rows[i]] += length - a->row_distance[a->tree_rows[i]];
    }
    for (size_t i = 0; i < s->n_closed; i++) {
        uint32_t column = a->closed[i];
        a->column_price[column] -= length - a->column_distance[column];
        a->state[column] = FAR;
    }
    for (size_t i = 0; i < s->n_open; i++) {
        a->state[a->open[i]] = FAR;
    }
}

void assignment_solve(struct assignment *a, size_t rows, size_t columns, const uint32_t *starts,
                      const struct assignment_pair *pairs, double alone, uint32_t *column_of)
{
    struct search s = {.starts = starts, .pairs = pairs, .alone = alone, .column_of = column_of};
    for (size_t i = 0; i < columns; i++) {
        a->column_price[i] = 0;
        a->state[i] = FAR;
        a->row_of[i] = ASSIGNMENT_NONE;
    }
    for (size_t i = 0; i < rows; i++) {
        column_of[i] = ASSIGNMENT_NONE;
    }
    for (size_t i = 0; i < rows; i++) {
        insert(a, &s, (uint32_t)i);
    }
}
