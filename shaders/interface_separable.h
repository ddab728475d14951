// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The part of interface.h that belongs to separable convolutions, and to chains of them. Included by interface.h only.

// ---- separable, chain
#define SEPARABLE_SPEC_INPUT_ACTIVATION 2
#define SEPARABLE_SPEC_GROUPS 3
#define SEPARABLE_SPEC_SYMMETRIC 4
#define SEPARABLE_SPEC_ZERO 5
#define SEPARABLE_SPEC_RESAMPLE 6 // and the next three: one an input
#define SEPARABLE_SPEC_MAXIMA 10
#define SEPARABLE_TILE 8          // pixels of a tile in a row, and rows for each row of a register tile
#define SEPARABLE_TASKS 16
#if defined(INTERFACE_SEPARABLE) || defined(__STDC_VERSION__)
// One part of one level of a pyramid, or one step of a chain. A multiple of 16 bytes.
struct separable_task {
    UINT group_first, tiles, tiles_x;   // workgroups: the first, and the tiles of an output range
    UINT size;                          // output width << 16 | height
    UINT outputs, padded;               // blocks of four channels: results, and in the weights
    UINT depthwise_first, pointwise_first, affine_first; // elements of the weights, vectors of the table
    UINT y_first, y_pitch;
    UINT plain;                         // chain: 1 = the sum itself is the result
    UINT x_first[NODE_INPUTS], x_pitch[NODE_INPUTS];
    UINT x_size[NODE_INPUTS];           // width << 16 | height
    UINT resample[NODE_INPUTS];
    FLOAT factor[NODE_INPUTS];
};
PUSH_BEGIN(separable_push)
    UINT groups, tasks;
    UINT inputs;                        // blocks of four channels
    UINT maxima_tasks, maxima_pitch;    // the first so many tasks leave the largest of each invocation's results of a pixel
PUSH_END(separable_push)
#endif
