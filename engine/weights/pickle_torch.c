// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The names that a checkpoint may ask for and what each of them gives: tensor descriptions, plain
// containers, or an object that is not looked into. This list is the whole of what a pickle can do
// here.
#include "effdet/effdet.h"
#include "weights/container_internal.h"
#include "weights/pickle.h"

#include <string.h>

enum role { ROLE_DICT, ROLE_TENSOR, ROLE_PARAMETER, ROLE_SIZE, ROLE_STORAGE, ROLE_INERT };

struct pickle_global {
    const char *module, *name; // name NULL: every name of the module
    enum role role;
    enum dtype dtype; // ROLE_STORAGE
};

static const struct pickle_global globals[] = {
    {"collections", "OrderedDict", ROLE_DICT},
    {"torch._utils", "_rebuild_tensor_v2", ROLE_TENSOR},
    {"torch._utils", "_rebuild_tensor", ROLE_TENSOR},
    {"torch._utils", "_rebuild_parameter", ROLE_PARAMETER},
    {"torch._utils", "_rebuild_parameter_with_state", ROLE_PARAMETER},
    {"torch", "Size", ROLE_SIZE},
    {"torch", "FloatStorage", ROLE_STORAGE, DTYPE_F32},
    {"torch", "HalfStorage", ROLE_STORAGE, DTYPE_F16},
    {"torch", "BFloat16Storage", ROLE_STORAGE, DTYPE_BF16},
    {"torch", "DoubleStorage", ROLE_STORAGE, DTYPE_F64},
    {"torch", "LongStorage", ROLE_STORAGE, DTYPE_I64},
    {"torch", "IntStorage", ROLE_STORAGE, DTYPE_I32},
    {"torch", "ShortStorage", ROLE_STORAGE, DTYPE_I16},
    {"torch", "CharStorage", ROLE_STORAGE, DTYPE_I8},
    {"torch", "ByteStorage", ROLE_STORAGE, DTYPE_U8},
    {"torch", "BoolStorage", ROLE_STORAGE, DTYPE_BOOL},
    // What training programs put beside the weights.
    {"argparse", "Namespace", ROLE_INERT},
    {"collections", "defaultdict", ROLE_INERT},
    {"collections", "Counter", ROLE_INERT},
    {"builtins", "set", ROLE_INERT},
    {"builtins", "frozenset", ROLE_INERT},
    {"builtins", "dict", ROLE_INERT},
    {"builtins", "list", ROLE_INERT},
    {"builtins", "complex", ROLE_INERT},
    {"builtins", "slice", ROLE_INERT},
    {"builtins", "range", ROLE_INERT},
    {"__builtin__", "set", ROLE_INERT},
    {"__builtin__", "frozenset", ROLE_INERT},
    {"__builtin__", "dict", ROLE_INERT},
    {"__builtin__", "list", ROLE_INERT},
    {"__builtin__", "complex", ROLE_INERT},
    {"__builtin__", "slice", ROLE_INERT},
    {"_codecs", "encode", ROLE_INERT},
    {"datetime", NULL, ROLE_INERT},
    {"pathlib", "Path", ROLE_INERT},
    {"pathlib", "PosixPath", ROLE_INERT},
    {"pathlib", "WindowsPath", ROLE_INERT},
    {"numpy", "dtype", ROLE_INERT},
    {"numpy", "ndarray", ROLE_INERT},
    {"numpy", "float32", ROLE_INERT},
    {"numpy", "float64", ROLE_INERT},
    {"numpy", "int64", ROLE_INERT},
    {"numpy.core.multiarray", "scalar", ROLE_INERT},
    {"numpy.core.multiarray", "_reconstruct", ROLE_INERT},
    {"numpy._core.multiarray", "scalar", ROLE_INERT},
    {"numpy._core.multiarray", "_reconstruct", ROLE_INERT},
    {"numpy.dtypes", NULL, ROLE_INERT},
    {"torch", "device", ROLE_INERT},
    {"torch", "dtype", ROLE_INERT},
    {"torch", "float16", ROLE_INERT},
    {"torch", "bfloat16", ROLE_INERT},
    {"torch", "float32", ROLE_INERT},
    {"torch", "float64", ROLE_INERT},
    {"torch", "int64", ROLE_INERT},
};

struct pickle_value *pickle_global(struct pickle *pickle, const char *module, const char *name,
                                   GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(globals); i++) {
        const struct pickle_global *global = &globals[i];
        if (strcmp(global->module, module) == 0 &&
            (!global->name || strcmp(global->name, name) == 0)) {
            struct pickle_value *value = pickle_value_new(pickle, PICKLE_GLOBAL, error);
            if (value) {
                value->global = global;
            }
            return value;
        }
    }
    if (strcmp(module, "torch") == 0 && g_str_has_suffix(name, "Storage")) {
        unsupported(error, "holds tensors of the type torch.%.80s, which is not supported", name);
    } else if (g_str_has_prefix(module, "torch.nn.")) {
        unsupported(error,
                    "holds a whole pickled module (it asks for %.160s.%.80s), not a state_dict: "
                    "save model.state_dict() instead",
                    module, name);
    } else {
        bad_file(error,
                 "asks for %.160s.%.80s, which is not allowed: only a state_dict of tensors is "
                 "read, nothing is executed",
                 module, name);
    }
    return NULL;
}

// A tuple or list of integers >= 0.
static bool read_sizes(const struct pickle_value *value, const char *what, int64_t *sizes,
                       int *rank, GError **error)
{
    if (value->kind != PICKLE_TUPLE && value->kind != PICKLE_LIST) {
        bad_file(error, "the %s of a tensor: no tuple", what);
        return false;
    }
    if (value->list.count > MAX_RANK) {
        bad_file(error, "the %s of a tensor: %zu dimensions; at most %d are read", what,
                 value->list.count, MAX_RANK);
        return false;
    }
    *rank = (int)value->list.count;
    for (int i = 0; i < *rank; i++) {
        const struct pickle_value *item = value->list.items[i];
        if (item->kind != PICKLE_INT || item->integer < 0) {
            bad_file(error, "the %s of a tensor: something else than numbers from 0", what);
            return false;
        }
        sizes[i] = item->integer;
    }
    return true;
}

// _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)
static struct pickle_value *rebuild_tensor(struct pickle *pickle,
                                           const struct pickle_value *arguments, GError **error)
{
    struct pickle_value **items = arguments->list.items;
    if (arguments->list.count < 4 || items[0]->kind != PICKLE_STORAGE ||
        items[1]->kind != PICKLE_INT || items[1]->integer < 0) {
        bad_file(error,
                 "a tensor is described by something else than storage, offset, shape and strides");
        return NULL;
    }
    struct pickle_tensor *tensor = pickle_alloc(pickle, sizeof *tensor, error);
    struct pickle_value *value = tensor ? pickle_value_new(pickle, PICKLE_TENSOR, error) : NULL;
    if (!value) {
        return NULL;
    }
    tensor->storage = items[0]->storage;
    tensor->offset = items[1]->integer;
    int stride_rank = 0;
    if (!read_sizes(items[2], "shape", tensor->shape, &tensor->rank, error) ||
        !read_sizes(items[3], "strides", tensor->stride, &stride_rank, error)) {
        return NULL;
    }
    if (stride_rank != tensor->rank) {
        bad_file(error, "a tensor has %d dimensions but %d strides", tensor->rank, stride_rank);
        return NULL;
    }
    value->tensor = tensor;
    return value;
}

// OrderedDict() or OrderedDict([(key, value), ...])
static struct pickle_value *build_dict(struct pickle *pickle, const struct pickle_value *arguments,
                                       GError **error)
{
    struct pickle_value *dict = pickle_value_new(pickle, PICKLE_DICT, error);
    if (!dict || arguments->list.count == 0) {
        return dict;
    }
    const struct pickle_value *pairs = arguments->list.items[0];
    if (arguments->list.count > 1 || (pairs->kind != PICKLE_LIST && pairs->kind != PICKLE_TUPLE)) {
        bad_file(error, "an OrderedDict is made from something else than a list of pairs");
        return NULL;
    }
    for (size_t i = 0; i < pairs->list.count; i++) {
        const struct pickle_value *pair = pairs->list.items[i];
        if ((pair->kind != PICKLE_LIST && pair->kind != PICKLE_TUPLE) || pair->list.count != 2) {
            bad_file(error, "an OrderedDict is made from something else than a list of pairs");
            return NULL;
        }
        if (!pickle_append(pickle, dict, pair->list.items[0], error) ||
            !pickle_append(pickle, dict, pair->list.items[1], error)) {
            return NULL;
        }
    }
    return dict;
}

struct pickle_value *pickle_call(struct pickle *pickle, const struct pickle_value *callee,
                                 const struct pickle_value *arguments, GError **error)
{
    if (callee->kind == PICKLE_OPAQUE) {
        return pickle_value_new(pickle, PICKLE_OPAQUE, error);
    }
    if (callee->kind != PICKLE_GLOBAL || arguments->kind != PICKLE_TUPLE) {
        bad_file(error, "calls something that is no known name");
        return NULL;
    }
    struct pickle_value *first = arguments->list.count ? arguments->list.items[0] : NULL;
    switch (callee->global->role) {
    case ROLE_DICT:
        return build_dict(pickle, arguments, error);
    case ROLE_TENSOR:
        return rebuild_tensor(pickle, arguments, error);
    case ROLE_PARAMETER:
        if (first && first->kind == PICKLE_TENSOR) {
            return first;
        }
        break;
    case ROLE_SIZE:
        if (first && (first->kind == PICKLE_TUPLE || first->kind == PICKLE_LIST)) {
            return first;
        }
        break;
    case ROLE_INERT:
        return pickle_value_new(pickle, PICKLE_OPAQUE, error);
    case ROLE_STORAGE:
        break;
    }
    bad_file(error, "calls %s.%s with arguments that it does not take", callee->global->module,
             callee->global->name);
    return NULL;
}

// ('storage', torch.FloatStorage, key, location, elements[, view])
struct pickle_value *pickle_persistent(struct pickle *pickle, const struct pickle_value *id,
                                       GError **error)
{
    struct pickle_value **items = id->list.items;
    if (id->kind != PICKLE_TUPLE || id->list.count < 5 || !pickle_is_string(items[0], "storage") ||
        items[1]->kind != PICKLE_GLOBAL || items[1]->global->role != ROLE_STORAGE ||
        items[2]->kind != PICKLE_STRING || items[4]->kind != PICKLE_INT) {
        bad_file(error, "a storage is described by something else than type, key, place and size");
        return NULL;
    }
    if (id->list.count > 5 && items[5]->kind != PICKLE_NONE) {
        unsupported(error, "holds views of storages as PyTorch before 0.4 wrote them: save it "
                           "again with a newer PyTorch");
        return NULL;
    }
    const char *key = items[2]->text.data;
    uint64_t bytes;
    enum dtype dtype = items[1]->global->dtype;
    if (items[4]->integer < 0 ||
        !checked_mul((uint64_t)items[4]->integer, dtype_size(dtype), &bytes) ||
        bytes > G_MAXINT64) {
        bad_file(error, "storage \"%.80s\" claims %" G_GINT64_FORMAT " elements", key,
                 items[4]->integer);
        return NULL;
    }
    // Keys become record names of the archive.
    if (items[2]->text.size == 0 || items[2]->text.size > 64 ||
        strspn(key, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-") !=
            items[2]->text.size) {
        bad_file(error, "storage key \"%.80s\" is no plain word", key);
        return NULL;
    }
    struct pickle_storage *storage = pickle_alloc(pickle, sizeof *storage, error);
    struct pickle_value *value = storage ? pickle_value_new(pickle, PICKLE_STORAGE, error) : NULL;
    if (!value) {
        return NULL;
    }
    *storage = (struct pickle_storage){.key = key, .dtype = dtype, .elements = items[4]->integer};
    value->storage = storage;
    return pickle_note_storage(pickle, storage, error) ? value : NULL;
}
