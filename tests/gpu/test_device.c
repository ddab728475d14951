// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Choice and sharing of devices, masked features, the public list, and the errors of machines
// without a driver.
#include "gpu_test.h"

#include <string.h>

static char *first_uuid(const struct device *device, bool dashes)
{
    GString *text = g_string_new(NULL);
    for (unsigned i = 0; i < VK_UUID_SIZE; i++) {
        g_string_append_printf(text, "%s%02X", dashes && i && i % 4 == 0 ? "-" : "",
                               device->uuid[i]);
    }
    return g_string_free(text, FALSE);
}

static void test_choice(void)
{
    struct device *device;
    if (!gpu_test_device(&device)) {
        return;
    }
    g_assert_cmpint(device->references, ==, 1);
    g_autofree char *index = g_strdup_printf("%u", device->index);
    g_autofree char *uuid = first_uuid(device, false);
    g_autofree char *dashed = first_uuid(device, true);
    g_autofree char *part = g_ascii_strup(device->name, 5);
    const char *specs[] = {"auto", "AUTO", "", index, uuid, dashed, part, device->name};
    for (size_t i = 0; i < G_N_ELEMENTS(specs); i++) {
        g_autoptr(GError) error = NULL;
        struct device *same = device_new(specs[i], &error);
        g_assert_no_error(error);
        g_assert_true(same == device); // shared
        g_assert_cmpint(device->references, ==, 2);
        device_free(&same);
        g_assert_null(same);
    }
    device_free(&device);
    device_free(&device);
    device_free(NULL);
}

static void test_unknown(void)
{
    struct device *device;
    if (!gpu_test_device(&device)) {
        return;
    }
    const char *specs[] = {"99", "no such device", "00000000000000000000000000000000", "-1"};
    for (size_t i = 0; i < G_N_ELEMENTS(specs); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(device_new(specs[i], &error));
        g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_NOT_FOUND);
        g_assert_nonnull(strstr(error->message, device->name)); // says what there is
        g_assert_nonnull(strstr(error->message, specs[i]));
        g_assert_null(strchr(error->message, '\n'));
    }
    device_free(&device);
}

static void test_facts(void)
{
    struct device *device;
    if (!gpu_test_device(&device)) {
        return;
    }
    g_test_message("%s, %s, class %s, subgroup %u", device->name, device->driver_text,
                   device_class_name(device->device_class), device->subgroup_size);
    g_test_message("storage range %" G_GUINT64_FORMAT ", texels %" G_GUINT64_FORMAT
                   ", alignment storage %" G_GUINT64_FORMAT " texel %" G_GUINT64_FORMAT
                   " uniform %" G_GUINT64_FORMAT ", invocations %u, shared %u bytes",
                   device->limits.storage_range, device->limits.texel_elements,
                   device->limits.storage_alignment, device->limits.texel_alignment,
                   device->limits.uniform_alignment, device->limits.max_invocations,
                   device->limits.shared_bytes);
    // The floor of Vulkan 1.1.
    g_assert_cmpuint(device->limits.storage_range, >=, 1 << 27);
    g_assert_cmpuint(device->limits.texel_elements, >=, 65536);
    g_assert_cmpuint(device->limits.storage_alignment, <=, 256);
    g_assert_cmpuint(device->limits.max_invocations, >=, 128);
    g_assert_cmpuint(device->limits.shared_bytes, >=, 16384);
    g_assert_cmpuint(device->limits.max_allocation, >=, 1 << 30);
    g_assert_cmpuint(device->api_version, >=, VK_API_VERSION_1_1);
    g_assert_cmpint(device->is_cpu, ==,
                    device->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU);
    device_free(&device);
}

static void test_list(void)
{
    char *reason = NULL;
    g_autoptr(GPtrArray) devices = effdet_devices(&reason);
    g_assert_true((devices->len == 0) == (reason != NULL));
    g_free(reason);
    for (guint i = 0; i < devices->len; i++) {
        const EffdetDevice *entry = g_ptr_array_index(devices, i);
        g_autoptr(GError) error = NULL;
        struct device *device = device_new(entry->uuid, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(device->name, ==, entry->name);
        g_assert_cmpstr(device->driver_text, ==, entry->driver);
        g_assert_cmpstr(device_class_name(device->device_class), ==, entry->device_class);
        g_assert_cmpint((int)strlen(entry->uuid), ==, 32);
        g_auto(GStrv) features = device_feature_names(&device->features);
        g_assert_cmpstrv(features, entry->features);
        device_free(&device);
    }
    g_ptr_array_unref(effdet_devices(NULL));
}

static void test_disable(void)
{
    struct device *plain, *masked;
    if (!gpu_test_device(&plain)) {
        return;
    }
    g_autofree char *message = NULL;
    gpu_test_messages(NULL);
    g_setenv("EFFDET_DISABLE", "storage16, texel,timestamps,warp", TRUE);
    g_autoptr(GError) error = NULL;
    masked = device_new(NULL, &error);
    g_assert_no_error(error);
    g_assert_true(masked != plain); // other features, other device
    g_assert_false(masked->features.storage16 || masked->features.texel ||
                   masked->features.timestamps);
    g_assert_cmpint(masked->features.float16, ==, plain->features.float16);
    g_assert_cmpint(gpu_test_messages(&message), ==, 1);
    g_assert_nonnull(strstr(message, "\"warp\""));
    g_assert_nonnull(strstr(message, "storage16, float16, timestamps, texel, address, lanes, robust"));
    struct device *again = device_new(NULL, &error);
    g_assert_true(again == masked);
    g_assert_cmpint(gpu_test_messages(NULL), ==, 0); // said once
    g_unsetenv("EFFDET_DISABLE");
    device_free(&again);
    device_free(&masked);
    device_free(&plain);
}

static void test_no_driver(void)
{
    g_autofree char *saved = g_strdup(g_getenv("VK_ICD_FILENAMES"));
    g_autofree char *saved_new = g_strdup(g_getenv("VK_DRIVER_FILES"));
    g_autofree char *reason = NULL;
    g_autoptr(GError) error = NULL;
    g_unsetenv("VK_DRIVER_FILES");
    g_setenv("VK_ICD_FILENAMES", "/nonexistent/none.json", TRUE);
    g_assert_null(device_new(NULL, &error));
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_NO_VULKAN);
    g_assert_nonnull(strstr(error->message, "VK_ICD_FILENAMES=/nonexistent/none.json"));
    g_assert_nonnull(strstr(error->message, "mesa-vulkan-drivers"));
    g_autoptr(GPtrArray) devices = effdet_devices(&reason);
    g_assert_cmpuint(devices->len, ==, 0);
    g_assert_cmpstr(reason, ==, error->message);
    g_unsetenv("VK_ICD_FILENAMES");
    if (saved) {
        g_setenv("VK_ICD_FILENAMES", saved, TRUE);
    }
    if (saved_new) {
        g_setenv("VK_DRIVER_FILES", saved_new, TRUE);
    }
}

static void test_lost(void)
{
    struct device *device;
    if (!gpu_test_device(&device)) {
        return;
    }
    g_autoptr(GError) error = NULL;
    g_assert_false(device_error(device, VK_ERROR_DEVICE_LOST, "vkQueueSubmit(queue)", &error));
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_DEVICE_LOST);
    g_assert_true(g_str_has_prefix(error->message, "vkQueueSubmit failed"));
    g_assert_cmpint(device->lost, ==, 1);
    struct device *fresh = device_new(NULL, NULL); // a lost device is not handed out again
    g_assert_nonnull(fresh);
    g_assert_true(fresh != device);
    device_free(&fresh);
    device_free(&device);
}

// A device that shares nothing, whichever of the two goes first.
static void test_alone(void)
{
    for (int first = 0; first < 2; first++) {
        g_autoptr(GError) error = NULL;
        struct device *devices[2];
        if (!gpu_test_device(&devices[0])) {
            return;
        }
        devices[1] = device_new_alone(devices[0], &error);
        g_assert_no_error(error);
        g_assert_true(devices[1]->handle != devices[0]->handle);
        g_assert_true(devices[1]->queue != devices[0]->queue);
        g_assert_true(devices[1]->queue_lock != devices[0]->queue_lock);
        g_assert_cmpstr(devices[1]->name, ==, devices[0]->name);
        g_assert_cmpmem(&devices[1]->features, sizeof devices[1]->features, &devices[0]->features,
                        sizeof devices[0]->features);
        struct device *same = device_new(NULL, &error);
        g_assert_no_error(error);
        g_assert_true(same == devices[0]); // never the other
        device_free(&same);
        device_free(&devices[first]);
        struct buffer buffer;
        struct device *other = devices[1 - first];
        g_assert_true(buffer_init(&buffer, other, 1024, MEMORY_DEVICE, &error));
        buffer_finish(&buffer, other);
        device_free(&devices[1 - first]);
    }
    struct device *device;
    g_autoptr(GError) error = NULL;
    g_assert_true(gpu_test_device(&device));
    device->uuid[0] ^= 1; // as if another device were in its place now
    g_assert_null(device_new_alone(device, &error));
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_NOT_FOUND);
    device_free(&device);
}

static void test_error_codes(void)
{
    static const struct {
        VkResult result;
        EffdetErrorCode code;
    } rows[] = {
        {VK_ERROR_OUT_OF_HOST_MEMORY, EFFDET_ERROR_OUT_OF_MEMORY},
        {VK_ERROR_OUT_OF_DEVICE_MEMORY, EFFDET_ERROR_OUT_OF_MEMORY},
        {VK_ERROR_INITIALIZATION_FAILED, EFFDET_ERROR_NO_VULKAN},
        {VK_ERROR_UNKNOWN, EFFDET_ERROR_FAILED},
        {VK_ERROR_FORMAT_NOT_SUPPORTED, EFFDET_ERROR_FAILED}, // not in the table
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(device_error(NULL, rows[i].result, "vkThing", &error));
        g_assert_error(error, EFFDET_ERROR, (int)rows[i].code);
        g_assert_true(g_str_has_prefix(error->message, "vkThing failed: "));
    }
}

static gpointer use_device(gpointer data)
{
    for (int i = 0; i < 10; i++) {
        struct device *device = device_new(NULL, NULL);
        g_assert_nonnull(device);
        device_free(&device);
    }
    return NULL;
}

static void test_threads(void)
{
    struct device *device;
    if (!gpu_test_device(&device)) {
        return;
    }
    device_free(&device);
    GThread *threads[3];
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        threads[i] = g_thread_new("device", use_device, NULL);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_thread_join(threads[i]);
    }
}

int main(int argc, char **argv)
{
    gpu_test_init(&argc, &argv);
    g_test_add_func("/device/choice", test_choice);
    g_test_add_func("/device/unknown", test_unknown);
    g_test_add_func("/device/facts", test_facts);
    g_test_add_func("/device/list", test_list);
    g_test_add_func("/device/disable", test_disable);
    g_test_add_func("/device/no-driver", test_no_driver);
    g_test_add_func("/device/lost", test_lost);
    g_test_add_func("/device/alone", test_alone);
    g_test_add_func("/device/error-codes", test_error_codes);
    g_test_add_func("/device/threads", test_threads);
    return gpu_test_run();
}
