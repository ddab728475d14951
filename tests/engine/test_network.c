// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The whole network on the device against the naive one in double: every architecture family,
// precision and plan; races and poison.
#include "effdet/effdet.h"
#include "device_network.h"
#include "reference/network.h"

#include <math.h>
#include <string.h>

struct test_case {
    const char *arch;
    int height, width;
    double backbone_gain, head_gain;
    int classes, scales;
    enum pool_padding pool;
    enum fpn_layout layout;
    enum fusion fusion;
    bool change_fpn; // layout and fusion replace the architecture's own
    bool slow;
    bool expand;    // also with expansions fused: in networks that differ by them
    bool per_level; // heads with weights of their own on every level
    bool brief; // one form, one cell, one layer of a head, no search for races: the backbone is new
    bool narrow; // has 50 million weights: races and sanitizers see its levels on D0's channels
};

// The cases of the specification's section 13, then what they leave out: other class counts and
// anchor sets, PAN and softmax fusion, odd sizes.
static const struct test_case cases[] = {
    {"efficientdet_d0", 256, 256, 1.4, 1.4, 90, 3},
    {"efficientdet_q0", 256, 256, 1.4, 1.4, 90, 3},
    {"tf_efficientdet_d0", 256, 384, 1.4, 1.4, 90, 3, .expand = true},
    {"tf_efficientdet_lite0", 320, 320, 1, 1, 90, 3},
    {"tf_efficientdet_d0", 512, 512, 1.4, 1.4, 90, 3},
    {"tf_efficientdet_d0", 512, 512, 1.4, 1.4, 90, 3, .pool = POOL_PAD_ZERO, .slow = true},
    {"tf_efficientdet_lite3", 256, 256, 1, 1, 90, 3, .slow = true},
    {"tf_efficientdet_d3", 256, 256, 1.3, 1.3, 90, 3, .slow = true},
    {"tf_efficientdet_d7x", 512, 512, 1.2, 1, 90, 3, .slow = true},
    {"tf_efficientdet_lite0", 97, 131, 1, 1, 1, 3, .expand = true},
    {"tf_efficientdet_lite0", 33, 65, 1, 1, 7, 1},
    {"efficientdet_q1", 128, 160, 1.3, 1.3, 3, 3, .expand = true},
    {"tf_efficientdet_d0", 128, 128, 1.4, 1.4, 2, 2, .layout = FPN_PAN, .fusion = FUSION_SOFTMAX,
     .change_fpn = true},
    {"tf_efficientdet_d0", 96, 64, 1.4, 1.4, 5, 3, .pool = POOL_PAD_ZERO, .layout = FPN_PAN,
     .fusion = FUSION_SUM, .change_fpn = true},
    {"tf_efficientdet_d7x", 64, 96, 1.2, 1, 3, 3, .expand = true, .narrow = true},
    {"efficientdet_d1", 65, 97, 1.3, 1.3, 3, 2, .pool = POOL_PAD_ZERO},
    {"tf_efficientdet_lite0", 65, 80, 1, 1, 2, 3, .per_level = true},
    {"efficientdet_es", 65, 97, 1, 1.4, 3, 3, .brief = true},
    {"efficientdet_w0", 96, 65, 1.4, 1.4, 3, 3, .brief = true},
    {"efficientdetv2_dt", 65, 97, 1.1, 1.4, 3, 3, .brief = true},
    {"resdet50", 96, 65, 1, 1.4, 3, 3, .brief = true},
    {"mobiledetv2_110d", 65, 97, 1, 1, 3, 3, .brief = true},
};

struct outputs {
    int n;
    float *data[2 * MAX_LEVELS];
    size_t count[2 * MAX_LEVELS];
    char name[2 * MAX_LEVELS][16];
};

static void outputs_finish(struct outputs *outputs)
{
    for (int i = 0; i < outputs->n; i++) {
        g_free(outputs->data[i]);
    }
    outputs->n = 0;
}

static struct checkpoint *open_case(const struct test_case *test, struct model **model)
{
    struct arch arch = *arch_find(test->arch);
    if (test->narrow) {
        const struct arch *small = arch_find("tf_efficientdet_d0");
        arch.backbone = small->backbone;
        arch.fpn_channels = small->fpn_channels;
    }
    arch.head_per_level = test->per_level;
    if (test->brief) {
        arch.fpn_cells = arch.head_repeats = 1;
    }
    if (test->change_fpn) {
        arch.layout = test->layout;
        arch.fusion = arch.quad_fusion = test->fusion;
    }
    struct checkpoint *checkpoint =
        checkpoint_synthetic(&arch, test->classes, test->backbone_gain, test->head_gain);
    *model = checkpoint_model_mutable(checkpoint);
    (*model)->input_height = test->height;
    (*model)->input_width = test->width;
    (*model)->pool_padding = test->pool;
    (*model)->anchors.num_scales = test->scales;
    return checkpoint;
}

static void run_engine(const struct test_case *test, const struct network_options *options,
                       const float *input, struct outputs *outputs)
{
    g_autoptr(GError) error = NULL;
    struct model *model;
    struct checkpoint *checkpoint = open_case(test, &model);
    struct device *device = device_new(g_getenv("EFFDET_TEST_DEVICE"), &error);
    g_assert_no_error(error);
    struct network network;
    bool ok = network_init(&network, device, checkpoint, options, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    ok = network_poison(&network, &error) && network_write_input(&network, input, &error) &&
         network_run(&network, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    int levels = model_levels(model);
    outputs->n = 2 * levels;
    for (int i = 0; i < outputs->n; i++) {
        int id = i < levels ? network.graph->classes : network.graph->boxes;
        const struct value *value = graph_value(network.graph, id);
        const struct extent *extent = &value->level[i % levels];
        outputs->count[i] =
            (size_t)value->channels * (size_t)extent->height * (size_t)extent->width;
        outputs->data[i] = g_new(float, outputs->count[i]);
        g_snprintf(outputs->name[i], sizeof outputs->name[i], "%s%d", i < levels ? "class" : "box",
                   3 + i % levels);
        ok = network_read_value(&network, id, i % levels, outputs->data[i], &error);
        g_assert_no_error(error);
        g_assert_true(ok);
    }
    g_test_message("%s %dx%d %s %s: %u dispatches", test->arch, test->width, test->height,
                   options->half ? "fp16" : "fp32",
                   options->expand_elements ? "fused with expansions"
                   : options->fuse          ? (options->cpu_plan ? "fused for CPUs" : "fused")
                                            : "plain",
                   network.dispatches->len);
    network_finish(&network);
    device_free(&device);
    checkpoint_close(&checkpoint);
}

static void compare(const struct outputs *outputs, const struct ref_network *reference, bool half)
{
    for (int i = 0; i < outputs->n; i++) {
        const struct ref_tensor *wanted = ref_network_value(reference, outputs->name[i]);
        g_assert_nonnull(wanted);
        g_assert_cmpuint(outputs->count[i], ==,
                         (size_t)wanted->c * (size_t)wanted->h * (size_t)wanted->w);
        double worst = 0, largest = 0, noise = 0, signal = 0;
        for (size_t k = 0; k < outputs->count[i]; k++) {
            double difference = outputs->data[i][k] - wanted->data[k];
            g_assert_true(isfinite(difference));
            worst = MAX(worst, fabs(difference));
            largest = MAX(largest, fabs(wanted->data[k]));
            noise += difference * difference;
            signal += wanted->data[k] * wanted->data[k];
        }
        g_test_message("  %s: max error / max %.2e, NMSE %.2e", outputs->name[i], worst / largest,
                       noise / signal);
        if (half) {
            g_assert_cmpfloat(noise / signal, <=, 1e-4);
        } else {
            g_assert_cmpfloat(worst / largest, <=, 1e-4);
        }
    }
}

static void assert_equal(const struct outputs *a, const struct outputs *b)
{
    g_assert_cmpint(a->n, ==, b->n);
    for (int i = 0; i < a->n; i++) {
        g_assert_cmpmem(a->data[i], a->count[i] * sizeof(float), b->data[i],
                        b->count[i] * sizeof(float));
    }
}

static float *make_input(const struct test_case *test, struct ref_tensor *tensor)
{
    *tensor = ref_new(3, test->height, test->width);
    int n = 3 * test->height * test->width;
    ref_random("input", tensor->data, n);
    float *input = g_new(float, n);
    for (int i = 0; i < n; i++) {
        tensor->data[i] *= 2;
        input[i] = (float)tensor->data[i];
    }
    return input;
}

// fp32, and fp16 where the device can store it
static int storage_forms(void)
{
    g_autoptr(GError) error = NULL;
    struct device *device = device_new(g_getenv("EFFDET_TEST_DEVICE"), &error);
    g_assert_no_error(error);
    int forms = device->features.storage16 ? 2 : 1;
    device_free(&device);
    if (forms == 1) {
        g_test_message("fp32 only: the device has no 16-bit storage");
    }
    return forms;
}

static void test_against_reference(gconstpointer data)
{
    const struct test_case *test = data;
#ifndef __SANITIZE_ADDRESS__
    struct test_case wide = *test;
    wide.narrow = false;
    test = &wide;
#endif
    struct ref_tensor tensor;
    g_autofree float *input = make_input(test, &tensor);
    struct model *model;
    struct checkpoint *checkpoint = open_case(test, &model);
    struct ref_gains gains = {test->backbone_gain, test->head_gain,
                              model->arch.head_bn_level_first};
    struct ref_network *reference = ref_network_run(model, &tensor, ref_get_synthetic, &gains);
    g_assert_nonnull(reference);
    for (int half = 0, storage = storage_forms(); half < storage; half++) {
        static const struct network_options forms[] = {{.fuse = true, .cpu_plan = true},
                                                       {.fuse = true},
                                                       {.fuse = false},
                                                       {.fuse = true, .expand_elements = 1}};
        const gsize n =
            test->slow || test->brief ? 1 : G_N_ELEMENTS(forms) - (test->expand ? 0 : 1);
        for (gsize f = 0; f < n; f++) {
            struct network_options options = forms[f];
            struct outputs outputs;
            options.half = half;
            run_engine(test, &options, input, &outputs);
            compare(&outputs, reference, half);
            outputs_finish(&outputs);
        }
    }
    ref_network_free(&reference);
    checkpoint_close(&checkpoint);
    ref_free(&tensor);
}

// Poisoned memory, a second run, and a barrier after every dispatch change no bit.
static void test_races(gconstpointer data)
{
    const struct test_case *test = data;
    struct ref_tensor tensor;
    g_autofree float *input = make_input(test, &tensor);
    static const struct network_options forms[] = {{.fuse = true},
                                                   {.fuse = true, .expand_elements = 1},
                                                   {.half = true, .fuse = true, .cpu_plan = true}};
    int n = storage_forms() > 1 ? 3 : 2;
    for (int f = 0; f < n; f++) {
        struct network_options options = forms[f];
        struct outputs first, second, fenced;
        run_engine(test, &options, input, &first);
        g_setenv("EFFDET_POISON", "1", TRUE);
        run_engine(test, &options, input, &second);
        g_setenv("EFFDET_BARRIERS", "all", TRUE);
        run_engine(test, &options, input, &fenced);
        g_unsetenv("EFFDET_POISON");
        g_unsetenv("EFFDET_BARRIERS");
        assert_equal(&first, &second);
        assert_equal(&first, &fenced);
        outputs_finish(&first);
        outputs_finish(&second);
        outputs_finish(&fenced);
    }
    ref_free(&tensor);
}

// /network/large, /network/reference and /network/races are tests of their own in meson.build: each
// can then run where it can find something.
int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const struct test_case *test = &cases[i];
        bool large = test->height >= 200;
        if (test->slow && g_test_quick()) { // run with -m slow
            continue;
        }
        g_autofree char *name =
            g_strdup_printf("%s-%dx%d-%zu", test->arch, test->width, test->height, i);
        g_autofree char *path =
            g_strconcat(large ? "/network/large/" : "/network/reference/", name, NULL);
        g_test_add_data_func(path, test, test_against_reference);
        if (!large && !test->brief) {
            g_autofree char *races = g_strconcat("/network/races/", name, NULL);
            g_test_add_data_func(races, test, test_races);
        }
    }
    return g_test_run();
}
