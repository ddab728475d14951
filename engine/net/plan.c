// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The arena planner: plane pitches, lifetimes by dependency level, and offsets so that values that
// never live together share memory.
#include "net/graph.h"

#include "base/util.h"

#define ARENA_ALIGNMENT 256 // largest that Vulkan allows for any offset
#define MAX_ATTEMPTS 16
#define CACHE_STRIDE_BYTES 4096 // planes so far apart would share few lines of a cache
#define SLACK_BYTES 384         // wide loads may run over the end of a tensor

static int levels(const struct graph *graph)
{
    guint n = graph->nodes->len;
    return n ? graph_node(graph, (int)n - 1)->level + 1 : 0;
}

static int storage(const struct graph *graph, int id)
{
    int parent = graph_value(graph, id)->parent;
    return parent >= 0 ? parent : id;
}

static void touch(struct graph *graph, int id, int level)
{
    struct value *value = graph_value(graph, storage(graph, id));
    value->first = MIN(value->first, level);
    value->last = MAX(value->last, level);
}

struct visit {
    struct graph *graph;
    int level;
};

static void visit(int id, bool write, void *data)
{
    const struct visit *at = data;
    touch(at->graph, id, at->level);
}

static void find_lifetimes(struct graph *graph)
{
    for (guint i = 0; i < graph->values->len; i++) {
        struct value *value = graph_value(graph, (int)i);
        value->first = G_MAXINT;
        value->last = -1;
    }
    for (guint i = 0; i < graph->nodes->len; i++) {
        struct visit at = {graph, graph_node(graph, (int)i)->level};
        graph_visit(graph, graph_node(graph, (int)i), visit, &at);
    }
    touch(graph, graph->input, -1); // written before the first node
    touch(graph, graph->classes, levels(graph));
    touch(graph, graph->boxes, levels(graph));
}

static void size_values(struct graph *graph, int element_bytes)
{
    int aligned_pixels =
        ARENA_ALIGNMENT / (4 * element_bytes); // every channel block starts aligned
    for (guint i = 0; i < graph->values->len; i++) {
        struct value *value = graph_value(graph, (int)i);
        value->pitch = value->is_float ? value->pixels
                                       : (int)align_up((uint64_t)value->pixels, aligned_pixels);
        uint64_t element = value->is_float ? 4 : (uint64_t)element_bytes;
        if (!value->is_float && value->pixels > aligned_pixels &&
            (uint64_t)value->pitch * 4 * element % CACHE_STRIDE_BYTES == 0) {
            value->pitch += aligned_pixels;
        }
        value->bytes =
            (uint64_t)channel_blocks(value->channels) * (uint64_t)value->pitch * 4 * element;
    }
}

static int by_falling_size(gconstpointer a, gconstpointer b)
{
    const struct value *left = *(struct value *const *)a;
    const struct value *right = *(struct value *const *)b;
    if (left->bytes != right->bytes) {
        return left->bytes < right->bytes ? 1 : -1;
    }
    return left->first - right->first;
}

static int by_offset(gconstpointer a, gconstpointer b)
{
    const struct value *left = *(struct value *const *)a;
    const struct value *right = *(struct value *const *)b;
    return left->offset < right->offset ? -1 : left->offset > right->offset;
}

static uint64_t footprint(const struct value *value)
{
    return align_up(value->bytes + SLACK_BYTES, ARENA_ALIGNMENT);
}

// Lowest gap between the placed values that live at the same time (sorted by offset).
static uint64_t find_gap(GPtrArray *placed, const struct value *value)
{
    uint64_t offset = ARENA_ALIGNMENT; // wide loads may begin before a tensor, too
    for (guint i = 0; i < placed->len; i++) {
        const struct value *other = g_ptr_array_index(placed, i);
        if (other->last < value->first || value->last < other->first) {
            continue;
        }
        if (other->offset >= offset + footprint(value)) {
            break;
        }
        offset = MAX(offset, other->offset + footprint(other));
    }
    return offset;
}

static uint64_t find_lower_bound(const struct graph *graph)
{
    uint64_t bound = 0;
    for (int i = -1; i <= levels(graph); i++) {
        uint64_t live = ARENA_ALIGNMENT;
        for (guint v = 0; v < graph->values->len; v++) {
            const struct value *value = graph_value(graph, (int)v);
            if (value->parent < 0 && value->first <= i && i <= value->last) {
                live += footprint(value);
            }
        }
        bound = MAX(bound, live);
    }
    return bound;
}

// Places the values in this order, each as low as it can; returns the bytes that takes, and the
// value that ends there.
static uint64_t place_in_order(GPtrArray *todo, guint *highest)
{
    g_autoptr(GPtrArray) placed = g_ptr_array_new();
    uint64_t bytes = 0;
    for (guint i = 0; i < todo->len; i++) {
        struct value *value = g_ptr_array_index(todo, i);
        value->offset = find_gap(placed, value);
        g_ptr_array_add(placed, value);
        g_ptr_array_sort(placed, by_offset);
        if (value->offset + footprint(value) > bytes) {
            bytes = value->offset + footprint(value);
            *highest = i;
        }
    }
    return bytes;
}

// Large ones first, which is nearly always the least; then again with the one that ended highest in
// front of the others.
static void place_values(struct graph *graph, GPtrArray *todo)
{
    g_autofree uint64_t *best = g_new0(uint64_t, todo->len);
    g_autoptr(GPtrArray) values = g_ptr_array_copy(todo, NULL, NULL);
    graph->arena_bytes = todo->len ? UINT64_MAX : 0;
    for (int attempt = 0; attempt < MAX_ATTEMPTS && graph->arena_bytes > graph->lower_bound_bytes;
         attempt++) {
        guint highest = 0;
        uint64_t bytes = place_in_order(todo, &highest);
        if (bytes < graph->arena_bytes) {
            graph->arena_bytes = bytes;
            for (guint i = 0; i < values->len; i++) {
                best[i] = ((struct value *)g_ptr_array_index(values, i))->offset;
            }
        }
        g_ptr_array_insert(todo, 0, g_ptr_array_steal_index(todo, highest));
    }
    for (guint i = 0; i < values->len; i++) {
        ((struct value *)g_ptr_array_index(values, i))->offset = best[i];
    }
}

void graph_plan(struct graph *graph, int element_bytes)
{
    if (graph->nodes->len) {
        graph_order(graph);
    }
    find_lifetimes(graph);
    size_values(graph, element_bytes);
    g_autoptr(GPtrArray) todo = g_ptr_array_new();
    for (guint i = 0; i < graph->values->len; i++) {
        struct value *value = graph_value(graph, (int)i);
        if (value->parent < 0 && value->last >= value->first) {
            g_ptr_array_add(todo, value);
        }
    }
    g_ptr_array_sort(todo, by_falling_size);
    graph->lower_bound_bytes = find_lower_bound(graph);
    place_values(graph, todo);
    for (guint i = 0; i < graph->values->len; i++) {
        struct value *value = graph_value(graph, (int)i);
        if (value->parent >= 0) {
            const struct value *parent = graph_value(graph, value->parent);
            uint64_t block = parent->bytes / (uint64_t)channel_blocks(parent->channels);
            value->pitch = parent->pitch;
            value->offset = parent->offset + (uint64_t)value->view_block * block;
            value->bytes = (uint64_t)channel_blocks(value->channels) * block;
        }
    }
}
