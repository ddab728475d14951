// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// `effdet infer` as a whole, from a weights file and an input file to output files, against the
// naive network in double on the same synthetic weights.
#include "cli/npy.h"
#include "effdet/effdet.h"
#include "network.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define MAX_ERROR 1e-4 // fp32: of the tensor's largest magnitude
#define MAX_NMSE 1e-4  // fp16 storage

static char *folder;
static const char *command; // path of the program

struct test_case {
    const char *arch;
    int height, width, classes;
    double backbone_gain, head_gain;
    enum pool_padding pool;
    bool slow; // with -m slow only
};

// A safetensors file in the making, filled by the network that asks for its weights.
struct writer {
    struct ref_gains gains;
    GString *header;
    GByteArray *data;
};

static bool get_and_write(void *data, const char *name, const int *shape, int rank, float *out)
{
    struct writer *writer = data;
    if (!ref_get_synthetic(&writer->gains, name, shape, rank, out)) {
        return false;
    }
    g_autofree char *quoted = g_strdup_printf("\"%s\":", name);
    if (strstr(writer->header->str, quoted)) { // a weight shared by levels
        return true;
    }
    guint begin = writer->data->len, elements = 1;
    g_string_append_printf(writer->header, "%s%s{\"dtype\":\"F32\",\"shape\":[",
                           writer->header->len > 1 ? "," : "", quoted);
    for (int i = 0; i < rank; i++) {
        elements *= (guint)shape[i];
        g_string_append_printf(writer->header, "%s%d", i ? "," : "", shape[i]);
    }
    g_byte_array_append(writer->data, (const guint8 *)out, elements * 4);
    g_string_append_printf(writer->header, "],\"data_offsets\":[%u,%u]}", begin, writer->data->len);
    return true;
}

static void writer_save(struct writer *writer, const struct test_case *test, const char *path)
{
    g_string_append_printf(writer->header,
                           ",\"__metadata__\":{\"effdet.format\":\"1\",\"architecture\":\"%s\","
                           "\"pool_padding\":\"%s\"}}",
                           test->arch, test->pool == POOL_PAD_ZERO ? "zero" : "ignore");
    while (writer->header->len % 8) {
        g_string_append_c(writer->header, ' ');
    }
    guint64 length = GUINT64_TO_LE(writer->header->len);
    g_autoptr(GByteArray) file = g_byte_array_new();
    g_byte_array_append(file, (const guint8 *)&length, 8);
    g_byte_array_append(file, (const guint8 *)writer->header->str, (guint)writer->header->len);
    g_byte_array_append(file, writer->data->data, writer->data->len);
    g_assert_true(g_file_set_contents(path, (const char *)file->data, file->len, NULL));
}

static void run_command(const char *weights, const char *input, const char *output,
                        const char *precision)
{
    const char *argv[] = {command,    "infer", "--weights",   weights,   "--input", input,
                          "--output", output,  "--precision", precision, NULL};
    g_autofree char *err = NULL;
    g_autoptr(GError) error = NULL;
    int status;
    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL, &err,
                 &status, &error);
    g_assert_no_error(error);
    if (!g_spawn_check_wait_status(status, NULL) || err[0]) {
        g_error("effdet infer --weights %s --precision %s: %s", weights, precision, err);
    }
}

static void compare(const struct test_case *test, const struct ref_network *network,
                    const char *output, const char *kind, int level, bool half)
{
    g_autofree char *name = g_strdup_printf("%s%d", kind, level);
    const struct ref_tensor *wanted = ref_network_value(network, name);
    g_assert_nonnull(wanted);
    g_autofree char *path = g_strdup_printf("%s/%s_%d.npy", output, kind, level);
    g_autoptr(GError) error = NULL;
    int64_t shape[4];
    g_autofree float *found = npy_read(path, 4, shape, &error);
    g_assert_no_error(error);
    const int64_t wanted_shape[] = {1, wanted->c, wanted->h, wanted->w};
    g_assert_cmpmem(shape, sizeof shape, wanted_shape, sizeof wanted_shape);
    int n = wanted->c * wanted->h * wanted->w, worst = 0;
    double largest = 0, square = 0, square_error = 0;
    for (int i = 0; i < n; i++) {
        double difference = (double)found[i] - wanted->data[i];
        largest = MAX(largest, fabs(wanted->data[i]));
        square += wanted->data[i] * wanted->data[i];
        square_error += difference * difference;
        if (!(fabs(difference) <= fabs((double)found[worst] - wanted->data[worst]))) {
            worst = i;
        }
    }
    double error_max = fabs((double)found[worst] - wanted->data[worst]) / largest;
    double nmse = square_error / square;
    g_test_message("%s %dx%d %s %s: max error %.2g, NMSE %.2g", test->arch, test->height,
                   test->width, half ? "fp16" : "fp32", name, error_max, nmse);
    if (half ? !(nmse <= MAX_NMSE) : !(error_max <= MAX_ERROR)) {
        g_test_message("%s %dx%d, %d classes, gains %g %g, %s: %s[%d] is %.9g, wanted %.9g",
                       test->arch, test->height, test->width, test->classes, test->backbone_gain,
                       test->head_gain, half ? "fp16" : "fp32", name, worst, (double)found[worst],
                       wanted->data[worst]);
        g_test_fail();
    }
}

static void write_input(const struct ref_tensor *input, const char *path)
{
    int n = input->c * input->h * input->w;
    g_autofree float *data = g_new(float, n);
    for (int i = 0; i < n; i++) {
        data[i] = (float)input->data[i];
        input->data[i] = (double)data[i];
    }
    const int64_t shape[] = {1, input->c, input->h, input->w};
    g_assert_true(npy_write(path, shape, 4, data, NULL));
}

static bool device_has_half(void)
{
    g_autoptr(GPtrArray) devices = effdet_devices(NULL);
    const EffdetDevice *device = devices->len ? devices->pdata[0] : NULL;
    return device && g_strv_contains((const gchar *const *)device->features, "storage16");
}

static void test_infer(gconstpointer data)
{
    const struct test_case *test = data;
    g_autoptr(GPtrArray) devices = effdet_devices(NULL);
    if (devices->len == 0) {
        g_test_skip("no Vulkan device");
        return;
    }
    struct model model;
    model_init(&model, arch_find(test->arch), test->classes);
    model.pool_padding = test->pool;
    struct ref_tensor input = ref_new(3, test->height, test->width);
    ref_random("input", input.data, 3 * test->height * test->width);
    for (int i = 0; i < 3 * test->height * test->width; i++) {
        input.data[i] *= 2;
    }
    g_autofree char *weights = g_build_filename(folder, "weights.safetensors", NULL);
    g_autofree char *input_path = g_build_filename(folder, "input.npy", NULL);
    g_autofree char *output = g_build_filename(folder, "made", "outputs", NULL);
    write_input(&input, input_path);
    struct writer writer = {
        .gains = {test->backbone_gain, test->head_gain, model.arch.head_bn_level_first},
        .header = g_string_new("{"),
        .data = g_byte_array_new(),
    };
    struct ref_network *network = ref_network_run(&model, &input, get_and_write, &writer);
    g_assert_nonnull(network);
    writer_save(&writer, test, weights);
    for (int half = 0; half <= (device_has_half() ? 1 : 0); half++) {
        run_command(weights, input_path, output, half ? "fp16" : "fp32");
        for (int level = model.arch.min_level; level <= model.arch.max_level; level++) {
            compare(test, network, output, "class", level, half);
            compare(test, network, output, "box", level, half);
        }
    }
    ref_network_free(&network);
    g_string_free(writer.header, TRUE);
    g_byte_array_unref(writer.data);
    ref_free(&input);
    model_finish(&model);
}

static void remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        remove_tree(child);
    }
    g_remove(path);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"tf_efficientdet_lite0", 128, 128, 90, 1, 1},
        {"tf_efficientdet_lite0", 96, 160, 3, 1, 1, POOL_PAD_ZERO},
        {"tf_efficientdet_d0", 128, 128, 90, 1.4, 1.4},
        {"efficientdet_d0", 128, 96, 5, 1.4, 1.4},
        {"efficientdet_q1", 128, 128, 1, 1.4, 1.4},
        // the golden cases of the specification
        {"tf_efficientdet_d0", 512, 512, 90, 1.4, 1.4, POOL_PAD_IGNORE, true},
        {"tf_efficientdet_d0", 512, 512, 90, 1.4, 1.4, POOL_PAD_ZERO, true},
        {"tf_efficientdet_d0", 256, 384, 90, 1.4, 1.4, POOL_PAD_IGNORE, true},
        {"tf_efficientdet_d3", 256, 256, 90, 1.3, 1.3, POOL_PAD_IGNORE, true},
        {"tf_efficientdet_d7x", 512, 512, 90, 1.2, 1, POOL_PAD_IGNORE, true},
        {"tf_efficientdet_lite0", 320, 320, 90, 1, 1, POOL_PAD_IGNORE, true},
        {"tf_efficientdet_lite3", 256, 256, 90, 1, 1, POOL_PAD_IGNORE, true},
        {"efficientdet_d0", 256, 256, 90, 1.4, 1.4, POOL_PAD_IGNORE, true},
        {"efficientdet_q0", 256, 256, 90, 1.4, 1.4, POOL_PAD_IGNORE, true},
    };
    g_test_init(&argc, &argv, NULL);
    command = argv[1];
    folder = g_dir_make_tmp("effdet-infer-XXXXXX", NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        if (cases[i].slow && !g_test_slow()) {
            continue;
        }
        g_autofree char *name =
            g_strdup_printf("/infer/%s-%dx%d-%d-%s", cases[i].arch, cases[i].height, cases[i].width,
                            cases[i].classes, cases[i].pool == POOL_PAD_ZERO ? "zero" : "ignore");
        g_test_add_data_func(name, &cases[i], test_infer);
    }
    int status = g_test_run();
    remove_tree(folder);
    g_free(folder);
    return status;
}
