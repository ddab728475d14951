// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Every published set of tensor names and shapes (lists in tests/data/manifests) is understood:
// naming, architecture, class count, and exactly the tensors that the network wants. Those of
// networks that this engine does not run ("refused-...") are refused by what it lacks.
#include "weights_file.h"

#include "effdet/effdet.h"
#include "weights/checkpoint.h"
#include "weights/naming.h"

#include <gio/gio.h>
#include <string.h>

static char *read_manifest(const char *path)
{
    g_autoptr(GFile) file = g_file_new_for_path(path);
    g_autoptr(GError) error = NULL;
    g_autoptr(GFileInputStream) raw = g_file_read(file, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(GZlibDecompressor) gunzip = g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP);
    g_autoptr(GInputStream) stream =
        g_converter_input_stream_new(G_INPUT_STREAM(raw), G_CONVERTER(gunzip));
    g_autoptr(GOutputStream) out = g_memory_output_stream_new_resizable();
    g_output_stream_splice(out, stream, G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET, NULL, &error);
    g_assert_no_error(error);
    GMemoryOutputStream *memory = G_MEMORY_OUTPUT_STREAM(out);
    return g_strndup(g_memory_output_stream_get_data(memory),
                     g_memory_output_stream_get_data_size(memory));
}

// The name that a tensor has when its container was read: Keras's files add to those of variables
// (spec 9.5). NULL: the container leaves it out.
static char *container_name(const char *name)
{
    const char *value = strstr(name, "/.ATTRIBUTES/VARIABLE_VALUE"), *slash = strchr(name, '/');
    if (g_str_equal(name, "_CHECKPOINTABLE_OBJECT_GRAPH")) {
        return NULL;
    }
    if (g_str_has_suffix(name, ":0")) {
        return g_strndup(slash + 1, strlen(slash + 1) - strlen(":0"));
    }
    return value ? g_strndup(name, value - name) : g_strdup(name);
}

static struct weights_file *file_of_manifest(const char *path)
{
    g_autofree char *text = read_manifest(path);
    g_auto(GStrv) lines = g_strsplit(g_strchomp(text), "\n", -1);
    struct weights_file *file = weights_file_new();
    for (char **line = lines; *line; line++) {
        g_auto(GStrv) part = g_strsplit(*line, " ", -1);
        g_assert_cmpint(g_strv_length(part), >=, 2);
        g_autofree char *name = container_name(part[0]);
        if (!name) {
            continue;
        }
        g_auto(GStrv) size = g_strsplit(part[1], "x", -1);
        int64_t shape[8];
        int rank = 0;
        for (char **s = size; *s && !g_str_equal(part[1], "-"); s++) {
            shape[rank++] = g_ascii_strtoll(*s, NULL, 10);
        }
        bool counter = part[2] && g_str_equal(part[2], "int64");
        weights_file_add(file, name, counter ? "I64" : "F32", shape, rank, NULL);
    }
    return file;
}

// The architecture that the manifest's name stands for.
static const char *expected_arch(const char *manifest, enum naming naming)
{
    static const char *const zylo[] = {"d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d7x"};
    const char *name = strchr(manifest, '-') + 1;
    g_auto(GStrv) words = g_strsplit(name, "-", 2); // "d0" of "d0-keras-object"
    const struct arch *arch = naming == NAMING_ZYLO117
                                  ? arch_find(zylo[g_ascii_digit_value(name[1])])
                                  : arch_find(naming == NAMING_AUTOML ? words[0] : name);
    g_assert_nonnull(arch);
    return arch->name;
}

static void compare_names(const struct container *container, const struct model *model,
                          const char *manifest)
{
    g_autoptr(GError) error = NULL;
    struct names *names = names_new(container, &error);
    g_assert_no_error(error);
    struct graph *graph = graph_new(model);
    g_autoptr(GArray) list = wanted_tensors(graph);
    graph_free(&graph);
    for (guint i = 0; i < list->len; i++) {
        const struct wanted *wanted = &g_array_index(list, struct wanted, i);
        int index = names_find(names, wanted->name);
        if (index < 0) {
            g_error("%s: nothing stands for %s", manifest, wanted->name);
        }
        const struct tensor_info *tensor = names_tensor(names, container, index);
        g_assert_cmpint(tensor->rank, ==, wanted->rank);
        for (int j = 0; j < tensor->rank; j++) {
            g_assert_cmpint(tensor->shape[j], ==, wanted->shape[j]);
        }
        g_hash_table_remove(names->index, wanted->name);
    }
    // fusion weights that zylo117 stores and does not use; what is behind a wide backbone's last
    // tap
    int extras = 0, behind = 0;
    GHashTableIter iter;
    gpointer name;
    g_hash_table_iter_init(&iter, names->index);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        if (g_str_equal(manifest, "effdet-efficientdet_w0") &&
            g_str_has_prefix(name, "backbone.blocks.6.0.")) {
            behind++;
        } else if (g_str_has_suffix(name, ".combine.edge_weights")) {
            extras++;
        } else {
            g_error("%s: nobody wants %s", manifest, (char *)name);
        }
    }
    g_assert_cmpint(behind, ==, g_str_equal(manifest, "effdet-efficientdet_w0") ? 5 : 0);
    bool stores_extras = names->naming == NAMING_ZYLO117 && model->arch.fusion == FUSION_SUM;
    g_assert_cmpint(extras, ==, stores_extras ? 8 * model->arch.fpn_cells : 0);
    names_free(&names);
}

static void test_manifest(gconstpointer data)
{
    const char *path = data;
    g_autofree char *base = g_path_get_basename(path);
    *strchr(base, '.') = '\0';
    g_autofree char *folder = weights_folder();
    enum naming naming = g_str_has_prefix(base, "zylo117-")  ? NAMING_ZYLO117
                         : g_str_has_prefix(base, "automl-") ? NAMING_AUTOML
                                                             : NAMING_RWIGHTMAN;
    const char *expected = expected_arch(base, naming);
    struct weights_file *file = file_of_manifest(path);
    g_autoptr(GError) error = NULL;
    g_autofree char *plain = g_build_filename(folder, "weights.safetensors", NULL);
    g_autofree char *telling_base = g_strdup_printf("%s_53-6d1d7a95.safetensors", expected);
    g_autofree char *telling = g_build_filename(folder, telling_base, NULL);
    weights_file_write(file, plain);
    weights_file_write(file, telling);
    for (int i = 0; i < 2; i++) { // without and with a file name that tells D6 from D7
        struct container *container = container_open(i ? telling : plain, &error);
        g_assert_no_error(error);
        struct model model;
        struct checkpoint_options options = {0};
        g_assert_true(recognise_model(container, &options, &model, &error));
        g_assert_no_error(error);
        bool zylo = naming == NAMING_ZYLO117;
        g_assert_cmpstr(recognise_naming(container), ==, naming_name(naming));
        bool twin = i == 0 && g_str_equal(expected, "tf_efficientdet_d7");
        g_assert_cmpstr(model.arch.name, ==, twin ? "tf_efficientdet_d6" : expected);
        g_assert_cmpint(model.num_classes, ==, 90);
        g_assert_cmpint(model_anchors_per_cell(&model), ==, 9);
        g_assert_cmpint(model.convention, ==,
                        zylo                      ? CONVENTION_ZYLO117
                        : naming == NAMING_AUTOML ? CONVENTION_TF
                                                  : CONVENTION_RWIGHTMAN);
        g_assert_cmpint(model.pool_padding, ==, zylo ? POOL_PAD_ZERO : POOL_PAD_IGNORE);
        const struct arch *arch = arch_find(model.arch.name);
        g_assert_cmpint(model.arch.backbone_pad, ==, arch->backbone_pad);
        g_assert_cmpint(model.arch.pad, ==, arch->pad);
        g_assert_cmpint(model.arch.head_bn_level_first, ==, arch->head_bn_level_first);
        g_assert_cmpfloat(model.arch.anchor_scale, ==, arch->anchor_scale);
        g_assert_cmpint(model.input_height, ==, arch->input_size);
        compare_names(container, &model, base);
        model_finish(&model);
        container_close(&container);
    }
    weights_file_free(file);
    weights_folder_remove(g_steal_pointer(&folder));
}

// One line that names the file and what is lacking.
static void test_refused(gconstpointer data)
{
    static const struct {
        const char *manifest, *lacks;
    } rows[] = {
        {"refused-cspresdet50", "found cross-stage partial connections and leaky"},
        {"refused-cspresdext50", "connections, grouped convolutions and leaky"},
        {"refused-cspresdext50pan", "connections, grouped convolutions and leaky"},
        {"refused-cspdarkdet53", "found cross-stage partial connections and leaky"},
        {"refused-cspdarkdet53m", "found cross-stage partial connections and leaky"},
        {"refused-mixdet_m", "depthwise convolutions of several sizes in one block (MixNet)"},
        {"refused-mixdet_l", "depthwise convolutions of several sizes in one block (MixNet)"},
        {"refused-mobiledetv3_large", "the activation hard-swish (MobileNetV3)"},
    };
    g_autofree char *base = g_path_get_basename(data);
    g_autofree char *folder = weights_folder();
    g_autofree char *path = g_build_filename(folder, "weights.safetensors", NULL);
    struct weights_file *file = file_of_manifest(data);
    const char *lacks = NULL;
    g_autoptr(GError) error = NULL;
    *strchr(base, '.') = '\0';
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        lacks = g_str_equal(rows[i].manifest, base) ? rows[i].lacks : lacks;
    }
    g_assert_nonnull(lacks);
    weights_file_write(file, path);
    g_assert_null(checkpoint_open(path, NULL, &error));
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED);
    g_test_message("%s", error->message);
    g_assert_true(g_str_has_prefix(error->message, path));
    g_assert_nonnull(strstr(error->message, lacks));
    g_assert_null(strchr(error->message, '\n'));
    weights_file_free(file);
    weights_folder_remove(g_steal_pointer(&folder));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_autofree char *folder =
        g_build_filename(g_getenv("EFFDET_SOURCE_DIR"), "tests", "data", "manifests", NULL);
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    GDir *dir = g_dir_open(folder, 0, NULL);
    g_assert_nonnull(dir);
    for (const char *name; (name = g_dir_read_name(dir));) {
        g_ptr_array_add(paths, g_build_filename(folder, name, NULL));
        g_autofree char *stem = g_strndup(name, strchr(name, '.') - name);
        g_autofree char *path = g_strconcat("/naming/", stem, NULL);
        bool refused = g_str_has_prefix(name, "refused-");
        g_test_add_data_func(path, paths->pdata[paths->len - 1],
                             refused ? test_refused : test_manifest);
    }
    g_dir_close(dir);
    g_assert_cmpint(paths->len, ==, 55);
    return g_test_run();
}
