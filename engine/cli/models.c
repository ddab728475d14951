// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// effdet models: the names that --model takes and the weights that each of them finds.
#include "cli/cli.h"
#include "effdet/effdet.h"
#include "search.h"
#include "weights/checkpoint.h"

#include <stdio.h>

// Fills in what only the file tells; a file that cannot be read stays as it is, `effdet inspect`
// says why.
static void look_into_file(EffdetModel *model)
{
    struct container *container = container_open(model->path, NULL);
    const struct checkpoint_options options = {0};
    struct model found;
    if (container && recognise_model(container, &options, &found, NULL)) {
        g_free(model->architecture);
        model->architecture = g_strdup(found.arch.name);
        model->input_width = (guint)found.input_width;
        model->input_height = (guint)found.input_height;
        model_finish(&found);
    }
    container_close(&container);
}

static void print_json(GPtrArray *models, GPtrArray *folders)
{
    g_autoptr(JsonBuilder) json = json_builder_new();
    json_builder_begin_object(json);
    json_builder_set_member_name(json, "models");
    json_builder_begin_array(json);
    for (guint i = 0; i < models->len; i++) {
        const EffdetModel *model = models->pdata[i];
        json_builder_begin_object(json);
        json_string(json, "name", model->name);
        json_string(json, "architecture", model->architecture);
        json_builder_set_member_name(json, "size");
        if (model->input_width) {
            json_builder_begin_array(json);
            json_builder_add_int_value(json, model->input_width);
            json_builder_add_int_value(json, model->input_height);
            json_builder_end_array(json);
        } else {
            json_builder_add_null_value(json);
        }
        json_string(json, "path", model->path);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
    g_ptr_array_add(folders, NULL);
    json_strings(json, "folders", (const char *const *)folders->pdata);
    json_builder_end_object(json);
    cli_print_json(json, true);
}

static void print_text(GPtrArray *models, GPtrArray *folders)
{
    printf("%-20s %-26s %-10s %s\n", "NAME", "ARCHITECTURE", "INPUT", "WEIGHTS");
    for (guint i = 0; i < models->len; i++) {
        const EffdetModel *model = models->pdata[i];
        g_autofree char *size = g_strdup_printf("%ux%u", model->input_width, model->input_height);
        printf("%-20s %-26s %-10s %s\n", model->name,
               model->architecture ? model->architecture : "-", model->input_width ? size : "-",
               model->path ? model->path : "-");
    }
    printf("\nSearched, with their immediate subfolders:\n");
    for (guint i = 0; i < folders->len; i++) {
        const char *path = folders->pdata[i];
        printf("  %s%s\n", path, g_file_test(path, G_FILE_TEST_IS_DIR) ? "" : " (missing)");
    }
}

int command_models(int argc, char **argv)
{
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "print one JSON document", NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context = cli_context(
        NULL, "Lists the networks that --model takes, and the weights found for each.",
        "For the name d1 these files are tried in each folder: d1.safetensors,\n"
        "d1*.safetensors, tf_efficientdet_d1*.safetensors, tf_efficientdet_d1*.pth,\n"
        "efficientdet-d1.pth, d1*.pth, efficientdet-d1.tar.gz or .tgz, and the folder\n"
        "efficientdet-d1. More words may follow a name where a * stands; d7 never finds\n"
        "d7x. zylo117-d1 finds efficientdet-d1.pth only, automl-d1 the archive. lite0 also\n"
        "finds efficientdet-lite0*.tflite and lite0*.tflite.\n"
        "Any other weights file in the folders is listed under its own name.\n"
        "\"effdet fetch NAME\" downloads published weights.\n");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!cli_parse(context, argc, argv)) {
        return EXIT_USAGE;
    }
    g_autoptr(GPtrArray) models = effdet_models();
    g_autoptr(GPtrArray) folders = search_folders();
    for (guint i = 0; i < models->len; i++) {
        EffdetModel *model = models->pdata[i];
        if (model->path && !model->architecture) {
            look_into_file(model);
        }
    }
    if (json) {
        print_json(models, folders);
    } else {
        print_text(models, folders);
    }
    return EXIT_DONE;
}
