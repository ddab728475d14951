// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What the tests of the gpu tier share: the test shaders, a captured log, a cache folder of their
// own, and shorthands that fail the test on any error.
#pragma once

#include "effdet/effdet.h"
#include "gpu/recorder.h"

// g_test_init, plus a fresh XDG_CACHE_HOME that gpu_test_run() removes.
void gpu_test_init(int *argc, char ***argv);
int gpu_test_run(void);
const char *gpu_test_cache_folder(void); // $XDG_CACHE_HOME/effdet

// Messages of the library since the last call; resets the count.
int gpu_test_messages(char **last);

// The first device, or a skip (false) that says what is lacking.
bool gpu_test_device(struct device **device);

// Test kernels. mix: target = source * a + target * b + bias + added, on vec4 elements.
enum mix_form { MIX, MIX_HALF, MIX_TEXEL, MIX_TEXEL_HALF };
struct mix_push {
    uint32_t count; // of vec4 elements
    float a, b;
};
#define MIX_GROUP 64
const struct spirv *gpu_test_mix(enum mix_form form);
struct kernel gpu_test_mix_kernel(enum mix_form form, float added);
struct kernel gpu_test_counts_kernel(void); // push: uint32_t groups
// A complete dispatch of the mix kernel over `count` elements of 16 bytes (fp32 forms).
struct dispatch gpu_test_mix_dispatch(const struct kernel *kernel, struct binding source,
                                      struct binding target, struct binding uniform, float a,
                                      float b);
struct binding gpu_test_bind(struct buffer *buffer, uint64_t offset, uint64_t bytes);
