// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The op table and what all operations share: packing, kernel names, forced variants, limits.
#include "ops/op.h"

#include "effdet/effdet.h"
#include "ops/variant.h"

#include <string.h>

#define PACK_ALIGNMENT 256

const struct op_row op_table[N_OPS] = {
    [OP_STEM] = {"stem", op_stem_prepare},
    [OP_POINTWISE] = {"pointwise", op_pointwise_prepare},
    [OP_DEPTHWISE] = {"depthwise", op_depthwise_prepare},
    [OP_MEAN] = {"mean", op_mean_prepare},
    [OP_SQUEEZE] = {"squeeze", op_squeeze_prepare},
    [OP_SCALE] = {"scale", op_scale_prepare},
    [OP_NODE] = {"node", op_node_prepare},
    [OP_SEPARABLE] = {"separable", op_separable_prepare},
    [OP_EXPAND_DEPTHWISE] = {"expand_depthwise", op_expand_depthwise_prepare},
    [OP_SUM_DEPTHWISE] = {"sum_depthwise", op_sum_depthwise_prepare},
    [OP_CONV] = {"conv", op_conv_prepare},
    [OP_CHAIN] = {"chain", op_chain_prepare},
};

struct binding op_pack(struct op_env *env, const float *data, size_t count, bool half)
{
    guint start = (guint)align_up(env->packed->len, PACK_ALIGNMENT);
    size_t bytes = align_up(count * (half ? 2 : 4), 16);
    guint old = env->packed->len;
    g_byte_array_set_size(env->packed, start + (guint)bytes);
    memset(env->packed->data + old, 0, start + bytes - old);
    void *to = env->packed->data + start;
    if (half) {
        uint16_t *halves = to;
        for (size_t i = 0; i < count; i++) {
            halves[i] = half_from_float(data[i]);
        }
    } else {
        memcpy(to, data, count * sizeof *data);
    }
    return (struct binding){.buffer = env->weights, .offset = start, .bytes = bytes};
}

void op_kernel_name(char *out, size_t size, const char *stem, bool texel, bool half,
                    const char *suffix)
{
    g_snprintf(out, size, "%s%s%s%s", stem, texel ? "_texel" : "", half ? "_half" : "", suffix);
}

const char *op_forced_variant(const char *stem)
{
    const char *list = g_getenv("EFFDET_VARIANT");
    if (!list) {
        return NULL;
    }
    g_auto(GStrv) entries = g_strsplit(list, ",", -1);
    for (char **entry = entries; *entry; entry++) {
        char *colon = strchr(*entry, ':');
        if (colon && strlen(stem) == (size_t)(colon - *entry) &&
            strncmp(*entry, stem, strlen(stem)) == 0) {
            return g_intern_string(colon + 1);
        }
    }
    return NULL;
}

bool op_prefers_texel(const struct op_env *env, const char *stem, bool preferred)
{
    const char *forced = op_forced_variant(stem);
    if (forced && g_str_has_prefix(forced, "texel")) {
        preferred = true;
    } else if (forced && g_str_has_prefix(forced, "buffer")) {
        preferred = false;
    }
    return preferred && env->device->features.texel;
}

bool op_use_texel(const struct op_env *env, const char *stem, const struct binding *bindings, int n)
{
    const struct device *device = env->device;
    if (!op_prefers_texel(env, stem, plan_for(device, env->cpu_plan)->texel)) {
        return false;
    }
    for (int i = 0; i < n; i++) {
        uint64_t elements = bindings[i].bytes / (env->half ? 8 : 16);
        if (!bindings[i].write && elements > device->limits.texel_elements) {
            return false;
        }
    }
    return true;
}

bool op_emit(struct op_env *env, struct dispatch *dispatch, GError **error)
{
    for (int i = 0; i < 3; i++) {
        uint32_t most = env->device->limits.max_group_count[i];
        if (dispatch->groups[i] == 0 || dispatch->groups[i] > most) {
            g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED,
                        "node '%s' needs %u workgroups in dimension %d, but this device runs 1 to "
                        "%u: use a smaller input size",
                        dispatch->label, dispatch->groups[i], i, most);
            return false;
        }
    }
    for (int i = 0; i < dispatch->kernel->n_bindings; i++) {
        uint64_t bytes = dispatch->bindings[i].bytes;
        if (dispatch->kernel->bindings[i] == BINDING_STORAGE &&
            bytes > env->device->limits.storage_range) {
            g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED,
                        "node '%s' binds %" G_GUINT64_FORMAT
                        " bytes, but this device binds at most %" G_GUINT64_FORMAT
                        ": use a smaller input size",
                        dispatch->label, bytes, env->device->limits.storage_range);
            return false;
        }
    }
    g_array_append_val(env->dispatches, *dispatch);
    return true;
}
