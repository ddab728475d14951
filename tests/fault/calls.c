// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The functions that the layer puts in place of the driver's: each asks for a fault first, then
// fake.c or the next layer answers.
#include "layer.h"

#include <string.h>

#define HOOK static VKAPI_ATTR VkResult VKAPI_CALL

// One that the driver answers, fake or not. `of`: the handle by which the chain is found.
#define PASS(name, of, parameters, arguments)                                                      \
    HOOK hook_##name parameters                                                                    \
    {                                                                                              \
        struct device_chain *chain = device_of(of);                                                \
        VkResult result = faults_check(CALL_##name, chain);                                        \
        return result == VK_SUCCESS ? chain->name arguments : result;                              \
    }
#define CREATE(name, info, handle)                                                                 \
    PASS(name, d, (VkDevice d, const info *i, const VkAllocationCallbacks *a, handle *h),          \
         (d, i, a, h))

CREATE(vkCreateBuffer, VkBufferCreateInfo, VkBuffer)
CREATE(vkCreateBufferView, VkBufferViewCreateInfo, VkBufferView)
CREATE(vkCreateShaderModule, VkShaderModuleCreateInfo, VkShaderModule)
CREATE(vkCreateDescriptorSetLayout, VkDescriptorSetLayoutCreateInfo, VkDescriptorSetLayout)
CREATE(vkCreatePipelineLayout, VkPipelineLayoutCreateInfo, VkPipelineLayout)
CREATE(vkCreatePipelineCache, VkPipelineCacheCreateInfo, VkPipelineCache)
CREATE(vkCreateDescriptorPool, VkDescriptorPoolCreateInfo, VkDescriptorPool)
CREATE(vkCreateCommandPool, VkCommandPoolCreateInfo, VkCommandPool)
CREATE(vkCreateQueryPool, VkQueryPoolCreateInfo, VkQueryPool)
PASS(vkBindBufferMemory, d, (VkDevice d, VkBuffer b, VkDeviceMemory m, VkDeviceSize o),
     (d, b, m, o))
PASS(vkFlushMappedMemoryRanges, d, (VkDevice d, uint32_t n, const VkMappedMemoryRange *r),
     (d, n, r))
PASS(vkInvalidateMappedMemoryRanges, d, (VkDevice d, uint32_t n, const VkMappedMemoryRange *r),
     (d, n, r))
PASS(vkGetPipelineCacheData, d, (VkDevice d, VkPipelineCache c, size_t *n, void *data),
     (d, c, n, data))
PASS(vkAllocateDescriptorSets, d,
     (VkDevice d, const VkDescriptorSetAllocateInfo *i, VkDescriptorSet *s), (d, i, s))
PASS(vkResetCommandBuffer, b, (VkCommandBuffer b, VkCommandBufferResetFlags f), (b, f))
PASS(vkEndCommandBuffer, b, (VkCommandBuffer b), (b))

// ---- instance

HOOK hook_vkEnumeratePhysicalDevices(VkInstance instance, uint32_t *count,
                                     VkPhysicalDevice *devices)
{
    struct instance_chain *chain = instance_of(instance);
    VkResult result = faults_check(CALL_vkEnumeratePhysicalDevices, NULL);
    return result == VK_SUCCESS ? chain->vkEnumeratePhysicalDevices(instance, count, devices)
                                : result;
}

HOOK hook_vkEnumerateDeviceExtensionProperties(VkPhysicalDevice physical, const char *layer,
                                               uint32_t *count, VkExtensionProperties *properties)
{
    struct instance_chain *chain = instance_of(physical);
    if (layer && strcmp(layer, "VK_LAYER_EFFDET_fault") == 0) {
        *count = 0;
        return VK_SUCCESS;
    }
    VkResult result = faults_check(CALL_vkEnumerateDeviceExtensionProperties, NULL);
    return result == VK_SUCCESS
               ? chain->vkEnumerateDeviceExtensionProperties(physical, layer, count, properties)
               : result;
}

static bool computes(void)
{
    pthread_mutex_lock(&lock);
    bool yes = !no_compute;
    pthread_mutex_unlock(&lock);
    return yes;
}

static VKAPI_ATTR void VKAPI_CALL hook_vkGetPhysicalDeviceQueueFamilyProperties(
    VkPhysicalDevice physical, uint32_t *count, VkQueueFamilyProperties *families)
{
    instance_of(physical)->vkGetPhysicalDeviceQueueFamilyProperties(physical, count, families);
    for (uint32_t i = 0; families && !computes() && i < *count; i++) {
        families[i].queueFlags &= ~(VkQueueFlags)VK_QUEUE_COMPUTE_BIT;
    }
}

static VKAPI_ATTR void VKAPI_CALL hook_vkGetPhysicalDeviceQueueFamilyProperties2(
    VkPhysicalDevice physical, uint32_t *count, VkQueueFamilyProperties2 *families)
{
    instance_of(physical)->vkGetPhysicalDeviceQueueFamilyProperties2(physical, count, families);
    for (uint32_t i = 0; families && !computes() && i < *count; i++) {
        families[i].queueFamilyProperties.queueFlags &= ~(VkQueueFlags)VK_QUEUE_COMPUTE_BIT;
    }
}

// ---- memory

HOOK hook_vkAllocateMemory(VkDevice device, const VkMemoryAllocateInfo *info,
                           const VkAllocationCallbacks *callbacks, VkDeviceMemory *memory)
{
    struct device_chain *chain = device_of(device);
    VkResult result = faults_check(CALL_vkAllocateMemory, chain);
    if (result == VK_SUCCESS) {
        result = chain->vkAllocateMemory(device, info, callbacks, memory);
    }
    if (result == VK_SUCCESS) {
        fake_add_memory(chain, *memory, info->allocationSize);
    }
    return result;
}

static VKAPI_ATTR void VKAPI_CALL hook_vkFreeMemory(VkDevice device, VkDeviceMemory memory,
                                                    const VkAllocationCallbacks *callbacks)
{
    fake_drop_memory(memory);
    device_of(device)->vkFreeMemory(device, memory, callbacks);
}

HOOK hook_vkMapMemory(VkDevice device, VkDeviceMemory memory, VkDeviceSize offset,
                      VkDeviceSize bytes, VkMemoryMapFlags flags, void **data)
{
    struct device_chain *chain = device_of(device);
    VkResult result = faults_check(CALL_vkMapMemory, chain);
    if (result == VK_SUCCESS) {
        result = chain->vkMapMemory(device, memory, offset, bytes, flags, data);
    }
    if (result == VK_SUCCESS) {
        fake_mapped(memory, offset, *data);
    }
    return result;
}

// ---- pipelines, which a fake device has in name only

HOOK hook_vkCreateComputePipelines(VkDevice device, VkPipelineCache cache, uint32_t n,
                                   const VkComputePipelineCreateInfo *infos,
                                   const VkAllocationCallbacks *callbacks, VkPipeline *pipelines)
{
    static unsigned n_made;
    struct device_chain *chain = device_of(device);
    VkResult result = faults_check(CALL_vkCreateComputePipelines, chain);
    if (result == VK_SUCCESS && !chain->is_fake) {
        return chain->vkCreateComputePipelines(device, cache, n, infos, callbacks, pipelines);
    }
    for (uint32_t i = 0; i < n; i++) {
        unsigned number = __atomic_add_fetch(&n_made, 1, __ATOMIC_RELAXED);
        pipelines[i] = result == VK_SUCCESS ? (VkPipeline)(uintptr_t)(number * 16ull) : NULL;
    }
    return result;
}

static VKAPI_ATTR void VKAPI_CALL hook_vkDestroyPipeline(VkDevice device, VkPipeline pipeline,
                                                         const VkAllocationCallbacks *callbacks)
{
    struct device_chain *chain = device_of(device);
    if (!chain->is_fake) {
        chain->vkDestroyPipeline(device, pipeline, callbacks);
    }
}

static VKAPI_ATTR void VKAPI_CALL hook_vkCmdBindPipeline(VkCommandBuffer commands,
                                                         VkPipelineBindPoint point,
                                                         VkPipeline pipeline)
{
    struct device_chain *chain = device_of(commands);
    if (!chain->is_fake) {
        chain->vkCmdBindPipeline(commands, point, pipeline);
    }
}

// ---- recording

HOOK hook_vkAllocateCommandBuffers(VkDevice device, const VkCommandBufferAllocateInfo *info,
                                   VkCommandBuffer *commands)
{
    struct device_chain *chain = device_of(device);
    VkResult result = faults_check(CALL_vkAllocateCommandBuffers, chain);
    if (result == VK_SUCCESS) {
        result = chain->vkAllocateCommandBuffers(device, info, commands);
    }
    if (result == VK_SUCCESS) {
        fake_add_commands(info->commandPool, info->commandBufferCount, commands);
    }
    return result;
}

static VKAPI_ATTR void VKAPI_CALL hook_vkDestroyCommandPool(VkDevice device, VkCommandPool pool,
                                                            const VkAllocationCallbacks *callbacks)
{
    fake_drop_commands(pool);
    device_of(device)->vkDestroyCommandPool(device, pool, callbacks);
}

HOOK hook_vkBeginCommandBuffer(VkCommandBuffer commands, const VkCommandBufferBeginInfo *info)
{
    struct device_chain *chain = device_of(commands);
    VkResult result = faults_check(CALL_vkBeginCommandBuffer, chain);
    if (result == VK_SUCCESS) {
        fake_begin(commands);
        result = chain->vkBeginCommandBuffer(commands, info);
    }
    return result;
}

static VKAPI_ATTR void VKAPI_CALL hook_vkCmdDispatch(VkCommandBuffer commands, uint32_t x,
                                                     uint32_t y, uint32_t z)
{
    struct device_chain *chain = device_of(commands);
    fake_dispatch(commands);
    if (!chain->is_fake) {
        chain->vkCmdDispatch(commands, x, y, z);
    }
}

static VKAPI_ATTR void VKAPI_CALL hook_vkCmdDispatchIndirect(VkCommandBuffer commands,
                                                             VkBuffer buffer, VkDeviceSize offset)
{
    struct device_chain *chain = device_of(commands);
    fake_dispatch(commands);
    if (!chain->is_fake) {
        chain->vkCmdDispatchIndirect(commands, buffer, offset);
    }
}

// ---- submission and waiting

HOOK hook_vkCreateFence(VkDevice device, const VkFenceCreateInfo *info,
                        const VkAllocationCallbacks *callbacks, VkFence *fence)
{
    struct device_chain *chain = device_of(device);
    VkResult result = faults_check(CALL_vkCreateFence, chain);
    if (result == VK_SUCCESS) {
        result = chain->vkCreateFence(device, info, callbacks, fence);
    }
    if (result == VK_SUCCESS && chain->is_fake) {
        fake_add_fence(chain, *fence, info->flags & VK_FENCE_CREATE_SIGNALED_BIT);
    }
    return result;
}

static VKAPI_ATTR void VKAPI_CALL hook_vkDestroyFence(VkDevice device, VkFence fence,
                                                      const VkAllocationCallbacks *callbacks)
{
    fake_drop_fence(fence);
    device_of(device)->vkDestroyFence(device, fence, callbacks);
}

static VKAPI_ATTR void VKAPI_CALL hook_vkCmdWriteTimestamp(VkCommandBuffer commands,
                                                           VkPipelineStageFlagBits stage,
                                                           VkQueryPool pool, uint32_t query)
{
    struct device_chain *chain = device_of(commands);
    if (chain->is_fake) {
        fake_timestamp(commands, pool, query);
    }
    chain->vkCmdWriteTimestamp(commands, stage, pool, query);
}

static VKAPI_ATTR void VKAPI_CALL hook_vkDestroyQueryPool(VkDevice device, VkQueryPool pool,
                                                          const VkAllocationCallbacks *callbacks)
{
    fake_drop_pool(pool);
    device_of(device)->vkDestroyQueryPool(device, pool, callbacks);
}

HOOK hook_vkQueueSubmit(VkQueue queue, uint32_t n, const VkSubmitInfo *infos, VkFence fence)
{
    struct device_chain *chain = device_of(queue);
    VkResult result = faults_check(CALL_vkQueueSubmit, chain);
    if (result == VK_SUCCESS) {
        fake_submit(chain, n, infos, fence);
    }
    return result == VK_SUCCESS && !chain->is_fake ? chain->vkQueueSubmit(queue, n, infos, fence)
                                                   : result;
}

HOOK hook_vkResetFences(VkDevice device, uint32_t n, const VkFence *fences)
{
    struct device_chain *chain = device_of(device);
    VkResult result = faults_check(CALL_vkResetFences, chain);
    if (result != VK_SUCCESS) {
        return result;
    }
    return chain->is_fake ? fake_reset(n, fences) : chain->vkResetFences(device, n, fences);
}

HOOK hook_vkGetFenceStatus(VkDevice device, VkFence fence)
{
    struct device_chain *chain = device_of(device);
    VkResult result = faults_check(CALL_vkGetFenceStatus, chain);
    uint64_t timeout_ns = 0;
    if (result == VK_SUCCESS && chain->is_fake) {
        return fake_status(chain, fence);
    }
    if (result == VK_SUCCESS) {
        result = fake_hang(chain, &timeout_ns);
    }
    return result == VK_SUCCESS   ? chain->vkGetFenceStatus(device, fence)
           : result == VK_TIMEOUT ? VK_NOT_READY
                                  : result;
}

HOOK hook_vkWaitForFences(VkDevice device, uint32_t n, const VkFence *fences, VkBool32 all,
                          uint64_t timeout_ns)
{
    struct device_chain *chain = device_of(device);
    VkResult result = faults_check(CALL_vkWaitForFences, chain);
    if (result == VK_SUCCESS && chain->is_fake) {
        return fake_wait(chain, n, fences, all, timeout_ns);
    }
    if (result == VK_SUCCESS) {
        result = fake_hang(chain, &timeout_ns);
    }
    return result == VK_SUCCESS ? chain->vkWaitForFences(device, n, fences, all, timeout_ns)
                                : result;
}

static VkResult idle(struct device_chain *chain, enum call call)
{
    VkResult result = faults_check(call, chain);
    uint64_t timeout_ns = UINT64_MAX;
    if (result == VK_SUCCESS) {
        result = chain->is_fake ? fake_idle(chain) : fake_hang(chain, &timeout_ns);
    }
    return result;
}

HOOK hook_vkQueueWaitIdle(VkQueue queue)
{
    struct device_chain *chain = device_of(queue);
    VkResult result = idle(chain, CALL_vkQueueWaitIdle);
    return result == VK_SUCCESS ? chain->vkQueueWaitIdle(queue) : result;
}

HOOK hook_vkDeviceWaitIdle(VkDevice device)
{
    struct device_chain *chain = device_of(device);
    VkResult result = idle(chain, CALL_vkDeviceWaitIdle);
    return result == VK_SUCCESS ? chain->vkDeviceWaitIdle(device) : result;
}

HOOK hook_vkGetQueryPoolResults(VkDevice device, VkQueryPool pool, uint32_t first, uint32_t n,
                                size_t bytes, void *data, VkDeviceSize stride,
                                VkQueryResultFlags flags)
{
    struct device_chain *chain = device_of(device);
    VkResult result = faults_check(CALL_vkGetQueryPoolResults, chain);
    if (result != VK_SUCCESS) {
        return result;
    }
    return chain->is_fake
               ? fake_queries(chain, pool, first, n, data, stride, flags)
               : chain->vkGetQueryPoolResults(device, pool, first, n, bytes, data, stride, flags);
}

// ---- by name

PFN_vkVoidFunction calls_instance(const char *name)
{
#define X(function)                                                                                \
    if (strcmp(name, #function) == 0) {                                                            \
        return (PFN_vkVoidFunction)hook_##function;                                                \
    }
    X(vkEnumeratePhysicalDevices)
    X(vkEnumerateDeviceExtensionProperties)
    X(vkGetPhysicalDeviceQueueFamilyProperties)
    X(vkGetPhysicalDeviceQueueFamilyProperties2)
#undef X
    return NULL;
}

PFN_vkVoidFunction calls_device(const char *name)
{
    static const struct {
        const char *name;
        PFN_vkVoidFunction hook;
    } hooks[] = {
#define X(function, may) {#function, (PFN_vkVoidFunction)hook_##function},
        DEVICE_CALLS(X)
#undef X
            {"vkFreeMemory", (PFN_vkVoidFunction)hook_vkFreeMemory},
        {"vkDestroyFence", (PFN_vkVoidFunction)hook_vkDestroyFence},
        {"vkDestroyQueryPool", (PFN_vkVoidFunction)hook_vkDestroyQueryPool},
        {"vkDestroyCommandPool", (PFN_vkVoidFunction)hook_vkDestroyCommandPool},
        {"vkDestroyPipeline", (PFN_vkVoidFunction)hook_vkDestroyPipeline},
        {"vkCmdBindPipeline", (PFN_vkVoidFunction)hook_vkCmdBindPipeline},
        {"vkCmdDispatch", (PFN_vkVoidFunction)hook_vkCmdDispatch},
        {"vkCmdDispatchIndirect", (PFN_vkVoidFunction)hook_vkCmdDispatchIndirect},
        {"vkCmdWriteTimestamp", (PFN_vkVoidFunction)hook_vkCmdWriteTimestamp},
    };
    for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++) {
        if (strcmp(name, hooks[i].name) == 0) {
            return hooks[i].hook;
        }
    }
    return NULL;
}
