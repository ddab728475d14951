// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What RADV makes of every pipeline of the plan for GPUs: nothing spills, the direct kernel reads
// its weights by scalar loads, tiles reach the occupancy and speed they were chosen for, and
// nothing is more than a tenth worse than tests/radv/baseline.tsv. One family (RADV_FORCE_FAMILY) a
// process.
//   test_radv --print    prints the family's rows of the baseline
#include "engine_private.h"
#include "interface.h"
#include "null_device.h"
#include "statistics.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MESA "Mesa 25.0." // statistics of different releases do not compare
#define WORST 1.1         // of the baseline's busy cycles

static struct device *device;
static struct compiler *compiler;
static const char *family;
static GHashTable *baseline; // "shader specialisation" -> struct statistics

// Register tiles of the direct kernel with fp16 storage, without activation or input scale:
// subgroups a SIMD, and busy cycles of the loop alone.
static const struct tile {
    const char *family, *tile;
    guint64 occupancy, throughput;
} tiles[] = {
    {"navi31", "8x4", 32, 1134},  {"navi21", "8x4", 20, 2222},  {"polaris10", "8x4", 4, 5980},
    {"navi31", "16x4", 18, 2238}, {"navi21", "16x4", 12, 4414}, {"polaris10", "16x4", 2, 11388},
};

struct pipeline {
    char *name; // "pointwise_half_8x4 1,64,0,0,1,0,1"
    struct kernel kernel;
    struct statistics got;
};

static void pipeline_free(gpointer data)
{
    struct pipeline *pipeline = data;
    g_free(pipeline->name);
    g_free(pipeline);
}

static struct pipeline *pipeline_new(const struct kernel *kernel)
{
    struct pipeline *pipeline = g_new0(struct pipeline, 1);
    g_autoptr(GString) name = g_string_new(kernel->spirv->name);
    for (int i = 0; i < kernel->n_spec; i++) {
        g_string_append_printf(name, "%c%u", i ? ',' : '\t', kernel->spec[i]);
    }
    pipeline->name = g_strdup(name->str);
    pipeline->kernel = *kernel;
    if (!compiler_run(compiler, kernel, &pipeline->got)) {
        g_error("RADV does not compile %s", name->str);
    }
    return pipeline;
}

// Of a network with its preprocessing and decoding, as an engine makes them.
static GPtrArray *list_pipelines(const char *model, EffdetPrecision precision)
{
    g_autoptr(GError) error = NULL;
    EffdetEngineParams params = {.model = model,
                                 .random_weights = TRUE,
                                 .device = "RADV",
                                 .precision = precision,
                                 .plan = "gpu",
                                 .tune = -1,
                                 .queue_depth = 1};
    EffdetEngine *engine = effdet_engine_new(&params, &error);
    g_assert_no_error(error);
    GPtrArray *pipelines = g_ptr_array_new_with_free_func(pipeline_free);
    for (int i = 0; i < kernels_count(engine->network.kernels); i++) {
        g_ptr_array_add(pipelines, pipeline_new(kernels_at(engine->network.kernels, i)));
    }
    effdet_engine_free(&engine);
    return pipelines;
}

static void check_spills(const struct pipeline *pipeline)
{
    const struct statistics *got = &pipeline->got;
    if (got->spilled_vgprs || got->spilled_sgprs) {
        g_test_message("%s: %" G_GUINT64_FORMAT " vector and %" G_GUINT64_FORMAT
                       " scalar registers are spilled",
                       pipeline->name, got->spilled_vgprs, got->spilled_sgprs);
        g_test_fail();
    }
}

// The register tile of a direct pointwise kernel, whose name is "pointwise[_half]_CxP".
static const char *direct_tile(const struct pipeline *pipeline, int *channels, int *pixels)
{
    const char *name = pipeline->kernel.spirv->name;
    const char *tile = strrchr(name, '_') + 1;
    bool direct = g_str_has_prefix(name, "pointwise_") && !strstr(name, "texel") &&
                  !strstr(name, "squeeze") && // loads more in front
                  sscanf(tile, "%dx%d", channels, pixels) == 2;
    return direct ? tile : NULL;
}

// Lanes load their pixels once a step, and what the epilogue needs for each result.
static void check_loads(const struct pipeline *pipeline)
{
    int channels, pixels;
    if (!direct_tile(pipeline, &channels, &pixels)) {
        return;
    }
    const uint32_t *spec = pipeline->kernel.spec;
    int of_result = 1 + (spec[POINTWISE_SPEC_RESIDUAL] != 0) +
                    (spec[POINTWISE_SPEC_LEVELS] > 1 ? 2 : 0) +
                    (spec[POINTWISE_SPEC_ACCUMULATE] != 0);
    guint64 most = (guint64)(pixels + pixels * channels / 4 * of_result);
    if (pipeline->got.smem == 0 || pipeline->got.vmem > most) {
        g_test_message("%s: %" G_GUINT64_FORMAT " scalar and %" G_GUINT64_FORMAT
                       " vector loads and stores, wanted some and at most %" G_GUINT64_FORMAT
                       ": weights are not scalar",
                       pipeline->name, pipeline->got.smem, pipeline->got.vmem, most);
        g_test_fail();
    }
}

static void check_tile(const struct pipeline *pipeline)
{
    int channels, pixels;
    const char *tile = direct_tile(pipeline, &channels, &pixels);
    bool plain = tile && strstr(pipeline->name, "_half") &&
                 pipeline->kernel.spec[SPEC_ACTIVATION] == ACTIVATION_NONE &&
                 !pipeline->kernel.spec[POINTWISE_SPEC_INPUT_SCALE] &&
                 pipeline->kernel.spec[POINTWISE_SPEC_LEVELS] == 1;
    for (gsize i = 0; plain && i < G_N_ELEMENTS(tiles); i++) {
        const struct tile *want = &tiles[i];
        if (g_str_equal(family, want->family) && g_str_equal(tile, want->tile) &&
            (pipeline->got.occupancy < want->occupancy ||
             (double)pipeline->got.throughput > WORST * (double)want->throughput)) {
            g_test_message("%s: %" G_GUINT64_FORMAT " subgroups, %" G_GUINT64_FORMAT
                           " cycles, wanted %" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT,
                           pipeline->name, pipeline->got.occupancy, pipeline->got.throughput,
                           want->occupancy, want->throughput);
            g_test_fail();
        }
    }
}

static void check_baseline(const struct pipeline *pipeline)
{
    const struct statistics *want = g_hash_table_lookup(baseline, pipeline->name);
    if (!want) {
        g_test_message("%s: not in the baseline", pipeline->name);
    } else if ((double)pipeline->got.throughput > WORST * (double)want->throughput ||
               (double)pipeline->got.occupancy * WORST < (double)want->occupancy) {
        g_test_message("%s: %" G_GUINT64_FORMAT " cycles with %" G_GUINT64_FORMAT
                       " subgroups, was %" G_GUINT64_FORMAT " with %" G_GUINT64_FORMAT,
                       pipeline->name, pipeline->got.throughput, pipeline->got.occupancy,
                       want->throughput, want->occupancy);
        g_test_fail();
    }
}

static void read_baseline(void)
{
    g_autofree char *path =
        g_build_filename(g_getenv("EFFDET_SOURCE_DIR"), "tests", "radv", "baseline.tsv", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    baseline = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    for (char **line = lines; *line; line++) {
        g_auto(GStrv) fields = g_strsplit(*line, "\t", -1);
        if (g_strv_length(fields) == 7 && g_str_equal(fields[0], family)) {
            struct statistics *row = g_new0(struct statistics, 1);
            row->occupancy = g_ascii_strtoull(fields[4], NULL, 10);
            row->throughput = g_ascii_strtoull(fields[6], NULL, 10);
            g_hash_table_insert(baseline, g_strjoin("\t", fields[1], fields[2], NULL), row);
        }
    }
}

static const struct network_case {
    const char *path, *model;
    EffdetPrecision precision;
} cases[] = {
    {"/radv/d0/fp16", "d0", EFFDET_PRECISION_FP16},
    {"/radv/d0/fp32", "d0", EFFDET_PRECISION_FP32},
    {"/radv/d4/fp16", "d4", EFFDET_PRECISION_FP16},
    {"/radv/d4/fp32", "d4", EFFDET_PRECISION_FP32},
    {"/radv/d7/fp16", "d7", EFFDET_PRECISION_FP16}, // with expansions
    {"/radv/d7/fp32", "d7", EFFDET_PRECISION_FP32},
    {"/radv/lite0/fp16", "lite0", EFFDET_PRECISION_FP16},
    {"/radv/lite0/fp32", "lite0", EFFDET_PRECISION_FP32},
};

static void test_case(gconstpointer data)
{
    static void (*const checks[])(const struct pipeline *) = {check_spills, check_loads, check_tile,
                                                              check_baseline};
    const struct network_case *network = data;
    if (!compiler) {
        g_test_skip("no RADV of " MESA "x, which has null hardware");
        return;
    }
    g_autoptr(GPtrArray) pipelines = list_pipelines(network->model, network->precision);
    for (guint i = 0; i < pipelines->len; i++) {
        for (gsize c = 0; c < G_N_ELEMENTS(checks); c++) {
            checks[c](g_ptr_array_index(pipelines, i));
        }
    }
}

static void print_rows(void)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (gsize c = 0; c < G_N_ELEMENTS(cases); c++) {
        g_autoptr(GPtrArray) pipelines = list_pipelines(cases[c].model, cases[c].precision);
        for (guint i = 0; i < pipelines->len; i++) {
            const struct pipeline *pipeline = g_ptr_array_index(pipelines, i);
            const struct statistics *got = &pipeline->got;
            if (g_hash_table_add(seen, g_strdup(pipeline->name))) {
                printf("%s\t%s\t%d\t%d\t%d\t%d\n", family, pipeline->name, (int)got->vgprs,
                       (int)got->occupancy, (int)got->shared, (int)got->throughput);
            }
        }
    }
}

// Other releases of RADV end the process at a family that they do not know.
static bool is_known_family(void)
{
    int status = 1;
    pid_t child = fork();
    if (child == 0) {
        device = null_device_new(NULL);
        _exit(device ? 0 : 1);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static bool open_compiler(void)
{
    g_setenv("RADV_FORCE_FAMILY", family, TRUE);
    g_setenv("XDG_CACHE_HOME", "/dev/null", TRUE); // null hardware leaves nothing behind
    device = is_known_family() ? null_device_new(NULL) : NULL;
    if (device && strstr(device->driver_text, MESA)) {
        compiler = compiler_new(device);
    }
    return compiler != NULL;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s FAMILY [--print]\n", argv[0]);
        return 2;
    }
    family = argv[1];
    bool ready = open_compiler();
    int status = 1;
    if (argc > 2 && g_str_equal(argv[2], "--print")) {
        if (ready) {
            print_rows();
            status = 0;
        }
    } else {
        g_test_init(&argc, &argv, NULL);
        if (ready) {
            read_baseline();
        }
        for (gsize c = 0; c < G_N_ELEMENTS(cases); c++) {
            g_test_add_data_func(cases[c].path, &cases[c], test_case);
        }
        status = g_test_run();
    }
    compiler_free(&compiler);
    device_free(&device);
    g_clear_pointer(&baseline, g_hash_table_unref);
    return status;
}
