// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Making compute pipelines, each once. The cache file is in kernel_cache.c.
#include "gpu/kernel.h"

#include <string.h>

#include "base/log.h"
#include "effdet/effdet.h"
#include "gpu/kernel_cache.h"

struct kernels {
    struct device *device;
    VkPipelineCache cache;
    GPtrArray *kernels; // of struct kernel
    bool cache_hit;
    uint64_t stored_hash; // of the data in the file; 0 = none
    GPtrArray *threads;   // GThread, from kernels_fork to kernels_join; else NULL
    GMutex lock;          // guards the rest
    GCond changed;        // waiting or closing
    GQueue waiting;       // of struct kernel that have no pipeline yet
    bool closing;         // no more will come
    GError *failure;      // the first of a thread
};

struct kernels *kernels_new(struct device *device, GError **error)
{
    struct kernels *kernels = g_new0(struct kernels, 1);
    kernels->device = device;
    kernels->kernels = g_ptr_array_new();
    g_mutex_init(&kernels->lock);
    g_cond_init(&kernels->changed);
    size_t bytes = 0;
    g_autofree void *data = kernel_cache_read(device, &bytes);
    VkPipelineCacheCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
        .initialDataSize = data ? bytes : 0,
        .pInitialData = data,
    };
    VkResult result =
        device->vk.vkCreatePipelineCache(device->handle, &info, NULL, &kernels->cache);
    if (result == VK_SUCCESS && data) {
        kernels->cache_hit = true;
        kernels->stored_hash = kernel_cache_hash(data, bytes);
    } else if (result != VK_SUCCESS && data) {
        log_info("the driver refuses the pipeline cache: starting with an empty one");
        info.initialDataSize = 0;
        VK(device, vkCreatePipelineCache(device->handle, &info, NULL, &kernels->cache));
    } else if (result != VK_SUCCESS) {
        device_error(device, result, "vkCreatePipelineCache", error);
        goto error;
    }
    return kernels;
error:
    kernels_free(&kernels);
    return NULL;
}

static void free_kernel(struct kernel *kernel, struct device *device)
{
    if (kernel->pipeline) {
        DESTROY(device, vkDestroyPipeline(device->handle, kernel->pipeline, NULL));
    }
    if (kernel->layout) {
        DESTROY(device, vkDestroyPipelineLayout(device->handle, kernel->layout, NULL));
    }
    if (kernel->set_layout) {
        DESTROY(device, vkDestroyDescriptorSetLayout(device->handle, kernel->set_layout, NULL));
    }
    g_free(kernel);
}

void kernels_free(struct kernels **pointer)
{
    struct kernels *kernels = pointer ? *pointer : NULL;
    if (!kernels) {
        return;
    }
    *pointer = NULL;
    struct device *device = kernels->device;
    g_mutex_lock(&kernels->lock);
    g_queue_clear(&kernels->waiting);
    g_mutex_unlock(&kernels->lock);
    (void)!kernels_join(kernels, NULL);
    g_mutex_clear(&kernels->lock);
    g_cond_clear(&kernels->changed);
    for (guint i = 0; i < kernels->kernels->len; i++) {
        free_kernel(g_ptr_array_index(kernels->kernels, i), device);
    }
    g_ptr_array_unref(kernels->kernels);
    if (kernels->cache) {
        DESTROY(device, vkDestroyPipelineCache(device->handle, kernels->cache, NULL));
    }
    g_free(kernels);
}

static bool same(const struct kernel *a, const struct kernel *b)
{
    return a->spirv == b->spirv && a->n_bindings == b->n_bindings &&
           a->push_bytes == b->push_bytes && a->n_spec == b->n_spec &&
           memcmp(a->bindings, b->bindings, sizeof a->bindings[0] * (size_t)a->n_bindings) == 0 &&
           memcmp(a->spec, b->spec, sizeof a->spec[0] * (size_t)a->n_spec) == 0;
}

static bool check(const struct device *device, const struct kernel *wanted, GError **error)
{
    const VkPhysicalDeviceLimits *limits = &device->properties.limits;
    if (!wanted->spirv || wanted->n_bindings < 0 || wanted->n_bindings > MAX_BINDINGS ||
        wanted->n_spec < 0 || wanted->n_spec > MAX_SPEC || wanted->push_bytes < 0 ||
        wanted->push_bytes > 128 || wanted->push_bytes % 4) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED,
                    "kernel %s: %d bindings, %d constants, %d push bytes: at most %d, %d and 128 "
                    "(a multiple of 4) with a shader are possible",
                    wanted->spirv ? wanted->spirv->name : "(none)", wanted->n_bindings,
                    wanted->n_spec, wanted->push_bytes, MAX_BINDINGS, MAX_SPEC);
        return false;
    }
    uint32_t storage = 0, texel = 0;
    for (int i = 0; i < wanted->n_bindings; i++) {
        storage += wanted->bindings[i] == BINDING_STORAGE;
        texel += wanted->bindings[i] != BINDING_STORAGE && wanted->bindings[i] != BINDING_UNIFORM;
    }
    if ((texel && !device->features.texel) ||
        storage > limits->maxPerStageDescriptorStorageBuffers ||
        texel > limits->maxPerStageDescriptorSampledImages) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED,
                    "kernel %s needs %u storage and %u texel buffers, %s offers %u and %u: use "
                    "another device",
                    wanted->spirv->name, storage, texel, device->name,
                    limits->maxPerStageDescriptorStorageBuffers,
                    device->features.texel ? limits->maxPerStageDescriptorSampledImages : 0);
        return false;
    }
    return true;
}

static VkDescriptorType descriptor_type(enum binding_type type)
{
    switch (type) {
    case BINDING_STORAGE:
        return VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    case BINDING_UNIFORM:
        return VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER;
    default:
        return VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER;
    }
}

static bool make_layouts(struct kernel *kernel, struct device *device, GError **error)
{
    VkDescriptorSetLayoutBinding bindings[MAX_BINDINGS];
    for (int i = 0; i < kernel->n_bindings; i++) {
        bindings[i] = (VkDescriptorSetLayoutBinding){
            .binding = (uint32_t)i,
            .descriptorType = descriptor_type(kernel->bindings[i]),
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        };
    }
    VkDescriptorSetLayoutCreateInfo set = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = (uint32_t)kernel->n_bindings,
        .pBindings = bindings,
    };
    VK(device, vkCreateDescriptorSetLayout(device->handle, &set, NULL, &kernel->set_layout));
    VkPushConstantRange push = {
        .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        .size = (uint32_t)kernel->push_bytes,
    };
    VkPipelineLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = 1,
        .pSetLayouts = &kernel->set_layout,
        .pushConstantRangeCount = kernel->push_bytes ? 1 : 0,
        .pPushConstantRanges = &push,
    };
    VK(device, vkCreatePipelineLayout(device->handle, &layout, NULL, &kernel->layout));
    return true;
error:
    return false;
}

static bool make_pipeline(struct kernel *kernel, struct kernels *kernels, GError **error)
{
    struct device *device = kernels->device;
    VkShaderModule module = VK_NULL_HANDLE;
    VkShaderModuleCreateInfo shader = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = kernel->spirv->bytes,
        .pCode = kernel->spirv->words,
    };
    VK(device, vkCreateShaderModule(device->handle, &shader, NULL, &module));
    VkSpecializationMapEntry entries[MAX_SPEC];
    for (int i = 0; i < kernel->n_spec; i++) {
        entries[i] = (VkSpecializationMapEntry){(uint32_t)i, (uint32_t)i * 4, 4};
    }
    VkSpecializationInfo spec = {
        .mapEntryCount = (uint32_t)kernel->n_spec,
        .pMapEntries = entries,
        .dataSize = (size_t)kernel->n_spec * 4,
        .pData = kernel->spec,
    };
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = module,
                  .pName = "main",
                  .pSpecializationInfo = &spec},
        .layout = kernel->layout,
    };
    VK(device,
       vkCreateComputePipelines(device->handle, kernels->cache, 1, &info, NULL, &kernel->pipeline));
    DESTROY(device, vkDestroyShaderModule(device->handle, module, NULL));
    return true;
error:
    if (module) {
        DESTROY(device, vkDestroyShaderModule(device->handle, module, NULL));
    }
    g_prefix_error(error, "kernel %s: ", kernel->spirv->name);
    return false;
}

const struct kernel *kernels_get(struct kernels *kernels, const struct kernel *wanted,
                                 GError **error)
{
    for (guint i = 0; i < kernels->kernels->len; i++) {
        struct kernel *kernel = g_ptr_array_index(kernels->kernels, i);
        if (same(kernel, wanted)) {
            return kernel;
        }
    }
    if (!check(kernels->device, wanted, error)) {
        return NULL;
    }
    struct kernel *kernel = g_memdup2(wanted, sizeof *wanted);
    kernel->set_layout = VK_NULL_HANDLE;
    kernel->layout = VK_NULL_HANDLE;
    kernel->pipeline = VK_NULL_HANDLE;
    if (!make_layouts(kernel, kernels->device, error) ||
        (!kernels->threads && !make_pipeline(kernel, kernels, error))) {
        free_kernel(kernel, kernels->device);
        return NULL;
    }
    g_ptr_array_add(kernels->kernels, kernel);
    if (kernels->threads) {
        g_mutex_lock(&kernels->lock);
        g_queue_push_tail(&kernels->waiting, kernel);
        g_cond_signal(&kernels->changed);
        g_mutex_unlock(&kernels->lock);
    }
    return kernel;
}

// Makes pipelines until no more will come.
static gpointer make_waiting(gpointer data)
{
    struct kernels *kernels = data;
    g_mutex_lock(&kernels->lock);
    for (;;) {
        struct kernel *kernel = g_queue_pop_head(&kernels->waiting);
        if (!kernel && kernels->closing) {
            break;
        }
        if (!kernel) {
            g_cond_wait(&kernels->changed, &kernels->lock);
            continue;
        }
        g_mutex_unlock(&kernels->lock);
        GError *error = NULL;
        bool ok = make_pipeline(kernel, kernels, &error);
        g_mutex_lock(&kernels->lock);
        if (!ok && !kernels->failure) {
            kernels->failure = g_steal_pointer(&error);
        }
        g_clear_error(&error);
    }
    g_mutex_unlock(&kernels->lock);
    return NULL;
}

void kernels_fork(struct kernels *kernels, int threads)
{
    if (threads < 2 || kernels->threads) {
        return;
    }
    kernels->closing = false;
    kernels->threads = g_ptr_array_new();
    for (int i = 0; i < threads; i++) {
        GThread *thread = g_thread_try_new("effdet-kernels", make_waiting, kernels, NULL);
        if (!thread) { // those that run, or kernels_join, do its part
            break;
        }
        g_ptr_array_add(kernels->threads, thread);
    }
}

bool kernels_join(struct kernels *kernels, GError **error)
{
    if (!kernels->threads) {
        return true;
    }
    g_mutex_lock(&kernels->lock);
    kernels->closing = true;
    g_cond_broadcast(&kernels->changed);
    g_mutex_unlock(&kernels->lock);
    make_waiting(kernels);
    for (guint i = 0; i < kernels->threads->len; i++) {
        g_thread_join(g_ptr_array_index(kernels->threads, i));
    }
    g_clear_pointer(&kernels->threads, g_ptr_array_unref);
    if (kernels->failure) {
        g_propagate_error(error, g_steal_pointer(&kernels->failure));
        return false;
    }
    return true;
}

int kernels_count(const struct kernels *kernels)
{
    return (int)kernels->kernels->len;
}

const struct kernel *kernels_at(const struct kernels *kernels, int index)
{
    return g_ptr_array_index(kernels->kernels, index);
}

bool kernels_cache_hit(const struct kernels *kernels)
{
    return kernels->cache_hit;
}

void kernels_save(struct kernels *kernels)
{
    struct device *device = kernels->device;
    size_t bytes = 0;
    VkResult result =
        device->vk.vkGetPipelineCacheData(device->handle, kernels->cache, &bytes, NULL);
    g_autofree void *data = g_malloc0(bytes + 1);
    if (result == VK_SUCCESS && bytes) {
        result = device->vk.vkGetPipelineCacheData(device->handle, kernels->cache, &bytes, data);
    }
    if (result != VK_SUCCESS || bytes == 0) {
        log_info("pipeline cache is not kept: the driver gives no data (VkResult %d)", (int)result);
        return;
    }
    uint64_t hash = kernel_cache_hash(data, bytes);
    if (hash != kernels->stored_hash) {
        kernel_cache_write(device, data, bytes);
        kernels->stored_hash = hash;
    }
}
