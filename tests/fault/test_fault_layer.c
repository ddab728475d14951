// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The fault layer itself: without a setting it changes nothing, faults come where they were asked
// for and once, and the fake device keeps its time.
#include "fault.h"
#include "gpu/bindings.h"
#include "gpu_test.h"

#include <string.h>

#define FRAME_MS 20
#define LATE_MS 500 // of a busy machine; never early

static const struct fault_interface *fault;

// A command buffer with two dispatches, which makes it a frame, and two timestamps around them.
struct frames {
    struct device *device;
    struct buffer buffer;
    struct kernels *kernels;
    struct bindings bindings;
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkQueryPool queries;
    VkFence fences[2];
};

static void must(VkResult result)
{
    g_assert_cmpint(result, ==, VK_SUCCESS);
}

static void record(struct frames *frames, const struct dispatch *dispatch)
{
    struct device *device = frames->device;
    const struct vk_functions *vk = &device->vk;
    VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                      .flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT};
    VkDescriptorSet set;
    g_assert_true(bindings_make(&frames->bindings, dispatch, &set, NULL));
    must(vk->vkBeginCommandBuffer(frames->commands, &begin));
    vk->vkCmdResetQueryPool(frames->commands, frames->queries, 0, 2);
    vk->vkCmdWriteTimestamp(frames->commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, frames->queries,
                            0);
    vk->vkCmdBindPipeline(frames->commands, VK_PIPELINE_BIND_POINT_COMPUTE,
                          dispatch->kernel->pipeline);
    vk->vkCmdBindDescriptorSets(frames->commands, VK_PIPELINE_BIND_POINT_COMPUTE,
                                dispatch->kernel->layout, 0, 1, &set, 0, NULL);
    vk->vkCmdPushConstants(frames->commands, dispatch->kernel->layout, VK_SHADER_STAGE_COMPUTE_BIT,
                           0, (uint32_t)dispatch->kernel->push_bytes, dispatch->push);
    for (int i = 0; i < 2; i++) {
        VkMemoryBarrier barrier = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                   .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
                                   .dstAccessMask =
                                       VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT};
        vk->vkCmdPipelineBarrier(frames->commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                                 VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1, &barrier, 0, NULL, 0,
                                 NULL);
        vk->vkCmdDispatch(frames->commands, 1, 1, 1);
    }
    vk->vkCmdWriteTimestamp(frames->commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, frames->queries,
                            1);
    must(vk->vkEndCommandBuffer(frames->commands));
}

// false: skipped, there is no device.
static bool frames_init(struct frames *frames)
{
    *frames = (struct frames){0};
    if (!gpu_test_device(&frames->device)) {
        return false;
    }
    struct device *device = frames->device;
    const struct vk_functions *vk = &device->vk;
    VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                    .queueFamilyIndex = device->queue_family};
    VkQueryPoolCreateInfo queries = {.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                                     .queryType = VK_QUERY_TYPE_TIMESTAMP,
                                     .queryCount = 2};
    struct kernel wanted = gpu_test_mix_kernel(MIX, 0);
    g_assert_true(buffer_init(&frames->buffer, device, 8192, MEMORY_UPLOAD, NULL));
    frames->kernels = kernels_new(device, NULL);
    const struct kernel *kernel = kernels_get(frames->kernels, &wanted, NULL);
    bindings_init(&frames->bindings, device, 4);
    must(vk->vkCreateCommandPool(device->handle, &pool, NULL, &frames->pool));
    must(vk->vkCreateQueryPool(device->handle, &queries, NULL, &frames->queries));
    for (int i = 0; i < 2; i++) {
        must(vk->vkCreateFence(device->handle, &fence, NULL, &frames->fences[i]));
    }
    VkCommandBufferAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                        .commandPool = frames->pool,
                                        .commandBufferCount = 1};
    must(vk->vkAllocateCommandBuffers(device->handle, &info, &frames->commands));
    struct dispatch dispatch = gpu_test_mix_dispatch(
        kernel, gpu_test_bind(&frames->buffer, 0, 256), gpu_test_bind(&frames->buffer, 4096, 256),
        gpu_test_bind(&frames->buffer, 2048, 16), 1, 0);
    record(frames, &dispatch);
    return true;
}

static void frames_finish(struct frames *frames)
{
    const struct vk_functions *vk = &frames->device->vk;
    VkDevice handle = frames->device->handle;
    for (int i = 0; i < 2; i++) {
        vk->vkDestroyFence(handle, frames->fences[i], NULL);
    }
    vk->vkDestroyQueryPool(handle, frames->queries, NULL);
    vk->vkDestroyCommandPool(handle, frames->pool, NULL);
    bindings_finish(&frames->bindings);
    kernels_free(&frames->kernels);
    buffer_finish(&frames->buffer, frames->device);
    device_free(&frames->device);
}

static VkResult submit(struct frames *frames, uint32_t n, int fence)
{
    VkSubmitInfo infos[4];
    for (uint32_t i = 0; i < n; i++) {
        infos[i] = (VkSubmitInfo){.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                  .commandBufferCount = 1,
                                  .pCommandBuffers = &frames->commands};
    }
    return frames->device->vk.vkQueueSubmit(frames->device->queue, n, infos,
                                            fence < 0 ? VK_NULL_HANDLE : frames->fences[fence]);
}

static VkResult wait_ms(struct frames *frames, int fence, uint64_t ms)
{
    return frames->device->vk.vkWaitForFences(frames->device->handle, 1, &frames->fences[fence],
                                              VK_TRUE,
                                              ms == UINT64_MAX ? UINT64_MAX : ms * 1000000);
}

static VkResult reset(struct frames *frames, int fence)
{
    return frames->device->vk.vkResetFences(frames->device->handle, 1, &frames->fences[fence]);
}

static void assert_took(gint64 since_us, int ms)
{
    double took_ms = (double)(g_get_monotonic_time() - since_us) / 1000;
    g_test_message("%.2f ms of %d", took_ms, ms);
    g_assert_cmpfloat(took_ms, >=, ms);
    g_assert_cmpfloat(took_ms, <, ms + LATE_MS);
}

// ---- no setting

static char *list_devices(void)
{
    g_autofree char *reason = NULL;
    g_autoptr(GPtrArray) devices = effdet_devices(&reason);
    GString *text = g_string_new(reason);
    for (guint i = 0; i < devices->len; i++) {
        const EffdetDevice *device = g_ptr_array_index(devices, i);
        g_autofree char *features = g_strjoinv(" ", device->features);
        g_string_append_printf(text, "%u %s %s %s %s %s %s\n", device->index, device->name,
                               device->type, device->driver, device->uuid, device->device_class,
                               features);
    }
    return g_string_free(text, FALSE);
}

static void test_nothing(void)
{
    fault->reset_counts();
    g_autofree char *with = list_devices();
    unsigned calls = fault->count("vkCreateInstance");
    g_autofree char *layers = g_strdup(g_getenv("VK_INSTANCE_LAYERS"));
    g_unsetenv("VK_INSTANCE_LAYERS");
    g_autofree char *without = list_devices();
    g_setenv("VK_INSTANCE_LAYERS", layers, TRUE);
    g_assert_cmpstr(with, ==, without);
    g_assert_cmpuint(calls, ==, 1);
    g_assert_cmpuint(fault->count("vkCreateInstance"), ==, 1);
    g_assert_cmpuint(fault->injected(), ==, 0);
}

// A frame really runs, to its end.
static void test_works(void)
{
    struct frames frames;
    if (!frames_init(&frames)) {
        return;
    }
    fault->reset_counts();
    must(submit(&frames, 1, 0));
    must(wait_ms(&frames, 0, UINT64_MAX));
    g_assert_cmpuint(fault->count("vkQueueSubmit"), ==, 1);
    g_assert_cmpuint(fault->count("vkWaitForFences"), ==, 1);
    g_assert_cmpuint(fault->frames(), ==, 1);
    frames_finish(&frames);
}

// ---- faults

static void test_memory(void)
{
    struct device *device;
    struct buffer buffer = {0};
    uint64_t before = fault->memory();
    if (!gpu_test_device(&device)) {
        return;
    }
    g_assert_true(buffer_init(&buffer, device, 1 << 20, MEMORY_UPLOAD, NULL));
    g_assert_cmpuint(fault->memory(), >=, before + (1 << 20));
    buffer_finish(&buffer, device);
    device_free(&device);
    g_assert_cmpuint(fault->memory(), ==, before);
}

static void test_rules(void)
{
    static const char *const bad[] = {
        "vkCreateFence",
        "vkCreateFence:1",
        "vkCreateFence:0:VK_ERROR_UNKNOWN",
        "vkCreateFence:1:VK",
        "vkNoSuch:1:VK_ERROR_UNKNOWN",
        "vkCreateFence:1:",
    };
    g_assert_true(fault->set("vkCreateFence:1:-4,vkQueueSubmit:2:lose"));
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        if (fault->set(bad[i])) {
            g_error("%s is accepted", bad[i]);
        }
    }
    g_assert_true(fault->set(NULL));
    g_assert_true(fault->may_return("vkQueueSubmit", VK_ERROR_DEVICE_LOST));
    g_assert_false(fault->may_return("vkCreateFence", VK_ERROR_DEVICE_LOST));
    g_assert_false(fault->may_return("vkNoSuch", VK_ERROR_OUT_OF_HOST_MEMORY));
}

static void test_injected(void)
{
    struct device *device;
    if (!gpu_test_device(&device)) {
        return;
    }
    VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkFence fence;
    fault->reset_counts();
    g_assert_true(fault->set("vkCreateFence:2:VK_ERROR_OUT_OF_HOST_MEMORY,vkCreateFence:4:-2"));
    for (int i = 1; i <= 5; i++) {
        VkResult wanted = i == 2   ? VK_ERROR_OUT_OF_HOST_MEMORY
                          : i == 4 ? VK_ERROR_OUT_OF_DEVICE_MEMORY
                                   : VK_SUCCESS;
        VkResult result = device->vk.vkCreateFence(device->handle, &info, NULL, &fence);
        g_assert_cmpint(result, ==, wanted);
        if (result == VK_SUCCESS) {
            device->vk.vkDestroyFence(device->handle, fence, NULL);
        }
    }
    g_assert_cmpuint(fault->count("vkCreateFence"), ==, 5);
    g_assert_cmpuint(fault->injected(), ==, 2);
    device_free(&device);
}

// From the rule's call on, until the device is destroyed; whoever waits is told.
static void test_lose(void)
{
    struct frames frames;
    if (!frames_init(&frames)) {
        return;
    }
    g_assert_true(fault->set("vkQueueSubmit:2:lose"));
    must(submit(&frames, 1, 0));
    must(wait_ms(&frames, 0, UINT64_MAX));
    must(reset(&frames, 0));
    for (int i = 0; i < 3; i++) {
        g_assert_cmpint(submit(&frames, 1, 0), ==, VK_ERROR_DEVICE_LOST);
        g_assert_cmpint(wait_ms(&frames, 0, 0), ==, VK_ERROR_DEVICE_LOST);
    }
    frames_finish(&frames);
    g_assert_true(frames_init(&frames));
    must(submit(&frames, 1, 0));
    must(wait_ms(&frames, 0, UINT64_MAX));
    frames_finish(&frames);
}

static void test_no_compute(void)
{
    g_autofree char *reason = NULL;
    g_autofree char *before = list_devices();
    fault->no_compute(true);
    g_autoptr(GPtrArray) devices = effdet_devices(&reason);
    fault->no_compute(false);
    g_autofree char *after = list_devices();
    g_assert_cmpuint(devices->len, ==, 0);
    g_assert_nonnull(reason);
    g_assert_cmpstr(before, ==, after);
}

// Of a device that works.
static void test_hang(void)
{
    struct frames frames;
    if (!frames_init(&frames)) {
        return;
    }
    fault->hang(true);
    must(submit(&frames, 1, 0));
    gint64 start_us = g_get_monotonic_time();
    g_assert_cmpint(wait_ms(&frames, 0, 30), ==, VK_TIMEOUT);
    assert_took(start_us, 30);
    fault->hang(false);
    must(wait_ms(&frames, 0, UINT64_MAX));
    frames_finish(&frames);
}

// ---- the fake device

// One frame, frames in one submission, pieces without a fence, frames behind each other.
static void test_time(void)
{
    struct frames frames;
    fault->fake(FRAME_MS * 1000);
    if (!frames_init(&frames)) {
        return;
    }
    static const struct {
        uint32_t n;
        int pieces, ms;
    } cases[] = {{1, 0, FRAME_MS}, {3, 0, 3 * FRAME_MS}, {1, 2, FRAME_MS}};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        gint64 start_us = g_get_monotonic_time();
        for (int p = 0; p < cases[i].pieces; p++) {
            must(submit(&frames, 1, -1));
        }
        must(submit(&frames, cases[i].n, 0));
        g_assert_cmpint(wait_ms(&frames, 0, FRAME_MS / 4), ==, VK_TIMEOUT);
        must(wait_ms(&frames, 0, UINT64_MAX));
        assert_took(start_us, cases[i].ms);
        must(wait_ms(&frames, 0, 0)); // stays signalled
        must(reset(&frames, 0));
        g_assert_cmpint(wait_ms(&frames, 0, 0), ==, VK_TIMEOUT);
    }
    gint64 start_us = g_get_monotonic_time();
    must(submit(&frames, 1, 0));
    must(submit(&frames, 1, 1));
    must(wait_ms(&frames, 1, UINT64_MAX));
    assert_took(start_us, 2 * FRAME_MS);
    must(wait_ms(&frames, 0, 0));
    must(reset(&frames, 0));
    start_us = g_get_monotonic_time();
    must(submit(&frames, 1, 0));
    must(((PFN_vkQueueWaitIdle)(void *)frames.device->vk.vkGetDeviceProcAddr(
        frames.device->handle, "vkQueueWaitIdle"))(frames.device->queue));
    assert_took(start_us, FRAME_MS);
    must(wait_ms(&frames, 0, 0));
    frames_finish(&frames);
    fault->fake(-1);
}

static void test_timestamps(void)
{
    struct frames frames;
    uint64_t ticks[2];
    fault->fake(FRAME_MS * 1000);
    if (!frames_init(&frames)) {
        return;
    }
    must(submit(&frames, 1, 0));
    struct device *device = frames.device;
    g_assert_cmpint(device->vk.vkGetQueryPoolResults(device->handle, frames.queries, 0, 2,
                                                     sizeof ticks, ticks, sizeof *ticks,
                                                     VK_QUERY_RESULT_64_BIT),
                    ==, VK_NOT_READY);
    must(wait_ms(&frames, 0, UINT64_MAX));
    must(device->vk.vkGetQueryPoolResults(device->handle, frames.queries, 0, 2, sizeof ticks, ticks,
                                          sizeof *ticks, VK_QUERY_RESULT_64_BIT));
    double ms = (double)(ticks[1] - ticks[0]) * device->limits.timestamp_period_ns / 1e6;
    g_assert_cmpfloat_with_epsilon(ms, FRAME_MS, 0.01);
    frames_finish(&frames);
    fault->fake(-1);
}

struct waiter {
    struct frames *frames;
    uint64_t ms;
    VkResult result;
    gint64 end_us;
};

static gpointer wait_thread(gpointer data)
{
    struct waiter *waiter = data;
    waiter->result = wait_ms(waiter->frames, 0, waiter->ms);
    waiter->end_us = g_get_monotonic_time();
    return NULL;
}

// Three threads on one fence: two are told, one has no time for it. Without a busy wait.
static void test_waiters(void)
{
    struct frames frames;
    fault->fake(5 * FRAME_MS * 1000);
    if (!frames_init(&frames)) {
        return;
    }
    struct waiter waiters[3] = {{&frames, UINT64_MAX}, {&frames, 10000}, {&frames, FRAME_MS}};
    GThread *threads[3];
    fault->reset_counts();
    gint64 start_us = g_get_monotonic_time();
    for (int i = 0; i < 3; i++) { // they wait before it is submitted
        threads[i] = g_thread_new("wait", wait_thread, &waiters[i]);
    }
    while (fault->count("vkWaitForFences") < 2) {
        g_usleep(500);
    }
    must(submit(&frames, 1, 0));
    for (int i = 0; i < 3; i++) {
        g_thread_join(threads[i]);
        g_assert_cmpint(waiters[i].result, ==, i == 2 ? VK_TIMEOUT : VK_SUCCESS);
        g_assert_cmpint(waiters[i].end_us - start_us, >=,
                        (i == 2 ? FRAME_MS : 5 * FRAME_MS) * 1000);
    }
    g_assert_cmpuint(fault->count("vkWaitForFences"), ==, 3);
    frames_finish(&frames);
    fault->fake(-1);
}

static gpointer lose_soon(gpointer data)
{
    g_usleep(FRAME_MS * 1000);
    fault->lose();
    return NULL;
}

// Whoever waits for a hanging fence learns that the device is lost.
static void test_fake_hang(void)
{
    struct frames frames;
    fault->fake(0);
    if (!frames_init(&frames)) {
        return;
    }
    fault->hang(true);
    must(submit(&frames, 1, 0));
    gint64 start_us = g_get_monotonic_time();
    g_assert_cmpint(wait_ms(&frames, 0, FRAME_MS), ==, VK_TIMEOUT);
    assert_took(start_us, FRAME_MS);
    GThread *thread = g_thread_new("lose", lose_soon, NULL);
    g_assert_cmpint(wait_ms(&frames, 0, UINT64_MAX), ==, VK_ERROR_DEVICE_LOST);
    g_thread_join(thread);
    fault->hang(false);
    frames_finish(&frames);
    fault->fake(-1);
}

int main(int argc, char **argv)
{
    gpu_test_init(&argc, &argv);
    fault = fault_interface();
    g_assert_nonnull(fault);
    g_test_add_func("/fault/layer/nothing", test_nothing);
    g_test_add_func("/fault/layer/works", test_works);
    g_test_add_func("/fault/layer/memory", test_memory);
    g_test_add_func("/fault/layer/rules", test_rules);
    g_test_add_func("/fault/layer/injected", test_injected);
    g_test_add_func("/fault/layer/lose", test_lose);
    g_test_add_func("/fault/layer/no-compute", test_no_compute);
    g_test_add_func("/fault/layer/hang", test_hang);
    g_test_add_func("/fault/layer/time", test_time);
    g_test_add_func("/fault/layer/timestamps", test_timestamps);
    g_test_add_func("/fault/layer/waiters", test_waiters);
    g_test_add_func("/fault/layer/fake-hang", test_fake_hang);
    return gpu_test_run();
}
