// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// One frame in flight: its staging memory, parameters, command buffer and candidates.
#pragma once

#include "effdet/effdet.h"
#include "device_network.h"
#include "ops/op_decode.h"
#include "ops/op_preprocess.h"
#include "post/post.h"

// What the slots of an engine share.
struct frame_context {
    struct network *network;
    const struct model *model;
    struct buffer scratch; // decode's counters; frames on one queue do not overlap
};

bool frame_context_init(struct frame_context *context, struct network *network,
                        const struct model *model, GError **error) WARN_UNUSED;
void frame_context_finish(struct frame_context *context); // accepts a zeroed one

enum { MARK_START, MARK_PREPROCESSED, MARK_NETWORK, MARK_END, N_MARKS };

struct slot {
    struct buffer staging; // planes of the picture; grows
    struct buffer params;  // struct preprocess_params, then struct decode_params
    struct buffer output;  // struct decode_output
    struct recorder *recorder;
    int marks[N_MARKS]; // timestamps
    // of the frame in flight
    gpointer cookie;
    gint64 submitted_us;
    struct post_filter filter;
    struct letterbox letterbox;
};

bool slot_init(struct slot *slot, struct frame_context *context, GError **error) WARN_UNUSED;
// Waits for the slot's frame. Accepts a zeroed or half-made slot.
void slot_finish(struct slot *slot, struct frame_context *context);
// Copies the picture and starts the device. Allocates and records only when the picture outgrows
// the staging memory.
bool slot_submit(struct slot *slot, struct frame_context *context, const EffdetFrame *frame,
                 GError **error) WARN_UNUSED;
uint64_t slot_bytes(const struct slot *slot);
