// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// How many partial sums a depthwise convolution leaves for squeeze-excite: what the graph must know
// of the shape of kernels.
#pragma once

#include "net/graph.h"

// Output rows and columns of one invocation; each writes one partial sum of its tile for every
// channel.
#define DEPTHWISE_TILE_ROWS 4
#define DEPTHWISE_TILE_COLS 2

static inline int depthwise_tiles(int height, int width)
{
    int rows = (height + DEPTHWISE_TILE_ROWS - 1) / DEPTHWISE_TILE_ROWS;
    int cols = (width + DEPTHWISE_TILE_COLS - 1) / DEPTHWISE_TILE_COLS;
    return rows * cols;
}

// EXPAND_DEPTHWISE: a partial sum is of this many square tiles.
#define EXPAND_DEPTHWISE_TILE 8
#define EXPAND_DEPTHWISE_STRIP 8

static inline int expand_depthwise_strips(int height, int width)
{
    int rows = (height + EXPAND_DEPTHWISE_TILE - 1) / EXPAND_DEPTHWISE_TILE;
    int cols = (width + EXPAND_DEPTHWISE_TILE - 1) / EXPAND_DEPTHWISE_TILE;
    return (rows * cols + EXPAND_DEPTHWISE_STRIP - 1) / EXPAND_DEPTHWISE_STRIP;
}
