// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The part of interface.h that belongs to the expansion with the depthwise convolution after it. Included by interface.h only.

// ---- expand_depthwise
#define EXPAND_SPEC_INNER_ACTIVATION 2 // after the 1x1 convolution
#define EXPAND_SPEC_PARTIAL 3
#define EXPAND_TILE 8                  // pixels of a tile in a row and in a column; an invocation each
#define EXPAND_STRIP 8                 // tiles of a workgroup, which leaves one partial sum
// Channel blocks of a workgroup: as many as fit 16 KiB with every kernel
#define EXPAND_BLOCKS(is_half, stride) ((is_half) != 0 || (stride) == 1 ? 4 : 2)
#if defined(INTERFACE_EXPAND_DEPTHWISE) || defined(__STDC_VERSION__)
PUSH_BEGIN(expand_depthwise_push)
    UINT inputs, blocks, block_first;   // blocks of four channels: inputs, results, the first of them in the weights
    UINT tiles, tiles_x;
    UINT x_first, x_pitch, x_size;      // width << 16 | height
    UINT y_first, y_pitch;
    UINT partial_first, partial_pitch;
    INT pad_x, pad_y;                   // padding before the first column and row
PUSH_END(expand_depthwise_push)
#endif
