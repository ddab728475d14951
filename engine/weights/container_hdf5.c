// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Keras's HDF5 files (.h5), in the form in which h5py writes them by default: groups as symbol
// tables, data in one piece. A reader of its own, because these files are not trusted.
#include "weights/bytes.h"
#include "weights/container_internal.h"

#include <string.h>

#define MAX_DEPTH 32
#define ENTRY_BYTES 40 // of a group
#define UNDEFINED UINT64_MAX
#define NEWER                                                                                      \
    "is an HDF5 file of a newer form than Keras writes: save it again with model.save_weights, "   \
    "or "                                                                                          \
    "with h5py without libver and track_order"

enum message { // of an object's header
    MESSAGE_SPACE = 1,
    MESSAGE_LINKS = 2,
    MESSAGE_TYPE = 3,
    MESSAGE_LINK = 6,
    MESSAGE_LAYOUT = 8,
    MESSAGE_FILTERS = 11,
    MESSAGE_MORE = 16,
    MESSAGE_GROUP = 17,
};

struct object {
    bool is_group;
    uint64_t tree, heap; // of a group
    bool has_space, has_type, has_layout, filtered, newer;
    bool skipped; // of a type that no weights have
    struct stored_tensor tensor;
    bool big_endian, chunked;
};

struct reader {
    struct container *container;
    uint64_t budget; // bytes of structure that may still be read: what overlaps ends
    GString *path;   // of the group that is read
    GError **error;
};

static bool fail(struct reader *reader, const char *what)
{
    bad_file(reader->error, "is damaged: %s of group \"%.160s\"", what, reader->path->str);
    return false;
}

// Bytes of the file's structure (transfer full), or NULL.
static uint8_t *load(struct reader *reader, uint64_t address, uint64_t size, struct bytes *bytes)
{
    uint64_t end;
    if (!checked_add(address, size, &end) || end > reader->container->size) {
        bad_file(reader->error, "is cut off or damaged: a part of it lies past its end");
        return NULL;
    }
    if (size > reader->budget) {
        bad_file(reader->error, "is damaged: parts of it are in one another");
        return NULL;
    }
    reader->budget -= size;
    uint8_t *data = g_malloc((gsize)size + 1);
    if (!container_pread(reader->container, address, data, (size_t)size, reader->error)) {
        g_clear_pointer(&data, g_free);
    }
    *bytes = (struct bytes){data, (size_t)size};
    return data;
}

static bool take_magic(struct bytes *bytes, const char *magic)
{
    struct bytes part;
    return bytes_take(bytes, 4, &part) && memcmp(part.data, magic, 4) == 0;
}

static bool skip(struct bytes *bytes, uint64_t size)
{
    struct bytes part;
    return bytes_take(bytes, size, &part);
}

// ---- what describes a dataset ------------------------------------------------------------------

static bool read_space(struct bytes data, struct object *object)
{
    uint64_t version, rank, rest, size;
    struct tensor_info *info = &object->tensor.info;
    if (!bytes_number(&data, 1, &version) || !bytes_number(&data, 1, &rank) ||
        !bytes_number(&data, 2, &rest) || version < 1 || version > 2 || rank > MAX_RANK ||
        (version == 1 && !skip(&data, 4)) || (version == 2 && rest >> 8 == 2)) {
        return false;
    }
    info->rank = (int)rank;
    for (int i = 0; i < info->rank; i++) {
        if (!bytes_number(&data, 8, &size) || size > G_MAXINT64) {
            return false;
        }
        info->shape[i] = (int64_t)size;
    }
    uint64_t stride = 1;
    for (int i = info->rank - 1; i >= 0; i--) {
        object->tensor.stride[i] = (int64_t)stride;
        if (!checked_mul(stride, (uint64_t)MAX(info->shape[i], 1), &stride) ||
            stride > G_MAXINT64) {
            return false;
        }
    }
    return object->has_space = true;
}

static bool read_type(struct bytes data, struct object *object)
{
    uint64_t kind, bits, size, place = 0, exponent = 0;
    if (!bytes_number(&data, 1, &kind) || !bytes_number(&data, 3, &bits) ||
        !bytes_number(&data, 4, &size)) {
        return false;
    }
    enum dtype *dtype = &object->tensor.info.dtype;
    object->has_type = true;
    object->big_endian = bits & 1;
    bool is_float = (kind & 15) == 1, is_signed = bits & 8;
    if (is_float && (!bytes_number(&data, 5, &place) || !bytes_number(&data, 1, &exponent))) {
        return false;
    }
    if (is_float && (size == 4 || size == 8)) {
        *dtype = size == 4 ? DTYPE_F32 : DTYPE_F64;
    } else if (is_float && size == 2 && (exponent == 5 || exponent == 8)) {
        *dtype = exponent == 5 ? DTYPE_F16 : DTYPE_BF16;
    } else if ((kind & 15) == 0 && is_signed &&
               (size == 1 || size == 2 || size == 4 || size == 8)) {
        *dtype = size == 1 ? DTYPE_I8 : size == 2 ? DTYPE_I16 : size == 4 ? DTYPE_I32 : DTYPE_I64;
    } else if ((kind & 15) == 0 && size == 1) {
        *dtype = DTYPE_U8;
    } else {
        object->skipped = true;
    }
    return true;
}

// at: where the message's data begin in the file.
static bool read_layout(struct bytes data, uint64_t at, struct object *object)
{
    uint64_t version, kind;
    if (!bytes_number(&data, 1, &version) || !bytes_number(&data, 1, &kind)) {
        return false;
    }
    object->has_layout = true;
    object->newer = object->newer || version != 3;
    object->chunked = kind > 1;
    if (version != 3 || kind > 1) {
        return true;
    }
    object->tensor.base = at + 4;
    return kind == 0 ? bytes_number(&data, 2, &object->tensor.storage_bytes)
                     : bytes_number(&data, 8, &object->tensor.base) &&
                           bytes_number(&data, 8, &object->tensor.storage_bytes);
}

// ---- headers -----------------------------------------------------------------------------------

static bool read_message(enum message type, struct bytes data, uint64_t at, struct object *object)
{
    switch (type) {
    case MESSAGE_SPACE:
        return read_space(data, object);
    case MESSAGE_TYPE:
        return read_type(data, object);
    case MESSAGE_LAYOUT:
        return read_layout(data, at, object);
    case MESSAGE_GROUP:
        object->is_group = true;
        return bytes_number(&data, 8, &object->tree) && bytes_number(&data, 8, &object->heap);
    case MESSAGE_FILTERS:
        object->filtered = true;
        return true;
    case MESSAGE_LINKS:
    case MESSAGE_LINK:
        object->newer = true;
        return true;
    default:
        return true;
    }
}

// The messages in one block of a header; *more is where it goes on, UNDEFINED: nowhere.
static bool read_block(struct reader *reader, uint64_t address, uint64_t size, unsigned *left,
                       uint64_t more[2], struct object *object)
{
    struct bytes block, data;
    g_autofree uint8_t *memory = load(reader, address, size, &block);
    more[0] = UNDEFINED;
    while (memory && *left > 0 && block.size >= 8) {
        uint64_t type = 0, length = 0, flags = 0;
        bool ok = bytes_number(&block, 2, &type) && bytes_number(&block, 2, &length) &&
                  bytes_number(&block, 4, &flags) && bytes_take(&block, length, &data);
        uint64_t at = ok ? address + (uint64_t)(data.data - memory) : 0;
        (*left)--;
        if (ok && flags & 2 && type == MESSAGE_TYPE) {
            object->has_type = object->skipped = true; // a type by name
        } else if (ok && type == MESSAGE_MORE) {
            ok = bytes_number(&data, 8, &more[0]) && bytes_number(&data, 8, &more[1]);
        } else if (ok) {
            ok = read_message((enum message)type, data, at, object);
        }
        if (!ok) {
            return fail(reader, "the header of an object");
        }
    }
    return memory;
}

static bool read_object(struct reader *reader, uint64_t address, struct object *object)
{
    struct bytes head;
    uint64_t version = 0, left = 0, size = 0, more[2];
    *object = (struct object){0};
    g_autofree uint8_t *memory = load(reader, address, 16, &head);
    if (!memory) {
        return false;
    }
    if (memcmp(memory, "OHDR", 4) == 0) {
        object->newer = true;
        return true;
    }
    if (!bytes_number(&head, 2, &version) || !bytes_number(&head, 2, &left) || !skip(&head, 4) ||
        !bytes_number(&head, 4, &size) || (version & 0xff) != 1) {
        return fail(reader, "the header of an object");
    }
    unsigned messages = (unsigned)left;
    more[0] = address + 16; // load() has seen that this is in the file
    more[1] = size;
    while (more[0] != UNDEFINED && messages > 0) {
        if (!read_block(reader, more[0], more[1], &messages, more, object)) {
            return false;
        }
    }
    return true;
}

// ---- groups ------------------------------------------------------------------------------------

// The variable's name: a layer's group stands before it, and ":0" behind (spec 9.5).
static char *variable_name(const char *path)
{
    static const char whole[] = "model_weights/"; // of files that hold the model's code as well
    const char *name = path + (g_str_has_prefix(path, whole) ? strlen(whole) : 0);
    const char *slash = strchr(name, '/');
    name = slash ? slash + 1 : name;
    return g_strndup(name, strlen(name) - (g_str_has_suffix(name, ":0") ? strlen(":0") : 0));
}

static bool add_dataset(struct reader *reader, struct object *object)
{
    const char *path = reader->path->str;
    uint64_t end;
    if (object->newer || !object->has_space || !object->has_type || !object->has_layout) {
        unsupported(reader->error, NEWER);
        return false;
    }
    if (object->skipped || g_str_has_prefix(path, "optimizer_weights/")) {
        return true;
    }
    if (object->chunked || object->filtered) {
        unsupported(reader->error,
                    "has \"%.160s\" in chunks or compressed: save it again with "
                    "model.save_weights, which does not",
                    path);
        return false;
    }
    if (object->big_endian && dtype_size(object->tensor.info.dtype) > 1) {
        unsupported(
            reader->error,
            "has \"%.160s\" in big-endian numbers: save it again on a little-endian machine", path);
        return false;
    }
    if (object->tensor.storage_bytes == 0) {
        object->tensor.base = 0; // nowhere
    }
    if (!checked_add(object->tensor.base, object->tensor.storage_bytes, &end) ||
        end > reader->container->size) {
        bad_file(reader->error, "is cut off or damaged: \"%.160s\" lies past its end", path);
        return false;
    }
    g_autofree char *name = variable_name(path);
    return container_add(reader->container, name, &object->tensor, reader->error);
}

static bool read_group(struct reader *reader, const struct object *group, int depth);

static bool read_link(struct reader *reader, const char *name, uint64_t header, int depth)
{
    struct object object;
    size_t length = reader->path->len;
    if (!read_object(reader, header, &object)) {
        return false;
    }
    g_string_append_printf(reader->path, "%s%s", length > 0 ? "/" : "", name);
    bool ok =
        object.is_group ? read_group(reader, &object, depth + 1) : add_dataset(reader, &object);
    if (ok) { // the path of what fails is for the message
        g_string_truncate(reader->path, length);
    }
    return ok;
}

// A leaf of the group's tree: names in the heap and where their objects are.
static bool read_leaf(struct reader *reader, uint64_t address, struct bytes heap, int depth)
{
    struct bytes bytes;
    uint64_t version = 0, count = 0;
    g_autofree uint8_t *head = load(reader, address, 8, &bytes);
    if (!head) {
        return false;
    }
    if (!take_magic(&bytes, "SNOD") || !bytes_number(&bytes, 2, &version) ||
        !bytes_number(&bytes, 2, &count)) {
        return fail(reader, "a list of links");
    }
    g_autofree uint8_t *memory = load(reader, address + 8, count * ENTRY_BYTES, &bytes);
    for (uint64_t i = 0; memory && i < count; i++) {
        uint64_t name = 0, header = 0, cached = 0;
        struct bytes text;
        if (!bytes_number(&bytes, 8, &name) || !bytes_number(&bytes, 8, &header) ||
            !bytes_number(&bytes, 4, &cached) || !skip(&bytes, 20) || name >= heap.size ||
            !bytes_part(heap, name, heap.size - name, &text) ||
            !memchr(text.data, '\0', text.size) || text.data[0] == '\0') {
            return fail(reader, "a link");
        }
        if (cached == 2) {
            continue; // a symbolic link, to what is elsewhere
        }
        if (!read_link(reader, (const char *)text.data, header, depth)) {
            return false;
        }
    }
    return memory;
}

static bool read_tree(struct reader *reader, uint64_t address, struct bytes heap, int depth)
{
    struct bytes bytes;
    uint64_t type = 0, level = 0, count = 0;
    g_autofree uint8_t *head = load(reader, address, 24, &bytes);
    if (!head) {
        return false;
    }
    if (!take_magic(&bytes, "TREE") || !bytes_number(&bytes, 1, &type) ||
        !bytes_number(&bytes, 1, &level) || !bytes_number(&bytes, 2, &count) || type != 0 ||
        depth > MAX_DEPTH) {
        return fail(reader, "the tree");
    }
    g_autofree uint8_t *memory = load(reader, address + 24, count * 16, &bytes);
    for (uint64_t i = 0; memory && i < count; i++) {
        uint64_t key = 0, child = 0;
        if (!bytes_number(&bytes, 8, &key) || !bytes_number(&bytes, 8, &child) ||
            !(level > 0 ? read_tree(reader, child, heap, depth + 1)
                        : read_leaf(reader, child, heap, depth))) {
            return false;
        }
    }
    return memory;
}

static bool read_group(struct reader *reader, const struct object *group, int depth)
{
    struct bytes bytes, heap = {0};
    uint64_t version = 0, size = 0, free_list = 0, address = 0;
    if (depth > MAX_DEPTH) {
        return fail(reader, "the depth");
    }
    g_autofree uint8_t *head = load(reader, group->heap, 32, &bytes);
    if (!head) {
        return false;
    }
    if (!take_magic(&bytes, "HEAP") || !bytes_number(&bytes, 4, &version) ||
        !bytes_number(&bytes, 8, &size) || !bytes_number(&bytes, 8, &free_list) ||
        !bytes_number(&bytes, 8, &address)) {
        return fail(reader, "the names");
    }
    g_autofree uint8_t *memory = load(reader, address, size, &heap);
    return memory && read_tree(reader, group->tree, heap, depth);
}

// ---- the file ----------------------------------------------------------------------------------

static bool find_root(struct reader *reader, uint64_t *root)
{
    struct bytes bytes;
    uint64_t version = 0, sizes = 0, base = 0, unused, end = 0;
    g_autofree uint8_t *memory = load(reader, 8, 96 - 8, &bytes);
    if (!memory) {
        return false;
    }
    if (!bytes_number(&bytes, 1, &version) || version > 1) {
        unsupported(reader->error, NEWER);
        return false;
    }
    if (!skip(&bytes, 4) || !bytes_number(&bytes, 2, &sizes) || sizes != 0x0808 ||
        !skip(&bytes, version == 0 ? 9 : 13) || !bytes_number(&bytes, 8, &base) || base != 0 ||
        !bytes_number(&bytes, 8, &unused) || !bytes_number(&bytes, 8, &end) || !skip(&bytes, 16) ||
        !bytes_number(&bytes, 8, root)) {
        bad_file(reader->error, "is damaged or no HDF5 file that Keras writes: its first block");
        return false;
    }
    if (end > reader->container->size) {
        bad_file(reader->error,
                 "is cut off: it ends at byte %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT,
                 reader->container->size, end);
        return false;
    }
    return true;
}

static bool open_hdf5(struct container *container, GError **error)
{
    struct reader reader = {.container = container,
                            .budget = container->size,
                            .path = g_string_new(NULL),
                            .error = error};
    struct object object;
    uint64_t root;
    bool ok = find_root(&reader, &root) && read_object(&reader, root, &object);
    if (ok && !object.is_group) {
        unsupported(error, NEWER);
        ok = false;
    }
    ok = ok && read_group(&reader, &object, 0);
    if (ok && container->tensors->len == 0) {
        unsupported(error, "is an HDF5 file without weights");
        ok = false;
    }
    g_string_free(reader.path, TRUE);
    return ok;
}

static bool read_hdf5(struct container *container, const struct stored_tensor *tensor,
                      uint64_t offset, void *dst, size_t size, GError **error)
{
    return container_pread(container, tensor->base + offset, dst, size, error);
}

const struct container_format container_hdf5 = {"hdf5", open_hdf5, read_hdf5, NULL};
