// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Fuzz target: any bytes as a zylo117 project file, whose values are put into a network. Findings:
// crashes, leaks, errors without a message of one line, anchors that are no numbers.
#define _GNU_SOURCE
#include "fuzz.h"
#include "weights/project.h"

#include <glib.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void check_error(const char *path, const GError *error)
{
    if (!error || !strstr(error->message, path) || strchr(error->message, '\n')) {
        g_error("no message of one line that names the file: %s", error ? error->message : "none");
    }
}

static void check_anchors(const struct anchors *anchors)
{
    for (int i = 0; i < anchors->num_aspects; i++) {
        if (!isfinite(anchors->aspects[i][0]) || !isfinite(anchors->aspects[i][1])) {
            g_error("an aspect that is no number");
        }
    }
    for (int i = 0; i < anchors->num_scales; i++) {
        if (!isfinite(anchors->octave[i])) {
            g_error("a scale that is no number");
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        g_error("cannot write a file of %zu bytes in memory", size);
    }
    char path[64];
    g_snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    g_autoptr(GError) error = NULL;
    struct project project = {0};
    if (!project_read(path, &project, &error)) {
        check_error(path, error);
    } else {
        struct model model;
        model_init(&model, arch_find("d0"), project.num_labels > 0 ? project.num_labels : 90);
        if (project_apply(&project, &model, &error)) {
            check_anchors(&model.anchors);
        } else {
            check_error(path, error);
        }
        model_finish(&model);
    }
    project_finish(&project);
    close(fd);
    return 0;
}
