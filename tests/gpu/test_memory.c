// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Buffers of every kind: creation, limits, reading and writing with and without a mapping.
#include "gpu_test.h"

#include <string.h>

static const enum memory_kind kinds[] = {MEMORY_DEVICE, MEMORY_UPLOAD, MEMORY_READBACK};

static uint8_t *random_bytes(size_t bytes)
{
    uint8_t *data = g_malloc(bytes);
    uint32_t state = (uint32_t)g_test_rand_int() | 1;
    for (size_t i = 0; i < bytes; i++) {
        state = state * 1664525u + 1013904223u;
        data[i] = (uint8_t)(state >> 24);
    }
    return data;
}

static void check_round_trip(struct device *device, enum memory_kind kind, bool unmap,
                             bool incoherent, uint64_t bytes, uint64_t offset, uint64_t length)
{
    g_autoptr(GError) error = NULL;
    struct buffer buffer;
    g_test_message("kind %d unmap %d incoherent %d bytes %" G_GUINT64_FORMAT
                   " offset %" G_GUINT64_FORMAT " length %" G_GUINT64_FORMAT,
                   kind, unmap, incoherent, bytes, offset, length);
    g_assert_true(buffer_init(&buffer, device, bytes, kind, &error));
    g_assert_no_error(error);
    g_assert_true(kind == MEMORY_DEVICE || buffer.map);
    if (incoherent) { // flushing coherent memory is allowed, so the other path can run here too
        buffer.coherent = false;
    }
    void *map = buffer.map;
    if (unmap) { // as on a discrete card
        buffer.map = NULL;
    }
    g_autofree uint8_t *before = random_bytes(bytes);
    g_autofree uint8_t *data = random_bytes(length);
    g_autofree uint8_t *after = g_malloc0(bytes);
    g_assert_true(buffer_write(&buffer, device, 0, before, bytes, &error));
    g_assert_true(buffer_write(&buffer, device, offset, data, length, &error));
    g_assert_true(buffer_read(&buffer, device, 0, after, bytes, &error));
    g_assert_no_error(error);
    memcpy(before + offset, data, length);
    g_assert_cmpmem(before, bytes, after, bytes);
    memset(after, 0, bytes);
    g_assert_true(buffer_read(&buffer, device, offset, after, length, &error));
    g_assert_cmpmem(data, length, after, length);
    buffer.map = map;
    buffer_finish(&buffer, device);
    g_assert_false(buffer.handle || buffer.memory || buffer.map);
}

static void test_round_trip(void)
{
    struct device *device;
    if (!gpu_test_device(&device)) {
        return;
    }
    for (size_t k = 0; k < G_N_ELEMENTS(kinds); k++) {
        for (int form = 0; form < 4; form++) {
            bool unmap = form & 1, incoherent = form & 2;
            check_round_trip(device, kinds[k], unmap, incoherent, 4096, 252, 1028);
            check_round_trip(device, kinds[k], unmap, incoherent, 1028, 1024, 4);
            check_round_trip(device, kinds[k], unmap, incoherent, 4, 0, 4);
        }
    }
    // Longer than the staging buffer (16 MiB), from an offset.
    check_round_trip(device, MEMORY_DEVICE, true, false, (36u << 20) + 12, 4, (33u << 20) + 8);
    device_free(&device);
}

static void test_ranges(void)
{
    struct device *device;
    if (!gpu_test_device(&device)) {
        return;
    }
    static const uint64_t bad[][2] = {
        {0, 257}, {256, 1}, {257, 0}, {8, UINT64_MAX}, {UINT64_MAX, 2}};
    struct buffer buffer;
    g_autoptr(GError) error = NULL;
    uint8_t data[512] = {0};
    g_assert_true(buffer_init(&buffer, device, 256, MEMORY_DEVICE, &error));
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(buffer_write(&buffer, device, bad[i][0], data, bad[i][1], &error));
        g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE);
        g_clear_error(&error);
        g_assert_false(buffer_read(&buffer, device, bad[i][0], data, bad[i][1], &error));
        g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE);
        g_clear_error(&error);
    }
    g_assert_true(buffer_write(&buffer, device, 256, data, 0, &error));
    g_assert_true(buffer_read(&buffer, device, 0, data, 0, &error));
    buffer_finish(&buffer, device);
    device_free(&device);
}

static void test_too_much(void)
{
    struct device *device;
    if (!gpu_test_device(&device)) {
        return;
    }
    uint64_t wanted[] = {device->limits.max_allocation + 1, UINT64_MAX, UINT64_MAX - 255};
    for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++) {
        for (size_t k = 0; k < G_N_ELEMENTS(kinds); k++) {
            if (wanted[i] == 0) { // max_allocation is all there is
                continue;
            }
            g_autoptr(GError) error = NULL;
            g_autofree char *number = g_strdup_printf("%" G_GUINT64_FORMAT " bytes", wanted[i]);
            struct buffer buffer;
            g_assert_false(buffer_init(&buffer, device, wanted[i], kinds[k], &error));
            g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY);
            g_assert_nonnull(strstr(error->message, number));
            g_assert_false(buffer.handle || buffer.memory);
        }
    }
    g_autoptr(GError) error = NULL;
    struct buffer buffer;
    g_assert_false(buffer_init(&buffer, device, 0, MEMORY_DEVICE, &error));
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE);
    device_free(&device);
}

// Every heap shrunk to a page: no kind finds room, and what was made is freed.
static void test_full_heaps(void)
{
    struct device *device;
    if (!gpu_test_device(&device)) {
        return;
    }
    VkPhysicalDeviceMemoryProperties saved = device->memory;
    for (uint32_t i = 0; i < saved.memoryHeapCount; i++) {
        device->memory.memoryHeaps[i].size = 4096;
    }
    for (size_t k = 0; k < G_N_ELEMENTS(kinds); k++) {
        g_autoptr(GError) error = NULL;
        struct buffer buffer;
        g_assert_false(buffer_init(&buffer, device, 8192, kinds[k], &error));
        g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY);
        g_assert_nonnull(strstr(error->message, "8192 bytes"));
    }
    device->memory = saved;
    device_free(&device);
}

static void test_finish_zeroed(void)
{
    struct device *device;
    if (!gpu_test_device(&device)) {
        return;
    }
    struct buffer buffer = {0};
    buffer_finish(&buffer, device);
    device_free(&device);
}

int main(int argc, char **argv)
{
    gpu_test_init(&argc, &argv);
    g_test_add_func("/memory/round-trip", test_round_trip);
    g_test_add_func("/memory/ranges", test_ranges);
    g_test_add_func("/memory/too-much", test_too_much);
    g_test_add_func("/memory/full-heaps", test_full_heaps);
    g_test_add_func("/memory/finish-zeroed", test_finish_zeroed);
    return gpu_test_run();
}
