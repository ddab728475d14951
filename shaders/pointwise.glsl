// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What all forms of the 1x1 convolution share: bindings, constants, levels and what is done with a finished sum. Not the sums themselves.
#define INTERFACE_POINTWISE
#include "access.glsl"
#if LANES
#include "lanes.glsl"
#elif ADDRESS
#extension GL_EXT_buffer_reference : require
layout(buffer_reference) buffer pointwise_weights;
#endif
#include "interface.h"
#include "activation.glsl"
#include "maxima.glsl"
#if ADDRESS && !LANES
struct pointwise_trip {
    vec4 value[POINTWISE_TRIP * CHANNELS]; // [CHANNELS / 4][inputs of the trip][4 outputs]; the last trip of a row may not fill it
};
// [rows of workgroups][trips], 32-bit whatever the precision
layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer pointwise_weights { pointwise_trip trips[]; };
#endif

layout(local_size_x_id = SPEC_LOCAL_SIZE) in;
layout(constant_id = POINTWISE_SPEC_INPUT_SCALE) const bool INPUT_SCALE = false; // input channels are multiplied by a vector
layout(constant_id = POINTWISE_SPEC_RESIDUAL) const bool RESIDUAL = false;
layout(constant_id = POINTWISE_SPEC_LEVELS) const uint LEVELS = 1;             // sets of bias and scale
layout(constant_id = POINTWISE_SPEC_ACCUMULATE) const bool ACCUMULATE = false; // go on from the sums that are in y
layout(constant_id = POINTWISE_SPEC_FINISH) const bool FINISH = true;          // else leave plain sums in y

#if !LANES
INPUT(0, x);              // [inputs / 4][x_pitch][4]
#if !ADDRESS
INPUT(1, weights);        // [outputs / 4][inputs / 4][4 outputs][4 inputs]
#endif
INPUT_FLOAT(2, table);    // bias [LEVELS][table_blocks][4]; then, if LEVELS > 1, scale of the same shape
OUTPUT(3, y);             // [outputs / 4][y_pitch][4]
INPUT(5, residual);       // [outputs / 4][residual_pitch][4]
#endif
#if SQUEEZE
// The input factors are worked out by every workgroup for itself.
layout(constant_id = POINTWISE_SPEC_SQUEEZE_ACTIVATION) const uint SQUEEZE_ACTIVATION = ACTIVATION_NONE;
layout(constant_id = POINTWISE_SPEC_MEANS) const uint MEANS = 32;   // as in squeeze.comp
layout(constant_id = POINTWISE_SPEC_HIDDEN) const uint HIDDEN = 32;
INPUT_FLOAT(4, partial);
INPUT_FLOAT(6, reduce);
INPUT_FLOAT(7, expand);
#include "squeeze.glsl"
#define FACTOR(block) means[block]

void find_factors()
{
    squeeze_hidden(push.k_total);
    for (uint block = gl_LocalInvocationID.x; block < push.k_total; block += gl_WorkGroupSize.x)
        means[block] = squeeze_factor(block, push.k_total);
    barrier();
}
#else
#if !LANES
INPUT_FLOAT(4, factors);  // [inputs / 4][4]
#define FACTOR(block) LOAD_FLOAT(factors, block)
#endif
layout(constant_id = POINTWISE_SPEC_MAXIMA) const bool MAXIMA = false; // leave the largest of each invocation's results
layout(set = 0, binding = 6, std430) writeonly buffer Maxima { uint maxima[]; }; // [rows of tiles][invocations along pixels]

// row: of tiles of channels. column: of `columns` invocations side by side along pixels
void leave_maximum(uint row, uint column, uint columns)
{
    if (MAXIMA)
        maxima[row * columns + column] = largest_key();
}
#endif

// Workgroups along pixels go along x, or along z where those along y, of other channels, are to follow each other (op_pointwise.c).
uint group_across()
{
    return gl_WorkGroupID.x + gl_WorkGroupID.z;
}

uint groups_across()
{
    return gl_NumWorkGroups.x * gl_NumWorkGroups.z;
}

uint level_of(uint pixel)
{
    uint level = 0;
    [[unroll]] for (uint l = 1; l < LEVELS_MAX; l++)
        level += uint(l < LEVELS && pixel >= push.level_first[l]);
    return level;
}

#if !LANES
// y = activation(scale * sum + bias) + residual for four channels of one pixel. block: within this dispatch's window
void finish(uint pixel, uint block, uint level, vec4 sum)
{
    const uint at = push.y_first + block * push.y_pitch + pixel;
    const uint entry = level * push.table_blocks + push.block_first + block;
    vec4 result = sum;
    if (ACCUMULATE)
        result += RELOAD(y, at);
    if (FINISH) {
        if (LEVELS > 1)
            result *= LOAD_FLOAT(table, LEVELS * push.table_blocks + entry);
        result = activate(result + LOAD_FLOAT(table, entry));
        if (RESIDUAL)
            result += LOAD(residual, push.residual_first + block * push.residual_pitch + pixel);
#if !SQUEEZE
        if (MAXIMA)
            note_result(result);
#endif
    }
    STORE(y, at, result);
}
#endif
