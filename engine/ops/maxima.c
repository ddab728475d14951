// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Which node leaves maxima for decode, and how many. Who writes and reads them is in op_STEM.c.
#include "ops/maxima.h"

bool maxima_wanted(const struct op_env *env, int output)
{
    const struct graph *graph = env->graph;
    if (!env->maxima) {
        return false;
    }
    const struct value *classes = graph_value(graph, graph->classes);
    return output == graph->classes ||
           (output == classes->parent && classes->view_level < 0 && classes->view_block == 0);
}

bool maxima_leave(const struct op_env *env, const struct maxima *tiles, uint32_t all_rows,
                  struct binding *binding)
{
    struct maxima *maxima = env->maxima;
    uint64_t bytes = (uint64_t)all_rows * tiles->columns * sizeof(float);
    if (tiles->columns % 4 != 0 || bytes > env->device->limits.storage_range) {
        return false;
    }
    *maxima = *tiles;
    maxima->bytes = bytes;
    *binding = (struct binding){.buffer = &maxima->buffer, .bytes = bytes, .write = true};
    return true;
}
