// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The fake device: it compiles nothing and runs nothing. A frame is a
// VkSubmitInfo with two dispatches or more in a vkQueueSubmit with a fence, and takes the set time;
// frames of a device follow each other. Other submissions (copies, kernels compiled ahead, all but
// the last piece of a frame) take none. A fence signals when the last frame before it is done.
// Memory that is mapped starts out as zeros, so that no frame has a candidate.
#include "layer.h"

#include <string.h>

// Larger ones come from the kernel, as zeros, whatever the C library keeps of what was freed.
#define ZEROED_BYTES (64u << 20)

struct fence {
    VkFence handle;
    bool signalled, pending;
    int64_t done_ns;
};

struct memory {
    VkDeviceMemory handle;
    VkDeviceSize bytes;
    bool zero; // it is to be, when it is mapped
};

// A command buffer that writes timestamps, and the submission that did so last.
struct stamps {
    VkQueryPool pool;
    VkCommandBuffer commands;
    uint32_t last; // query
    int64_t done_ns, took_ns;
    bool submitted;
};

struct commands {
    VkCommandPool pool;
    VkCommandBuffer handle;
    unsigned n_dispatches; // since it began
};

// A growing list without order. Everything here is under `lock`.
struct list {
    void *items;
    size_t n, room, item_bytes;
};
static struct list fences = {.item_bytes = sizeof(struct fence)},
                   memories = {.item_bytes = sizeof(struct memory)},
                   stamps = {.item_bytes = sizeof(struct stamps)},
                   buffers = {.item_bytes = sizeof(struct commands)};
bool hanging;
unsigned n_frames;
uint64_t allocated_bytes;

static void *at(const struct list *list, size_t i)
{
    return (char *)list->items + i * list->item_bytes;
}

static void append(struct list *list, const void *item)
{
    if (list->n == list->room) {
        list->room = list->room ? list->room * 2 : 16;
        list->items = realloc(list->items, list->room * list->item_bytes);
        if (!list->items) {
            abort();
        }
    }
    memcpy(at(list, list->n++), item, list->item_bytes);
}

static void drop(struct list *list, size_t i)
{
    memmove(at(list, i), at(list, --list->n), list->item_bytes);
    if (list->n == 0) { // leaves nothing behind at the end of the process
        free(list->items);
        list->items = NULL;
        list->room = 0;
    }
}

static struct fence *find_fence(VkFence handle)
{
    for (size_t i = 0; i < fences.n; i++) {
        struct fence *fence = at(&fences, i);
        if (fence->handle == handle) {
            return fence;
        }
    }
    return NULL;
}

void fake_add_fence(struct device_chain *device, VkFence handle, bool signalled)
{
    pthread_mutex_lock(&lock);
    append(&fences, &(struct fence){.handle = handle, .signalled = signalled});
    pthread_mutex_unlock(&lock);
}

void fake_drop_fence(VkFence handle)
{
    pthread_mutex_lock(&lock);
    struct fence *fence = handle ? find_fence(handle) : NULL;
    if (fence) {
        drop(&fences, (size_t)(fence - (struct fence *)fences.items));
    }
    pthread_mutex_unlock(&lock);
}

// ---- memory

void fake_add_memory(const struct device_chain *device, VkDeviceMemory handle, VkDeviceSize bytes)
{
    pthread_mutex_lock(&lock);
    append(&memories, &(struct memory){handle, bytes, device->is_fake});
    allocated_bytes += bytes;
    pthread_mutex_unlock(&lock);
}

void fake_drop_memory(VkDeviceMemory handle)
{
    pthread_mutex_lock(&lock);
    for (size_t i = memories.n; i-- > 0;) {
        struct memory *memory = at(&memories, i);
        if (memory->handle == handle) {
            allocated_bytes -= memory->bytes;
            drop(&memories, i);
        }
    }
    pthread_mutex_unlock(&lock);
}

void fake_mapped(VkDeviceMemory handle, VkDeviceSize offset, void *data)
{
    VkDeviceSize bytes = 0;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < memories.n; i++) {
        struct memory *memory = at(&memories, i);
        if (memory->handle == handle && memory->zero) {
            bytes = memory->bytes;
            memory->zero = false; // once
        }
    }
    pthread_mutex_unlock(&lock);
    if (bytes > 0 && bytes <= ZEROED_BYTES) {
        memset((char *)data - offset, 0, bytes);
    }
}

// ---- recording

void fake_add_commands(VkCommandPool pool, uint32_t n, const VkCommandBuffer *handles)
{
    pthread_mutex_lock(&lock);
    for (uint32_t i = 0; i < n; i++) {
        append(&buffers, &(struct commands){pool, handles[i], 0});
    }
    pthread_mutex_unlock(&lock);
}

void fake_drop_commands(VkCommandPool pool)
{
    pthread_mutex_lock(&lock);
    for (size_t i = buffers.n; i-- > 0;) {
        if (((struct commands *)at(&buffers, i))->pool == pool) {
            drop(&buffers, i);
        }
    }
    pthread_mutex_unlock(&lock);
}

static struct commands *find_commands(VkCommandBuffer handle)
{
    for (size_t i = 0; i < buffers.n; i++) {
        struct commands *commands = at(&buffers, i);
        if (commands->handle == handle) {
            return commands;
        }
    }
    return NULL;
}

void fake_begin(VkCommandBuffer handle)
{
    pthread_mutex_lock(&lock);
    struct commands *commands = find_commands(handle);
    if (commands) {
        commands->n_dispatches = 0;
    }
    pthread_mutex_unlock(&lock);
}

void fake_dispatch(VkCommandBuffer handle)
{
    pthread_mutex_lock(&lock);
    struct commands *commands = find_commands(handle);
    if (commands) {
        commands->n_dispatches++;
    }
    pthread_mutex_unlock(&lock);
}

static unsigned count_dispatches(const VkSubmitInfo *info)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < info->commandBufferCount; i++) {
        const struct commands *commands = find_commands(info->pCommandBuffers[i]);
        n += commands ? commands->n_dispatches : 0;
    }
    return n;
}

// ---- timestamps

void fake_timestamp(VkCommandBuffer commands, VkQueryPool pool, uint32_t query)
{
    pthread_mutex_lock(&lock);
    struct stamps *found = NULL;
    for (size_t i = 0; i < stamps.n && !found; i++) {
        struct stamps *entry = at(&stamps, i);
        found = entry->pool == pool && entry->commands == commands ? entry : NULL;
    }
    if (!found) {
        append(&stamps, &(struct stamps){.pool = pool, .commands = commands});
        found = at(&stamps, stamps.n - 1);
    }
    found->last = query; // recorded in this order, from 0 at each recording
    found->submitted = false;
    pthread_mutex_unlock(&lock);
}

void fake_drop_pool(VkQueryPool pool)
{
    pthread_mutex_lock(&lock);
    for (size_t i = stamps.n; i-- > 0;) {
        if (((struct stamps *)at(&stamps, i))->pool == pool) {
            drop(&stamps, i);
        }
    }
    pthread_mutex_unlock(&lock);
}

static void stamp(const VkSubmitInfo *info, int64_t done_ns, int64_t took_ns)
{
    for (size_t i = 0; i < stamps.n; i++) {
        struct stamps *entry = at(&stamps, i);
        for (uint32_t c = 0; c < info->commandBufferCount; c++) {
            if (entry->commands == info->pCommandBuffers[c]) {
                entry->done_ns = done_ns;
                entry->took_ns = took_ns;
                entry->submitted = true;
            }
        }
    }
}

// The submission of a pool's highest timestamp.
static struct stamps *last_stamps(VkQueryPool pool)
{
    struct stamps *last = NULL;
    for (size_t i = 0; i < stamps.n; i++) {
        struct stamps *entry = at(&stamps, i);
        if (entry->pool == pool && entry->submitted && (!last || entry->last > last->last)) {
            last = entry;
        }
    }
    return last;
}

static void put(void *data, VkQueryResultFlags flags, int index, uint64_t value)
{
    if (flags & VK_QUERY_RESULT_64_BIT) {
        memcpy((uint64_t *)data + index, &value, sizeof value);
    } else {
        uint32_t low = (uint32_t)value;
        memcpy((uint32_t *)data + index, &low, sizeof low);
    }
}

// Spread evenly over the time that the submission took.
VkResult fake_queries(struct device_chain *device, VkQueryPool pool, uint32_t first, uint32_t n,
                      void *data, VkDeviceSize stride, VkQueryResultFlags flags)
{
    VkResult result = VK_SUCCESS;
    pthread_mutex_lock(&lock);
    const struct stamps *last = last_stamps(pool);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t query = first + i;
        char *out = (char *)data + i * stride;
        bool there = last && query <= last->last && !hanging && now_ns() >= last->done_ns;
        if (there) {
            double part = last->last ? (double)query / last->last : 1;
            double ns = (double)last->done_ns - (double)last->took_ns * (1 - part);
            put(out, flags, 0, (uint64_t)(ns / device->tick_ns));
        } else {
            result = VK_NOT_READY;
        }
        if (flags & VK_QUERY_RESULT_WITH_AVAILABILITY_BIT) {
            put(out, flags, 1, there);
        }
    }
    pthread_mutex_unlock(&lock);
    return result;
}

// ---- submission

void fake_submit(struct device_chain *device, uint32_t n, const VkSubmitInfo *infos, VkFence handle)
{
    pthread_mutex_lock(&lock);
    int64_t now = now_ns();
    device->idle_ns = device->idle_ns > now ? device->idle_ns : now;
    for (uint32_t i = 0; i < n; i++) {
        device->n_open += count_dispatches(&infos[i]);
        const bool frame = handle && device->n_open >= 2;
        device->n_open = handle ? 0 : device->n_open;
        const int64_t took_ns = frame && frame_ns > 0 ? frame_ns : 0;
        device->idle_ns += took_ns;
        n_frames += frame;
        stamp(&infos[i], device->idle_ns, took_ns);
    }
    if (device->is_fake) {
        struct fence *fence = handle ? find_fence(handle) : NULL;
        if (fence) {
            fence->pending = true;
            fence->done_ns = device->idle_ns;
        }
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&lock);
}

VkResult fake_reset(uint32_t n, const VkFence *handles)
{
    pthread_mutex_lock(&lock);
    for (uint32_t i = 0; i < n; i++) {
        struct fence *fence = find_fence(handles[i]);
        if (fence) {
            fence->signalled = fence->pending = false;
        }
    }
    pthread_mutex_unlock(&lock);
    return VK_SUCCESS;
}

// ---- waiting

static int64_t deadline_ns(uint64_t timeout_ns)
{
    int64_t now = now_ns();
    return timeout_ns >= (uint64_t)(INT64_MAX - now) ? INT64_MAX : now + (int64_t)timeout_ns;
}

// Whether it has signalled; else *wake_ns is not after it will. Under lock.
static bool has_signalled(VkFence handle, int64_t *wake_ns)
{
    struct fence *fence = find_fence(handle);
    if (fence && fence->pending && !hanging) {
        if (now_ns() >= fence->done_ns) {
            fence->signalled = true;
            fence->pending = false;
        } else if (fence->done_ns < *wake_ns) {
            *wake_ns = fence->done_ns;
        }
    }
    return fence && fence->signalled;
}

VkResult fake_status(struct device_chain *device, VkFence fence)
{
    int64_t wake_ns = INT64_MAX;
    pthread_mutex_lock(&lock);
    VkResult result = has_signalled(fence, &wake_ns) ? VK_SUCCESS : VK_NOT_READY;
    pthread_mutex_unlock(&lock);
    return result;
}

VkResult fake_wait(struct device_chain *device, uint32_t n, const VkFence *handles, bool all,
                   uint64_t timeout_ns)
{
    const int64_t end_ns = deadline_ns(timeout_ns);
    VkResult result = VK_NOT_READY;
    pthread_mutex_lock(&lock);
    while (result == VK_NOT_READY) {
        int64_t wake_ns = end_ns;
        uint32_t signalled = 0;
        for (uint32_t i = 0; i < n; i++) {
            signalled += has_signalled(handles[i], &wake_ns);
        }
        if (device->lost) {
            result = VK_ERROR_DEVICE_LOST;
        } else if (all ? signalled == n : signalled > 0) {
            result = VK_SUCCESS;
        } else if (now_ns() >= end_ns) {
            result = VK_TIMEOUT;
        } else {
            wait_until_ns(wake_ns);
        }
    }
    pthread_mutex_unlock(&lock);
    return result;
}

VkResult fake_idle(struct device_chain *device)
{
    pthread_mutex_lock(&lock);
    while (!device->lost && (hanging || now_ns() < device->idle_ns)) {
        wait_until_ns(hanging ? INT64_MAX : device->idle_ns);
    }
    VkResult result = device->lost ? VK_ERROR_DEVICE_LOST : VK_SUCCESS;
    pthread_mutex_unlock(&lock);
    return result;
}

VkResult fake_hang(struct device_chain *device, uint64_t *timeout_ns)
{
    const int64_t end_ns = deadline_ns(*timeout_ns);
    VkResult result = VK_SUCCESS;
    pthread_mutex_lock(&lock);
    const bool waited = hanging;
    while (hanging && result == VK_SUCCESS) {
        if (device->lost) {
            result = VK_ERROR_DEVICE_LOST;
        } else if (now_ns() >= end_ns) {
            result = VK_TIMEOUT;
        } else {
            wait_until_ns(end_ns);
        }
    }
    if (waited && end_ns != INT64_MAX) {
        int64_t now = now_ns();
        *timeout_ns = end_ns > now ? (uint64_t)(end_ns - now) : 0;
    }
    pthread_mutex_unlock(&lock);
    return result;
}
