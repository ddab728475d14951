// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The fusion pass: merges nodes of the plain graph into what one dispatch can do. Here is the order
// of the rules and what they share; every rule looks at one node and its producers, and nothing
// knows a shader or a device.
#include "net/fuse.h"

#define PITCH_ALIGNMENT UINT64_C(64) // at least that of the planner

bool is_dead(const struct pass *pass, int index)
{
    return g_array_index(pass->dead, gboolean, index);
}

void kill_node(struct pass *pass, int index)
{
    g_array_index(pass->dead, gboolean, index) = TRUE;
}

struct search {
    int value;
    bool read;
};

static void visit(int value, bool write, void *data)
{
    struct search *search = data;
    search->read = search->read || (!write && value == search->value);
}

static bool reads(const struct graph *graph, const struct node *node, int value)
{
    struct search search = {.value = value};
    graph_visit(graph, node, visit, &search);
    return search.read;
}

int producer(const struct pass *pass, int value)
{
    for (guint i = 0; i < pass->graph->nodes->len; i++) {
        if (!is_dead(pass, (int)i) && graph_node(pass->graph, (int)i)->output == value) {
            return (int)i;
        }
    }
    return -1;
}

int count_readers(const struct pass *pass, int value)
{
    int n = 0;
    for (guint i = 0; i < pass->graph->nodes->len; i++) {
        n += !is_dead(pass, (int)i) && reads(pass->graph, graph_node(pass->graph, (int)i), value);
    }
    return n;
}

struct node *sole_producer(const struct pass *pass, int value, enum op op, int *index)
{
    *index = producer(pass, value);
    if (*index < 0 || graph_value(pass->graph, value)->parent >= 0 ||
        count_readers(pass, value) != 1) {
        return NULL;
    }
    struct node *node = graph_node(pass->graph, *index);
    return node->op == op ? node : NULL;
}

bool binds_whole(const struct pass *pass, const struct value *value, int channels)
{
    uint64_t pitch = ((uint64_t)value->pixels + PITCH_ALIGNMENT - 1) & ~(PITCH_ALIGNMENT - 1);
    uint64_t most = pass->options->max_elements;
    return most == 0 || 4 * (uint64_t)channel_blocks(channels) * pitch <= most;
}

int stack_values(struct pass *pass, const int *ids, int n, const char *name)
{
    struct graph *graph = pass->graph;
    struct value stacked = *graph_value(graph, ids[0]);
    int parent = (int)graph->values->len, blocks = 0;
    for (int i = 0; i < n; i++) {
        struct value *value = graph_value(graph, ids[i]);
        value->parent = parent;
        value->view_level = value->n_levels > 1 ? -1 : 0;
        value->view_block = blocks;
        stacked.channels = 4 * blocks + value->channels;
        blocks += channel_blocks(value->channels);
    }
    g_strlcpy(stacked.name, name, sizeof stacked.name);
    g_array_append_val(graph->values, stacked);
    return parent;
}

void graph_fuse(struct graph *graph, const struct fuse_options *options)
{
    const struct {
        void (*apply)(struct pass *, int);
        bool wanted;
    } rules[] = {
        {fuse_squeeze, true},
        {fuse_scale, true},
        {fuse_resample, true},
        {fuse_activation, true},
        {fuse_residual, true},
        {fuse_expand, options->expand_elements > 0},
        {fuse_levels, true},
        {fuse_laterals, options->parts},
        {fuse_heads, options->parts},
        {fuse_sums, options->sums || options->separable},
        {fuse_separable, options->separable},
        {fuse_squeeze_scale, options->squeeze_products > 0},
        {fuse_chain, options->chain_pixels > 0},
    };
    struct pass pass = {
        .graph = graph, .options = options, .dead = g_array_new(FALSE, TRUE, sizeof(gboolean))};
    g_array_set_size(pass.dead, graph->nodes->len);
    for (gsize r = 0; r < G_N_ELEMENTS(rules); r++) {
        for (guint i = 0; i < graph->nodes->len && rules[r].wanted; i++) {
            if (!is_dead(&pass, (int)i)) {
                rules[r].apply(&pass, (int)i);
            }
        }
    }
    guint kept = 0;
    for (guint i = 0; i < graph->nodes->len; i++) {
        if (!is_dead(&pass, (int)i)) {
            *graph_node(graph, (int)kept++) = *graph_node(graph, (int)i);
        }
    }
    g_array_set_size(graph->nodes, kept);
    g_array_unref(pass.dead);
}
