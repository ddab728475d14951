// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What lies under device_new() and effdet_devices(): loader, instance and the facts about one
// physical device. Included by engine/gpu only.
#pragma once

#include "gpu/device.h"

// Opens the loader and creates an instance: fills loader, vk (global and instance functions) and
// instance. On failure *error says what was looked for and nothing is left open.
bool loader_open(struct device *device, GError **error) WARN_UNUSED;
void loader_close(struct device *device); // accepts a zeroed device
// One sentence: where the loader looks for drivers (variables or folders), how many driver files
// are there, and what to install. Free with g_free().
char *loader_search_text(void);

// The physical devices of the open instance. Free with g_free(). NULL with *error when there is
// none.
VkPhysicalDevice *loader_physical_devices(const struct device *device, uint32_t *count,
                                          GError **error) WARN_UNUSED;
// Fills everything about `physical` that device.h documents, without creating anything. false with
// *error when it cannot run the engine (API below 1.1, no compute queue); free with probe_finish()
// in either case.
bool probe_init(struct device *device, VkPhysicalDevice physical, uint32_t index,
                GError **error) WARN_UNUSED;
void probe_finish(struct device *device);

// "discrete", "integrated", "virtual", "cpu" or "other".
const char *probe_type_name(VkPhysicalDeviceType type);
