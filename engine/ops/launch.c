// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Slices of values and the assembly of dispatches. What each operation computes is in op_STEM.c.
#include "ops/launch.h"

#include "effdet/effdet.h"
#include "interface.h"

#include <string.h>

#define OFFSET_ALIGNMENT 256 // the largest that Vulkan allows for storage and texel offsets

static uint64_t element_bytes(const struct op_env *env, const struct value *value)
{
    return env->half && !value->is_float ? 8 : 16;
}

struct slice op_slice(const struct op_env *env, int id, int block, int blocks, bool write)
{
    const struct value *value = graph_value(env->graph, id);
    uint64_t element = element_bytes(env, value);
    uint64_t start = value->offset + (uint64_t)block * (uint64_t)value->pitch * element;
    uint64_t aligned = start & ~(uint64_t)(OFFSET_ALIGNMENT - 1);
    uint64_t end = start + (uint64_t)blocks * (uint64_t)value->pitch * element;
    uint64_t level = value->parent >= 0 ? (uint64_t)value->level[0].offset : 0;
    return (struct slice){
        .binding = {.buffer = env->arena,
                    .offset = aligned,
                    .bytes = end - aligned,
                    .write = write},
        .first = (uint32_t)((start - aligned) / element + level),
        .pitch = (uint32_t)value->pitch,
    };
}

struct binding op_bind(const struct op_env *env, int value, bool write)
{
    int blocks = channel_blocks(graph_value(env->graph, value)->channels);
    return op_slice(env, value, 0, blocks, write).binding;
}

bool op_window(const struct op_env *env, const int *values, int n, int *blocks, GError **error)
{
    uint64_t range = env->device->limits.storage_range;
    *blocks = G_MAXINT;
    for (int i = 0; i < n; i++) {
        if (values[i] < 0) {
            continue;
        }
        const struct value *value = graph_value(env->graph, values[i]);
        int all = channel_blocks(value->channels);
        uint64_t plane = (uint64_t)value->pitch * element_bytes(env, value);
        int fit = all;
        if (plane * (uint64_t)all > range) {
            fit = range < OFFSET_ALIGNMENT ? 0 : (int)((range - OFFSET_ALIGNMENT) / plane);
        }
        if (fit == 0) {
            g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED,
                        "four channels of '%s' take %" G_GUINT64_FORMAT
                        " bytes, but this device binds at most %" G_GUINT64_FORMAT
                        ": use a smaller input size",
                        value->name, plane, range);
            return false;
        }
        *blocks = MIN(*blocks, fit);
    }
    return true;
}

uint32_t packed_size(struct extent extent)
{
    return (uint32_t)extent.width << 16 | (uint32_t)extent.height;
}

void launch_init(struct launch *launch, struct op_env *env, const struct node *node,
                 const char *stem, const struct variant *variant)
{
    memset(launch, 0, sizeof *launch);
    launch->env = env;
    launch->node = node;
    launch->stem = stem;
    launch->suffix = "";
    launch->variant = variant;
    launch->dispatch.op = stem;
    g_strlcpy(launch->dispatch.label, node->name, sizeof launch->dispatch.label);
    launch_spec(launch, SPEC_ACTIVATION, (uint32_t)node->act);
    launch_spec(launch, SPEC_LOCAL_SIZE, (uint32_t)variant->local);
}

void launch_spec(struct launch *launch, int id, uint32_t value)
{
    launch->kernel.spec[id] = value;
    launch->kernel.n_spec = MAX(launch->kernel.n_spec, id + 1);
}

void launch_bind(struct launch *launch, int number, struct binding binding)
{
    launch->dispatch.bindings[number] = binding;
    launch->kernel.n_bindings = MAX(launch->kernel.n_bindings, number + 1);
}

void launch_bind_float(struct launch *launch, int number, struct binding binding)
{
    launch_bind(launch, number, binding);
    launch->floats |= 1u << number;
}

void launch_bind_storage(struct launch *launch, int number, struct binding binding)
{
    launch_bind(launch, number, binding);
    launch->storage |= 1u << number;
}

void launch_bind_address(struct launch *launch, int number, struct binding binding)
{
    launch->dispatch.addressed = number;
    launch_bind_float(launch, number, binding);
    launch->storage |= 3u << number;
}

uint32_t launch_from_start(struct launch *launch, struct slice slice, bool is_float)
{
    const uint64_t element = launch->env->half && !is_float ? 8 : 16;
    launch->dispatch.from_start = true;
    launch->storage = ~0u; // the bindings only say what is read and written
    return (uint32_t)(slice.binding.offset / element) + slice.first;
}

// Bytes that go through a binding: none if it only fills the place of an absent one, and of a view
// its own part of the range.
static double traffic(const struct launch *launch, int number)
{
    const struct binding *binding = &launch->dispatch.bindings[number];
    const struct node *node = launch->node;
    const struct graph *graph = launch->env->graph;
    double bytes = (double)binding->bytes;
    for (int i = 0; i < number; i++) {
        const struct binding *other = &launch->dispatch.bindings[i];
        if (other->buffer == binding->buffer && other->offset == binding->offset &&
            other->bytes == binding->bytes) {
            return 0;
        }
    }
    for (int i = 0; i <= node->n_inputs && binding->buffer == launch->env->arena; i++) {
        const struct value *value =
            graph_value(graph, i < node->n_inputs ? node->inputs[i] : node->output);
        if (value->parent >= 0 && value->offset == binding->offset) {
            double elements = (double)channel_blocks(value->channels) * value->pixels;
            bytes = MIN(bytes, elements * (double)element_bytes(launch->env, value));
        }
    }
    return bytes;
}

bool launch_emit(struct launch *launch, const void *push, size_t push_bytes, uint32_t groups_x,
                 uint32_t groups_y, GError **error)
{
    struct op_env *env = launch->env;
    struct kernel *kernel = &launch->kernel;
    struct dispatch *dispatch = &launch->dispatch;
    bool texel = op_use_texel(env, dispatch->op, dispatch->bindings, kernel->n_bindings);
    for (int i = 0; i < kernel->n_bindings; i++) {
        bool is_float = !env->half || (launch->floats >> i & 1);
        bool storage = !texel || dispatch->bindings[i].write || (launch->storage >> i & 1);
        kernel->bindings[i] = storage    ? BINDING_STORAGE
                              : is_float ? BINDING_TEXEL_F32
                                         : BINDING_TEXEL_F16;
        dispatch->bytes_moved += traffic(launch, i);
    }
    const char *tile = launch->variant->tile;
    g_autofree char *suffix = g_strconcat(launch->suffix, *tile ? "_" : "", tile, NULL);
    char name[96];
    op_kernel_name(name, sizeof name, launch->stem, texel, env->half, suffix);
    kernel->spirv = spirv_find(name);
    if (!kernel->spirv) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_FAILED,
                    "no shader '%s' in this build, wanted by node '%s': rebuild", name,
                    dispatch->label);
        return false;
    }
    g_snprintf(dispatch->variant, sizeof dispatch->variant, "%s%s%s", texel ? "texel" : "buffer",
               *tile ? "_" : "", tile);
    kernel->push_bytes = (int)push_bytes;
    memcpy(dispatch->push, push, push_bytes);
    dispatch->groups[0] = launch->along_z ? 1 : groups_x;
    dispatch->groups[1] = groups_y;
    dispatch->groups[2] = launch->along_z ? groups_x : 1;
    dispatch->kernel = kernels_get(env->kernels, kernel, error);
    return dispatch->kernel && op_emit(env, dispatch, error);
}
