// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Prints which pointwise kernel the static table picks for each class of GPUs, by shape: for people
// who change the table.   list_choices MODEL
#include "device_network.h"

#include <stdio.h>
#include <string.h>

// "pixels inputs outputs" of a dispatch's node.
static char *shape_of(const struct network *network, const char *label)
{
    for (guint i = 0; i < network->graph->nodes->len; i++) {
        const struct node *node = graph_node(network->graph, (int)i);
        if (node->op == OP_POINTWISE && g_str_equal(node->name, label)) {
            const struct value *output = graph_value(network->graph, node->output);
            return g_strdup_printf("%6d %4d %4d", output->pixels,
                                   graph_value(network->graph, node->inputs[0])->channels,
                                   output->channels);
        }
    }
    return NULL;
}

static void print_class(struct device *device, struct checkpoint *checkpoint)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    struct network_options options = {.half = device->features.storage16, .fuse = true};
    struct network network;
    if (!network_init(&network, device, checkpoint, &options, &error)) {
        g_error("%s", error->message);
    }
    for (guint i = 0; i < network.dispatches->len; i++) {
        const struct dispatch *dispatch = &g_array_index(network.dispatches, struct dispatch, i);
        g_autofree char *shape = shape_of(&network, dispatch->label);
        if (g_str_equal(dispatch->op, "pointwise") && shape &&
            g_hash_table_add(seen, g_strdup(shape))) {
            const uint32_t *groups = dispatch->groups;
            printf("%-9s %s  %-18s %u x %u\n", device_class_name(device->device_class), shape,
                   dispatch->variant, groups[0], groups[1]);
        }
    }
    network_finish(&network);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    const struct arch *arch = argc == 2 ? arch_find(argv[1]) : NULL;
    if (!arch) {
        fprintf(stderr, "usage: %s MODEL\n", argv[0]);
        return 2;
    }
    struct device *device = device_new(NULL, &error);
    if (!device) {
        fprintf(stderr, "%s\n", error->message);
        return 1;
    }
    struct checkpoint *checkpoint = checkpoint_synthetic(arch, 90, 1.2, 1.0);
    const enum device_class own_class = device->device_class;
    const bool is_cpu = device->is_cpu;
    printf("class     pixels   in  out  variant            workgroups\n");
    for (int c = CLASS_NVIDIA; c <= CLASS_DEFAULT; c++) {
        device->device_class = (enum device_class)c;
        device->is_cpu = false;
        print_class(device, checkpoint);
    }
    device->device_class = own_class;
    device->is_cpu = is_cpu;
    checkpoint_close(&checkpoint);
    device_free(&device);
    return 0;
}
