// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A real picture through the public API against what the three original implementations give for
// it: network input, head outputs, and detections in picture coordinates (spec 7, 8).
#include "effdet/effdet.h"
#include "engine_private.h"
#include "weights/weights_file.h"
#include "reference/reference.h"

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <json-glib/json-glib.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <zlib.h>

static const char *fixtures; // folder of the fixtures, NULL where there is none
static JsonParser *parser;
static JsonObject *root;
static GdkPixbuf *picture;
static char *folder; // of the weights files
static char *plain_path, *sqrt_path;

// ---- the fixtures

static double number(JsonArray *array, guint index)
{
    return json_array_get_double_element(array, index);
}

// Weights of spec 13.1 with the file's gains on the last layers; aspects: metadata, or NULL.
static char *write_weights(const struct model *model, const char *name, const char *aspects)
{
    JsonObject *weights = json_object_get_object_member(root, "weights");
    double backbone = json_object_get_double_member(weights, "gb");
    double head = json_object_get_double_member(weights, "gh");
    struct weights_file *file = weights_file_of(model, rename_none, true);
    for (guint i = 0; i < file->tensors->len; i++) {
        struct file_tensor *tensor = file->tensors->pdata[i];
        int shape[4] = {0}, n = 1;
        double gain = 1, offset = 0;
        for (int j = 0; j < tensor->rank; j++) {
            shape[j] = (int)tensor->shape[j];
            n *= shape[j];
        }
        ref_weight(tensor->name, shape, tensor->rank, backbone, head, tensor->values);
        if (g_str_equal(tensor->name, "class_net.predict.conv_pw.weight")) {
            gain = json_object_get_double_member(weights, "class_gain");
        } else if (g_str_equal(tensor->name, "box_net.predict.conv_pw.weight")) {
            gain = json_object_get_double_member(weights, "box_gain");
        } else if (g_str_equal(tensor->name, "class_net.predict.conv_pw.bias")) {
            offset = json_object_get_double_member(weights, "class_offset");
        }
        for (int j = 0; j < n; j++) {
            tensor->values[j] = (float)(tensor->values[j] * gain + offset);
        }
    }
    if (aspects) {
        weights_file_set(file, "effdet.format", "1");
        weights_file_set(file, "aspect_ratios", aspects);
    }
    char *path = g_build_filename(folder, name, NULL);
    weights_file_write(file, path);
    weights_file_free(file);
    return path;
}

static void check_picture(void)
{
    int width = gdk_pixbuf_get_width(picture), height = gdk_pixbuf_get_height(picture);
    g_assert_cmpint(gdk_pixbuf_get_n_channels(picture), ==, 3);
    g_assert_cmpint(width, ==, json_object_get_int_member(root, "width"));
    g_assert_cmpint(height, ==, json_object_get_int_member(root, "height"));
    uLong crc = crc32(0, NULL, 0);
    for (int y = 0; y < height; y++) {
        const guint8 *row = gdk_pixbuf_read_pixels(picture) + y * gdk_pixbuf_get_rowstride(picture);
        crc = crc32(crc, row, 3 * (uInt)width);
    }
    g_autofree char *text = g_strdup_printf("%08lx", crc);
    g_assert_cmpstr(text, ==, json_object_get_string_member(root, "rgb_crc32"));
}

static void load_fixtures(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *json = g_build_filename(fixtures, "fixtures", "e2e.json", NULL);
    g_autofree char *png = g_build_filename(fixtures, "fixtures", "e2e.png", NULL);
    parser = json_parser_new();
    json_parser_load_from_file(parser, json, &error);
    g_assert_no_error(error);
    root = json_node_get_object(json_parser_get_root(parser));
    picture = gdk_pixbuf_new_from_file(png, &error);
    g_assert_no_error(error);
    check_picture();
    folder = weights_folder();
    struct model model;
    model_init(&model, arch_find(json_object_get_string_member(root, "model")), 90);
    plain_path = write_weights(&model, "plain.safetensors", NULL);
    sqrt_path = write_weights(&model, "sqrt.safetensors",
                              "[[1, 1], [1.4142135623730951, 0.7071067811865476], "
                              "[0.7071067811865476, 1.4142135623730951]]");
    model_finish(&model);
}

// ---- comparisons

// Mean, deviation and norm of a tensor against the fixture's.
static void check_statistics(const char *what, double mean, double deviation, double norm,
                             double wanted_mean, double wanted_deviation, double wanted_norm,
                             double tolerance)
{
    g_test_message("%s: mean %.6f (%.6f), deviation %.6f (%.6f), norm %.4f (%.4f)", what, mean,
                   wanted_mean, deviation, wanted_deviation, norm, wanted_norm);
    g_assert_cmpfloat_with_epsilon(mean, wanted_mean, tolerance);
    g_assert_cmpfloat_with_epsilon(deviation, wanted_deviation, tolerance);
    g_assert_cmpfloat_with_epsilon(norm, wanted_norm, tolerance * wanted_norm);
}

struct sums {
    double n, sum, square;
};

static void sums_add(struct sums *sums, double value)
{
    sums->n++;
    sums->sum += value;
    sums->square += value * value;
}

static double sums_deviation(const struct sums *sums)
{
    double mean = sums->sum / sums->n;
    return sqrt(MAX(0, sums->square / sums->n - mean * mean));
}

// Prepares the picture of the last frame once more: the network has overwritten its input since.
static void preprocess_again(EffdetEngine *engine)
{
    g_autoptr(GError) error = NULL;
    struct slot *slot = &engine->slots[0];
    struct recorder *recorder = recorder_new(engine->device, 1, 0, &error);
    struct dispatch dispatch;
    bool done = false;
    bool ok = recorder && recorder_begin(recorder, &error) &&
              op_preprocess_prepare(&engine->network.env, &engine->model->pre, slot->shape,
                                    &slot->staging, &slot->params, 0, &engine->context.scratch,
                                    &dispatch, &error) &&
              recorder_dispatch(recorder, &dispatch, &error) && recorder_end(recorder, &error) &&
              recorder_submit(recorder, &error) &&
              recorder_wait(recorder, UINT64_MAX, &done, &error);
    g_assert_no_error(error);
    g_assert_true(ok && done);
    recorder_free(&recorder);
}

// tolerance: of each channel, in normalised units.
static void check_input(EffdetEngine *engine, JsonObject *wanted, const double tolerance[3])
{
    g_autoptr(GError) error = NULL;
    const struct value *value = graph_value(engine->network.graph, engine->network.graph->input);
    int width = value->level[0].width;
    gsize plane = (gsize)value->pixels;
    g_autofree float *data = g_new(float, (gsize)value->channels *plane);
    g_assert_true(
        network_read_value(&engine->network, engine->network.graph->input, 0, data, &error));
    JsonArray *probes = json_object_get_array_member(wanted, "probes");
    double worst[3] = {0};
    for (guint i = 0; i < json_array_get_length(probes); i++) {
        JsonArray *probe = json_array_get_array_element(probes, i);
        gsize at = (gsize)number(probe, 0) * (gsize)width + (gsize)number(probe, 1);
        for (guint c = 0; c < 3; c++) {
            double difference = fabs(data[c * plane + at] - number(probe, 2 + c));
            worst[c] = MAX(worst[c], difference);
            if (difference > tolerance[c]) {
                g_test_message("input y %g x %g channel %u: %.8g, wanted %.8g", number(probe, 0),
                               number(probe, 1), c, (double)data[c * plane + at],
                               number(probe, 2 + c));
                g_test_fail();
            }
        }
    }
    g_test_message("input: %u probes, worst difference %.2e %.2e %.2e",
                   json_array_get_length(probes), worst[0], worst[1], worst[2]);
    struct sums all = {0};
    for (guint c = 0; c < 3; c++) {
        struct sums sums = {0};
        for (gsize i = 0; i < plane; i++) {
            sums_add(&sums, data[c * plane + i]);
            sums_add(&all, data[c * plane + i]);
        }
        double mean = number(json_object_get_array_member(wanted, "mean"), c);
        double deviation = number(json_object_get_array_member(wanted, "std"), c);
        check_statistics("input channel", sums.sum / sums.n, sums_deviation(&sums),
                         sqrt(all.square), mean, deviation, sqrt(all.square), 1e-4);
    }
    g_assert_cmpfloat_with_epsilon(sqrt(all.square), json_object_get_double_member(wanted, "l2"),
                                   0.05);
}

// A pyramid as the fixtures have it: anchor-major, `columns` values an anchor.
static float *read_head(EffdetEngine *engine, int id, int columns, gsize *count)
{
    g_autoptr(GError) error = NULL;
    const struct value *value = graph_value(engine->network.graph, id);
    gsize channels = (gsize)value->channels;
    float *flat = g_new(float, channels *(gsize)value->pixels);
    *count = 0;
    for (int l = 0; l < value->n_levels; l++) {
        gsize pixels = (gsize)value->level[l].height * (gsize)value->level[l].width;
        g_autofree float *data = g_new(float, channels *pixels);
        g_assert_true(network_read_value(&engine->network, id, l, data, &error));
        for (gsize i = 0; i < pixels; i++) {
            for (gsize c = 0; c < channels; c++) {
                flat[(*count)++] = data[c * pixels + i];
            }
        }
    }
    g_assert_cmpuint(*count % (gsize)columns, ==, 0);
    return flat;
}

static void check_head(EffdetEngine *engine, const char *name, JsonObject *wanted, int id,
                       int columns, bool sigmoid)
{
    gsize count;
    g_autofree float *data = read_head(engine, id, columns, &count);
    JsonArray *shape = json_object_get_array_member(wanted, "shape");
    g_assert_cmpuint(count / (gsize)columns, ==, json_array_get_int_element(shape, 0));
    g_assert_cmpint(columns, ==, json_array_get_int_element(shape, 1));
    struct sums sums = {0};
    for (gsize i = 0; i < count; i++) {
        data[i] = sigmoid ? (float)(1 / (1 + exp(-(double)data[i]))) : data[i];
        sums_add(&sums, data[i]);
    }
    JsonArray *probes = json_object_get_array_member(wanted, "probes");
    for (guint i = 0; i < json_array_get_length(probes); i++) {
        JsonArray *probe = json_array_get_array_element(probes, i);
        gsize at = (gsize)json_array_get_int_element(probe, 0);
        if (fabs(data[at] - number(probe, 1)) > 1e-3) {
            g_test_message("%s[%" G_GSIZE_FORMAT "]: %.8g, wanted %.8g", name, at, (double)data[at],
                           number(probe, 1));
            g_test_fail();
        }
    }
    check_statistics(name, sums.sum / sums.n, sums_deviation(&sums), sqrt(sums.square),
                     json_object_get_double_member(wanted, "mean"),
                     json_object_get_double_member(wanted, "std"),
                     json_object_get_double_member(wanted, "l2"), 1e-3);
}

static bool same_object(const EffdetObject *object, JsonArray *wanted)
{
    return object->label_id + 1 == json_array_get_int_element(wanted, 5) &&
           fabs(object->confidence - number(wanted, 4)) <= 1e-3 &&
           fabs(object->x - number(wanted, 0)) <= 0.05 &&
           fabs(object->y - number(wanted, 1)) <= 0.05 &&
           fabs(object->x + object->w - number(wanted, 2)) <= 0.05 &&
           fabs(object->y + object->h - number(wanted, 3)) <= 0.05;
}

// The listed detections, in their order; objects whose scores differ by less than the tolerance may
// change places.
static void check_objects(const EffdetResult *result, JsonArray *wanted)
{
    guint n = json_array_get_length(wanted);
    g_assert_cmpuint(result->n_objects, >=, n);
    g_autofree bool *used = g_new0(bool, result->n_objects);
    for (guint i = 0; i < n; i++) {
        JsonArray *row = json_array_get_array_element(wanted, i);
        guint found = result->n_objects;
        for (guint j = 0; j < result->n_objects && found == result->n_objects; j++) {
            bool tie = fabs(result->objects[j].confidence - result->objects[i].confidence) <= 1e-3;
            found = tie && !used[j] && same_object(&result->objects[j], row) ? j : found;
        }
        if (found < result->n_objects) {
            used[found] = true;
            continue;
        }
        const EffdetObject *object = &result->objects[i];
        g_test_message("object %u: wanted class %g score %.4f box %.2f %.2f %.2f %.2f, found class "
                       "%d score %.4f box %.2f %.2f %.2f %.2f",
                       i, number(row, 5), number(row, 4), number(row, 0), number(row, 1),
                       number(row, 2), number(row, 3), object->label_id + 1,
                       (double)object->confidence, (double)object->x, (double)object->y,
                       (double)(object->x + object->w), (double)(object->y + object->h));
        g_test_fail();
    }
}

// ---- tests

static EffdetEngine *open_engine(const char *path, const char *convention)
{
    g_autoptr(GError) error = NULL;
    EffdetEngineParams params = {.model = "d0",
                                 .weights = path,
                                 .convention = convention,
                                 .precision = EFFDET_PRECISION_FP32,
                                 .queue_depth = 1,
                                 .gpu_timeout_ms = 300000,
                                 .device = g_getenv("EFFDET_TEST_DEVICE")};
    EffdetEngine *engine = effdet_engine_new(&params, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(effdet_engine_info(engine)->model, ==,
                    json_object_get_string_member(root, "model"));
    g_assert_cmpuint(effdet_engine_info(engine)->input_width, ==,
                     json_object_get_int_member(root, "input_size"));
    return engine;
}

static EffdetResult *detect(EffdetEngine *engine, float score, float iou, guint max_detections)
{
    g_autoptr(GError) error = NULL;
    EffdetFilter filter = {
        .score_threshold = score, .iou_threshold = iou, .max_detections = max_detections};
    EffdetFrame frame = {
        .format = EFFDET_FORMAT_RGB,
        .width = (guint)gdk_pixbuf_get_width(picture),
        .height = (guint)gdk_pixbuf_get_height(picture),
        .planes = {{gdk_pixbuf_read_pixels(picture), (gsize)gdk_pixbuf_get_rowstride(picture)}}};
    EffdetResult *result = NULL;
    bool ok = effdet_engine_set_filter(engine, &filter, &error) &&
              effdet_engine_submit(engine, &frame, NULL, &error) == EFFDET_OK &&
              effdet_engine_collect(engine, -1, &result, &error) == EFFDET_OK;
    g_assert_no_error(error);
    g_assert_true(ok);
    return result;
}

static void check_detections(EffdetEngine *engine, JsonObject *wanted, const char *list,
                             const char *count, float score, float iou, guint max_detections)
{
    EffdetResult *result = detect(engine, score, iou, max_detections);
    g_test_message("%s: %u objects of %u candidates", list, result->n_objects,
                   result->n_candidates);
    if (count) {
        g_assert_cmpuint(result->n_objects, ==, json_object_get_int_member(wanted, count));
    }
    check_objects(result, json_object_get_array_member(wanted, list));
    effdet_result_free(&result);
}

static void check_tensors(EffdetEngine *engine, JsonObject *wanted, const double tolerance[3])
{
    const struct graph *graph = engine->network.graph;
    bool sigmoid = json_object_has_member(wanted, "class_probabilities");
    const char *classes = sigmoid ? "class_probabilities" : "class_logits";
    check_head(engine, classes, json_object_get_object_member(wanted, classes), graph->classes, 90,
               sigmoid);
    check_head(engine, "box", json_object_get_object_member(wanted, "box"), graph->boxes, 4, false);
    preprocess_again(engine);
    check_input(engine, json_object_get_object_member(wanted, "input"), tolerance);
}

static JsonObject *convention(const char *name)
{
    return json_object_get_object_member(json_object_get_object_member(root, "conventions"), name);
}

static bool lacking(void)
{
    if (!fixtures) {
        g_test_skip("EFFDET_FIXTURES is not set: no e2e.png and e2e.json");
    }
    return !fixtures;
}

static void test_tf(void)
{
    if (lacking()) {
        return;
    }
    const double tolerance[3] = {1e-4, 1e-4, 1e-4};
    JsonObject *wanted = convention("tf");
    EffdetEngine *engine = open_engine(plain_path, "tf");
    check_detections(engine, wanted, "detections_ratios_pairs", NULL, 0.001f, 0.5f, 100);
    check_tensors(engine, wanted, tolerance);
    effdet_engine_free(&engine);
    engine = open_engine(sqrt_path, "tf");
    check_detections(engine, wanted, "detections_ratios_sqrt", NULL, 0.001f, 0.5f, 100);
    effdet_engine_free(&engine);
}

static void test_rwightman(void)
{
    if (lacking()) {
        return;
    }
    // one step of the resized 8-bit picture
    const double tolerance[3] = {1.001 / 58.395, 1.001 / 57.12, 1.001 / 57.375};
    JsonObject *wanted = convention("rw");
    EffdetEngine *engine = open_engine(plain_path, "rwightman");
    check_detections(engine, wanted, "detections", NULL, 0, 0.5f, 100);
    check_tensors(engine, wanted, tolerance);
    effdet_engine_free(&engine);
}

static void test_zylo117(void)
{
    if (lacking()) {
        return;
    }
    const double tolerance[3] = {1e-4, 1e-4, 1e-4};
    JsonObject *wanted = convention("zy");
    EffdetEngine *engine = open_engine(plain_path, "zylo117");
    check_detections(engine, wanted, "detections_thr_0_2_iou_0_2", "count_thr_0_2_iou_0_2", 0.2f,
                     0.2f, 0);
    check_detections(engine, wanted, "detections_thr_0_05_iou_0_5", "count_thr_0_05_iou_0_5", 0.05f,
                     0.5f, 0);
    check_tensors(engine, wanted, tolerance);
    effdet_engine_free(&engine);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fixtures = g_getenv("EFFDET_FIXTURES");
    g_test_add_func("/e2e/tf", test_tf);
    g_test_add_func("/e2e/rwightman", test_rwightman);
    g_test_add_func("/e2e/zylo117", test_zylo117);
    if (fixtures) {
        load_fixtures();
    }
    int status = g_test_run();
    if (fixtures) {
        weights_folder_remove(folder);
        g_clear_object(&picture);
        g_clear_object(&parser);
        g_free(plain_path);
        g_free(sqrt_path);
    }
    return status;
}
