// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The reference network against the golden values of the specification (13.2), its operations
// against the traps of chapter 11, and its parameter counts (1.7, 1.9).
#include "network.h"

#include <math.h>
#include <string.h>

// One golden network: the lines of the data file that share everything but the tensor.
struct golden {
    char *arch;
    int height, width;
    struct ref_gains gains;
    enum pool_padding pool;
    GPtrArray *rows; // char ** of 9: name, c, h, w, sum, absolute sum, three elements
};

static void compare_row(const struct golden *golden, const struct ref_network *net, char **row)
{
    const struct ref_tensor *t = ref_network_value(net, row[0]);
    g_assert_nonnull(t);
    g_assert_cmpint(t->c, ==, atoi(row[1]));
    g_assert_cmpint(t->h, ==, atoi(row[2]));
    g_assert_cmpint(t->w, ==, atoi(row[3]));
    gsize n = (gsize)t->c * t->h * t->w;
    const gsize at[3] = {0, n / 2, n - 1};
    double sum = 0.0, absolute = 0.0;
    for (gsize i = 0; i < n; i++) {
        sum += t->data[i];
        absolute += fabs(t->data[i]);
    }
    double wanted_sum = g_ascii_strtod(row[4], NULL), wanted_abs = g_ascii_strtod(row[5], NULL);
    if (!(fabs(sum - wanted_sum) <= 1e-5 * wanted_abs) ||
        !(fabs(absolute - wanted_abs) <= 1e-5 * wanted_abs)) {
        g_test_message("%s %dx%d pool %d, %s: sum %.6e, wanted %.6e; absolute %.6e, wanted %.6e",
                       golden->arch, golden->height, golden->width, golden->pool, row[0], sum,
                       wanted_sum, absolute, wanted_abs);
        g_test_fail();
    }
    for (int i = 0; i < 3; i++) {
        double wanted = g_ascii_strtod(row[6 + i], NULL);
        if (!(fabs(t->data[at[i]] - wanted) <= 2e-5)) {
            g_test_message("%s %dx%d pool %d, %s[%zu]: %.6e, wanted %.6e", golden->arch,
                           golden->height, golden->width, golden->pool, row[0], at[i],
                           t->data[at[i]], wanted);
            g_test_fail();
        }
    }
}

static void test_golden(gconstpointer data)
{
    const struct golden *golden = data;
    const struct arch *arch = arch_find(golden->arch);
    g_assert_nonnull(arch);
    struct model model;
    model_init(&model, arch, 90);
    model.pool_padding = golden->pool;
    struct ref_tensor input = ref_new(3, golden->height, golden->width);
    int n = 3 * golden->height * golden->width;
    ref_random("input", input.data, n);
    for (int i = 0; i < n; i++) {
        input.data[i] *= 2.0;
    }
    struct ref_gains gains = golden->gains;
    gains.head_bn_level_first = arch->head_bn_level_first;
    struct ref_network *net = ref_network_run(&model, &input, ref_get_synthetic, &gains);
    g_assert_nonnull(net);
    for (guint i = 0; i < golden->rows->len; i++) {
        compare_row(golden, net, golden->rows->pdata[i]);
    }
    ref_network_free(&net);
    ref_free(&input);
    model_finish(&model);
}

static void golden_free(gpointer data)
{
    struct golden *golden = data;
    g_free(golden->arch);
    g_ptr_array_unref(golden->rows);
    g_free(golden);
}

static GPtrArray *read_golden(void)
{
    g_autofree char *path =
        g_build_filename(g_getenv("EFFDET_SOURCE_DIR"), "tests", "data", "golden.tsv", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    GPtrArray *all = g_ptr_array_new_with_free_func(golden_free);
    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    struct golden *last = NULL;
    for (char **line = lines; *line; line++) {
        if (**line == '#' || **line == '\0') {
            continue;
        }
        g_auto(GStrv) cell = g_strsplit(*line, "\t", -1);
        g_assert_cmpint(g_strv_length(cell), ==, 15);
        struct golden now = {cell[0],
                             atoi(cell[1]),
                             atoi(cell[2]),
                             {g_ascii_strtod(cell[3], NULL), g_ascii_strtod(cell[4], NULL)},
                             g_str_equal(cell[5], "zero") ? POOL_PAD_ZERO : POOL_PAD_IGNORE};
        if (!last || !g_str_equal(last->arch, now.arch) || last->width != now.width ||
            last->height != now.height || last->pool != now.pool) {
            last = g_memdup2(&now, sizeof now);
            last->arch = g_strdup(now.arch);
            last->rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
            g_ptr_array_add(all, last);
        }
        g_ptr_array_add(last->rows, g_strdupv(cell + 6));
    }
    return all;
}

// Spec 13.1: the check values of the generator.
static void test_generator(void)
{
    static const struct {
        const char *name;
        double values[3];
    } checks[] = {
        {"input", {0.5980662722, 0.3703484950, 0.9605294466}},
        {"backbone.conv_stem.weight", {-0.4222594253, -0.6514108139, 0.7867219928}},
        {"class_net.predict.conv_pw.bias", {0.4619280333, 0.8146418366, -0.6355266133}},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(checks); i++) {
        double out[3];
        ref_random(checks[i].name, out, 3);
        for (int j = 0; j < 3; j++) {
            g_assert_cmpfloat_with_epsilon(out[j], checks[i].values[j], 1e-10);
        }
    }
}

static struct ref_tensor ramp(int h, int w, double first)
{
    struct ref_tensor t = ref_new(1, h, w);
    for (int i = 0; i < h * w; i++) {
        t.data[i] = first + i;
    }
    return t;
}

// Z3 and T3: window, stride and padding of the max pool.
static void test_pool(void)
{
    struct ref_tensor positive = ramp(4, 4, 0.0), negative = ramp(4, 4, -16.0);
    struct ref_tensor a = ref_maxpool(&positive, PAD_SAME, POOL_PAD_IGNORE);
    static const double wanted[4] = {10, 11, 14, 15};
    g_assert_cmpint(a.h, ==, 2);
    g_assert_cmpint(a.w, ==, 2);
    struct ref_tensor b = ref_maxpool(&negative, PAD_SAME, POOL_PAD_IGNORE);
    struct ref_tensor c = ref_maxpool(&negative, PAD_SAME, POOL_PAD_ZERO);
    for (int i = 0; i < 4; i++) {
        g_assert_cmpfloat(a.data[i], ==, wanted[i]);
        g_assert_cmpfloat(b.data[i], ==, wanted[i] - 16.0);
        g_assert_cmpfloat(c.data[i], ==, i == 0 ? -6.0 : 0.0); // last row and column touch padding
    }
    // Odd sizes pad both ends: 5 -> 3, the first window sees rows 0 and 1 only.
    struct ref_tensor odd = ramp(5, 5, 0.0);
    struct ref_tensor d = ref_maxpool(&odd, PAD_SAME, POOL_PAD_IGNORE);
    g_assert_cmpint(d.h, ==, 3);
    g_assert_cmpfloat(d.data[0], ==, 6.0);
    g_assert_cmpfloat(d.data[8], ==, 24.0);
    struct ref_tensor e = ref_maxpool(&positive, PAD_SYMMETRIC, POOL_PAD_IGNORE);
    g_assert_cmpint(e.h, ==, 2);
    g_assert_cmpfloat(e.data[0], ==, 5.0);
    struct ref_tensor *all[] = {&positive, &negative, &a, &b, &c, &odd, &d, &e};
    for (gsize i = 0; i < G_N_ELEMENTS(all); i++) {
        ref_free(all[i]);
    }
}

// Z6: which outputs a single pixel reaches through the stem.
static void test_stem_padding(void)
{
    float ones[9];
    for (int i = 0; i < 9; i++) {
        ones[i] = 1.0f;
    }
    static const struct {
        enum pad_type pad;
        int y, x;
        double out[4]; // outputs (0, 0), (0, 1), (1, 0), (last, last) of an 8x8 picture
    } cases[] = {
        {PAD_SAME, 0, 0, {1, 0, 0, 0}},      {PAD_SAME, 7, 7, {0, 0, 0, 1}},
        {PAD_SAME, 1, 1, {1, 0, 0, 0}},      {PAD_SYMMETRIC, 1, 1, {1, 1, 1, 0}},
        {PAD_SYMMETRIC, 0, 0, {1, 0, 0, 0}}, {PAD_SYMMETRIC, 7, 7, {0, 0, 0, 1}},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct ref_tensor in = ref_new(1, 8, 8);
        *ref_at(&in, 0, cases[i].y, cases[i].x) = 1.0;
        struct ref_tensor out = ref_conv(&in, ones, NULL, 1, 3, 2, cases[i].pad);
        g_assert_cmpint(out.h, ==, 4);
        g_assert_cmpfloat(*ref_at(&out, 0, 0, 0), ==, cases[i].out[0]);
        g_assert_cmpfloat(*ref_at(&out, 0, 0, 1), ==, cases[i].out[1]);
        g_assert_cmpfloat(*ref_at(&out, 0, 1, 0), ==, cases[i].out[2]);
        g_assert_cmpfloat(*ref_at(&out, 0, 3, 3), ==, cases[i].out[3]);
        double total = 0.0;
        for (int j = 0; j < 16; j++) {
            total += out.data[j];
        }
        double inner = cases[i].pad == PAD_SYMMETRIC && cases[i].y == 1 ? 1.0 : 0.0; // (1, 1)
        g_assert_cmpfloat(*ref_at(&out, 0, 1, 1), ==, inner);
        g_assert_cmpfloat(total, ==,
                          cases[i].out[0] + cases[i].out[1] + cases[i].out[2] + cases[i].out[3] +
                              inner);
        ref_free(&in);
        ref_free(&out);
    }
}

// Spec 2.2: sizes of strided windows, checked by the depthwise reference against the dense one.
static void test_depthwise(void)
{
    for (int size = 1; size < 14; size++) {
        for (int kernel = 3; kernel <= 5; kernel += 2) {
            for (int stride = 1; stride <= 2; stride++) {
                for (int pad = PAD_SAME; pad <= PAD_SYMMETRIC; pad++) {
                    struct ref_tensor in = ref_new(1, size, 3);
                    double weight_values[25];
                    float weight[25], bias = 0.25f;
                    ref_random("in", in.data, size * 3);
                    ref_random("weight", weight_values, 25);
                    for (int i = 0; i < 25; i++) {
                        weight[i] = (float)weight_values[i];
                    }
                    struct ref_tensor a = ref_depthwise(&in, weight, &bias, kernel, stride, pad);
                    struct ref_tensor b = ref_conv(&in, weight, &bias, 1, kernel, stride, pad);
                    g_assert_cmpint(a.h, ==, (size + stride - 1) / stride);
                    g_assert_cmpint(b.h, ==, a.h);
                    for (int i = 0; i < a.h * a.w; i++) {
                        g_assert_cmpfloat_with_epsilon(a.data[i], b.data[i], 1e-12);
                    }
                    ref_free(&in);
                    ref_free(&a);
                    ref_free(&b);
                }
            }
        }
    }
}

// T7: nearest is index >> 1, also for odd targets; bilinear keeps a constant and a ramp's middle.
static void test_resample(void)
{
    for (int in = 1; in < 12; in++) {
        for (int out = MAX(1, 2 * in - 1); out <= 2 * in; out++) {
            struct ref_tensor source = ramp(in, in, 0.0);
            struct ref_tensor near = ref_nearest(&source, out, out);
            for (int y = 0; y < out; y++) {
                for (int x = 0; x < out; x++) {
                    g_assert_cmpfloat(*ref_at(&near, 0, y, x), ==, (y >> 1) * in + (x >> 1));
                }
            }
            ref_free(&source);
            ref_free(&near);
        }
    }
    struct ref_tensor four = ramp(1, 4, 0.0);
    struct ref_tensor two = ref_bilinear(&four, 1, 2), eight = ref_bilinear(&four, 1, 8);
    g_assert_cmpfloat(two.data[0], ==, 0.5);
    g_assert_cmpfloat(two.data[1], ==, 2.5);
    static const double wanted[8] = {0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3};
    for (int i = 0; i < 8; i++) {
        g_assert_cmpfloat(eight.data[i], ==, wanted[i]);
    }
    ref_free(&four);
    ref_free(&two);
    ref_free(&eight);
}

// Weights that a test sets by name on top of the synthetic ones.
struct changed {
    struct ref_gains gains;
    const char *name;  // tensor to change, or NULL
    const float *edge; // values of every "edge_weights" tensor, or NULL
    GHashTable *seen;  // names asked for so far
    gint64 elements;   // their elements, running statistics excepted
};

static bool get_changed(void *data, const char *name, const int *shape, int rank, float *out)
{
    struct changed *changed = data;
    gint64 n = 1;
    for (int i = 0; i < rank; i++) {
        n *= shape[i];
    }
    ref_weight(name, shape, rank, changed->gains.backbone, changed->gains.head, out);
    for (gint64 i = 0; changed->name && g_str_equal(changed->name, name) && i < n; i++) {
        out[i] = 1.0f - out[i];
    }
    if (changed->edge && g_str_has_suffix(name, ".edge_weights")) {
        memcpy(out, changed->edge, sizeof(float) * n);
    }
    return true;
}

static struct ref_network *run_small(const char *arch, const struct changed *changed)
{
    struct model model;
    model_init(&model, arch_find(arch), 2);
    struct ref_tensor input = ref_new(3, 64, 96);
    ref_random("input", input.data, 3 * 64 * 96);
    struct ref_network *net = ref_network_run(&model, &input, get_changed, (void *)changed);
    ref_free(&input);
    model_finish(&model);
    return net;
}

static double difference(const struct ref_network *a, const struct ref_network *b, const char *name)
{
    const struct ref_tensor *x = ref_network_value(a, name), *y = ref_network_value(b, name);
    g_assert_true(x && y && x->c == y->c && x->h == y->h && x->w == y->w);
    double worst = 0.0;
    for (gsize i = 0; i < (gsize)x->c * x->h * x->w; i++) {
        worst = fmax(worst, fabs(x->data[i] - y->data[i]));
    }
    return worst;
}

// Z8 and T14: the second projection of C4 feeds the bottom-up path only.
static void test_second_projection(void)
{
    struct changed plain = {{1, 1}};
    struct changed scrambled = {{1, 1}, "fpn.cell.0.fnode.4.combine.resample.1.conv.conv.weight"};
    struct ref_network *a = run_small("d0", &plain), *b = run_small("d0", &scrambled);
    static const char *const same[] = {"cell0.node0", "cell0.node1", "cell0.node2", "cell0.P3"};
    static const char *const moved[] = {"cell0.P4", "cell0.P5", "cell0.P6", "cell0.P7"};
    for (int i = 0; i < 4; i++) {
        g_assert_cmpfloat(difference(a, b, same[i]), ==, 0.0);
        g_assert_cmpfloat(difference(a, b, moved[i]), >, 1e-9);
    }
    ref_network_free(&a);
    ref_network_free(&b);
}

// T6: fusion factors through the whole network: positive weights scale out up to the constant in
// the denominator, and all-negative ones silence a node without a NaN.
static void test_fusion(void)
{
    static const float dead[3] = {-1.0f, -2.0f, -0.5f}, large[3] = {1e6f, 1e6f, 1e6f};
    struct changed none = {{1, 1}, NULL, dead}, equal = {{1, 1}, NULL, large};
    struct ref_network *a = run_small("d0", &none), *b = run_small("d0", &equal);
    const struct ref_tensor *p3 = ref_network_value(a, "cell0.P3");
    for (int c = 0; c < p3->c; c++) { // nothing but biases is left: every pixel of a plane is equal
        for (int i = 1; i < p3->h * p3->w; i++) {
            double value = p3->data[c * p3->h * p3->w + i];
            g_assert_true(isfinite(value));
            g_assert_cmpfloat(value, ==, p3->data[c * p3->h * p3->w]);
        }
    }
    g_assert_cmpfloat(difference(a, b, "cell0.P3"), >, 1e-3);
    ref_network_free(&a);
    ref_network_free(&b);
}

// A network's tensors by its own structure, counted: statistics of batch norms are no parameters.
static bool get_count(void *data, const char *name, const int *shape, int rank, float *out)
{
    struct changed *counter = data;
    gint64 n = 1;
    for (int i = 0; i < rank; i++) {
        n *= shape[i];
    }
    if (g_hash_table_add(counter->seen, g_strdup(name)) && !strstr(name, ".running_")) {
        counter->elements += n;
    }
    return true;
}

static void test_parameters(void)
{
    static const struct {
        const char *arch;
        int parameters;
        int unused; // of them: what lies behind the last tap
    } counts[] = {
        {"d0", 3880067},
        {"d1", 6625898},
        {"d2", 8097039},
        {"d3", 12032296},
        {"d4", 20723675},
        {"d5", 33653315},
        {"d6", 51871782},
        {"d7", 51871782},
        {"d7x", 77147166},
        {"lite0", 3243470},
        {"lite1", 4248318},
        {"lite2", 5252334},
        {"lite3", 8350862},
        {"lite3x", 9280862},
        {"lite4", 15130894},
        {"efficientdet_d0", 3877763},
        {"efficientdet_d1", 6622026},
        {"efficientdet_d2", 8091215},
        {"efficientdet_d3", 12022376},
        {"efficientdet_d4", 20723675},
        {"efficientdet_d5", 33653315},
        {"efficientdet_q0", 4126234},
        {"efficientdet_q1", 6976294},
        {"efficientdet_q2", 8815280},
        {"efficientdet_lite0", 3241223},
        {"efficientdet_w0", 4291811, 1152 * 320 + 2 * 320},
        {"efficientdet_es", 5932167},
        {"efficientdet_em", 9354522},
        {"efficientdetv2_dt", 13432497},
        {"efficientdetv2_ds", 26580635},
        {"resdet50", 27605354},
        {"mobiledetv2_110d", 2974823},
        {"mobiledetv2_120d", 4300567},
    };
    struct ref_tensor input = ref_new(3, 8, 8);
    for (gsize i = 0; i < G_N_ELEMENTS(counts); i++) {
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        struct changed counter = {.seen = seen};
        struct model model;
        const struct arch *arch = arch_find(counts[i].arch);
        g_assert_nonnull(arch);
        model_init(&model, arch, 90);
        struct ref_network *net = ref_network_run(&model, &input, get_count, &counter);
        g_test_message("%s", counts[i].arch);
        g_assert_cmpint(counter.elements, ==, counts[i].parameters - counts[i].unused);
        ref_network_free(&net);
        model_finish(&model);
    }
    ref_free(&input);
}

// Spec 4.2 and 4.6: the generated node lists against the printed ones.
static void test_nodes(void)
{
    static const struct {
        enum fpn_layout layout;
        int top;
        const char *text; // level: inputs
    } lists[] = {
        {FPN_BIFPN, 7, "6:3,4 5:2,5 4:1,6 3:0,7 4:1,7,8 5:2,6,9 6:3,5,10 7:4,11 "},
        {FPN_BIFPN, 8, "7:4,5 6:3,6 5:2,7 4:1,8 3:0,9 4:1,9,10 5:2,8,11 6:3,7,12 7:4,6,13 8:5,14 "},
        {FPN_PAN, 7, "7:4 6:3,5 5:2,6 4:1,7 3:0,8 3:9 4:8,10 5:7,11 6:6,12 7:5,13 "},
        {FPN_PAN, 8,
         "8:5 7:4,6 6:3,7 5:2,8 4:1,9 3:0,10 3:11 4:10,12 5:9,13 6:8,14 7:7,15 8:6,16 "},
        {FPN_QUFPN, 7,
         "6:3,4 5:2,5 4:1,6 3:0,7 4:1,7,8 5:2,6,9 6:3,5,10 7:4,11 4:1,0 5:2,13 6:3,14 7:4,15 "
         "6:3,15,16 5:2,14,17 4:1,13,18 3:0,19 3:8,20 4:9,19 5:10,18 6:11,17 7:12,16 "},
        {FPN_QUFPN, 8,
         "7:4,5 6:3,6 5:2,7 4:1,8 3:0,9 4:1,9,10 5:2,8,11 6:3,7,12 7:4,6,13 8:5,14 4:1,0 5:2,16 "
         "6:3,17 7:4,18 8:5,19 7:4,19,20 6:3,18,21 5:2,17,22 4:1,16,23 3:0,24 3:10,25 4:11,24 "
         "5:12,23 6:13,22 7:14,21 8:15,20 "},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
        struct arch arch = {.layout = lists[i].layout, .min_level = 3, .max_level = lists[i].top};
        struct ref_node nodes[32];
        g_autoptr(GString) text = g_string_new(NULL);
        int n = ref_fpn_nodes(&arch, nodes);
        for (int k = 0; k < n; k++) {
            g_string_append_printf(text, "%d:", nodes[k].level);
            for (int j = 0; j < nodes[k].n_inputs; j++) {
                g_string_append_printf(text, "%s%d", j ? "," : "", nodes[k].inputs[j]);
            }
            g_string_append_c(text, ' ');
        }
        g_assert_cmpstr(text->str, ==, lists[i].text);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/reference/generator", test_generator);
    g_test_add_func("/reference/pool", test_pool);
    g_test_add_func("/reference/stem-padding", test_stem_padding);
    g_test_add_func("/reference/depthwise", test_depthwise);
    g_test_add_func("/reference/resample", test_resample);
    g_test_add_func("/reference/second-projection", test_second_projection);
    g_test_add_func("/reference/fusion", test_fusion);
    g_test_add_func("/reference/nodes", test_nodes);
    g_test_add_func("/reference/parameters", test_parameters);
    g_autoptr(GPtrArray) all = read_golden();
    for (guint i = 0; i < all->len; i++) {
        const struct golden *golden = all->pdata[i];
        static const char *const large[] = {"tf_efficientdet_d7x", "efficientdet_em",
                                            "efficientdetv2_ds", NULL};
        bool slow = g_strv_contains(large, golden->arch);
        if (!slow || g_test_slow()) {
            g_autofree char *path =
                g_strdup_printf("/reference/golden/%s-%dx%d-%s", golden->arch, golden->height,
                                golden->width, golden->pool == POOL_PAD_ZERO ? "zero" : "ignore");
            g_test_add_data_func(path, golden, test_golden);
        }
    }
    return g_test_run();
}
