// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Weights and tables of 1x1 convolutions, for kernels that read them by rows of workgroups.
#include "ops/pointwise.h"

#include "ops/maxima.h"
#include "ops/ops.h"

struct binding pointwise_pack_table(struct op_env *env, const struct folded *folded, int rows,
                                    int logits)
{
    int levels = folded->n_levels;
    size_t count = (size_t)rows * 4 * (size_t)levels * (levels > 1 ? 2 : 1);
    g_autofree float *table = g_new0(float, count);
    for (int l = 0; l < levels; l++) {
        for (int o = 0; o < folded->outputs; o++) {
            int from = l * folded->outputs + o;
            table[l * rows * 4 + o] = folded->bias[from];
            if (levels > 1) {
                table[(levels + l) * rows * 4 + o] = folded->scale[from];
            }
        }
        for (int o = logits; o % 4 != 0; o++) {
            table[l * rows * 4 + o] = MAXIMA_NO_LOGIT;
        }
    }
    return op_pack(env, table, count, false);
}

// Where a row of workgroups has its output channels: from `first` to before `end`, that of its
// part.
static void row_channels(const struct pointwise *op, const struct pointwise_window *window,
                         const struct pointwise_push *push, uint32_t row, int *first, int *end)
{
    const uint32_t part = row / push->part_tiles;
    const int in_part = (int)(row - part * push->part_tiles) * op->variant->channels;
    const bool last = (int)part + 1 >= window->n_parts;
    const int blocks = last ? window->count : (int)((part + 1) * push->part_blocks);
    *first = 4 * (window->first + (int)(part * push->part_blocks)) + in_part;
    *end = MIN(op->folded->outputs, 4 * (window->first + blocks));
}

// Bias of an output channel, which need not be there.
static float bias_of(const struct pointwise *op, int level, int channel, bool there)
{
    if (op->maxima &&
        (!there || (channel >= op->logits && channel < 4 * channel_blocks(op->logits)))) {
        return MAXIMA_NO_LOGIT;
    }
    return there ? op->folded->bias[level * op->folded->outputs + channel] : 0;
}

struct binding pointwise_pack_address(struct op_env *env, const struct pointwise *op,
                                      const struct pointwise_window *window,
                                      const struct pointwise_push *push, uint32_t rows)
{
    const struct folded *folded = op->folded;
    const int tile = op->variant->channels, trips = ceil_div(window->k_count, POINTWISE_TRIP);
    const size_t trip_floats = (size_t)POINTWISE_TRIP * 4 * (size_t)tile;
    const size_t count = rows * (size_t)trips * trip_floats;
    g_autofree float *packed = g_new0(float, count);
    for (uint32_t row = 0; row < rows; row++) {
        int first, end;
        row_channels(op, window, push, row, &first, &end);
        const int k_end = MIN(folded->inputs, 4 * (window->k_first + window->k_count));
        for (int i = 4 * window->k_first; i < k_end; i++) {
            const int k = i / 4 - window->k_first, trip = k / POINTWISE_TRIP;
            const int blocks = MIN(POINTWISE_TRIP, window->k_count - trip * POINTWISE_TRIP);
            float *to = packed + ((size_t)row * (size_t)trips + (size_t)trip) * trip_floats +
                        (size_t)(k % POINTWISE_TRIP * 4 + i % 4) * 4;
            for (int o = first; o < MIN(first + tile, end); o++) {
                const int block = (o - first) / 4;
                to[(size_t)block * (size_t)blocks * 16 + (size_t)((o - first) % 4)] =
                    folded->weight[(size_t)o * (size_t)folded->inputs + (size_t)i];
            }
        }
    }
    return op_pack(env, packed, count, false);
}

struct binding pointwise_pack_lanes(struct op_env *env, const struct pointwise *op,
                                    const struct pointwise_window *window,
                                    const struct pointwise_push *push, uint32_t rows)
{
    const struct folded *folded = op->folded;
    const int tile = op->variant->channels, levels = folded->n_levels;
    const int entries = levels * (levels > 1 ? 2 : 1);
    const size_t row_floats = (size_t)(entries + 4 * window->k_count) * (size_t)tile;
    const size_t count = rows * row_floats;
    g_autofree float *packed = g_new0(float, count);
    for (uint32_t row = 0; row < rows; row++) {
        int first, end;
        row_channels(op, window, push, row, &first, &end);
        for (int o = first; o < first + tile; o++) {
            float *to = packed + row * row_floats + op_lane(o - first);
            for (int l = 0; l < levels; l++, to += (size_t)tile * (levels > 1 ? 2 : 1)) {
                *to = bias_of(op, l, o, o < end);
                if (levels > 1 && o < end) {
                    to[tile] = folded->scale[l * folded->outputs + o];
                }
            }
            const int k_end = MIN(folded->inputs, 4 * (window->k_first + window->k_count));
            for (int i = 4 * window->k_first; i < k_end && o < end; i++, to += tile) {
                *to = folded->weight[(size_t)o * (size_t)folded->inputs + (size_t)i];
            }
        }
    }
    return op_pack(env, packed, count, false);
}
