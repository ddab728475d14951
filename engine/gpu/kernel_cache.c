// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Reading, checking and writing the pipeline cache file. Pipelines themselves are in kernel.c.
#include "gpu/kernel_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "gpu/kernel.h"

#define MAX_CACHE_BYTES (256u << 20) // far above any real one (kilobytes to a few megabytes)

// In front of the driver's data, in the machine's own byte order: the file never travels.
struct file_header {
    char magic[8];
    uint64_t build;       // hash of every embedded SPIR-V module
    uint64_t bytes, hash; // of the driver's data that follows
    uint8_t device_uuid[VK_UUID_SIZE], driver_uuid[VK_UUID_SIZE];
    uint32_t driver_version, reserved; // reserved: 0
};
static const char magic[8] = "EFDETPC1";

uint64_t kernel_cache_hash(const void *data, size_t bytes)
{
    // FNV-1a over eight bytes at a time: against damage, not against attackers.
    uint64_t hash = 0xcbf29ce484222325u ^ bytes;
    const uint8_t *at = data;
    for (; bytes >= 8; bytes -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        hash = (hash ^ word) * 0x100000001b3u;
        hash ^= hash >> 32;
    }
    for (; bytes; bytes--, at++) {
        hash = (hash ^ *at) * 0x100000001b3u;
    }
    return hash ^ hash >> 29;
}

static uint64_t build_hash(void)
{
    static gsize once;
    if (g_once_init_enter(&once)) {
        size_t count;
        const struct spirv *table = spirv_table(&count);
        uint64_t hash = 1;
        for (size_t i = 0; i < count; i++) {
            hash = hash * 31 + kernel_cache_hash(table[i].words, table[i].bytes);
        }
        g_once_init_leave(&once, (gsize)hash | 1); // never 0
    }
    return once;
}

static struct file_header expected_header(const struct device *device)
{
    struct file_header header = {
        .build = build_hash(),
        .driver_version = device->properties.driverVersion,
    };
    memcpy(header.magic, magic, sizeof magic);
    memcpy(header.device_uuid, device->uuid, VK_UUID_SIZE);
    memcpy(header.driver_uuid, device->driver_uuid, VK_UUID_SIZE);
    return header;
}

char *kernel_cache_path(const struct device *device)
{
    struct file_header header = expected_header(device);
    g_autoptr(GString) name = g_string_new("pipelines-");
    for (unsigned i = 0; i < VK_UUID_SIZE; i++) {
        g_string_append_printf(name, "%02x", device->uuid[i]);
    }
    uint64_t driver = kernel_cache_hash(&header.device_uuid,
                                        sizeof header - offsetof(struct file_header, device_uuid));
    g_string_append_printf(name, "-%016" G_GINT64_MODIFIER "x-%016" G_GINT64_MODIFIER "x.bin",
                           driver, header.build);
    return g_build_filename(g_get_user_cache_dir(), "effdet", name->str, NULL);
}

// The header that Vulkan prescribes for cache data (version one), checked by hand: some drivers
// crash on data that is not theirs.
static const char *check_driver_data(const struct device *device, const uint8_t *data, size_t bytes)
{
    VkPipelineCacheHeaderVersionOne header;
    if (bytes < sizeof header) {
        return "is shorter than Vulkan's header";
    }
    memcpy(&header, data, sizeof header);
    if (header.headerSize < sizeof header || header.headerSize > bytes ||
        header.headerVersion != VK_PIPELINE_CACHE_HEADER_VERSION_ONE) {
        return "has no valid Vulkan header";
    }
    if (header.vendorID != device->properties.vendorID ||
        header.deviceID != device->properties.deviceID ||
        memcmp(header.pipelineCacheUUID, device->properties.pipelineCacheUUID, VK_UUID_SIZE) != 0) {
        return "is of another device or driver";
    }
    return NULL;
}

static const char *check_header(const struct device *device, const struct file_header *found,
                                uint64_t file_bytes)
{
    struct file_header wanted = expected_header(device);
    if (memcmp(found->magic, magic, sizeof magic) != 0 || found->reserved != 0) {
        return "is no pipeline cache of this version";
    }
    if (found->build != wanted.build || found->driver_version != wanted.driver_version ||
        memcmp(found->device_uuid, wanted.device_uuid, VK_UUID_SIZE) != 0 ||
        memcmp(found->driver_uuid, wanted.driver_uuid, VK_UUID_SIZE) != 0) {
        return "is of another device, driver or build";
    }
    if (file_bytes - sizeof *found != found->bytes) {
        return "is truncated or has grown";
    }
    return NULL;
}

static bool read_all(int fd, void *data, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t got = read(fd, (char *)data + done, bytes - done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        done += (size_t)got;
    }
    return true;
}

void *kernel_cache_read(const struct device *device, size_t *bytes)
{
    g_autofree char *path = kernel_cache_path(device);
    g_autofree void *data = NULL;
    const char *problem = NULL;
    struct file_header header;
    GStatBuf status;
    int fd = g_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0) {
        if (errno != ENOENT) {
            log_info("pipeline cache %s cannot be read: %s", path, g_strerror(errno));
        }
        return NULL;
    }
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        problem = "is not a file";
    } else if ((uint64_t)status.st_size < sizeof header || status.st_size > MAX_CACHE_BYTES ||
               !read_all(fd, &header, sizeof header)) {
        problem = "has an impossible size";
    } else {
        problem = check_header(device, &header, (uint64_t)status.st_size);
    }
    if (!problem) {
        data = g_malloc(header.bytes + 1);
        if (!read_all(fd, data, header.bytes) ||
            kernel_cache_hash(data, header.bytes) != header.hash) {
            problem = "is damaged";
        } else {
            problem = check_driver_data(device, data, header.bytes);
        }
    }
    close(fd);
    if (problem) {
        log_info("pipeline cache %s %s: not used, it will be written anew", path, problem);
        return NULL;
    }
    *bytes = header.bytes;
    return g_steal_pointer(&data);
}

void kernel_cache_write(const struct device *device, const void *data, size_t bytes)
{
    if (bytes == 0 || bytes > MAX_CACHE_BYTES - sizeof(struct file_header)) {
        return;
    }
    g_autofree char *path = kernel_cache_path(device);
    g_autofree char *folder = g_path_get_dirname(path);
    g_autoptr(GByteArray) file = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    struct file_header header = expected_header(device);
    header.bytes = bytes;
    header.hash = kernel_cache_hash(data, bytes);
    g_byte_array_append(file, (const guint8 *)&header, sizeof header);
    g_byte_array_append(file, data, (guint)bytes);
    if (g_mkdir_with_parents(folder, 0700) != 0) {
        log_info("pipeline cache: folder %s cannot be made: %s", folder, g_strerror(errno));
        return;
    }
    // CONSISTENT: temporary file + rename.
    if (!g_file_set_contents_full(path, (const char *)file->data, file->len,
                                  G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error)) {
        log_info("pipeline cache is not kept: %s", error->message);
    }
}
