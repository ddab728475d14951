// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Recording static command buffers. Which barriers are needed is decided in hazards.c, descriptor
// sets are made in bindings.c, submission is in submit.c.
#include "gpu/recorder_private.h"

#include <string.h>

#include "effdet/effdet.h"

#define SUBMIT_LIMIT_MS 50 // the strictest watchdogs reset a device after some hundreds

// Milliseconds of a piece at most.
static double submit_limit_ms(void)
{
    const char *wanted = g_getenv("EFFDET_SUBMIT_MS");
    return wanted ? g_ascii_strtod(wanted, NULL) : SUBMIT_LIMIT_MS;
}

// The next command buffer, which begins.
static bool begin_piece(struct recorder *recorder, GError **error)
{
    struct device *device = recorder->device;
    if (recorder->n_pieces == recorder->pieces->len) {
        VkCommandBufferAllocateInfo info = {
            .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
            .commandPool = recorder->pool,
            .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
            .commandBufferCount = 1,
        };
        VkCommandBuffer commands;
        VK(device, vkAllocateCommandBuffers(device->handle, &info, &commands));
        g_array_append_val(recorder->pieces, commands);
    }
    recorder->commands = g_array_index(recorder->pieces, VkCommandBuffer, recorder->n_pieces);
    recorder->n_pieces++;
    recorder->piece_us = 0;
    VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    VK(device, vkBeginCommandBuffer(recorder->commands, &begin));
    recorder->recording = true;
    return true;
error:
    return false;
}

static bool make_objects(struct recorder *recorder, GError **error)
{
    struct device *device = recorder->device;
    VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
        .queueFamilyIndex = device->queue_family,
    };
    VK(device, vkCreateCommandPool(device->handle, &pool, NULL, &recorder->pool));
    VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VK(device, vkCreateFence(device->handle, &fence, NULL, &recorder->fence));
    if (recorder->max_timestamps > 0) {
        VkQueryPoolCreateInfo queries = {
            .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
            .queryType = VK_QUERY_TYPE_TIMESTAMP,
            .queryCount = (uint32_t)recorder->max_timestamps,
        };
        VK(device, vkCreateQueryPool(device->handle, &queries, NULL, &recorder->queries));
    }
    return true;
error:
    return false;
}

struct recorder *recorder_new(struct device *device, int max_dispatches, int max_timestamps,
                              GError **error)
{
    struct recorder *recorder = g_new0(struct recorder, 1);
    recorder->device = device;
    recorder->max_timestamps = device->features.timestamps ? max_timestamps : 0;
    recorder->barrier_after_all = g_strcmp0(g_getenv("EFFDET_BARRIERS"), "all") == 0;
    recorder->limit_us = submit_limit_ms() * 1000;
    recorder->pieces = g_array_new(FALSE, FALSE, sizeof(VkCommandBuffer));
    hazards_init(&recorder->hazards);
    bindings_init(&recorder->bindings, device, max_dispatches);
    if (!make_objects(recorder, error)) {
        recorder_free(&recorder);
    }
    return recorder;
}

void recorder_free(struct recorder **pointer)
{
    struct recorder *recorder = pointer ? *pointer : NULL;
    if (!recorder) {
        return;
    }
    *pointer = NULL;
    struct device *device = recorder->device;
    recorder_settle(recorder);
    bindings_finish(&recorder->bindings);
    hazards_finish(&recorder->hazards);
    if (recorder->queries) {
        DESTROY(device, vkDestroyQueryPool(device->handle, recorder->queries, NULL));
    }
    if (recorder->fence) {
        DESTROY(device, vkDestroyFence(device->handle, recorder->fence, NULL));
    }
    if (recorder->pool) { // frees the command buffers as well
        DESTROY(device, vkDestroyCommandPool(device->handle, recorder->pool, NULL));
    }
    g_array_unref(recorder->pieces);
    g_free(recorder);
}

static void put_barrier(struct recorder *recorder, unsigned from, unsigned to)
{
    VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = hazard_writes(from),
        .dstAccessMask = hazard_accesses(to),
    };
    recorder->device->vk.vkCmdPipelineBarrier(recorder->commands, hazard_stages(from),
                                              hazard_stages(to), 0, 1, &barrier, 0, NULL, 0, NULL);
}

static void put_derived(struct recorder *recorder, const struct access *accesses, int count)
{
    struct barrier barrier =
        hazards_add(&recorder->hazards, accesses, count, recorder->barrier_after_all);
    if (barrier.from) {
        put_barrier(recorder, barrier.from, barrier.to);
        recorder->n_barriers++;
    }
}

bool recorder_begin(struct recorder *recorder, GError **error)
{
    struct device *device = recorder->device;
    if (recorder->in_flight) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED,
                    "a command buffer in flight cannot be recorded anew: wait for it first");
        return false;
    }
    recorder->recorded = false;
    recorder->has_run = false;
    recorder->n_barriers = 0;
    recorder->n_dispatches = 0;
    recorder->n_timestamps = 0;
    hazards_reset(&recorder->hazards);
    bindings_reset(&recorder->bindings);
    if (recorder->recording) { // a recording that failed in the middle
        VK(device, vkResetCommandBuffer(recorder->commands, 0));
        recorder->recording = false;
    }
    recorder->n_pieces = 0;
    if (!begin_piece(recorder, error)) {
        return false;
    }
    if (recorder->queries) {
        device->vk.vkCmdResetQueryPool(recorder->commands, recorder->queries, 0,
                                       (uint32_t)recorder->max_timestamps);
    }
    const unsigned all = KIND_COMPUTE | KIND_TRANSFER | KIND_INDIRECT;
    put_barrier(recorder, all, all);
    return true;
error:
    return false;
}

static struct access binding_access(const struct binding *binding)
{
    return (struct access){binding->buffer->handle, binding->offset,
                           binding->offset + binding->bytes, binding->write, KIND_COMPUTE};
}

// Ends the piece where this dispatch would make it too long.
static bool split(struct recorder *recorder, const struct dispatch *dispatch, GError **error)
{
    struct device *device = recorder->device;
    if (recorder->piece_us > 0 && recorder->piece_us + dispatch->estimate_us > recorder->limit_us) {
        VK(device, vkEndCommandBuffer(recorder->commands));
        recorder->recording = false;
        if (!begin_piece(recorder, error)) {
            return false;
        }
    }
    recorder->piece_us += dispatch->estimate_us;
    return true;
error:
    return false;
}

bool recorder_dispatch(struct recorder *recorder, const struct dispatch *dispatch, GError **error)
{
    struct device *device = recorder->device;
    const struct kernel *kernel = dispatch->kernel;
    VkDescriptorSet set;
    if (!bindings_check(device, dispatch, error) ||
        !bindings_make(&recorder->bindings, dispatch, &set, error) ||
        !split(recorder, dispatch, error)) {
        return false;
    }
    struct access accesses[MAX_BINDINGS + 1];
    int n = 0;
    for (; n < kernel->n_bindings; n++) {
        accesses[n] = binding_access(&dispatch->bindings[n]);
    }
    if (dispatch->indirect) {
        accesses[n++] = (struct access){
            dispatch->indirect->handle, dispatch->indirect_offset,
            dispatch->indirect_offset + sizeof(VkDispatchIndirectCommand), false, KIND_INDIRECT};
    }
    put_derived(recorder, accesses, n);
    VkCommandBuffer commands = recorder->commands;
    device->vk.vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, kernel->pipeline);
    device->vk.vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, kernel->layout, 0,
                                       1, &set, 0, NULL);
    if (kernel->push_bytes) {
        uint8_t push[sizeof dispatch->push];
        memcpy(push, dispatch->push, sizeof push);
        if (dispatch->addressed) { // buffers exist only now
            const struct binding *binding = &dispatch->bindings[dispatch->addressed];
            const uint64_t address = binding->buffer->address + binding->offset;
            memcpy(push, &address, sizeof address);
        }
        if (dispatch->from_start) {
            const uint64_t address = dispatch->bindings[0].buffer->address;
            memcpy(push + sizeof address, &address, sizeof address);
        }
        device->vk.vkCmdPushConstants(commands, kernel->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                                      (uint32_t)kernel->push_bytes, push);
    }
    if (dispatch->indirect) {
        device->vk.vkCmdDispatchIndirect(commands, dispatch->indirect->handle,
                                         dispatch->indirect_offset);
    } else {
        device->vk.vkCmdDispatch(commands, dispatch->groups[0], dispatch->groups[1],
                                 dispatch->groups[2]);
    }
    recorder->n_dispatches++;
    return true;
}

void recorder_fill(struct recorder *recorder, struct buffer *buffer, uint64_t offset,
                   uint64_t bytes, uint32_t value)
{
    struct access access = {buffer->handle, offset, offset + bytes, true, KIND_TRANSFER};
    put_derived(recorder, &access, 1);
    recorder->device->vk.vkCmdFillBuffer(recorder->commands, buffer->handle, offset, bytes, value);
}

void recorder_copy(struct recorder *recorder, struct buffer *from, uint64_t from_offset,
                   struct buffer *to, uint64_t to_offset, uint64_t bytes)
{
    struct access accesses[] = {
        {from->handle, from_offset, from_offset + bytes, false, KIND_TRANSFER},
        {to->handle, to_offset, to_offset + bytes, true, KIND_TRANSFER},
    };
    put_derived(recorder, accesses, 2);
    VkBufferCopy region = {from_offset, to_offset, bytes};
    recorder->device->vk.vkCmdCopyBuffer(recorder->commands, from->handle, to->handle, 1, &region);
}

int recorder_timestamp(struct recorder *recorder)
{
    if (!recorder->queries || recorder->n_timestamps == recorder->max_timestamps) {
        return -1;
    }
    int index = recorder->n_timestamps++;
    recorder->device->vk.vkCmdWriteTimestamp(recorder->commands,
                                             VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT,
                                             recorder->queries, (uint32_t)index);
    return index;
}

bool recorder_end(struct recorder *recorder, GError **error)
{
    struct device *device = recorder->device;
    VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
    };
    device->vk.vkCmdPipelineBarrier(
        recorder->commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
        VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, NULL, 0, NULL);
    VK(device, vkEndCommandBuffer(recorder->commands));
    recorder->recording = false;
    recorder->recorded = true;
    return true;
error:
    return false;
}

int recorder_barriers(const struct recorder *recorder)
{
    return recorder->n_barriers;
}

int recorder_dispatches(const struct recorder *recorder)
{
    return recorder->n_dispatches;
}

int recorder_submits(const struct recorder *recorder)
{
    return (int)recorder->n_pieces;
}

int64_t recorder_elapsed_ns(struct recorder *recorder, int from, int to)
{
    struct device *device = recorder->device;
    const int indices[2] = {from, to};
    uint64_t ticks[2];
    if (!recorder->queries || recorder->in_flight || !recorder->has_run) {
        return -1;
    }
    for (int i = 0; i < 2; i++) {
        if (indices[i] < 0 || indices[i] >= recorder->n_timestamps ||
            device->vk.vkGetQueryPoolResults(
                device->handle, recorder->queries, (uint32_t)indices[i], 1, sizeof ticks[i],
                &ticks[i], sizeof ticks[i], VK_QUERY_RESULT_64_BIT) != VK_SUCCESS) {
            return -1;
        }
    }
    uint64_t mask =
        device->timestamp_bits >= 64 ? UINT64_MAX : (UINT64_C(1) << device->timestamp_bits) - 1;
    return (int64_t)((double)((ticks[1] - ticks[0]) & mask) * device->limits.timestamp_period_ns);
}
