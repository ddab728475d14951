// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The Vulkan loader, the instance and one logical device with one compute queue, made by us or
// (later) adopted. The loader is opened at run time: without it everything fails with
// EFFDET_ERROR_NO_VULKAN and a message that says what was looked for.
#pragma once

#include "base/util.h"

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

// Every Vulkan function that the engine calls. X(name)
// clang-format off
#define VK_GLOBAL_FUNCTIONS(X) X(vkEnumerateInstanceVersion) X(vkCreateInstance)
#define VK_INSTANCE_FUNCTIONS(X)                                                                   \
    X(vkDestroyInstance) X(vkEnumeratePhysicalDevices) X(vkGetPhysicalDeviceProperties)            \
    X(vkGetPhysicalDeviceProperties2) X(vkGetPhysicalDeviceFeatures2)                              \
    X(vkGetPhysicalDeviceMemoryProperties) X(vkGetPhysicalDeviceQueueFamilyProperties)             \
    X(vkGetPhysicalDeviceFormatProperties) X(vkEnumerateDeviceExtensionProperties)                 \
    X(vkCreateDevice) X(vkGetDeviceProcAddr)
#define VK_DEVICE_FUNCTIONS(X)                                                                     \
    X(vkDestroyDevice) X(vkGetDeviceQueue) X(vkCreateBuffer) X(vkDestroyBuffer)                    \
    X(vkGetBufferMemoryRequirements) X(vkAllocateMemory) X(vkFreeMemory) X(vkBindBufferMemory)     \
    X(vkMapMemory) X(vkFlushMappedMemoryRanges) X(vkInvalidateMappedMemoryRanges)                  \
    X(vkCreateBufferView) X(vkDestroyBufferView) X(vkCreateShaderModule) X(vkDestroyShaderModule)  \
    X(vkCreateDescriptorSetLayout) X(vkDestroyDescriptorSetLayout) X(vkCreatePipelineLayout)       \
    X(vkDestroyPipelineLayout) X(vkCreateComputePipelines) X(vkDestroyPipeline)                    \
    X(vkCreatePipelineCache) X(vkDestroyPipelineCache) X(vkGetPipelineCacheData)                   \
    X(vkCreateDescriptorPool) X(vkDestroyDescriptorPool) X(vkAllocateDescriptorSets)               \
    X(vkUpdateDescriptorSets) X(vkCreateCommandPool) X(vkDestroyCommandPool)                       \
    X(vkAllocateCommandBuffers) X(vkBeginCommandBuffer) X(vkEndCommandBuffer)                      \
    X(vkCmdBindPipeline) X(vkCmdBindDescriptorSets) X(vkCmdPushConstants) X(vkCmdDispatch)         \
    X(vkCmdDispatchIndirect) X(vkCmdPipelineBarrier) X(vkCmdCopyBuffer) X(vkCmdFillBuffer)         \
    X(vkCmdResetQueryPool) X(vkCmdWriteTimestamp) X(vkCreateQueryPool) X(vkDestroyQueryPool)       \
    X(vkGetQueryPoolResults) X(vkCreateFence) X(vkDestroyFence) X(vkResetFences)                   \
    X(vkWaitForFences) X(vkQueueSubmit) X(vkResetCommandBuffer)
// clang-format on

struct vk_functions {
#define X(name) PFN_##name name;
    VK_GLOBAL_FUNCTIONS(X)
    VK_INSTANCE_FUNCTIONS(X)
    VK_DEVICE_FUNCTIONS(X)
#undef X
    PFN_vkGetBufferDeviceAddress vkGetBufferDeviceAddress; // with the feature "address" only
};

enum device_class {
    CLASS_CPU_OLD,
    CLASS_CPU_NEW,
    CLASS_NVIDIA,
    CLASS_AMD_GCN,
    CLASS_AMD_RDNA,
    CLASS_INTEL,
    CLASS_ADRENO,
    CLASS_MALI,
    CLASS_DEFAULT
};
const char *device_class_name(enum device_class device_class);

// Optional features, probed; each can be masked with EFFDET_DISABLE=name,...
struct device_features {
    bool storage16;  // "storage16": 16-bit types in storage buffers
    bool float16;    // "float16": 16-bit arithmetic
    bool timestamps; // "timestamps"
    bool texel;      // "texel": uniform texel buffers of both formats (limits.texel_elements long)
    // "address": buffers have device addresses, shaders 64-bit integers; not on CPU drivers that
    // are slow with them
    bool address;
    bool lanes;  // "lanes": with addresses, CPU drivers whose subgroups are vectors of eight lanes
    bool robust; // "robust": robustBufferAccess, switched on where it costs nothing (CPU)
};
// NULL-terminated names of the features that are set; free with g_strfreev().
char **device_feature_names(const struct device_features *features);

struct device_limits {
    uint64_t storage_range;  // bytes of one storage-buffer binding
    uint64_t uniform_range;  // bytes of one uniform-buffer binding
    uint64_t texel_elements; // of one texel-buffer view
    uint64_t storage_alignment, texel_alignment, uniform_alignment, atom_bytes;
    uint32_t max_invocations, max_group_size[3], max_group_count[3], shared_bytes;
    uint64_t max_allocation;
    double timestamp_period_ns;
};

struct device {
    void *loader; // dlopen handle
    struct vk_functions vk;
    VkInstance instance;
    VkPhysicalDevice physical;
    VkDevice handle;
    VkQueue queue;
    GMutex *queue_lock; // guards `queue`; shared by every engine on the device
    uint32_t queue_family;
    VkPhysicalDeviceProperties properties;
    VkPhysicalDeviceDriverProperties driver;
    VkPhysicalDeviceMemoryProperties memory;
    uint8_t uuid[VK_UUID_SIZE], driver_uuid[VK_UUID_SIZE];
    enum device_class device_class;
    bool is_cpu;
    struct device_features features;
    struct device_limits limits;
    char *name, *driver_text; // driver_text: "llvmpipe (Mesa 22.3.6 (LLVM 15.0.6))"
    uint32_t index;           // position in the loader's order
    uint32_t api_version;     // the lower of what the device and the instance speak
    uint32_t subgroup_size, timestamp_bits;
    VkSubgroupFeatureFlags subgroup_operations; // of compute shaders
    bool float16_extension; // float16 comes from VK_KHR_shader_float16_int8, not from 1.2
    bool address_extension; // address comes from VK_KHR_buffer_device_address, not from 1.2
    int references;         // guarded by the lock of device.c
    gint lost;      // atomic latch: set once, then everything fails with EFFDET_ERROR_DEVICE_LOST
    gint abandoned; // atomic latch, by device_abandon()
    uint64_t patience_ns; // nothing that was submitted takes longer, unless the device hangs
};

// spec: NULL or "auto", an index, a UUID (32 hex digits, dashes allowed) or a part of the name,
// case-insensitive. Calls that choose the same physical device with the same features share one
// object, its VkDevice, its queue and `queue_lock`; it goes with the last device_free().
// Free-threaded.
struct device *device_new(const char *spec, GError **error) WARN_UNUSED;
// Another VkDevice of the same physical device with the same features, shared with nobody, with an
// instance of its own.
struct device *device_new_alone(const struct device *same, GError **error) WARN_UNUSED;
void device_free(struct device **device);
// The device hangs: from here on nothing of it is destroyed or freed, not even by device_free(),
// because it may be in use for ever: all who destroy do so by DESTROY(). Free-threaded.
void device_abandon(struct device *device);
// Before what a submission uses is destroyed: waits for its fence. A device that does not answer
// even now is abandoned.
void device_settle(struct device *device, VkFence fence);
#define DESTROY(device, call)                                                                      \
    do {                                                                                           \
        if (!g_atomic_int_get(&(device)->abandoned)) {                                             \
            (device)->vk.call;                                                                     \
        }                                                                                          \
    } while (0)
// Sets *error from a failed VkResult: "vkX failed: VK_ERROR_...: what to do". Latches device loss.
// Always returns false. Accepts a NULL device.
bool device_error(struct device *device, VkResult result, const char *call, GError **error);
// Runs `call` (an expression that gives a VkResult); on failure sets *error and goes to the label
// `error`.
#define VK(device, call)                                                                           \
    do {                                                                                           \
        VkResult result_ = (device)->vk.call;                                                      \
        if (result_ != VK_SUCCESS) {                                                               \
            device_error(device, result_, #call, error);                                           \
            goto error;                                                                            \
        }                                                                                          \
    } while (0)
