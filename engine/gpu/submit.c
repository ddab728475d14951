// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Submitting what was recorded, and waiting for it, never for ever.
#include "effdet/effdet.h"
#include "gpu/recorder_private.h"

void recorder_settle(struct recorder *recorder)
{
    struct device *device = recorder->device;
    if (recorder->in_flight && !g_atomic_int_get(&device->abandoned)) {
        device_settle(device, recorder->told_by);
        recorder->in_flight = false;
    }
}

static bool check_lost(struct device *device, const char *call, GError **error)
{
    return !g_atomic_int_get(&device->lost) ||
           device_error(device, VK_ERROR_DEVICE_LOST, call, error);
}

// One call, as long as none is of several pieces: those are split so that no submission is long.
static VkResult submit_at_once(struct recorder *const *recorders, int n, VkFence fence)
{
    struct device *device = recorders[0]->device;
    VkSubmitInfo submits[RECORDER_MAX_BATCH];
    for (int i = 0; i < n; i++) {
        submits[i] = (VkSubmitInfo){
            .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
            .commandBufferCount = 1,
            .pCommandBuffers = (const VkCommandBuffer *)(void *)recorders[i]->pieces->data,
        };
    }
    return device->vk.vkQueueSubmit(device->queue, (uint32_t)n, submits, fence);
}

static VkResult submit_pieces(const struct recorder *recorder, VkFence fence, bool *begun)
{
    struct device *device = recorder->device;
    VkResult result = VK_SUCCESS;
    for (guint i = 0; i < recorder->n_pieces && result == VK_SUCCESS; i++) {
        VkSubmitInfo submit = {
            .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
            .commandBufferCount = 1,
            .pCommandBuffers = &g_array_index(recorder->pieces, VkCommandBuffer, i),
        };
        bool last = i + 1 == recorder->n_pieces;
        result = device->vk.vkQueueSubmit(device->queue, 1, &submit, last ? fence : VK_NULL_HANDLE);
        *begun = *begun || result == VK_SUCCESS;
    }
    return result;
}

// Pieces run whose last was refused, so that no fence tells of them: one after them does.
static void await_pieces(struct device *device, VkFence fence)
{
    VkResult result = device->vk.vkQueueSubmit(device->queue, 0, NULL, fence);
    if (result == VK_SUCCESS) {
        device_settle(device, fence);
    } else if (result != VK_ERROR_DEVICE_LOST) {
        device_abandon(device);
    }
}

// The fence of the last tells that all are done. The lock is held throughout, because others may
// use the same memory.
static VkResult submit_all(struct recorder *const *recorders, int n, VkFence fence)
{
    struct device *device = recorders[0]->device;
    VkResult result = VK_SUCCESS;
    bool whole = true, begun = false;
    for (int i = 0; i < n; i++) {
        whole = whole && recorders[i]->n_pieces == 1;
    }
    g_mutex_lock(device->queue_lock);
    if (whole) {
        result = submit_at_once(recorders, n, fence);
    } else {
        for (int i = 0; i < n && result == VK_SUCCESS; i++) {
            result = submit_pieces(recorders[i], i + 1 == n ? fence : VK_NULL_HANDLE, &begun);
        }
        if (result != VK_SUCCESS && begun) {
            await_pieces(device, fence);
        }
    }
    g_mutex_unlock(device->queue_lock);
    return result;
}

bool recorder_submit_batch(struct recorder *const *recorders, int n, GError **error)
{
    struct recorder *last = recorders[n - 1];
    struct device *device = last->device;
    for (int i = 0; i < n; i++) {
        if (!recorders[i]->recorded || recorders[i]->in_flight) {
            g_set_error(
                error, EFFDET_ERROR, EFFDET_ERROR_FAILED,
                recorders[i]->in_flight
                    ? "a command buffer is in flight already: wait for it first"
                    : "a command buffer that is not recorded to its end cannot be submitted");
            return false;
        }
    }
    if (!check_lost(device, "vkQueueSubmit", error)) {
        return false;
    }
    VK(device, vkResetFences(device->handle, 1, &last->fence));
    VkResult result = submit_all(recorders, n, last->fence);
    if (result != VK_SUCCESS) {
        return device_error(device, result, "vkQueueSubmit", error);
    }
    for (int i = 0; i < n; i++) {
        recorders[i]->in_flight = true;
        recorders[i]->told_by = last->fence;
    }
    return true;
error:
    return false;
}

bool recorder_submit(struct recorder *recorder, GError **error)
{
    return recorder_submit_batch(&recorder, 1, error);
}

bool recorder_wait(struct recorder *recorder, uint64_t timeout_ns, bool *done, GError **error)
{
    struct device *device = recorder->device;
    *done = false;
    if (!check_lost(device, "vkWaitForFences", error)) {
        return false;
    }
    if (recorder->in_flight) {
        VkResult result =
            device->vk.vkWaitForFences(device->handle, 1, &recorder->told_by, VK_TRUE, timeout_ns);
        if (result == VK_TIMEOUT) {
            return true;
        }
        if (result != VK_SUCCESS) {
            return device_error(device, result, "vkWaitForFences", error);
        }
        recorder->in_flight = false;
        recorder->has_run = true;
    }
    *done = true;
    return true;
}

bool recorder_run(struct recorder *recorder, GError **error)
{
    struct device *device = recorder->device;
    bool done = false;
    if (!recorder_submit(recorder, error) ||
        !recorder_wait(recorder, device->patience_ns, &done, error)) {
        return false;
    }
    return done || device_error(device, VK_TIMEOUT, "vkWaitForFences", error);
}
