// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The part of interface.h that belongs to the operations before and after the network, whose blocks change by frame. Included by interface.h
// only.

// ---- preprocess
#define PREPROCESS_SPEC_ROUND_TO_U8 0 // the resized picture is rounded to 8 bit
#define PREPROCESS_SPEC_LOCAL_SIZE 1
// for the triangle filter: how samples lie, 0 else
#define PREPROCESS_SPEC_WIDE 2        // as params.wide
#define PREPROCESS_SPEC_STEP_Y 3      // bytes from sample to sample of the first component
#define PREPROCESS_SPEC_STEP_C 4      // and of the others
#define PREPROCESS_SPEC_BYTE_Y 5      // where in a sample the last byte of each component lies
#define PREPROCESS_SPEC_BYTE_U 6
#define PREPROCESS_SPEC_BYTE_V 7      // or PREPROCESS_NO_BYTE: in a plane of its own, as BYTE_U
#define PREPROCESS_SPECS 8
#define PREPROCESS_NO_BYTE 255
#if defined(INTERFACE_PREPROCESS) || defined(__STDC_VERSION__)
// A picture as three components (Y U V or R G B), so that no pixel format needs code of its own.
UNIFORM_BEGIN(preprocess_params, 1)
    UINT width, height;                 // of the picture, pixels
    UINT resized_width, resized_height; // its part of the network input, top-left
    UINT offset0, offset1, offset2;     // bytes to a component's first sample
    UINT stride0, stride1, stride2;     // bytes from row to row
    UINT step0, step1, step2;           // bytes from sample to sample
    UINT half_x, half_y;                // components 1 and 2 have half the columns, half the rows (rounded up)
    UINT centred_x;                     // sample i of a halved row lies at column 2 i + 0.5, not 2 i
    UINT wide;                          // samples are 16-bit, in units of 1/256
    FLOAT r0, r1, r2, r3;               // R = r0 * component 0 + r1 * component 1 + r2 * component 2 + r3, in 0..255
    FLOAT g0, g1, g2, g3;
    FLOAT b0, b1, b2, b3;
    FLOAT gain_r, gain_g, gain_b;       // normalised = gain * value + bias
    FLOAT bias_r, bias_g, bias_b;
    FLOAT fill_r, fill_g, fill_b;       // normalised
UNIFORM_END(preprocess_params)
PUSH_BEGIN(preprocess_push)
    UINT y_width, y_height, y_first;    // the network input
PUSH_END(preprocess_push)
#endif

// ---- decode
#define DECODE_SPEC_MODE 0
#define DECODE_SPEC_LOOP 1 // decode_emit: few workgroups, which loop over the pairs
#define DECODE_SPECS 2
// What is done with each (anchor, class) pair at or above the threshold
#define DECODE_APPEND 0    // list it, and count it
#define DECODE_HIGH 1      // over capacity: count it by the upper 16 bits of its key
#define DECODE_LOW 2       // by the lower 16 bits, if the upper ones are those of the last pair that is kept
#define DECODE_TIES 3      // by its index, if its key is that of the last pair that is kept
#define DECODE_GATHER 4    // list it if it is kept
#define DECODE_LOCAL 64    // invocations of a workgroup
#define DECODE_BLOCKS 8    // channel blocks of an invocation (32 bits of a mask)
#define DECODE_QUADS 8     // times four tiles of an invocation that goes through the maxima (32 bits of a mask)
#define DECODE_ITEMS 8     // anchors of an invocation that goes through the best of each anchor
#define DECODE_BINS 65536
#define DECODE_SHAPES 128  // anchors of a cell at most
#define DECODE_WINDOWS 62  // dispatches that one stage may be split into at most
// Scratch memory, by word
#define DECODE_FOUND 0     // pairs at or above the threshold
#define DECODE_TICKETS 1   // workgroups of the stage that are done
#define DECODE_KEPT 2      // pairs listed by DECODE_GATHER
#define DECODE_CUT 3       // key of the last pair that is kept, as far as it is known
#define DECODE_NEED 4      // how many of the pairs with this key are kept
#define DECODE_CHUNK 5     // tied pairs with an index >> shift below this are kept
#define DECODE_COUNTERS 8  // words up to here are 0 before each frame: preprocess sees to it
#define DECODE_SELECT 8    // workgroups of each window of the stages over capacity: x, y, z, unused
#define DECODE_BITMAP 256  // tied pairs of DECODE_CHUNK, a bit each
#define DECODE_BITMAP_WORDS 2048
#define DECODE_HISTOGRAM 2304
#define DECODE_LIST 67840  // index and key of each listed pair
#if defined(INTERFACE_DECODE) || defined(__STDC_VERSION__)
// A pair as the host gets it.
struct decode_record {
    FLOAT x1, y1, x2, y2; // pixels of the network input; NaN where the codes of the box were not finite
    FLOAT logit;
    UINT anchor, class_id;
    UINT unused;
};
UNIFORM_BEGIN(decode_params, 0)
    UINT threshold_key, threshold_key_half; // key of the lowest logit that passes, in either storage precision
    FLOAT threshold;                        // this logit or less: a first test
    UINT threshold_key_maximum;             // key below that of any result that may be stored as a logit that passes, in either precision
    VEC4(level, LEVELS_MAX)                 // first pixel, width, stride x, stride y
    VEC4(level_scale, LEVELS_MAX)           // anchor scale * stride, x and y
    VEC4(shape, DECODE_SHAPES)              // size of the anchors of a cell, x and y, in units of level_scale
UNIFORM_END(decode_params)
PUSH_BEGIN(decode_push)
    UINT pixels, pitch, anchors, classes;   // of a cell; classes of an anchor
    UINT block_first, block_end;            // channel blocks of this window
    UINT window_first;                      // element of the bound range where its first block begins
    UINT anchor_first;                      // first anchor of a cell in this window
    UINT groups_all;                        // workgroups of a whole stage over capacity, all windows
    UINT capacity;
    UINT windows, window_x;                 // dispatches of a stage over capacity, and workgroups of each, x
    UINT window_y, window_y_last;           // y: of all but the last, of the last
    UINT shift;                             // index >> shift < DECODE_BINS
    UINT best_first;                        // word of the scratch memory: key and class of the best of each anchor
    UINT levels;
    UINT quads, columns;                    // maxima: rows * columns / 4, and those of a row
    UINT lanes, tile_pixels, tile_blocks;   // as in struct maxima
PUSH_END(decode_push)
#endif
