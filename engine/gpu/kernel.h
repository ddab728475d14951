// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Compute pipelines: SPIR-V (embedded at build time) + specialisation constants, made once for each
// distinct pair and kept in a cache that is stored on disk ($XDG_CACHE_HOME/effdet) by device UUID,
// driver version and build.
#pragma once

#include "gpu/device.h"

#define MAX_BINDINGS 12
#define MAX_SPEC 16

enum binding_type {
    BINDING_STORAGE,
    BINDING_TEXEL_F32, // four floats a texel
    BINDING_TEXEL_F16, // four half floats
    BINDING_TEXEL_U32, // one unsigned integer
    BINDING_UNIFORM
};

// One embedded SPIR-V module: a shader stem built with one set of macros. `name` is the stem with
// its macros: "pointwise_texel_half".
struct spirv {
    const char *name;
    const uint32_t *words;
    size_t bytes;
};
const struct spirv *spirv_find(const char *name); // NULL when there is no such build
const struct spirv *spirv_table(size_t *count);   // all of them

struct kernel {
    const struct spirv *spirv;
    int n_bindings;
    enum binding_type bindings[MAX_BINDINGS]; // by binding number, no gaps
    int push_bytes;
    int n_spec;
    uint32_t spec[MAX_SPEC]; // value of specialisation constant id 0..n_spec-1
    // made by kernels_get:
    VkDescriptorSetLayout set_layout;
    VkPipelineLayout layout;
    VkPipeline pipeline;
};

struct kernels;
struct kernels *kernels_new(struct device *device, GError **error)
    WARN_UNUSED; // reads the cache from disk; a damaged or foreign one is refused and logged
void kernels_free(struct kernels **kernels);
// The pipeline for `wanted` (its Vulkan handles ignored); made when new. The pointer lives as long
// as `kernels`, and so must wanted->spirv. One thread at a time.
const struct kernel *kernels_get(struct kernels *kernels, const struct kernel *wanted,
                                 GError **error) WARN_UNUSED;
// Until kernels_join, `threads` other threads make the pipelines: what kernels_get returns has none
// yet, and may be dispatched only afterwards. With fewer than two threads nothing changes.
void kernels_fork(struct kernels *kernels, int threads);
// Waits for them. On failure some pipelines are missing: free the kernels. true without a fork.
bool kernels_join(struct kernels *kernels, GError **error) WARN_UNUSED;
int kernels_count(const struct kernels *kernels);
const struct kernel *kernels_at(const struct kernels *kernels, int index); // in order of making
bool kernels_cache_hit(const struct kernels *kernels); // a valid cache file was read
void kernels_save(struct kernels *kernels);            // temp file + rename; failure is only logged
