// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The part of interface.h that belongs to squeeze-excite in a dispatch of its own. Included by interface.h only.

// ---- squeeze
#define SQUEEZE_SPEC_MEANS 2
#define SQUEEZE_SPEC_HIDDEN 3
#define SQUEEZE_SPEC_EACH 2 // in one workgroup
#if defined(INTERFACE_SQUEEZE) || defined(__STDC_VERSION__)
PUSH_BEGIN(squeeze_push)
    UINT blocks, hidden;      // blocks of four channels; width between the two layers
    UINT partials;            // partial sums of each channel
    UINT partial_first, partial_pitch;
    UINT y_first, y_pitch;
    FLOAT inverse_pixels;     // 1 / pixels that the sums are of
PUSH_END(squeeze_push)
#endif
#define SQUEEZE_LANES_MEANS 4096 // room for C and a trip
#define SQUEEZE_LANES_HIDDEN 256
#define SQUEEZE_LANES_TRIP 32    // channels of one; rows of weights are filled up to it
#if defined(INTERFACE_SQUEEZE_LANES) || defined(__STDC_VERSION__)
PUSH_BEGIN(squeeze_lanes_push)
    ADDRESS_OF(squeeze_weights, weights) // [ceil(hidden / 8)][bias, trips * 32][8], then [trips][bias, 8 * ceil(hidden / 8)][32]
    ADDRESS_WORDS(inputs)                // of the buffer that sums and results are in; their firsts count from its start
    UINT blocks, trips, hidden;
    UINT partials, partial_first, partial_pitch;
    UINT y_first, y_pitch;
    FLOAT inverse_pixels;
PUSH_END(squeeze_lanes_push)
#endif
