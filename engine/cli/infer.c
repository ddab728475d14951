// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// effdet infer: the bare network, from a normalised tensor to the raw logits of every level.
#include "cli/cli.h"
#include "cli/npy.h"
#include "cli/options.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>

struct infer {
    struct model_options model;
    char *input, *output;
    gboolean json;
    GError *error;        // first failed write
    JsonBuilder *builder; // list of the files written
};

static void write_tensor(const EffdetTensor *tensor, gpointer user_data)
{
    struct infer *infer = user_data;
    if (infer->error) {
        return;
    }
    g_autofree char *name = g_strdup_printf("%s_%u.npy", tensor->kind, tensor->level);
    g_autofree char *path = g_build_filename(infer->output, name, NULL);
    const int64_t shape[] = {1, tensor->channels, tensor->height, tensor->width};
    if (!npy_write(path, shape, 4, tensor->data, &infer->error)) {
        return;
    }
    if (!infer->json) {
        printf("%s  [1, %u, %u, %u]\n", path, tensor->channels, tensor->height, tensor->width);
        return;
    }
    json_builder_begin_object(infer->builder);
    json_string(infer->builder, "file", path);
    json_string(infer->builder, "kind", tensor->kind);
    json_int(infer->builder, "level", tensor->level);
    json_builder_set_member_name(infer->builder, "shape");
    json_builder_begin_array(infer->builder);
    for (gsize i = 0; i < G_N_ELEMENTS(shape); i++) {
        json_builder_add_int_value(infer->builder, shape[i]);
    }
    json_builder_end_array(infer->builder);
    json_builder_end_object(infer->builder);
}

static bool run_network(struct infer *infer, EffdetEngine *engine, const float *input)
{
    const EffdetEngineInfo *info = effdet_engine_info(engine);
    infer->builder = json_builder_new();
    json_builder_begin_object(infer->builder);
    json_string(infer->builder, "model", info->model);
    json_string(infer->builder, "device", info->device);
    json_string(infer->builder, "precision", info->precision);
    json_builder_set_member_name(infer->builder, "files");
    json_builder_begin_array(infer->builder);
    g_autoptr(GError) error = NULL;
    if (!effdet_engine_infer(engine, input, write_tensor, infer, &error) || infer->error) {
        cli_fail("%s", (error ? error : infer->error)->message);
        return false;
    }
    json_builder_end_array(infer->builder);
    json_builder_end_object(infer->builder);
    if (infer->json) {
        cli_print_json(infer->builder, true);
    }
    return true;
}

static int infer_file(struct infer *infer, EffdetEngineParams *params)
{
    g_autoptr(GError) error = NULL;
    int64_t shape[4];
    g_autofree float *input = npy_read(infer->input, 4, shape, &error);
    if (!input) {
        return cli_fail("%s", error->message);
    }
    if (shape[0] != 1 || shape[1] != 3 || shape[2] > 16384 || shape[3] > 16384) {
        return cli_fail("%s: wanted the shape (1, 3, H, W), found (%" G_GINT64_FORMAT
                        ", %" G_GINT64_FORMAT ", %" G_GINT64_FORMAT ", %" G_GINT64_FORMAT ")",
                        infer->input, shape[0], shape[1], shape[2], shape[3]);
    }
    guint height = (guint)shape[2], width = (guint)shape[3];
    if (params->input_width && (params->input_width != width || params->input_height != height)) {
        return cli_fail("%s: --size is %ux%u, but the input is %ux%u", infer->input,
                        params->input_width, params->input_height, width, height);
    }
    params->input_width = width;
    params->input_height = height;
    params->queue_depth = 1;
    if (g_mkdir_with_parents(infer->output, 0777) != 0) {
        return cli_fail("%s: %s", infer->output, g_strerror(errno));
    }
    EffdetEngine *engine = effdet_engine_new(params, &error);
    if (!engine) {
        return cli_fail("%s", error->message);
    }
    bool ok = run_network(infer, engine, input);
    effdet_engine_free(&engine);
    return ok ? EXIT_DONE : EXIT_FAILED;
}

int command_infer(int argc, char **argv)
{
    struct infer infer = {0};
    const GOptionEntry entries[] = {
        {"input", 0, 0, G_OPTION_ARG_FILENAME, &infer.input,
         "normalised input: float32 [1, 3, H, W]; H and W are taken from it", "X.npy"},
        {"output", 0, 0, G_OPTION_ARG_FILENAME, &infer.output,
         "folder for class_3.npy, box_3.npy and so on; made when missing", "DIR"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &infer.json, "print one JSON document", NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context = cli_context(
        "--input X.npy --output DIR",
        "Runs the bare network on a tensor and writes its raw logits.",
        "Writes, for every level L of the network, class_L.npy [1, anchors * classes, h, w] and\n"
        "box_L.npy [1, anchors * 4, h, w]: logits before the sigmoid and ty, tx, th, tw, the same\n"
        "for every --convention. Files that are there already are overwritten.\n\n"
        "Example:\n"
        "  effdet infer --model d0 --input x.npy --output heads\n");
    g_option_context_add_main_entries(context, entries, NULL);
    model_options_add(&infer.model, context);
    EffdetEngineParams params;
    int status = EXIT_USAGE;
    if (cli_parse(context, argc, argv) && model_options_params(&infer.model, &params)) {
        if (!infer.input || !infer.output) {
            cli_usage("wanted --input and --output");
        } else {
            status = infer_file(&infer, &params);
        }
    }
    model_options_finish(&infer.model);
    g_free(infer.input);
    g_free(infer.output);
    g_clear_error(&infer.error);
    g_clear_object(&infer.builder);
    return status;
}
