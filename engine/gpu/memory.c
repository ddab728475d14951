// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Buffers with an allocation of their own: choice of memory type, mapping, cache maintenance, and
// the copies of start-up. No sub-allocation: the arena's layout is planned in net/.
#include "gpu/memory.h"

#include <string.h>

#include "effdet/effdet.h"

#define STAGING_BYTES (16u << 20)
#define MAX_CHOICES 4

// Property sets to try for a kind, best first; the last one of each row is a subset of what the
// specification guarantees to exist. Ends with the first row that is ~0.
static void list_choices(const struct device *device, enum memory_kind kind,
                         VkMemoryPropertyFlags choices[MAX_CHOICES])
{
    const VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
    const VkMemoryPropertyFlags visible = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
    const VkMemoryPropertyFlags coherent = visible | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    const VkMemoryPropertyFlags cached = visible | VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    bool unified =
        device->is_cpu || device->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
    int n = 0;
    switch (kind) {
    case MEMORY_DEVICE:
        if (unified) {
            choices[n++] = local | coherent;
        }
        choices[n++] = local;
        choices[n++] = 0;
        break;
    case MEMORY_UPLOAD:
        choices[n++] = local | coherent;
        choices[n++] = coherent;
        break;
    case MEMORY_READBACK:
        choices[n++] = cached | coherent;
        choices[n++] = cached;
        choices[n++] = coherent;
        break;
    }
    if (n < MAX_CHOICES) {
        choices[n] = ~0u;
    }
}

// Allocates from the first memory type that has all of `flags` and room; VK_SUCCESS, the last
// failure, or VK_ERROR_FEATURE_NOT_PRESENT without such a type.
static VkResult allocate(struct buffer *buffer, const struct device *device,
                         const VkMemoryRequirements *needs, VkMemoryPropertyFlags flags)
{
    VkResult result = VK_ERROR_FEATURE_NOT_PRESENT;
    for (uint32_t i = 0; i < device->memory.memoryTypeCount; i++) {
        const VkMemoryType *type = &device->memory.memoryTypes[i];
        const VkMemoryPropertyFlags unwanted = VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT |
                                               VK_MEMORY_PROPERTY_PROTECTED_BIT |
                                               VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD;
        if (!(needs->memoryTypeBits & 1u << i) || (type->propertyFlags & flags) != flags ||
            (type->propertyFlags & unwanted)) {
            continue;
        }
        // Rounded up so that flushed ranges, which go by whole atoms, stay inside.
        uint64_t size = align_up(needs->size, device->limits.atom_bytes);
        if (size > device->memory.memoryHeaps[type->heapIndex].size) {
            result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
            continue;
        }
        const VkMemoryAllocateFlagsInfo with_address = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
            .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT,
        };
        VkMemoryAllocateInfo info = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
            .pNext = device->features.address ? &with_address : NULL,
            .allocationSize = size,
            .memoryTypeIndex = i,
        };
        result = device->vk.vkAllocateMemory(device->handle, &info, NULL, &buffer->memory);
        if (result == VK_SUCCESS) {
            buffer->coherent = type->propertyFlags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
            bool visible = type->propertyFlags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
            if (visible) {
                result = device->vk.vkMapMemory(device->handle, buffer->memory, 0, VK_WHOLE_SIZE, 0,
                                                &buffer->map);
            }
            if (result == VK_SUCCESS) {
                return VK_SUCCESS;
            }
            DESTROY(device, vkFreeMemory(device->handle, buffer->memory, NULL));
            buffer->memory = VK_NULL_HANDLE;
            buffer->map = NULL;
        }
    }
    return result;
}

static bool out_of_memory(const struct device *device, uint64_t bytes, const char *reason,
                          GError **error)
{
    g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY,
                "%" G_GUINT64_FORMAT
                " bytes of memory wanted on %s, %s: use a smaller model, fewer "
                "frames in flight or another device",
                bytes, device->name, reason);
    return false;
}

bool buffer_init(struct buffer *buffer, struct device *device, uint64_t bytes,
                 enum memory_kind kind, GError **error)
{
    *buffer = (struct buffer){.bytes = bytes, .kind = kind};
    if (bytes == 0) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE,
                    "a buffer of 0 bytes was asked for: at least 1 is needed");
        return false;
    }
    if (bytes > device->limits.max_allocation) {
        g_autofree char *reason = g_strdup_printf("one allocation may have %" G_GUINT64_FORMAT,
                                                  device->limits.max_allocation);
        return out_of_memory(device, bytes, reason, error);
    }
    VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = bytes,
        .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT |
                 VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT |
                 VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT |
                 (device->features.texel ? VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT : 0) |
                 (device->features.address ? VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT : 0),
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
    };
    VK(device, vkCreateBuffer(device->handle, &info, NULL, &buffer->handle));
    VkMemoryRequirements needs;
    device->vk.vkGetBufferMemoryRequirements(device->handle, buffer->handle, &needs);
    VkMemoryPropertyFlags choices[MAX_CHOICES];
    list_choices(device, kind, choices);
    VkResult result = VK_ERROR_FEATURE_NOT_PRESENT;
    for (int i = 0; i < MAX_CHOICES && choices[i] != ~0u && result != VK_SUCCESS; i++) {
        result = allocate(buffer, device, &needs, choices[i]);
    }
    if (result == VK_ERROR_DEVICE_LOST) {
        device_error(device, result, "vkAllocateMemory", error);
        goto error;
    }
    if (result != VK_SUCCESS) {
        out_of_memory(device, bytes, "the device has no room for them", error);
        goto error;
    }
    VK(device, vkBindBufferMemory(device->handle, buffer->handle, buffer->memory, 0));
    if (device->features.address) {
        VkBufferDeviceAddressInfo address = {
            .sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
            .buffer = buffer->handle,
        };
        buffer->address = device->vk.vkGetBufferDeviceAddress(device->handle, &address);
    }
    return true;
error:
    buffer_finish(buffer, device);
    return false;
}

void buffer_finish(struct buffer *buffer, struct device *device)
{
    if (buffer->handle) {
        DESTROY(device, vkDestroyBuffer(device->handle, buffer->handle, NULL));
    }
    if (buffer->memory) { // unmaps as well
        DESTROY(device, vkFreeMemory(device->handle, buffer->memory, NULL));
    }
    *buffer = (struct buffer){0};
}

static VkMappedMemoryRange atoms(const struct buffer *buffer, const struct device *device,
                                 uint64_t offset, uint64_t bytes)
{
    uint64_t begin = offset & ~(device->limits.atom_bytes - 1);
    return (VkMappedMemoryRange){
        .sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE,
        .memory = buffer->memory,
        .offset = begin,
        .size = align_up(offset + bytes, device->limits.atom_bytes) - begin,
    };
}

bool buffer_flush(struct buffer *buffer, struct device *device, uint64_t offset, uint64_t bytes,
                  GError **error)
{
    if (buffer->coherent || !buffer->map || bytes == 0) {
        return true;
    }
    VkMappedMemoryRange range = atoms(buffer, device, offset, bytes);
    VK(device, vkFlushMappedMemoryRanges(device->handle, 1, &range));
    return true;
error:
    return false;
}

bool buffer_invalidate(struct buffer *buffer, struct device *device, uint64_t offset,
                       uint64_t bytes, GError **error)
{
    if (buffer->coherent || !buffer->map || bytes == 0) {
        return true;
    }
    VkMappedMemoryRange range = atoms(buffer, device, offset, bytes);
    VK(device, vkInvalidateMappedMemoryRanges(device->handle, 1, &range));
    return true;
error:
    return false;
}

static bool check_range(const struct buffer *buffer, uint64_t offset, uint64_t bytes,
                        GError **error)
{
    if (offset <= buffer->bytes && bytes <= buffer->bytes - offset) {
        return true;
    }
    g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE,
                "%" G_GUINT64_FORMAT " bytes at offset %" G_GUINT64_FORMAT
                " do not lie in a buffer of %" G_GUINT64_FORMAT " bytes",
                bytes, offset, buffer->bytes);
    return false;
}

// One-off copies between a staging buffer and an unmapped one.
struct transfer {
    struct buffer staging;
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkFence fence;
};

static void transfer_finish(struct transfer *transfer, struct device *device)
{
    if (transfer->fence) {
        DESTROY(device, vkDestroyFence(device->handle, transfer->fence, NULL));
    }
    if (transfer->pool) {
        DESTROY(device, vkDestroyCommandPool(device->handle, transfer->pool, NULL));
    }
    buffer_finish(&transfer->staging, device);
}

static bool transfer_init(struct transfer *transfer, struct device *device, uint64_t bytes,
                          enum memory_kind kind, GError **error)
{
    *transfer = (struct transfer){0};
    if (!buffer_init(&transfer->staging, device, MIN(bytes, STAGING_BYTES), kind, error)) {
        return false;
    }
    VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags =
            VK_COMMAND_POOL_CREATE_TRANSIENT_BIT | VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
        .queueFamilyIndex = device->queue_family,
    };
    VK(device, vkCreateCommandPool(device->handle, &pool, NULL, &transfer->pool));
    VkCommandBufferAllocateInfo commands = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = transfer->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    VK(device, vkAllocateCommandBuffers(device->handle, &commands, &transfer->commands));
    VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VK(device, vkCreateFence(device->handle, &fence, NULL, &transfer->fence));
    return true;
error:
    transfer_finish(transfer, device);
    return false;
}

// Copies and waits. Barriers on both sides order it with everything else on the queue and the host.
static bool transfer_copy(struct transfer *transfer, struct device *device, VkBuffer from,
                          VkBuffer to, const VkBufferCopy *region, GError **error)
{
    VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    VkMemoryBarrier before = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
    };
    VkMemoryBarrier after = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
    };
    VK(device, vkBeginCommandBuffer(transfer->commands, &begin));
    device->vk.vkCmdPipelineBarrier(
        transfer->commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
        VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 1, &before, 0, NULL, 0, NULL);
    device->vk.vkCmdCopyBuffer(transfer->commands, from, to, 1, region);
    device->vk.vkCmdPipelineBarrier(transfer->commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                                    VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &after, 0, NULL, 0, NULL);
    VK(device, vkEndCommandBuffer(transfer->commands));
    VK(device, vkResetFences(device->handle, 1, &transfer->fence));
    VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &transfer->commands,
    };
    g_mutex_lock(device->queue_lock);
    VkResult result = device->vk.vkQueueSubmit(device->queue, 1, &submit, transfer->fence);
    g_mutex_unlock(device->queue_lock);
    if (result != VK_SUCCESS) {
        return device_error(device, result, "vkQueueSubmit", error);
    }
    result = device->vk.vkWaitForFences(device->handle, 1, &transfer->fence, VK_TRUE,
                                        device->patience_ns);
    if (result != VK_SUCCESS) {
        device_error(device, result, "vkWaitForFences", error);
        device_settle(device, transfer->fence);
        return false;
    }
    return true;
error:
    return false;
}

bool buffer_write(struct buffer *buffer, struct device *device, uint64_t offset, const void *data,
                  uint64_t bytes, GError **error)
{
    if (!check_range(buffer, offset, bytes, error)) {
        return false;
    }
    if (bytes == 0) {
        return true;
    }
    if (buffer->map) {
        memcpy((uint8_t *)buffer->map + offset, data, bytes);
        return buffer_flush(buffer, device, offset, bytes, error);
    }
    struct transfer transfer;
    if (!transfer_init(&transfer, device, bytes, MEMORY_UPLOAD, error)) {
        return false;
    }
    bool ok = true;
    for (uint64_t done = 0; ok && done < bytes; done += STAGING_BYTES) {
        VkBufferCopy region = {0, offset + done, MIN(bytes - done, STAGING_BYTES)};
        memcpy(transfer.staging.map, (const uint8_t *)data + done, region.size);
        ok = buffer_flush(&transfer.staging, device, 0, region.size, error) &&
             transfer_copy(&transfer, device, transfer.staging.handle, buffer->handle, &region,
                           error);
    }
    transfer_finish(&transfer, device);
    return ok;
}

bool buffer_read(struct buffer *buffer, struct device *device, uint64_t offset, void *data,
                 uint64_t bytes, GError **error)
{
    if (!check_range(buffer, offset, bytes, error)) {
        return false;
    }
    if (bytes == 0) {
        return true;
    }
    if (buffer->map) {
        if (!buffer_invalidate(buffer, device, offset, bytes, error)) {
            return false;
        }
        memcpy(data, (const uint8_t *)buffer->map + offset, bytes);
        return true;
    }
    struct transfer transfer;
    if (!transfer_init(&transfer, device, bytes, MEMORY_READBACK, error)) {
        return false;
    }
    bool ok = true;
    for (uint64_t done = 0; ok && done < bytes; done += STAGING_BYTES) {
        VkBufferCopy region = {offset + done, 0, MIN(bytes - done, STAGING_BYTES)};
        ok = transfer_copy(&transfer, device, buffer->handle, transfer.staging.handle, &region,
                           error) &&
             buffer_invalidate(&transfer.staging, device, 0, region.size, error);
        if (ok) {
            memcpy((uint8_t *)data + done, transfer.staging.map, region.size);
        }
    }
    transfer_finish(&transfer, device);
    return ok;
}
