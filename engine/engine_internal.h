// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What the effdet command and the tests may know of an engine beyond the public API.
#pragma once

#include "effdet/effdet.h"
#include "gpu/recorder.h"

// The dispatches of one frame, network only, in order; valid as long as the engine. Labels,
// variants, FLOPs and bytes are filled in.
const struct dispatch *effdet_engine_dispatches(EffdetEngine *engine, int *n);
// Median time of each of them over `runs` runs, microseconds: device timestamps, or -1 for all
// where the device has none. No frame may be in flight.
bool effdet_engine_time_dispatches(EffdetEngine *engine, int runs, double *us,
                                   GError **error) WARN_UNUSED;
// The most that the device does by small kernels of nothing but multiply-adds or copies: thousand
// millions a second.
bool effdet_engine_measure_ceiling(EffdetEngine *engine, double *gflops, double *gbytes_s,
                                   GError **error) WARN_UNUSED;
// Barriers and submissions of a frame.
void effdet_engine_count(EffdetEngine *engine, int *barriers, int *submits);
// Milliseconds of each of `runs` runs of the network alone, submit to fence.
bool effdet_engine_time_network(EffdetEngine *engine, int runs, double *ms,
                                GError **error) WARN_UNUSED;
