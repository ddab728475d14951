// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Replaces the device functions that null hardware lacks. Pipelines stay the driver's own.
#include "null_device.h"

#define HEAP_BYTES (16ull << 30)

// Memory, descriptors, recording and submission: what takes any parameters and reads none of them.
// clang-format off
#define SKIPPED_FUNCTIONS(X)                                                                       \
    X(vkBindBufferMemory) X(vkFlushMappedMemoryRanges) X(vkInvalidateMappedMemoryRanges)           \
    X(vkCreateBufferView) X(vkDestroyBufferView) X(vkCreateDescriptorPool)                         \
    X(vkDestroyDescriptorPool) X(vkAllocateDescriptorSets) X(vkUpdateDescriptorSets)               \
    X(vkCreateCommandPool) X(vkDestroyCommandPool) X(vkAllocateCommandBuffers)                     \
    X(vkBeginCommandBuffer) X(vkEndCommandBuffer) X(vkCmdBindPipeline) X(vkCmdBindDescriptorSets)  \
    X(vkCmdPushConstants) X(vkCmdDispatch) X(vkCmdDispatchIndirect) X(vkCmdPipelineBarrier)        \
    X(vkCmdCopyBuffer) X(vkCmdFillBuffer) X(vkCmdResetQueryPool) X(vkCmdWriteTimestamp)            \
    X(vkCreateQueryPool) X(vkDestroyQueryPool) X(vkGetQueryPoolResults) X(vkCreateFence)           \
    X(vkDestroyFence) X(vkResetFences) X(vkWaitForFences) X(vkQueueSubmit)
// clang-format on

static VkResult succeed(void)
{
    return VK_SUCCESS;
}

static PFN_vkGetBufferMemoryRequirements get_requirements;

static void get_our_requirements(VkDevice device, VkBuffer buffer, VkMemoryRequirements *needs)
{
    get_requirements(device, buffer, needs);
    needs->memoryTypeBits = 1;
}

static VkResult allocate_memory(VkDevice device, const VkMemoryAllocateInfo *info,
                                const VkAllocationCallbacks *callbacks, VkDeviceMemory *memory)
{
    *memory = (VkDeviceMemory)g_malloc0(info->allocationSize);
    return VK_SUCCESS;
}

static void free_memory(VkDevice device, VkDeviceMemory memory,
                        const VkAllocationCallbacks *callbacks)
{
    g_free((void *)memory);
}

static VkResult map_memory(VkDevice device, VkDeviceMemory memory, VkDeviceSize offset,
                           VkDeviceSize size, VkMemoryMapFlags flags, void **data)
{
    *data = (char *)memory + offset;
    return VK_SUCCESS;
}

struct device *null_device_new(GError **error)
{
    struct device *device = device_new("RADV", error);
    if (!device) {
        return NULL;
    }
    struct vk_functions *vk = &device->vk;
    get_requirements = vk->vkGetBufferMemoryRequirements;
    vk->vkGetBufferMemoryRequirements = get_our_requirements;
    vk->vkAllocateMemory = allocate_memory;
    vk->vkFreeMemory = free_memory;
    vk->vkMapMemory = map_memory;
#define X(name) vk->name = (PFN_##name)(void *)succeed;
    SKIPPED_FUNCTIONS(X)
#undef X
    device->memory = (VkPhysicalDeviceMemoryProperties){
        .memoryTypeCount = 1,
        .memoryTypes = {{VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                             VK_MEMORY_PROPERTY_HOST_COHERENT_BIT |
                             VK_MEMORY_PROPERTY_HOST_CACHED_BIT,
                         0}},
        .memoryHeapCount = 1,
        .memoryHeaps = {{HEAP_BYTES, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}}};
    return device;
}
