// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// RADV's null hardware made fit for the engine: it compiles but has no memory and runs nothing.
#pragma once

#include "gpu/device.h"

// RADV's device with memory of the host's and commands that do nothing, so that engines can be made
// on it. Held until device_free(); engines made meanwhile share it. NULL with *error when the
// loader finds none.
struct device *null_device_new(GError **error);
