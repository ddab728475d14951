// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Fuzz target: any bytes as a weights file. Crashes, hangs, leaks and errors without a message are
// findings. Runs under libFuzzer (option "fuzzers"), and over the stored corpus as a normal test
// (replay.c). Small TensorFlow Lite files of whole networks to start from: EFFDET_SEEDS=FOLDER
// test_tflite_damage.
#define _GNU_SOURCE
#include "fuzz.h"
#include "weights/container.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        g_error("cannot write a file of %zu bytes in memory", size);
    }
    char path[64];
    g_snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    GError *error = NULL;
    struct container *container = container_open(path, &error);
    for (int i = 0; container && !error && i < container_count(container); i++) {
        const struct tensor_info *info = container_tensor(container, i);
        float *values = g_new(float, (size_t)info->elements + 1);
        if (!container_read(container, i, values, &error) != !!error) {
            g_error("result and error disagree for tensor %s", info->name);
        }
        if (container_find(container, info->name) != i) {
            g_error("tensor %s is not found by its name", info->name);
        }
        g_free(values);
    }
    if (!container &&
        (!error || !g_str_has_prefix(error->message, path) || strchr(error->message, '\n'))) {
        g_error("no message of one line that names the file");
    }
    g_clear_error(&error);
    container_close(&container);
    close(fd);
    return 0;
}
