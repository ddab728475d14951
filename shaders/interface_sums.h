// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The part of interface.h that belongs to the weighted sum with the depthwise convolution after it. Included by interface.h only.

// ---- sum_depthwise
#define SUMS_SPEC_INPUT_ACTIVATION 2 // of the sum
#define SUMS_SPEC_SYMMETRIC 3        // padding of pools
#define SUMS_SPEC_ZERO 4
#define SUMS_SPEC_RESAMPLE 5         // and the next three: one an input
#if defined(INTERFACE_SUMS) || defined(__STDC_VERSION__)
PUSH_BEGIN(sum_depthwise_push)
    ADDRESS_OF(depthwise_weights, weights)
    ADDRESS_WORDS(inputs)     // LANES: of the buffer that the values are in; x_first and y_first count from its start
    UINT tiles, tiles_x;      // of a channel block; side by side
    UINT rows;                // of a tile
    UINT block_first;         // first channel block in weights and bias
    UINT y_first, y_pitch, y_size;
    UINT x_first[NODE_INPUTS], x_pitch[NODE_INPUTS];
    UINT x_size[NODE_INPUTS]; // sizes: width << 16 | height
    FLOAT factor[NODE_INPUTS];
PUSH_END(sum_depthwise_push)
#endif
