// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Shared by recorder.c, which records, and submit.c, which submits and waits.
#pragma once

#include "gpu/bindings.h"
#include "gpu/hazards.h"
#include "gpu/recorder.h"

struct recorder {
    struct device *device;
    VkCommandPool pool;
    GArray *pieces;           // VkCommandBuffer; kept to be recorded again
    guint n_pieces;           // recorded
    VkCommandBuffer commands; // the last of them
    double piece_us, limit_us;
    VkFence fence;
    VkFence told_by; // the fence of the submission in flight: its own, or that of the last in it
    VkQueryPool queries;
    int max_timestamps, n_timestamps;
    int n_barriers, n_dispatches;
    bool barrier_after_all; // EFFDET_BARRIERS=all
    bool recording;         // the last piece has begun and not ended
    bool recorded, in_flight;
    bool has_run; // as it is recorded now
    struct hazards hazards;
    struct bindings bindings;
};
