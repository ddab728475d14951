// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The public list of devices. Creates an instance for the time of the call, no device.
#include "gpu/probe.h"

#include "effdet/effdet.h"

static void free_entry(gpointer data)
{
    EffdetDevice *entry = data;
    g_free(entry->name);
    g_free(entry->type);
    g_free(entry->driver);
    g_free(entry->uuid);
    g_free(entry->device_class);
    g_strfreev(entry->features);
    g_free(entry);
}

static EffdetDevice *make_entry(const struct device *device)
{
    EffdetDevice *entry = g_new0(EffdetDevice, 1);
    entry->index = device->index;
    entry->name = g_strdup(device->name);
    entry->type = g_strdup(probe_type_name(device->properties.deviceType));
    entry->driver = g_strdup(device->driver_text);
    entry->uuid = g_malloc0(VK_UUID_SIZE * 2 + 1);
    for (unsigned i = 0; i < VK_UUID_SIZE; i++) {
        g_snprintf(entry->uuid + i * 2, 3, "%02x", device->uuid[i]);
    }
    entry->device_class = g_strdup(device_class_name(device->device_class));
    entry->features = device_feature_names(&device->features);
    return entry;
}

GPtrArray *effdet_devices(gchar **reason)
{
    GPtrArray *devices = g_ptr_array_new_with_free_func(free_entry);
    struct device base = {0};
    g_autoptr(GError) error = NULL;
    g_autofree VkPhysicalDevice *physical = NULL;
    uint32_t count = 0;
    if (loader_open(&base, &error)) {
        physical = loader_physical_devices(&base, &count, &error);
    }
    for (uint32_t i = 0; physical && i < count; i++) {
        struct device device = base;
        g_autoptr(GError) unsuitable = NULL;
        if (probe_init(&device, physical[i], i, &unsuitable)) {
            g_ptr_array_add(devices, make_entry(&device));
        } else if (!error) {
            error = g_steal_pointer(&unsuitable);
        }
        probe_finish(&device);
    }
    loader_close(&base);
    if (reason) {
        *reason = devices->len || !error ? NULL : g_strdup(error->message);
    }
    return devices;
}
