// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Preprocessing on the device against the naive one: every pixel format, odd sizes, padded strides,
// matrices, ranges, filters, roundings.
#include "fixture.h"
#include "ops/op_preprocess.h"
#include "preprocess.h"

#include <math.h>
#include <string.h>

struct picture {
    EffdetFrame frame;
    guint8 *bytes[3];
};

static void picture_init(struct picture *picture, EffdetFormat format, guint width, guint height,
                         guint padding, guint32 seed)
{
    const struct format_info *info = format_info(format);
    *picture = (struct picture){.frame = {.format = format, .width = width, .height = height}};
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    for (int p = 0; p < info->n_planes; p++) {
        gsize stride = format_row_bytes(format, p, width) + padding;
        gsize bytes = stride * format_rows(format, p, height);
        picture->bytes[p] = g_malloc(bytes);
        for (gsize i = 0; i < bytes; i++) {
            picture->bytes[p][i] = (guint8)g_rand_int_range(rand, 0, 256);
            if (format == EFFDET_FORMAT_P010 && i % 2 == 0) {
                picture->bytes[p][i] &= 0xc0; // ten bits
            }
        }
        picture->frame.planes[p] = (EffdetPlane){picture->bytes[p], stride};
    }
}

static void picture_finish(struct picture *picture)
{
    for (int p = 0; p < 3; p++) {
        g_free(picture->bytes[p]);
    }
}

struct rig {
    struct device *device;
    struct kernels *kernels;
    struct graph *graph;
    struct model model;
    struct buffer arena, staging, params, scratch;
    struct op_env env;
};

static void rig_init(struct rig *rig, bool half, int height, int width, enum convention convention)
{
    g_autoptr(GError) error = NULL;
    *rig = (struct rig){.device = device_new(g_getenv("EFFDET_TEST_DEVICE"), &error)};
    g_assert_no_error(error);
    rig->kernels = kernels_new(rig->device, &error);
    g_assert_no_error(error);
    model_init(&rig->model, arch_find("lite0"), 1);
    model_set_convention(&rig->model, convention);
    rig->model.input_height = height;
    rig->model.input_width = width;
    rig->graph = graph_new(&rig->model);
    graph_plan(rig->graph, half ? 2 : 4);
    const struct value *value = graph_value(rig->graph, rig->graph->input);
    bool ok = buffer_init(&rig->arena, rig->device, value->offset + value->bytes, MEMORY_DEVICE,
                          &error) &&
              buffer_init(&rig->staging, rig->device, 1 << 21, MEMORY_UPLOAD, &error) &&
              buffer_init(&rig->params, rig->device, sizeof(struct preprocess_params),
                          MEMORY_UPLOAD, &error) &&
              buffer_init(&rig->scratch, rig->device, 256, MEMORY_READBACK, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    rig->env = (struct op_env){.device = rig->device,
                               .kernels = rig->kernels,
                               .graph = rig->graph,
                               .half = half,
                               .arena = &rig->arena};
}

static void rig_finish(struct rig *rig)
{
    buffer_finish(&rig->arena, rig->device);
    buffer_finish(&rig->staging, rig->device);
    buffer_finish(&rig->params, rig->device);
    buffer_finish(&rig->scratch, rig->device);
    kernels_free(&rig->kernels);
    graph_free(&rig->graph);
    model_finish(&rig->model);
    device_free(&rig->device);
}

static void upload(struct rig *rig, const EffdetFrame *frame, struct letterbox *box)
{
    uint64_t offsets[3], strides[3], bytes;
    preprocess_layout(frame, offsets, strides, &bytes);
    g_assert_cmpuint(bytes, <=, rig->staging.bytes);
    for (int p = 0; p < format_info(frame->format)->n_planes; p++) {
        for (guint y = 0; y < format_rows(frame->format, p, frame->height); y++) {
            memcpy((guint8 *)rig->staging.map + offsets[p] + y * strides[p],
                   frame->planes[p].data + y * frame->planes[p].stride_bytes,
                   format_row_bytes(frame->format, p, frame->width));
        }
    }
    letterbox_init(box, &rig->model, (int)frame->width, (int)frame->height,
                   (double)frame->pixel_aspect);
    preprocess_fill(rig->params.map, frame, &rig->model, box);
}

static float *run(struct rig *rig, const EffdetFrame *frame, struct letterbox *box)
{
    g_autoptr(GError) error = NULL;
    const struct value *value = graph_value(rig->graph, rig->graph->input);
    struct dispatch dispatch;
    bool done = false;
    g_assert_true(frame_validate(frame, &error));
    upload(rig, frame, box);
    memset(rig->scratch.map, 0xff, rig->scratch.bytes);
    struct recorder *recorder = recorder_new(rig->device, 1, 0, &error);
    g_assert_nonnull(recorder);
    bool ok =
        op_preprocess_prepare(&rig->env, &rig->model.pre,
                              preprocess_shape_of(&rig->model.pre, frame->format, box),
                              &rig->staging, &rig->params, 0, &rig->scratch, &dispatch, &error) &&
        buffer_flush(&rig->staging, rig->device, 0, rig->staging.bytes, &error) &&
        buffer_flush(&rig->params, rig->device, 0, rig->params.bytes, &error) &&
        buffer_flush(&rig->scratch, rig->device, 0, rig->scratch.bytes, &error) &&
        recorder_begin(recorder, &error) && recorder_dispatch(recorder, &dispatch, &error) &&
        recorder_end(recorder, &error) && recorder_submit(recorder, &error) &&
        recorder_wait(recorder, UINT64_MAX, &done, &error);
    g_assert_no_error(error);
    g_assert_true(ok && done);
    recorder_free(&recorder);
    g_assert_true(buffer_invalidate(&rig->scratch, rig->device, 0, rig->scratch.bytes, &error));
    for (int i = 0; i <= DECODE_COUNTERS; i++) {
        uint32_t word = ((const uint32_t *)rig->scratch.map)[i];
        g_assert_cmpuint(word, ==, i < DECODE_COUNTERS ? 0 : UINT32_MAX);
    }
    g_autofree guint8 *raw = g_malloc(value->bytes);
    ok = buffer_read(&rig->arena, rig->device, value->offset, raw, value->bytes, &error);
    g_assert_true(ok);
    float *out = g_new(float, value->pixels * 4);
    for (int i = 0; i < value->pixels * 4; i++) {
        out[i] = rig->env.half ? float_from_half(((uint16_t *)(void *)raw)[i])
                               : ((float *)(void *)raw)[i];
    }
    return out;
}

// fp32: positions and weights are exact to a few units in the last place of 255 * gain; fp16 adds
// half a unit in the last place of the result. With rounding to 8 bit a value on the edge may fall
// to the neighbour: one step.
static void check(struct rig *rig, const EffdetFrame *frame, const char *what)
{
    struct letterbox box;
    g_autofree float *got = run(rig, frame, &box);
    struct ref_tensor wanted = ref_preprocess(frame, &rig->model);
    int pixels = wanted.h * wanted.w, steps = 0;
    for (int i = 0; i < pixels; i++) {
        for (int c = 0; c < 4; c++) {
            double reference = c < 3 ? wanted.data[c * pixels + i] : 0;
            double step = c < 3 ? 1 / rig->model.pre.std[c] : 0;
            double difference = fabs((double)got[i * 4 + c] - reference);
            double tolerance = 1e-4 + (rig->env.half ? fabs(reference) * 0x1p-11 : 0);
            bool one_step = rig->model.pre.resize_to_u8 && difference <= step + tolerance;
            steps += difference > tolerance && one_step;
            if (!(difference <= tolerance || one_step)) {
                g_test_message(
                    "%s: %s %ux%u -> %dx%d of %dx%d, pixel %d %d, channel %d: got %g, wanted %g",
                    what, format_info(frame->format)->name, frame->width, frame->height,
                    box.resized_width, box.resized_height, wanted.w, wanted.h, i % wanted.w,
                    i / wanted.w, c, (double)got[i * 4 + c], reference);
                g_assert_not_reached();
            }
        }
    }
    if (frame->width * frame->height >= 100) { // fewer samples give many equal results
        g_assert_cmpint(steps, <=, pixels * 3 / 50);
    }
    ref_free(&wanted);
}

// The last five are reduced by 3.75 and by 20, and made larger.
static const guint sizes[][2] = {{1, 1},     {2, 1},    {1, 2},    {3, 3},   {64, 64},
                                 {321, 243}, {63, 200}, {200, 63}, {17, 5},  {7, 601},
                                 {251, 180}, {1339, 9}, {10, 961}, {66, 47}, {33, 24}};
#define UNROUNDED 0x100 // the convention without its rounding to 8 bit

static void test_formats(gconstpointer data)
{
    enum convention convention = GPOINTER_TO_INT(data) & ~UNROUNDED;
    for (int form = 0; form < 4; form++) {
        bool half = form & 1;
        struct rig rig;
        g_setenv("EFFDET_VARIANT", form & 2 ? "preprocess:texel" : "preprocess:buffer", TRUE);
        rig_init(&rig, half, 48, 67, convention);
        rig.env.cpu_plan = form == 1 || form == 2; // each plan has its own tile
        rig.model.pre.resize_to_u8 &= !(GPOINTER_TO_INT(data) & UNROUNDED);
        if (half && !rig.device->features.storage16) {
            g_test_message("fp16 left out: the device has no 16-bit storage");
            rig_finish(&rig);
            continue;
        }
        for (int format = 0; format < EFFDET_N_FORMATS; format++) {
            for (gsize s = 0; s < G_N_ELEMENTS(sizes); s++) {
                struct picture picture;
                picture_init(&picture, (EffdetFormat)format, sizes[s][0], sizes[s][1],
                             s % 2 ? 13 : 0, (guint32)(s + 1));
                picture.frame.matrix = (EffdetMatrix)((guint)(format + (int)s) % 5);
                picture.frame.full_range = (format + (int)s) % 2;
                picture.frame.pixel_aspect = s == 5 ? 1.5f : 0;
                check(&rig, &picture.frame, "formats");
                picture_finish(&picture);
            }
        }
        rig_finish(&rig);
    }
}

// A real picture, resized by the original programs (spec 7.1 to 7.3).
static void test_picture(gconstpointer data)
{
    enum convention convention = GPOINTER_TO_INT(data);
    struct fixture fixture;
    if (!fixture_load(&fixture)) {
        return;
    }
    for (int half = 0; half < 2; half++) {
        struct rig rig;
        struct letterbox box;
        struct model d0;
        rig_init(&rig, half, 512, 512, convention);
        model_init(&d0, arch_find("d0"), 90);
        model_set_convention(&d0, convention);
        rig.model.pre = d0.pre;
        rig.env.cpu_plan = rig.device->is_cpu;
        if (!half || rig.device->features.storage16) {
            g_autofree float *got = run(&rig, &fixture.frame, &box);
            struct ref_tensor input = ref_new(3, 512, 512);
            for (int i = 0; i < 3 * 512 * 512; i++) {
                input.data[i] = (double)got[i % (512 * 512) * 4 + i / (512 * 512)];
            }
            // PIL rounds between the axes, which can make one step of 8 bit
            double step = rig.model.pre.resize_to_u8 ? 1.001 / rig.model.pre.std[1] : 1e-4;
            fixture_check_input(&fixture, convention, &input, step + (half ? 2e-3 : 0));
            ref_free(&input);
        }
        model_finish(&d0);
        rig_finish(&rig);
    }
    fixture_finish(&fixture);
}

// In PIL's own arithmetic the precision of a weight decides few bytes: 129 with fp32 weights and
// exact division, 174 and more with closed sums of weights and reciprocals.
static void test_bytes(void)
{
    struct rig rig;
    struct picture picture;
    struct letterbox box;
    rig_init(&rig, false, 512, 512, CONVENTION_RWIGHTMAN);
    for (int plan = 0; plan < 2; plan++) {
        rig.env.cpu_plan = plan;
        picture_init(&picture, EFFDET_FORMAT_RGB, 1000, 636, 0, 1);
        g_autofree float *got = run(&rig, &picture.frame, &box);
        struct ref_tensor wanted = ref_preprocess(&picture.frame, &rig.model);
        int pixels = wanted.h * wanted.w, steps = 0;
        for (int i = 0; i < pixels * 3; i++) {
            double reference = wanted.data[i % 3 * pixels + i / 3];
            steps += fabs((double)got[i / 3 * 4 + i % 3] - reference) > 1e-4;
        }
        g_test_message("%d of %d bytes differ", steps, pixels * 3);
        g_assert_cmpint(steps, <=, pixels * 3 / (rig.device->is_cpu ? 5000 : 1000));
        ref_free(&wanted);
        picture_finish(&picture);
    }
    rig_finish(&rig);
}

// One picture in one colour comes out in that colour, whatever the format: primaries through
// BT.709, both ranges.
static void test_colours(void)
{
    static const struct {
        guint8 y, u, v;
        gboolean full;
        double rgb[3];
    } colours[] = {
        {16, 128, 128, FALSE, {0, 0, 0}},   {235, 128, 128, FALSE, {255, 255, 255}},
        {63, 102, 240, FALSE, {255, 0, 0}}, {173, 42, 26, FALSE, {0, 255, 0}},
        {32, 240, 118, FALSE, {0, 0, 255}}, {54, 99, 255, TRUE, {254, 0, 0}},
        {182, 30, 12, TRUE, {0, 255, 1}},   {18, 255, 116, TRUE, {0, 0, 254}},
    };
    struct rig rig;
    rig_init(&rig, false, 8, 8, CONVENTION_NONE);
    for (gsize i = 0; i < G_N_ELEMENTS(colours); i++) {
        guint8 y[64], uv[32];
        memset(y, colours[i].y, sizeof y);
        for (int k = 0; k < 16; k++) {
            uv[2 * k] = colours[i].u;
            uv[2 * k + 1] = colours[i].v;
        }
        EffdetFrame frame = {.format = EFFDET_FORMAT_NV12,
                             .width = 8,
                             .height = 8,
                             .planes = {{y, 8}, {uv, 8}},
                             .matrix = EFFDET_MATRIX_BT709,
                             .full_range = colours[i].full};
        struct letterbox box;
        g_autofree float *got = run(&rig, &frame, &box);
        for (int c = 0; c < 3; c++) {
            double value = (double)got[4 * 27 + c] * rig.model.pre.std[c] + rig.model.pre.mean[c];
            g_assert_cmpfloat_with_epsilon(value, colours[i].rgb[c], 2.5); // 8-bit YUV
        }
    }
    rig_finish(&rig);
}

static void test_refusals(void)
{
    static guint8 bytes[64];
    static const struct {
        EffdetFrame frame;
        const char *message;
    } cases[] = {
        {{.format = EFFDET_N_FORMATS, .width = 1, .height = 1}, "*pixel format*"},
        {{.format = EFFDET_FORMAT_RGB, .width = 0, .height = 1, .planes = {{bytes, 3}}}, "*0x1*"},
        {{.format = EFFDET_FORMAT_RGB, .width = 1, .height = 16385, .planes = {{bytes, 3}}},
         "*1x16385*"},
        {{.format = EFFDET_FORMAT_NV12, .width = 2, .height = 2, .planes = {{bytes, 2}}},
         "*plane 1*no data*"},
        {{.format = EFFDET_FORMAT_RGB, .width = 4, .height = 2, .planes = {{bytes, 11}}},
         "*stride of 11*"},
        {{.format = EFFDET_FORMAT_RGB,
          .width = 1,
          .height = 1,
          .planes = {{bytes, 3}},
          .matrix = 9},
         "*matrix*"},
        {{.format = EFFDET_FORMAT_RGB,
          .width = 1,
          .height = 1,
          .planes = {{bytes, 3}},
          .pixel_aspect = NAN},
         "*aspect*"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(frame_validate(&cases[i].frame, &error));
        g_assert_error(error, EFFDET_ERROR, EFFDET_ERROR_BAD_VALUE);
        g_assert_true(g_pattern_match_simple(cases[i].message, error->message));
    }
}

// Roundings of the resized side (spec 7.5, the off-by-one trap).
static void test_letterbox(void)
{
    struct model model;
    struct letterbox box;
    model_init(&model, arch_find("d0"), 90);
    letterbox_init(&box, &model, 1000, 636, 0);
    g_assert_cmpint(box.resized_width, ==, 512);
    g_assert_cmpint(box.resized_height, ==, 326);
    model_set_convention(&model, CONVENTION_TF);
    letterbox_init(&box, &model, 1000, 636, 0);
    g_assert_cmpint(box.resized_height, ==, 325);
    letterbox_init(&box, &model, 10, 41, 0);
    g_assert_cmpint(box.resized_height, ==, 511);
    model_set_convention(&model, CONVENTION_RWIGHTMAN);
    letterbox_init(&box, &model, 10, 41, 0);
    g_assert_cmpint(box.resized_height, ==, 512);
    letterbox_init(&box, &model, 10, 49, 0);
    g_assert_cmpint(box.resized_height, ==, 511);
    model_set_convention(&model, CONVENTION_ZYLO117);
    letterbox_init(&box, &model, 10, 49, 0);
    g_assert_cmpint(box.resized_height, ==, 512);
    letterbox_init(&box, &model, 1000, 636, 0);
    g_assert_cmpint(box.resized_height, ==, 325);
    g_assert_cmpfloat_with_epsilon(box.scale_y, 325.0 / 636, 1e-12);
    model_finish(&model);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/preprocess/formats/none", GINT_TO_POINTER(CONVENTION_NONE),
                         test_formats);
    g_test_add_data_func("/preprocess/formats/rwightman", GINT_TO_POINTER(CONVENTION_RWIGHTMAN),
                         test_formats);
    g_test_add_data_func("/preprocess/formats/unrounded",
                         GINT_TO_POINTER(CONVENTION_RWIGHTMAN | UNROUNDED), test_formats);
    g_test_add_data_func("/preprocess/formats/zylo117", GINT_TO_POINTER(CONVENTION_ZYLO117),
                         test_formats);
    g_test_add_data_func("/preprocess/picture/tf", GINT_TO_POINTER(CONVENTION_TF), test_picture);
    g_test_add_data_func("/preprocess/picture/rwightman", GINT_TO_POINTER(CONVENTION_RWIGHTMAN),
                         test_picture);
    g_test_add_data_func("/preprocess/picture/zylo117", GINT_TO_POINTER(CONVENTION_ZYLO117),
                         test_picture);
    g_test_add_func("/preprocess/bytes", test_bytes);
    g_test_add_func("/preprocess/colours", test_colours);
    g_test_add_func("/preprocess/refusals", test_refusals);
    g_test_add_func("/preprocess/letterbox", test_letterbox);
    return g_test_run();
}
