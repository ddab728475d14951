// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Compiling before the first frame, on several threads. Drivers of CPUs compile a pipeline when it
// is first dispatched, one after the other on each device, and keep the code in a cache on disk
// that their devices share: devices of other threads can fill it.
#pragma once

#include "gpu/recorder.h"

struct compile_options {
    int threads;    // that compile at once, with the one that calls
    gint64 slow_us; // what takes longer is compiled, what takes less comes from the driver's cache
};
// One thread a processor, at most four.
struct compile_options compile_defaults(void);

// Has the driver compile each kernel of the dispatches (struct dispatch), which do not run. Once
// one is slow, other threads with devices of their own take some of the rest, as long as what they
// compile is found again in the driver's cache; what goes wrong there is only logged. *elsewhere,
// if not NULL: how many kernels they compiled. Waits.
bool compile_ahead(struct device *device, const GArray *dispatches,
                   const struct compile_options *options, int *elsewhere,
                   GError **error) WARN_UNUSED;
