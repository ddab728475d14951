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
    GMutex lock;           // held while a slot is recorded
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

enum slot_state {
    SLOT_FREE,
    SLOT_FILLING, // its stream's thread copies the picture
    SLOT_WAITING, // for the device
    SLOT_RUNNING,
    SLOT_DONE, // to be collected
};

struct slot {
    struct buffer staging;         // planes of the picture; grows
    struct preprocess_shape shape; // recorded for frames of this
    struct buffer params;          // struct preprocess_params, then struct decode_params
    struct buffer output;          // struct decode_output
    struct pass passes[N_PASSES];
    // of the frame in it
    enum pass_kind kind;
    struct post_filter filter;
    struct letterbox letterbox;
    // schedule.c's, under the engine's lock
    enum slot_state state;
    EffdetStream *stream; // NULL: nobody waits for the frame any more
    GError *failure;      // why a frame that is done has no candidates
    gpointer cookie;
    gint64 submitted_us;
    gint64 order_ns; // the least goes first
};

// Makes slots that time the network's dispatches.
void frame_context_measure(struct frame_context *context);
// The network's estimates become what the frame that is done took: slots made from now on are split
// into pieces by them.
void frame_context_learn(struct frame_context *context, const struct slot *slot);

// staging_bytes: for the picture; larger ones make it grow.
#define PICTURE_BYTES (1920 * 1088 * 4) // enough for 1080p in any 8-bit format
bool slot_init(struct slot *slot, struct frame_context *context, uint64_t staging_bytes,
               GError **error) WARN_UNUSED;
// The slot's commands are not in flight. Accepts a zeroed or half-made slot.
void slot_finish(struct slot *slot, struct frame_context *context);
// Copies the picture and chooses the pass; the slot's commands are not in flight. Allocates and
// records only when the picture outgrows the staging memory or is of another shape. Slots can be
// filled by several threads at once.
bool slot_fill(struct slot *slot, struct frame_context *context, const EffdetFrame *frame,
               GError **error) WARN_UNUSED;
// The commands to submit for the frame in the slot.
struct recorder *slot_recorder(const struct slot *slot);
// The commands are done: the candidates are in output->map, or, with *again, slot_recorder() has to
// run once more, as there are more candidates than was expected.
bool slot_arrive(struct slot *slot, struct frame_context *context, bool *again,
                 GError **error) WARN_UNUSED;
// Microseconds between two marks of the frame that is done; -1 without timestamps.
gint64 slot_elapsed_us(const struct slot *slot, int from, int to);
uint64_t slot_bytes(const struct slot *slot);
