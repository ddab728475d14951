// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What all operations share: variant names, forced variants, windows, packing, and the errors.
#include "op_test.h"

#include "effdet/effdet.h"

#include <string.h>

static const struct op_form buffer_form = {"buffer", false};

static void test_names(void)
{
    for (int op = 0; op < N_OPS && op_table[op].stem; op++) {
        g_auto(GStrv) names = variant_names(op_table[op].stem, NULL);
        g_assert_cmpint((int)g_strv_length(names), >=, 2);
        g_assert_true(g_str_has_prefix(names[0], "buffer"));
    }
    g_auto(GStrv) none = variant_names("nothing", NULL);
    g_assert_cmpint((int)g_strv_length(none), ==, 0);
}

// What a device lacks is not listed for it.
static void test_lacking(void)
{
    const struct device_features none = {0}, address = {.address = true}, texel = {.texel = true};
    const struct device_features lanes = {.address = true, .lanes = true};
    g_auto(GStrv) plain = variant_names("pointwise", &none);
    g_auto(GStrv) by_address = variant_names("pointwise", &address);
    g_auto(GStrv) texels = variant_names("pointwise", &texel);
    g_auto(GStrv) by_lanes = variant_names("pointwise", &lanes);
    g_assert_true(g_strv_contains((const char *const *)plain, "buffer_16x4"));
    g_assert_false(g_strv_contains((const char *const *)plain, "texel_16x4"));
    g_assert_false(g_strv_contains((const char *const *)plain, "buffer_address64x1"));
    g_assert_true(g_strv_contains((const char *const *)by_address, "buffer_address64x1"));
    g_assert_false(g_strv_contains((const char *const *)by_address, "texel_address64x1"));
    g_assert_false(g_strv_contains((const char *const *)by_address, "buffer_lanes16x6"));
    g_assert_true(g_strv_contains((const char *const *)by_lanes, "buffer_lanes16x6"));
    g_assert_true(g_strv_contains((const char *const *)texels, "texel_16x4"));
    g_assert_false(g_strv_contains((const char *const *)texels, "texel_address64x1"));
}

// Every row of every list is built in every form, and its name is one of those that can be forced.
static void test_builds(void)
{
    for (int class = CLASS_CPU_OLD; class <= CLASS_DEFAULT; class ++) {
        const struct class_plan *plan = class_plan((enum device_class) class);
        g_assert_cmpint(plan->device_class, ==, class);
        for (int op = 0; op < N_OPS && op_table[op].stem; op++) {
            const char *stem = op_table[op].stem;
            const bool has_kernels =
                g_str_equal(stem, "depthwise") || g_str_equal(stem, "expand_depthwise");
            g_auto(GStrv) names = variant_names(stem, NULL);
            bool runs_anywhere = false; // every device has workgroups of 128
            for (const struct variant *v = variants_of(plan, stem); v->tile; v++) {
                const char *kernel = has_kernels ? "_k5s2" : "";
                g_autofree char *suffix = g_strconcat(kernel, *v->tile ? "_" : "", v->tile, NULL);
                for (int form = 0; form < 4; form++) {
                    char name[64];
                    op_kernel_name(name, sizeof name, stem, form & 1, form & 2, suffix);
                    g_assert_nonnull(spirv_find(name));
                }
                g_autofree char *full = g_strconcat("texel", *v->tile ? "_" : "", v->tile, NULL);
                g_assert_true(g_strv_contains((const char *const *)names, full));
                runs_anywhere = runs_anywhere || v->local <= 128;
            }
            g_assert_true(runs_anywhere);
        }
    }
}

static void test_forced(void)
{
    g_setenv("EFFDET_VARIANT", "stem:texel_8x4,pointwise:16x4,node:buffer", TRUE);
    g_assert_cmpstr(op_forced_variant("stem"), ==, "texel_8x4");
    g_assert_cmpstr(op_forced_variant("pointwise"), ==, "16x4");
    g_assert_cmpstr(op_forced_variant("node"), ==, "buffer");
    g_assert_null(op_forced_variant("point"));
    g_assert_null(op_forced_variant("depthwise"));
    g_unsetenv("EFFDET_VARIANT");
    g_assert_null(op_forced_variant("stem"));
}

static void test_pack(void)
{
    struct buffer weights = {0};
    struct op_env env = {.weights = &weights, .packed = g_byte_array_new()};
    const float data[] = {1, -2, 0.5f, 65504, 3};
    struct binding first = op_pack(&env, data, 5, true), second = op_pack(&env, data, 5, false);
    g_assert_true(first.buffer == &weights && first.offset == 0 && first.bytes == 16);
    g_assert_true(second.offset == 256 && second.bytes == 32);
    const uint16_t *halves = (const uint16_t *)(void *)env.packed->data;
    const float *floats = (const float *)(void *)(env.packed->data + 256);
    for (int i = 0; i < 5; i++) {
        g_assert_cmpfloat(float_from_half(halves[i]), ==, data[i]);
        g_assert_cmpfloat(floats[i], ==, data[i]);
    }
    g_byte_array_unref(env.packed);
}

// Runs a node that must be refused, and looks for a word in the message.
static void refuse(struct op_test *test, const struct node *node, int code, const char *word)
{
    g_autoptr(GError) error = NULL;
    const float factors[MAX_INPUTS] = {1, 1, 1, 1};
    g_assert_false(op_node_dispatch(&test->env, node, factors, &error));
    g_assert_error(error, EFFDET_ERROR, code);
    g_assert_nonnull(strstr(error->message, word));
    g_assert_null(strchr(error->message, '\n'));
}

static void test_refusals(void)
{
    if (!op_test_device()) {
        return;
    }
    struct op_test test;
    op_test_begin(&test, "node", &buffer_form, "refusals");
    int x = op_test_value(&test, 8, 16, 16), y = op_test_value(&test, 8, 16, 16);
    int small = op_test_value(&test, 8, 7, 8);
    op_test_plan(&test);
    struct node node = op_test_node(OP_NODE, x, y);
    struct device_limits limits = test.env.device->limits;
    test.env.device->limits.storage_range = 1024;
    refuse(&test, &node, EFFDET_ERROR_UNSUPPORTED, "smaller input size");
    test.env.device->limits = limits;
    test.env.device->limits.max_group_count[0] = 3;
    refuse(&test, &node, EFFDET_ERROR_UNSUPPORTED, "workgroups");
    test.env.device->limits = limits;
    node.inputs[0] = small;
    refuse(&test, &node, EFFDET_ERROR_FAILED, "does not give");
    node.resample[0] = RESAMPLE_MAXPOOL;
    refuse(&test, &node, EFFDET_ERROR_FAILED, "does not give");
    g_assert_cmpint((int)test.env.dispatches->len, ==, 0);
    op_test_end(&test);
}

static void test_unknown_variant(void)
{
    if (!op_test_device()) {
        return;
    }
    const struct op_form form = {"texel_99x9", false};
    struct op_test test;
    op_test_begin(&test, "pointwise", &form, "unknown");
    int x = op_test_value(&test, 4, 2, 2), y = op_test_value(&test, 4, 2, 2);
    op_test_plan(&test);
    struct node node = op_test_node(OP_POINTWISE, x, y);
    float weight[16] = {0}, bias[4] = {0};
    struct folded folded = {4, 4, 1, 1, weight, bias, NULL};
    g_autoptr(GError) error = NULL;
    g_assert_false(op_pointwise_dispatch(&test.env, &node, &folded, &error));
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE);
    g_assert_nonnull(strstr(error->message, "texel_16x4"));
    op_test_end(&test);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/op/names", test_names);
    g_test_add_func("/op/lacking", test_lacking);
    g_test_add_func("/op/builds", test_builds);
    g_test_add_func("/op/forced", test_forced);
    g_test_add_func("/op/pack", test_pack);
    g_test_add_func("/op/refusals", test_refusals);
    g_test_add_func("/op/unknown-variant", test_unknown_variant);
    int status = g_test_run();
    op_test_finish_device();
    return status;
}
