// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Where each property's value lies, and what the property says of itself.
#include "settings.h"

#include "base/fields.h"

#include "label_format.h"

#define FLAGS (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)

enum {
    PROP_HOLD = 1,
    PROP_LINE_WIDTH,
    PROP_FONT,
    PROP_FONT_SIZE,
    PROP_LABELS,
    PROP_CONFIDENCE,
    PROP_LABEL_FORMAT,
    PROP_COLOUR_BY,
    PROP_HIDE,
    PROP_OBSCURE,
    PROP_OBSCURE_MODE,
    PROP_TRAILS,
    PROP_CONFIDENCE_BAR,
    PROP_STATISTICS,
    PROP_ATTACH,
    PROP_ZONES,
};

// Its type is that of the specification.
static gpointer field(OverlaySettings *s, guint property)
{
    switch (property) {
    case PROP_HOLD:
        return &s->hold_ms;
    case PROP_LINE_WIDTH:
        return &s->line_px;
    case PROP_FONT:
        return &s->font;
    case PROP_FONT_SIZE:
        return &s->font_px;
    case PROP_LABELS:
        return &s->labels;
    case PROP_CONFIDENCE:
        return &s->confidence;
    case PROP_LABEL_FORMAT:
        return &s->label_format;
    case PROP_COLOUR_BY:
        return &s->colour_by;
    case PROP_HIDE:
        return &s->hide;
    case PROP_OBSCURE:
        return &s->obscure;
    case PROP_OBSCURE_MODE:
        return &s->obscure_mode;
    case PROP_TRAILS:
        return &s->trails_ms;
    case PROP_CONFIDENCE_BAR:
        return &s->confidence_bar;
    case PROP_STATISTICS:
        return &s->statistics;
    case PROP_ATTACH:
        return &s->attach;
    case PROP_ZONES:
        return &s->zones;
    default:
        return NULL;
    }
}

gboolean overlay_settings_set(OverlaySettings *settings, const GValue *value, GParamSpec *spec)
{
    gpointer place = field(settings, spec->param_id);

    if (place == NULL) {
        return FALSE;
    }
    if (G_VALUE_HOLDS_STRING(value) && g_value_get_string(value) == NULL) {
        value = g_param_spec_get_default_value(spec);
    }
    field_set(place, value);
    return TRUE;
}

gboolean overlay_settings_get(const OverlaySettings *settings, GValue *value, GParamSpec *spec)
{
    gconstpointer place = field((OverlaySettings *)settings, spec->param_id);

    if (place == NULL) {
        return FALSE;
    }
    field_get(place, value);
    return TRUE;
}

gchar *overlay_settings_objection(const GValue *value, GParamSpec *spec)
{
    const gchar *text = G_VALUE_HOLDS_STRING(value) ? g_value_get_string(value) : NULL;
    LabelFormat *format;
    gchar *why = NULL;

    if (spec->param_id == PROP_LABEL_FORMAT && text != NULL) {
        format = label_format_new(text, &why);
        label_format_free(format);
    }
    return why;
}

void overlay_settings_init(OverlaySettings *settings, GObjectClass *klass)
{
    guint n;
    g_autofree GParamSpec **specs = g_object_class_list_properties(klass, &n);

    for (guint i = 0; i < n; i++) {
        if (specs[i]->owner_type == G_OBJECT_CLASS_TYPE(klass) &&
            !overlay_settings_set(settings, g_param_spec_get_default_value(specs[i]), specs[i])) {
            g_critical("the property %s has no place", specs[i]->name);
        }
    }
}

void overlay_settings_finish(OverlaySettings *settings)
{
    g_clear_pointer(&settings->font, g_free);
    g_clear_pointer(&settings->label_format, g_free);
    g_clear_pointer(&settings->hide, g_free);
    g_clear_pointer(&settings->obscure, g_free);
}

// ---- specifications -----------------------------------------------------------------------------

static GType register_enum(const gchar *name, const GEnumValue *values)
{
    GType type = g_enum_register_static(name, values);

    gst_type_mark_as_plugin_api(type, 0);
    return type;
}

static GType colour_by_get_type(void)
{
    static GType type;
    static const GEnumValue values[] = {
        {GST_EFFDET_OVERLAY_COLOUR_BY_CLASS, "one colour for each class", "class"},
        {GST_EFFDET_OVERLAY_COLOUR_BY_TRACK, "one for each track, by class without one", "track"},
        {0, NULL, NULL},
    };

    if (g_once_init_enter(&type)) {
        g_once_init_leave(&type, register_enum("GstEffdetOverlayColourBy", values));
    }
    return type;
}

static GType obscure_mode_get_type(void)
{
    static GType type;
    static const GEnumValue values[] = {
        {GST_EFFDET_OVERLAY_OBSCURE_BLUR, "smooth", "blur"},
        {GST_EFFDET_OVERLAY_OBSCURE_PIXELATE, "in blocks", "pixelate"},
        {0, NULL, NULL},
    };

    if (g_once_init_enter(&type)) {
        g_once_init_leave(&type, register_enum("GstEffdetOverlayObscureMode", values));
    }
    return type;
}

static void install_look_properties(GObjectClass *klass)
{
    g_object_class_install_property(
        klass, PROP_HOLD,
        g_param_spec_uint("hold", "Hold",
                          "How long the last objects are shown, dimmed, on frames that effdet did "
                          "not look at (ms; 0 = not at all)",
                          0, 60000, 500, FLAGS));
    g_object_class_install_property(
        klass, PROP_LINE_WIDTH,
        g_param_spec_uint(
            "line-width", "Line width",
            "Thickness of boxes, zones and lines (pixels; 0 = from the frame's height)", 0, 100, 0,
            FLAGS));
    g_object_class_install_property(
        klass, PROP_COLOUR_BY,
        g_param_spec_enum("colour-by", "Colour by", "What the colour of a box means",
                          colour_by_get_type(), GST_EFFDET_OVERLAY_COLOUR_BY_CLASS, FLAGS));
    g_object_class_install_property(
        klass, PROP_CONFIDENCE_BAR,
        g_param_spec_boolean("confidence-bar", "Confidence bar",
                             "Draw a bar on each box's foot, as long as the object is sure", FALSE,
                             FLAGS));
    /**
     * GstEffdetOverlay:statistics:
     *
     * A line in the upper left corner: frames a second (by their times, or by the clock where they
     * have none), objects that are shown, and whether the frame was inferred.
     *
     * Since: 0.1
     */
    g_object_class_install_property(klass, PROP_STATISTICS,
                                    g_param_spec_boolean("statistics", "Statistics",
                                                         "Write frames a second, objects and "
                                                         "whether the frame was inferred",
                                                         FALSE, FLAGS));
    /**
     * GstEffdetOverlay:attach:
     *
     * Where downstream draws #GstVideoOverlayComposition, hand all drawing to it and leave the
     * picture as it is, but for #GstEffdetOverlay:obscure. Elsewhere the picture is drawn into, as
     * without this.
     *
     * Since: 0.1
     */
    g_object_class_install_property(klass, PROP_ATTACH,
                                    g_param_spec_boolean("attach", "Attach",
                                                         "Let downstream draw, where it can", FALSE,
                                                         FLAGS));
    /**
     * GstEffdetOverlay:trails:
     *
     * For how long the path of a tracked object is shown: a line through the middle of the box's
     * foot. Of 64 tracks at most, by the frames' times.
     *
     * Since: 0.1
     */
    g_object_class_install_property(
        klass, PROP_TRAILS,
        g_param_spec_uint("trails", "Trails",
                          "How much of a tracked object's path is shown (ms; 0 = nothing)", 0,
                          60000, 0, FLAGS));
    /**
     * GstEffdetOverlay:zones:
     *
     * Draw the zones and lines of buffers that passed effdetzones: a zone's name with the number
     * of objects inside, and for a line, whose arrow points forward, the crossings forward at the
     * arrow's head and those backward at its foot.
     *
     * Since: 0.1
     */
    g_object_class_install_property(
        klass, PROP_ZONES,
        g_param_spec_boolean("zones", "Zones",
                             "Draw the zones and lines of effdetzones, with names and counts", TRUE,
                             FLAGS));
}

static void install_class_properties(GObjectClass *klass)
{
    /**
     * GstEffdetOverlay:hide:
     *
     * Class names or numbers that are not drawn, separated by commas, for example `car,3`;
     * `-person` excludes, and alone hides all but persons. A tracker's choice of class counts more
     * than the detector's. The objects stay on the buffer.
     *
     * Since: 0.1
     */
    g_object_class_install_property(klass, PROP_HIDE,
                                    g_param_spec_string("hide", "Hide",
                                                        "Names or numbers of the classes that are "
                                                        "not drawn, -name excludes",
                                                        NULL, FLAGS));
    /**
     * GstEffdetOverlay:obscure:
     *
     * Classes, as in #GstEffdetOverlay:hide, whose objects are made unrecognisable in the picture:
     * whatever is hidden, and if either the detector or the tracker takes them for one. What was
     * not detected, or on a frame without inference beyond #GstEffdetOverlay:hold, is in plain
     * sight. Where the element cannot write the picture, objects are covered, with one warning;
     * where nobody draws, it is an error.
     *
     * Since: 0.1
     */
    g_object_class_install_property(klass, PROP_OBSCURE,
                                    g_param_spec_string("obscure", "Obscure",
                                                        "Names or numbers of the classes that are "
                                                        "made unrecognisable, -name excludes",
                                                        NULL, FLAGS));
    g_object_class_install_property(
        klass, PROP_OBSCURE_MODE,
        g_param_spec_enum("obscure-mode", "Obscure mode", "How objects are made unrecognisable",
                          obscure_mode_get_type(), GST_EFFDET_OVERLAY_OBSCURE_BLUR, FLAGS));
}

static void install_text_properties(GObjectClass *klass)
{
    g_object_class_install_property(klass, PROP_FONT,
                                    g_param_spec_string("font", "Font",
                                                        "Pango description of the font, without a "
                                                        "size",
                                                        "Sans Bold", FLAGS));
    g_object_class_install_property(
        klass, PROP_FONT_SIZE,
        g_param_spec_uint("font-size", "Font size",
                          "Size of the text (pixels; 0 = from the frame's height)", 0, 500, 0,
                          FLAGS));
    g_object_class_install_property(
        klass, PROP_LABELS,
        g_param_spec_boolean("labels", "Labels", "Write a text at each box", TRUE, FLAGS));
    g_object_class_install_property(klass, PROP_CONFIDENCE,
                                    g_param_spec_boolean("confidence", "Confidence",
                                                         "Fill the text's field {confidence}", TRUE,
                                                         FLAGS));
    /**
     * GstEffdetOverlay:label-format:
     *
     * The text at a box. Fields: `{label}`, the name, of the tracker's choice where it has one;
     * `{confidence}`, `{class}`, the class's number; `{id}`, the track's. A number may have a
     * format: `{confidence:.2f}` is 0.87, `{confidence:.0%}` 87%, `{id:03}` 007. A word (what
     * stands between blanks) with a field that the object lacks is left out. `{{` and `}}` are
     * braces. What cannot be read leaves the text in force, with a warning.
     *
     * Since: 0.1
     */
    g_object_class_install_property(
        klass, PROP_LABEL_FORMAT,
        g_param_spec_string("label-format", "Label format",
                            "The text at a box: fields {label}, {confidence}, {id}, {class}; words "
                            "with a field that an object lacks are left out",
                            LABEL_FORMAT_DEFAULT, FLAGS));
}

void overlay_settings_install(GObjectClass *klass)
{
    install_look_properties(klass);
    install_text_properties(klass);
    install_class_properties(klass);
}
