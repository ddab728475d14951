// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What the layer's files share: the functions that it intercepts, the devices that it knows.
#pragma once

#include "fault.h"

#include <pthread.h>

#define VK_NO_PROTOTYPES
#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

#define EXPORT __attribute__((visibility("default")))

enum { MAY_LOSE = 1, MAY_MAP = 2, MAY_POOL = 4, MAY_START = 8, MAY_SHADER = 16 };

// Functions that return a VkResult: X(name, what they may return beside a lack of memory).
// vkEnumerateInstanceVersion is none of them: no explicit layer sees it.
// clang-format off
#define INSTANCE_CALLS(X)                                                                          \
    X(vkCreateInstance, MAY_START) X(vkEnumeratePhysicalDevices, MAY_START)                        \
    X(vkEnumerateDeviceExtensionProperties, 0) X(vkCreateDevice, MAY_START | MAY_LOSE)
#define DEVICE_CALLS(X)                                                                            \
    X(vkCreateBuffer, 0) X(vkAllocateMemory, 0) X(vkBindBufferMemory, 0) X(vkMapMemory, MAY_MAP)   \
    X(vkFlushMappedMemoryRanges, 0) X(vkInvalidateMappedMemoryRanges, 0) X(vkCreateBufferView, 0)  \
    X(vkCreateShaderModule, 0) X(vkCreateDescriptorSetLayout, 0) X(vkCreatePipelineLayout, 0)      \
    X(vkCreateComputePipelines, MAY_SHADER) X(vkCreatePipelineCache, 0)                            \
    X(vkGetPipelineCacheData, 0) X(vkCreateDescriptorPool, 0)                                      \
    X(vkAllocateDescriptorSets, MAY_POOL) X(vkCreateCommandPool, 0) X(vkAllocateCommandBuffers, 0) \
    X(vkBeginCommandBuffer, 0) X(vkEndCommandBuffer, 0) X(vkResetCommandBuffer, 0)                 \
    X(vkCreateQueryPool, 0) X(vkGetQueryPoolResults, MAY_LOSE) X(vkCreateFence, 0)                 \
    X(vkResetFences, 0) X(vkGetFenceStatus, MAY_LOSE) X(vkWaitForFences, MAY_LOSE)                 \
    X(vkQueueSubmit, MAY_LOSE) X(vkQueueWaitIdle, MAY_LOSE) X(vkDeviceWaitIdle, MAY_LOSE)
#define CALLS(X) INSTANCE_CALLS(X) DEVICE_CALLS(X)
// Intercepted as well, without a result.
#define INSTANCE_VOIDS(X)                                                                          \
    X(vkDestroyInstance) X(vkGetPhysicalDeviceQueueFamilyProperties)                               \
    X(vkGetPhysicalDeviceQueueFamilyProperties2)
#define DEVICE_VOIDS(X)                                                                            \
    X(vkDestroyDevice) X(vkFreeMemory) X(vkDestroyFence) X(vkDestroyQueryPool)                     \
    X(vkDestroyCommandPool) X(vkCmdWriteTimestamp) X(vkCmdDispatch) X(vkCmdDispatchIndirect)            \
    X(vkDestroyPipeline) X(vkCmdBindPipeline)
// clang-format on

enum call {
#define X(name, may) CALL_##name,
    CALLS(X)
#undef X
        N_CALLS
};

struct instance_chain {
    void *key; // first word of the instance's and its physical devices' handles
    VkInstance handle;
    PFN_vkGetInstanceProcAddr get;
#define X(name, ...) PFN_##name name;
    INSTANCE_CALLS(X)
    INSTANCE_VOIDS(X)
#undef X
};

// Lives from vkCreateDevice to vkDestroyDevice; the fields below the functions are under `lock`.
struct device_chain {
    void *key; // first word of the handles of device, queue and command buffers
    VkDevice handle;
    PFN_vkGetDeviceProcAddr get;
#define X(name, ...) PFN_##name name;
    DEVICE_CALLS(X)
    DEVICE_VOIDS(X)
#undef X
    double tick_ns;
    bool is_fake, lost;
    int64_t idle_ns; // monotonic time at which all that was submitted is done
    unsigned n_open; // dispatches that were submitted without a fence, of a frame that goes on
};

// One lock for all that the layer knows; `changed` when a submission or a setting came, on the
// monotonic clock.
extern pthread_mutex_t lock;
extern pthread_cond_t changed;
int64_t now_ns(void);
void wait_until_ns(int64_t ns); // under lock; INT64_MAX = for ever

// ---- layer.c

struct instance_chain *instance_of(const void *handle);
struct device_chain *device_of(const void *handle);
void lose_all(void); // under lock

// ---- faults.c

// Reads the environment, once.
void faults_start(void);
// Counts the call and says what it is to return; VK_SUCCESS: what it would. device: NULL for those
// of the instance.
VkResult faults_check(enum call call, struct device_chain *device);
extern bool no_compute;  // under lock
extern int64_t frame_ns; // under lock; below 0: devices are not fake

// ---- calls.c

// What the layer puts in place of a function, or NULL.
PFN_vkVoidFunction calls_instance(const char *name);
PFN_vkVoidFunction calls_device(const char *name);

// ---- fake.c, which answers for fake devices

extern bool hanging;      // under lock
extern unsigned n_frames; // under lock
void fake_add_fence(struct device_chain *device, VkFence fence, bool signalled);
void fake_drop_fence(VkFence fence);
extern uint64_t allocated_bytes; // under lock, of devices that work as well
void fake_add_memory(const struct device_chain *device, VkDeviceMemory memory, VkDeviceSize bytes);
void fake_drop_memory(VkDeviceMemory memory);
void fake_mapped(VkDeviceMemory memory, VkDeviceSize offset, void *data);
void fake_add_commands(VkCommandPool pool, uint32_t n, const VkCommandBuffer *commands);
void fake_drop_commands(VkCommandPool pool);
void fake_begin(VkCommandBuffer commands);
void fake_dispatch(VkCommandBuffer commands);
void fake_timestamp(VkCommandBuffer commands, VkQueryPool pool, uint32_t query);
void fake_drop_pool(VkQueryPool pool);
void fake_submit(struct device_chain *device, uint32_t n, const VkSubmitInfo *infos, VkFence fence);
VkResult fake_reset(uint32_t n, const VkFence *fences);
VkResult fake_status(struct device_chain *device, VkFence fence);
VkResult fake_wait(struct device_chain *device, uint32_t n, const VkFence *fences, bool all,
                   uint64_t timeout_ns);
VkResult fake_idle(struct device_chain *device);
VkResult fake_queries(struct device_chain *device, VkQueryPool pool, uint32_t first, uint32_t n,
                      void *data, VkDeviceSize stride, VkQueryResultFlags flags);
// Of a device that works: waits while fences are made to hang. VK_SUCCESS: the driver may answer,
// within what is left of the timeout.
VkResult fake_hang(struct device_chain *device, uint64_t *timeout_ns);
