// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A writer of safetensors files and the renaming of a network's tensors into the forms that
// published files have, written from the specification and independent of the loader.
#include "weights_file.h"

#include "reference.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void tensor_free(gpointer data)
{
    struct file_tensor *tensor = data;
    g_free(tensor->name);
    g_free(tensor->values);
    g_free(tensor);
}

struct weights_file *weights_file_new(void)
{
    struct weights_file *file = g_new0(struct weights_file, 1);
    file->tensors = g_ptr_array_new_with_free_func(tensor_free);
    file->metadata = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return file;
}

void weights_file_free(struct weights_file *file)
{
    g_ptr_array_unref(file->tensors);
    g_hash_table_unref(file->metadata);
    g_free(file);
}

static int64_t elements(const struct file_tensor *tensor)
{
    int64_t n = 1;
    for (int i = 0; i < tensor->rank; i++) {
        n *= tensor->shape[i];
    }
    return n;
}

struct file_tensor *weights_file_add(struct weights_file *file, const char *name, const char *dtype,
                                     const int64_t *shape, int rank, const float *values)
{
    struct file_tensor *tensor = g_new0(struct file_tensor, 1);
    tensor->name = g_strdup(name);
    tensor->dtype = dtype;
    tensor->rank = rank;
    for (int i = 0; i < rank; i++) {
        tensor->shape[i] = shape[i];
    }
    tensor->values = g_memdup2(values, sizeof(float) * elements(tensor));
    g_ptr_array_add(file->tensors, tensor);
    return tensor;
}

struct file_tensor *weights_file_find(const struct weights_file *file, const char *name)
{
    for (guint i = 0; i < file->tensors->len; i++) {
        struct file_tensor *tensor = file->tensors->pdata[i];
        if (g_str_equal(tensor->name, name)) {
            return tensor;
        }
    }
    return NULL;
}

void weights_file_remove(struct weights_file *file, const char *name)
{
    g_assert_true(g_ptr_array_remove(file->tensors, weights_file_find(file, name)));
}

void weights_file_set(struct weights_file *file, const char *key, const char *value)
{
    g_hash_table_replace(file->metadata, g_strdup(key), g_strdup(value));
}

static char *quoted(const char *text)
{
    g_autofree char *escaped = g_strescape(text, NULL);
    return g_strdup_printf("\"%s\"", escaped);
}

static char *make_header(const struct weights_file *file, int64_t *bytes)
{
    GString *text = g_string_new("{\"__metadata__\":{");
    GHashTableIter iter;
    gpointer key, value;
    bool first = true;
    g_hash_table_iter_init(&iter, file->metadata);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        g_autofree char *k = quoted(key), *v = quoted(value);
        g_string_append_printf(text, "%s%s:%s", first ? "" : ",", k, v);
        first = false;
    }
    g_string_append(text, "}");
    *bytes = 0;
    for (guint i = 0; i < file->tensors->len; i++) {
        const struct file_tensor *tensor = file->tensors->pdata[i];
        int64_t size = elements(tensor) * (g_str_equal(tensor->dtype, "I64") ? 8 : 4);
        g_string_append_printf(text, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", tensor->name,
                               tensor->dtype);
        for (int j = 0; j < tensor->rank; j++) {
            g_string_append_printf(text, "%s%" G_GINT64_FORMAT, j ? "," : "", tensor->shape[j]);
        }
        g_string_append_printf(text,
                               "],\"data_offsets\":[%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT "]}",
                               *bytes, *bytes + size);
        *bytes += size;
    }
    g_string_append_c(text, '}');
    return g_string_free(text, FALSE);
}

void weights_file_write(const struct weights_file *file, const char *path)
{
    int64_t bytes;
    g_autofree char *header = make_header(file, &bytes);
    uint64_t length = GUINT64_TO_LE(strlen(header));
    FILE *out = g_fopen(path, "wb");
    g_assert_nonnull(out);
    g_assert_cmpint(fwrite(&length, sizeof length, 1, out), ==, 1);
    g_assert_cmpint(fwrite(header, strlen(header), 1, out), ==, 1);
    for (guint i = 0; i < file->tensors->len; i++) {
        const struct file_tensor *tensor = file->tensors->pdata[i];
        int64_t n = elements(tensor);
        if (tensor->values && n > 0) {
            g_assert_cmpint(fwrite(tensor->values, sizeof(float) * n, 1, out), ==, 1);
        } else {
            int64_t size = n * (g_str_equal(tensor->dtype, "I64") ? 8 : 4);
            g_assert_cmpint(fseek(out, (long)size, SEEK_CUR), ==, 0);
        }
    }
    g_assert_cmpint(fflush(out), ==, 0);
    int64_t whole = (int64_t)(sizeof length + strlen(header)) + bytes;
    g_assert_cmpint(ftruncate(fileno(out), whole), ==, 0);
    fclose(out);
}

struct weights_file *weights_file_of(const struct model *model, weights_rename rename,
                                     bool with_values)
{
    struct weights_file *file = weights_file_new();
    struct graph *graph = graph_new(model);
    g_autoptr(GArray) list = wanted_tensors(graph);
    graph_free(&graph);
    for (guint i = 0; i < list->len; i++) {
        const struct wanted *wanted = &g_array_index(list, struct wanted, i);
        g_autofree char *name = rename(wanted->name, model);
        struct file_tensor *tensor =
            weights_file_add(file, name, "F32", wanted->shape, wanted->rank, NULL);
        if (with_values) {
            int shape[4];
            for (int j = 0; j < wanted->rank; j++) {
                shape[j] = (int)wanted->shape[j];
            }
            tensor->values = g_new(float, elements(tensor));
            ref_weight(wanted->name, shape, wanted->rank, 1.0, 1.0, tensor->values);
        }
    }
    return file;
}

char *rename_none(const char *canonical, const struct model *model)
{
    return g_strdup(canonical);
}

char *rename_level_first(const char *canonical, const struct model *model)
{
    char head[16], leaf[16];
    int repeat, level;
    if (sscanf(canonical, "%9[a-z_].bn_rep.%d.%d.bn.%12s", head, &repeat, &level, leaf) == 4) {
        return g_strdup_printf("%s.bn_rep.%d.%d.%s", head, level, repeat, leaf);
    }
    return g_strdup(canonical);
}

// What stands for a part of a name in zylo117's files; the rest of the name follows.
static char *swap(const char *rest, const char *prefix, ...) G_GNUC_NULL_TERMINATED;
static char *swap(const char *rest, const char *prefix, ...)
{
    va_list args;
    char *result = NULL;
    va_start(args, prefix);
    for (const char *from = va_arg(args, const char *); from; from = va_arg(args, const char *)) {
        const char *to = va_arg(args, const char *);
        if (!result && g_str_has_prefix(rest, from) && rest[strlen(from)] == '.') {
            result = g_strconcat(prefix, to, rest + strlen(from), NULL);
        }
    }
    va_end(args);
    g_assert_nonnull(result);
    return result;
}

static char *zylo117_block(const char *canonical, const struct model *model)
{
    int stage, index, consumed = 0, flat = 0;
    g_assert_cmpint(sscanf(canonical, "backbone.blocks.%d.%d.%n", &stage, &index, &consumed), ==,
                    2);
    for (int s = 0; s < stage; s++) {
        flat += model->arch.backbone->stages[s].repeats;
    }
    g_autofree char *prefix = g_strdup_printf("backbone_net.model._blocks.%d.", flat + index);
    const char *rest = canonical + consumed;
    if (stage == 0) {
        return swap(rest, prefix, "conv_dw", "_depthwise_conv.conv", "bn1", "_bn1", "conv_pw",
                    "_project_conv.conv", "bn2", "_bn2", "se.conv_reduce", "_se_reduce.conv",
                    "se.conv_expand", "_se_expand.conv", NULL);
    }
    return swap(rest, prefix, "conv_pw", "_expand_conv.conv", "bn1", "_bn0", "conv_dw",
                "_depthwise_conv.conv", "bn2", "_bn1", "conv_pwl", "_project_conv.conv", "bn3",
                "_bn2", "se.conv_reduce", "_se_reduce.conv", "se.conv_expand", "_se_expand.conv",
                NULL);
}

static char *zylo117_cell(const char *canonical)
{
    static const char *const nodes[] = {"conv6_up",   "conv5_up",   "conv4_up",   "conv3_up",
                                        "conv4_down", "conv5_down", "conv6_down", "conv7_down"};
    static const char *const edges[] = {"p6_w1", "p5_w1", "p4_w1", "p3_w1",
                                        "p4_w2", "p5_w2", "p6_w2", "p7_w2"};
    int cell, node, id, consumed = 0, more = 0;
    g_assert_cmpint(sscanf(canonical, "fpn.cell.%d.fnode.%d.%n", &cell, &node, &consumed), ==, 2);
    const char *rest = canonical + consumed;
    if (g_str_equal(rest, "combine.edge_weights")) {
        return g_strdup_printf("bifpn.%d.%s", cell, edges[node]);
    }
    if (sscanf(rest, "combine.resample.%d.conv.%n", &id, &more) == 1) {
        g_autofree char *prefix =
            g_strdup_printf("bifpn.0.p%d_down_channel%s.", id + 3, node > 3 ? "_2" : "");
        return swap(rest + more, prefix, "conv", "0.conv", "bn", "1", NULL);
    }
    g_autofree char *prefix = g_strdup_printf("bifpn.%d.%s.", cell, nodes[node]);
    return swap(rest + strlen("after_combine.conv."), prefix, "conv_dw", "depthwise_conv.conv",
                "conv_pw", "pointwise_conv.conv", "bn", "bn", NULL);
}

static char *zylo117_head(const char *rest, const char *head)
{
    int repeat, level, consumed = 0;
    char leaf[16];
    if (sscanf(rest, "bn_rep.%d.%d.bn.%12s", &repeat, &level, leaf) == 3) {
        return g_strdup_printf("%s.bn_list.%d.%d.%s", head, level, repeat, leaf);
    }
    g_autofree char *prefix = NULL;
    if (sscanf(rest, "conv_rep.%d.%n", &repeat, &consumed) == 1) {
        prefix = g_strdup_printf("%s.conv_list.%d.", head, repeat);
    } else {
        consumed = (int)strlen("predict.");
        prefix = g_strdup_printf("%s.header.", head);
    }
    return swap(rest + consumed, prefix, "conv_dw", "depthwise_conv.conv", "conv_pw",
                "pointwise_conv.conv", NULL);
}

char *rename_zylo117(const char *canonical, const struct model *model)
{
    if (g_str_has_prefix(canonical, "backbone.blocks.")) {
        return zylo117_block(canonical, model);
    }
    if (g_str_has_prefix(canonical, "backbone.")) {
        return swap(canonical, "backbone_net.model.", "backbone.conv_stem", "_conv_stem.conv",
                    "backbone.bn1", "_bn0", NULL);
    }
    if (g_str_has_prefix(canonical, "fpn.resample.")) {
        return swap(canonical, "bifpn.0.p5_to_p6.", "fpn.resample.3.conv.conv", "0.conv",
                    "fpn.resample.3.conv.bn", "1", NULL);
    }
    if (g_str_has_prefix(canonical, "fpn.cell.")) {
        return zylo117_cell(canonical);
    }
    return g_str_has_prefix(canonical, "class_net.")
               ? zylo117_head(canonical + strlen("class_net."), "classifier")
               : zylo117_head(canonical + strlen("box_net."), "regressor");
}

char *weights_folder(void)
{
    GError *error = NULL;
    char *folder = g_dir_make_tmp("effdet-test-XXXXXX", &error);
    g_assert_no_error(error);
    return folder;
}

void weights_folder_remove(char *folder)
{
    GDir *dir = g_dir_open(folder, 0, NULL);
    for (const char *name; (name = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_unlink(path);
    }
    g_dir_close(dir);
    g_rmdir(folder);
    g_free(folder);
}
