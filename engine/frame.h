// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// One frame in flight: its staging memory, parameters, command buffers and candidates. Where memory
// is unified the kernels read the staging memory itself: there is no copy on the device.
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
    gint full_frames;      // so many of the next frames are decoded in full; atomic
    int *marks;            // timestamps around the network's dispatches, or NULL: do not measure
    bool compiled;         // every kernel of a frame has been, as far as drivers of CPUs want it
};

bool frame_context_init(struct frame_context *context, struct network *network,
                        const struct model *model, GError **error) WARN_UNUSED;
void frame_context_finish(struct frame_context *context); // accepts a zeroed one

enum { MARK_START, MARK_PREPROCESSED, MARK_NETWORK, MARK_END, N_MARKS };

// How a frame is decoded: quick, if no more passes the threshold than there is room for; else again
// from its picture, in full. Only where there can be more.
enum pass_kind { PASS_QUICK, PASS_FULL, N_PASSES };
struct pass {
    struct recorder *recorder; // NULL: no such pass
    int marks[N_MARKS];        // timestamps
};

struct slot {
    struct buffer staging;         // planes of the picture; grows
    struct preprocess_shape shape; // recorded for frames of this
    struct buffer params;          // struct preprocess_params, then struct decode_params
    struct buffer output;          // struct decode_output
    struct pass passes[N_PASSES];
    // of the frame in flight
    enum pass_kind kind;
    gpointer cookie;
    gint64 submitted_us;
    struct post_filter filter;
    struct letterbox letterbox;
};

// Makes slots that time the network's dispatches.
void frame_context_measure(struct frame_context *context);
// The network's estimates become what the frame that is done took: slots made from now on are split
// into pieces by them.
void frame_context_learn(struct frame_context *context, const struct slot *slot);

bool slot_init(struct slot *slot, struct frame_context *context, GError **error) WARN_UNUSED;
// Waits for the slot's frame. Accepts a zeroed or half-made slot.
void slot_finish(struct slot *slot, struct frame_context *context);
// Copies the picture and starts the device. Allocates and records only when the picture outgrows
// the staging memory.
bool slot_submit(struct slot *slot, struct frame_context *context, const EffdetFrame *frame,
                 GError **error) WARN_UNUSED;
// Whether the candidates of the frame are in output->map, complete; starts the full pass if they
// turn out not to be, and waits for that as long again. timeout_ns 0 polls.
bool slot_wait(struct slot *slot, struct frame_context *context, uint64_t timeout_ns, bool *done,
               GError **error) WARN_UNUSED;
// Microseconds between two marks of the frame that is done; -1 without timestamps.
gint64 slot_elapsed_us(const struct slot *slot, int from, int to);
uint64_t slot_bytes(const struct slot *slot);
