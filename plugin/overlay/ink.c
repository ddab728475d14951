// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The palette and its conversion with a video's colorimetry. No drawing here.
#include "ink.h"

// Neighbours differ in hue and lightness; all of them stand out from skin, asphalt, grass and sky.
static const guint8 palette[INK_N][3] = {
    {50, 220, 80},   {255, 150, 20},  {40, 150, 255}, {255, 70, 110},  {250, 225, 50},
    {170, 95, 250},  {45, 215, 210},  {240, 90, 225}, {150, 225, 30},  {225, 70, 40},
    {20, 105, 200},  {255, 185, 160}, {20, 150, 110}, {200, 180, 255}, {185, 130, 30},
    {235, 240, 190}, {40, 40, 40},
};

// Signal level of white in graphics on HDR video: 203 cd/m2 (Report ITU-R BT.2408).
static gdouble white_level(GstVideoTransferFunction transfer)
{
    switch (transfer) {
    case GST_VIDEO_TRANSFER_SMPTE2084:
        return 0.58;
    case GST_VIDEO_TRANSFER_ARIB_STD_B67:
        return 0.75;
    default:
        return 1.0;
    }
}

static void components(gdouble value[4], const gdouble rgb[3], const GstVideoInfo *info)
{
    gdouble kr, kb, y;

    value[3] = 1.0;
    if (GST_VIDEO_FORMAT_INFO_IS_RGB(info->finfo)) {
        for (guint i = 0; i < 3; i++) {
            value[i] = rgb[i];
        }
        return;
    }
    if (!gst_video_color_matrix_get_Kr_Kb(info->colorimetry.matrix, &kr, &kb)) {
        gst_video_color_matrix_get_Kr_Kb(GST_VIDEO_COLOR_MATRIX_BT601, &kr, &kb);
    }
    y = kr * rgb[0] + (1.0 - kr - kb) * rgb[1] + kb * rgb[2];
    value[0] = y;
    value[1] = (rgb[2] - y) / (2.0 * (1.0 - kb));
    value[2] = (rgb[0] - y) / (2.0 * (1.0 - kr));
}

static void ink_init(Ink *ink, guint8 r, guint8 g, guint8 b, const GstVideoInfo *info)
{
    gdouble white = white_level(info->colorimetry.transfer) / 255.0, value[4];
    gint offset[GST_VIDEO_MAX_COMPONENTS], scale[GST_VIDEO_MAX_COMPONENTS];

    components(value, (gdouble[3]){r * white, g * white, b * white}, info);
    gst_video_color_range_offsets(info->colorimetry.range, info->finfo, offset, scale);
    for (guint i = 0; i < GST_VIDEO_FORMAT_INFO_N_COMPONENTS(info->finfo); i++) {
        guint max = (1u << GST_VIDEO_FORMAT_INFO_DEPTH(info->finfo, i)) - 1;
        gdouble sample = i == 3 ? max : offset[i] + scale[i] * value[i];

        ink->sample[i] = (guint16)(CLAMP(sample, 0.0, max) + 0.5);
    }
}

void ink_set_init(InkSet *set, const GstVideoInfo *info)
{
    for (guint i = 0; i < INK_N; i++) {
        const guint8 *c = palette[i];
        guint luma_x1000 = 299u * c[0] + 587u * c[1] + 114u * c[2];
        guint8 text = luma_x1000 > 110000 ? 0 : 255;

        ink_init(&set->plate[i], c[0], c[1], c[2], info);
        ink_init(&set->text[i], text, text, text, info);
    }
}

guint ink_of(const EffdetDetection *object, gboolean by_track)
{
    if (by_track && object->track_id > 0) {
        return (guint)(object->track_id % INK_N_CLASSES);
    }
    if (object->label_id >= 0) {
        return (guint)object->label_id % INK_N_CLASSES;
    }
    return object->label == 0 ? 0 : g_str_hash(g_quark_to_string(object->label)) % INK_N_CLASSES;
}
