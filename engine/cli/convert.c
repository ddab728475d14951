// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// effdet convert: any readable checkpoint as one safetensors file that describes itself.
#include "cli/cli.h"
#include "cli/options.h"
#include "weights/checkpoint.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

struct convert {
    char *precision, *model, *labels, *project, *convention, *size;
    gboolean json;
    char **files; // IN, OUT
};

static bool parse_options(const struct convert *convert, struct checkpoint_options *options,
                          bool *half)
{
    static const char *const conventions[] = {"tf", "rwightman", "zylo117", NULL};
    guint width = 0, height = 0;
    if (!convert->files || g_strv_length(convert->files) != 2) {
        cli_usage("wanted IN and OUT.safetensors");
        return false;
    }
    const char *precision = convert->precision ? convert->precision : "fp32";
    *half = g_str_equal(precision, "fp16");
    if (!*half && !g_str_equal(precision, "fp32")) {
        cli_usage("--precision %s: wanted one of fp16, fp32", precision);
        return false;
    }
    if (convert->convention && !g_strv_contains(conventions, convert->convention)) {
        cli_usage("--convention %s: wanted one of tf, rwightman, zylo117", convert->convention);
        return false;
    }
    if (convert->size && !parse_size(convert->size, &width, &height)) {
        cli_usage("--size %s: wanted WIDTHxHEIGHT, such as 640x384", convert->size);
        return false;
    }
    const struct arch *arch = convert->model ? arch_find(convert->model) : NULL;
    if (convert->model && !arch) {
        cli_usage("--model %s: not an architecture that \"effdet models\" lists", convert->model);
        return false;
    }
    *options = (struct checkpoint_options){
        .architecture = arch ? arch->name : NULL,
        .labels = convert->labels,
        .project = convert->project,
        .convention = convert->convention,
        .input_width = (int)width,
        .input_height = (int)height,
    };
    return true;
}

static void report(const struct convert *convert, const struct model *model, bool half)
{
    GStatBuf status = {0};
    gint64 bytes = g_stat(convert->files[1], &status) == 0 ? (gint64)status.st_size : 0;
    const char *precision = half ? "fp16" : "fp32";
    if (!convert->json) {
        printf("%s: %s, %d class%s, %s, %" G_GINT64_FORMAT " bytes\n", convert->files[1],
               model->arch.name, model->num_classes, model->num_classes == 1 ? "" : "es", precision,
               bytes);
        return;
    }
    g_autoptr(JsonBuilder) json = json_builder_new();
    json_builder_begin_object(json);
    json_string(json, "input", convert->files[0]);
    json_string(json, "output", convert->files[1]);
    json_string(json, "architecture", model->arch.name);
    json_int(json, "classes", model->num_classes);
    json_string(json, "precision", precision);
    json_int(json, "bytes", bytes);
    json_builder_end_object(json);
    cli_print_json(json, true);
}

static int run(const struct convert *convert, const struct checkpoint_options *options, bool half)
{
    g_autoptr(GError) error = NULL;
    const char *input = convert->files[0];
    int status = EXIT_DONE;
    struct checkpoint *checkpoint = checkpoint_open(input, options, &error);
    if (!checkpoint) {
        status = cli_fail("%s", error->message);
    } else if (!checkpoint_save(checkpoint, convert->files[1], half, &error)) {
        bool named = strstr(error->message, input) || strstr(error->message, convert->files[1]);
        status = cli_fail("%s%s%s", named ? "" : input, named ? "" : ": ", error->message);
    } else {
        report(convert, checkpoint_model(checkpoint), half);
    }
    checkpoint_close(&checkpoint);
    return status;
}

int command_convert(int argc, char **argv)
{
    struct convert convert = {0};
    const GOptionEntry entries[] = {
        {"precision", 0, 0, G_OPTION_ARG_STRING, &convert.precision,
         "fp16 or fp32: how the values are stored (fp32)", "P"},
        {"model", 0, 0, G_OPTION_ARG_STRING, &convert.model,
         "architecture, where the file fits several", "NAME"},
        {"labels", 0, 0, G_OPTION_ARG_FILENAME, &convert.labels,
         "text file with one label a line, to be written into OUT", "FILE"},
        {"project", 0, 0, G_OPTION_ARG_FILENAME, &convert.project,
         "zylo117 project file with labels, anchors, mean and std", "YML"},
        {"convention", 0, 0, G_OPTION_ARG_STRING, &convert.convention,
         "pre- and post-processing as tf, rwightman or zylo117 do it", "NAME"},
        {"size", 0, 0, G_OPTION_ARG_STRING, &convert.size,
         "network input in pixels that OUT asks for", "WxH"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &convert.json, "print one JSON document", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &convert.files, NULL, NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context = cli_context(
        "IN OUT.safetensors", "Writes any readable weights file as one safetensors file.",
        "OUT holds everything that the network needs to know about itself as metadata: labels,\n"
        "anchors, normalisation, thresholds. It replaces a file of that name, and appears whole\n"
        "or not at all.\n\n"
        "Example:\n"
        "  effdet convert --project shelf.yml efficientdet-d1_50.pth shelf.safetensors\n");
    g_option_context_add_main_entries(context, entries, NULL);
    struct checkpoint_options options;
    bool half;
    int status = EXIT_USAGE;
    if (cli_parse(context, argc, argv) && parse_options(&convert, &options, &half)) {
        status = run(&convert, &options, half);
    }
    g_free(convert.precision);
    g_free(convert.model);
    g_free(convert.labels);
    g_free(convert.project);
    g_free(convert.convention);
    g_free(convert.size);
    g_strfreev(convert.files);
    return status;
}
