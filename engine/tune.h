// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Trials of kernel variants: one node of each shape of a network, once for each rank of candidates,
// timed node by node.
#pragma once

#include "device_network.h"
#include "ops/tuning.h"

// Fills and saves `tuning`, within about limit_s seconds with all compilation. A device without
// timestamps is left as it is (logged). options->tuning is ignored.
bool tune_network(struct tuning *tuning, struct device *device, struct checkpoint *checkpoint,
                  const struct network_options *options, double limit_s,
                  GError **error) WARN_UNUSED;
// The same within two seconds, for a network that was not measured before; nothing on CPUs, whose
// drivers take seconds to compile. Fails only when the device is lost.
bool tune_at_first_start(struct tuning *tuning, struct device *device,
                         struct checkpoint *checkpoint, const struct network_options *options,
                         GError **error) WARN_UNUSED;
