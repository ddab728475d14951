// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The way of buffers, events and queries through the element: what admit.c, output.c and pads.c
// call of each other.
#pragma once

#include "detector.h"

// ---- admit.c ----

GstFlowReturn admit_chain(GstPad *pad, GstObject *parent, GstBuffer *buffer);
void admit_reset(GstEffdet *self);

// ---- output.c ----

void output_loop(gpointer pad);
// Queues an item. Under lock.
void output_queue(GstEffdet *self, const Item *item);
// Discards what is queued; sticky events other than segment and EOS stay on the source pad. Takes
// lock.
void output_discard(GstEffdet *self);

// ---- pads.c ----

gboolean pads_sink_event(GstPad *pad, GstObject *parent, GstEvent *event);
gboolean pads_sink_query(GstPad *pad, GstObject *parent, GstQuery *query);
gboolean pads_src_event(GstPad *pad, GstObject *parent, GstEvent *event);
gboolean pads_src_query(GstPad *pad, GstObject *parent, GstQuery *query);
gboolean pads_sink_activate(GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active);
gboolean pads_src_activate(GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active);
// Asks upstream whether it is live.
void pads_learn_live(GstEffdet *self);
