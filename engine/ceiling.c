// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Runs shaders/ceiling.comp: its arithmetic, then its copy.
#include "ceiling.h"

#include "interface.h"

#include <string.h>

#define RUNS 5                 // of which the fastest counts, after one that compiles
#define COPY_BYTES (32u << 20) // read, and as many written: more than most caches hold
#define GROUPS_CPU 512         // of the arithmetic: some milliseconds on two cores
#define GROUPS_GPU 8192

static bool prepare(struct network *network, struct kernels *kernels, struct buffer buffers[2],
                    bool copy, struct dispatch *dispatch, GError **error)
{
    const struct op_env *env = &network->env;
    const struct device *device = network->device;
    struct binding bindings[] = {{&buffers[0], 0, buffers[0].bytes, false},
                                 {&buffers[1], 0, buffers[1].bytes, true}};
    bool texel = op_use_texel(env, "ceiling", bindings, 2);
    struct kernel kernel = {
        .n_bindings = 2,
        .bindings = {!texel      ? BINDING_STORAGE
                     : env->half ? BINDING_TEXEL_F16
                                 : BINDING_TEXEL_F32,
                     BINDING_STORAGE},
        .push_bytes = sizeof(struct ceiling_push),
        .n_spec = CEILING_SPECS,
        .spec = {[CEILING_SPEC_COPY] = copy},
    };
    char name[64];
    op_kernel_name(name, sizeof name, "ceiling", texel, env->half, "");
    kernel.spirv = spirv_find(name);
    const struct ceiling_push push = {.factor = 0.5f, .term = 0.25f}; // no sum grows or vanishes
    uint32_t elements = (uint32_t)(buffers[0].bytes / (env->half ? 8 : 16));
    uint32_t groups = copy
                          ? elements / (CEILING_LOCAL * CEILING_COPIES)
                          : MIN(device->is_cpu ? GROUPS_CPU : GROUPS_GPU, elements / CEILING_LOCAL);
    double done = (double)groups * CEILING_LOCAL;
    *dispatch = (struct dispatch){
        .kernel = kernels_get(kernels, &kernel, error),
        .bindings = {bindings[0], bindings[1]},
        .groups = {groups, 1, 1},
        .op = "ceiling",
        .label = "ceiling",
        .flops = copy ? 0 : done * 2 * CEILING_ROUNDS * CEILING_STEPS * CEILING_SUMS,
        .bytes_moved = copy ? done * CEILING_COPIES * 2 * (env->half ? 8 : 16) : 0,
    };
    memcpy(dispatch->push, &push, sizeof push);
    return dispatch->kernel != NULL;
}

// Nanoseconds of the fastest run, by the host's clock where the device has none.
static bool fastest(struct device *device, const struct dispatch *dispatch, double *ns,
                    GError **error)
{
    struct recorder *recorder = recorder_new(device, 1, 2, error);
    int from = -1, to = -1;
    bool ok = recorder && recorder_begin(recorder, error);
    if (ok) {
        from = recorder_timestamp(recorder);
        ok = recorder_dispatch(recorder, dispatch, error);
        to = recorder_timestamp(recorder);
    }
    ok = ok && recorder_end(recorder, error);
    *ns = G_MAXDOUBLE;
    for (int run = -1; ok && run < RUNS; run++) {
        gint64 start = g_get_monotonic_time();
        ok = recorder_run(recorder, error);
        double wall = (double)(g_get_monotonic_time() - start) * 1000;
        int64_t device_ns = ok ? recorder_elapsed_ns(recorder, from, to) : -1;
        if (run >= 0) {
            *ns = MIN(*ns, device_ns > 0 ? (double)device_ns : wall);
        }
    }
    recorder_free(&recorder);
    return ok;
}

bool ceiling_measure(struct network *network, struct ceiling *ceiling, GError **error)
{
    struct device *device = network->device;
    struct buffer buffers[2] = {{0}};
    struct dispatch arithmetic, copy;
    double arithmetic_ns, copy_ns;
    uint64_t element = network->env.half ? 8 : 16,
             bytes = MIN(COPY_BYTES, device->limits.storage_range);
    if (device->features.texel) {
        bytes = MIN(bytes, device->limits.texel_elements * element);
    }
    struct kernels *kernels = kernels_new(device, error);
    bool ok = kernels && buffer_init(&buffers[0], device, bytes, MEMORY_DEVICE, error) &&
              buffer_init(&buffers[1], device, bytes, MEMORY_DEVICE, error) &&
              prepare(network, kernels, buffers, false, &arithmetic, error) &&
              prepare(network, kernels, buffers, true, &copy, error) &&
              fastest(device, &arithmetic, &arithmetic_ns, error) &&
              fastest(device, &copy, &copy_ns, error);
    if (ok) {
        *ceiling = (struct ceiling){arithmetic.flops / arithmetic_ns, copy.bytes_moved / copy_ns};
    }
    buffer_finish(&buffers[0], device);
    buffer_finish(&buffers[1], device);
    kernels_free(&kernels);
    return ok;
}
