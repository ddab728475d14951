// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The properties of `effdettrack`.
#include "settings.h"

#include "base/fields.h"

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

static guint milliseconds(gdouble time_s)
{
    return (guint)(time_s * 1000 + 0.5);
}

void track_settings_init(TrackSettings *settings)
{
    struct track_options defaults;

    track_options_init(&defaults);
    *settings = (TrackSettings){.high_score = defaults.high_score,
                                .low_score = defaults.low_score,
                                .min_overlap = defaults.min_overlap,
                                .confirm_ms = milliseconds(defaults.confirm_s),
                                .memory_ms = milliseconds(defaults.memory_s),
                                .max_tracks = defaults.max_tracks,
                                .per_class = !defaults.across_classes,
                                .reset = DEFAULT_RESET};
}

struct track_options track_settings_options(const TrackSettings *settings, guint width,
                                            guint height)
{
    return (struct track_options){.high_score = settings->high_score,
                                  .low_score = settings->low_score,
                                  .min_overlap = settings->min_overlap,
                                  .confirm_s = settings->confirm_ms / 1000.0,
                                  .memory_s = settings->memory_ms / 1000.0,
                                  .across_classes = !settings->per_class,
                                  .max_tracks = settings->max_tracks,
                                  .width = width,
                                  .height = height};
}

// Where a property lies; its type is that of the specification.
static gpointer field(TrackSettings *settings, guint id)
{
    switch (id) {
    case PROP_HIGH_SCORE:
        return &settings->high_score;
    case PROP_LOW_SCORE:
        return &settings->low_score;
    case PROP_MIN_OVERLAP:
        return &settings->min_overlap;
    case PROP_CONFIRM_TIME:
        return &settings->confirm_ms;
    case PROP_MEMORY:
        return &settings->memory_ms;
    case PROP_PER_CLASS:
        return &settings->per_class;
    case PROP_MAX_TRACKS:
        return &settings->max_tracks;
    case PROP_RESET:
        return &settings->reset;
    default:
        return NULL;
    }
}

gboolean track_settings_set(TrackSettings *settings, guint id, const GValue *value)
{
    gpointer place = field(settings, id);

    if (place != NULL) {
        field_set(place, value);
    }
    return place != NULL;
}

gboolean track_settings_get(const TrackSettings *settings, guint id, GValue *value)
{
    gconstpointer place = field((TrackSettings *)settings, id);

    if (place != NULL) {
        field_get(place, value);
    }
    return place != NULL;
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
    TrackSettings defaults;

    track_settings_init(&defaults);
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
                          60000, defaults.confirm_ms, flags));
    g_object_class_install_property(
        klass, PROP_MEMORY,
        g_param_spec_uint("memory", "Memory",
                          "How long an object that is not seen keeps its number (ms)", 0, 3600000,
                          defaults.memory_ms, flags));
    g_object_class_install_property(
        klass, PROP_PER_CLASS,
        g_param_spec_boolean("per-class", "Per class",
                             "Never let an object continue a track of another class (else the "
                             "track's class is what most of its objects were)",
                             defaults.per_class, flags));
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
