// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The index of canonical names over tensors that are stored in TensorFlow's order or in parts.
#include "weights/naming.h"

#include "effdet/effdet.h"

static int count(const struct container *container)
{
    return container_count(container);
}

int names_count(const struct names *names, const struct container *container)
{
    return count(container) + (int)names->views->len;
}

const struct tensor_info *names_tensor(const struct names *names, const struct container *container,
                                       int index)
{
    return index < count(container)
               ? container_tensor(container, index)
               : &g_array_index(names->views, struct view, index - count(container)).info;
}

// Which axis of the stored tensor each axis of PyTorch's is.
static const int axes[][4] = {
    [ORDER_SAME] = {0, 1, 2, 3}, [ORDER_HWIO] = {3, 2, 0, 1}, [ORDER_HWCM] = {2, 3, 0, 1}};

static int add_view(struct names *names, const struct container *container, const char *canonical,
                    struct view view)
{
    int index = names_count(names, container);
    g_array_append_val(names->views, view);
    g_hash_table_insert(names->index, g_strdup(canonical), GINT_TO_POINTER(index));
    return index;
}

static bool add_part(struct names *names, const struct container *container, const char *canonical,
                     int tensor, int part)
{
    int index = names_find(names, canonical);
    if (index < 0) {
        struct view view = {.info = *container_tensor(container, tensor)};
        for (int i = 0; i < MAX_VIEW_PARTS; i++) {
            view.parts[i] = -1;
        }
        index = add_view(names, container, canonical, view);
    }
    if (index < count(container) || part >= MAX_VIEW_PARTS) {
        return false;
    }
    struct view *view = &g_array_index(names->views, struct view, index - count(container));
    if (view->parts[part] >= 0) {
        return false;
    }
    view->parts[part] = tensor;
    return true;
}

bool names_add(struct names *names, const struct container *container, const char *canonical,
               int tensor, enum order order, int part)
{
    const struct tensor_info *stored = container_tensor(container, tensor);
    if (part >= 0) {
        return add_part(names, container, canonical, tensor, part);
    }
    if (names_find(names, canonical) >= 0) {
        return false;
    }
    if (order == ORDER_SAME || stored->rank != 4) {
        g_hash_table_insert(names->index, g_strdup(canonical), GINT_TO_POINTER(tensor));
        return true;
    }
    struct view view = {.info = *stored, .order = order, .parts = {tensor}, .n_parts = 1};
    for (int i = 0; i < 4; i++) {
        view.info.shape[i] = stored->shape[axes[order][i]];
    }
    add_view(names, container, canonical, view);
    return true;
}

void names_finish(struct names *names, const struct container *container)
{
    for (guint i = 0; i < names->views->len; i++) {
        struct view *view = &g_array_index(names->views, struct view, i);
        if (view->n_parts > 0) {
            continue;
        }
        // those behind a gap are left out, so that the shape tells that one is missing
        while (view->n_parts < MAX_VIEW_PARTS && view->parts[view->n_parts] >= 0 &&
               container_tensor(container, view->parts[view->n_parts])->elements == 1) {
            view->n_parts++;
        }
        view->info.rank = 1;
        view->info.shape[0] = view->info.elements = view->n_parts;
    }
}

// dst[i][j][k][l] of the stored elements, in the order of axes.
static void reorder(const struct view *view, const float *stored, float *dst)
{
    const int *axis = axes[view->order];
    int64_t stride[4], shape[4];
    for (int i = 0; i < 4; i++) {
        shape[axis[i]] = view->info.shape[i];
    }
    stride[3] = 1;
    for (int i = 2; i >= 0; i--) {
        stride[i] = stride[i + 1] * shape[i + 1];
    }
    const int64_t *n = view->info.shape;
    for (int64_t i = 0; i < n[0]; i++) {
        for (int64_t j = 0; j < n[1]; j++) {
            for (int64_t k = 0; k < n[2]; k++) {
                const float *from =
                    stored + i * stride[axis[0]] + j * stride[axis[1]] + k * stride[axis[2]];
                for (int64_t l = 0; l < n[3]; l++) {
                    *dst++ = from[l * stride[axis[3]]];
                }
            }
        }
    }
}

bool names_read(const struct names *names, struct container *container, int index, float *dst,
                GError **error)
{
    if (index < count(container)) {
        return container_read(container, index, dst, error);
    }
    const struct view *view = &g_array_index(names->views, struct view, index - count(container));
    if (view->info.rank != 4) {
        bool ok = true;
        for (int i = 0; ok && i < view->n_parts; i++) {
            ok = container_read(container, view->parts[i], dst + i, error);
        }
        return ok;
    }
    g_autofree float *stored = g_try_new(float, (gsize)MAX(view->info.elements, 1));
    if (!stored) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY,
                    "%s: not enough memory for tensor %s", container_path(container),
                    view->info.name);
        return false;
    }
    if (!container_read(container, view->parts[0], stored, error)) {
        return false;
    }
    reorder(view, stored, dst);
    return true;
}
