// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// From a checkpoint to dispatches on a device.
#include "device_network.h"

#include "effdet/effdet.h"
#include "gpu/compile.h"
#include "ops/variant.h"

#include <stdlib.h>
#include <string.h>

// What the slower devices of a class reach: FLOPs and bytes a nanosecond.
static const struct {
    double gflops, gbytes_s;
} speeds[] = {
    [CLASS_CPU_OLD] = {10, 2}, // of one core
    [CLASS_CPU_NEW] = {15, 3}, // likewise
    [CLASS_NVIDIA] = {500, 50},  [CLASS_AMD_GCN] = {300, 30}, [CLASS_AMD_RDNA] = {500, 50},
    [CLASS_INTEL] = {100, 15},   [CLASS_ADRENO] = {50, 8},    [CLASS_MALI] = {30, 6},
    [CLASS_DEFAULT] = {100, 10},
};

double network_estimate_us(const struct network *network, const struct dispatch *dispatch)
{
    const struct device *device = network->device;
    double cores = device->is_cpu ? (double)g_get_num_processors() : 1;
    return (dispatch->flops / speeds[device->device_class].gflops +
            dispatch->bytes_moved / speeds[device->device_class].gbytes_s) /
           cores / 1000;
}

// What the time of a node depends on.
static char *node_shape(const struct graph *graph, const struct node *node)
{
    const struct value *input = graph_value(graph, node->inputs[0]);
    const struct value *output = graph_value(graph, node->output);
    return g_strdup_printf("%d %d %d %d %d %d %d %d", node->op, input->pixels, input->channels,
                           output->pixels, output->channels, node->kernel, node->stride,
                           node->n_parts);
}

static bool prepare_ops(struct network *network, bool trial, GError **error)
{
    struct op_env *env = &network->env;
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < network->graph->nodes->len; i++) {
        const struct node *node = graph_node(network->graph, (int)i);
        if (trial && !g_hash_table_add(seen, node_shape(network->graph, node))) {
            continue;
        }
        env->node_name = node->name;
        if (!op_table[node->op].prepare(env, node, error)) {
            return false;
        }
    }
    return true;
}

bool network_init(struct network *network, struct device *device, struct checkpoint *checkpoint,
                  const struct network_options *options, GError **error)
{
    *network = (struct network){.device = device};
    network->graph = graph_new(checkpoint_model(checkpoint));
    if (options->fuse) {
        struct fuse_options fusion = *fusion_for(plan_for(device, options->cpu_plan));
        fusion.max_elements = device->limits.storage_range / (options->half ? 2 : 4);
        if (fusion.expand_elements > 0) {
            fusion.expand_elements = MIN(fusion.expand_elements, fusion.max_elements);
        }
        if (options->expand_elements > 0) {
            fusion.expand_elements = options->expand_elements;
        }
        graph_fuse(network->graph, &fusion);
    }
    graph_plan(network->graph, options->half ? 2 : 4);
    network->dispatches = g_array_new(FALSE, TRUE, sizeof(struct dispatch));
    network->env = (struct op_env){
        .device = device,
        .graph = network->graph,
        .checkpoint = checkpoint,
        .half = options->half,
        .cpu_plan = options->cpu_plan,
        .tuning = options->tuning,
        .arena = &network->arena,
        .weights = &network->weights,
        .partials = g_hash_table_new(NULL, NULL),
        .maxima = &network->maxima,
        .packed = g_byte_array_new(),
        .dispatches = network->dispatches,
    };
    network->kernels = kernels_new(device, error);
    if (!network->kernels) {
        goto error;
    }
    network->env.kernels = network->kernels;
    kernels_fork(network->kernels, compile_defaults().threads);
    if (!buffer_init(&network->arena, device, network->graph->arena_bytes, MEMORY_DEVICE, error) ||
        !prepare_ops(network, options->trial, error) ||
        (!options->trial && !checkpoint_all_used(checkpoint, error))) {
        goto error;
    }
    GByteArray *packed = network->env.packed;
    if (!buffer_init(&network->weights, device, packed->len, MEMORY_DEVICE, error) ||
        !buffer_write(&network->weights, device, 0, packed->data, packed->len, error) ||
        (network->maxima.bytes > 0 && !buffer_init(&network->maxima.buffer, device,
                                                   network->maxima.bytes, MEMORY_DEVICE, error)) ||
        !kernels_join(network->kernels, error)) {
        goto error;
    }
    g_clear_pointer(&network->env.packed, g_byte_array_unref);
    g_clear_pointer(&network->env.partials, g_hash_table_unref);
    network->env.checkpoint = NULL;
    network->env.tuning = NULL;
    for (guint i = 0; i < network->dispatches->len; i++) {
        struct dispatch *dispatch = &g_array_index(network->dispatches, struct dispatch, i);
        dispatch->estimate_us = network_estimate_us(network, dispatch);
    }
    return true;

error:
    network_finish(network);
    return false;
}

void network_finish(struct network *network)
{
    if (!network->device) {
        return;
    }
    buffer_finish(&network->arena, network->device);
    buffer_finish(&network->weights, network->device);
    buffer_finish(&network->maxima.buffer, network->device);
    kernels_free(&network->kernels);
    graph_free(&network->graph);
    g_clear_pointer(&network->dispatches, g_array_unref);
    g_clear_pointer(&network->env.packed, g_byte_array_unref);
    g_clear_pointer(&network->env.partials, g_hash_table_unref);
    network->device = NULL;
}

bool network_poison(struct network *network, GError **error)
{
    if (g_strcmp0(g_getenv("EFFDET_POISON"), "1") != 0) {
        return true;
    }
    struct recorder *recorder = recorder_new(network->device, 1, 0, error);
    bool ok = recorder && recorder_begin(recorder, error);
    if (ok) {
        recorder_fill(recorder, &network->arena, 0, network->arena.bytes,
                      UINT32_MAX); // a NaN in both precisions
        ok = recorder_end(recorder, error) && recorder_run(recorder, error);
    }
    recorder_free(&recorder);
    return ok;
}

struct recorder *network_record(struct network *network, int *marks, GError **error)
{
    int n = (int)network->dispatches->len;
    struct recorder *recorder = recorder_new(network->device, n, marks ? n + 1 : 0, error);
    bool ok = recorder && recorder_begin(recorder, error);
    if (ok && marks) {
        marks[0] = recorder_timestamp(recorder);
    }
    for (int i = 0; ok && i < n; i++) {
        ok = recorder_dispatch(recorder, &g_array_index(network->dispatches, struct dispatch, i),
                               error);
        if (marks) {
            marks[i + 1] = recorder_timestamp(recorder);
        }
    }
    if (!ok || !recorder_end(recorder, error)) {
        recorder_free(&recorder);
    }
    return recorder;
}

bool network_run(struct network *network, GError **error)
{
    struct recorder *recorder = network_record(network, NULL, error);
    bool ok = recorder && recorder_run(recorder, error);
    recorder_free(&recorder);
    return ok;
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

bool network_time(struct network *network, int runs, double quantile, double *us, GError **error)
{
    int n = (int)network->dispatches->len;
    g_autofree int *marks = g_new(int, n + 1);
    g_autofree double *samples = g_new(double, (gsize)n *(gsize)runs);
    struct recorder *recorder = network_record(network, marks, error);
    bool ok = recorder != NULL;
    for (int run = -1; ok && run < runs; run++) { // run -1 warms up
        ok = recorder_run(recorder, error);
        for (int i = 0; ok && run >= 0 && i < n; i++) {
            int64_t ns = recorder_elapsed_ns(recorder, marks[i], marks[i + 1]);
            samples[i * runs + run] = ns < 0 ? -1 : (double)ns / 1000.0;
        }
    }
    for (int i = 0; ok && i < n; i++) {
        qsort(samples + i * runs, (size_t)runs, sizeof(double), compare_doubles);
        us[i] = samples[i * runs + (int)(quantile * (runs - 1) + 0.5)];
    }
    recorder_free(&recorder);
    return ok;
}

static void store_element(uint8_t *bytes, size_t index, float value, bool half)
{
    if (half) {
        uint16_t bits = half_from_float(value);
        memcpy(bytes + 2 * index, &bits, 2);
    } else {
        memcpy(bytes + 4 * index, &value, 4);
    }
}

static float load_element(const uint8_t *bytes, size_t index, bool half)
{
    if (half) {
        uint16_t bits;
        memcpy(&bits, bytes + 2 * index, 2);
        return float_from_half(bits);
    }
    float value;
    memcpy(&value, bytes + 4 * index, 4);
    return value;
}

bool network_write_input(struct network *network, const float *input, GError **error)
{
    const struct value *value = graph_value(network->graph, network->graph->input);
    g_autofree uint8_t *bytes = g_malloc0(value->bytes);
    size_t plane = (size_t)value->pixels;
    for (size_t i = 0; i < plane; i++) {
        for (size_t c = 0; c < 3; c++) {
            store_element(bytes, i * 4 + c, input[c * plane + i], network->env.half);
        }
    }
    return buffer_write(&network->arena, network->device, value->offset, bytes, value->bytes,
                        error);
}

bool network_read_value(struct network *network, int id, int level, float *out, GError **error)
{
    const struct value *value = graph_value(network->graph, id);
    bool half = network->env.half && !value->is_float;
    g_autofree uint8_t *bytes = g_malloc(value->bytes);
    if (!buffer_read(&network->arena, network->device, value->offset, bytes, value->bytes, error)) {
        return false;
    }
    const struct extent *extent = &value->level[level];
    size_t pixels = (size_t)extent->height * (size_t)extent->width;
    for (size_t c = 0; c < (size_t)value->channels; c++) {
        for (size_t i = 0; i < pixels; i++) {
            size_t pixel = (c / 4) * (size_t)value->pitch + (size_t)extent->offset + i;
            out[c * pixels + i] = load_element(bytes, pixel * 4 + c % 4, half);
        }
    }
    return true;
}
