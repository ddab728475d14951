// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What a test asks of the fault layer (VK_LAYER_EFFDET_fault) while it runs. README.md has the
// environment variables that say the same at start.
#pragma once

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

// All functions are free-threaded, and what they set holds for the whole process.
struct fault_interface {
    // Replaces what is to fail: "CALL:N:RESULT,..." makes the N-th call of CALL from here on (from
    // 1) return RESULT once, without reaching the driver. RESULT: the name of a VkResult, a number,
    // or "lose" for lose() and VK_ERROR_DEVICE_LOST. NULL or "": nothing fails. false: malformed,
    // nothing is changed.
    bool (*set)(const char *rules);
    // Faults that were returned since set().
    unsigned (*injected)(void);
    // Calls of a function since the start or reset_counts(), failed ones included; 0 of others
    // than call_name() gives.
    unsigned (*count)(const char *call);
    void (*reset_counts)(void);
    // The functions that can be made to fail; NULL behind the last one.
    const char *(*call_name)(unsigned index);
    // Whether the specification lets the function return the result.
    bool (*may_return)(const char *call, int result);
    // Devices made from now on compute nothing, and a frame takes so many microseconds (fake.c says
    // what a frame is); the time counts for living ones as well. Below 0: devices made from now on
    // work.
    void (*fake)(int64_t us);
    // Frames submitted since the start or reset_counts(), to devices that work as well.
    unsigned (*frames)(void);
    // Bytes of device memory that are allocated now, by devices that work as well.
    uint64_t (*memory)(void);
    // While true no fence signals and no queue becomes idle; waiting honours its timeout.
    void (*hang)(bool on);
    // Every device that lives now is lost: whatever may return VK_ERROR_DEVICE_LOST does.
    void (*lose)(void);
    // While true no queue family computes.
    void (*no_compute)(bool on);
};

// The interface of the layer at EFFDET_FAULT_LAYER, loaded if the Vulkan loader has not done so
// yet; NULL without the variable. It stays loaded. Programs that use it need dl_dep.
static inline const struct fault_interface *fault_interface(void)
{
    const char *path = getenv("EFFDET_FAULT_LAYER");
    void *layer = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    const struct fault_interface *(*get)(void) = NULL;
    if (layer) {
        *(void **)&get = dlsym(layer, "effdet_fault_interface");
    }
    return get ? get() : NULL;
}
