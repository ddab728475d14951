// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Which nodes an FPN cell has: BiFPN, PAN and QuFPN for any number of levels (spec 4.2, 4.6). Only
// lists; bifpn.c builds.
#include "net/fpn_layout.h"

static int add(struct fpn_cell *cell, int level, int n, int a, int b, int c)
{
    cell->nodes[cell->n_nodes] =
        (struct fpn_node){.level = level, .n_inputs = n, .inputs = {a, b, c}};
    return cell->n_levels + cell->n_nodes++;
}

// Top-down then bottom-up; up[] and out[] get the ids of the two passes by level.
static void bifpn(struct fpn_cell *cell, int up[MAX_LEVELS], int out[MAX_LEVELS])
{
    int top = cell->n_levels - 1;
    up[top] = top;
    for (int l = top - 1; l >= 0; l--) {
        up[l] = add(cell, l, 2, l, up[l + 1], 0);
    }
    out[0] = up[0];
    for (int l = 1; l < top; l++) {
        out[l] = add(cell, l, 3, l, up[l], out[l - 1]);
    }
    out[top] = add(cell, top, 2, top, out[top - 1], 0);
}

static void pan(struct fpn_cell *cell)
{
    int top = cell->n_levels - 1;
    int up[MAX_LEVELS];
    up[top] = add(cell, top, 1, top, 0, 0);
    for (int l = top - 1; l >= 0; l--) {
        up[l] = add(cell, l, 2, l, up[l + 1], 0);
    }
    int previous = add(cell, 0, 1, up[0], 0, 0);
    for (int l = 1; l <= top; l++) {
        previous = add(cell, l, 2, up[l], previous, 0);
    }
}

static void qufpn(struct fpn_cell *cell)
{
    int top = cell->n_levels - 1;
    int up[MAX_LEVELS], first[MAX_LEVELS], down[MAX_LEVELS], second[MAX_LEVELS];
    bifpn(cell, up, first);
    down[0] = 0;
    for (int l = 1; l <= top; l++) {
        down[l] = add(cell, l, 2, l, down[l - 1], 0);
    }
    second[top] = down[top];
    for (int l = top - 1; l > 0; l--) {
        second[l] = add(cell, l, 3, l, down[l], second[l + 1]);
    }
    second[0] = add(cell, 0, 2, 0, second[1], 0);
    for (int l = 0; l <= top; l++) {
        add(cell, l, 2, first[l], second[l], 0);
        cell->nodes[cell->n_nodes - 1].quad = true;
    }
}

void fpn_cell_init(struct fpn_cell *cell, enum fpn_layout layout, int n_levels)
{
    int up[MAX_LEVELS], out[MAX_LEVELS];
    *cell = (struct fpn_cell){.n_levels = n_levels};
    switch (layout) {
    case FPN_BIFPN:
        bifpn(cell, up, out);
        break;
    case FPN_PAN:
        pan(cell);
        break;
    case FPN_QUFPN:
        qufpn(cell);
        break;
    }
}

int fpn_cell_output(const struct fpn_cell *cell, int level)
{
    int last = level;
    for (int k = 0; k < cell->n_nodes; k++) {
        if (cell->nodes[k].level == level) {
            last = cell->n_levels + k;
        }
    }
    return last;
}
