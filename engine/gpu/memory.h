// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Buffers and their memory: one VkBuffer with its own allocation each (there are only a handful:
// arena, weights, and a few a slot).
#pragma once

#include "gpu/device.h"

enum memory_kind {
    MEMORY_DEVICE, // device-local; mapped too where that costs nothing (CPU, integrated)
    MEMORY_UPLOAD, // written by the host, read by the device: host-visible, coherent, device-local
                   // when it can be had
    MEMORY_READBACK, // written by the device, read by the host: host-visible, cached
};

struct buffer {
    VkBuffer handle;
    VkDeviceMemory memory;
    uint64_t bytes;
    uint64_t address; // of its first byte on the device; 0 without the feature "address"
    void *map;        // NULL when not host-visible; mapped for the buffer's whole life
    bool coherent;
    enum memory_kind kind;
};

// usage is chosen for all that the engine does: storage, uniform, texel, transfer, indirect.
bool buffer_init(struct buffer *buffer, struct device *device, uint64_t bytes,
                 enum memory_kind kind, GError **error) WARN_UNUSED;
void buffer_finish(struct buffer *buffer, struct device *device); // accepts a zeroed buffer
// For non-coherent memory; no-ops otherwise.
bool buffer_flush(struct buffer *buffer, struct device *device, uint64_t offset, uint64_t bytes,
                  GError **error) WARN_UNUSED;
bool buffer_invalidate(struct buffer *buffer, struct device *device, uint64_t offset,
                       uint64_t bytes, GError **error) WARN_UNUSED;
// Copies host bytes into a device buffer through a temporary staging buffer where it is not mapped.
// Waits. Start-up only.
bool buffer_write(struct buffer *buffer, struct device *device, uint64_t offset, const void *data,
                  uint64_t bytes, GError **error) WARN_UNUSED;
bool buffer_read(struct buffer *buffer, struct device *device, uint64_t offset, void *data,
                 uint64_t bytes, GError **error) WARN_UNUSED;
