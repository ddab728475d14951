// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Node lists of the FPN layouts, by the rules that generate them (spec 4.2, 4.6).
#include "network.h"

struct list {
    struct ref_node *nodes;
    int n, next_id;
    int lo, hi;
};

static int add(struct list *list, int level, int n_inputs, int a, int b, int c)
{
    list->nodes[list->n++] = (struct ref_node){level, n_inputs, {a, b, c}, false};
    return list->next_id++;
}

// ids[level - lo][0..]: feature ids of a level so far, input first.
static void bifpn(struct list *list, int out[MAX_LEVELS])
{
    int lo = list->lo, top = list->hi - lo;
    int down[MAX_LEVELS];
    down[top] = top;
    for (int l = top - 1; l >= 0; l--) {
        down[l] = add(list, lo + l, 2, l, down[l + 1], 0);
    }
    out[0] = down[0];
    for (int l = 1; l < top; l++) {
        out[l] = add(list, lo + l, 3, l, down[l], out[l - 1]);
    }
    out[top] = add(list, lo + top, 2, top, out[top - 1], 0);
}

static void pan(struct list *list)
{
    int lo = list->lo, top = list->hi - lo;
    int down[MAX_LEVELS];
    down[top] = add(list, lo + top, 1, top, 0, 0);
    for (int l = top - 1; l >= 0; l--) {
        down[l] = add(list, lo + l, 2, l, down[l + 1], 0);
    }
    int below = add(list, lo, 1, down[0], 0, 0);
    for (int l = 1; l <= top; l++) {
        below = add(list, lo + l, 2, down[l], below, 0);
    }
}

static void qufpn(struct list *list)
{
    int lo = list->lo, top = list->hi - lo;
    int first[MAX_LEVELS], up[MAX_LEVELS], second[MAX_LEVELS];
    bifpn(list, first);
    up[0] = 0;
    for (int l = 1; l <= top; l++) {
        up[l] = add(list, lo + l, 2, l, up[l - 1], 0);
    }
    second[top] = up[top];
    for (int l = top - 1; l > 0; l--) {
        second[l] = add(list, lo + l, 3, l, up[l], second[l + 1]);
    }
    second[0] = add(list, lo, 2, 0, second[1], 0);
    for (int l = 0; l <= top; l++) {
        add(list, lo + l, 2, first[l], second[l], 0);
        list->nodes[list->n - 1].quad = true;
    }
}

int ref_fpn_nodes(const struct arch *arch, struct ref_node *nodes)
{
    int levels = arch->max_level - arch->min_level + 1;
    struct list list = {nodes, 0, levels, arch->min_level, arch->max_level};
    int out[MAX_LEVELS];
    switch (arch->layout) {
    case FPN_BIFPN:
        bifpn(&list, out);
        break;
    case FPN_PAN:
        pan(&list);
        break;
    case FPN_QUFPN:
        qufpn(&list);
        break;
    }
    return list.n;
}
