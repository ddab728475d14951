// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Static commands: dispatches recorded once, barriers derived from what each reads and writes,
// optional timestamps, submission with a fence. What takes long is submitted in several pieces,
// none of them longer than 50 ms by the dispatches' estimates (or EFFDET_SUBMIT_MS), so that no
// watchdog takes the device for hung; nobody waits in between, and barriers hold across pieces.
// EFFDET_BARRIERS=all puts a barrier after every dispatch.
#pragma once

#include "gpu/kernel.h"
#include "gpu/memory.h"

// A buffer range bound to a kernel. offset: aligned to the device's storage (texel) alignment.
struct binding {
    struct buffer *buffer;
    uint64_t offset, bytes;
    bool write; // a storage binding that the kernel writes (and may read); the others are read only
};

// One kernel call, complete: what ops prepare and the recorder records.
struct dispatch {
    const struct kernel *kernel;
    struct binding bindings[MAX_BINDINGS];
    uint8_t push[128];
    int addressed; // binding whose device address the recorder puts in front of the push block; 0:
                   // none
    bool from_start; // behind it, the address of the buffer that binding 0 is in
    uint32_t groups[3];
    struct buffer *indirect; // NULL, or where the group counts are (VkDispatchIndirectCommand),
                             // read by the device
    uint64_t indirect_offset;
    // for bench and messages
    char label[64]; // node name
    const char *op; // stem
    char variant[32];
    double flops, bytes_moved;
    double estimate_us; // on the device; 0 = next to nothing
};

struct recorder;
// max_dispatches: a hint for the descriptor pools, which grow. The kernels and buffers of what is
// recorded must outlive the recorder, or its next recorder_begin().
struct recorder *recorder_new(struct device *device, int max_dispatches, int max_timestamps,
                              GError **error) WARN_UNUSED;
// Waits for the submission in flight; where the device does not answer any more, gives it up.
void recorder_settle(struct recorder *recorder);
void recorder_free(struct recorder **recorder); // settles
bool recorder_begin(struct recorder *recorder, GError **error)
    WARN_UNUSED; // resets; the first scope covers everything earlier on the queue
bool recorder_dispatch(struct recorder *recorder, const struct dispatch *dispatch,
                       GError **error) WARN_UNUSED;
void recorder_fill(struct recorder *recorder, struct buffer *buffer, uint64_t offset,
                   uint64_t bytes, uint32_t value);
void recorder_copy(struct recorder *recorder, struct buffer *from, uint64_t from_offset,
                   struct buffer *to, uint64_t to_offset, uint64_t bytes);
// Index of a timestamp after all work so far; -1 without timestamps or when max_timestamps are
// used.
int recorder_timestamp(struct recorder *recorder);
bool recorder_end(struct recorder *recorder,
                  GError **error) WARN_UNUSED; // makes device writes visible to the host
// Derived barriers only: those at both ends are not counted.
int recorder_barriers(const struct recorder *recorder);
int recorder_dispatches(const struct recorder *recorder);
int recorder_submits(const struct recorder *recorder); // pieces

bool recorder_submit(struct recorder *recorder, GError **error)
    WARN_UNUSED; // takes the queue lock; one submission in flight at most
// Several of one device, at most RECORDER_MAX_BATCH, to run one after the other: one submission, or
// more where one of them is of several pieces. All are in flight until the last is done, and each
// has to be waited for before that last one is submitted or freed.
#define RECORDER_MAX_BATCH 16
bool recorder_submit_batch(struct recorder *const *recorders, int n, GError **error) WARN_UNUSED;
// Neither submit nor wait allocates. true with *done; timeout_ns 0 polls. After DEVICE_LOST or
// VK_ERROR: false with *error.
bool recorder_wait(struct recorder *recorder, uint64_t timeout_ns, bool *done,
                   GError **error) WARN_UNUSED;
// Submits, and waits until it is done; longer than the device's patience: a lost device.
bool recorder_run(struct recorder *recorder, GError **error) WARN_UNUSED;
// Nanoseconds between two timestamps of the finished submission; -1 without timestamps.
int64_t recorder_elapsed_ns(struct recorder *recorder, int from, int to);
