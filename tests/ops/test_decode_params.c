// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What decode is told of a frame, and the naive decode, against the specification's numbers. What
// the device makes of it is in test_decode.c.
#include "decode.h"
#include "ops/op_decode.h"

#include <math.h>
#include <string.h>

// Below every result whose nearest half, or one of its neighbours, passes.
static void check_maximum_key(const struct decode_params *params)
{
    const uint32_t bits = params->threshold_key_maximum >= 0x80000000u
                              ? params->threshold_key_maximum & 0x7fffffffu
                              : ~params->threshold_key_maximum;
    float lowest;
    memcpy(&lowest, &bits, sizeof lowest);
    g_assert_cmpuint(params->threshold_key_maximum, <=, params->threshold_key);
    if (isinf(params->threshold)) {
        g_assert_true((double)lowest == -INFINITY);
        return;
    }
    const double step = MAX(fabs((double)params->threshold) * 0x1p-10, 0x1p-14);
    g_assert_cmpfloat((double)lowest, <, (double)params->threshold - step);
    g_assert_cmpfloat((double)lowest, >, (double)params->threshold - 4 * step);
}

// The device lets a hair more than the threshold pass, never less.
static void test_threshold(void)
{
    static const double scores[] = {0, 1e-6, 0.001, 0.05, 0.4, 0.5, 0.9, 0.999, 1};
    struct model model;
    struct decode_params params;
    model_init(&model, arch_find("d0"), 90);
    for (gsize i = 0; i < G_N_ELEMENTS(scores); i++) {
        decode_fill(&params, &model, scores[i]);
        double passing = 1 / (1 + exp(-(double)params.threshold));
        g_assert_cmpfloat(passing, <=, scores[i]);
        g_assert_cmpfloat(passing, >=, scores[i] * (1 - 1e-6));
        check_maximum_key(&params);
        uint32_t half_key = params.threshold_key_half >> 16;
        float half =
            float_from_half((uint16_t)(half_key >= 0x8000 ? half_key & 0x7fff : 0xffff - half_key));
        g_assert_cmpfloat((double)half, >=, (double)params.threshold);
        g_assert_true(scores[i] == 0 || (double)half <= (double)params.threshold +
                                                            fabs((double)params.threshold) * 0.001 +
                                                            1e-7);
    }
    model_finish(&model);
}

// Anchors and decoding by the numbers of the specification, 6.3 and 6.4.
static void test_anchors(void)
{
    struct model model;
    model_init(&model, arch_find("d0"), 90);
    struct anchor anchor = anchor_at(&model, 0, 0, 0, 4);
    g_assert_cmpfloat_with_epsilon(anchor.cy - anchor.h / 2, -10.1111, 1e-4);
    g_assert_cmpfloat_with_epsilon(anchor.cx + anchor.w / 2, 32.2222, 1e-4);
    anchor = anchor_at(&model, 4, 3, 3, 8);
    g_assert_cmpfloat_with_epsilon(anchor.cy - anchor.h / 2, -120.9245, 1e-4);
    g_assert_cmpfloat_with_epsilon(anchor.cx - anchor.w / 2, 163.5377, 1e-4);
    g_assert_cmpfloat_with_epsilon(anchor.cy + anchor.h / 2, 1016.9246, 1e-4);
    g_assert_cmpfloat_with_epsilon(anchor.cx + anchor.w / 2, 732.4623, 1e-4);
    struct ref_tensor classes[5], boxes[5];
    for (int l = 0; l < 5; l++) {
        classes[l] = ref_new(810, 64 >> l, 64 >> l);
        boxes[l] = ref_new(36, 64 >> l, 64 >> l);
    }
    *ref_at(&classes[0], 1 * 90 + 7, 17, 23) = 9;
    static const double codes[] = {0.1, -0.2, 0.3, -0.4};
    for (int i = 0; i < 4; i++) {
        *ref_at(&boxes[0], 4 + i, 17, 23) = codes[i];
    }
    guint found;
    g_autoptr(GArray) list = ref_decode(&model, classes, boxes, 5, 10, &found);
    g_assert_cmpuint(found, ==, 1);
    const struct ref_candidate *only = &g_array_index(list, struct ref_candidate, 0);
    g_assert_cmpuint(only->anchor, ==, 10000);
    g_assert_cmpuint(only->class_id, ==, 7);
    g_assert_cmpfloat_with_epsilon(only->y1, 127.1216, 1e-4);
    g_assert_cmpfloat_with_epsilon(only->x1, 164.0248, 1e-4);
    g_assert_cmpfloat_with_epsilon(only->y2, 157.3584, 1e-4);
    g_assert_cmpfloat_with_epsilon(only->x2, 194.0552, 1e-4);
    for (int l = 0; l < 5; l++) {
        ref_free(&classes[l]);
        ref_free(&boxes[l]);
    }
    model_finish(&model);
    model_init(&model, arch_find("lite0"), 90);
    anchor = anchor_at(&model, 4, 2, 2, 8); // 320 / 3: the stride is no power of two
    g_assert_cmpfloat_with_epsilon(anchor.cy - anchor.h / 2, -88.9112, 1e-3);
    g_assert_cmpfloat_with_epsilon(anchor.cx + anchor.w / 2, 444.4556, 1e-3);
    model_finish(&model);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/decode-params/anchors", test_anchors);
    g_test_add_func("/decode-params/threshold", test_threshold);
    return g_test_run();
}
