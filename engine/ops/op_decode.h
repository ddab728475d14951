// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// From raw logits and box codes to candidates that the host can read: threshold, the best ones
// where there are too many, anchors, boxes. What is done with the candidates is in post/.
#pragma once

#include "interface.h"
#include "ops/op.h"

// What the device leaves for the host.
struct decode_output {
    uint32_t found; // pairs at or above the threshold
    uint32_t kept;  // records, in no particular order
    uint32_t unused[6];
    struct decode_record records[];
};

// The most candidates of a frame.
uint32_t decode_capacity(const struct model *model);
uint64_t decode_output_bytes(const struct model *model, const struct graph *graph);
// Memory that frames on one queue may share; its contents need not outlive a frame.
uint64_t decode_scratch_bytes(const struct model *model, const struct graph *graph);
// Parameters of a frame. score_threshold: 0..1; a hair more passes, so that the host decides.
void decode_fill(struct decode_params *params, const struct model *model, double score_threshold);
// Whether more pairs than decode_capacity() can pass.
bool decode_may_overflow(const struct model *model, const struct graph *graph);

// What the dispatches of decode work on. params: a struct decode_params at params_offset.
struct decode_buffers {
    struct buffer *params, *output, *scratch;
    uint64_t params_offset;
};
// Parts of decode; a set of bits. Frames below capacity need the first and the last; without the
// second, of a frame over capacity only output->found is right. The scratch memory's first
// DECODE_COUNTERS words must be 0 before (op_preprocess_prepare() clears them).
enum decode_part {
    DECODE_PART_LIST = 1,   // list what passes, unless the network's own kernels do
    DECODE_PART_SELECT = 2, // the best of it, where there is too much; reads graph->classes
    DECODE_PART_BOXES = 4   // of what is listed; reads graph->boxes, writes output
};
// Appends the dispatches (struct dispatch) of these parts, in order.
bool op_decode_prepare(struct op_env *env, const struct model *model,
                       const struct decode_buffers *buffers, unsigned parts, GArray *dispatches,
                       GError **error) WARN_UNUSED;
