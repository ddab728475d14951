// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Every Vulkan call that can fail, made to fail once at each place where the tier uses it: an error
// comes back that names the call, nothing leaks (sanitizer and validation runs), and the next try
// works.
#include "gpu_test.h"

#include <string.h>

static int calls_left; // calls that still succeed
static VkResult failure;
static bool failed;

// One wrapper a function: passes the call on, or fails.
#define WRAP(name, parameters, arguments)                                                          \
    static PFN_##name real_##name;                                                                 \
    static VKAPI_ATTR VkResult VKAPI_CALL fail_##name parameters                                   \
    {                                                                                              \
        if (calls_left-- == 0) {                                                                   \
            failed = true;                                                                         \
            return failure;                                                                        \
        }                                                                                          \
        return real_##name arguments;                                                              \
    }

#define CREATE(name, info, handle)                                                                 \
    WRAP(name, (VkDevice d, const info *i, const VkAllocationCallbacks *a, handle *h), (d, i, a, h))
CREATE(vkCreateBuffer, VkBufferCreateInfo, VkBuffer)
CREATE(vkAllocateMemory, VkMemoryAllocateInfo, VkDeviceMemory)
CREATE(vkCreateBufferView, VkBufferViewCreateInfo, VkBufferView)
CREATE(vkCreateShaderModule, VkShaderModuleCreateInfo, VkShaderModule)
CREATE(vkCreateDescriptorSetLayout, VkDescriptorSetLayoutCreateInfo, VkDescriptorSetLayout)
CREATE(vkCreatePipelineLayout, VkPipelineLayoutCreateInfo, VkPipelineLayout)
CREATE(vkCreatePipelineCache, VkPipelineCacheCreateInfo, VkPipelineCache)
CREATE(vkCreateDescriptorPool, VkDescriptorPoolCreateInfo, VkDescriptorPool)
CREATE(vkCreateCommandPool, VkCommandPoolCreateInfo, VkCommandPool)
CREATE(vkCreateQueryPool, VkQueryPoolCreateInfo, VkQueryPool)
CREATE(vkCreateFence, VkFenceCreateInfo, VkFence)
WRAP(vkMapMemory,
     (VkDevice d, VkDeviceMemory m, VkDeviceSize o, VkDeviceSize s, VkMemoryMapFlags f, void **p),
     (d, m, o, s, f, p))
WRAP(vkBindBufferMemory, (VkDevice d, VkBuffer b, VkDeviceMemory m, VkDeviceSize o), (d, b, m, o))
WRAP(vkFlushMappedMemoryRanges, (VkDevice d, uint32_t n, const VkMappedMemoryRange *r), (d, n, r))
WRAP(vkInvalidateMappedMemoryRanges, (VkDevice d, uint32_t n, const VkMappedMemoryRange *r),
     (d, n, r))
WRAP(vkCreateComputePipelines,
     (VkDevice d, VkPipelineCache c, uint32_t n, const VkComputePipelineCreateInfo *i,
      const VkAllocationCallbacks *a, VkPipeline *p),
     (d, c, n, i, a, p))
WRAP(vkAllocateDescriptorSets,
     (VkDevice d, const VkDescriptorSetAllocateInfo *i, VkDescriptorSet *s), (d, i, s))
WRAP(vkAllocateCommandBuffers,
     (VkDevice d, const VkCommandBufferAllocateInfo *i, VkCommandBuffer *b), (d, i, b))
WRAP(vkBeginCommandBuffer, (VkCommandBuffer b, const VkCommandBufferBeginInfo *i), (b, i))
WRAP(vkEndCommandBuffer, (VkCommandBuffer b), (b))
WRAP(vkResetFences, (VkDevice d, uint32_t n, const VkFence *f), (d, n, f))
WRAP(vkWaitForFences, (VkDevice d, uint32_t n, const VkFence *f, VkBool32 a, uint64_t t),
     (d, n, f, a, t))
WRAP(vkQueueSubmit, (VkQueue q, uint32_t n, const VkSubmitInfo *s, VkFence f), (q, n, s, f))

#define WRAPPED(X)                                                                                 \
    X(vkCreateBuffer)                                                                              \
    X(vkAllocateMemory)                                                                            \
    X(vkCreateBufferView)                                                                          \
    X(vkCreateShaderModule)                                                                        \
    X(vkCreateDescriptorSetLayout)                                                                 \
    X(vkCreatePipelineLayout)                                                                      \
    X(vkCreatePipelineCache)                                                                       \
    X(vkCreateDescriptorPool)                                                                      \
    X(vkCreateCommandPool)                                                                         \
    X(vkCreateQueryPool)                                                                           \
    X(vkCreateFence) X(vkMapMemory) X(vkBindBufferMemory) X(vkFlushMappedMemoryRanges)             \
        X(vkInvalidateMappedMemoryRanges) X(vkCreateComputePipelines) X(vkAllocateDescriptorSets)  \
            X(vkAllocateCommandBuffers) X(vkBeginCommandBuffer) X(vkEndCommandBuffer)              \
                X(vkResetFences) X(vkQueueSubmit)

// Everything the tier does, once: buffers with and without a mapping, a kernel, a recording, a run.
static bool work(struct device *device, GError **error)
{
    struct buffer arena = {0}, uniform = {0};
    struct kernels *kernels = NULL;
    struct recorder *recorder = NULL;
    float data[64] = {1};
    bool done, ok = false;
    if (!buffer_init(&arena, device, 8192, MEMORY_DEVICE, error) ||
        !buffer_init(&uniform, device, 16, MEMORY_UPLOAD, error)) {
        goto end;
    }
    arena.map = NULL; // through staging
    uniform.coherent = false;
    if (!buffer_write(&uniform, device, 0, data, 16, error) ||
        !buffer_write(&arena, device, 0, data, sizeof data, error)) {
        goto end;
    }
    kernels = kernels_new(device, error);
    recorder = kernels ? recorder_new(device, 4, 2, error) : NULL;
    if (!recorder || !recorder_begin(recorder, error)) {
        goto end;
    }
    struct kernel wanted = gpu_test_mix_kernel(device->features.texel ? MIX_TEXEL : MIX, 0);
    const struct kernel *kernel = kernels_get(kernels, &wanted, error);
    if (!kernel) {
        goto end;
    }
    struct dispatch dispatch = gpu_test_mix_dispatch(kernel, gpu_test_bind(&arena, 0, 256),
                                                     gpu_test_bind(&arena, 4096, 256),
                                                     gpu_test_bind(&uniform, 0, 16), 1, 0);
    dispatch.estimate_us = 1e6; // so that there are two pieces
    ok = recorder_dispatch(recorder, &dispatch, error) &&
         recorder_dispatch(recorder, &dispatch, error) && recorder_end(recorder, error) &&
         recorder_submit(recorder, error) && recorder_wait(recorder, UINT64_MAX, &done, error) &&
         buffer_read(&arena, device, 0, data, sizeof data, error) &&
         buffer_read(&uniform, device, 0, data, 16, error);
end:
    recorder_free(&recorder);
    kernels_free(&kernels);
    buffer_finish(&uniform, device);
    buffer_finish(&arena, device);
    return ok;
}

// Fails the n-th call of one function for n = 0, 1, ... until work() makes fewer calls than that.
static int fail_each(struct device *device, const char *name, VkResult result)
{
    failure = result;
    for (int n = 0;; n++) {
        g_autoptr(GError) error = NULL;
        calls_left = n;
        failed = false;
        bool ok = work(device, &error);
        g_assert_true(ok == !error);
        if (!failed) {
            g_assert_true(ok);
            return n;
        }
        // A memory type that is full is passed over for the next one.
        bool memory = strcmp(name, "vkAllocateMemory") == 0 || strcmp(name, "vkMapMemory") == 0;
        if (ok) {
            g_assert_true(memory && result != VK_ERROR_DEVICE_LOST);
        } else {
            g_assert_true(memory || strstr(error->message, name));
            g_assert_null(strchr(error->message, '\n'));
        }
        g_assert_cmpint(g_atomic_int_get(&device->lost), ==, result == VK_ERROR_DEVICE_LOST);
        g_atomic_int_set(&device->lost, 0);
    }
}

static void test_each_call(void)
{
    struct device *device;
    if (!gpu_test_device(&device)) {
        return;
    }
#define X(name)                                                                                    \
    real_##name = device->vk.name;                                                                 \
    device->vk.name = fail_##name;                                                                 \
    int count_##name = fail_each(device, #name, VK_ERROR_OUT_OF_HOST_MEMORY);                      \
    g_assert_cmpint(count_##name, >, 0);                                                           \
    fail_each(device, #name, VK_ERROR_OUT_OF_DEVICE_MEMORY);                                       \
    device->vk.name = real_##name;
    WRAPPED(X)
#undef X
    device_free(&device);
}

// A lost device fails everything from then on, and is still freed.
static void test_lost(void)
{
    struct device *device;
    if (!gpu_test_device(&device)) {
        return;
    }
    g_autoptr(GError) error = NULL;
    real_vkQueueSubmit = device->vk.vkQueueSubmit;
    device->vk.vkQueueSubmit = fail_vkQueueSubmit;
    fail_each(device, "vkQueueSubmit", VK_ERROR_DEVICE_LOST);
    device->vk.vkQueueSubmit = real_vkQueueSubmit;
    struct recorder *recorder = recorder_new(device, 1, 0, &error);
    bool done;
    g_assert_true(recorder_begin(recorder, &error) && recorder_end(recorder, &error) &&
                  recorder_submit(recorder, &error));
    real_vkWaitForFences = device->vk.vkWaitForFences;
    device->vk.vkWaitForFences = fail_vkWaitForFences;
    failure = VK_ERROR_DEVICE_LOST;
    calls_left = 0;
    g_assert_false(recorder_wait(recorder, UINT64_MAX, &done, &error));
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_DEVICE_LOST);
    g_clear_error(&error);
    device->vk.vkWaitForFences = real_vkWaitForFences;
    g_assert_false(recorder_wait(recorder, 0, &done, &error));
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_DEVICE_LOST);
    g_clear_error(&error);
    recorder_free(&recorder);
    recorder = recorder_new(device, 1, 0, &error);
    g_assert_true(recorder_begin(recorder, &error) && recorder_end(recorder, &error));
    g_assert_false(recorder_submit(recorder, &error));
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_DEVICE_LOST);
    recorder_free(&recorder);
    device_free(&device);
}

int main(int argc, char **argv)
{
    gpu_test_init(&argc, &argv);
    g_test_add_func("/failures/each-call", test_each_call);
    g_test_add_func("/failures/lost", test_lost);
    return gpu_test_run();
}
