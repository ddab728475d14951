// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Shared parts of the gpu tests; see gpu_test.h.
#include "gpu_test.h"

#include <glib/gstdio.h>
#include <string.h>

#include "test_counts.h"
#include "test_mix.h"
#include "test_mix_half.h"
#include "test_mix_texel.h"
#include "test_mix_texel_half.h"

static char *cache_home;
static GMutex message_lock;
static char *last_message;
static int n_messages;

static void keep_message(int level, const gchar *message, gpointer user_data)
{
    g_mutex_lock(&message_lock);
    n_messages++;
    g_free(last_message);
    last_message = g_strdup(message);
    g_mutex_unlock(&message_lock);
}

int gpu_test_messages(char **last)
{
    g_mutex_lock(&message_lock);
    int count = n_messages;
    n_messages = 0;
    if (last) {
        *last = g_strdup(last_message);
    }
    g_mutex_unlock(&message_lock);
    return count;
}

void gpu_test_init(int *argc, char ***argv)
{
    cache_home = g_dir_make_tmp("effdet-test-XXXXXX", NULL);
    g_setenv("XDG_CACHE_HOME", cache_home, TRUE);
    // Mesa's own cache would hide compilations and grow in the test's folder.
    g_setenv("MESA_SHADER_CACHE_DISABLE", "true", FALSE);
    g_test_init(argc, argv, NULL);
    effdet_set_log_func(keep_message, NULL);
}

const char *gpu_test_cache_folder(void)
{
    static char *folder;
    if (!folder) {
        folder = g_build_filename(cache_home, "effdet", NULL);
    }
    return folder;
}

static void remove_folder(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    for (const char *name = NULL; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        if (g_file_test(child, G_FILE_TEST_IS_DIR)) {
            remove_folder(child);
        } else {
            g_unlink(child);
        }
    }
    g_rmdir(path);
}

int gpu_test_run(void)
{
    int status = g_test_run();
    remove_folder(cache_home);
    g_clear_pointer(&cache_home, g_free);
    g_clear_pointer(&last_message, g_free);
    return status;
}

bool gpu_test_device(struct device **device)
{
    g_autoptr(GError) error = NULL;
    *device = device_new(NULL, &error);
    if (!*device) {
        g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_NO_VULKAN);
        g_test_skip(error->message);
        return false;
    }
    return true;
}

const struct spirv *gpu_test_mix(enum mix_form form)
{
    static const struct spirv forms[] = {
        [MIX] = {"mix", test_mix, sizeof test_mix},
        [MIX_HALF] = {"mix_half", test_mix_half, sizeof test_mix_half},
        [MIX_TEXEL] = {"mix_texel", test_mix_texel, sizeof test_mix_texel},
        [MIX_TEXEL_HALF] = {"mix_texel_half", test_mix_texel_half, sizeof test_mix_texel_half},
    };
    return &forms[form];
}

struct kernel gpu_test_mix_kernel(enum mix_form form, float added)
{
    static const enum binding_type inputs[] = {
        [MIX] = BINDING_STORAGE,
        [MIX_HALF] = BINDING_STORAGE,
        [MIX_TEXEL] = BINDING_TEXEL_F32,
        [MIX_TEXEL_HALF] = BINDING_TEXEL_F16,
    };
    struct kernel kernel = {
        .spirv = gpu_test_mix(form),
        .n_bindings = 3,
        .bindings = {inputs[form], BINDING_STORAGE, BINDING_UNIFORM},
        .push_bytes = sizeof(struct mix_push),
        .n_spec = 2,
        .spec = {MIX_GROUP},
    };
    memcpy(&kernel.spec[1], &added, sizeof added);
    return kernel;
}

struct kernel gpu_test_counts_kernel(void)
{
    static const struct spirv counts = {"counts", test_counts, sizeof test_counts};
    return (struct kernel){
        .spirv = &counts,
        .n_bindings = 1,
        .bindings = {BINDING_STORAGE},
        .push_bytes = 4,
    };
}

struct binding gpu_test_bind(struct buffer *buffer, uint64_t offset, uint64_t bytes)
{
    return (struct binding){buffer, offset, bytes, false};
}

struct dispatch gpu_test_mix_dispatch(const struct kernel *kernel, struct binding source,
                                      struct binding target, struct binding uniform, float a,
                                      float b)
{
    bool half =
        kernel->spirv == gpu_test_mix(MIX_HALF) || kernel->spirv == gpu_test_mix(MIX_TEXEL_HALF);
    struct mix_push push = {(uint32_t)(target.bytes / (half ? 8 : 16)), a, b};
    target.write = true;
    struct dispatch dispatch = {
        .kernel = kernel,
        .bindings = {source, target, uniform},
        .groups = {(push.count + MIX_GROUP - 1) / MIX_GROUP, 1, 1},
        .label = "mix",
        .op = "mix",
    };
    memcpy(dispatch.push, &push, sizeof push);
    return dispatch;
}
