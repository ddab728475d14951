// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Descriptor pools, sets and texel views of one recorder. Nothing is freed one by one.
#pragma once

#include "gpu/recorder.h"

struct bindings {
    struct device *device;
    int sets_per_pool;
    GArray *pools; // of VkDescriptorPool; the last one is in use
    int sets_left, storage_left, texel_left, uniform_left; // in the last pool
    GArray *views;                                         // of struct texel_view
};

void bindings_init(struct bindings *bindings, struct device *device, int max_dispatches);
void bindings_finish(struct bindings *bindings);
void bindings_reset(struct bindings *bindings); // frees all; no submission may be using them
// Checks a dispatch against its kernel, its buffers and the device's limits.
bool bindings_check(const struct device *device, const struct dispatch *dispatch,
                    GError **error) WARN_UNUSED;
// A descriptor set filled for a checked dispatch.
bool bindings_make(struct bindings *bindings, const struct dispatch *dispatch, VkDescriptorSet *set,
                   GError **error) WARN_UNUSED;
