// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Pixel formats as tables, colour matrices, and the preprocess dispatch.
#include "ops/op_preprocess.h"

#include "base/error.h"
#include "ops/variant.h"

#include <math.h>
#include <string.h>

#define MAX_SIDE 16384
// What GStreamer takes for granted where caps do not say how chroma lies: centred in pictures of up
// to this height (as in JPEG), else on the even columns (as in MPEG-2).
#define SD_HEIGHT 576

// Where the three components of a format are: plane, first byte, bytes from sample to sample;
// chroma sub-sampling.
struct components {
    struct {
        int plane, first, step;
    } component[3];
    bool half_x, half_y, wide, yuv;
};

static const struct format_info infos[EFFDET_N_FORMATS] = {
    [EFFDET_FORMAT_NV12] = {"NV12", 2, {2, 2}, {false, true}},
    [EFFDET_FORMAT_I420] = {"I420", 3, {2, 1, 1}, {false, true, true}},
    [EFFDET_FORMAT_P010] = {"P010_10LE", 2, {4, 4}, {false, true}},
    [EFFDET_FORMAT_YUY2] = {"YUY2", 1, {4}},
    [EFFDET_FORMAT_UYVY] = {"UYVY", 1, {4}},
    [EFFDET_FORMAT_RGB] = {"RGB", 1, {6}},
    [EFFDET_FORMAT_BGR] = {"BGR", 1, {6}},
    [EFFDET_FORMAT_RGBX] = {"RGBx", 1, {8}},
    [EFFDET_FORMAT_BGRX] = {"BGRx", 1, {8}},
    [EFFDET_FORMAT_XRGB] = {"xRGB", 1, {8}},
    [EFFDET_FORMAT_XBGR] = {"xBGR", 1, {8}},
    [EFFDET_FORMAT_GRAY8] = {"GRAY8", 1, {2}},
};

static const struct components layouts[EFFDET_N_FORMATS] = {
    [EFFDET_FORMAT_NV12] = {{{0, 0, 1}, {1, 0, 2}, {1, 1, 2}}, true, true, false, true},
    [EFFDET_FORMAT_I420] = {{{0, 0, 1}, {1, 0, 1}, {2, 0, 1}}, true, true, false, true},
    [EFFDET_FORMAT_P010] = {{{0, 0, 2}, {1, 0, 4}, {1, 2, 4}}, true, true, true, true},
    [EFFDET_FORMAT_YUY2] = {{{0, 0, 2}, {0, 1, 4}, {0, 3, 4}}, true, false, false, true},
    [EFFDET_FORMAT_UYVY] = {{{0, 1, 2}, {0, 0, 4}, {0, 2, 4}}, true, false, false, true},
    [EFFDET_FORMAT_RGB] = {{{0, 0, 3}, {0, 1, 3}, {0, 2, 3}}},
    [EFFDET_FORMAT_BGR] = {{{0, 2, 3}, {0, 1, 3}, {0, 0, 3}}},
    [EFFDET_FORMAT_RGBX] = {{{0, 0, 4}, {0, 1, 4}, {0, 2, 4}}},
    [EFFDET_FORMAT_BGRX] = {{{0, 2, 4}, {0, 1, 4}, {0, 0, 4}}},
    [EFFDET_FORMAT_XRGB] = {{{0, 1, 4}, {0, 2, 4}, {0, 3, 4}}},
    [EFFDET_FORMAT_XBGR] = {{{0, 3, 4}, {0, 2, 4}, {0, 1, 4}}},
    [EFFDET_FORMAT_GRAY8] = {{{0, 0, 1}, {0, 0, 1}, {0, 0, 1}}},
};

// Kr and Kb of the luma equation: ITU-R BT.601, BT.709, BT.2020; FCC (47 CFR 73.682); SMPTE 240M.
static const double luma[][2] = {
    [EFFDET_MATRIX_BT601] = {0.299, 0.114},     [EFFDET_MATRIX_BT709] = {0.2126, 0.0722},
    [EFFDET_MATRIX_BT2020] = {0.2627, 0.0593},  [EFFDET_MATRIX_FCC] = {0.30, 0.11},
    [EFFDET_MATRIX_SMPTE240M] = {0.212, 0.087},
};

const struct format_info *format_info(EffdetFormat format)
{
    return &infos[format];
}

size_t format_row_bytes(EffdetFormat format, int plane, guint width)
{
    static const bool packed_422[EFFDET_N_FORMATS] = {
        [EFFDET_FORMAT_YUY2] = true, [EFFDET_FORMAT_UYVY] = true};
    size_t pair = (size_t)infos[format].row_bytes[plane];
    if (packed_422[format] || infos[format].half_rows[plane]) {
        return (size_t)((width + 1) / 2) * pair;
    }
    return (size_t)width * pair / 2;
}

guint format_rows(EffdetFormat format, int plane, guint height)
{
    return infos[format].half_rows[plane] ? (height + 1) / 2 : height;
}

bool frame_validate(const EffdetFrame *frame, GError **error)
{
    if (frame->format >= EFFDET_N_FORMATS) {
        return fail_value(error, "unknown pixel format %d", frame->format);
    }
    const struct format_info *info = &infos[frame->format];
    if (frame->width < 1 || frame->height < 1 || frame->width > MAX_SIDE ||
        frame->height > MAX_SIDE) {
        return fail_value(error,
                          "a picture of %ux%u pixels cannot be used: each side must be 1 to %d",
                          frame->width, frame->height, MAX_SIDE);
    }
    if (frame->matrix > EFFDET_MATRIX_SMPTE240M) {
        return fail_value(error, "unknown colour matrix %d", frame->matrix);
    }
    if (!(frame->pixel_aspect >= 0 && frame->pixel_aspect <= 100)) {
        return fail_value(error, "pixel aspect ratio %g is out of range: 0 to 100",
                          (double)frame->pixel_aspect);
    }
    for (int p = 0; p < info->n_planes; p++) {
        size_t row = format_row_bytes(frame->format, p, frame->width);
        if (!frame->planes[p].data) {
            return fail_value(error, "plane %d of a %s picture has no data", p, info->name);
        }
        if (frame->planes[p].stride_bytes < row &&
            format_rows(frame->format, p, frame->height) > 1) {
            return fail_value(
                error, "plane %d of a %ux%u %s picture has rows of %zu bytes, but a stride of %zu",
                p, frame->width, frame->height, info->name, row, frame->planes[p].stride_bytes);
        }
    }
    return true;
}

void preprocess_layout(const EffdetFrame *frame, uint64_t offsets[3], uint64_t strides[3],
                       uint64_t *bytes)
{
    *bytes = 0;
    for (int p = 0; p < infos[frame->format].n_planes; p++) {
        strides[p] = align_up(format_row_bytes(frame->format, p, frame->width), 4);
        offsets[p] = *bytes;
        *bytes += strides[p] * format_rows(frame->format, p, frame->height);
    }
}

static void set_row(FLOAT *row, double c0, double c1, double c2, double constant)
{
    row[0] = (float)c0;
    row[1] = (float)c1;
    row[2] = (float)c2;
    row[3] = (float)constant;
}

// rows: three of four coefficients, adjacent in the parameter block
static void fill_matrix(FLOAT *rows, const EffdetFrame *frame, const struct components *layout)
{
    if (!layout->yuv) {
        bool limited = frame->format == EFFDET_FORMAT_GRAY8 && !frame->full_range;
        double gain = limited ? 255.0 / 219.0 : 1.0;
        for (int c = 0; c < 3; c++) {
            set_row(rows + 4 * c, c == 0 ? gain : 0, c == 1 ? gain : 0, c == 2 ? gain : 0,
                    limited ? -16 * gain : 0);
        }
        return;
    }
    double kr = luma[frame->matrix][0];
    double kb = luma[frame->matrix][1];
    double kg = 1 - kr - kb;
    // 10-bit samples come in units of 1/4 of an 8-bit step: full range ends at 1023 / 4
    double full = layout->wide ? 1023.0 / 4 : 255.0;
    double y_gain = 255.0 / (frame->full_range ? full : 219.0);
    double y_zero = frame->full_range ? 0 : 16;
    double c_gain = 255.0 / (frame->full_range ? full : 224.0);
    double red = 2 * (1 - kr) * c_gain;
    double blue = 2 * (1 - kb) * c_gain;
    double green_u = -2 * kb * (1 - kb) / kg * c_gain;
    double green_v = -2 * kr * (1 - kr) / kg * c_gain;
    set_row(rows, y_gain, 0, red, -y_gain * y_zero - 128 * red);
    set_row(rows + 4, y_gain, green_u, green_v, -y_gain * y_zero - 128 * (green_u + green_v));
    set_row(rows + 8, y_gain, blue, 0, -y_gain * y_zero - 128 * blue);
}

struct preprocess_shape preprocess_shape_of(const struct preprocess *pre, EffdetFormat format,
                                            const struct letterbox *letterbox)
{
    return (struct preprocess_shape){
        .format = pre->filter == RESIZE_BILINEAR_AA ? format : EFFDET_FORMAT_NV12,
        .rows = letterbox->resized_height,
    };
}

void preprocess_fill(struct preprocess_params *params, const EffdetFrame *frame,
                     const struct model *model, const struct letterbox *letterbox)
{
    const struct components *layout = &layouts[frame->format];
    const struct preprocess *pre = &model->pre;
    uint64_t offsets[3], strides[3], bytes;
    preprocess_layout(frame, offsets, strides, &bytes);
    *params = (struct preprocess_params){
        .width = frame->width,
        .height = frame->height,
        .resized_width = (uint32_t)letterbox->resized_width,
        .resized_height = (uint32_t)letterbox->resized_height,
        .half_x = layout->half_x,
        .half_y = layout->half_y,
        .wide = layout->wide,
        .centred_x = frame->height <= SD_HEIGHT,
    };
    for (int c = 0; c < 3; c++) {
        int plane = layout->component[c].plane;
        (&params->offset0)[c] = (uint32_t)offsets[plane] + (uint32_t)layout->component[c].first;
        (&params->stride0)[c] = (uint32_t)strides[plane];
        (&params->step0)[c] = (uint32_t)layout->component[c].step;
        (&params->gain_r)[c] = (float)(1.0 / pre->std[c]);
        (&params->bias_r)[c] = (float)(-pre->mean[c] / pre->std[c]);
        (&params->fill_r)[c] = (float)pre->fill[c];
    }
    fill_matrix(&params->r0, frame, layout);
}

static bool use_texel(const struct op_env *env, const struct buffer *staging)
{
    const struct class_plan *plan = plan_for(env->device, env->cpu_plan);
    return op_prefers_texel(env, "preprocess", plan->texel_words) &&
           staging->bytes / sizeof(uint32_t) <= env->device->limits.texel_elements;
}

// What a kernel computes, and in what pieces.
struct tile {
    const char *suffix;    // of its name
    uint32_t across, down; // results of an invocation
    uint32_t local;        // invocations of a workgroup
};

// Larger tiles read the picture less often. GPUs have caches for that, and more invocations to run.
static struct tile tile_of(bool cpu_plan, const struct preprocess *pre, EffdetFormat format)
{
    static const struct tile lone = {"", 1, 1, 64}, samples = {"_samples1x1", 1, 1, 64};
    static const struct tile words[] = {{"_words2x1", 2, 1, 64}, {"_words4x4", 4, 4, 16}};
    if (pre->filter != RESIZE_BILINEAR_AA) {
        return lone;
    }
    return layouts[format].half_x ? words[cpu_plan] : samples; // filtered whole, as PIL does
}

// How samples lie, for the triangle filter.
static void specialise(uint32_t *spec, const struct components *layout)
{
    const bool alone = layout->component[2].plane != layout->component[1].plane;
    uint32_t bytes[3];
    for (int c = 0; c < 3; c++) {
        bytes[c] = (uint32_t)layout->component[c].first + layout->wide;
    }
    spec[PREPROCESS_SPEC_WIDE] = layout->wide;
    spec[PREPROCESS_SPEC_STEP_Y] = (uint32_t)layout->component[0].step;
    spec[PREPROCESS_SPEC_STEP_C] = (uint32_t)layout->component[1].step;
    spec[PREPROCESS_SPEC_BYTE_Y] = bytes[0];
    spec[PREPROCESS_SPEC_BYTE_U] = bytes[1];
    spec[PREPROCESS_SPEC_BYTE_V] = alone ? PREPROCESS_NO_BYTE : bytes[2];
}

bool op_preprocess_prepare(struct op_env *env, const struct preprocess *pre,
                           struct preprocess_shape shape, struct buffer *staging,
                           struct buffer *params, uint64_t params_offset, struct buffer *scratch,
                           struct dispatch *dispatch, GError **error)
{
    const struct value *value = graph_value(env->graph, env->graph->input);
    if (staging->bytes > env->device->limits.storage_range) {
        g_set_error(error, EFFDET_ERROR, EFFDET_ERROR_UNSUPPORTED,
                    "the picture needs %" G_GUINT64_FORMAT
                    " bytes, but device %s reads at most %" G_GUINT64_FORMAT
                    " at once: scale it down before",
                    staging->bytes, env->device->name, env->device->limits.storage_range);
        return false;
    }
    const bool texel = use_texel(env, staging);
    const struct tile tile = tile_of(env->cpu_plan, pre, shape.format);
    struct kernel kernel = {
        .n_bindings = 4,
        .bindings = {texel ? BINDING_TEXEL_U32 : BINDING_STORAGE, BINDING_UNIFORM, BINDING_STORAGE,
                     BINDING_STORAGE},
        .push_bytes = sizeof(struct preprocess_push),
        .n_spec = PREPROCESS_SPECS,
        .spec = {[PREPROCESS_SPEC_ROUND_TO_U8] = pre->resize_to_u8,
                 [PREPROCESS_SPEC_LOCAL_SIZE] = tile.local},
    };
    if (pre->filter == RESIZE_BILINEAR_AA) {
        specialise(kernel.spec, &layouts[shape.format]);
    }
    char name[64];
    op_kernel_name(name, sizeof name, "preprocess", texel, env->half, tile.suffix);
    kernel.spirv = spirv_find(name);
    struct preprocess_push push = {.y_width = (uint32_t)value->level[0].width,
                                   .y_height = (uint32_t)value->level[0].height,
                                   .y_first = (uint32_t)value->level[0].offset};
    const uint32_t columns = tile.across * tile.local; // of a workgroup
    *dispatch = (struct dispatch){
        .bindings = {{staging, 0, staging->bytes, false},
                     {params, params_offset, sizeof(struct preprocess_params), false},
                     {env->arena, value->offset, value->bytes, true},
                     {scratch, 0, DECODE_COUNTERS * sizeof(uint32_t), true}},
        .groups = {(push.y_width + columns - 1) / columns,
                   ((uint32_t)shape.rows + tile.down - 1) / tile.down, 1},
        .op = "preprocess",
        .label = "preprocess",
        .bytes_moved = (double)value->bytes,
    };
    memcpy(dispatch->push, &push, sizeof push);
    g_strlcpy(dispatch->variant, texel ? "texel" : "buffer", sizeof dispatch->variant);
    dispatch->kernel = kernels_get(env->kernels, &kernel, error);
    return dispatch->kernel != NULL;
}
