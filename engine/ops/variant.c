// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The table of kernel variants by class of devices. The lists of the CPU classes are measured on
// lavapipe with 256 bits, the old class on Mesa 22.3, whose lists hold every tile that is built,
// the new one on 26.1; those of the GPU classes are estimates from registers and occupancy and
// from other projects' block sizes.
#include "ops/variant.h"

#include <math.h>
#include <string.h>

// Invocations of a GPU's multiprocessor: as many as registers leave room for, and those that keep
// its arithmetic busy.
#define MOST_RESIDENT 1024
#define FULL_RESIDENT 512.0

#define STEM_ADDRESS(factor)                                                                       \
    {"address32x1", 32, 1, 1, 64, 16 * (factor), 0, 0, true},                                      \
        {"address16x1", 16, 1, 1, 64, 14 * (factor), 0, 0, true},                                  \
    {                                                                                              \
        "address8x1", 8, 1, 1, 64, 10 * (factor), 0, 0, true                                       \
    }
#define STEM_LANES(factor)                                                                         \
    {"lanes32x2", 32, 1, 2, 64, 24 * (factor), 0, 0, true, 8},                                     \
    {                                                                                              \
        "lanes16x4", 16, 1, 4, 64, 23 * (factor), 0, 0, true, 8                                    \
    }
static const struct variant stem_cpu[] = {{"16x8", 16, 1, 8, 64, 13}, {"8x8", 8, 1, 8, 64, 10},
                                          {"8x4", 8, 1, 4, 64, 7},    {"16x2", 16, 1, 2, 64, 6},
                                          {"8x4", 8, 1, 4, 16, 7},    STEM_ADDRESS(0.02f),
                                          STEM_LANES(0.02f),          {NULL}};
static const struct variant stem_cpu_new[] = {STEM_LANES(1), STEM_ADDRESS(1), {NULL}};
static const struct variant stem_gpu[] = {
    {"16x2", 16, 1, 2, 64, 100}, {"8x4", 8, 1, 4, 64, 100}, {"16x2", 16, 1, 2, 32, 90}, {NULL}};

// Kernels with shared memory: tiles of channels x pixels, and input blocks split between shares.
#define TILED(channels, pixels, local, across, rate)                                               \
    {                                                                                              \
        "tiled" #channels "x" #pixels, channels / (across), 1, (pixels) * (across) / (local),      \
            local, rate, across, 1                                                                 \
    }
#define SPLIT(channels, cols, local, rate)                                                         \
    {                                                                                              \
        "split" #channels "x" #cols, channels, 1, cols, local, rate, 1, 8                          \
    }
#define SHARED_ROWS(factor)                                                                        \
    TILED(64, 128, 256, 8, 150 * factor), TILED(64, 64, 128, 8, 140 * factor),                     \
        TILED(32, 128, 128, 4, 125 * factor), TILED(32, 32, 128, 8, 90 * factor),                  \
        SPLIT(8, 2, 256, 70 * factor), SPLIT(8, 1, 128, 55 * factor)

// One vector of lanes a workgroup: small maps leave no lane idle, and a pipeline less is compiled.
// The larger one is for pictures of more workgroups than a device runs in one dimension.
#define ADDRESS_ROW(channels, rate)                                                                \
    {"address" #channels "x1", channels, 1, 1, 8, rate, 0, 0, true},                               \
    {                                                                                              \
        "address" #channels "x1", channels, 1, 1, 64, 0.9f * (rate), 0, 0, true                    \
    }
#define ADDRESS_ROWS(factor)                                                                       \
    ADDRESS_ROW(64, 23 * factor), ADDRESS_ROW(48, 21.5f * factor), ADDRESS_ROW(40, 21 * factor),   \
        ADDRESS_ROW(32, 20.5f * factor), ADDRESS_ROW(24, 19 * factor),                             \
        ADDRESS_ROW(16, 16 * factor), ADDRESS_ROW(8, 11 * factor)
// In vectors of a CPU: eight of them a workgroup. The larger one as above.
#define LANES_TILE(channels, pixels, rate)                                                         \
    {"lanes" #channels "x" #pixels, channels, 1, pixels, 64, rate, 0, 0, true, 8},                 \
    {                                                                                              \
        "lanes" #channels "x" #pixels, channels, 1, pixels, 128, 0.9f * (rate), 0, 0, true, 8      \
    }
#define LANES_TILES(factor) LANES_TILE(16, 6, 46 * factor), LANES_TILE(16, 4, 50 * factor)
static const struct variant pointwise_cpu[] = {{"16x8", 16, 1, 8, 64, 11.5f},
                                               {"16x8", 16, 1, 8, 8, 11.5f},
                                               {"16x4", 16, 1, 4, 64, 9.5f},
                                               {"16x4", 16, 1, 4, 8, 9.5f},
                                               {"8x8", 8, 1, 8, 64, 9.2f},
                                               {"8x8", 8, 1, 8, 8, 9.2f},
                                               {"8x4", 8, 1, 4, 64, 7.7f},
                                               {"8x4", 8, 1, 4, 8, 7.7f},
                                               {"16x2", 16, 1, 2, 64, 6.5f},
                                               {"4x4", 4, 1, 4, 64, 5.5f},
                                               {"4x4", 4, 1, 4, 8, 5.5f},
                                               {"4x1", 4, 1, 1, 64, 2.7f},
                                               {"4x1", 4, 1, 1, 8, 2.7f},
                                               SHARED_ROWS(0.01f),
                                               ADDRESS_ROWS(0.02f),
                                               LANES_TILES(0.02f),
                                               {NULL}};
static const struct variant pointwise_cpu_new[] = {LANES_TILES(1), ADDRESS_ROWS(1), {NULL}};
// 16x8 is not here: 132 vector registers, and spills on RDNA3 (compiled with RADV 22.3.6).
#define DIRECT_ROWS(factor)                                                                        \
    {"16x4", 16, 1, 4, 64, 100 * factor}, {"16x4", 16, 1, 4, 32, 95 * factor},                     \
        {"8x8", 8, 1, 8, 32, 90 * factor}, {"16x2", 16, 1, 2, 64, 85 * factor},                    \
        {"16x2", 16, 1, 2, 32, 80 * factor}, {"8x4", 8, 1, 4, 64, 75 * factor},                    \
        {"8x4", 8, 1, 4, 32, 70 * factor}, {"4x4", 4, 1, 4, 64, 55 * factor},                      \
        {"4x4", 4, 1, 4, 32, 50 * factor}, {"4x1", 4, 1, 1, 64, 30 * factor},                      \
    {                                                                                              \
        "4x1", 4, 1, 1, 32, 28 * factor                                                            \
    }
// Weights from shared memory are worth its barriers where nothing loads them by scalar.
static const struct variant pointwise_shared[] = {SHARED_ROWS(1), DIRECT_ROWS(1), {NULL}};
static const struct variant pointwise_default[] = {SHARED_ROWS(0.65f), DIRECT_ROWS(1), {NULL}};
// 8x4 and 16x4 take the same cycles for a result, but 8x4 runs twice as many waves.
static const struct variant pointwise_amd[] = {
    {"8x4", 8, 1, 4, 64, 100},  {"16x4", 16, 1, 4, 64, 95},
    {"16x2", 16, 1, 2, 64, 95}, {"4x4", 4, 1, 4, 64, 90},
    {"4x1", 4, 1, 1, 64, 60},   TILED(64, 64, 128, 8, 70),
    TILED(32, 128, 128, 4, 65), SPLIT(8, 2, 256, 50),
    SPLIT(8, 1, 128, 35),       {NULL}};
// Registers are scarce: smaller tiles first. Shared memory is no faster than the caches.
static const struct variant pointwise_mobile[] = {
    {"8x4", 8, 1, 4, 64, 100},  {"8x4", 8, 1, 4, 32, 95}, {"16x2", 16, 1, 2, 64, 80},
    {"4x4", 4, 1, 4, 64, 75},   {"4x4", 4, 1, 4, 32, 70}, {"4x1", 4, 1, 1, 64, 45},
    {"16x4", 16, 1, 4, 64, 60}, SPLIT(8, 1, 128, 35),     {NULL}};

#define DEPTHWISE_ADDRESS(factor)                                                                  \
    {"address4x2", 4, 4, 2, 8, 3.6f * (factor), 0, 0, true},                                       \
        {"address4x4", 4, 4, 4, 8, 3.5f * (factor), 0, 0, true},                                   \
    {                                                                                              \
        "address4x4", 4, 4, 4, 64, 3.2f * (factor), 0, 0, true                                     \
    }
#define DEPTHWISE_LANES(factor)                                                                    \
    {"lanes4x8", 4, 4, 8, 64, 9 * (factor), 0, 0, true, 8},                                        \
    {                                                                                              \
        "lanes4x8", 4, 4, 8, 128, 8.5f * (factor), 0, 0, true, 8                                   \
    }
static const struct variant depthwise_cpu[] = {
    {"4x4", 4, 4, 4, 64, 3.6f}, {"4x4", 4, 4, 4, 8, 3.6f},
    {"4x2", 4, 4, 2, 64, 3},    {"4x2", 4, 4, 2, 8, 3},
    {"2x2", 4, 2, 2, 64, 2},    {"2x2", 4, 2, 2, 8, 2},
    {"1x1", 4, 1, 1, 64, 0.8f}, DEPTHWISE_ADDRESS(0.02f),
    DEPTHWISE_LANES(0.02f),     {NULL}};
static const struct variant depthwise_cpu_new[] = {
    DEPTHWISE_LANES(1), DEPTHWISE_ADDRESS(1), {NULL}};
// a wave has 64 lanes
static const struct variant depthwise_amd[] = {
    {"4x2", 4, 4, 2, 64, 30}, {"2x2", 4, 2, 2, 64, 25}, {"1x1", 4, 1, 1, 64, 12}, {NULL}};
static const struct variant depthwise_gpu[] = {{"4x2", 4, 4, 2, 64, 30},   {"2x2", 4, 2, 2, 64, 25},
                                               {"4x2", 4, 4, 2, 32, 28},   {"2x2", 4, 2, 2, 32, 23},
                                               {"1x1", 4, 1, 1, 64, 12.f}, {NULL}};

// Separable convolutions are made for GPUs; a workgroup has `local` / 64 shares of the channels.
static const struct variant separable[] = {{"32x1", 32, 1, 1, 64, 100}, {"16x2", 16, 2, 1, 64, 100},
                                           {"32x1", 32, 1, 1, 128, 95}, {"16x1", 16, 1, 1, 64, 85},
                                           {"16x1", 16, 1, 1, 128, 80}, {"8x1", 8, 1, 1, 128, 65},
                                           {"8x1", 8, 1, 1, 64, 65},    {NULL}};

// Sums and depthwise convolution in one are made for CPUs, whose vectors have eight lanes; the
// number of rows is chosen by op_sum_depthwise.c, but for lanes they are unrolled.
static const struct variant sum_depthwise[] = {{"lanes4x8", 4, 4, 8, 64, 30, 0, 0, true, 8},
                                               {"address4", 4, 1, 4, 8, 3, 0, 0, true},
                                               {"4", 4, 1, 4, 8, 2},
                                               {NULL}};

// Dense convolutions: the large tile is for CPUs, whose registers are memory anyway.
#define CONV_ROWS                                                                                  \
    {"8x4", 8, 1, 4, 64, 5}, {"8x4", 8, 1, 4, 8, 5}, {"4x1", 4, 1, 1, 64, 1.8f},                   \
    {                                                                                              \
        "4x1", 4, 1, 1, 8, 1.8f                                                                    \
    }
static const struct variant conv_cpu[] = {
    {"16x8", 16, 1, 8, 64, 10}, {"16x8", 16, 1, 8, 8, 10}, CONV_ROWS, {NULL}};
static const struct variant conv_gpu[] = {CONV_ROWS, {NULL}};

static const struct variant plain[] = {{"", 4, 1, 1, 64, 1}, {NULL}};

// class, fp16, texel, texel_words, group_partial, units, group_ns, node_blocks, lists
// Of Mesa 26's lavapipe the fetch of a texel is a call, for one word too; words are gathered.
static const struct class_plan plans[] = {
    {CLASS_CPU_OLD, false, true, true, false, 0, 160, 4, stem_cpu, pointwise_cpu, depthwise_cpu,
     plain},
    {CLASS_CPU_NEW, false, true, false, false, 0, 20, 4, stem_cpu_new, pointwise_cpu_new,
     depthwise_cpu_new, plain},
    {CLASS_NVIDIA, true, false, false, true, 128, 20, 1, stem_gpu, pointwise_shared, depthwise_gpu,
     plain},
    {CLASS_AMD_GCN, true, false, false, true, 64, 20, 1, stem_gpu, pointwise_amd, depthwise_amd,
     plain},
    {CLASS_AMD_RDNA, true, false, false, true, 96, 20, 1, stem_gpu, pointwise_amd, depthwise_amd,
     plain},
    {CLASS_INTEL, true, false, false, true, 48, 20, 1, stem_gpu, pointwise_shared, depthwise_gpu,
     plain},
    {CLASS_ADRENO, true, true, true, true, 16, 50, 1, stem_gpu, pointwise_mobile, depthwise_gpu,
     plain},
    {CLASS_MALI, true, false, false, true, 16, 50, 1, stem_gpu, pointwise_mobile, depthwise_gpu,
     plain},
    {CLASS_DEFAULT, true, false, false, true, 32, 20, 1, stem_gpu, pointwise_default, depthwise_gpu,
     plain},
};

const struct class_plan *class_plan(enum device_class device_class)
{
    for (gsize i = 0; i < G_N_ELEMENTS(plans); i++) {
        if (plans[i].device_class == device_class) {
            return &plans[i];
        }
    }
    return &plans[G_N_ELEMENTS(plans) - 1];
}

const struct class_plan *plan_for(const struct device *device, bool cpu_plan)
{
    if (cpu_plan == device->is_cpu) {
        return class_plan(device->device_class);
    }
    return class_plan(cpu_plan ? CLASS_CPU_OLD : CLASS_DEFAULT);
}

static bool is_cpu(const struct class_plan *plan)
{
    return plan->device_class == CLASS_CPU_OLD || plan->device_class == CLASS_CPU_NEW;
}

const struct fuse_options *fusion_for(const struct class_plan *plan)
{
    static const struct fuse_options cpu = {.parts = true, .sums = true};
    // what is expanded comes from memory twice where no cache keeps it; one workgroup does a chain,
    // every workgroup all of a squeeze-excite: only where they are small
    static const struct fuse_options gpu = {.parts = true,
                                            .separable = true,
                                            .chain_pixels = 64,
                                            .squeeze_products = 20000,
                                            .expand_elements = 16 << 20};
    return is_cpu(plan) ? &cpu : &gpu;
}

bool variant_runs(const struct variant *variant, const struct device_features *features)
{
    return (!variant->address || features->address) && (variant->lanes == 0 || features->lanes);
}

int variant_tiles(const struct variant *variant)
{
    return variant->local / MAX(1, variant->lanes);
}

int variant_pixels(const struct variant *variant)
{
    int columns = MAX(1, variant->across) * MAX(1, variant->split);
    return variant_tiles(variant) / columns * variant->rows * variant->cols;
}

int variant_channels(const struct variant *variant)
{
    return variant->channels * MAX(1, variant->across);
}

// Of a multiprocessor's rate, what so many workgroups at a time reach: latency is hidden by others.
static double busy_share(const struct variant *variant, double rounds)
{
    double resident = MIN(ceil(rounds) * variant->local, MOST_RESIDENT);
    return MIN(resident / FULL_RESIDENT, 1);
}

double variant_cost(const struct class_plan *plan, const struct variant *variant, double groups,
                    double terms)
{
    double units = plan->units ? plan->units : (int)g_get_num_processors();
    double results = (double)variant_pixels(variant) * variant_channels(variant);
    double rounds = groups <= units ? 1 : groups / units; // the last round is not always full
    double rate = (double)variant->rate * (plan->units ? busy_share(variant, rounds) : 1);
    return rounds * (results * terms / rate + (double)plan->group_ns);
}

const struct variant *variants_of(const struct class_plan *plan, const char *stem)
{
    static const char *const plain_stems[] = {"preprocess", "mean",   "squeeze", "scale",
                                              "node",       "decode", "chain",   "expand_depthwise",
                                              NULL};
    if (g_str_equal(stem, "stem")) {
        return plan->stem;
    }
    if (g_str_equal(stem, "pointwise")) {
        return plan->pointwise;
    }
    if (g_str_equal(stem, "depthwise")) {
        return plan->depthwise;
    }
    if (g_str_equal(stem, "conv")) {
        return is_cpu(plan) ? conv_cpu : conv_gpu;
    }
    if (g_str_equal(stem, "separable")) {
        return separable;
    }
    if (g_str_equal(stem, "sum_depthwise")) {
        return sum_depthwise;
    }
    return g_strv_contains(plain_stems, stem) ? plan->plain : NULL;
}

const struct variant *variant_find(const struct variant *variants, const char *tile)
{
    for (; variants->tile; variants++) {
        if (g_str_equal(variants->tile, tile)) {
            return variants;
        }
    }
    return NULL;
}

char **variant_names(const char *stem, const struct device_features *features)
{
    static const char *const forms[] = {"buffer", "texel"};
    const gsize n_forms = features && !features->texel ? 1 : G_N_ELEMENTS(forms);
    g_autoptr(GStrvBuilder) names = g_strv_builder_new();
    const struct variant *variants = variants_of(class_plan(CLASS_CPU_OLD), stem);
    for (gsize f = 0; f < n_forms && variants; f++) {
        for (const struct variant *v = variants; v->tile; v++) {
            const bool runs = !features || variant_runs(v, features);
            // not again for another workgroup size
            if (runs && variant_find(variants, v->tile) == v) {
                g_autofree char *name =
                    *v->tile ? g_strconcat(forms[f], "_", v->tile, NULL) : g_strdup(forms[f]);
                g_strv_builder_add(names, name);
            }
        }
    }
    return g_strv_builder_end(names);
}
