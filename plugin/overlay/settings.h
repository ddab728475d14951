// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The values behind the properties of the overlay, and their specifications. What they do is
// elsewhere.
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/**
 * GstEffdetOverlayColourBy:
 * @GST_EFFDET_OVERLAY_COLOUR_BY_CLASS: objects of one class have one colour
 * @GST_EFFDET_OVERLAY_COLOUR_BY_TRACK: objects of one track have one; by class without a track
 *
 * What the colour of a box means.
 *
 * Since: 0.1
 */
typedef enum {
    GST_EFFDET_OVERLAY_COLOUR_BY_CLASS,
    GST_EFFDET_OVERLAY_COLOUR_BY_TRACK,
} GstEffdetOverlayColourBy;

/**
 * GstEffdetOverlayObscureMode:
 * @GST_EFFDET_OVERLAY_OBSCURE_BLUR: smooth
 * @GST_EFFDET_OVERLAY_OBSCURE_PIXELATE: in blocks
 *
 * How a part of the picture is made unrecognisable.
 *
 * Since: 0.1
 */
typedef enum {
    GST_EFFDET_OVERLAY_OBSCURE_BLUR,
    GST_EFFDET_OVERLAY_OBSCURE_PIXELATE,
} GstEffdetOverlayObscureMode;

// What a user may change at any time. One thread at a time.
typedef struct {
    guint hold_ms, trails_ms;
    guint line_px, font_px; // 0 = from the frame's height
    gchar *font;
    gchar *label_format; // one that label_format_new() takes
    gboolean labels, confidence, confidence_bar, statistics, attach, zones;
    GstEffdetOverlayColourBy colour_by;
    gchar *hide, *obscure; // for class_list_new()
    GstEffdetOverlayObscureMode obscure_mode;
} OverlaySettings;

void overlay_settings_install(GObjectClass *klass);

// To be called on zeroes: the defaults of the class, NULL strings replaced as below.
void overlay_settings_init(OverlaySettings *settings, GObjectClass *klass);
void overlay_settings_finish(OverlaySettings *settings);

// FALSE if there is no such property. Strings whose default is not NULL take it for NULL.
gboolean overlay_settings_set(OverlaySettings *settings, const GValue *value,
                              GParamSpec *spec) G_GNUC_WARN_UNUSED_RESULT;
gboolean overlay_settings_get(const OverlaySettings *settings, GValue *value,
                              GParamSpec *spec) G_GNUC_WARN_UNUSED_RESULT;

// NULL, or why the value cannot become the property's. (transfer full) Free-threaded.
gchar *overlay_settings_objection(const GValue *value, GParamSpec *spec);

G_END_DECLS
