// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The values behind the properties of the `effdet` element. Their specifications are in
// properties.c.
#include "settings.h"

#include "base/fields.h"

// Where a property lies; its type is that of the specification.
static gpointer field(Settings *s, guint property)
{
    switch (property) {
    case PROP_MODEL:
        return &s->model;
    case PROP_WEIGHTS:
        return &s->weights;
    case PROP_LABELS:
        return &s->labels;
    case PROP_PROJECT:
        return &s->project;
    case PROP_DEVICE:
        return &s->device;
    case PROP_PRECISION:
        return &s->precision;
    case PROP_QUEUE_DEPTH:
        return &s->queue_depth;
    case PROP_GPU_TIMEOUT:
        return &s->gpu_timeout_ms;
    case PROP_ON_DEVICE_LOST:
        return &s->on_device_lost;
    case PROP_SHARE_GROUP:
        return &s->share_group;
    case PROP_SCORE_THRESHOLD:
        return &s->score_threshold;
    case PROP_IOU_THRESHOLD:
        return &s->iou_threshold;
    case PROP_MAX_DETECTIONS:
        return &s->max_detections;
    case PROP_CLASSES:
        return &s->classes;
    case PROP_INTERVAL:
        return &s->tunables.interval;
    case PROP_MAX_RATE:
        return &s->tunables.max_rate_hz;
    case PROP_OVERLOAD:
        return &s->tunables.overload;
    case PROP_MAX_LATENCY:
        return &s->tunables.max_latency_ms;
    case PROP_ENABLED:
        return &s->tunables.enabled;
    case PROP_ROI_META:
        return &s->tunables.roi_meta;
    case PROP_QOS:
        return &s->tunables.qos;
    case PROP_SILENCE_WARNING:
        return &s->silence_warning_s;
    case PROP_STATS_INTERVAL:
        return &s->stats_interval_s;
    default:
        return NULL;
    }
}

gboolean settings_set(Settings *settings, guint property, const GValue *value)
{
    gpointer place = field(settings, property);

    if (place == NULL) {
        return FALSE;
    }
    field_set(place, value);
    return TRUE;
}

gboolean settings_get(const Settings *settings, guint property, GValue *value)
{
    gconstpointer place = field((Settings *)settings, property);

    if (place == NULL) {
        return FALSE;
    }
    field_get(place, value);
    return TRUE;
}

void settings_init(Settings *settings, GObjectClass *klass)
{
    guint n;
    g_autofree GParamSpec **specs = g_object_class_list_properties(klass, &n);

    for (guint i = 0; i < n; i++) {
        if (specs[i]->owner_type == G_OBJECT_CLASS_TYPE(klass)) {
            settings_set(settings, specs[i]->param_id, g_param_spec_get_default_value(specs[i]));
        }
    }
}

static gchar **string_field(Settings *settings, guint index)
{
    gchar **fields[] = {&settings->model,   &settings->weights, &settings->labels,
                        &settings->project, &settings->device,  &settings->share_group,
                        &settings->classes};

    return index < G_N_ELEMENTS(fields) ? fields[index] : NULL;
}

void settings_clear(Settings *settings)
{
    gchar **string;

    for (guint i = 0; (string = string_field(settings, i)) != NULL; i++) {
        g_clear_pointer(string, g_free);
    }
}

void settings_copy(Settings *to, const Settings *from)
{
    gchar **string;

    *to = *from;
    for (guint i = 0; (string = string_field(to, i)) != NULL; i++) {
        *string = g_strdup(*string);
    }
}

const gchar *settings_text(const gchar *text)
{
    return text != NULL && *text != '\0' ? text : NULL;
}

gboolean settings_fixed_while_running(const GParamSpec *spec)
{
    return (spec->flags & GST_PARAM_MUTABLE_READY) != 0;
}
