// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The engine object, shared by engine.c (frames) and raw.c (the network alone).
#pragma once

#include "effdet/effdet.h"

#include "frame.h"
#include "result.h"

#define MAX_QUEUE_DEPTH 16

struct EffdetEngine {
    struct device *device;
    struct checkpoint *checkpoint;
    const struct model *model;
    struct network network;
    struct frame_context context;
    struct slot slots[MAX_QUEUE_DEPTH];
    int n_slots;
    struct post *post;
    struct result_pool *results;
    guint timeout_ms; // G_MAXUINT: never
    EffdetEngineInfo info;
    // ring of slots: submit writes head, collect writes tail
    GMutex lock; // guards head, in_flight, filter
    int head, tail, in_flight;
    struct post_filter filter;
};
