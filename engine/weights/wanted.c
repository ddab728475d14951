// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The list of tensors that a graph's nodes name.
#include "weights/wanted.h"

struct list {
    GArray *array;
    GHashTable *seen; // names: convolutions of the heads are shared by the levels
};

static void want(struct list *list, const char *name, int rank, int64_t a, int64_t b, int64_t c)
{
    if (!name[0] || g_hash_table_contains(list->seen, name)) {
        return;
    }
    struct wanted wanted = {.rank = rank, .shape = {a, b, c, c}};
    g_strlcpy(wanted.name, name, sizeof wanted.name);
    g_array_append_val(list->array, wanted);
    g_hash_table_add(list->seen, g_strdup(name));
}

static void want_bn(struct list *list, const char *prefix, int64_t channels)
{
    static const char *const parts[4] = {"weight", "bias", "running_mean", "running_var"};
    for (int i = 0; i < 4; i++) {
        g_autofree char *name = g_strdup_printf("%s.%s", prefix, parts[i]);
        want(list, name, 1, channels, 0, 0);
    }
}

static void want_node(struct list *list, const struct graph *graph, const struct node *node)
{
    int outputs = graph_value(graph, node->output)->channels;
    switch (node->op) {
    case OP_STEM:
        want(list, node->parts[0].weight, 4, outputs, 3, node->kernel);
        break;
    case OP_POINTWISE:
        want(list, node->parts[0].weight, 4, outputs, graph_value(graph, node->inputs[0])->channels,
             1);
        break;
    case OP_CONV:
        want(list, node->parts[0].weight, 4, outputs, graph_value(graph, node->inputs[0])->channels,
             node->kernel);
        break;
    case OP_DEPTHWISE:
        want(list, node->parts[0].weight, 4, outputs, 1, node->kernel);
        break;
    case OP_SQUEEZE:
        want(list, node->reduce, 4, node->squeeze, outputs, 1);
        want(list, node->reduce_bias, 1, node->squeeze, 0, 0);
        want(list, node->expand, 4, outputs, node->squeeze, 1);
        want(list, node->expand_bias, 1, outputs, 0, 0);
        break;
    case OP_NODE:
        if (node->fusion != FUSION_SUM) {
            want(list, node->edge_weights, 1, node->n_inputs, 0, 0);
        }
        break;
    default:
        break;
    }
    if (node->op != OP_SQUEEZE) {
        want(list, node->parts[0].bias, 1, outputs, 0, 0);
    }
    for (int i = 0; i < node->n_bn; i++) {
        want_bn(list, node->parts[0].bn[i], outputs);
    }
}

GArray *wanted_tensors(const struct graph *graph)
{
    struct list list = {g_array_new(FALSE, FALSE, sizeof(struct wanted)),
                        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};
    for (guint i = 0; i < graph->nodes->len; i++) {
        want_node(&list, graph, graph_node(graph, (int)i));
    }
    g_hash_table_unref(list.seen);
    return list.array;
}
