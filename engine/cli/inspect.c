// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// effdet inspect: what is in a weights file, whether it holds a known network or not.
#include "cli/cli.h"
#include "effdet/effdet.h"
#include "weights/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define N_FIRST 4

struct report {
    struct container *container;
    const char *naming;
    struct model model;
    bool known;           // the model is filled
    GError *reason;       // why it is not
    GArray *tensors;      // struct contents of each tensor; NULL without --tensors
    int64_t n_parameters; // elements of all tensors but counters
};

struct contents {
    int n_first;
    float first[N_FIRST];
    uint32_t crc32; // of the row-major little-endian float32 data
};

static const char *convention_name(enum convention convention)
{
    static const char *const names[] = {
        [CONVENTION_NONE] = NULL,
        [CONVENTION_TF] = "tf",
        [CONVENTION_RWIGHTMAN] = "rwightman",
        [CONVENTION_ZYLO117] = "zylo117",
    };
    return names[convention];
}

static uint32_t crc32_f32le(const float *data, int64_t elements)
{
    uLong crc = crc32(0, NULL, 0);
    for (int64_t i = 0; i < elements;) {
        uint32_t block[4096];
        int64_t n = MIN(elements - i, (int64_t)G_N_ELEMENTS(block));
        memcpy(block, data + i, (size_t)n * sizeof block[0]);
        for (int64_t j = 0; G_BYTE_ORDER == G_BIG_ENDIAN && j < n; j++) {
            block[j] = GUINT32_TO_LE(block[j]);
        }
        crc = crc32(crc, (const Bytef *)block, (uInt)(n * (int64_t)sizeof block[0]));
        i += n;
    }
    return (uint32_t)crc;
}

static bool read_tensors(struct report *report, GError **error)
{
    int n = container_count(report->container);
    report->tensors = g_array_sized_new(FALSE, TRUE, sizeof(struct contents), (guint)n);
    for (int i = 0; i < n; i++) {
        const struct tensor_info *info = container_tensor(report->container, i);
        g_autofree float *data = g_try_malloc_n((gsize)MAX(info->elements, 1), sizeof(float));
        if (!data) {
            g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_OUT_OF_MEMORY,
                        "%s: no memory for the %" G_GINT64_FORMAT " values of tensor \"%s\"",
                        container_path(report->container), info->elements, info->name);
            return false;
        }
        if (!container_read(report->container, i, data, error)) {
            return false;
        }
        struct contents contents = {.n_first = (int)MIN(info->elements, N_FIRST)};
        memcpy(contents.first, data, (size_t)contents.n_first * sizeof(float));
        contents.crc32 = crc32_f32le(data, info->elements);
        g_array_append_val(report->tensors, contents);
    }
    return true;
}

static bool report_open(struct report *report, const char *path, const char *project, bool tensors,
                        GError **error)
{
    report->container = container_open(path, error);
    if (!report->container) {
        return false;
    }
    report->naming = recognise_naming(report->container);
    const struct checkpoint_options options = {.project = project};
    report->known = recognise_model(report->container, &options, &report->model, &report->reason);
    for (int i = 0; i < container_count(report->container); i++) {
        const struct tensor_info *info = container_tensor(report->container, i);
        if (info->dtype != DTYPE_I64 && info->dtype != DTYPE_BOOL) { // counters, masks
            report->n_parameters += info->elements;
        }
    }
    return !tensors || read_tensors(report, error);
}

static void report_finish(struct report *report)
{
    if (report->known) {
        model_finish(&report->model);
    }
    g_clear_error(&report->reason);
    g_clear_pointer(&report->tensors, g_array_unref);
    container_close(&report->container);
}

// ---- JSON --------------------------------------------------------------------------------------

static void add_value(JsonBuilder *json, float value)
{
    if (isfinite(value)) {
        json_builder_add_double_value(json, (double)value);
    } else {
        json_builder_add_string_value(json, isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
    }
}

static void add_tensor(JsonBuilder *json, const struct tensor_info *info,
                       const struct contents *contents)
{
    json_builder_begin_object(json);
    json_string(json, "name", info->name);
    json_builder_set_member_name(json, "shape");
    json_builder_begin_array(json);
    for (int i = 0; i < info->rank; i++) {
        json_builder_add_int_value(json, info->shape[i]);
    }
    json_builder_end_array(json);
    json_string(json, "dtype", dtype_name(info->dtype));
    json_builder_set_member_name(json, "first");
    json_builder_begin_array(json);
    for (int i = 0; i < contents->n_first; i++) {
        add_value(json, contents->first[i]);
    }
    json_builder_end_array(json);
    g_autofree char *crc = g_strdup_printf("%08x", contents->crc32);
    json_string(json, "crc32_f32le", crc);
    json_builder_end_object(json);
}

static void add_model(JsonBuilder *json, const struct model *model)
{
    json_string(json, "architecture", model->arch.name);
    json_int(json, "classes", model->num_classes);
    json_string(json, "convention", convention_name(model->convention));
    json_builder_set_member_name(json, "size");
    json_builder_begin_array(json);
    json_builder_add_int_value(json, model->input_width);
    json_builder_add_int_value(json, model->input_height);
    json_builder_end_array(json);
    json_strings(json, "labels", (const char *const *)model->labels);
    json_double(json, "score_threshold", model->suggested_score_threshold);
    json_string(json, "license", model->license);
}

static void print_json(const struct report *report)
{
    g_autoptr(JsonBuilder) json = json_builder_new();
    json_builder_begin_object(json);
    json_string(json, "file", container_path(report->container));
    json_string(json, "container", container_format(report->container));
    json_string(json, "naming", report->naming);
    if (report->known) {
        add_model(json, &report->model);
    } else {
        json_string(json, "architecture", NULL);
        json_string(json, "classes", NULL);
        json_string(json, "convention", NULL);
        json_string(json, "reason", report->reason->message);
    }
    json_builder_set_member_name(json, "metadata");
    json_builder_begin_object(json);
    GHashTable *metadata = container_metadata(report->container);
    g_autoptr(GList) keys = metadata ? g_hash_table_get_keys(metadata) : NULL;
    keys = g_list_sort(keys, (GCompareFunc)strcmp);
    for (GList *key = keys; key; key = key->next) {
        g_autofree char *valid = g_utf8_make_valid(key->data, -1);
        json_string(json, valid, g_hash_table_lookup(metadata, key->data));
    }
    json_builder_end_object(json);
    json_int(json, "n_tensors", container_count(report->container));
    json_int(json, "parameters", report->n_parameters);
    if (report->tensors) {
        json_builder_set_member_name(json, "tensors");
        json_builder_begin_array(json);
        for (guint i = 0; i < report->tensors->len; i++) {
            add_tensor(json, container_tensor(report->container, (int)i),
                       &g_array_index(report->tensors, struct contents, i));
        }
        json_builder_end_array(json);
    }
    json_builder_end_object(json);
    cli_print_json(json, true);
}

// ---- text --------------------------------------------------------------------------------------

static void print_text(const struct report *report)
{
    printf("file          %s\n", container_path(report->container));
    printf("container     %s\n", container_format(report->container));
    printf("naming        %s\n", report->naming ? report->naming : "unknown");
    if (report->known) {
        const struct model *model = &report->model;
        const char *convention = convention_name(model->convention);
        printf("architecture  %s\n", model->arch.name);
        printf("input         %dx%d\n", model->input_width, model->input_height);
        printf("classes       %d\n", model->num_classes);
        printf("convention    %s\n", convention ? convention : "none");
        printf("license       %s\n", model->license ? model->license : "unknown");
    } else {
        printf("architecture  none: %s\n", report->reason->message);
    }
    printf("tensors       %d, %" G_GINT64_FORMAT " parameters\n",
           container_count(report->container), report->n_parameters);
    GHashTable *metadata = container_metadata(report->container);
    g_autoptr(GList) keys = metadata ? g_hash_table_get_keys(metadata) : NULL;
    keys = g_list_sort(keys, (GCompareFunc)strcmp);
    for (GList *key = keys; key; key = key->next) {
        printf("metadata      %s = %s\n", (const char *)key->data,
               (const char *)g_hash_table_lookup(metadata, key->data));
    }
    for (guint i = 0; report->tensors && i < report->tensors->len; i++) {
        const struct contents *contents = &g_array_index(report->tensors, struct contents, i);
        const struct tensor_info *info = container_tensor(report->container, (int)i);
        printf("%08x  %-8s  %s  [", contents->crc32, dtype_name(info->dtype), info->name);
        for (int d = 0; d < info->rank; d++) {
            printf("%s%" G_GINT64_FORMAT, d ? ", " : "", info->shape[d]);
        }
        printf("] ");
        for (int v = 0; v < contents->n_first; v++) {
            printf(" %g", (double)contents->first[v]);
        }
        printf("%s\n", info->elements > contents->n_first ? " ..." : "");
    }
}

int command_inspect(int argc, char **argv)
{
    gboolean json = FALSE, tensors = FALSE;
    g_autofree char *project = NULL;
    g_auto(GStrv) files = NULL;
    const GOptionEntry entries[] = {
        {"tensors", 0, 0, G_OPTION_ARG_NONE, &tensors,
         "read every tensor: shape, type, first values, checksum", NULL},
        {"project", 0, 0, G_OPTION_ARG_FILENAME, &project,
         "zylo117 project file with labels, anchors, mean and std", "YML"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "print one JSON document", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &files, NULL, NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context = cli_context(
        "FILE",
        "Tells what is in a weights file: .safetensors, .pth as PyTorch writes it, .tflite, .h5 "
        "of\n"
        "Keras, or a TensorFlow checkpoint (its folder, prefix, .index or archive).",
        "Nothing in the file is executed. The exit status is 0 for every file that can be read,\n"
        "also when it holds no known network. The checksum is the CRC-32 of the tensor's values\n"
        "as row-major little-endian float32.\n");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!cli_parse(context, argc, argv)) {
        return EXIT_USAGE;
    }
    if (!files || !files[0] || files[1]) {
        return cli_usage("wanted one FILE");
    }
    struct report report = {0};
    g_autoptr(GError) error = NULL;
    int status = EXIT_DONE;
    if (!report_open(&report, files[0], project, tensors, &error)) {
        status = cli_fail("%s", error->message);
    } else if (json) {
        print_json(&report);
    } else {
        print_text(&report);
    }
    report_finish(&report);
    return status;
}
