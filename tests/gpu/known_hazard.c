// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Wrong on purpose: a dispatch that does not declare what it writes, so that the recorder leaves
// out a barrier. test_validation proves with it that the validation layer, as
// tests/vk_layer_settings.txt sets it up, reports such a bug. Argument: "compute" (the result is
// read by a dispatch), "transfer" (by a copy) or "none" (declared as it should be).
#include "gpu_test.h"

#include <stdio.h>
#include <string.h>

static bool record(struct recorder *recorder, struct kernels *kernels, struct buffer *buffer,
                   const char *mode, GError **error)
{
    struct kernel counts = gpu_test_counts_kernel(), mix = gpu_test_mix_kernel(MIX, 0);
    const struct kernel *writer = kernels_get(kernels, &counts, error);
    const struct kernel *reader = writer ? kernels_get(kernels, &mix, error) : NULL;
    if (!reader) {
        return false;
    }
    struct dispatch write = {
        .kernel = writer,
        .bindings = {{buffer, 0, 256, strcmp(mode, "none") == 0}}, // the lie
        .groups = {1, 1, 1},
    };
    struct dispatch read = gpu_test_mix_dispatch(reader, gpu_test_bind(buffer, 0, 256),
                                                 gpu_test_bind(buffer, 1024, 256),
                                                 gpu_test_bind(buffer, 2048, 16), 1, 0);
    if (!recorder_begin(recorder, error) || !recorder_dispatch(recorder, &write, error)) {
        return false;
    }
    if (strcmp(mode, "compute") != 0) {
        recorder_copy(recorder, buffer, 0, buffer, 3072, 256);
    }
    if (strcmp(mode, "transfer") != 0 && !recorder_dispatch(recorder, &read, error)) {
        return false;
    }
    return recorder_end(recorder, error);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    struct buffer buffer = {0};
    struct kernels *kernels = NULL;
    struct recorder *recorder = NULL;
    struct device *device = argc == 2 ? device_new(NULL, &error) : NULL;
    bool ok = device && (kernels = kernels_new(device, &error)) &&
              (recorder = recorder_new(device, 2, 0, &error)) &&
              buffer_init(&buffer, device, 4096, MEMORY_DEVICE, &error) &&
              record(recorder, kernels, &buffer, argv[1], &error);
    if (error) {
        fprintf(stderr, "%s\n", error->message);
    }
    if (device) {
        recorder_free(&recorder);
        kernels_free(&kernels);
        buffer_finish(&buffer, device);
        device_free(&device);
    }
    return ok ? 0 : 1;
}
