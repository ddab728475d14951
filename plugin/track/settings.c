// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The properties of `effdettrack`.
#include "settings.h"

#define DEFAULT_RESET (EFFDET_TRACK_RESET_STREAM_START | EFFDET_TRACK_RESET_FLUSH)

enum {
    PROP_HIGH_SCORE = 1,
    PROP_LOW_SCORE,
    PROP_MIN_OVERLAP,
    PROP_CONFIRM_TIME,
    PROP_MEMORY,
    PROP_PER_CLASS,
    PROP_MAX_TRACKS,
    PROP_RESET,
};

GType effdet_track_reset_get_type(void)
{
    static const GFlagsValue values[] = {
        {EFFDET_TRACK_RESET_STREAM_START, "A new stream", "stream-start"},
        {EFFDET_TRACK_RESET_FLUSH, "A flush, as by a seek", "flush"},
        {EFFDET_TRACK_RESET_DISCONT, "A buffer marked as discontinuous", "discont"},
        {0, NULL, NULL}};
    static GType type;

    if (g_once_init_enter(&type)) {
        GType registered = g_flags_register_static("EffdetTrackReset", values);
        g_once_init_leave(&type, registered);
    }
    return type;
}

void track_settings_init(TrackSettings *settings)
{
    track_options_init(&settings->options);
    settings->reset = DEFAULT_RESET;
}

static guint milliseconds(gdouble time_s)
{
    return (guint)(time_s * 1000 + 0.5);
}

gboolean track_settings_set(TrackSettings *settings, guint id, const GValue *value)
{
    struct track_options *options = &settings->options;

    switch (id) {
    case PROP_HIGH_SCORE:
        options->high_score = g_value_get_double(value);
        break;
    case PROP_LOW_SCORE:
        options->low_score = g_value_get_double(value);
        break;
    case PROP_MIN_OVERLAP:
        options->min_overlap = g_value_get_double(value);
        break;
    case PROP_CONFIRM_TIME:
        options->confirm_s = g_value_get_uint(value) / 1000.0;
        break;
    case PROP_MEMORY:
        options->memory_s = g_value_get_uint(value) / 1000.0;
        break;
    case PROP_PER_CLASS:
        options->across_classes = !g_value_get_boolean(value);
        break;
    case PROP_MAX_TRACKS:
        options->max_tracks = g_value_get_uint(value);
        break;
    case PROP_RESET:
        settings->reset = (EffdetTrackReset)g_value_get_flags(value);
        break;
    default:
        return FALSE;
    }
    return TRUE;
}

gboolean track_settings_get(const TrackSettings *settings, guint id, GValue *value)
{
    const struct track_options *options = &settings->options;

    switch (id) {
    case PROP_HIGH_SCORE:
        g_value_set_double(value, options->high_score);
        break;
    case PROP_LOW_SCORE:
        g_value_set_double(value, options->low_score);
        break;
    case PROP_MIN_OVERLAP:
        g_value_set_double(value, options->min_overlap);
        break;
    case PROP_CONFIRM_TIME:
        g_value_set_uint(value, milliseconds(options->confirm_s));
        break;
    case PROP_MEMORY:
        g_value_set_uint(value, milliseconds(options->memory_s));
        break;
    case PROP_PER_CLASS:
        g_value_set_boolean(value, !options->across_classes);
        break;
    case PROP_MAX_TRACKS:
        g_value_set_uint(value, options->max_tracks);
        break;
    case PROP_RESET:
        g_value_set_flags(value, settings->reset);
        break;
    default:
        return FALSE;
    }
    return TRUE;
}

static void install_score(GObjectClass *klass, guint id, const gchar *name, const gchar *nick,
                          const gchar *blurb, gdouble value)
{
    g_object_class_install_property(klass, id,
                                    g_param_spec_double(name, nick, blurb, 0, 1, value,
                                                        G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                            GST_PARAM_MUTABLE_PLAYING));
}

void track_settings_install(GObjectClass *klass)
{
    const GParamFlags flags =
        G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;
    struct track_options defaults;

    track_options_init(&defaults);
    install_score(klass, PROP_HIGH_SCORE, "high-score", "High score",
                  "Confidence from which on an object begins a track", defaults.high_score);
    install_score(klass, PROP_LOW_SCORE, "low-score", "Low score",
                  "Confidence from which on an object continues a track (set the detector's "
                  "score-threshold as low)",
                  defaults.low_score);
    install_score(klass, PROP_MIN_OVERLAP, "min-overlap", "Smallest overlap",
                  "Intersection over union of an object and the place where its track has to be "
                  "that they need at least",
                  defaults.min_overlap);
    g_object_class_install_property(
        klass, PROP_CONFIRM_TIME,
        g_param_spec_uint("confirm-time", "Time to confirm",
                          "How long an object has to be seen before it gets its number (ms)", 0,
                          60000, milliseconds(defaults.confirm_s), flags));
    g_object_class_install_property(
        klass, PROP_MEMORY,
        g_param_spec_uint("memory", "Memory",
                          "How long an object that is not seen keeps its number (ms)", 0, 3600000,
                          milliseconds(defaults.memory_s), flags));
    g_object_class_install_property(
        klass, PROP_PER_CLASS,
        g_param_spec_boolean("per-class", "Per class",
                             "Never let an object continue a track of another class (else the "
                             "track's class is what most of its objects were)",
                             !defaults.across_classes, flags));
    g_object_class_install_property(
        klass, PROP_MAX_TRACKS,
        g_param_spec_uint("max-tracks", "Most tracks",
                          "Tracks at a time; beyond, those longest unseen are given up", 1, 65536,
                          defaults.max_tracks,
                          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY));
    g_object_class_install_property(
        klass, PROP_RESET,
        g_param_spec_flags("reset", "Reset",
                           "What ends every track; numbers begin at 1 again with a new stream only",
                           effdet_track_reset_get_type(), DEFAULT_RESET, flags));
    gst_type_mark_as_plugin_api(effdet_track_reset_get_type(), (GstPluginAPIFlags)0);
}
