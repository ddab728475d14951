// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The part of interface.h that belongs to the operations of the network. Included by interface.h only.

// ---- stem
#if defined(INTERFACE_STEM) || defined(__STDC_VERSION__)
PUSH_BEGIN(stem_push)
    ADDRESS_OF(stem_weights, weights)
    ADDRESS_WORDS(inputs)     // LANES: of the buffer that x and y are in; x_first and y_first count from its start
    UINT pixels, blocks;      // results: pixels, and blocks of four channels
    UINT block_first;         // first of them in weights and bias
    UINT x_first, x_width, x_height;
    UINT y_first, y_pitch, y_width;
    INT pad_x, pad_y;         // padding before the first column and row
PUSH_END(stem_push)
#endif

// ---- conv
#define CONV_SPEC_KERNEL 2
#define CONV_SPEC_STRIDE 3
#if defined(INTERFACE_CONV) || defined(__STDC_VERSION__)
PUSH_BEGIN(conv_push)
    UINT pixels, blocks;      // results: pixels, and blocks of four channels
    UINT block_first;         // first of them in weights and bias
    UINT x_blocks, x_first, x_pitch, x_width, x_height;
    UINT y_first, y_pitch, y_width;
    INT pad_x, pad_y;         // padding before the first column and row
PUSH_END(conv_push)
#endif

// ---- pointwise
// Input blocks of a trip: of pointwise_address.comp, and of pointwise.comp where inputs are texels
#define POINTWISE_TRIP 4
#define POINTWISE_TEXEL_TRIP 2
// Most input blocks of a trip of pointwise_lanes.comp, and of a trip and what comes before the first
#define POINTWISE_LANES_TRIP 16
#define POINTWISE_LANES_CODE 36
#define POINTWISE_SPEC_INPUT_SCALE 2
#define POINTWISE_SPEC_RESIDUAL 3
#define POINTWISE_SPEC_LEVELS 4
#define POINTWISE_SPEC_ACCUMULATE 5
#define POINTWISE_SPEC_FINISH 6
#define POINTWISE_SPEC_TAIL 7
#define POINTWISE_SPEC_LOOP 8
#define POINTWISE_SPEC_SQUEEZE_ACTIVATION 9
#define POINTWISE_SPEC_MEANS 10
#define POINTWISE_SPEC_HIDDEN 11
#define POINTWISE_SPEC_MAXIMA 12
#define POINTWISE_SPEC_TRIP 13
#if defined(INTERFACE_POINTWISE) || defined(__STDC_VERSION__)
PUSH_BEGIN(pointwise_push)
    ADDRESS_OF(pointwise_weights, weights)
    ADDRESS_WORDS(inputs)               // LANES: of the buffer that x, y, factors and residual are in; their firsts count from its start
    UINT pixels, blocks;                // results: pixels, and blocks of four channels
    UINT block_first, table_blocks;     // first of them in weights and table; blocks of one level in the table
    UINT k_first, k_count, k_total;     // input blocks of this dispatch, and of the weights
    UINT x_first, x_pitch, y_first, y_pitch;
    UINT factors_first, residual_first, residual_pitch;
    UINT level_first[LEVELS_MAX];       // first pixel of each level
    UINT part_tiles, part_blocks;       // convolutions side by side: rows of workgroups and output blocks of one
    UINT part_x;                        // elements of x from the first input block of one to that of the next
    UINT hidden, partials, partial_first, partial_pitch; // squeeze-excite: as in squeeze_push
    FLOAT inverse_pixels;
PUSH_END(pointwise_push)
#endif

// ---- depthwise
#define DEPTHWISE_SPEC_LEVELS 2
#define DEPTHWISE_SPEC_PARTIAL 3
// Partial sums: none, one a tile (an invocation), one a workgroup
#define PARTIAL_NONE 0
#define PARTIAL_INVOCATION 1
#define PARTIAL_GROUP 2
#if defined(INTERFACE_DEPTHWISE) || defined(__STDC_VERSION__)
PUSH_BEGIN(depthwise_push)
    ADDRESS_OF(depthwise_weights, weights)
    ADDRESS_WORDS(inputs)               // LANES: of the buffer that x and y are in; x_first and y_first count from its start
    UINT tiles, block_first;            // tiles of all levels; first channel block in weights and bias
    UINT symmetric;                     // padding: 1 = symmetric, 0 = SAME
    UINT x_blocks, x_first, x_pitch;    // input blocks of this dispatch: convolutions side by side read them in turn
    UINT y_first, y_pitch;
    UINT partial_first, partial_pitch;
    UINT level_size[LEVELS_MAX];        // input width << 16 | height
    UINT level_tile[LEVELS_MAX];        // first tile
    UINT level_pixel[LEVELS_MAX];       // first pixel, of input and output
PUSH_END(depthwise_push)
#endif

// ---- mean
#if defined(INTERFACE_MEAN) || defined(__STDC_VERSION__)
PUSH_BEGIN(mean_push)
    UINT pixels;
    UINT x_first, x_pitch;
    UINT y_first, y_pitch;
PUSH_END(mean_push)
#endif

// ---- scale
#if defined(INTERFACE_SCALE) || defined(__STDC_VERSION__)
PUSH_BEGIN(scale_push)
    UINT pixels;
    UINT x_first, x_pitch;
    UINT factors_first, factors_pitch;
    UINT y_first, y_pitch;
PUSH_END(scale_push)
#endif

// ---- node
#define NODE_SPEC_RESAMPLE 2 // and the next three: one an input
#define NODE_SPEC_FLAT 6
#define NODE_SPEC_SYMMETRIC 7
#define NODE_SPEC_ZERO 8
#define NODE_SPEC_BLOCKS 9
#define NODE_INPUTS 4
// As enum resample in net/graph.h
#define RESAMPLING_NONE 0
#define RESAMPLING_NEAREST 1
#define RESAMPLING_BILINEAR 2
#define RESAMPLING_MAXPOOL 3
#define RESAMPLING_ABSENT 4
#if defined(INTERFACE_NODE) || defined(__STDC_VERSION__)
PUSH_BEGIN(node_push)
    UINT pixels, blocks;      // results: pixels, and blocks of four channels
    UINT y_first, y_pitch, y_size;
    UINT x_first[NODE_INPUTS], x_pitch[NODE_INPUTS];
    UINT x_size[NODE_INPUTS]; // sizes: width << 16 | height
    FLOAT factor[NODE_INPUTS];
PUSH_END(node_push)
#endif
