// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A machine without libvulkan, or with one that is too old: this program is linked with --wrap, so
// that the engine's calls of dlopen() and its kin come here.
#include "gpu_test.h"

#include <string.h>

static enum { MISSING, EMPTY, OLD, REFUSING } scene;

static VKAPI_ATTR VkResult VKAPI_CALL old_version(uint32_t *version)
{
    *version = VK_API_VERSION_1_0;
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL new_version(uint32_t *version)
{
    *version = VK_API_VERSION_1_1;
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL refuse(const VkInstanceCreateInfo *info,
                                             const VkAllocationCallbacks *allocator,
                                             VkInstance *instance)
{
    return VK_ERROR_INCOMPATIBLE_DRIVER;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_proc(VkInstance instance, const char *name)
{
    if (strcmp(name, "vkEnumerateInstanceVersion") == 0) {
        return (PFN_vkVoidFunction)(scene == OLD ? old_version : new_version);
    }
    return strcmp(name, "vkCreateInstance") == 0 ? (PFN_vkVoidFunction)refuse : NULL;
}

void *__wrap_dlopen(const char *name, int flags);
char *__wrap_dlerror(void);
void *__wrap_dlsym(void *library, const char *name);
int __wrap_dlclose(void *library);

void *__wrap_dlopen(const char *name, int flags)
{
    g_assert_true(g_str_has_prefix(name, "libvulkan.so"));
    return scene == MISSING ? NULL : &scene;
}

char *__wrap_dlerror(void)
{
    static char text[] = "no such library here";
    return text;
}

void *__wrap_dlsym(void *library, const char *name)
{
    g_assert_true(library == &scene);
    g_assert_cmpstr(name, ==, "vkGetInstanceProcAddr");
    return scene == EMPTY ? NULL : (void *)get_proc;
}

int __wrap_dlclose(void *library)
{
    g_assert_true(library == &scene);
    return 0;
}

static void check(const char *const *parts)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *reason = NULL;
    g_assert_null(device_new(NULL, &error));
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_NO_VULKAN);
    for (; *parts; parts++) {
        if (!strstr(error->message, *parts)) {
            g_error("\"%s\" does not say \"%s\"", error->message, *parts);
        }
    }
    g_assert_null(strchr(error->message, '\n'));
    g_autoptr(GPtrArray) devices = effdet_devices(&reason);
    g_assert_cmpuint(devices->len, ==, 0);
    g_assert_cmpstr(reason, ==, error->message);
    g_ptr_array_unref(effdet_devices(NULL));
}

static void test_missing(void)
{
    scene = MISSING;
    check((const char *[]){"libvulkan.so.1", "no such library here", "libvulkan1",
                           "mesa-vulkan-drivers", NULL});
}

static void test_empty(void)
{
    scene = EMPTY;
    check((const char *[]){"vkGetInstanceProcAddr", NULL});
}

static void test_old(void)
{
    scene = OLD;
    check((const char *[]){"1.1 wanted", "1.0", NULL});
}

static void test_no_icd(void)
{
    scene = REFUSING;
    g_unsetenv("VK_DRIVER_FILES");
    g_unsetenv("VK_ICD_FILENAMES");
    check((const char *[]){"/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "VK_ICD_FILENAMES",
                           "mesa-vulkan-drivers", NULL});
}

int main(int argc, char **argv)
{
    gpu_test_init(&argc, &argv);
    g_test_add_func("/no-loader/missing", test_missing);
    g_test_add_func("/no-loader/empty", test_empty);
    g_test_add_func("/no-loader/old", test_old);
    g_test_add_func("/no-loader/no-icd", test_no_icd);
    return gpu_test_run();
}
