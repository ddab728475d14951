// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Suppression against the naive one, clipping and back-scaling of every convention, thresholds,
// limits, and the class filter.
#include "nms.h"
#include "post/nms.h"
#include "post/post.h"

#include <math.h>
#include <string.h>

#define MANY 700

struct rig {
    struct model model;
    struct post *post;
    struct post_filter filter;
    struct letterbox letterbox;
    struct decode_output *output;
    EffdetResult result;
};

static void rig_init(struct rig *rig, enum convention convention, int width, int height)
{
    *rig = (struct rig){0};
    model_init(&rig->model, arch_find("d0"), 90);
    model_set_convention(&rig->model, convention);
    letterbox_init(&rig->letterbox, &rig->model, width, height, 0);
    rig->output = g_malloc0(sizeof *rig->output + MANY * sizeof rig->output->records[0]);
}

static void run_filtered(struct rig *rig, const EffdetFilter *filter)
{
    g_autoptr(GError) error = NULL;
    struct post_filter parsed;
    g_assert_true(post_filter_init(&parsed, &rig->model, filter, &error));
    g_assert_no_error(error);
    if (!rig->post) {
        rig->post = post_new(&rig->model);
    }
    post_filter_copy(&rig->filter, &parsed);
    post_filter_finish(&parsed);
    g_free(rig->result.objects);
    rig->result =
        (EffdetResult){.objects = g_new(EffdetObject, post_capacity(rig->post, rig->output))};
    post_run(rig->post, rig->output, &rig->filter, &rig->letterbox, &rig->result);
}

static void run_plain(struct rig *rig, double score, double iou, guint most)
{
    run_filtered(rig, &(EffdetFilter){(float)score, (float)iou, most, NULL});
}

static void rig_finish(struct rig *rig)
{
    post_free(&rig->post);
    post_filter_finish(&rig->filter);
    model_finish(&rig->model);
    g_free(rig->output);
    g_free(rig->result.objects);
}

static void add(struct rig *rig, double x1, double y1, double x2, double y2, double logit,
                guint anchor, guint class_id)
{
    struct decode_output *output = rig->output;
    g_assert_cmpuint(output->kept, <, MANY);
    output->records[output->kept++] = (struct decode_record){
        (float)x1, (float)y1, (float)x2, (float)y2, (float)logit, anchor, class_id, 0};
    output->found = output->kept;
}

static float sigmoid(double logit)
{
    return (float)(1 / (1 + exp(-(double)(float)logit)));
}

static void check_object(const struct rig *rig, guint i, int class_id, double x, double y, double w,
                         double h)
{
    g_assert_cmpuint(i, <, rig->result.n_objects);
    const EffdetObject *object = &rig->result.objects[i];
    g_assert_cmpint(object->label_id, ==, class_id);
    g_assert_cmpfloat_with_epsilon((double)object->x, x, 1e-3);
    g_assert_cmpfloat_with_epsilon((double)object->y, y, 1e-3);
    g_assert_cmpfloat_with_epsilon((double)object->w, w, 1e-3);
    g_assert_cmpfloat_with_epsilon((double)object->h, h, 1e-3);
}

// Random boxes in clusters, in no order; with `steps` > 0 many logits are equal.
static void add_clusters(struct rig *rig, struct ref_box *boxes, int n, int steps, bool agnostic)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed((guint32)(n + steps));
    g_autofree int *order = g_new(int, n);
    g_autofree double *logits = g_new(double, n);
    for (int i = 0; i < n; i++) {
        int cluster = g_rand_int_range(rand, 0, 12);
        double w = g_rand_double_range(rand, 20, 90), h = g_rand_double_range(rand, 20, 90);
        double x = 40 * cluster + g_rand_double_range(rand, -25, 25);
        double y = 200 + g_rand_double_range(rand, -25, 25);
        double logit = g_rand_double_range(rand, -3, 4);
        logits[i] = steps ? floor(logit * steps) / steps : logit;
        boxes[i] = (struct ref_box){.x1 = (double)(float)x,
                                    .y1 = (double)(float)y,
                                    .x2 = (double)(float)(x + w),
                                    .y2 = (double)(float)(y + h),
                                    .score = (double)sigmoid(logits[i]),
                                    .class_id = agnostic ? 0 : i % 5};
        order[i] = i;
    }
    for (int i = n - 1; i > 0; i--) {
        int other = g_rand_int_range(rand, 0, i + 1), swap = order[i];
        order[i] = order[other];
        order[other] = swap;
    }
    for (int i = 0; i < n; i++) {
        const struct ref_box *box = &boxes[order[i]];
        add(rig, box->x1, box->y1, box->x2, box->y2, logits[order[i]], (guint)order[i],
            (guint)(order[i] % 5));
    }
}

struct nms_case {
    int n, steps;
    bool gaussian, agnostic;
    double iou, score;
    int most;
};

static const struct nms_case nms_cases[] = {
    {0, 0, false, false, 0.5, 0.1, 100},   {1, 0, false, false, 0.5, 0.1, 100},
    {600, 0, false, false, 0.5, 0.1, 100}, {600, 0, false, false, 0.3, 0.3, 0},
    {600, 0, false, true, 0.5, 0.05, 0},   {600, 4, false, false, 0.5, 0.1, 0},
    {600, 1, false, true, 0.2, 0.1, 7},    {300, 0, false, false, 0, 0.1, 0},
    {300, 0, false, false, 1, 0.1, 0},     {1, 0, true, true, 0.5, 0.1, 100},
    {600, 0, true, true, 0.5, 0.001, 100}, {600, 0, true, false, 0.5, 0.05, 0},
    {600, 0, true, true, 0.5, 0.4, 0},     {400, 2, true, false, 0.5, 0.001, 60},
};

static void check_nms_case(const struct nms_case *test)
{
    struct rig rig;
    rig_init(&rig, CONVENTION_NONE, 512, 512);
    rig.model.post.nms = test->gaussian ? NMS_GAUSSIAN : NMS_HARD;
    rig.model.post.nms_agnostic = test->agnostic;
    rig.model.post.clip = CLIP_NONE;
    g_autofree struct ref_box *boxes = g_new0(struct ref_box, test->n + 1);
    g_autofree int *selected = g_new(int, test->n + 1);
    add_clusters(&rig, boxes, test->n, test->steps, test->agnostic);
    run_plain(&rig, test->score, test->iou, (guint)test->most);
    // what is below the threshold takes part in nothing
    int n = 0;
    g_autofree int *original = g_new(int, test->n + 1);
    for (int i = 0; i < test->n; i++) {
        if ((float)boxes[i].score >= (float)test->score) {
            original[n] = i;
            boxes[n++] = boxes[i];
        }
    }
    int wanted = test->gaussian ? ref_nms_gaussian(boxes, n, 0.5, test->score, test->most, selected)
                                : ref_nms_hard(boxes, n, test->iou, test->most, selected);
    bool same = rig.result.n_objects == (guint)wanted;
    guint i = 0;
    for (; same && i < rig.result.n_objects; i++) {
        const EffdetObject *object = &rig.result.objects[i];
        const struct ref_box *box = &boxes[selected[i]];
        same = object->label_id == original[selected[i]] % 5 &&
               fabs((double)object->confidence - box->score) < 2e-6 &&
               fabs((double)object->x - box->x1) < 1e-4 && fabs((double)object->y - box->y1) < 1e-4;
        same = same && (i == 0 || object->confidence <= object[-1].confidence);
    }
    if (!same) {
        g_test_message("%d boxes, steps %d, %s, %s, IoU %g, score %g, at most %d: %u objects, "
                       "wanted %d; first bad one %u",
                       test->n, test->steps, test->gaussian ? "gaussian" : "hard",
                       test->agnostic ? "agnostic" : "by class", test->iou, test->score, test->most,
                       rig.result.n_objects, wanted, i - 1);
        g_test_fail();
    }
    rig_finish(&rig);
}

static void test_nms(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(nms_cases); i++) {
        check_nms_case(&nms_cases[i]);
    }
}

static void test_iou(void)
{
    struct nms_box a = {.x1 = 0, .y1 = 0, .x2 = 4, .y2 = 2},
                   b = {.x1 = 2, .y1 = 1, .x2 = 6, .y2 = 3};
    g_assert_cmpfloat_with_epsilon(nms_iou(&a, &b), 2.0 / 14, 1e-12); // no pixel is added
    struct nms_box swapped = {.x1 = 6, .y1 = 3, .x2 = 2, .y2 = 1};
    g_assert_cmpfloat_with_epsilon(nms_iou(&a, &swapped), 2.0 / 14, 1e-12);
    struct nms_box flat = {.x1 = 1, .y1 = 1, .x2 = 3, .y2 = 1};
    g_assert_cmpfloat(nms_iou(&a, &flat), ==, 0);
    g_assert_cmpfloat(nms_iou(&flat, &flat), ==, 0);
    struct nms_box beside = {.x1 = 4, .y1 = 0, .x2 = 8, .y2 = 2};
    g_assert_cmpfloat(nms_iou(&a, &beside), ==, 0);
    struct nms_box huge = {.x1 = -1e30, .y1 = -1e30, .x2 = 1e30, .y2 = 1e30};
    g_assert_cmpfloat_with_epsilon(nms_iou(&huge, &huge), 1, 1e-12);
}

// One box past every side of the picture, 1000x600 in 512x512: scale 0.512, 512x307.2 are covered.
static void test_clipping(void)
{
    static const struct {
        enum clip clip;
        double x, y, w, h;
    } cases[] = {
        {CLIP_PICTURE, 0, 0, 1000, 600},
        {CLIP_NONE, -19.53125, -39.0625, 1035.15625, 1066.40625},
        {CLIP_INPUT, 0, 0, 1000, 1000},
        {CLIP_AREA_FIRST, 0, 0, 1000, 600},
        {CLIP_ZYLO_FIRST, 0, 0, 998.046875, 998.046875},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct rig rig;
        rig_init(&rig, CONVENTION_NONE, 1000, 600);
        rig.model.post.clip = cases[i].clip;
        add(&rig, -10, -20, 520, 526, 3, 0, 4);
        run_plain(&rig, 0.5, 0.5, 100);
        check_object(&rig, 0, 4, cases[i].x, cases[i].y, cases[i].w, cases[i].h);
        rig_finish(&rig);
    }
}

// What CLIP_AREA_FIRST and CLIP_ZYLO_FIRST cut takes part in suppression as cut; the others as it
// was.
static void test_clip_before(void)
{
    for (int clip = CLIP_PICTURE; clip <= CLIP_ZYLO_FIRST; clip++) {
        struct rig rig;
        rig_init(&rig, CONVENTION_NONE, 512, 512);
        rig.model.post.clip = (enum clip)clip;
        add(&rig, -100, 0, 50, 50, 3, 0, 4); // IoU 1/3 as they are, 1 in the picture
        add(&rig, 0, 0, 50, 50, 2, 1, 4);
        run_plain(&rig, 0.5, 0.5, 100);
        bool before = clip == CLIP_AREA_FIRST || clip == CLIP_ZYLO_FIRST;
        g_assert_cmpuint(rig.result.n_objects, ==, before ? 1 : 2);
        rig_finish(&rig);
    }
}

static void test_scaling(void)
{
    struct rig rig;
    rig_init(&rig, CONVENTION_ZYLO117, 1000, 636); // 512x325: the axes differ
    add(&rig, 51.2, 32.5, 102.4, 65, 3, 0, 0);
    run_plain(&rig, 0.5, 0.5, 100);
    check_object(&rig, 0, 0, 100, 63.6, 100, 63.6);
    rig_finish(&rig);
    rig_init(&rig, CONVENTION_RWIGHTMAN, 1000, 636);
    add(&rig, 51.2, 32.5, 102.4, 65, 3, 0, 0);
    run_plain(&rig, 0.5, 0.5, 100);
    check_object(&rig, 0, 0, 100, 32.5 / 0.512, 100, 32.5 / 0.512);
    rig_finish(&rig);
    rig_init(&rig, CONVENTION_NONE, 1000, 500);
    letterbox_init(&rig.letterbox, &rig.model, 720, 576, 16.0 / 15); // shown as 768x576
    add(&rig, 0, 0, 512, 384, 3, 0, 0);
    run_plain(&rig, 0.5, 0.5, 100);
    check_object(&rig, 0, 0, 0, 0, 720, 576);
    rig_finish(&rig);
}

static void test_thresholds(void)
{
    for (int exclusive = 0; exclusive < 2; exclusive++) {
        struct rig rig;
        rig_init(&rig, CONVENTION_NONE, 512, 512);
        rig.model.post.score_exclusive = exclusive;
        add(&rig, 0, 0, 10, 10, 0, 0, 0); // exactly 0.5
        add(&rig, 20, 0, 30, 10, 1e-5, 1, 0);
        add(&rig, 40, 0, 50, 10, -1e-5, 2, 0);
        run_plain(&rig, 0.5, 0.5, 100);
        g_assert_cmpuint(rig.result.n_objects, ==, exclusive ? 1 : 2);
        g_assert_cmpuint(rig.result.n_candidates, ==, 3);
        g_assert_cmpfloat((double)rig.result.best_score, ==, (double)sigmoid(1e-5));
        run_plain(&rig, 0.5, 0.5, 1);
        g_assert_cmpuint(rig.result.n_objects, ==, 1);
        run_plain(&rig, 1, 0.5, 0);
        g_assert_cmpuint(rig.result.n_objects, ==, 0);
        g_assert_cmpfloat((double)rig.result.best_score, ==, 0);
        rig_finish(&rig);
    }
}

static void test_bad_boxes(void)
{
    static const double odd[] = {NAN, INFINITY, -INFINITY};
    struct rig rig;
    rig_init(&rig, CONVENTION_NONE, 512, 512);
    for (gsize i = 0; i < 12; i++) {
        double box[4] = {0, 0, 10, 10};
        box[i % 4] = odd[i / 4];
        add(&rig, box[0], box[1], box[2], box[3], 5, (guint)i, 0);
    }
    add(&rig, 0, 0, 10, 10, NAN, 50, 0);
    add(&rig, 0, 0, 10, 10, 5, 51, 90);      // no such class
    add(&rig, 600, 600, 610, 610, 5, 52, 0); // outside
    add(&rig, -1e15, -1e15, 1e15, 1e15, 4, 53, 0);
    add(&rig, 100, 100, 100, 110, 3, 54, 0); // flat
    add(&rig, 100, 100, 110, 110, INFINITY, 55, 1);
    run_plain(&rig, 0.1, 0.5, 2); // what is outside does not count
    g_assert_cmpuint(rig.result.n_objects, ==, 2);
    check_object(&rig, 0, 1, 100, 100, 10, 10);
    check_object(&rig, 1, 0, 0, 0, 512, 512);
    g_assert_cmpfloat((double)rig.result.objects[0].confidence, ==, 1);
    rig_finish(&rig);
}

// Boxes of classes that are not reported still suppress where classes do; they never count.
static void test_wanted_classes(void)
{
    for (int agnostic = 0; agnostic < 2; agnostic++) {
        struct rig rig;
        rig_init(&rig, CONVENTION_NONE, 512, 512);
        rig.model.post.nms_agnostic = agnostic;
        add(&rig, 0, 0, 100, 100, 3, 0, 2);
        add(&rig, 0, 0, 100, 99, 2, 1, 0);
        add(&rig, 200, 0, 300, 100, 1, 2, 0);
        add(&rig, 300, 0, 400, 100, 0.5, 3, 0);
        run_filtered(&rig, &(EffdetFilter){0.3f, 0.5f, 2, "person"});
        g_assert_cmpuint(rig.result.n_objects, ==, 2);
        check_object(&rig, 0, 0, agnostic ? 200 : 0, 0, 100, agnostic ? 100 : 99);
        check_object(&rig, 1, 0, agnostic ? 300 : 200, 0, 100, 100);
        rig_finish(&rig);
    }
}

static void check_classes(const struct model *model, const char *list, const char *wanted)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) got = g_string_new(NULL);
    struct post_filter filter;
    g_assert_true(post_filter_init(&filter, model, &(EffdetFilter){0, 0, 0, list}, &error));
    for (int c = 0; c < model->num_classes; c++) {
        g_string_append_c(got, filter.wanted[c] ? '1' : '0');
    }
    g_assert_cmpstr(got->str, ==, wanted);
    post_filter_finish(&filter);
}

static void check_refused(const struct model *model, const EffdetFilter *filter,
                          const char *message)
{
    g_autoptr(GError) error = NULL;
    struct post_filter parsed;
    g_assert_false(post_filter_init(&parsed, model, filter, &error));
    g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE);
    if (!g_pattern_match_simple(message, error->message)) {
        g_test_message("wanted %s, got %s", message, error->message);
        g_test_fail();
    }
}

static void test_filter(void)
{
    static const char *const labels[] = {"person", "car", "", "-odd", "Car", "7"};
    struct model model;
    model_init(&model, arch_find("lite0"), 6);
    model_set_labels(&model, labels, 6);
    check_classes(&model, NULL, "111111");
    check_classes(&model, "", "111111");
    check_classes(&model, " , ", "111111");
    check_classes(&model, "person", "100000");
    check_classes(&model, " person , 2", "101000");
    check_classes(&model, "car", "010000");
    check_classes(&model, "CAR", "010010"); // no exact match: all of that spelling
    check_classes(&model, "-car", "101111");
    check_classes(&model, "person,car,- car", "100000");
    check_classes(&model, "-odd", "000100"); // a name comes first
    check_classes(&model, "--odd", "111011");
    check_classes(&model, "7,-5", "000000");
    check_classes(&model, "-0,-1,-2,-3,-4,-5", "000000");
    check_refused(&model, &(EffdetFilter){.classes = "dog"},
                  "class 'dog' is unknown*person, car*0 to 5*");
    check_refused(&model, &(EffdetFilter){.classes = "person,-dog"}, "class 'dog'*");
    check_refused(&model, &(EffdetFilter){.classes = "6"}, "class '6'*");
    check_refused(&model, &(EffdetFilter){.classes = "-"}, "class ''*");
    check_refused(&model, &(EffdetFilter){.score_threshold = 1.5f}, "*score*1.5*");
    check_refused(&model, &(EffdetFilter){.score_threshold = NAN}, "*score*nan*");
    check_refused(&model, &(EffdetFilter){.iou_threshold = -0.5f}, "*IoU*-0.5*");
    model_finish(&model);
}

// COCO's table (spec 8.8): ten channels have no name.
static void test_coco(void)
{
    static const int empty[] = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83};
    struct model model;
    int unnamed = 0;
    model_init(&model, arch_find("d0"), 90);
    for (int c = 0; c < 90; c++) {
        unnamed += !*model.labels[c];
    }
    g_assert_cmpint(unnamed, ==, G_N_ELEMENTS(empty));
    for (gsize i = 0; i < G_N_ELEMENTS(empty); i++) {
        g_assert_cmpstr(model.labels[empty[i] - 1], ==, "");
    }
    g_assert_cmpstr(model.labels[0], ==, "person");
    g_assert_cmpstr(model.labels[9], ==, "traffic light");
    g_assert_cmpstr(model.labels[43], ==, "bottle");
    g_assert_cmpstr(model.labels[89], ==, "toothbrush");
    check_refused(&model, &(EffdetFilter){.classes = "horse,unicorn"},
                  "class 'unicorn' is unknown; this model has: person, bicycle*toothbrush, or a*");
    model_finish(&model);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/post/iou", test_iou);
    g_test_add_func("/post/nms", test_nms);
    g_test_add_func("/post/clipping", test_clipping);
    g_test_add_func("/post/clip-before", test_clip_before);
    g_test_add_func("/post/scaling", test_scaling);
    g_test_add_func("/post/thresholds", test_thresholds);
    g_test_add_func("/post/bad-boxes", test_bad_boxes);
    g_test_add_func("/post/wanted-classes", test_wanted_classes);
    g_test_add_func("/post/filter", test_filter);
    g_test_add_func("/post/coco", test_coco);
    return g_test_run();
}
