// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The bench of the operation tests: values, poison, two runs, comparison.
#include "op_test.h"

#include <math.h>
#include <string.h>

static struct device *device;
static struct kernels *kernels;

bool op_test_device(void)
{
    g_autoptr(GError) error = NULL;
    if (!device) {
        device = device_new(NULL, &error);
        if (device) {
            kernels = kernels_new(device, &error);
        }
    }
    if (!kernels) {
        g_test_skip_printf("no Vulkan device: %s", error ? error->message : "failed before");
        return false;
    }
    return true;
}

void op_test_finish_device(void)
{
    kernels_free(&kernels);
    device_free(&device);
}

struct device *op_test_the_device(void)
{
    return device;
}

void op_test_begin(struct op_test *test, const char *stem, const struct op_form *form,
                   const char *name, ...)
{
    *test = (struct op_test){0};
    va_list args;
    va_start(args, name);
    g_autofree char *tuple = g_strdup_vprintf(name, args);
    va_end(args);
    test->name =
        g_strdup_printf("%s %s %s %s", stem, form->variant, form->half ? "fp16" : "fp32", tuple);
    g_autofree char *variant = g_strdup_printf("%s:%s", stem, form->variant);
    g_setenv("EFFDET_VARIANT", variant, TRUE);
    test->graph.values = g_array_new(FALSE, TRUE, sizeof(struct value));
    test->graph.nodes = g_array_new(FALSE, TRUE, sizeof(struct node));
    test->contents = g_ptr_array_new();
    test->env = (struct op_env){.device = device,
                                .kernels = kernels,
                                .graph = &test->graph,
                                .half = form->half,
                                .cpu_plan = device->is_cpu,
                                .arena = &test->arena,
                                .weights = &test->weights,
                                .packed = g_byte_array_new(),
                                .partials = g_hash_table_new(NULL, NULL),
                                .dispatches = g_array_new(FALSE, TRUE, sizeof(struct dispatch))};
}

static int add_value(struct op_test *test, const struct value *value)
{
    g_array_append_val(test->graph.values, *value);
    g_ptr_array_add(test->contents, NULL);
    int id = (int)test->graph.values->len - 1;
    g_snprintf(graph_value(&test->graph, id)->name, sizeof value->name, "value%d", id);
    return id;
}

int op_test_value(struct op_test *test, int channels, int height, int width)
{
    struct value value = {.channels = channels,
                          .n_levels = 1,
                          .level = {{height, width, 0}},
                          .pixels = height * width,
                          .parent = -1};
    return add_value(test, &value);
}

int op_test_vector(struct op_test *test, int channels, int pixels)
{
    int id = op_test_value(test, channels, 1, pixels);
    graph_value(&test->graph, id)->is_float = true;
    return id;
}

int op_test_pyramid(struct op_test *test, int channels, int levels, const int sizes[][2])
{
    struct value value = {.channels = channels, .n_levels = levels, .parent = -1};
    for (int l = 0; l < levels; l++) {
        value.level[l] = (struct extent){sizes[l][0], sizes[l][1], value.pixels};
        value.pixels += sizes[l][0] * sizes[l][1];
    }
    return add_value(test, &value);
}

int op_test_view(struct op_test *test, int pyramid, int level)
{
    const struct value *parent = graph_value(&test->graph, pyramid);
    struct value value = {.channels = parent->channels,
                          .n_levels = 1,
                          .level = {parent->level[level]},
                          .pixels = parent->level[level].height * parent->level[level].width,
                          .parent = pyramid,
                          .view_level = level};
    return add_value(test, &value);
}

struct node op_test_node(enum op op, int input, int output)
{
    return (struct node){.op = op,
                         .name = "test",
                         .n_inputs = 1,
                         .inputs = {input},
                         .scale = -1,
                         .residual = -1,
                         .output = output,
                         .partial = -1,
                         .divisor = 1};
}

float *op_test_floats(const char *name, size_t count, double amplitude, bool half)
{
    g_autofree double *raw = g_new(double, count);
    ref_random(name, raw, (int)count);
    float *floats = g_new(float, count);
    for (size_t i = 0; i < count; i++) {
        floats[i] = (float)(amplitude * raw[i]);
        floats[i] = half ? float_from_half(half_from_float(floats[i])) : floats[i];
    }
    return floats;
}

const struct ref_tensor *op_test_fill(struct op_test *test, int id, double amplitude)
{
    const struct value *value = graph_value(&test->graph, id);
    struct ref_tensor *tensor = g_new(struct ref_tensor, 1);
    bool map = value->n_levels == 1;
    *tensor = ref_new(value->channels, map ? value->level[0].height : 1,
                      map ? value->level[0].width : value->pixels);
    g_autofree char *name = g_strdup_printf("value%d of %s", id, test->name);
    g_autofree float *floats = op_test_floats(name, (size_t)value->channels * value->pixels,
                                              amplitude, test->env.half && !value->is_float);
    for (int i = 0; i < value->channels * value->pixels; i++) {
        tensor->data[i] = (double)floats[i];
    }
    g_ptr_array_index(test->contents, id) = tensor;
    return tensor;
}

void op_test_plan(struct op_test *test)
{
    uint64_t offset = 256; // nothing begins at 0
    for (guint i = 0; i < test->graph.values->len; i++) {
        struct value *value = graph_value(&test->graph, (int)i);
        if (value->parent >= 0) {
            const struct value *parent = graph_value(&test->graph, value->parent);
            value->pitch = parent->pitch;
            value->offset = parent->offset;
            value->bytes = parent->bytes;
            continue;
        }
        uint64_t element = test->env.half && !value->is_float ? 8 : 16;
        value->pitch =
            value->is_float ? value->pixels : (int)align_up((uint64_t)value->pixels, 256 / element);
        value->bytes = (uint64_t)channel_blocks(value->channels) * (uint64_t)value->pitch * element;
        value->offset = offset;
        offset = align_up(offset + value->bytes + 256, 256); // a gap that must stay poisoned
    }
    test->graph.arena_bytes = offset;
}

static uint64_t place(const struct op_test *test, const struct value *value, int channel, int pixel)
{
    uint64_t scalar = test->env.half && !value->is_float ? 2 : 4;
    uint64_t first = value->parent >= 0 ? (uint64_t)value->level[0].offset : 0;
    uint64_t element = (uint64_t)(channel / 4) * (uint64_t)value->pitch + first + (uint64_t)pixel;
    return value->offset + (element * 4 + (uint64_t)(channel % 4)) * scalar;
}

static void write_scalar(const struct op_test *test, const struct value *value, uint8_t *to,
                         double number)
{
    if (test->env.half && !value->is_float) {
        uint16_t half = half_from_float((float)number);
        memcpy(to, &half, sizeof half);
    } else {
        float single = (float)number;
        memcpy(to, &single, sizeof single);
    }
}

// The arena before a run: NaN, and the contents that were filled in. Lanes past the last channel of
// an input hold some finite number, as they may.
static uint8_t *fill_arena(const struct op_test *test)
{
    uint8_t *bytes = g_malloc(test->graph.arena_bytes);
    memset(bytes, 0xff, test->graph.arena_bytes);
    for (guint i = 0; i < test->contents->len; i++) {
        const struct ref_tensor *tensor = g_ptr_array_index(test->contents, i);
        const struct value *value = graph_value(&test->graph, (int)i);
        for (int c = 0; tensor && c < 4 * channel_blocks(value->channels); c++) {
            for (int p = 0; p < value->pixels; p++) {
                double number = c < value->channels ? tensor->data[c * value->pixels + p] : 7.5;
                write_scalar(test, value, bytes + place(test, value, c, p), number);
            }
        }
    }
    return bytes;
}

static bool run_once(struct op_test *test, const uint8_t *before, uint8_t *after, GError **error)
{
    struct recorder *recorder = NULL;
    GArray *dispatches = test->env.dispatches;
    bool done = false;
    bool ok = buffer_write(&test->arena, device, 0, before, test->graph.arena_bytes, error);
    recorder = ok ? recorder_new(device, (int)dispatches->len, 0, error) : NULL;
    ok = recorder && recorder_begin(recorder, error);
    for (guint i = 0; ok && i < dispatches->len; i++) {
        ok = recorder_dispatch(recorder, &g_array_index(dispatches, struct dispatch, i), error);
    }
    ok = ok && recorder_end(recorder, error) && recorder_submit(recorder, error) &&
         recorder_wait(recorder, G_MAXUINT64, &done, error) &&
         buffer_read(&test->arena, device, 0, after, test->graph.arena_bytes, error);
    recorder_free(&recorder);
    return ok;
}

// Turns the written results to poison, so that the rest can be compared with what was there.
static void forget_outputs(const struct op_test *test, uint8_t *bytes, const int *outputs, int n)
{
    for (int i = 0; i < n; i++) {
        const struct value *value = graph_value(&test->graph, outputs[i]);
        uint64_t scalar = test->env.half && !value->is_float ? 2 : 4;
        for (int c = 0; c < 4 * channel_blocks(value->channels); c++) {
            for (int p = 0; p < value->pixels; p++) {
                memset(bytes + place(test, value, c, p), 0xff, scalar);
            }
        }
    }
}

void op_test_run(struct op_test *test, const int *outputs, int n)
{
    g_autoptr(GError) error = NULL;
    g_autofree uint8_t *before = fill_arena(test);
    g_autofree uint8_t *second = g_malloc(test->graph.arena_bytes);
    test->result = g_malloc(test->graph.arena_bytes);
    for (guint i = 0; i < test->env.dispatches->len; i++) {
        const struct dispatch *dispatch = &g_array_index(test->env.dispatches, struct dispatch, i);
        bool texel = g_str_has_prefix(dispatch->variant, "texel");
        // what was asked for is what is tested, but where texel buffers are short
        g_assert_true(texel == (strstr(test->name, " texel") != NULL) ||
                      (!texel && device->limits.texel_elements <= 65536));
    }
    g_byte_array_set_size(test->env.packed, MAX(test->env.packed->len, 16));
    bool ok = buffer_init(&test->arena, device, test->graph.arena_bytes, MEMORY_DEVICE, &error) &&
              buffer_init(&test->weights, device, test->env.packed->len, MEMORY_DEVICE, &error) &&
              buffer_write(&test->weights, device, 0, test->env.packed->data, test->env.packed->len,
                           &error) &&
              run_once(test, before, test->result, &error) &&
              run_once(test, before, second, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    if (memcmp(test->result, second, test->graph.arena_bytes) != 0) {
        g_test_message("%s: two runs differ", test->name);
        g_test_fail();
    }
    forget_outputs(test, second, outputs, n);
    forget_outputs(test, before, outputs, n);
    for (uint64_t i = 0; i < test->graph.arena_bytes; i++) {
        if (before[i] != second[i]) {
            g_test_message("%s: byte %" G_GUINT64_FORMAT " outside the results was written",
                           test->name, i);
            g_test_fail();
            break;
        }
    }
}

struct ref_tensor op_test_read(const struct op_test *test, int id)
{
    return op_test_read_first(test, id, graph_value(&test->graph, id)->pixels);
}

struct ref_tensor op_test_read_first(const struct op_test *test, int id, int count)
{
    const struct value *value = graph_value(&test->graph, id);
    bool map = value->n_levels == 1;
    struct ref_tensor tensor = ref_new(value->channels, map ? value->level[0].height : 1,
                                       map ? value->level[0].width : value->pixels);
    for (int c = 0; c < 4 * channel_blocks(value->channels); c++) {
        for (int p = 0; p < count; p++) {
            const uint8_t *from = test->result + place(test, value, c, p);
            float number;
            memcpy(&number, from, sizeof number);
            if (test->env.half && !value->is_float) {
                uint16_t half;
                memcpy(&half, from, sizeof half);
                number = float_from_half(half);
            }
            if (c < value->channels) {
                tensor.data[c * value->pixels + p] = (double)number;
            } else if (!isfinite(number)) {
                g_test_message("%s: lane %d past the last channel of pixel %d is %g", test->name, c,
                               p, (double)number);
                g_test_fail();
                return tensor;
            }
        }
    }
    return tensor;
}

void op_test_compare(const struct op_test *test, const struct ref_tensor *got,
                     const struct ref_tensor *want, double relative)
{
    int count = want->c * want->h * want->w;
    double largest = 0, error_squares = 0, squares = 0;
    for (int i = 0; i < count; i++) {
        largest = MAX(largest, fabs(want->data[i]));
        squares += want->data[i] * want->data[i];
        error_squares += (got->data[i] - want->data[i]) * (got->data[i] - want->data[i]);
    }
    double allowed = (relative + (test->env.half ? 0x1p-10 : 0)) * largest + 1e-7;
    for (int i = 0; i < count; i++) {
        double error = fabs(got->data[i] - want->data[i]);
        if (!(error <= allowed)) { // also when it is NaN
            int plane = want->h * want->w;
            g_test_message("%s: [%d][%d][%d] is %.9g, wanted %.9g, allowed error %.3g", test->name,
                           i / plane, i % plane / want->w, i % want->w, got->data[i], want->data[i],
                           allowed);
            g_test_fail();
            return;
        }
    }
    double nmse = squares > 0 ? error_squares / squares : 0;
    if (!(nmse <= (test->env.half ? 1e-6 : 1e-10))) {
        g_test_message("%s: normalised mean square error %.3g", test->name, nmse);
        g_test_fail();
    }
}

void op_test_end(struct op_test *test)
{
    g_unsetenv("EFFDET_VARIANT");
    buffer_finish(&test->arena, device);
    buffer_finish(&test->weights, device);
    for (guint i = 0; i < test->contents->len; i++) {
        struct ref_tensor *tensor = g_ptr_array_index(test->contents, i);
        if (tensor) {
            ref_free(tensor);
            g_free(tensor);
        }
    }
    g_ptr_array_unref(test->contents);
    g_array_unref(test->graph.values);
    g_array_unref(test->graph.nodes);
    g_array_unref(test->env.dispatches);
    g_byte_array_unref(test->env.packed);
    g_hash_table_unref(test->env.partials);
    g_free(test->result);
    g_free(test->name);
}

static struct ref_tensor resample(const struct node *node, int i, const struct ref_tensor *x,
                                  int height, int width)
{
    struct ref_tensor copy;
    switch (node->resample[i]) {
    case RESAMPLE_NEAREST:
        return ref_nearest(x, height, width);
    case RESAMPLE_BILINEAR:
        return ref_bilinear(x, height, width);
    case RESAMPLE_MAXPOOL:
        return ref_maxpool(x, node->pad, node->pool_padding);
    default:
        copy = ref_new(x->c, x->h, x->w);
        ref_add(&copy, x);
        return copy;
    }
}

struct ref_tensor op_test_weighted_sum(const struct node *node, const float *factors,
                                       const struct ref_tensor *const *x, int height, int width)
{
    struct ref_tensor sum = ref_new(x[0]->c, height, width);
    for (int i = 0; i < node->n_inputs; i++) {
        struct ref_tensor part = resample(node, i, x[i], height, width);
        for (int j = 0; j < sum.c * height * width; j++) {
            sum.data[j] += (double)factors[i] * part.data[j];
        }
        ref_free(&part);
    }
    return sum;
}

void op_test_forms(const char *stem, op_form_func check, const void *data)
{
    if (!op_test_device()) {
        return;
    }
    g_auto(GStrv) names = variant_names(stem, &device->features);
    for (int half = 0; half <= device->features.storage16; half++) {
        for (char **name = names; *name; name++) {
            struct op_form form = {*name, half};
            check(&form, data);
        }
    }
}

struct ref_tensor op_test_level(const struct op_test *test, int pyramid,
                                const struct ref_tensor *all, int level)
{
    const struct value *value = graph_value(&test->graph, pyramid);
    const struct extent *extent = &value->level[level];
    int pixels = extent->height * extent->width;
    struct ref_tensor part = ref_new(all->c, extent->height, extent->width);
    for (int c = 0; c < all->c; c++) {
        memcpy(&part.data[c * pixels], &all->data[c * value->pixels + extent->offset],
               sizeof(double) * (size_t)pixels);
    }
    return part;
}
