// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The choice between our planes code and the video library's compositions, and what each needs.
#include "canvas.h"

#include "composition.h"
#include "privacy.h"

#define MAX_TEXT_WIDTH_PX 8192

static gboolean in_system_memory(const GstCapsFeatures *features)
{
    for (guint i = 0; i < gst_caps_features_get_size(features); i++) {
        const gchar *feature = gst_caps_features_get_nth(features, i);
        if (g_str_has_prefix(feature, "memory:") &&
            g_strcmp0(feature, GST_CAPS_FEATURE_MEMORY_SYSTEM_MEMORY) != 0) {
            return FALSE;
        }
    }
    return TRUE;
}

static CanvasMode mode_for(const Canvas *canvas, const GstCaps *caps)
{
    if (!canvas->described || !in_system_memory(gst_caps_get_features(caps, 0))) {
        return CANVAS_NEVER;
    }
    if (raster_can_draw(canvas->info.finfo)) {
        return CANVAS_PLANES;
    }
    return canvas->info.finfo->unpack_func != NULL && canvas->info.finfo->pack_func != NULL
               ? CANVAS_BLEND
               : CANVAS_NEVER;
}

gboolean canvas_set_caps(Canvas *canvas, const GstCaps *caps)
{
    const GstStructure *structure = gst_caps_get_structure(caps, 0);
    gint width, height;

    if (!gst_structure_get_int(structure, "width", &width) ||
        !gst_structure_get_int(structure, "height", &height)) {
        return FALSE;
    }
    canvas->described = gst_video_info_from_caps(&canvas->info, caps);
    canvas->mode = canvas->own_mode = mode_for(canvas, caps);
    canvas->downstream_draws = FALSE;
    if (canvas->mode == CANVAS_PLANES) {
        height = GST_VIDEO_INFO_FIELD_HEIGHT(&canvas->info);
    }
    canvas->style.width = width;
    canvas->style.height = height;
    canvas->style.grid_x = canvas->described ? raster_grid_x(canvas->info.finfo) : 1;
    canvas->style.grid_y = canvas->described ? raster_grid_y(canvas->info.finfo) : 1;
    g_clear_pointer(&canvas->labels, label_cache_free);
    return TRUE;
}

static void choose_mode(Canvas *canvas)
{
    CanvasMode mode = canvas->own_mode;

    if (canvas->downstream_draws && (mode != CANVAS_PLANES || canvas->attach)) {
        mode = CANVAS_ATTACH;
    }
    if (mode != canvas->mode) {
        canvas->mode = mode;
        g_clear_pointer(&canvas->labels, label_cache_free);
    }
}

void canvas_set_downstream_draws(Canvas *canvas, gboolean draws)
{
    canvas->downstream_draws = draws;
    choose_mode(canvas);
}

void canvas_apply(Canvas *canvas, const OverlaySettings *settings)
{
    LabelFormat *label_format;
    gchar *why = NULL;

    if (g_strcmp0(canvas->font, settings->font) != 0 || canvas->font_px != settings->font_px) {
        g_free(canvas->font);
        canvas->font = g_strdup(settings->font);
        canvas->font_px = settings->font_px;
        g_clear_pointer(&canvas->labels, label_cache_free);
    }
    label_format = label_format_new(settings->label_format, &why);
    if (label_format == NULL) {
        g_critical("label format '%s': %s", settings->label_format, why);
        g_free(why);
    } else {
        label_format_free(canvas->label_format);
        canvas->label_format = label_format;
    }
    canvas->attach = settings->attach;
    choose_mode(canvas);
    canvas->line_px = settings->line_px;
    canvas->smooth = settings->obscure_mode == GST_EFFDET_OVERLAY_OBSCURE_BLUR;
    canvas->style.labels = settings->labels;
    canvas->style.confidence_bar = settings->confidence_bar;
    canvas->style.confidence = settings->confidence;
    canvas->style.colour_by_track = settings->colour_by == GST_EFFDET_OVERLAY_COLOUR_BY_TRACK;
    canvas->style.label_format = canvas->label_format;
}

static void make_labels(Canvas *canvas)
{
    guint width = (guint)canvas->style.width, height = (guint)canvas->style.height;

    canvas->target = canvas->info;
    if (canvas->mode != CANVAS_PLANES) {
        composition_video_info(&canvas->target,
                               canvas->mode == CANVAS_BLEND ? &canvas->info : NULL);
    }
    ink_set_init(&canvas->inks, &canvas->target);
    zone_layer_clear(canvas->zones);
    canvas->labels =
        label_cache_new(canvas->target.finfo, &canvas->inks, canvas->font,
                        canvas->font_px > 0 ? canvas->font_px : layout_auto_text_px(height),
                        MIN(width, MAX_TEXT_WIDTH_PX));
}

static void obscure(const Canvas *canvas, const Raster *raster, const GArray *objects)
{
    Rect box;

    for (guint i = 0; i < objects->len; i++) {
        if (layout_box(&box, &g_array_index(objects, EffdetDetection, i), &canvas->style)) {
            privacy_obscure(raster, &box, canvas->smooth);
        }
    }
}

static void draw_shapes(const Canvas *canvas, const Raster *raster, guint alpha)
{
    for (guint i = 0; i < canvas->shapes->len; i++) {
        const Shape *shape = &g_array_index(canvas->shapes, Shape, i);
        if (shape->stamp != NULL) {
            raster_put(raster, shape->rect.x, shape->rect.y, shape->stamp,
                       shape->opaque ? RASTER_OPAQUE : alpha);
        } else {
            raster_fill(raster, &shape->rect, &canvas->inks.plate[shape->ink],
                        shape->opaque ? RASTER_OPAQUE : alpha);
        }
    }
}

// Behind what other elements have put on the buffer.
static void attach(GstBuffer *buffer, GstVideoOverlayComposition *composition)
{
    GstVideoOverlayCompositionMeta *meta = gst_buffer_get_video_overlay_composition_meta(buffer);

    if (meta == NULL) {
        gst_buffer_add_video_overlay_composition_meta(buffer, composition);
        return;
    }
    meta->overlay = gst_video_overlay_composition_make_writable(meta->overlay);
    for (guint i = 0; i < gst_video_overlay_composition_n_rectangles(composition); i++) {
        gst_video_overlay_composition_add_rectangle(
            meta->overlay, gst_video_overlay_composition_get_rectangle(composition, i));
    }
}

static gboolean draw_planes(const Canvas *canvas, GstBuffer *buffer, const CanvasScene *scene)
{
    GstVideoFrame frame;
    Raster raster;

    if (!gst_video_frame_map(&frame, &canvas->info, buffer, GST_MAP_READWRITE)) {
        return FALSE;
    }
    raster_init(&raster, &frame);
    obscure(canvas, &raster, scene->obscured);
    if (canvas->mode == CANVAS_PLANES) {
        if (scene->zones != NULL) {
            zone_layer_draw(canvas->zones, canvas->target.finfo, &raster, &canvas->inks);
        }
        draw_shapes(canvas, &raster, scene->alpha);
    }
    gst_video_frame_unmap(&frame);
    return TRUE;
}

static gboolean blend(const Canvas *canvas, GstBuffer *buffer,
                      GstVideoOverlayComposition *composition)
{
    GstVideoFrame frame;
    gboolean drawn;

    if (!gst_video_frame_map(&frame, &canvas->info, buffer, GST_MAP_READWRITE)) {
        return FALSE;
    }
    drawn = gst_video_overlay_composition_blend(composition, &frame);
    gst_video_frame_unmap(&frame);
    return drawn;
}

static gboolean draw_composition(const Canvas *canvas, GstBuffer *buffer, const CanvasScene *scene)
{
    GstVideoFormat format = canvas->target.finfo->format;
    const GPtrArray *rectangles =
        scene->zones != NULL ? zone_layer_rectangles(canvas->zones, &canvas->inks, format) : NULL;
    GstVideoOverlayComposition *composition;
    gboolean drawn = TRUE;

    if (canvas->shapes->len == 0 && (rectangles == NULL || rectangles->len == 0)) {
        return TRUE;
    }
    composition = composition_new(rectangles, canvas->shapes, &canvas->inks, format, scene->alpha);
    if (composition == NULL) {
        return FALSE;
    }
    if (canvas->mode == CANVAS_ATTACH) {
        attach(buffer, composition);
    } else {
        drawn = blend(canvas, buffer, composition);
    }
    gst_video_overlay_composition_unref(composition);
    return drawn;
}

gboolean canvas_can_obscure(const Canvas *canvas)
{
    return canvas->own_mode == CANVAS_PLANES;
}

gboolean canvas_draw(Canvas *canvas, GstBuffer *buffer, const CanvasScene *scene)
{
    if (canvas->shapes == NULL) {
        canvas->shapes = g_array_new(FALSE, FALSE, sizeof(Shape));
        canvas->zones = zone_layer_new();
    }
    if (canvas->labels == NULL) {
        make_labels(canvas);
    }
    canvas->style.line_px =
        (gint)(canvas->line_px > 0 ? canvas->line_px
                                   : layout_auto_line_px((guint)canvas->style.height));
    label_cache_trim(canvas->labels);
    g_array_set_size(canvas->shapes, 0);
    if (!canvas_can_obscure(canvas)) {
        layout_covers(canvas->shapes, scene->obscured, &canvas->style);
    }
    if (scene->trails != NULL) {
        trails_layout(scene->trails, canvas->shapes, &canvas->style);
    }
    layout_boxes(canvas->shapes, scene->objects, &canvas->style);
    if (scene->zones != NULL) {
        zone_layer_layout(canvas->zones, scene->zones, &canvas->style, canvas->labels,
                          canvas->shapes);
    } else {
        zone_layer_clear(canvas->zones);
    }
    layout_texts(canvas->shapes, scene->objects, &canvas->style, canvas->labels);
    if (scene->statistics != NULL) {
        layout_corner(canvas->shapes, scene->statistics->texts, STATISTICS_N_TEXTS, &canvas->style,
                      canvas->labels);
    }
    if ((canvas->mode == CANVAS_PLANES ||
         (canvas_can_obscure(canvas) && scene->obscured->len > 0)) &&
        !draw_planes(canvas, buffer, scene)) {
        return FALSE;
    }
    return canvas->mode == CANVAS_PLANES || draw_composition(canvas, buffer, scene);
}

void canvas_finish(Canvas *canvas)
{
    g_clear_pointer(&canvas->labels, label_cache_free);
    g_clear_pointer(&canvas->shapes, g_array_unref);
    g_clear_pointer(&canvas->zones, zone_layer_free);
    g_clear_pointer(&canvas->font, g_free);
    g_clear_pointer(&canvas->label_format, label_format_free);
}
