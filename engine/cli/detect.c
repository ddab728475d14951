// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// effdet detect: objects in pictures.
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/picture.h"
#include "engine_private.h"

#include <stdio.h>

struct detect {
    struct model_options model;
    char *score_threshold, *iou_threshold, *max_detections; // NULL: the model's own
    EffdetFilter filter;                                    // of those that are given
    char *draw;
    gboolean json;
    char **images;
    EffdetEngine *engine;
};

static void print_json(const char *path, const EffdetFrame *frame, const EffdetResult *result,
                       const gchar *const *labels)
{
    g_autoptr(JsonBuilder) json = json_builder_new();
    json_builder_begin_object(json);
    json_string(json, "image", path);
    json_int(json, "width", frame->width);
    json_int(json, "height", frame->height);
    json_builder_set_member_name(json, "objects");
    json_builder_begin_array(json);
    for (guint i = 0; i < result->n_objects; i++) {
        const EffdetObject *object = &result->objects[i];
        json_builder_begin_object(json);
        json_string(json, "label", labels[object->label_id]);
        json_int(json, "label_id", object->label_id);
        json_double(json, "confidence", (double)object->confidence);
        json_double(json, "x", (double)object->x);
        json_double(json, "y", (double)object->y);
        json_double(json, "w", (double)object->w);
        json_double(json, "h", (double)object->h);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
    json_builder_end_object(json);
    cli_print_json(json, false);
}

static void print_text(const char *path, const EffdetFrame *frame, const EffdetResult *result,
                       const gchar *const *labels)
{
    printf("%s  %ux%u, %u object%s\n", path, frame->width, frame->height, result->n_objects,
           result->n_objects == 1 ? "" : "s");
    for (guint i = 0; i < result->n_objects; i++) {
        const EffdetObject *object = &result->objects[i];
        const char *label = labels[object->label_id];
        g_autofree char *number = g_strdup_printf("#%d", object->label_id);
        printf("  %-14s %.3f  at %7.1f,%7.1f  size %.1f x %.1f\n", label[0] ? label : number,
               (double)object->confidence, (double)object->x, (double)object->y, (double)object->w,
               (double)object->h);
    }
}

static EffdetResult *run(EffdetEngine *engine, const EffdetFrame *frame, GError **error)
{
    EffdetResult *result = NULL;
    if (effdet_engine_submit(engine, frame, NULL, error) != EFFDET_OK ||
        effdet_engine_collect(engine, -1, &result, error) != EFFDET_OK) {
        return NULL;
    }
    return result;
}

static bool detect_picture(struct detect *detect, const char *path)
{
    g_autoptr(GError) error = NULL;
    const gchar *const *labels = effdet_engine_info(detect->engine)->labels;
    g_autofree char *name = g_filename_display_name(path);
    g_autoptr(GdkPixbuf) picture = picture_load(path, &error);
    if (!picture) {
        cli_fail("%s", error->message);
        return false;
    }
    EffdetFrame frame = picture_frame(picture);
    EffdetResult *result = run(detect->engine, &frame, &error);
    if (!result) {
        cli_fail("%s: %s", name, error ? error->message : "the engine gave no result");
        return false;
    }
    bool drawn = !detect->draw || picture_draw(picture, result, labels, detect->draw, &error);
    if (!drawn) {
        cli_fail("%s", error->message);
    }
    if (detect->json) {
        print_json(name, &frame, result, labels);
    } else {
        print_text(name, &frame, result, labels);
    }
    effdet_result_free(&result);
    return drawn;
}

// A number from 0 to 1; NULL leaves *value as it is.
static bool parse_fraction(const char *option, const char *text, float *value)
{
    char *end = NULL;
    double number = text ? g_ascii_strtod(text, &end) : 0;
    if (text && (end == text || *end || !(number >= 0 && number <= 1))) {
        cli_usage("--%s %s: wanted a number from 0 to 1", option, text);
        return false;
    }
    *value = (float)number;
    return true;
}

static bool check_options(struct detect *detect)
{
    guint64 count = 0;
    if (!detect->images || !detect->images[0]) {
        cli_usage("wanted at least one IMAGE");
        return false;
    }
    if (detect->draw && detect->images[1]) {
        cli_usage("--draw takes one IMAGE");
        return false;
    }
    if (detect->max_detections &&
        !g_ascii_string_to_unsigned(detect->max_detections, 10, 0, G_MAXINT, &count, NULL)) {
        cli_usage("--max-detections %s: wanted a whole number, 0 = no limit",
                  detect->max_detections);
        return false;
    }
    detect->filter.max_detections = (guint)count;
    return parse_fraction("score-threshold", detect->score_threshold,
                          &detect->filter.score_threshold) &&
           parse_fraction("iou-threshold", detect->iou_threshold, &detect->filter.iou_threshold);
}

static bool set_filter(struct detect *detect, GError **error)
{
    EffdetFilter filter = detect->filter;
    const struct postprocess *post = &detect->engine->model->post;
    if (!detect->score_threshold) {
        filter.score_threshold =
            (float)effdet_engine_info(detect->engine)->suggested_score_threshold;
    }
    if (!detect->iou_threshold) {
        filter.iou_threshold = (float)post->nms_iou;
    }
    if (!detect->max_detections) {
        filter.max_detections = post->max_detections ? (guint)post->max_detections : 100;
    }
    return effdet_engine_set_filter(detect->engine, &filter, error);
}

static int detect_all(struct detect *detect, const EffdetEngineParams *params)
{
    g_autoptr(GError) error = NULL;
    detect->engine = effdet_engine_new(params, &error);
    if (!detect->engine || !set_filter(detect, &error)) {
        return cli_fail("%s", error->message);
    }
    int status = EXIT_DONE;
    for (int i = 0; detect->images[i]; i++) {
        if (!detect_picture(detect, detect->images[i])) {
            status = EXIT_FAILED;
        }
    }
    return status;
}

int command_detect(int argc, char **argv)
{
    struct detect detect = {0};
    const GOptionEntry entries[] = {
        {"score-threshold", 0, 0, G_OPTION_ARG_STRING, &detect.score_threshold,
         "lowest confidence to report, 0 to 1 (the model's suggestion, else 0.4)", "S"},
        {"iou-threshold", 0, 0, G_OPTION_ARG_STRING, &detect.iou_threshold,
         "overlap above which the less confident object is dropped, 0 to 1 (the model's, else 0.5)",
         "I"},
        {"max-detections", 0, 0, G_OPTION_ARG_STRING, &detect.max_detections,
         "most objects of a picture, 0 = no limit (the model's, else 100)", "N"},
        {"draw", 0, 0, G_OPTION_ARG_FILENAME, &detect.draw,
         "also write the picture with boxes and labels", "OUT.png"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &detect.json,
         "print one JSON document a line and picture", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &detect.images, NULL, NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context = cli_context(
        "IMAGE...", "Finds objects in pictures (JPEG, PNG and whatever else gdk-pixbuf reads).",
        "Boxes are in pixels of the picture, from its top left corner, clipped to it, by falling\n"
        "confidence. A picture is turned upright first as its EXIF orientation says; an alpha\n"
        "channel is ignored. All pictures are tried; the exit status is 1 if any failed.\n\n"
        "Examples:\n"
        "  effdet detect --draw boxes.png street.jpg\n"
        "  effdet detect --json --model d1 --score-threshold 0.3 *.jpg\n");
    model_options_add(&detect.model, context);
    g_option_context_add_main_entries(context, entries, NULL);
    EffdetEngineParams params;
    int status = EXIT_USAGE;
    if (cli_parse(context, argc, argv) && model_options_params(&detect.model, &params) &&
        check_options(&detect)) {
        status = detect_all(&detect, &params);
    }
    effdet_engine_free(&detect.engine);
    model_options_finish(&detect.model);
    g_free(detect.score_threshold);
    g_free(detect.iou_threshold);
    g_free(detect.max_detections);
    g_free(detect.draw);
    g_strfreev(detect.images);
    return status;
}
