// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Dependency levels: the nodes of one level depend on none of each other, so that one barrier
// between levels serves. Orders the nodes by level.
#include "net/graph.h"

#include <stdlib.h>

struct reads {
    GArray *ids; // int
    bool write;
};

static void collect(int id, bool write, void *data)
{
    struct reads *reads = data;
    if (write == reads->write) {
        g_array_append_val(reads->ids, id);
    }
}

static GArray *touched(const struct graph *graph, int index, bool write)
{
    struct reads reads = {g_array_new(FALSE, FALSE, sizeof(int)), write};
    graph_visit(graph, graph_node(graph, index), collect, &reads);
    return reads.ids;
}

static int storage(const struct graph *graph, int id)
{
    int parent = graph_value(graph, id)->parent;
    return parent >= 0 ? parent : id;
}

// Whether two values share elements.
static bool overlap(const struct graph *graph, int a, int b)
{
    const struct value *left = graph_value(graph, a), *right = graph_value(graph, b);
    if (storage(graph, a) != storage(graph, b)) {
        return false;
    }
    bool whole =
        left->parent < 0 || right->parent < 0 || left->view_level < 0 || right->view_level < 0;
    return (whole || left->view_level == right->view_level) &&
           left->view_block < right->view_block + channel_blocks(right->channels) &&
           right->view_block < left->view_block + channel_blocks(left->channels);
}

static bool any_overlap(const struct graph *graph, const GArray *a, const GArray *b)
{
    for (guint i = 0; i < a->len; i++) {
        for (guint j = 0; j < b->len; j++) {
            if (overlap(graph, g_array_index(a, int, i), g_array_index(b, int, j))) {
                return true;
            }
        }
    }
    return false;
}

static int by_level(gconstpointer a, gconstpointer b)
{
    const struct node *left = a, *right = b;
    return left->level - right->level;
}

void graph_order(struct graph *graph)
{
    int n = (int)graph->nodes->len;
    g_autoptr(GPtrArray) written = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
    g_autoptr(GPtrArray) read = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
    for (int i = 0; i < n; i++) {
        g_ptr_array_add(written, touched(graph, i, true));
        g_ptr_array_add(read, touched(graph, i, false));
    }
    // As late as possible: values live short, and small nodes run beside those of the long path.
    for (int i = n - 1; i >= 0; i--) {
        struct node *node = graph_node(graph, i);
        node->level = n;
        for (int j = i + 1; j < n; j++) {
            if (any_overlap(graph, g_ptr_array_index(written, i), g_ptr_array_index(read, j))) {
                node->level = MIN(node->level, graph_node(graph, j)->level - 1);
            }
        }
    }
    g_array_sort(graph->nodes, by_level); // stable
    int first = graph_node(graph, 0)->level;
    for (int i = 0; i < n; i++) {
        graph_node(graph, i)->level -= first;
    }
}
