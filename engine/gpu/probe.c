// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Facts about one physical device: properties, limits, optional features (less those masked with
// EFFDET_DISABLE), class of the kernel table. Creates nothing.
#include "gpu/probe.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "effdet/effdet.h"

#define GPU_PATIENCE_S 60
#define CPU_PATIENCE_S 300 // the first dispatch compiles there: seconds, on busy machines minutes

static const struct {
    const char *name;
    size_t offset;
} feature_table[] = {
    {"storage16", offsetof(struct device_features, storage16)},
    {"float16", offsetof(struct device_features, float16)},
    {"timestamps", offsetof(struct device_features, timestamps)},
    {"texel", offsetof(struct device_features, texel)},
    {"address", offsetof(struct device_features, address)},
    {"lanes", offsetof(struct device_features, lanes)},
    {"robust", offsetof(struct device_features, robust)},
};

static bool *feature_at(struct device_features *features, size_t row)
{
    return (bool *)((char *)features + feature_table[row].offset);
}

char **device_feature_names(const struct device_features *features)
{
    struct device_features copy = *features;
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    for (size_t i = 0; i < G_N_ELEMENTS(feature_table); i++) {
        if (*feature_at(&copy, i)) {
            g_strv_builder_add(builder, feature_table[i].name);
        }
    }
    return g_strv_builder_end(builder);
}

static void warn_unknown_feature(const char *name)
{
    static gint warned;
    if (!g_atomic_int_compare_and_exchange(&warned, 0, 1)) {
        return;
    }
    g_autoptr(GString) known = g_string_new(NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(feature_table); i++) {
        g_string_append_printf(known, "%s%s", i ? ", " : "", feature_table[i].name);
    }
    log_warning("EFFDET_DISABLE names the unknown feature \"%s\": known are %s", name, known->str);
}

static void mask_features(struct device_features *features)
{
    const char *list = g_getenv("EFFDET_DISABLE");
    if (!list) {
        return;
    }
    g_auto(GStrv) names = g_strsplit_set(list, ", ", -1);
    for (char **name = names; *name; name++) {
        size_t row = 0;
        while (row < G_N_ELEMENTS(feature_table) && strcmp(*name, feature_table[row].name) != 0) {
            row++;
        }
        if (row < G_N_ELEMENTS(feature_table)) {
            *feature_at(features, row) = false;
        } else if (**name) {
            warn_unknown_feature(*name);
        }
    }
}

const char *device_class_name(enum device_class device_class)
{
    static const char *const names[] = {
        [CLASS_CPU_OLD] = "cpu-old", [CLASS_CPU_NEW] = "cpu-new",   [CLASS_NVIDIA] = "nvidia",
        [CLASS_AMD_GCN] = "amd-gcn", [CLASS_AMD_RDNA] = "amd-rdna", [CLASS_INTEL] = "intel",
        [CLASS_ADRENO] = "adreno",   [CLASS_MALI] = "mali",         [CLASS_DEFAULT] = "default",
    };
    return names[device_class];
}

const char *probe_type_name(VkPhysicalDeviceType type)
{
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
        return "discrete";
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
        return "integrated";
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
        return "virtual";
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
        return "cpu";
    default:
        return "other";
    }
}

// lavapipe reports 1 as its driverVersion up to Mesa 22, so the text is asked first.
static int mesa_major(const struct device *device)
{
    int major = 0;
    if (sscanf(device->driver.driverInfo, "Mesa %d", &major) == 1) {
        return major;
    }
    return (int)VK_VERSION_MAJOR(device->properties.driverVersion);
}

// min_subgroup: smallest subgroup size the device can be asked for; GCN has 64 only, RDNA 32
// and 64.
static enum device_class find_class(const struct device *device, uint32_t min_subgroup)
{
    if (device->is_cpu) {
        // From Mesa 26 on lavapipe knows uniform loads (the kernels for it differ altogether).
        // Other CPU drivers (SwiftShader) get the kernels without shared memory of the old class.
        bool lavapipe = device->driver.driverID == VK_DRIVER_ID_MESA_LLVMPIPE ||
                        g_str_has_prefix(device->name, "llvmpipe");
        return lavapipe && mesa_major(device) >= 26 ? CLASS_CPU_NEW : CLASS_CPU_OLD;
    }
    switch (device->properties.vendorID) {
    case 0x10de:
        return CLASS_NVIDIA;
    case 0x1002:
        return min_subgroup == 32 ? CLASS_AMD_RDNA : CLASS_AMD_GCN;
    case 0x8086:
        return CLASS_INTEL;
    case 0x5143:
        return CLASS_ADRENO;
    case 0x13b5:
        return CLASS_MALI;
    default:
        return CLASS_DEFAULT;
    }
}

static bool has_extension(const VkExtensionProperties *extensions, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(extensions[i].extensionName, name) == 0) {
            return true;
        }
    }
    return false;
}

static void chain(void *head, void *link)
{
    VkBaseOutStructure *first = head, *added = link;
    added->pNext = first->pNext;
    first->pNext = added;
}

static VkExtensionProperties *list_extensions(const struct device *device, uint32_t *count)
{
    *count = 0;
    device->vk.vkEnumerateDeviceExtensionProperties(device->physical, NULL, count, NULL);
    VkExtensionProperties *extensions = g_new0(VkExtensionProperties, *count + 1);
    if (device->vk.vkEnumerateDeviceExtensionProperties(device->physical, NULL, count, extensions) <
        VK_SUCCESS) {
        *count = 0;
    }
    return extensions;
}

static void read_limits(struct device *device, uint64_t max_allocation)
{
    const VkPhysicalDeviceLimits *limits = &device->properties.limits;
    device->limits = (struct device_limits){
        .storage_range = limits->maxStorageBufferRange,
        .uniform_range = limits->maxUniformBufferRange,
        .texel_elements = limits->maxTexelBufferElements,
        .storage_alignment = MAX(limits->minStorageBufferOffsetAlignment, 1),
        .texel_alignment = MAX(limits->minTexelBufferOffsetAlignment, 1),
        .uniform_alignment = MAX(limits->minUniformBufferOffsetAlignment, 1),
        .atom_bytes = MAX(limits->nonCoherentAtomSize, 1),
        .max_invocations = limits->maxComputeWorkGroupInvocations,
        .shared_bytes = limits->maxComputeSharedMemorySize,
        .max_allocation = max_allocation,
        .timestamp_period_ns = limits->timestampPeriod,
    };
    for (int i = 0; i < 3; i++) {
        device->limits.max_group_size[i] = limits->maxComputeWorkGroupSize[i];
        device->limits.max_group_count[i] = limits->maxComputeWorkGroupCount[i];
    }
}

static char *make_driver_text(const struct device *device)
{
    uint32_t version = device->properties.driverVersion;
    if (!device->driver.driverName[0]) {
        return g_strdup_printf("vendor 0x%04x, version 0x%08x", device->properties.vendorID,
                               version);
    }
    if (!device->driver.driverInfo[0]) {
        return g_strdup_printf("%s (%u.%u.%u)", device->driver.driverName,
                               VK_VERSION_MAJOR(version), VK_VERSION_MINOR(version),
                               VK_VERSION_PATCH(version));
    }
    return g_strdup_printf("%s (%s)", device->driver.driverName, device->driver.driverInfo);
}

static void read_properties(struct device *device, const VkExtensionProperties *extensions,
                            uint32_t n_extensions)
{
    VkPhysicalDeviceSubgroupProperties subgroup = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
    VkPhysicalDeviceSubgroupSizeControlProperties sizes = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES};
    VkPhysicalDeviceMaintenance3Properties maintenance = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES};
    VkPhysicalDeviceIDProperties id = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES};
    VkPhysicalDeviceProperties2 properties = {.sType =
                                                  VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
    chain(&properties, &subgroup);
    chain(&properties, &maintenance);
    chain(&properties, &id);
    device->driver = (VkPhysicalDeviceDriverProperties){
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
    if (device->api_version >= VK_API_VERSION_1_2 ||
        has_extension(extensions, n_extensions, VK_KHR_DRIVER_PROPERTIES_EXTENSION_NAME)) {
        chain(&properties, &device->driver);
    }
    if (device->api_version >= VK_API_VERSION_1_3 ||
        has_extension(extensions, n_extensions, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME)) {
        chain(&properties, &sizes);
    }
    device->vk.vkGetPhysicalDeviceProperties2(device->physical, &properties);
    device->driver.pNext = NULL;
    device->properties = properties.properties;
    device->name = g_utf8_make_valid(device->properties.deviceName, -1);
    memcpy(device->uuid, id.deviceUUID, VK_UUID_SIZE);
    memcpy(device->driver_uuid, id.driverUUID, VK_UUID_SIZE);
    device->is_cpu = device->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
    device->patience_ns = (device->is_cpu ? CPU_PATIENCE_S : GPU_PATIENCE_S) * UINT64_C(1000000000);
    device->subgroup_size = subgroup.subgroupSize;
    device->subgroup_operations =
        subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT ? subgroup.supportedOperations : 0;
    device->driver_text = make_driver_text(device);
    read_limits(device, maintenance.maxMemoryAllocationSize);
    device->device_class =
        find_class(device, sizes.minSubgroupSize ? sizes.minSubgroupSize : subgroup.subgroupSize);
}

static bool texel_format(const struct device *device, VkFormat format)
{
    VkFormatProperties properties;
    device->vk.vkGetPhysicalDeviceFormatProperties(device->physical, format, &properties);
    return properties.bufferFeatures & VK_FORMAT_FEATURE_UNIFORM_TEXEL_BUFFER_BIT;
}

static void read_features(struct device *device, const VkExtensionProperties *extensions,
                          uint32_t n_extensions)
{
    VkPhysicalDevice16BitStorageFeatures storage16 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES};
    VkPhysicalDeviceShaderFloat16Int8Features float16 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES};
    VkPhysicalDeviceBufferDeviceAddressFeatures address = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
    chain(&features, &storage16);
    device->float16_extension =
        has_extension(extensions, n_extensions, VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME);
    if (device->float16_extension || device->api_version >= VK_API_VERSION_1_2) {
        chain(&features, &float16);
    }
    device->address_extension =
        device->api_version < VK_API_VERSION_1_2 &&
        has_extension(extensions, n_extensions, VK_KHR_BUFFER_DEVICE_ADDRESS_EXTENSION_NAME);
    if (device->address_extension || device->api_version >= VK_API_VERSION_1_2) {
        chain(&features, &address);
    }
    device->vk.vkGetPhysicalDeviceFeatures2(device->physical, &features);
    device->features = (struct device_features){
        .storage16 = storage16.storageBuffer16BitAccess,
        .float16 = float16.shaderFloat16,
        .timestamps = device->timestamp_bits > 0 && device->limits.timestamp_period_ns > 0,
        .texel = texel_format(device, VK_FORMAT_R32G32B32A32_SFLOAT) &&
                 texel_format(device, VK_FORMAT_R16G16B16A16_SFLOAT),
        // The other CPU drivers take minutes to compile a kernel that uses them. With vectors of
        // 512 bit lavapipe 26 overruns its stack where 64-bit integers are stored.
        .address = address.bufferDeviceAddress && features.features.shaderInt64 &&
                   (!device->is_cpu ||
                    (device->device_class == CLASS_CPU_NEW && device->subgroup_size <= 8)),
        .robust = device->is_cpu && features.features.robustBufferAccess,
    };
    const VkSubgroupFeatureFlags operations = VK_SUBGROUP_FEATURE_BASIC_BIT |
                                              VK_SUBGROUP_FEATURE_ARITHMETIC_BIT |
                                              VK_SUBGROUP_FEATURE_SHUFFLE_BIT;
    device->features.lanes = device->is_cpu && device->features.address &&
                             device->subgroup_size == 8 &&
                             (device->subgroup_operations & operations) == operations;
    mask_features(&device->features);
    device->features.lanes = device->features.lanes && device->features.address;
}

// A family without graphics is preferred: it does not queue behind the compositor.
static bool choose_family(struct device *device)
{
    uint32_t count = 0;
    device->vk.vkGetPhysicalDeviceQueueFamilyProperties(device->physical, &count, NULL);
    g_autofree VkQueueFamilyProperties *families = g_new0(VkQueueFamilyProperties, count + 1);
    device->vk.vkGetPhysicalDeviceQueueFamilyProperties(device->physical, &count, families);
    int best = -1, best_score = -1;
    for (uint32_t i = 0; i < count; i++) {
        if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) || families[i].queueCount == 0) {
            continue;
        }
        int score = (families[i].timestampValidBits > 0) * 2 +
                    !(families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT);
        if (score > best_score) {
            best = (int)i;
            best_score = score;
        }
    }
    if (best < 0) {
        return false;
    }
    device->queue_family = (uint32_t)best;
    device->timestamp_bits = families[best].timestampValidBits;
    return true;
}

bool probe_init(struct device *device, VkPhysicalDevice physical, uint32_t index, GError **error)
{
    device->physical = physical;
    device->index = index;
    device->vk.vkGetPhysicalDeviceProperties(physical, &device->properties);
    uint32_t version = device->properties.apiVersion;
    if (version < VK_API_VERSION_1_1) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_NO_VULKAN,
                    "device %u (%s) speaks Vulkan %u.%u, 1.1 is needed: update its driver", index,
                    device->properties.deviceName, VK_API_VERSION_MAJOR(version),
                    VK_API_VERSION_MINOR(version));
        return false;
    }
    if (!choose_family(device)) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_NO_VULKAN,
                    "device %u (%s) has no queue for compute shaders", index,
                    device->properties.deviceName);
        return false;
    }
    device->api_version = MIN(device->api_version, version);
    uint32_t n_extensions;
    g_autofree VkExtensionProperties *extensions = list_extensions(device, &n_extensions);
    read_properties(device, extensions, n_extensions);
    read_features(device, extensions, n_extensions);
    device->vk.vkGetPhysicalDeviceMemoryProperties(physical, &device->memory);
    return true;
}

void probe_finish(struct device *device)
{
    g_clear_pointer(&device->name, g_free);
    g_clear_pointer(&device->driver_text, g_free);
}
