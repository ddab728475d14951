// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Fusion rule of tiny maps: nodes in a row become the steps of one.
#include "net/fuse.h"

#define MAX_STEPS 12

static bool is_tiny(const struct pass *pass, const struct node *node)
{
    const struct value *output = graph_value(pass->graph, node->output);
    bool fits = output->n_levels == 1 && output->pixels <= pass->options->chain_pixels;
    for (int i = 0; i < node->n_inputs; i++) {
        fits = fits && graph_value(pass->graph, node->inputs[i])->n_levels == 1;
    }
    return fits && ((node->op == OP_SEPARABLE && node->n_parts == 1) ||
                    (node->op == OP_NODE && node->act == ACT_NONE));
}

// A chain has one padding; its convolutions, one shape and one pair of activations.
static bool agree(const struct node *a, const struct node *b)
{
    bool same = a->pad == b->pad && a->pool_padding == b->pool_padding;
    if (a->op == OP_SEPARABLE && b->op == OP_SEPARABLE) {
        same = same && a->act == b->act && a->act_in == b->act_in &&
               a->parts[0].inputs == b->parts[0].inputs;
    }
    return same;
}

static int next(const struct pass *pass, int index)
{
    do {
        index++;
    } while (index < (int)pass->graph->nodes->len && is_dead(pass, index));
    return index;
}

// Nodes that follow each other: one, at the place of the last.
void fuse_chain(struct pass *pass, int index)
{
    struct graph *graph = pass->graph;
    int members[MAX_STEPS], n = 0;
    for (int i = index; i < (int)graph->nodes->len && n < MAX_STEPS; i = next(pass, i)) {
        const struct node *node = graph_node(graph, i);
        bool joins = is_tiny(pass, node);
        for (int m = 0; m < n; m++) {
            joins = joins && agree(graph_node(graph, members[m]), node);
        }
        if (!joins) {
            break;
        }
        members[n++] = i;
    }
    if (n < 2) {
        return;
    }
    const struct node *last = graph_node(graph, members[n - 1]);
    struct node chain = {.op = OP_CHAIN,
                         .scale = -1,
                         .residual = -1,
                         .partial = -1,
                         .output = last->output,
                         .first_step = (int)graph->steps->len,
                         .n_steps = n};
    g_snprintf(chain.name, sizeof chain.name, "%s+%d", graph_node(graph, members[0])->name, n - 1);
    for (int m = 0; m < n; m++) {
        g_array_append_val(graph->steps, *graph_node(graph, members[m]));
        if (m < n - 1) {
            kill_node(pass, members[m]);
        }
    }
    *graph_node(graph, members[n - 1]) = chain;
}
