// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Descriptor sets for dispatches. Pools are added as they fill up; everything goes at once.
#include "gpu/bindings.h"

#include "effdet/effdet.h"

struct texel_view {
    VkBuffer buffer;
    uint64_t offset, bytes;
    VkFormat format;
    VkBufferView handle;
};

void bindings_init(struct bindings *bindings, struct device *device, int max_dispatches)
{
    *bindings = (struct bindings){
        .device = device,
        .sets_per_pool = CLAMP(max_dispatches, 1, 256),
        .pools = g_array_new(FALSE, FALSE, sizeof(VkDescriptorPool)),
        .views = g_array_new(FALSE, FALSE, sizeof(struct texel_view)),
    };
}

void bindings_reset(struct bindings *bindings)
{
    struct device *device = bindings->device;
    for (guint i = 0; i < bindings->pools->len; i++) {
        DESTROY(device,
                vkDestroyDescriptorPool(device->handle,
                                        g_array_index(bindings->pools, VkDescriptorPool, i), NULL));
    }
    for (guint i = 0; i < bindings->views->len; i++) {
        DESTROY(device, vkDestroyBufferView(
                            device->handle,
                            g_array_index(bindings->views, struct texel_view, i).handle, NULL));
    }
    g_array_set_size(bindings->pools, 0);
    g_array_set_size(bindings->views, 0);
    bindings->sets_left = 0;
}

void bindings_finish(struct bindings *bindings)
{
    if (bindings->pools) {
        bindings_reset(bindings);
    }
    g_clear_pointer(&bindings->pools, g_array_unref);
    g_clear_pointer(&bindings->views, g_array_unref);
}

static int texel_bytes(enum binding_type type)
{
    return type == BINDING_TEXEL_U32 ? 4 : type == BINDING_TEXEL_F16 ? 8 : 16;
}

static const char *check_binding(const struct device *device, enum binding_type type,
                                 const struct binding *binding)
{
    const struct device_limits *limits = &device->limits;
    if (!binding->buffer || !binding->buffer->handle) {
        return "has no buffer";
    }
    if (binding->bytes == 0 || binding->offset > binding->buffer->bytes ||
        binding->bytes > binding->buffer->bytes - binding->offset) {
        return "does not lie in its buffer";
    }
    switch (type) {
    case BINDING_STORAGE:
        if (binding->bytes > limits->storage_range) {
            return "is longer than a storage buffer may be on this device";
        }
        return binding->offset % limits->storage_alignment ? "is not aligned" : NULL;
    case BINDING_UNIFORM:
        if (binding->bytes > limits->uniform_range) {
            return "is longer than a uniform buffer may be on this device";
        }
        return binding->offset % limits->uniform_alignment ? "is not aligned" : NULL;
    default:
        if (binding->bytes % (uint64_t)texel_bytes(type)) {
            return "is no whole number of texels";
        }
        if (binding->bytes / (uint64_t)texel_bytes(type) > limits->texel_elements) {
            return "is longer than a texel buffer may be on this device";
        }
        return binding->offset % limits->texel_alignment ? "is not aligned" : NULL;
    }
}

bool bindings_check(const struct device *device, const struct dispatch *dispatch, GError **error)
{
    const struct kernel *kernel = dispatch->kernel;
    const char *name = dispatch->label[0] ? dispatch->label : kernel->spirv->name;
    for (int i = 0; i < kernel->n_bindings; i++) {
        const struct binding *binding = &dispatch->bindings[i];
        const char *problem = check_binding(device, kernel->bindings[i], binding);
        if (!problem && binding->write && kernel->bindings[i] != BINDING_STORAGE) {
            problem = "is written but no storage buffer";
        }
        if (problem) {
            g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED,
                        "%s (%s): binding %d, %" G_GUINT64_FORMAT " bytes at %" G_GUINT64_FORMAT
                        ", %s: use another device, precision or input size",
                        name, kernel->spirv->name, i, binding->bytes, binding->offset, problem);
            return false;
        }
    }
    if (dispatch->indirect) {
        const struct buffer *buffer = dispatch->indirect;
        if (buffer->bytes < sizeof(VkDispatchIndirectCommand) || dispatch->indirect_offset % 4 ||
            dispatch->indirect_offset > buffer->bytes - sizeof(VkDispatchIndirectCommand)) {
            g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE,
                        "%s: indirect group counts at offset %" G_GUINT64_FORMAT
                        " do not lie in their buffer or are not aligned to 4",
                        name, dispatch->indirect_offset);
            return false;
        }
        return true;
    }
    for (int i = 0; i < 3; i++) {
        if (dispatch->groups[i] > device->limits.max_group_count[i]) {
            g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED,
                        "%s (%s): %u workgroups in dimension %d, %s can do %u: use a smaller input",
                        name, kernel->spirv->name, dispatch->groups[i], i, device->name,
                        device->limits.max_group_count[i]);
            return false;
        }
    }
    return true;
}

// Length of a view. Mesa's llvmpipe up to 22.3 takes bits 8 to 15 of it for the last mipmap level
// of a texture and compiles a kernel again for views where they are zero, each time anew because
// its cache misses those: a little more is bound then, where there is room.
static uint64_t view_range(const struct device *device, enum binding_type type,
                           const struct binding *binding)
{
    const uint64_t more = 0x100;
    bool ambiguous = device->is_cpu && (binding->bytes & 0xff00) == 0;
    bool room =
        binding->offset + binding->bytes + more <= binding->buffer->bytes &&
        (binding->bytes + more) / (uint64_t)texel_bytes(type) <= device->limits.texel_elements;
    return binding->bytes + (ambiguous && room ? more : 0);
}

static bool find_view(struct bindings *bindings, enum binding_type type,
                      const struct binding *binding, VkBufferView *view, GError **error)
{
    struct device *device = bindings->device;
    VkFormat format = type == BINDING_TEXEL_U32   ? VK_FORMAT_R32_UINT
                      : type == BINDING_TEXEL_F16 ? VK_FORMAT_R16G16B16A16_SFLOAT
                                                  : VK_FORMAT_R32G32B32A32_SFLOAT;
    for (guint i = 0; i < bindings->views->len; i++) {
        const struct texel_view *known = &g_array_index(bindings->views, struct texel_view, i);
        if (known->buffer == binding->buffer->handle && known->offset == binding->offset &&
            known->bytes == binding->bytes && known->format == format) {
            *view = known->handle;
            return true;
        }
    }
    VkBufferViewCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
        .buffer = binding->buffer->handle,
        .format = format,
        .offset = binding->offset,
        .range = view_range(device, type, binding),
    };
    VK(device, vkCreateBufferView(device->handle, &info, NULL, view));
    struct texel_view made = {binding->buffer->handle, binding->offset, binding->bytes, format,
                              *view};
    g_array_append_val(bindings->views, made);
    return true;
error:
    return false;
}

static bool add_pool(struct bindings *bindings, GError **error)
{
    struct device *device = bindings->device;
    const int sets = bindings->sets_per_pool;
    // MAX_BINDINGS of each type for one set, so that any kernel fits into an empty pool.
    const int each = sets * 6 + MAX_BINDINGS;
    VkDescriptorPoolSize sizes[] = {
        {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, (uint32_t)each},
        {VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, (uint32_t)each},
        {VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, (uint32_t)(sets + MAX_BINDINGS)},
    };
    VkDescriptorPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = (uint32_t)sets,
        .poolSizeCount = device->features.texel ? 3 : 2,
        .pPoolSizes = sizes,
    };
    if (!device->features.texel) {
        sizes[1] = sizes[2];
    }
    VkDescriptorPool pool;
    VK(device, vkCreateDescriptorPool(device->handle, &info, NULL, &pool));
    g_array_append_val(bindings->pools, pool);
    bindings->sets_left = sets;
    bindings->storage_left = bindings->texel_left = each;
    bindings->uniform_left = sets + MAX_BINDINGS;
    return true;
error:
    return false;
}

static bool allocate_set(struct bindings *bindings, const struct kernel *kernel,
                         VkDescriptorSet *set, GError **error)
{
    struct device *device = bindings->device;
    int storage = 0, uniform = 0;
    for (int i = 0; i < kernel->n_bindings; i++) {
        storage += kernel->bindings[i] == BINDING_STORAGE;
        uniform += kernel->bindings[i] == BINDING_UNIFORM;
    }
    int texel = kernel->n_bindings - storage - uniform;
    bool fits = bindings->sets_left > 0 && bindings->storage_left >= storage &&
                bindings->texel_left >= texel && bindings->uniform_left >= uniform;
    if (!fits && !add_pool(bindings, error)) {
        return false;
    }
    VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool =
            g_array_index(bindings->pools, VkDescriptorPool, bindings->pools->len - 1),
        .descriptorSetCount = 1,
        .pSetLayouts = &kernel->set_layout,
    };
    VK(device, vkAllocateDescriptorSets(device->handle, &info, set));
    bindings->sets_left--;
    bindings->storage_left -= storage;
    bindings->texel_left -= texel;
    bindings->uniform_left -= uniform;
    return true;
error:
    return false;
}

bool bindings_make(struct bindings *bindings, const struct dispatch *dispatch, VkDescriptorSet *set,
                   GError **error)
{
    struct device *device = bindings->device;
    const struct kernel *kernel = dispatch->kernel;
    VkWriteDescriptorSet writes[MAX_BINDINGS];
    VkDescriptorBufferInfo buffers[MAX_BINDINGS];
    VkBufferView views[MAX_BINDINGS];
    if (!allocate_set(bindings, kernel, set, error)) {
        return false;
    }
    for (int i = 0; i < kernel->n_bindings; i++) {
        const struct binding *binding = &dispatch->bindings[i];
        enum binding_type type = kernel->bindings[i];
        writes[i] = (VkWriteDescriptorSet){
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstSet = *set,
            .dstBinding = (uint32_t)i,
            .descriptorCount = 1,
        };
        if (type == BINDING_STORAGE || type == BINDING_UNIFORM) {
            buffers[i] =
                (VkDescriptorBufferInfo){binding->buffer->handle, binding->offset, binding->bytes};
            writes[i].descriptorType = type == BINDING_STORAGE ? VK_DESCRIPTOR_TYPE_STORAGE_BUFFER
                                                               : VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER;
            writes[i].pBufferInfo = &buffers[i];
        } else {
            if (!find_view(bindings, type, binding, &views[i], error)) {
                return false;
            }
            writes[i].descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER;
            writes[i].pTexelBufferView = &views[i];
        }
    }
    device->vk.vkUpdateDescriptorSets(device->handle, (uint32_t)kernel->n_bindings, writes, 0,
                                      NULL);
    return true;
}
