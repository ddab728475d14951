// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What RADV's compiler says about a pipeline: registers, spills, occupancy. Compiles only; nothing
// runs, so that no AMD hardware is needed.
#pragma once

#include "gpu/kernel.h"

struct statistics {
    guint64 vgprs, sgprs, spilled_vgprs, spilled_sgprs;
    guint64 occupancy;  // subgroups that a SIMD holds
    guint64 shared;     // bytes
    guint64 smem, vmem; // loads and stores: scalar, and by lane
    guint64 throughput; // inverse: busy cycles a subgroup, lower is better
};

struct compiler;

// A logical device of its own on the physical one of `device`, with pipeline statistics. NULL where
// the driver has none.
struct compiler *compiler_new(const struct device *device);
void compiler_free(struct compiler **compiler);
// Compiles the shader of a kernel with its specialisation constants.
bool compiler_run(struct compiler *compiler, const struct kernel *kernel,
                  struct statistics *statistics);
