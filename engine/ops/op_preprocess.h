// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// From a picture in host memory to the network input: layout of the staging memory, parameters of a
// frame, and the one dispatch.
#pragma once

#include "effdet/effdet.h"
#include "interface.h"
#include "net/letterbox.h"
#include "ops/op.h"

// What a pixel format is made of.
struct format_info {
    const char *name; // as GStreamer spells it
    int n_planes;
    int row_bytes[3];  // bytes of a plane's row for every 2 pixels (columns rounded up to an even
                       // number)
    bool half_rows[3]; // plane has half the rows, rounded up
};
const struct format_info *format_info(EffdetFormat format);
// Bytes of a row and number of rows of a plane.
size_t format_row_bytes(EffdetFormat format, int plane, guint width);
guint format_rows(EffdetFormat format, int plane, guint height);

// Format, sizes, pointers, strides: an error says what is wrong with the frame.
bool frame_validate(const EffdetFrame *frame, GError **error) WARN_UNUSED;
// Where the planes of a frame go in the staging buffer; *bytes is their total.
void preprocess_layout(const EffdetFrame *frame, uint64_t offsets[3], uint64_t strides[3],
                       uint64_t *bytes);
// Parameters of a frame that was laid out like that.
void preprocess_fill(struct preprocess_params *params, const EffdetFrame *frame,
                     const struct model *model, const struct letterbox *letterbox);
// What of a frame the dispatch depends on.
struct preprocess_shape {
    EffdetFormat format; // where the kernel is made for it: with the triangle filter
    int rows;            // of the resized picture or more
};
struct preprocess_shape preprocess_shape_of(const struct preprocess *pre, EffdetFormat format,
                                            const struct letterbox *letterbox);
// The dispatch that writes graph->input and clears decode's counters in `scratch`. staging: the
// whole buffer is bound.
bool op_preprocess_prepare(struct op_env *env, const struct preprocess *pre,
                           struct preprocess_shape shape, struct buffer *staging,
                           struct buffer *params, uint64_t params_offset, struct buffer *scratch,
                           struct dispatch *dispatch, GError **error) WARN_UNUSED;
