// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What downstream says of buffers that come too late, and the messages of what was not looked at
// for that.
//
// A sink that drops a buffer because it is late tells the running time from which on buffers may
// still be in time (GstBaseSink's QoS). Frames before it are not inferred where the policy may
// leave frames out: their results would be shown by nobody.
#pragma once

#include "gsteffdet.h"

// All zero: nothing known.
typedef struct {
    gboolean late;           // `earliest` and what follows are set
    GstClockTime earliest;   // running time
    GstClockTimeDiff jitter; // of the last event
    gdouble proportion;      // likewise
} Qos;

// Takes a QOS event of downstream in. Takes lock.
void qos_take(GstEffdet *self, GstEvent *event);
// Times begin anew. Takes lock.
void qos_reset(GstEffdet *self);
// Whether the buffer comes too late for the sink. Under lock; streaming thread.
gboolean qos_is_late(GstEffdet *self, GstBuffer *buffer);
// Posts a QOS message: this buffer was dropped, or passed without inference. Takes lock; streaming
// thread.
void qos_post(GstEffdet *self, GstBuffer *buffer);
