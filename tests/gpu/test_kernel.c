// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Pipelines: made once each, by other threads if so wished, refused when impossible; the cache
// file: written, read back, refused when damaged, truncated, foreign or no file at all. And the
// embedded modules are valid SPIR-V.
#include "gpu_test.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gpu/kernel_cache.h"

static struct kernels *open_kernels(struct device *device)
{
    g_autoptr(GError) error = NULL;
    struct kernels *kernels = kernels_new(device, &error);
    g_assert_no_error(error);
    g_assert_nonnull(kernels);
    return kernels;
}

static const struct kernel *get(struct kernels *kernels, struct kernel wanted)
{
    g_autoptr(GError) error = NULL;
    const struct kernel *kernel = kernels_get(kernels, &wanted, &error);
    g_assert_no_error(error);
    g_assert_nonnull(kernel);
    return kernel;
}

static void test_once(void)
{
    struct device *device;
    if (!gpu_test_device(&device)) {
        return;
    }
    struct kernels *kernels = open_kernels(device);
    const struct kernel *first = get(kernels, gpu_test_mix_kernel(MIX, 0));
    g_assert_true(get(kernels, gpu_test_mix_kernel(MIX, 0)) == first);
    g_assert_true(get(kernels, *first) == first);
    g_assert_cmpint(kernels_count(kernels), ==, 1);
    g_assert_true(get(kernels, gpu_test_mix_kernel(MIX, 1)) != first); // constants differ
    g_assert_true(get(kernels, gpu_test_counts_kernel()) != first);
    struct kernel longer = gpu_test_mix_kernel(MIX, 0);
    longer.push_bytes += 4;
    g_assert_true(get(kernels, longer) != first);
    g_assert_cmpint(kernels_count(kernels), ==, 4);
    for (int i = 0; i < 40; i++) { // the pointer survives the table's growth
        get(kernels, gpu_test_mix_kernel(MIX, (float)(i + 2)));
    }
    g_assert_true(get(kernels, gpu_test_mix_kernel(MIX, 0)) == first);
    g_assert_cmpint(kernels_count(kernels), ==, 44);
    kernels_free(&kernels);
    g_assert_null(kernels);
    kernels_free(&kernels);
    device_free(&device);
}

// Pipelines that other threads make are there after the join, each once; so are later ones.
static void test_threads(void)
{
    struct device *device;
    if (!gpu_test_device(&device)) {
        return;
    }
    for (int threads = 0; threads < 5; threads++) {
        g_autoptr(GError) error = NULL;
        struct kernels *kernels = open_kernels(device);
        for (int round = 0; round < 2; round++) {
            kernels_fork(kernels, threads);
            for (int i = 0; i < 60; i++) {
                get(kernels, gpu_test_mix_kernel(MIX, (float)(i % 30 + round * 10)));
            }
            g_assert_true(kernels_join(kernels, &error));
            g_assert_no_error(error);
            g_assert_cmpint(kernels_count(kernels), ==, 30 + round * 10);
            for (int i = 0; i < kernels_count(kernels); i++) {
                g_assert_true(kernels_at(kernels, i)->pipeline != VK_NULL_HANDLE);
            }
        }
        kernels_fork(kernels, threads); // nothing to do
        g_assert_true(kernels_join(kernels, &error));
        g_assert_true(get(kernels, gpu_test_counts_kernel())->pipeline != VK_NULL_HANDLE);
        kernels_fork(kernels, threads);
        get(kernels, gpu_test_mix_kernel(MIX, -1));
        kernels_free(&kernels); // without a join
    }
    device_free(&device);
}

static PFN_vkCreateComputePipelines real_create;
static gint creates_left;

static VKAPI_ATTR VkResult VKAPI_CALL fail_create(VkDevice device, VkPipelineCache cache,
                                                  uint32_t n,
                                                  const VkComputePipelineCreateInfo *infos,
                                                  const VkAllocationCallbacks *allocator,
                                                  VkPipeline *pipelines)
{
    if (g_atomic_int_add(&creates_left, -1) <= 0) {
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    return real_create(device, cache, n, infos, allocator, pipelines);
}

static void test_threads_fail(void)
{
    struct device *device;
    if (!gpu_test_device(&device)) {
        return;
    }
    real_create = device->vk.vkCreateComputePipelines;
    device->vk.vkCreateComputePipelines = fail_create;
    for (int left = 0; left < 4; left++) {
        g_autoptr(GError) error = NULL;
        struct kernels *kernels = open_kernels(device);
        g_atomic_int_set(&creates_left, left);
        kernels_fork(kernels, 3);
        for (int i = 0; i < 10; i++) {
            get(kernels, gpu_test_mix_kernel(MIX, (float)i));
        }
        g_assert_false(kernels_join(kernels, &error));
        g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY);
        g_assert_true(g_str_has_prefix(error->message, "kernel mix: vkCreateComputePipelines"));
        kernels_free(&kernels);
    }
    device->vk.vkCreateComputePipelines = real_create;
    device_free(&device);
}

static void check_refused(struct device *device, struct kernel wanted, EffdetErrorCode code)
{
    struct kernels *kernels = open_kernels(device);
    g_autoptr(GError) error = NULL;
    g_assert_null(kernels_get(kernels, &wanted, &error));
    g_assert_error(error, EFFDET_ERROR, (int)code);
    g_assert_cmpint(kernels_count(kernels), ==, 0);
    kernels_free(&kernels);
}

static void test_refused(void)
{
    struct device *device;
    if (!gpu_test_device(&device)) {
        return;
    }
    struct kernel kernel = gpu_test_mix_kernel(MIX, 0);
    kernel.push_bytes = 132;
    check_refused(device, kernel, EFFDET_ERROR_FAILED);
    kernel.push_bytes = 10;
    check_refused(device, kernel, EFFDET_ERROR_FAILED);
    kernel = gpu_test_mix_kernel(MIX, 0);
    kernel.n_bindings = MAX_BINDINGS + 1;
    check_refused(device, kernel, EFFDET_ERROR_FAILED);
    kernel = gpu_test_mix_kernel(MIX, 0);
    kernel.n_spec = MAX_SPEC + 1;
    check_refused(device, kernel, EFFDET_ERROR_FAILED);
    kernel = gpu_test_mix_kernel(MIX, 0);
    kernel.spirv = NULL;
    check_refused(device, kernel, EFFDET_ERROR_FAILED);
    kernel = gpu_test_mix_kernel(MIX_TEXEL, 0);
    bool texel = device->features.texel;
    device->features.texel = false;
    check_refused(device, kernel, EFFDET_ERROR_UNSUPPORTED);
    device->features.texel = texel;
    device_free(&device);
}

// Opens the kernels, expects the cache to be used or not, and stores it again.
static void check_cache(struct device *device, const char *what, bool hit, bool message)
{
    g_autofree char *last = NULL;
    gpu_test_messages(NULL);
    struct kernels *kernels = open_kernels(device);
    int messages = gpu_test_messages(&last);
    if (kernels_cache_hit(kernels) != hit || (messages > 0) != message) {
        g_error("%s: cache hit %d, wanted %d; %d messages, last: %s", what,
                kernels_cache_hit(kernels), hit, messages, last);
    }
    get(kernels, gpu_test_mix_kernel(MIX, 0));
    kernels_save(kernels);
    if (gpu_test_messages(NULL)) {
        g_test_message("%s: not saved", what);
    }
    kernels_free(&kernels);
}

// Plain writing: g_file_set_contents() would wait for the disk each time.
static void replace(const char *path, const char *data, gsize bytes)
{
    FILE *file = g_fopen(path, "wb");
    g_assert_nonnull(file);
    g_assert_cmpuint(fwrite(data, 1, bytes, file), ==, bytes);
    g_assert_cmpint(fclose(file), ==, 0);
}

static void test_cache(void)
{
    struct device *device;
    if (!gpu_test_device(&device)) {
        return;
    }
    g_autofree char *path = kernel_cache_path(device);
    g_autofree char *good = NULL;
    gsize bytes;
    g_assert_true(g_str_has_prefix(path, gpu_test_cache_folder()));
    g_unlink(path);
    check_cache(device, "no file", false, false);
    g_assert_true(g_file_get_contents(path, &good, &bytes, NULL));
    check_cache(device, "second run", true, false);
    g_test_message("%s: %zu bytes", path, bytes);

    // One bit wrong, in every field of both headers (none is shorter than 4 bytes) and further on.
    for (gsize i = 0; i < bytes; i += i < 256 ? 3 : 997) {
        g_autofree char *damaged = g_memdup2(good, bytes);
        g_autofree char *what = g_strdup_printf("byte %zu damaged", i);
        damaged[i] ^= 0x10;
        replace(path, damaged, bytes);
        check_cache(device, what, false, true);
        if (i % 16 == 0) {
            check_cache(device, "after damage", true, false);
        }
    }
    for (gsize length = 0; length < bytes; length += length < 256 ? 7 : 997) {
        g_autofree char *what = g_strdup_printf("cut to %zu bytes", length);
        replace(path, good, length);
        check_cache(device, what, false, true);
        check_cache(device, "after the cut", true, false);
    }
    g_autofree char *grown = g_malloc0(bytes + 8);
    memcpy(grown, good, bytes);
    replace(path, grown, bytes + 8);
    check_cache(device, "grown", false, true);
    device_free(&device);
}

// A file of our own making that is whole but whose driver data is of somebody else.
static void test_foreign(void)
{
    struct device *device;
    if (!gpu_test_device(&device)) {
        return;
    }
    VkPipelineCacheHeaderVersionOne header = {
        .headerSize = sizeof header,
        .headerVersion = VK_PIPELINE_CACHE_HEADER_VERSION_ONE,
        .vendorID = device->properties.vendorID,
        .deviceID = device->properties.deviceID,
    };
    memcpy(header.pipelineCacheUUID, device->properties.pipelineCacheUUID, VK_UUID_SIZE);
    kernel_cache_write(device, &header, sizeof header);
    check_cache(device, "bare header", true, false);
    VkPipelineCacheHeaderVersionOne wrong[6];
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        wrong[i] = header;
    }
    wrong[0].vendorID ^= 1;
    wrong[1].deviceID ^= 1;
    wrong[2].pipelineCacheUUID[3] ^= 1;
    wrong[3].headerSize = 16;
    wrong[4].headerSize = 1000;
    wrong[5].headerVersion = (VkPipelineCacheHeaderVersion)7;
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *what = g_strdup_printf("foreign %zu", i);
        kernel_cache_write(device, &wrong[i], sizeof wrong[i]);
        check_cache(device, what, false, true);
        check_cache(device, "after foreign", true, false);
    }
    kernel_cache_write(device, &header, 20);
    check_cache(device, "short driver data", false, true);
    device_free(&device);
}

static void test_strange_files(void)
{
    struct device *device;
    if (!gpu_test_device(&device)) {
        return;
    }
    g_autofree char *path = kernel_cache_path(device);
    g_autofree char *kept = g_strconcat(gpu_test_cache_folder(), ".kept", NULL);
    check_cache(device, "before", g_file_test(path, G_FILE_TEST_EXISTS), false);

    g_assert_cmpint(truncate(path, (off_t)10 << 30), ==, 0); // 10 GB, sparse
    check_cache(device, "huge", false, true);

    g_unlink(path); // a folder where the file should be
    g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
    check_cache(device, "folder", false, true);
    g_assert_true(g_file_test(path, G_FILE_TEST_IS_DIR));
    g_assert_cmpint(g_rmdir(path), ==, 0);

    g_assert_cmpint(g_rename(gpu_test_cache_folder(), kept), ==,
                    0); // a file where the folder should be
    replace(gpu_test_cache_folder(), "x", 1);
    check_cache(device, "no folder", false, true);
    g_assert_cmpint(g_unlink(gpu_test_cache_folder()), ==, 0);
    g_assert_cmpint(g_rename(kept, gpu_test_cache_folder()), ==, 0);
    check_cache(device, "in order again", false, false);
    check_cache(device, "read again", true, false);

    // No temporary files are left behind.
    g_autoptr(GDir) dir = g_dir_open(gpu_test_cache_folder(), 0, NULL);
    int count = 0;
    while (g_dir_read_name(dir)) {
        count++;
    }
    g_assert_cmpint(count, ==, 1);
    device_free(&device);
}

static void check_module(const char *tool, const struct spirv *module)
{
    g_autofree char *path = g_build_filename(g_get_user_cache_dir(), "module.spv", NULL);
    g_autofree char *output = NULL;
    g_autoptr(GError) error = NULL;
    const char *argv[] = {tool, "--target-env", "vulkan1.1", path, NULL};
    int status;
    g_assert_cmpuint(module->bytes % 4, ==, 0);
    g_assert_cmphex(module->words[0], ==, 0x07230203);
    replace(path, (const char *)module->words, module->bytes);
    g_spawn_sync(NULL, (char **)argv, NULL, 0, NULL, NULL, NULL, &output, &status, &error);
    g_assert_no_error(error);
    if (!g_spawn_check_wait_status(status, NULL)) {
        g_error("%s: %s", module->name, output);
    }
    g_unlink(path);
}

static void test_spirv(void)
{
    g_autofree char *tool = g_find_program_in_path("spirv-val");
    if (!tool) {
        g_test_skip("spirv-val is not installed (package spirv-tools)");
        return;
    }
    size_t count;
    const struct spirv *table = spirv_table(&count);
    for (size_t i = 0; i < count; i++) {
        check_module(tool, &table[i]);
        g_assert_true(spirv_find(table[i].name) == &table[i]); // names are unique
    }
    for (int form = MIX; form <= MIX_TEXEL_HALF; form++) {
        check_module(tool, gpu_test_mix((enum mix_form)form));
    }
    g_test_message("%zu embedded modules are valid", count);
    g_assert_null(spirv_find("no such shader"));
}

int main(int argc, char **argv)
{
    gpu_test_init(&argc, &argv);
    g_test_add_func("/kernel/once", test_once);
    g_test_add_func("/kernel/threads", test_threads);
    g_test_add_func("/kernel/threads-fail", test_threads_fail);
    g_test_add_func("/kernel/refused", test_refused);
    g_test_add_func("/kernel/cache", test_cache);
    g_test_add_func("/kernel/foreign", test_foreign);
    g_test_add_func("/kernel/strange-files", test_strange_files);
    g_test_add_func("/kernel/spirv", test_spirv);
    return gpu_test_run();
}
