// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The best a device can do, measured: what the kernels of a network are compared with.
#pragma once

#include "device_network.h"

struct ceiling {
    double gflops, gbytes_s; // a multiply-add counts as two; bytes read and bytes written
};
// On the network's device, in its precision and form of reading. Waits. For bench: allocates and
// compiles.
bool ceiling_measure(struct network *network, struct ceiling *ceiling, GError **error) WARN_UNUSED;
