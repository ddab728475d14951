// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// How long a live buffer is held, and what is reported of it. No queueing here.
//
// The latency reported is what frames really need, at most max-latency and what MAX_HELD buffers
// last: p95 of submit to result and a quarter. It rises as soon as p95 exceeds it, falls after
// three seconds below 70 %, and a frame is never held longer than the last answer, so that nothing
// is late at the sink.
#pragma once

#include "gsteffdet.h"

// The answer to a LATENCY query of a live pipeline. Under lock.
gint64 latency_answer_us(GstEffdet *self);
// How long a frame may be held now. Under lock.
gint64 latency_hold_us(GstEffdet *self);
// Posts a LATENCY message where the need has changed. Takes lock; source pad's task.
void latency_review(GstEffdet *self);
