// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Opening libvulkan at run time, the instance, and the messages for machines that lack one of them.
#include "gpu/probe.h"

#include <dlfcn.h>
#include <string.h>

#include "effdet/effdet.h"

#define INSTALL_HINT "install a driver, e.g. the package mesa-vulkan-drivers"

static const char *const library_names[] = {"libvulkan.so.1", "libvulkan.so"};

static int count_json(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    int count = 0;
    for (const char *name = NULL; dir && (name = g_dir_read_name(dir));) {
        count += g_str_has_suffix(name, ".json");
    }
    return count;
}

// Adds BASE/vulkan/icd.d with the number of driver files in it.
static void add_folder(GString *text, const char *base)
{
    g_autofree char *folder = g_build_filename(base, "vulkan", "icd.d", NULL);
    if (strstr(text->str, folder)) {
        return;
    }
    int count = count_json(folder);
    g_string_append_printf(text, "%s%s (%d)", text->len ? ", " : "", folder, count);
}

char *loader_search_text(void)
{
    const char *variables[] = {"VK_DRIVER_FILES", "VK_ICD_FILENAMES"};
    for (size_t i = 0; i < G_N_ELEMENTS(variables); i++) {
        const char *value = g_getenv(variables[i]);
        if (value && *value) {
            return g_strdup_printf(
                "drivers were looked for in %s=%s only (unset it, or " INSTALL_HINT ")",
                variables[i], value);
        }
    }
    g_autoptr(GString) text = g_string_new(NULL);
    add_folder(text, g_get_user_config_dir());
    for (const char *const *dir = g_get_system_config_dirs(); *dir; dir++) {
        add_folder(text, *dir);
    }
    add_folder(text, "/usr/local/etc");
    add_folder(text, "/etc");
    add_folder(text, g_get_user_data_dir());
    for (const char *const *dir = g_get_system_data_dirs(); *dir; dir++) {
        add_folder(text, *dir);
    }
    add_folder(text, "/usr/share");
    const char *extra = g_getenv("VK_ADD_DRIVER_FILES");
    return g_strdup_printf(
        "VK_DRIVER_FILES and VK_ICD_FILENAMES are unset; driver files (*.json) were "
        "looked for in %s%s%s (" INSTALL_HINT ")",
        text->str, extra && *extra ? ", VK_ADD_DRIVER_FILES=" : "", extra ? extra : "");
}

// The driver and its threads must stay mapped after the last instance is gone (thread-local
// destructors, leak checkers' symbols): RTLD_NODELETE.
static void *open_library(GError **error)
{
    g_autoptr(GString) reasons = g_string_new(NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(library_names); i++) {
        void *library = dlopen(library_names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        if (library) {
            return library;
        }
        g_string_append_printf(reasons, "%s%s", i ? "; " : "", dlerror());
    }
    g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_NO_VULKAN,
                "no Vulkan loader: looked for %s and %s (%s); install the package libvulkan1 and a "
                "driver, e.g. mesa-vulkan-drivers",
                library_names[0], library_names[1], reasons->str);
    return NULL;
}

static bool load_global(struct device *device, PFN_vkGetInstanceProcAddr get, GError **error)
{
#define X(name) device->vk.name = (PFN_##name)(void *)get(VK_NULL_HANDLE, #name);
    VK_GLOBAL_FUNCTIONS(X)
#undef X
    uint32_t version = VK_API_VERSION_1_0; // a 1.0 loader lacks the function
    if (device->vk.vkEnumerateInstanceVersion) {
        device->vk.vkEnumerateInstanceVersion(&version);
    }
    if (!device->vk.vkCreateInstance || version < VK_API_VERSION_1_1) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_NO_VULKAN,
                    "Vulkan 1.1 wanted, the loader on this system speaks %u.%u: install a newer "
                    "libvulkan1",
                    VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version));
        return false;
    }
    device->api_version = MIN(version, VK_API_VERSION_1_3);
    return true;
}

static bool load_instance(struct device *device, PFN_vkGetInstanceProcAddr get, GError **error)
{
#define X(name)                                                                                    \
    device->vk.name = (PFN_##name)(void *)get(device->instance, #name);                            \
    if (!device->vk.name) {                                                                        \
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_NO_VULKAN,                                   \
                    "the Vulkan loader has no %s: install a newer libvulkan1", #name);             \
        return false;                                                                              \
    }
    VK_INSTANCE_FUNCTIONS(X)
#undef X
    return true;
}

static bool create_instance(struct device *device, GError **error)
{
    VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = "effdet",
        .pEngineName = "effdet",
        .apiVersion = device->api_version,
    };
    VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = &application,
    };
    VkResult result = device->vk.vkCreateInstance(&info, NULL, &device->instance);
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER) {
        g_autofree char *search = loader_search_text();
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_NO_VULKAN,
                    "the Vulkan loader is there but no driver (ICD) works: %s", search);
        return false;
    }
    if (result == VK_ERROR_OUT_OF_HOST_MEMORY) { // old loaders say so of a file that is no JSON
        g_autofree char *search = loader_search_text();
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_NO_VULKAN,
                    "vkCreateInstance failed: VK_ERROR_OUT_OF_HOST_MEMORY: no memory is left, or a "
                    "driver file (ICD) is damaged: %s",
                    search);
        return false;
    }
    return result == VK_SUCCESS || device_error(NULL, result, "vkCreateInstance", error);
}

bool loader_open(struct device *device, GError **error)
{
    device->loader = open_library(error);
    if (!device->loader) {
        return false;
    }
    PFN_vkGetInstanceProcAddr get =
        (PFN_vkGetInstanceProcAddr)dlsym(device->loader, "vkGetInstanceProcAddr");
    if (!get) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_NO_VULKAN,
                    "the Vulkan loader has no vkGetInstanceProcAddr: reinstall libvulkan1");
        goto error;
    }
    if (!load_global(device, get, error) || !create_instance(device, error)) {
        goto error;
    }
    if (!load_instance(device, get, error)) {
        goto error;
    }
    return true;
error:
    loader_close(device);
    return false;
}

void loader_close(struct device *device)
{
    if (device->instance && device->vk.vkDestroyInstance) {
        DESTROY(device, vkDestroyInstance(device->instance, NULL));
    }
    device->instance = VK_NULL_HANDLE;
    if (device->loader && !g_atomic_int_get(&device->abandoned)) {
        dlclose(device->loader);
    }
    device->loader = NULL;
}

VkPhysicalDevice *loader_physical_devices(const struct device *device, uint32_t *count,
                                          GError **error)
{
    *count = 0;
    VkResult result = device->vk.vkEnumeratePhysicalDevices(device->instance, count, NULL);
    g_autofree VkPhysicalDevice *physical = g_new0(VkPhysicalDevice, *count + 1);
    if (result == VK_SUCCESS && *count) {
        result = device->vk.vkEnumeratePhysicalDevices(device->instance, count, physical);
    }
    // Old loaders say so where no driver works.
    if (result < VK_SUCCESS && result != VK_ERROR_INITIALIZATION_FAILED) {
        device_error(NULL, result, "vkEnumeratePhysicalDevices", error);
        return NULL;
    }
    // A device that comes or goes between the two calls gives VK_INCOMPLETE: what was written
    // counts.
    if (result < VK_SUCCESS || *count == 0) {
        g_autofree char *search = loader_search_text();
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_NO_VULKAN,
                    "the Vulkan loader is there but found no device: %s", search);
        return NULL;
    }
    return g_steal_pointer(&physical);
}
