// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A logical device with pipeline statistics, and the reading of them by the names that RADV gives.
#include "statistics.h"

#include <string.h>

#define MAX_STATISTICS 64

struct compiler {
    struct device device; // a copy, with this handle and its functions
    PFN_vkGetPipelineExecutableStatisticsKHR get_statistics;
};

static bool has_statistics(const struct device *device)
{
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR statistics = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                          .pNext = &statistics};
    device->vk.vkGetPhysicalDeviceFeatures2(device->physical, &features);
    return statistics.pipelineExecutableInfo;
}

static bool load_functions(struct compiler *compiler)
{
    struct device *device = &compiler->device;
    bool all = true;
#define X(name)                                                                                    \
    device->vk.name = (PFN_##name)(void *)device->vk.vkGetDeviceProcAddr(device->handle, #name);   \
    all = all && device->vk.name;
    VK_DEVICE_FUNCTIONS(X)
#undef X
    compiler->get_statistics =
        (PFN_vkGetPipelineExecutableStatisticsKHR)(void *)device->vk.vkGetDeviceProcAddr(
            device->handle, "vkGetPipelineExecutableStatisticsKHR");
    return all && compiler->get_statistics;
}

struct compiler *compiler_new(const struct device *device)
{
    if (!has_statistics(device)) {
        return NULL;
    }
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR statistics = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
        .pipelineExecutableInfo = VK_TRUE};
    VkPhysicalDevice16BitStorageFeatures storage16 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES,
        .pNext = &statistics,
        .storageBuffer16BitAccess = device->features.storage16};
    float priority = 1;
    VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                     .queueFamilyIndex = device->queue_family,
                                     .queueCount = 1,
                                     .pQueuePriorities = &priority};
    const char *extension = VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME;
    VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                               .pNext = &storage16,
                               .queueCreateInfoCount = 1,
                               .pQueueCreateInfos = &queue,
                               .enabledExtensionCount = 1,
                               .ppEnabledExtensionNames = &extension};
    struct compiler *compiler = g_new0(struct compiler, 1);
    compiler->device = *device;
    compiler->device.handle = VK_NULL_HANDLE;
    VkResult result =
        device->vk.vkCreateDevice(device->physical, &info, NULL, &compiler->device.handle);
    if (result != VK_SUCCESS || !load_functions(compiler)) {
        compiler_free(&compiler);
    }
    return compiler;
}

void compiler_free(struct compiler **compiler)
{
    if (*compiler && (*compiler)->device.handle) {
        (*compiler)->device.vk.vkDestroyDevice((*compiler)->device.handle, NULL);
    }
    g_clear_pointer(compiler, g_free);
}

static bool make_layouts(struct compiler *compiler, struct kernel *kernel)
{
    const struct device *device = &compiler->device;
    VkDescriptorSetLayoutBinding bindings[MAX_BINDINGS];
    for (int i = 0; i < kernel->n_bindings; i++) {
        enum binding_type type = kernel->bindings[i];
        bindings[i] = (VkDescriptorSetLayoutBinding){
            .binding = (uint32_t)i,
            .descriptorType = type == BINDING_STORAGE   ? VK_DESCRIPTOR_TYPE_STORAGE_BUFFER
                              : type == BINDING_UNIFORM ? VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER
                                                        : VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER,
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
    }
    VkDescriptorSetLayoutCreateInfo set = {.sType =
                                               VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                           .bindingCount = (uint32_t)kernel->n_bindings,
                                           .pBindings = bindings};
    VkPushConstantRange push = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
                                .size = (uint32_t)kernel->push_bytes};
    VkPipelineLayoutCreateInfo layout = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                         .setLayoutCount = 1,
                                         .pSetLayouts = &kernel->set_layout,
                                         .pushConstantRangeCount = kernel->push_bytes ? 1 : 0,
                                         .pPushConstantRanges = &push};
    return device->vk.vkCreateDescriptorSetLayout(device->handle, &set, NULL,
                                                  &kernel->set_layout) == VK_SUCCESS &&
           device->vk.vkCreatePipelineLayout(device->handle, &layout, NULL, &kernel->layout) ==
               VK_SUCCESS;
}

static bool make_pipeline(struct compiler *compiler, struct kernel *kernel)
{
    const struct device *device = &compiler->device;
    VkShaderModule module;
    VkShaderModuleCreateInfo shader = {.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                       .codeSize = kernel->spirv->bytes,
                                       .pCode = kernel->spirv->words};
    if (device->vk.vkCreateShaderModule(device->handle, &shader, NULL, &module) != VK_SUCCESS) {
        return false;
    }
    VkSpecializationMapEntry entries[MAX_SPEC];
    for (uint32_t i = 0; i < (uint32_t)kernel->n_spec; i++) {
        entries[i] = (VkSpecializationMapEntry){i, i * 4, 4};
    }
    VkSpecializationInfo spec = {.mapEntryCount = (uint32_t)kernel->n_spec,
                                 .pMapEntries = entries,
                                 .dataSize = (size_t)kernel->n_spec * 4,
                                 .pData = kernel->spec};
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .flags = VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = module,
                  .pName = "main",
                  .pSpecializationInfo = &spec},
        .layout = kernel->layout};
    VkResult result = device->vk.vkCreateComputePipelines(device->handle, VK_NULL_HANDLE, 1, &info,
                                                          NULL, &kernel->pipeline);
    device->vk.vkDestroyShaderModule(device->handle, module, NULL);
    return result == VK_SUCCESS;
}

static guint64 find(const VkPipelineExecutableStatisticKHR *list, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (g_str_equal(list[i].name, name)) {
            return list[i].value.u64;
        }
    }
    g_error("the driver has no statistic '%s': this test is written for RADV of Mesa 25.0", name);
}

static bool read_statistics(struct compiler *compiler, VkPipeline pipeline,
                            struct statistics *statistics)
{
    VkPipelineExecutableStatisticKHR list[MAX_STATISTICS];
    memset(list, 0, sizeof list);
    for (int i = 0; i < MAX_STATISTICS; i++) {
        list[i].sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR;
    }
    VkPipelineExecutableInfoKHR info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR,
                                        .pipeline = pipeline};
    uint32_t n = MAX_STATISTICS;
    if (compiler->get_statistics(compiler->device.handle, &info, &n, list) != VK_SUCCESS) {
        return false;
    }
    *statistics = (struct statistics){
        .vgprs = find(list, n, "VGPRs"),
        .sgprs = find(list, n, "SGPRs"),
        .spilled_vgprs = find(list, n, "Spilled VGPRs"),
        .spilled_sgprs = find(list, n, "Spilled SGPRs"),
        .occupancy = find(list, n, "Subgroups per SIMD"),
        .shared = find(list, n, "LDS size"),
        .smem = find(list, n, "SMEM"),
        .vmem = find(list, n, "VMEM"),
        .throughput = find(list, n, "Inverse Throughput"),
    };
    return true;
}

bool compiler_run(struct compiler *compiler, const struct kernel *wanted,
                  struct statistics *statistics)
{
    const struct device *device = &compiler->device;
    struct kernel kernel = *wanted;
    kernel.set_layout = VK_NULL_HANDLE;
    kernel.layout = VK_NULL_HANDLE;
    kernel.pipeline = VK_NULL_HANDLE;
    bool ok = make_layouts(compiler, &kernel) && make_pipeline(compiler, &kernel) &&
              read_statistics(compiler, kernel.pipeline, statistics);
    device->vk.vkDestroyPipeline(device->handle, kernel.pipeline, NULL);
    device->vk.vkDestroyPipelineLayout(device->handle, kernel.layout, NULL);
    device->vk.vkDestroyDescriptorSetLayout(device->handle, kernel.set_layout, NULL);
    return ok;
}
