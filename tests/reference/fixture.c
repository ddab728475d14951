// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Loading and comparing with e2e.png and e2e.json.
#include "fixture.h"

#include <math.h>

// $EFFDET_FIXTURES is the folder or holds it as "fixtures".
static char *find_file(const char *name)
{
    const char *folder = g_getenv("EFFDET_FIXTURES");
    if (!folder) {
        return NULL;
    }
    g_autofree char *direct = g_build_filename(folder, name, NULL);
    g_autofree char *inside = g_build_filename(folder, "fixtures", name, NULL);
    if (g_file_test(direct, G_FILE_TEST_EXISTS)) {
        return g_steal_pointer(&direct);
    }
    return g_file_test(inside, G_FILE_TEST_EXISTS) ? g_steal_pointer(&inside) : NULL;
}

bool fixture_load(struct fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *json = find_file("e2e.json");
    g_autofree char *png = find_file("e2e.png");
    if (!json || !png) {
        g_test_skip("EFFDET_FIXTURES does not lead to e2e.json and e2e.png");
        return false;
    }
    *fixture = (struct fixture){.parser = json_parser_new()};
    json_parser_load_from_file(fixture->parser, json, &error);
    g_assert_no_error(error);
    fixture->root = json_node_get_object(json_parser_get_root(fixture->parser));
    fixture->picture = gdk_pixbuf_new_from_file(png, &error);
    g_assert_no_error(error);
    g_assert_cmpint(gdk_pixbuf_get_n_channels(fixture->picture), ==, 3);
    fixture->frame = (EffdetFrame){.format = EFFDET_FORMAT_RGB,
                                   .width = (guint)gdk_pixbuf_get_width(fixture->picture),
                                   .height = (guint)gdk_pixbuf_get_height(fixture->picture),
                                   .planes = {{gdk_pixbuf_read_pixels(fixture->picture),
                                               (gsize)gdk_pixbuf_get_rowstride(fixture->picture)}}};
    return true;
}

void fixture_finish(struct fixture *fixture)
{
    g_clear_object(&fixture->parser);
    g_clear_object(&fixture->picture);
}

JsonObject *fixture_rules(const struct fixture *fixture, enum convention convention)
{
    static const char *const names[] = {
        [CONVENTION_TF] = "tf", [CONVENTION_RWIGHTMAN] = "rw", [CONVENTION_ZYLO117] = "zy"};
    return json_object_get_object_member(
        json_object_get_object_member(fixture->root, "conventions"), names[convention]);
}

void fixture_check_input(const struct fixture *fixture, enum convention convention,
                         const struct ref_tensor *input, double tolerance)
{
    JsonObject *rules = fixture_rules(fixture, convention);
    JsonArray *probes =
        json_object_get_array_member(json_object_get_object_member(rules, "input"), "probes");
    g_assert_cmpuint(json_array_get_length(probes), >, 40);
    for (guint i = 0; i < json_array_get_length(probes); i++) {
        JsonArray *probe = json_array_get_array_element(probes, i);
        int y = (int)json_array_get_int_element(probe, 0);
        int x = (int)json_array_get_int_element(probe, 1);
        for (int c = 0; c < 3; c++) {
            double wanted = json_array_get_double_element(probe, 2 + (guint)c);
            double got = *ref_at(input, c, y, x);
            if (!(fabs(got - wanted) <= tolerance)) {
                g_test_message("convention %d, probe %u, row %d, column %d, channel %d: got %.7f, "
                               "wanted %.7f",
                               convention, i, y, x, c, got, wanted);
                g_test_fail();
                return;
            }
        }
    }
}

// One axis: `count` lines of `size` samples to `out` samples. step: bytes between samples; line:
// between lines.
static void pil_pass(const guint8 *from, gsize from_step, gsize from_line, int size, guint8 *to,
                     gsize to_step, gsize to_line, int out, int count)
{
    double scale = (double)size / out, support = MAX(scale, 1.0);
    g_autofree double *weights = g_new(double, size);
    for (int d = 0; d < out; d++) {
        double centre = (d + 0.5) * scale, sum = 0;
        int first = MAX(0, (int)(centre - support + 0.5));
        int end = MIN(size, (int)(centre + support + 0.5));
        for (int x = first; x < end; x++) {
            weights[x] = MAX(0, 1 - fabs((x - centre + 0.5) / support));
            sum += weights[x];
        }
        for (int l = 0; l < count; l++) {
            gint64 total = 1 << 21;
            for (int x = first; x < end; x++) {
                total += (gint64)(weights[x] / sum * (1 << 22) + 0.5) *
                         from[(gsize)l * from_line + (gsize)x * from_step];
            }
            total >>= 22;
            to[(gsize)l * to_line + (gsize)d * to_step] = (guint8)CLAMP(total, 0, 255);
        }
    }
}

guint8 *pil_resize(const guint8 *rgb, gsize stride, int width, int height, int out_width,
                   int out_height)
{
    gsize line = (gsize)out_width * 3;
    g_autofree guint8 *middle = g_malloc(line * (gsize)height);
    guint8 *out = g_malloc(line * (gsize)out_height);
    for (int c = 0; c < 3; c++) {
        pil_pass(rgb + c, 3, stride, width, middle + c, 3, line, out_width, height);
        pil_pass(middle + c, line, 3, height, out + c, line, 3, out_height, out_width);
    }
    return out;
}

struct ref_tensor pil_preprocess(const EffdetFrame *frame, const struct model *model)
{
    double fit_x = (double)model->input_width / frame->width;
    double fit_y = (double)model->input_height / frame->height;
    double scale = MIN(fit_x, fit_y);
    int width = (int)(frame->width * scale), height = (int)(frame->height * scale);
    g_autofree guint8 *rgb = pil_resize(frame->planes[0].data, frame->planes[0].stride_bytes,
                                        (int)frame->width, (int)frame->height, width, height);
    struct ref_tensor input = ref_new(3, model->input_height, model->input_width);
    for (int c = 0; c < 3; c++) {
        for (int y = 0; y < input.h; y++) {
            for (int x = 0; x < input.w; x++) {
                bool inside = x < width && y < height;
                double value = inside ? rgb[(y * width + x) * 3 + c] : rint(model->pre.mean[c]);
                *ref_at(&input, c, y, x) = (value - model->pre.mean[c]) / model->pre.std[c];
            }
        }
    }
    return input;
}
