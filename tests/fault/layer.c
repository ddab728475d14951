// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The layer as the Vulkan loader sees it: negotiation, the chains of instances and devices, and who
// answers for which function. The protocol:
// https://github.com/KhronosGroup/Vulkan-Loader/blob/main/docs/LoaderLayerInterface.md
#include "layer.h"

#include <string.h>
#include <time.h>

#define MAX_CHAINS 64
#define LAYER_NAME "VK_LAYER_EFFDET_fault"

pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t changed;
static struct instance_chain instances[MAX_CHAINS];
static struct device_chain devices[MAX_CHAINS];

EXPORT VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL
effdet_fault_GetInstanceProcAddr(VkInstance instance, const char *name);
EXPORT VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL effdet_fault_GetDeviceProcAddr(VkDevice device,
                                                                               const char *name);

// ---- time

__attribute__((constructor)) static void make_condition(void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void wait_until_ns(int64_t ns)
{
    if (ns == INT64_MAX) {
        pthread_cond_wait(&changed, &lock);
    } else {
        struct timespec until = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
        pthread_cond_timedwait(&changed, &lock, &until);
    }
}

// ---- chains

static void *key_of(const void *handle)
{
    return *(void *const *)handle;
}

// An instance's by its key; a free one with NULL. Under lock.
static struct instance_chain *find_instance(const void *key)
{
    for (int i = 0; i < MAX_CHAINS; i++) {
        if (instances[i].key == key) {
            return &instances[i];
        }
    }
    return NULL;
}

static struct device_chain *find_device(const void *key)
{
    for (int i = 0; i < MAX_CHAINS; i++) {
        if (devices[i].key == key) {
            return &devices[i];
        }
    }
    return NULL;
}

struct instance_chain *instance_of(const void *handle)
{
    pthread_mutex_lock(&lock);
    struct instance_chain *chain = find_instance(key_of(handle));
    pthread_mutex_unlock(&lock);
    return chain;
}

struct device_chain *device_of(const void *handle)
{
    pthread_mutex_lock(&lock);
    struct device_chain *chain = find_device(key_of(handle));
    pthread_mutex_unlock(&lock);
    return chain;
}

void lose_all(void)
{
    for (int i = 0; i < MAX_CHAINS; i++) {
        devices[i].lost = devices[i].key != NULL;
    }
    pthread_cond_broadcast(&changed);
}

// ---- instances and devices

VKAPI_ATTR VkResult VKAPI_CALL layer_vkCreateInstance(const VkInstanceCreateInfo *info,
                                                      const VkAllocationCallbacks *callbacks,
                                                      VkInstance *instance);
VKAPI_ATTR void VKAPI_CALL layer_vkDestroyInstance(VkInstance instance,
                                                   const VkAllocationCallbacks *callbacks);
VKAPI_ATTR VkResult VKAPI_CALL layer_vkCreateDevice(VkPhysicalDevice physical,
                                                    const VkDeviceCreateInfo *info,
                                                    const VkAllocationCallbacks *callbacks,
                                                    VkDevice *device);
VKAPI_ATTR void VKAPI_CALL layer_vkDestroyDevice(VkDevice device,
                                                 const VkAllocationCallbacks *callbacks);

VkResult layer_vkCreateInstance(const VkInstanceCreateInfo *info,
                                const VkAllocationCallbacks *callbacks, VkInstance *instance)
{
    VkLayerInstanceCreateInfo *link = (VkLayerInstanceCreateInfo *)info->pNext;
    while (link && !(link->sType == VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO &&
                     link->function == VK_LAYER_LINK_INFO)) {
        link = (VkLayerInstanceCreateInfo *)link->pNext;
    }
    VkResult result = link ? faults_check(CALL_vkCreateInstance, NULL) : VK_ERROR_UNKNOWN;
    if (result != VK_SUCCESS) {
        return result;
    }
    struct instance_chain chain = {.get = link->u.pLayerInfo->pfnNextGetInstanceProcAddr};
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    chain.vkCreateInstance =
        (PFN_vkCreateInstance)(void *)chain.get(VK_NULL_HANDLE, "vkCreateInstance");
    result = chain.vkCreateInstance(info, callbacks, instance);
    if (result != VK_SUCCESS) {
        return result;
    }
    chain.key = key_of(*instance);
    chain.handle = *instance;
#define X(name, ...) chain.name = (PFN_##name)(void *)chain.get(*instance, #name);
    INSTANCE_CALLS(X)
    INSTANCE_VOIDS(X)
#undef X
    pthread_mutex_lock(&lock);
    struct instance_chain *place = find_instance(NULL);
    if (place) {
        *place = chain;
    }
    pthread_mutex_unlock(&lock);
    if (!place) {
        chain.vkDestroyInstance(*instance, callbacks);
        return VK_ERROR_TOO_MANY_OBJECTS;
    }
    return VK_SUCCESS;
}

void layer_vkDestroyInstance(VkInstance instance, const VkAllocationCallbacks *callbacks)
{
    struct instance_chain *chain = instance ? instance_of(instance) : NULL;
    if (!chain) {
        return;
    }
    PFN_vkDestroyInstance destroy = chain->vkDestroyInstance;
    pthread_mutex_lock(&lock);
    chain->key = NULL;
    pthread_mutex_unlock(&lock);
    destroy(instance, callbacks);
}

static double tick_ns_of(const struct instance_chain *instance, VkPhysicalDevice physical)
{
    PFN_vkGetPhysicalDeviceProperties get =
        (PFN_vkGetPhysicalDeviceProperties)(void *)instance->get(instance->handle,
                                                                 "vkGetPhysicalDeviceProperties");
    VkPhysicalDeviceProperties properties;
    get(physical, &properties);
    return properties.limits.timestampPeriod > 0 ? (double)properties.limits.timestampPeriod : 1;
}

VkResult layer_vkCreateDevice(VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
                              const VkAllocationCallbacks *callbacks, VkDevice *device)
{
    VkLayerDeviceCreateInfo *link = (VkLayerDeviceCreateInfo *)info->pNext;
    while (link && !(link->sType == VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO &&
                     link->function == VK_LAYER_LINK_INFO)) {
        link = (VkLayerDeviceCreateInfo *)link->pNext;
    }
    VkResult result = link ? faults_check(CALL_vkCreateDevice, NULL) : VK_ERROR_UNKNOWN;
    if (result != VK_SUCCESS) {
        return result;
    }
    struct instance_chain *instance = instance_of(physical);
    PFN_vkGetInstanceProcAddr get = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    struct device_chain chain = {.get = link->u.pLayerInfo->pfnNextGetDeviceProcAddr};
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    PFN_vkCreateDevice create = (PFN_vkCreateDevice)(void *)get(instance->handle, "vkCreateDevice");
    result = create(physical, info, callbacks, device);
    if (result != VK_SUCCESS) {
        return result;
    }
    chain.key = key_of(*device);
    chain.handle = *device;
    chain.tick_ns = tick_ns_of(instance, physical);
#define X(name, ...) chain.name = (PFN_##name)(void *)chain.get(*device, #name);
    DEVICE_CALLS(X)
    DEVICE_VOIDS(X)
#undef X
    pthread_mutex_lock(&lock);
    chain.is_fake = frame_ns >= 0;
    struct device_chain *place = find_device(NULL);
    if (place) {
        *place = chain;
    }
    pthread_mutex_unlock(&lock);
    if (!place) {
        chain.vkDestroyDevice(*device, callbacks);
        return VK_ERROR_TOO_MANY_OBJECTS;
    }
    return VK_SUCCESS;
}

void layer_vkDestroyDevice(VkDevice device, const VkAllocationCallbacks *callbacks)
{
    struct device_chain *chain = device ? device_of(device) : NULL;
    if (!chain) {
        return;
    }
    PFN_vkDestroyDevice destroy = chain->vkDestroyDevice;
    pthread_mutex_lock(&lock);
    chain->key = NULL;
    pthread_mutex_unlock(&lock);
    destroy(device, callbacks);
}

// ---- what the loader asks for

PFN_vkVoidFunction effdet_fault_GetDeviceProcAddr(VkDevice device, const char *name)
{
    if (strcmp(name, "vkGetDeviceProcAddr") == 0) {
        return (PFN_vkVoidFunction)effdet_fault_GetDeviceProcAddr;
    }
    if (strcmp(name, "vkDestroyDevice") == 0) {
        return (PFN_vkVoidFunction)layer_vkDestroyDevice;
    }
    // What the driver lacks stays lacking.
    PFN_vkVoidFunction ours = calls_device(name);
    struct device_chain *chain = device_of(device);
    PFN_vkVoidFunction next = chain ? chain->get(device, name) : NULL;
    return next && ours ? ours : next;
}

PFN_vkVoidFunction effdet_fault_GetInstanceProcAddr(VkInstance instance, const char *name)
{
    static const struct {
        const char *name;
        PFN_vkVoidFunction function;
    } own[] = {
        {"vkGetInstanceProcAddr", (PFN_vkVoidFunction)effdet_fault_GetInstanceProcAddr},
        {"vkGetDeviceProcAddr", (PFN_vkVoidFunction)effdet_fault_GetDeviceProcAddr},
        {"vkCreateInstance", (PFN_vkVoidFunction)layer_vkCreateInstance},
        {"vkDestroyInstance", (PFN_vkVoidFunction)layer_vkDestroyInstance},
        {"vkCreateDevice", (PFN_vkVoidFunction)layer_vkCreateDevice},
        {"vkDestroyDevice", (PFN_vkVoidFunction)layer_vkDestroyDevice},
    };
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (strcmp(name, own[i].name) == 0) {
            return own[i].function;
        }
    }
    PFN_vkVoidFunction ours = calls_instance(name);
    ours = ours ? ours : calls_device(name);
    struct instance_chain *chain = instance ? instance_of(instance) : NULL;
    PFN_vkVoidFunction next = chain ? chain->get(instance, name) : NULL;
    return next && ours ? ours : next;
}

EXPORT VKAPI_ATTR VkResult VKAPI_CALL
vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *negotiation)
{
    faults_start();
    if (negotiation->loaderLayerInterfaceVersion < 2) {
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    negotiation->loaderLayerInterfaceVersion = 2;
    negotiation->pfnGetInstanceProcAddr = effdet_fault_GetInstanceProcAddr;
    negotiation->pfnGetDeviceProcAddr = effdet_fault_GetDeviceProcAddr;
    negotiation->pfnGetPhysicalDeviceProcAddr = NULL;
    return VK_SUCCESS;
}
