// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Devices that bind little memory at once: tensors over the range are computed in parts, and
// nothing else changes - neither logits nor detections. The largest networks stay within the range
// that every device has.
#include "effdet/effdet.h"
#include "frame.h"
#include "reference/decode.h"
#include "result.h"

#include <math.h>
#include <string.h>

#define FLOOR_RANGE (128u << 20) // what Vulkan guarantees
#define FLOOR_TEXELS 65536

// Channels small enough that weights, which are bound whole, fit the small ranges of this test.
static const struct backbone narrow_backbone = {.name = "narrow",
                                                .stem = 8,
                                                .taps = {2, 4, 6},
                                                .stages = {{1, 3, 1, 1, 8, 8},
                                                           {2, 3, 2, 6, 8, 12},
                                                           {2, 5, 2, 6, 12, 16},
                                                           {1, 3, 2, 6, 16, 20},
                                                           {2, 5, 1, 4, 20, 28},
                                                           {1, 5, 2, 4, 28, 36},
                                                           {1, 3, 1, 4, 36, 40}}};

struct range_case {
    const char *arch;
    bool narrow; // narrow_backbone and 20 channels in FPN and heads
    int height, width, classes;
    enum convention convention;
    guint range_kib; // fp32; half of it in fp16
    float score;     // threshold
    bool gpu_plan;   // the plan for GPUs on a CPU device
    bool expand;     // its expanded tensors over the range are not stored
    bool slow;       // in slow mode alone: what others show, once more at full width
};

static const struct range_case cases[] = {
    {"tf_efficientdet_lite0", false, 256, 320, 90, CONVENTION_NONE, 1700, 0.55f},
    {"tf_efficientdet_d0", false, 256, 320, 90, CONVENTION_TF, 1700, 0.55f, .slow = true},
    {"tf_efficientdet_d0", true, 194, 262, 7, CONVENTION_NONE, 816, 0.49f},
    {"tf_efficientdet_d0", true, 194, 262, 7, CONVENTION_ZYLO117, 880, 0.4f},
    {"tf_efficientdet_lite0", true, 192, 128, 90, CONVENTION_NONE, 640, 0.5f},
    {"tf_efficientdet_d0", true, 194, 262, 7, CONVENTION_NONE, 816, 0.49f, true},
    {"tf_efficientdet_d0", true, 194, 262, 7, CONVENTION_NONE, 816, 0.49f, true, true},
    {"tf_efficientdet_d0", false, 256, 320, 90, CONVENTION_TF, 1700, 0.55f, true},
};

// ---- an engine in parts: the public one takes no architecture of our own

struct rig {
    struct checkpoint *checkpoint;
    struct device *device;
    struct network network;
    struct frame_context context;
    struct slot slot;
    struct post *post;
    struct result_pool *results;
};

static void rig_finish(struct rig *rig)
{
    if (rig->post) {
        slot_finish(&rig->slot, &rig->context);
        post_free(&rig->post);
        result_pool_free(&rig->results);
    }
    frame_context_finish(&rig->context);
    network_finish(&rig->network);
    device_free(&rig->device);
    checkpoint_close(&rig->checkpoint);
}

static bool rig_init(struct rig *rig, const struct range_case *test, bool half, uint64_t range,
                     uint64_t texels, GError **error)
{
    memset(rig, 0, sizeof *rig);
    struct arch arch = *arch_find(test->arch);
    struct backbone backbone = narrow_backbone;
    if (test->narrow) {
        backbone.lite = arch.backbone->lite;
        backbone.squeeze = arch.backbone->squeeze;
        backbone.act = arch.backbone->act;
        arch.backbone = &backbone;
        arch.fpn_channels = 20;
    }
    rig->checkpoint = checkpoint_synthetic(&arch, test->classes, 1.0, 1.0);
    struct model *model = checkpoint_model_mutable(rig->checkpoint);
    model_set_convention(model, test->convention);
    model->input_height = test->height;
    model->input_width = test->width;
    rig->device = device_new(g_getenv("EFFDET_TEST_DEVICE"), error);
    g_assert_nonnull(rig->device);
    rig->device->limits.storage_range = MIN(rig->device->limits.storage_range, range);
    rig->device->limits.texel_elements = MIN(rig->device->limits.texel_elements, texels);
    struct network_options options = {
        .half = half,
        .fuse = true,
        .cpu_plan = rig->device->is_cpu && !test->gpu_plan,
        .expand_elements = test->expand ? 0 : UINT64_MAX,
    };
    bool ok = network_init(&rig->network, rig->device, rig->checkpoint, &options, error) &&
              frame_context_init(&rig->context, &rig->network, model, error) &&
              slot_init(&rig->slot, &rig->context, PICTURE_BYTES, error);
    if (ok) {
        rig->post = post_new(model);
        rig->results = result_pool_new();
    }
    model->arch.backbone = arch_find(test->arch)->backbone; // ours goes out of scope
    return ok;
}

static EffdetResult *rig_detect(struct rig *rig, const struct range_case *test)
{
    g_autoptr(GError) error = NULL;
    guint8 pixels[3 * 64 * 48];
    for (gsize i = 0; i < sizeof pixels; i++) {
        pixels[i] = (guint8)(i * 2654435761u >> 24);
    }
    EffdetFrame frame = {
        .format = EFFDET_FORMAT_RGB, .width = 64, .height = 48, .planes = {{pixels, 3 * 64}}};
    EffdetFilter filter = {
        .score_threshold = test->score, .iou_threshold = 0.5f, .max_detections = 50};
    bool ok =
        post_filter_init(&rig->slot.filter, checkpoint_model(rig->checkpoint), &filter, &error) &&
        slot_fill(&rig->slot, &rig->context, &frame, &error);
    for (bool again = true; ok && again;) {
        bool done = false;
        ok = recorder_submit(slot_recorder(&rig->slot), &error) &&
             recorder_wait(slot_recorder(&rig->slot), UINT64_MAX, &done, &error) && done &&
             slot_arrive(&rig->slot, &rig->context, &again, &error);
    }
    g_assert_no_error(error);
    g_assert_true(ok);
    const struct decode_output *output = rig->slot.output.map;
    EffdetResult *result = result_pool_take(rig->results, post_capacity(rig->post, output));
    post_run(rig->post, output, &rig->slot.filter, &rig->slot.letterbox, result);
    return result;
}

// The logits and box codes of the last frame.
struct heads {
    int levels;
    struct ref_tensor classes[MAX_LEVELS], boxes[MAX_LEVELS];
};

static struct ref_tensor read_level(struct rig *rig, int id, int level)
{
    g_autoptr(GError) error = NULL;
    const struct value *value = graph_value(rig->network.graph, id);
    const struct extent *extent = &value->level[level];
    struct ref_tensor tensor = ref_new(value->channels, extent->height, extent->width);
    gsize n = (gsize)value->channels * (gsize)(extent->height * extent->width);
    g_autofree float *data = g_new(float, n);
    g_assert_true(network_read_value(&rig->network, id, level, data, &error));
    for (gsize i = 0; i < n; i++) {
        tensor.data[i] = (double)data[i];
    }
    return tensor;
}

static void heads_read(struct heads *heads, struct rig *rig)
{
    const struct graph *graph = rig->network.graph;
    heads->levels = graph_value(graph, graph->classes)->n_levels;
    for (int l = 0; l < heads->levels; l++) {
        heads->classes[l] = read_level(rig, graph->classes, l);
        heads->boxes[l] = read_level(rig, graph->boxes, l);
    }
}

static void heads_finish(struct heads *heads)
{
    for (int l = 0; l < heads->levels; l++) {
        ref_free(&heads->classes[l]);
        ref_free(&heads->boxes[l]);
    }
}

// ---- comparisons

static void compare_tensors(const char *what, const struct ref_tensor *parts,
                            const struct ref_tensor *whole, int levels, bool half)
{
    double worst = 0, largest = 0, noise = 0, signal = 0;
    for (int l = 0; l < levels; l++) {
        for (int i = 0; i < whole[l].c * whole[l].h * whole[l].w; i++) {
            double difference = fabs(parts[l].data[i] - whole[l].data[i]);
            worst = MAX(worst, difference);
            largest = MAX(largest, fabs(whole[l].data[i]));
            noise += difference * difference;
            signal += whole[l].data[i] * whole[l].data[i];
        }
    }
    g_test_message("  %s: max error / max %.2e, NMSE %.2e", what, worst / largest, noise / signal);
    g_assert_cmpfloat(largest, >, 0);
    if (half) {
        g_assert_cmpfloat(noise / signal, <=, 1e-5);
    } else {
        g_assert_cmpfloat(worst / largest, <=, 1e-5);
    }
}

static gint compare_candidates(gconstpointer a, gconstpointer b)
{
    const struct ref_candidate *left = a, *right = b;
    if (left->anchor != right->anchor) {
        return left->anchor < right->anchor ? -1 : 1;
    }
    return (left->class_id > right->class_id) - (left->class_id < right->class_id);
}

// The device's candidates are those of its own logits, in both precisions.
static void check_candidates(struct rig *rig, const struct heads *heads)
{
    const struct model *model = checkpoint_model(rig->checkpoint);
    const struct decode_output *output = rig->slot.output.map;
    const struct decode_params *params = (const void *)((guint8 *)rig->slot.params.map + 512);
    guint found;
    g_autoptr(GArray) wanted =
        ref_decode(model, heads->classes, heads->boxes, (double)params->threshold,
                   decode_capacity(model), &found);
    g_autoptr(GArray) got = g_array_new(FALSE, TRUE, sizeof(struct ref_candidate));
    for (uint32_t i = 0; i < output->kept; i++) {
        const struct decode_record *record = &output->records[i];
        struct ref_candidate candidate = {.x1 = (double)record->x1,
                                          .y2 = (double)record->y2,
                                          .anchor = record->anchor,
                                          .class_id = record->class_id};
        g_array_append_val(got, candidate);
    }
    g_array_sort(wanted, compare_candidates);
    g_array_sort(got, compare_candidates);
    g_assert_cmpuint(output->found, ==, found);
    g_assert_cmpuint(got->len, ==, wanted->len);
    for (guint i = 0; i < got->len; i++) {
        const struct ref_candidate *a = &g_array_index(got, struct ref_candidate, i);
        const struct ref_candidate *b = &g_array_index(wanted, struct ref_candidate, i);
        if (compare_candidates(a, b) || fabs(a->x1 - b->x1) > 0.01 || fabs(a->y2 - b->y2) > 0.01) {
            g_test_message("candidate %u: anchor %u class %u x1 %g y2 %g, wanted anchor %u class "
                           "%u x1 %g y2 %g",
                           i, a->anchor, a->class_id, a->x1, a->y2, b->anchor, b->class_id, b->x1,
                           b->y2);
            g_test_fail();
            return;
        }
    }
}

static bool same_object(const EffdetObject *a, const EffdetObject *b)
{
    return a->label_id == b->label_id && fabs(a->confidence - b->confidence) <= 1e-5 &&
           fabs(a->x - b->x) <= 0.01 && fabs(a->y - b->y) <= 0.01 && fabs(a->w - b->w) <= 0.01 &&
           fabs(a->h - b->h) <= 0.01;
}

// Of equal scores either may come first.
static void compare_objects(const EffdetResult *parts, const EffdetResult *whole)
{
    g_test_message("  %u and %u objects of %u and %u candidates", whole->n_objects,
                   parts->n_objects, whole->n_candidates, parts->n_candidates);
    g_assert_cmpuint(whole->n_objects, >, 10);
    g_assert_cmpuint(parts->n_objects, ==, whole->n_objects);
    for (guint i = 0; i < whole->n_objects; i++) {
        bool found = false;
        for (guint j = 0; j < parts->n_objects; j++) {
            found = found || same_object(&parts->objects[j], &whole->objects[i]);
        }
        if (!found) {
            const EffdetObject *object = &whole->objects[i];
            g_test_message("object %u is lacking: class %d score %g at %g %g %g %g", i,
                           object->label_id, (double)object->confidence, (double)object->x,
                           (double)object->y, (double)object->w, (double)object->h);
            g_test_fail();
        }
    }
}

struct outcome {
    struct heads heads;
    EffdetResult *result;
    guint dispatches, expansions;
};

static guint count_expansions(const struct network *network)
{
    guint count = 0;
    for (guint i = 0; i < network->dispatches->len; i++) {
        const char *op = g_array_index(network->dispatches, struct dispatch, i).op;
        count += g_str_equal(op, "expand_depthwise");
    }
    return count;
}

static void run(const struct range_case *test, bool half, uint64_t range, uint64_t texels,
                struct outcome *outcome)
{
    g_autoptr(GError) error = NULL;
    struct rig rig;
    bool ok = rig_init(&rig, test, half, range, texels, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    outcome->result = rig_detect(&rig, test);
    heads_read(&outcome->heads, &rig);
    check_candidates(&rig, &outcome->heads);
    outcome->dispatches = (guint)recorder_dispatches(rig.slot.passes[PASS_QUICK].recorder);
    outcome->expansions = count_expansions(&rig.network);
    rig_finish(&rig);
}

// ---- tests

static void test_parts(gconstpointer data)
{
    const struct range_case *test = data;
    for (int half = 0; half < 2; half++) {
        struct outcome whole, parts;
        uint64_t range = (uint64_t)test->range_kib * 1024 / (half ? 2 : 1);
        run(test, half, FLOOR_RANGE, UINT32_MAX, &whole);
        run(test, half, range, FLOOR_TEXELS, &parts);
        g_test_message("%s %dx%d %s, %" G_GUINT64_FORMAT " bytes at once: %u instead of %u "
                       "dispatches, %u expansions fused",
                       test->arch, test->width, test->height, half ? "fp16" : "fp32", range,
                       parts.dispatches, whole.dispatches, parts.expansions);
        int levels = whole.heads.levels;
        compare_tensors("classes", parts.heads.classes, whole.heads.classes, levels, half);
        compare_tensors("boxes", parts.heads.boxes, whole.heads.boxes, levels, half);
        if (!half) {
            compare_objects(parts.result, whole.result);
        }
        g_assert_cmpuint(whole.expansions, ==, 0);
        if (test->expand) {
            g_assert_cmpuint(parts.expansions, >, 0);
        } else {
            g_assert_cmpuint(parts.expansions, ==, 0);
            g_assert_cmpuint(parts.dispatches, >, whole.dispatches + 3);
        }
        heads_finish(&whole.heads);
        heads_finish(&parts.heads);
        effdet_result_free(&whole.result);
        effdet_result_free(&parts.result);
    }
}

// Four channels of a tensor are the least that can be bound.
static void test_too_small(void)
{
    const struct range_case test = {"tf_efficientdet_lite0", true, 128, 128, 3,
                                    CONVENTION_NONE,         0,    0.5f};
    for (uint64_t range = 32768; range >= 128; range /= 16) {
        g_autoptr(GError) error = NULL;
        struct rig rig;
        g_assert_false(rig_init(&rig, &test, false, range, UINT32_MAX, &error));
        g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED);
        g_test_message("%s", error->message);
        g_autofree char *number = g_strdup_printf("%" G_GUINT64_FORMAT, range);
        g_assert_nonnull(strstr(error->message, number));
        g_assert_nonnull(strstr(error->message, "smaller input size"));
        g_assert_null(strchr(error->message, '\n'));
        rig_finish(&rig);
    }
}

// The largest networks within what every device binds.
static void test_largest(void)
{
    static const struct {
        const char *arch;
        int size;
        bool half, gpu_plan;
    } largest[] = {{"tf_efficientdet_d7x", 1536, true, false},
                   {"tf_efficientdet_d7x", 1536, false, true},
                   {"tf_efficientdet_d4", 1024, false, false}};
    for (gsize i = 0; i < G_N_ELEMENTS(largest); i++) {
        g_autoptr(GError) error = NULL;
        struct range_case test = {largest[i].arch,
                                  false,
                                  largest[i].size,
                                  largest[i].size,
                                  90,
                                  CONVENTION_NONE,
                                  0,
                                  0.5f,
                                  largest[i].gpu_plan,
                                  largest[i].gpu_plan};
        struct rig rig;
        bool ok = rig_init(&rig, &test, largest[i].half, FLOOR_RANGE, FLOOR_TEXELS, &error);
        g_assert_no_error(error);
        g_assert_true(ok);
        uint64_t most = 0;
        for (guint d = 0; d < rig.network.dispatches->len; d++) {
            const struct dispatch *dispatch =
                &g_array_index(rig.network.dispatches, struct dispatch, d);
            for (int b = 0; b < dispatch->kernel->n_bindings; b++) {
                g_assert_cmpuint(dispatch->bindings[b].bytes, <=, FLOOR_RANGE);
                most = MAX(most, dispatch->bindings[b].bytes);
            }
        }
        g_test_message("%s %d: %u dispatches, arena %" G_GUINT64_FORMAT
                       " bytes, largest binding %" G_GUINT64_FORMAT,
                       largest[i].arch, largest[i].size, rig.network.dispatches->len,
                       rig.network.arena.bytes, most);
        rig_finish(&rig);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        if (cases[i].slow && !g_test_slow()) {
            continue;
        }
#ifdef __SANITIZE_ADDRESS__
        if (!cases[i].narrow) {
            continue; // the same code in minutes
        }
#endif
        g_autofree char *path =
            g_strdup_printf("/range/parts/%s%s-%dx%d-%d-%zu", cases[i].narrow ? "narrow-" : "",
                            cases[i].arch, cases[i].width, cases[i].height, cases[i].classes, i);
        g_test_add_data_func(path, &cases[i], test_parts);
    }
    g_test_add_func("/range/too-small", test_too_small);
    g_test_add_func("/range/largest", test_largest);
    return g_test_run();
}
