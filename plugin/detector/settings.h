// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// What the user asked of an `effdet` element, as plain values. No state of a running stream.
#pragma once

#include <effdet/effdet.h>
#include <gst/gst.h>

G_BEGIN_DECLS

enum {
    PROP_MODEL = 1,
    PROP_WEIGHTS,
    PROP_LABELS,
    PROP_PROJECT,
    PROP_DEVICE,
    PROP_PRECISION,
    PROP_QUEUE_DEPTH,
    PROP_GPU_TIMEOUT,
    PROP_ON_DEVICE_LOST,
    PROP_SHARE_GROUP,
    PROP_SCORE_THRESHOLD,
    PROP_IOU_THRESHOLD,
    PROP_MAX_DETECTIONS,
    PROP_CLASSES,
    PROP_INTERVAL,
    PROP_MAX_RATE,
    PROP_OVERLOAD,
    PROP_MAX_LATENCY,
    PROP_ENABLED,
    PROP_ROI_META,
    PROP_QOS,
    PROP_SILENCE_WARNING,
    PROP_STATS_INTERVAL,
    PROP_STATS,
    N_PROPERTIES
};

/**
 * GstEffdetOverload:
 * @GST_EFFDET_OVERLOAD_AUTO: skip on live pipelines, block otherwise
 * @GST_EFFDET_OVERLOAD_BLOCK: the frame waits for a slot; nothing is skipped
 * @GST_EFFDET_OVERLOAD_SKIP: the frame passes without inference
 * @GST_EFFDET_OVERLOAD_DROP: the frame is discarded
 *
 * What happens to a frame that comes while every slot is busy.
 *
 * Since: 0.1
 */
typedef enum {
    GST_EFFDET_OVERLOAD_AUTO,
    GST_EFFDET_OVERLOAD_BLOCK,
    GST_EFFDET_OVERLOAD_SKIP,
    GST_EFFDET_OVERLOAD_DROP,
} GstEffdetOverload;

/**
 * GstEffdetDeviceLost:
 * @GST_EFFDET_DEVICE_LOST_ERROR: one error on the bus, and the stream ends
 * @GST_EFFDET_DEVICE_LOST_RECOVER: one warning on the bus; video passes while the detector is built
 * anew
 *
 * What happens when the device is gone or lacks memory, or a frame exceeds #GstEffdet:gpu-timeout.
 * A new detector that fails before its first result ends the stream.
 *
 * Since: 0.1
 */
typedef enum {
    GST_EFFDET_DEVICE_LOST_ERROR,
    GST_EFFDET_DEVICE_LOST_RECOVER,
} GstEffdetDeviceLost;

// The part that the streaming threads copy for every frame.
typedef struct {
    gboolean enabled, roi_meta, qos;
    guint interval;
    double max_rate_hz; // 0 = no limit
    GstEffdetOverload overload;
    guint max_latency_ms;
} Tunables;

#define DEFAULT_GPU_TIMEOUT_MS 5000

typedef struct {
    // Read when an engine is made.
    gchar *model, *weights, *labels, *project, *device, *share_group;
    EffdetPrecision precision;
    guint queue_depth, gpu_timeout_ms;
    // Handed to the engine at the next frame.
    double score_threshold, iou_threshold;
    guint max_detections;
    gchar *classes;
    GstEffdetDeviceLost on_device_lost;
    guint silence_warning_s; // 0 = off
    guint stats_interval_s;  // 0 = off
    Tunables tunables;
} Settings;

// Installs the properties (properties.c); their vfuncs are the class's own.
void settings_install_properties(GObjectClass *klass);

// Defaults, taken from the property specifications so that the two cannot differ.
void settings_init(Settings *settings, GObjectClass *klass);
void settings_clear(Settings *settings);
// A copy to be cleared.
void settings_copy(Settings *to, const Settings *from);

// A text that was set: NULL for an empty one.
const gchar *settings_text(const gchar *text);

// TRUE where a change takes effect at the next start only.
gboolean settings_fixed_while_running(const GParamSpec *spec);
// Both under the element's object lock. FALSE: no such property.
gboolean settings_set(Settings *settings, guint property, const GValue *value);
gboolean settings_get(const Settings *settings, guint property, GValue *value);

G_END_DECLS
