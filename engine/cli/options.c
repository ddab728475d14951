// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The shared options: their help and the check of their values. What a model or device is, the
// engine decides.
#include "cli/options.h"

void model_options_add(struct model_options *options, GOptionContext *context)
{
    const GOptionEntry entries[] = {
        {"model", 0, 0, G_OPTION_ARG_FILENAME, &options->model,
         "network: a name that \"effdet models\" lists, or weights: a file, a TensorFlow "
         "checkpoint (person)",
         "NAME"},
        {"weights", 0, 0, G_OPTION_ARG_FILENAME, &options->weights,
         "weights file or checkpoint, or the folder to search for the model's", "FILE"},
        {"project", 0, 0, G_OPTION_ARG_FILENAME, &options->project,
         "zylo117 project file with labels, anchors, mean and std", "YML"},
        {"labels", 0, 0, G_OPTION_ARG_FILENAME, &options->labels,
         "text file with one label a line, instead of the model's", "FILE"},
        {"size", 0, 0, G_OPTION_ARG_STRING, &options->size,
         "network input in pixels, instead of the model's", "WxH"},
        {"convention", 0, 0, G_OPTION_ARG_STRING, &options->convention,
         "pre- and post-processing as tf, rwightman or zylo117 do it", "NAME"},
        {"device", 0, 0, G_OPTION_ARG_STRING, &options->device,
         "index, UUID or part of the name, as \"effdet devices\" lists them (auto)", "D"},
        {"precision", 0, 0, G_OPTION_ARG_STRING, &options->precision,
         "storage: fp16, fp32, or auto = fp16 on GPUs that have it", "P"},
        {"no-fuse", 0, 0, G_OPTION_ARG_NONE, &options->no_fuse,
         "one dispatch for each operation of the network", NULL},
        {"plan", 0, 0, G_OPTION_ARG_STRING, &options->plan,
         "dispatch plan for a gpu or a cpu, whatever the device (auto)", "PLAN"},
        {"tune", 0, 0, G_OPTION_ARG_NONE, &options->tune,
         "measure the kernel variants at start and take the fastest", NULL},
        {"no-tune", 0, 0, G_OPTION_ARG_NONE, &options->no_tune,
         "never measure, take the table's variants", NULL},
        {NULL},
    };
    g_option_context_add_main_entries(context, entries, NULL);
}

bool parse_size(const char *text, guint *width, guint *height)
{
    g_auto(GStrv) parts = g_strsplit(text, "x", 2);
    guint64 values[2];
    if (g_strv_length(parts) != 2) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        if (!g_ascii_string_to_unsigned(parts[i], 10, 1, 16384, &values[i], NULL)) {
            return false;
        }
    }
    *width = (guint)values[0];
    *height = (guint)values[1];
    return true;
}

static bool check_choice(const char *option, const char *value, const char *const *choices)
{
    if (value && !g_strv_contains(choices, value)) {
        g_autofree char *list = g_strjoinv(", ", (char **)choices);
        cli_usage("--%s %s: wanted one of %s", option, value, list);
        return false;
    }
    return true;
}

static bool check_text(const char *option, const char *value)
{
    if (value && !value[0]) {
        cli_usage("--%s: the value is empty", option);
        return false;
    }
    return true;
}

bool model_options_params(const struct model_options *options, EffdetEngineParams *params)
{
    static const char *const precisions[] = {"auto", "fp16", "fp32", NULL};
    static const char *const plans[] = {"auto", "gpu", "cpu", NULL};
    static const char *const conventions[] = {"tf", "rwightman", "zylo117", NULL};
    if (!check_text("model", options->model) || !check_text("weights", options->weights) ||
        !check_text("project", options->project) || !check_text("labels", options->labels) ||
        !check_text("device", options->device) ||
        !check_choice("precision", options->precision, precisions) ||
        !check_choice("plan", options->plan, plans) ||
        !check_choice("convention", options->convention, conventions)) {
        return false;
    }
    if (options->tune && options->no_tune) {
        cli_usage("--tune and --no-tune exclude each other");
        return false;
    }
    *params = (EffdetEngineParams){
        .model = options->model,
        .weights = options->weights,
        .labels = options->labels,
        .project = options->project,
        .convention = options->convention,
        .device = options->device,
        .no_fuse = options->no_fuse,
        .plan = options->plan,
        .gpu_timeout_ms = G_MAXUINT, // a big network on a CPU takes minutes; the user can interrupt
        .tune = options->tune      ? 1
                : options->no_tune ? -1
                                   : 0,
    };
    if (g_strcmp0(options->precision, "fp16") == 0) {
        params->precision = EFFDET_PRECISION_FP16;
    } else if (g_strcmp0(options->precision, "fp32") == 0) {
        params->precision = EFFDET_PRECISION_FP32;
    }
    if (options->size && !parse_size(options->size, &params->input_width, &params->input_height)) {
        cli_usage("--size %s: wanted WIDTHxHEIGHT with 1 to 16384 pixels each, such as 640x384",
                  options->size);
        return false;
    }
    return true;
}

void model_options_finish(struct model_options *options)
{
    g_free(options->model);
    g_free(options->weights);
    g_free(options->project);
    g_free(options->labels);
    g_free(options->size);
    g_free(options->convention);
    g_free(options->device);
    g_free(options->precision);
    g_free(options->plan);
    *options = (struct model_options){0};
}
