// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// From the object that a PyTorch checkpoint holds to its tensors. Where their data lie is known by
// container_torch_zip.c and container_torch_legacy.c.
#include "weights/container_internal.h"

#include <string.h>

#define MAX_WRAPPERS 4

// The dictionaries that training programs put around the weights, best first: averaged weights
// before the raw ones.
static const char *const wrappers[] = {"state_dict_ema", "model_ema", "state_dict", "model"};

static const struct pickle_value *unwrap(const struct pickle_value *dict)
{
    for (int depth = 0; depth < MAX_WRAPPERS; depth++) {
        const struct pickle_value *inner = NULL;
        for (size_t i = 0; i < G_N_ELEMENTS(wrappers) && !inner; i++) {
            inner = pickle_get(dict, wrappers[i]);
            if (inner && inner->kind != PICKLE_DICT) {
                inner = NULL;
            }
        }
        if (!inner) {
            break;
        }
        dict = inner;
    }
    return dict;
}

bool torch_collect(struct container *container, const struct pickle_value *top,
                   torch_place_func place, GError **error)
{
    if (top->kind != PICKLE_DICT) {
        unsupported(error, "holds no dictionary of named tensors: save model.state_dict()");
        return false;
    }
    const struct pickle_value *dict = unwrap(top);
    for (size_t i = 0; i + 1 < dict->list.count; i += 2) {
        const struct pickle_value *key = dict->list.items[i], *value = dict->list.items[i + 1];
        if (value->kind != PICKLE_TENSOR) {
            continue; // counters, options, _metadata
        }
        if (key->kind != PICKLE_STRING || strlen(key->text.data) != key->text.size) {
            bad_file(error, "a tensor's name is no string");
            return false;
        }
        const struct pickle_tensor *source = value->tensor;
        struct stored_tensor tensor = {
            .info = {.dtype = source->storage->dtype, .rank = source->rank},
            .offset = source->offset};
        memcpy(tensor.info.shape, source->shape, sizeof tensor.info.shape);
        memcpy(tensor.stride, source->stride, sizeof tensor.stride);
        tensor.storage_bytes = (uint64_t)source->storage->elements * dtype_size(tensor.info.dtype);
        if (!place(container, source->storage, &tensor, error) ||
            !container_add(container, key->text.data, &tensor, error)) {
            return false;
        }
    }
    if (container->tensors->len == 0) {
        unsupported(error, "holds no named tensors: save model.state_dict()");
        return false;
    }
    return true;
}
