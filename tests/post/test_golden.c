// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Detections of whole networks (the naive one, so that only post-processing is ours): the table of
// the specification's section 13, and a real picture under the three conventions.
#include "decode.h"
#include "fixture.h"
#include "network.h"
#include "post/post.h"
#include "preprocess.h"

#include <math.h>
#include <string.h>

struct heads {
    struct ref_tensor classes[MAX_LEVELS], boxes[MAX_LEVELS]; // of the network
};

static void find_heads(const struct ref_network *network, const struct model *model,
                       struct heads *heads)
{
    for (int l = 0; l < model_levels(model); l++) {
        char name[16];
        g_snprintf(name, sizeof name, "class%d", model->arch.min_level + l);
        heads->classes[l] = *ref_network_value(network, name);
        g_snprintf(name, sizeof name, "box%d", model->arch.min_level + l);
        heads->boxes[l] = *ref_network_value(network, name);
    }
}

// Candidates of the naive decoder as the device would leave them, in another order.
static struct decode_output *make_output(const struct model *model, const struct heads *heads,
                                         double threshold)
{
    guint found;
    g_autoptr(GArray) list =
        ref_decode(model, heads->classes, heads->boxes, threshold, decode_capacity(model), &found);
    struct decode_output *output =
        g_malloc0(sizeof *output + (list->len + 1) * sizeof output->records[0]);
    output->found = found;
    output->kept = list->len;
    for (guint i = 0; i < list->len; i++) {
        const struct ref_candidate *one =
            &g_array_index(list, struct ref_candidate, list->len - 1 - i);
        output->records[i] = (struct decode_record){
            (float)one->x1,    (float)one->y1, (float)one->x2, (float)one->y2,
            (float)one->logit, one->anchor,    one->class_id,  0};
    }
    return output;
}

static EffdetObject *detect(const struct model *model, const struct heads *heads,
                            const EffdetFilter *filter, const struct letterbox *letterbox, guint *n)
{
    struct post_filter parsed;
    g_assert_true(post_filter_init(&parsed, model, filter, NULL));
    double score = (double)filter->score_threshold;
    g_autofree struct decode_output *output =
        make_output(model, heads, score > 0 ? log(score / (1 - score)) : -INFINITY);
    struct post *post = post_new(model);
    EffdetResult result = {.objects = g_new(EffdetObject, post_capacity(post, output))};
    post_run(post, output, &parsed, letterbox, &result);
    post_free(&post);
    post_filter_finish(&parsed);
    *n = result.n_objects;
    return result.objects;
}

struct wanted {
    double x1, y1, x2, y2, score;
    int category;
};

static void check_object(const char *what, guint i, const EffdetObject *got,
                         const struct wanted *wanted, double box_tolerance, double score_tolerance)
{
    double x = (double)got->x, y = (double)got->y;
    if (got->label_id + 1 != wanted->category ||
        fabs((double)got->confidence - wanted->score) > score_tolerance ||
        fabs(x - wanted->x1) > box_tolerance || fabs(y - wanted->y1) > box_tolerance ||
        fabs(x + (double)got->w - wanted->x2) > box_tolerance ||
        fabs(y + (double)got->h - wanted->y2) > box_tolerance) {
        g_test_message("%s, object %u: got %g %g %g %g, score %g, category %d; wanted %g %g %g %g, "
                       "%g, %d",
                       what, i, x, y, x + (double)got->w, y + (double)got->h,
                       (double)got->confidence, got->label_id + 1, wanted->x1, wanted->y1,
                       wanted->x2, wanted->y2, wanted->score, wanted->category);
        g_test_fail();
    }
}

static void test_table(void)
{
    static const struct {
        guint rank;
        struct wanted object;
    } table[] = {
        {1, {33.3709, 193.7660, 52.3399, 207.5602, 0.9451, 64}},
        {2, {37.8335, 111.5402, 57.5207, 168.9797, 0.9375, 22}},
        {3, {54.3811, 108.8774, 65.4727, 213.8477, 0.9352, 45}},
        {4, {67.6321, 40.7727, 121.8694, 63.5293, 0.9334, 82}},
        {5, {130.8280, -36.9652, 162.7253, 39.0046, 0.9321, 45}},
        {99, {-54.8351, 118.6990, 61.5619, 247.1760, 0.8819, 58}},
        {100, {312.0667, 25.4166, 359.5340, 51.9268, 0.8816, 28}},
    };
    static const struct {
        guint anchor, class_id;
        double logit;
    } best[] = {{10423, 63, 2.84571},
                {9134, 21, 2.70818},
                {10862, 44, 2.66865},
                {2731, 81, 2.64070},
                {2744, 44, 2.61887}};
    struct model model;
    model_init(&model, arch_find("tf_efficientdet_d0"), 90);
    model.input_height = 256;
    model.input_width = 384;
    model.post.clip = CLIP_NONE;
    struct ref_tensor input = ref_new(3, 256, 384);
    ref_random("input", input.data, 3 * 256 * 384);
    for (int i = 0; i < 3 * 256 * 384; i++) {
        input.data[i] *= 2;
    }
    struct ref_gains gains = {1.4, 1.4, false};
    struct ref_network *network = ref_network_run(&model, &input, ref_get_synthetic, &gains);
    struct heads heads;
    find_heads(network, &model, &heads);
    guint found, n;
    g_autoptr(GArray) list = ref_decode(&model, heads.classes, heads.boxes, 1.0, 5000, &found);
    g_assert_cmpuint(found, >, 5000);
    for (guint i = 0; i < G_N_ELEMENTS(best); i++) {
        const struct ref_candidate *one = &g_array_index(list, struct ref_candidate, i);
        g_assert_cmpuint(one->anchor, ==, best[i].anchor);
        g_assert_cmpuint(one->class_id, ==, best[i].class_id);
        g_assert_cmpfloat_with_epsilon(one->logit, best[i].logit, 1e-5);
    }
    g_assert_cmpfloat_with_epsilon(g_array_index(list, struct ref_candidate, 4999).logit, 1.299624,
                                   2e-6);
    struct letterbox letterbox;
    letterbox_init(&letterbox, &model, 384, 256, 0);
    g_autofree EffdetObject *objects =
        detect(&model, &heads, &(EffdetFilter){0.7f, 0.5f, 100, NULL}, &letterbox, &n);
    g_assert_cmpuint(n, ==, 100);
    for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
        check_object("table", table[i].rank, &objects[table[i].rank - 1], &table[i].object, 5e-4,
                     6e-5);
    }
    ref_network_free(&network);
    ref_free(&input);
    model_finish(&model);
}

// ---- a picture, its network input and its detections (fixtures that may not be copied)

// Synthetic weights with the fixture's own gains at the last convolutions.
struct scaled {
    struct ref_gains gains;
    double class_gain, class_offset, box_gain;
};

static bool get_scaled(void *data, const char *name, const int *shape, int rank, float *out)
{
    struct scaled *scaled = data;
    double gain = 1, offset = 0;
    if (g_str_equal(name, "class_net.predict.conv_pw.weight")) {
        gain = scaled->class_gain;
    } else if (g_str_equal(name, "box_net.predict.conv_pw.weight")) {
        gain = scaled->box_gain;
    } else if (g_str_equal(name, "class_net.predict.conv_pw.bias")) {
        offset = scaled->class_offset;
    }
    size_t n = 1;
    for (int i = 0; i < rank; i++) {
        n *= (size_t)shape[i];
    }
    bool ok = ref_get_synthetic(&scaled->gains, name, shape, rank, out);
    for (size_t i = 0; ok && i < n; i++) {
        out[i] = (float)((double)out[i] * gain + offset);
    }
    return ok;
}

static void check_detections(JsonArray *rows, const char *what, const EffdetObject *objects,
                             guint n)
{
    g_assert_cmpuint(n, >=, json_array_get_length(rows));
    for (guint i = 0; i < json_array_get_length(rows); i++) {
        JsonArray *row = json_array_get_array_element(rows, i);
        struct wanted wanted = {
            json_array_get_double_element(row, 0), json_array_get_double_element(row, 1),
            json_array_get_double_element(row, 2), json_array_get_double_element(row, 3),
            json_array_get_double_element(row, 4), (int)json_array_get_int_element(row, 5)};
        check_object(what, i, &objects[i], &wanted, 0.05, 1e-3);
    }
}

static void run_detections(struct model *model, const struct heads *heads,
                           const struct letterbox *letterbox, JsonObject *rules, const char *member,
                           EffdetFilter filter, gint64 count)
{
    guint n;
    g_autofree EffdetObject *objects = detect(model, heads, &filter, letterbox, &n);
    check_detections(json_object_get_array_member(rules, member), member, objects, n);
    if (count >= 0 && ABS((gint64)n - count) > 2) { // scores at the threshold may fall either way
        g_test_message("%s: %u objects, wanted %" G_GINT64_FORMAT, member, n, count);
        g_test_fail();
    }
}

static void test_picture(gconstpointer data)
{
    enum convention convention = GPOINTER_TO_INT(data);
    struct fixture fixture;
    if (!fixture_load(&fixture)) {
        return;
    }
    JsonObject *rules = fixture_rules(&fixture, convention);
    JsonObject *weights = json_object_get_object_member(fixture.root, "weights");
    struct scaled scaled = {{json_object_get_double_member(weights, "gb"),
                             json_object_get_double_member(weights, "gh"), false},
                            json_object_get_double_member(weights, "class_gain"),
                            json_object_get_double_member(weights, "class_offset"),
                            json_object_get_double_member(weights, "box_gain")};
    struct model model;
    struct letterbox letterbox;
    struct heads heads;
    model_init(&model, arch_find("tf_efficientdet_d0"), 90);
    model_set_convention(&model, convention);
    letterbox_init(&letterbox, &model, (int)fixture.frame.width, (int)fixture.frame.height, 0);
    bool pil = convention == CONVENTION_RWIGHTMAN; // rounds between the axes; ours does not
    struct ref_tensor input =
        pil ? pil_preprocess(&fixture.frame, &model) : ref_preprocess(&fixture.frame, &model);
    fixture_check_input(&fixture, convention, &input, pil ? 2e-6 : 1e-4);
    struct ref_network *network = ref_network_run(&model, &input, get_scaled, &scaled);
    find_heads(network, &model, &heads);
    switch (convention) {
    case CONVENTION_TF:
        run_detections(&model, &heads, &letterbox, rules, "detections_ratios_pairs",
                       (EffdetFilter){0.001f, 0.5f, 100, NULL}, 100);
        model.anchors.aspects[1][0] = model.anchors.aspects[2][1] = sqrt(2.0);
        model.anchors.aspects[1][1] = model.anchors.aspects[2][0] = sqrt(0.5);
        run_detections(&model, &heads, &letterbox, rules, "detections_ratios_sqrt",
                       (EffdetFilter){0.001f, 0.5f, 100, NULL}, 100);
        break;
    case CONVENTION_RWIGHTMAN:
        run_detections(&model, &heads, &letterbox, rules, "detections",
                       (EffdetFilter){0, 0.5f, 100, NULL}, 100);
        break;
    default:
        run_detections(&model, &heads, &letterbox, rules, "detections_thr_0_2_iou_0_2",
                       (EffdetFilter){0.2f, 0.2f, 0, NULL},
                       json_object_get_int_member(rules, "count_thr_0_2_iou_0_2"));
        run_detections(&model, &heads, &letterbox, rules, "detections_thr_0_05_iou_0_5",
                       (EffdetFilter){0.05f, 0.5f, 0, NULL},
                       json_object_get_int_member(rules, "count_thr_0_05_iou_0_5"));
        break;
    }
    ref_network_free(&network);
    ref_free(&input);
    model_finish(&model);
    fixture_finish(&fixture);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/golden/table", test_table);
    g_test_add_data_func("/golden/tf", GINT_TO_POINTER(CONVENTION_TF), test_picture);
    g_test_add_data_func("/golden/rwightman", GINT_TO_POINTER(CONVENTION_RWIGHTMAN), test_picture);
    g_test_add_data_func("/golden/zylo117", GINT_TO_POINTER(CONVENTION_ZYLO117), test_picture);
    return g_test_run();
}
