// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Choosing a physical device and making (or sharing) the logical one with its compute queue; the
// text of failed Vulkan calls.
#include "gpu/probe.h"

#include <string.h>

#include "base/log.h"
#include "effdet/effdet.h"

#define LAST_WAIT_NS 1000000000 // for a device that did not answer in time
#define MAX_TRIES 3             // of a wait for which memory lacks

static GMutex shared_lock;
static GPtrArray *shared; // of struct device with references > 0; guarded by shared_lock

static int type_rank(VkPhysicalDeviceType type)
{
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
        return 0;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
        return 1;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
        return 2;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
        return 3;
    default:
        return 4;
    }
}

// 32 hexadecimal digits with dashes anywhere.
static bool parse_uuid(const char *text, uint8_t *uuid)
{
    int digits = 0;
    for (; *text; text++) {
        if (*text == '-') {
            continue;
        }
        int value = g_ascii_xdigit_value(*text);
        if (value < 0 || digits == VK_UUID_SIZE * 2) {
            return false;
        }
        uint8_t *byte = &uuid[digits / 2];
        *byte = (uint8_t)(digits % 2 ? *byte << 4 | value : value);
        digits++;
    }
    return digits == VK_UUID_SIZE * 2;
}

static bool contains_name(const char *name, const char *part)
{
    g_autofree char *folded_name = g_utf8_casefold(name, -1);
    g_autofree char *folded_part = g_utf8_casefold(part, -1);
    return strstr(folded_name, folded_part) != NULL;
}

static bool matches(const struct device *device, const char *spec)
{
    uint8_t uuid[VK_UUID_SIZE];
    if (!spec || !*spec || g_ascii_strcasecmp(spec, "auto") == 0) {
        return true;
    }
    if (parse_uuid(spec, uuid)) {
        return memcmp(uuid, device->uuid, VK_UUID_SIZE) == 0;
    }
    guint64 index;
    if (g_ascii_string_to_unsigned(spec, 10, 0, G_MAXUINT32, &index, NULL)) {
        return index == device->index;
    }
    return contains_name(device->name, spec);
}

// Fills `chosen` (which has the open instance) with the best device that fits spec.
static bool choose(struct device *chosen, const char *spec, GError **error)
{
    uint32_t count;
    g_autofree VkPhysicalDevice *physical = loader_physical_devices(chosen, &count, error);
    if (!physical) {
        return false;
    }
    struct device best = {0};
    int best_rank = G_MAXINT;
    g_autoptr(GString) found = g_string_new(NULL);
    g_autoptr(GError) unsuitable = NULL;
    for (uint32_t i = 0; i < count; i++) {
        struct device device = *chosen;
        if (probe_init(&device, physical[i], i, unsuitable ? NULL : &unsuitable)) {
            g_string_append_printf(found, "%s%u: %s", found->len ? ", " : "", i, device.name);
            int rank = type_rank(device.properties.deviceType);
            if (rank < best_rank && matches(&device, spec)) {
                struct device swap = best;
                best = device;
                device = swap;
                best_rank = rank;
            }
        }
        probe_finish(&device);
    }
    if (best_rank < G_MAXINT) {
        *chosen = best;
        return true;
    }
    if (found->len) {
        g_set_error(
            error, EFFDET_ERROR, EFFDET_ERROR_NOT_FOUND,
            "no Vulkan device fits \"%s\": there is %s; give an index, a UUID, a part of the "
            "name or \"auto\"",
            spec, found->str);
    } else {
        g_propagate_error(error, g_steal_pointer(&unsuitable));
    }
    return false;
}

static bool load_functions(struct device *device, GError **error)
{
#define X(function)                                                                                \
    device->vk.function =                                                                          \
        (PFN_##function)(void *)device->vk.vkGetDeviceProcAddr(device->handle, #function);         \
    if (!device->vk.function) {                                                                    \
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_NO_VULKAN,                                   \
                    "the driver of %s has no %s: update it", device->name, #function);             \
        return false;                                                                              \
    }
    VK_DEVICE_FUNCTIONS(X)
#undef X
    if (device->features.address) {
        const char *name =
            device->address_extension ? "vkGetBufferDeviceAddressKHR" : "vkGetBufferDeviceAddress";
        device->vk.vkGetBufferDeviceAddress =
            (PFN_vkGetBufferDeviceAddress)(void *)device->vk.vkGetDeviceProcAddr(device->handle,
                                                                                 name);
        if (!device->vk.vkGetBufferDeviceAddress) {
            g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_NO_VULKAN,
                        "the driver of %s has no %s: update it, or set EFFDET_DISABLE=address",
                        device->name, name);
            return false;
        }
    }
    return true;
}

static bool create(struct device *device, GError **error)
{
    VkPhysicalDevice16BitStorageFeatures storage16 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES,
        .storageBuffer16BitAccess = device->features.storage16,
    };
    VkPhysicalDeviceShaderFloat16Int8Features float16 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES,
        .shaderFloat16 = device->features.float16,
    };
    VkPhysicalDeviceBufferDeviceAddressFeatures address = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES,
        .bufferDeviceAddress = device->features.address,
    };
    VkPhysicalDeviceFeatures2 features = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = &storage16,
        .features.robustBufferAccess = device->features.robust,
        .features.shaderInt64 = device->features.address,
    };
    const char *extensions[2];
    uint32_t n_extensions = 0;
    if (device->features.float16) {
        storage16.pNext = &float16;
        if (device->float16_extension) {
            extensions[n_extensions++] = VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME;
        }
    }
    if (device->features.address) {
        address.pNext = features.pNext;
        features.pNext = &address;
        if (device->address_extension) {
            extensions[n_extensions++] = VK_KHR_BUFFER_DEVICE_ADDRESS_EXTENSION_NAME;
        }
    }
    float priority = 1.0f;
    VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = device->queue_family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &features,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = n_extensions,
        .ppEnabledExtensionNames = extensions,
    };
    VK(device, vkCreateDevice(device->physical, &info, NULL, &device->handle));
    if (!load_functions(device, error)) {
        goto error;
    }
    device->vk.vkGetDeviceQueue(device->handle, device->queue_family, 0, &device->queue);
    device->queue_lock = g_new0(GMutex, 1);
    g_mutex_init(device->queue_lock);
    return true;
error:
    return false;
}

static void destroy(struct device *device)
{
    if (device->handle && device->vk.vkDestroyDevice) {
        DESTROY(device, vkDestroyDevice(device->handle, NULL));
    }
    if (device->queue_lock) {
        g_mutex_clear(device->queue_lock);
        g_free(device->queue_lock);
    }
    probe_finish(device);
    loader_close(device);
    g_free(device);
}

// A live device of the same GPU with the same features; a lost one is never handed out again.
static struct device *find_shared_locked(const struct device *wanted)
{
    for (guint i = 0; shared && i < shared->len; i++) {
        struct device *device = g_ptr_array_index(shared, i);
        if (!g_atomic_int_get(&device->lost) && device->index == wanted->index &&
            memcmp(device->uuid, wanted->uuid, VK_UUID_SIZE) == 0 &&
            memcmp(&device->features, &wanted->features, sizeof wanted->features) == 0) {
            return device;
        }
    }
    return NULL;
}

// Opens the loader and finds the physical device. NULL with *error.
static struct device *find(const char *spec, GError **error)
{
    struct device *device = g_new0(struct device, 1);
    if (!loader_open(device, error) || !choose(device, spec, error)) {
        destroy(device);
        return NULL;
    }
    return device;
}

struct device *device_new(const char *spec, GError **error)
{
    g_mutex_lock(&shared_lock);
    struct device *device = find(spec, error);
    if (!device) {
        goto error;
    }
    struct device *same = find_shared_locked(device);
    if (same) {
        destroy(device);
        device = same;
    } else {
        if (!create(device, error)) {
            destroy(device);
            goto error;
        }
        if (!shared) {
            shared = g_ptr_array_new();
        }
        g_ptr_array_add(shared, device);
    }
    device->references++;
    g_mutex_unlock(&shared_lock);
    return device;
error:
    g_mutex_unlock(&shared_lock);
    return NULL;
}

struct device *device_new_alone(const struct device *same, GError **error)
{
    g_autofree char *spec = g_strdup_printf("%u", same->index);
    struct device *device = find(spec, error);
    if (!device) {
        return NULL;
    }
    if (memcmp(device->uuid, same->uuid, VK_UUID_SIZE) != 0) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_NOT_FOUND,
                    "Vulkan device %u is %s now, no longer %s: start again", same->index,
                    device->name, same->name);
        goto error;
    }
    device->features = same->features;
    if (!create(device, error)) {
        goto error;
    }
    device->references = 1;
    return device;
error:
    destroy(device);
    return NULL;
}

void device_abandon(struct device *device)
{
    g_atomic_int_set(&device->lost, 1);
    if (g_atomic_int_compare_and_exchange(&device->abandoned, 0, 1)) {
        log_warning("%s still works on a frame that took too long: its memory is not freed",
                    device->name);
    }
}

// A lost device says so at once; one that only seems to be lost, because a frame took too long, may
// never.
void device_settle(struct device *device, VkFence fence)
{
    VkResult result = VK_ERROR_OUT_OF_HOST_MEMORY;
    for (int i = 0; i < MAX_TRIES && result < 0 && result != VK_ERROR_DEVICE_LOST; i++) {
        uint64_t limit_ns = g_atomic_int_get(&device->lost) ? LAST_WAIT_NS : device->patience_ns;
        result = device->vk.vkWaitForFences(device->handle, 1, &fence, VK_TRUE, limit_ns);
    }
    if (result != VK_SUCCESS && result != VK_ERROR_DEVICE_LOST) {
        device_abandon(device);
    }
}

void device_free(struct device **pointer)
{
    struct device *device = pointer ? *pointer : NULL;
    if (!device) {
        return;
    }
    *pointer = NULL;
    g_mutex_lock(&shared_lock);
    if (--device->references == 0) {
        if (shared && g_ptr_array_remove_fast(shared, device) && shared->len == 0) {
            g_clear_pointer(&shared, g_ptr_array_unref);
        }
        destroy(device);
    }
    g_mutex_unlock(&shared_lock);
}

// Name, code and advice for the results that the calls of this engine can return.
static const struct result_row {
    VkResult result;
    EffdetErrorCode code;
    const char *name, *advice;
} result_table[] = {
    {VK_ERROR_OUT_OF_HOST_MEMORY, EFFDET_ERROR_OUT_OF_MEMORY, "VK_ERROR_OUT_OF_HOST_MEMORY",
     "close other programs or use a smaller model"},
    {VK_ERROR_OUT_OF_DEVICE_MEMORY, EFFDET_ERROR_OUT_OF_MEMORY, "VK_ERROR_OUT_OF_DEVICE_MEMORY",
     "use a smaller model, fewer frames in flight or another device"},
    {VK_ERROR_OUT_OF_POOL_MEMORY, EFFDET_ERROR_OUT_OF_MEMORY, "VK_ERROR_OUT_OF_POOL_MEMORY",
     "use a smaller model or another device"},
    {VK_ERROR_FRAGMENTED_POOL, EFFDET_ERROR_OUT_OF_MEMORY, "VK_ERROR_FRAGMENTED_POOL",
     "use a smaller model or another device"},
    {VK_ERROR_MEMORY_MAP_FAILED, EFFDET_ERROR_OUT_OF_MEMORY, "VK_ERROR_MEMORY_MAP_FAILED",
     "close other programs or use a smaller model"},
    {VK_ERROR_TOO_MANY_OBJECTS, EFFDET_ERROR_OUT_OF_MEMORY, "VK_ERROR_TOO_MANY_OBJECTS",
     "use fewer engines at once"},
    {VK_ERROR_INITIALIZATION_FAILED, EFFDET_ERROR_NO_VULKAN, "VK_ERROR_INITIALIZATION_FAILED",
     "the driver does not start: check its installation and the permissions of /dev/dri"},
    {VK_ERROR_INCOMPATIBLE_DRIVER, EFFDET_ERROR_NO_VULKAN, "VK_ERROR_INCOMPATIBLE_DRIVER",
     "install a driver for Vulkan 1.1 or newer"},
    {VK_ERROR_LAYER_NOT_PRESENT, EFFDET_ERROR_NO_VULKAN, "VK_ERROR_LAYER_NOT_PRESENT",
     "VK_INSTANCE_LAYERS names a layer that is not installed"},
    {VK_ERROR_EXTENSION_NOT_PRESENT, EFFDET_ERROR_FAILED, "VK_ERROR_EXTENSION_NOT_PRESENT",
     "update the driver"},
    {VK_ERROR_FEATURE_NOT_PRESENT, EFFDET_ERROR_FAILED, "VK_ERROR_FEATURE_NOT_PRESENT",
     "switch the feature off with EFFDET_DISABLE"},
    {VK_ERROR_INVALID_SHADER_NV, EFFDET_ERROR_FAILED, "VK_ERROR_INVALID_SHADER",
     "the driver refuses a shader: update it or use another device"},
    {VK_ERROR_DEVICE_LOST, EFFDET_ERROR_DEVICE_LOST, "VK_ERROR_DEVICE_LOST",
     "the device was reset or taken away: make a new engine, with a smaller model if it comes "
     "back"},
    {VK_TIMEOUT, EFFDET_ERROR_DEVICE_LOST, "VK_TIMEOUT",
     "the device does not answer: use a smaller model or a longer timeout"},
    {VK_ERROR_UNKNOWN, EFFDET_ERROR_FAILED, "VK_ERROR_UNKNOWN",
     "update the driver or use another device"},
};

bool device_error(struct device *device, VkResult result, const char *call, GError **error)
{
    const struct result_row *row = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(result_table) && !row; i++) {
        row = result_table[i].result == result ? &result_table[i] : NULL;
    }
    if (device && (result == VK_ERROR_DEVICE_LOST || result == VK_TIMEOUT)) {
        g_atomic_int_set(&device->lost, 1);
    }
    int length = (int)strcspn(call, "(");
    const char *on = device && device->name ? " on " : "";
    const char *name = device && device->name ? device->name : "";
    if (row) {
        g_set_error(error, EFFDET_ERROR, row->code, "%.*s failed%s%s: %s: %s", length, call, on,
                    name, row->name, row->advice);
    } else {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED,
                    "%.*s failed%s%s: VkResult %d: update the driver or use another device", length,
                    call, on, name, (int)result);
    }
    return false;
}
