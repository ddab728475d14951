// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The properties of the `effdet` element: their specifications and documentation. Their values are
// in settings.c.
#include "settings.h"

#define FLAGS (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS)
#define FIXED (FLAGS | GST_PARAM_MUTABLE_READY)
#define LIVE (FLAGS | GST_PARAM_MUTABLE_PLAYING)

#define TYPE_PRECISION (precision_get_type())
#define TYPE_OVERLOAD (overload_get_type())
#define TYPE_DEVICE_LOST (device_lost_get_type())

static GType register_enum(const gchar *name, const GEnumValue *values)
{
    GType type = g_enum_register_static(name, values);

    gst_type_mark_as_plugin_api(type, 0);
    return type;
}

static GType precision_get_type(void)
{
    static GType type;
    static const GEnumValue values[] = {
        {EFFDET_PRECISION_AUTO, "fp16 storage on GPUs that have it, else fp32", "auto"},
        {EFFDET_PRECISION_FP16, "16-bit storage, 32-bit accumulation", "fp16"},
        {EFFDET_PRECISION_FP32, "32-bit storage", "fp32"},
        {0, NULL, NULL},
    };

    if (g_once_init_enter(&type)) {
        g_once_init_leave(&type, register_enum("GstEffdetPrecision", values));
    }
    return type;
}

static GType overload_get_type(void)
{
    static GType type;
    static const GEnumValue values[] = {
        {GST_EFFDET_OVERLOAD_AUTO, "skip on live pipelines, block otherwise", "auto"},
        {GST_EFFDET_OVERLOAD_BLOCK, "the frame waits for a slot", "block"},
        {GST_EFFDET_OVERLOAD_SKIP, "the frame passes without inference", "skip"},
        {GST_EFFDET_OVERLOAD_DROP, "the frame is discarded", "drop"},
        {0, NULL, NULL},
    };

    if (g_once_init_enter(&type)) {
        g_once_init_leave(&type, register_enum("GstEffdetOverload", values));
    }
    return type;
}

static GType device_lost_get_type(void)
{
    static GType type;
    static const GEnumValue values[] = {
        {GST_EFFDET_DEVICE_LOST_ERROR, "an error ends the stream", "error"},
        {GST_EFFDET_DEVICE_LOST_RECOVER, "video passes while the detector is built anew",
         "recover"},
        {0, NULL, NULL},
    };

    if (g_once_init_enter(&type)) {
        g_once_init_leave(&type, register_enum("GstEffdetDeviceLost", values));
    }
    return type;
}

static void install_network_properties(GObjectClass *klass)
{
    /**
     * GstEffdet:model:
     *
     * Name of a network (`person`, `d0` … `d7x`, `lite0` … `lite4`; `effdet models` lists what is
     * found) or path of a weights file. Its input size, anchors, normalisation and labels come with
     * it. In PAUSED and PLAYING a new model is loaded in the background and takes over between two
     * frames; a model that fails to load leaves the old one in force.
     *
     * Since: 0.1
     */
    g_object_class_install_property(
        klass, PROP_MODEL,
        g_param_spec_string("model", "Model", "Name of a network or path of a weights file",
                            "person", LIVE));
    /**
     * GstEffdet:weights:
     *
     * File or folder that the weights of #GstEffdet:model are read from, instead of the model
     * folders.
     *
     * Since: 0.1
     */
    g_object_class_install_property(klass, PROP_WEIGHTS,
                                    g_param_spec_string("weights", "Weights",
                                                        "File or folder with the model's weights",
                                                        NULL, FIXED));
    /**
     * GstEffdet:labels:
     *
     * Text file with one class name a line, instead of the names in the weights file.
     *
     * Since: 0.1
     */
    g_object_class_install_property(klass, PROP_LABELS,
                                    g_param_spec_string("labels", "Labels",
                                                        "Text file with one class name a line",
                                                        NULL, FIXED));
    /**
     * GstEffdet:project:
     *
     * Project file (YAML) of a network trained with Yet-Another-EfficientDet-Pytorch: class names,
     * anchors, mean and std.
     *
     * Since: 0.1
     */
    g_object_class_install_property(
        klass, PROP_PROJECT,
        g_param_spec_string("project", "Project",
                            "Project file (YAML) of a network trained by the user", NULL, FIXED));
    /**
     * GstEffdet:classes:
     *
     * Class names or numbers to report, separated by commas, for example `person,3`; `-car`
     * excludes. None = all. An unknown class is an error at the start and a warning later, which
     * leaves the classes in force.
     *
     * Since: 0.1
     */
    g_object_class_install_property(
        klass, PROP_CLASSES,
        g_param_spec_string("classes", "Classes",
                            "Names or numbers of the classes to report, -name excludes", NULL,
                            LIVE));
}

static void install_device_properties(GObjectClass *klass)
{
    /**
     * GstEffdet:device:
     *
     * Vulkan device: its index, UUID or a part of its name, as `effdet devices` lists them. `auto`
     * prefers discrete to integrated GPUs, and those to software.
     *
     * Since: 0.1
     */
    g_object_class_install_property(
        klass, PROP_DEVICE,
        g_param_spec_string("device", "Device",
                            "Index, UUID or part of the name of a Vulkan device", "auto", FIXED));
    /**
     * GstEffdet:precision:
     *
     * Number format of weights and activations. Sums are always accumulated in 32 bits.
     *
     * Since: 0.1
     */
    g_object_class_install_property(
        klass, PROP_PRECISION,
        g_param_spec_enum("precision", "Precision", "Number format of weights and activations",
                          TYPE_PRECISION, EFFDET_PRECISION_AUTO, FIXED));
    /**
     * GstEffdet:queue-depth:
     *
     * How many frames may be with the GPU at a time.
     *
     * Since: 0.1
     */
    g_object_class_install_property(klass, PROP_QUEUE_DEPTH,
                                    g_param_spec_uint("queue-depth", "Queue depth",
                                                      "Frames in flight on the GPU", 1, 16, 2,
                                                      FIXED));
    /**
     * GstEffdet:gpu-timeout:
     *
     * Milliseconds after which an unfinished frame means that the device is lost. With the default
     * a device gets at least ten times as long as it took for its first frame.
     *
     * Since: 0.1
     */
    g_object_class_install_property(klass, PROP_GPU_TIMEOUT,
                                    g_param_spec_uint("gpu-timeout", "GPU timeout",
                                                      "Longest wait for one frame, in milliseconds",
                                                      1, G_MAXUINT, DEFAULT_GPU_TIMEOUT_MS, FIXED));
    /**
     * GstEffdet:on-device-lost:
     *
     * What happens when the device is gone or lacks memory, or a frame exceeds
     * #GstEffdet:gpu-timeout.
     *
     * Since: 0.1
     */
    g_object_class_install_property(
        klass, PROP_ON_DEVICE_LOST,
        g_param_spec_enum("on-device-lost", "On device lost", "What to do when the device is gone",
                          TYPE_DEVICE_LOST, GST_EFFDET_DEVICE_LOST_ERROR, FIXED));
    /**
     * GstEffdet:share-group:
     *
     * Elements of this process with equal groups that ask for the same engine (model, weights,
     * labels, project, device, precision and #GstEffdet:gpu-timeout) use one: its weights are in
     * memory once, and frames that wait for the device go to it together, the oldest first.
     * Thresholds, classes, #GstEffdet:queue-depth and everything else stay each element's own.
     *
     * Since: 0.1
     */
    g_object_class_install_property(
        klass, PROP_SHARE_GROUP,
        g_param_spec_string("share-group", "Share group",
                            "Elements of one group that ask for the same model on the same "
                            "device use one engine",
                            NULL, FIXED));
}

static void install_result_properties(GObjectClass *klass)
{
    /**
     * GstEffdet:score-threshold:
     *
     * Objects of lower confidence are not reported.
     *
     * Since: 0.1
     */
    g_object_class_install_property(klass, PROP_SCORE_THRESHOLD,
                                    g_param_spec_double("score-threshold", "Score threshold",
                                                        "Lowest confidence that is reported", 0.0,
                                                        1.0, 0.4, LIVE));
    /**
     * GstEffdet:iou-threshold:
     *
     * Of two boxes that overlap more than this (intersection over union) only the more confident
     * one is reported.
     *
     * Since: 0.1
     */
    g_object_class_install_property(
        klass, PROP_IOU_THRESHOLD,
        g_param_spec_double("iou-threshold", "IoU threshold",
                            "Overlap above which the weaker box is suppressed", 0.0, 1.0, 0.5,
                            LIVE));
    /**
     * GstEffdet:max-detections:
     *
     * The most objects reported on a frame; 0 = no limit.
     *
     * Since: 0.1
     */
    g_object_class_install_property(klass, PROP_MAX_DETECTIONS,
                                    g_param_spec_uint("max-detections", "Max detections",
                                                      "The most objects on a frame, 0 = no limit",
                                                      0, G_MAXINT, 100, LIVE));
    /**
     * GstEffdet:roi-meta:
     *
     * Also attach GstVideoRegionOfInterestMeta where detections are attached as GstAnalytics
     * metadata. Without GstAnalytics (GStreamer before 1.24) they are attached in any case.
     *
     * Since: 0.1
     */
    g_object_class_install_property(
        klass, PROP_ROI_META,
        g_param_spec_boolean("roi-meta", "ROI meta",
                             "Attach region-of-interest metas beside GstAnalytics", TRUE, LIVE));
    /**
     * GstEffdet:stats-interval:
     *
     * Seconds between element messages that carry #GstEffdet:stats; 0 = none.
     *
     * Since: 0.1
     */
    g_object_class_install_property(
        klass, PROP_STATS_INTERVAL,
        g_param_spec_uint("stats-interval", "Stats interval",
                          "Seconds between messages with statistics, 0 = off", 0, G_MAXINT, 0,
                          FIXED));
    /**
     * GstEffdet:stats:
     *
     * Structure `effdet-stats`: frames, inferred, skipped, dropped, late (guint64); latency-p50,
     * latency-p95, latency-p99 of the last 256 inferences and the medians gpu-preprocess,
     * gpu-network, gpu-decode (gint64, microseconds, -1 = not known); device, path (string).
     *
     * Since: 0.1
     */
    g_object_class_install_property(klass, PROP_STATS,
                                    g_param_spec_boxed("stats", "Stats", "Counters and latencies",
                                                       GST_TYPE_STRUCTURE,
                                                       G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

static void install_schedule_properties(GObjectClass *klass)
{
    /**
     * GstEffdet:interval:
     *
     * Infer every n-th frame.
     *
     * Since: 0.1
     */
    g_object_class_install_property(
        klass, PROP_INTERVAL,
        g_param_spec_uint("interval", "Interval", "Infer every n-th frame", 1, G_MAXINT, 1, LIVE));
    /**
     * GstEffdet:max-rate:
     *
     * The most inferences for a second of video; 0 = no limit.
     *
     * Since: 0.1
     */
    g_object_class_install_property(
        klass, PROP_MAX_RATE,
        g_param_spec_double("max-rate", "Max rate", "The most inferences a second, 0 = no limit",
                            0.0, 1000.0, 0.0, LIVE));
    /**
     * GstEffdet:overload:
     *
     * What happens to a frame that comes while every slot is busy.
     *
     * Since: 0.1
     */
    g_object_class_install_property(
        klass, PROP_OVERLOAD,
        g_param_spec_enum("overload", "Overload", "What happens to a frame when every slot is busy",
                          TYPE_OVERLOAD, GST_EFFDET_OVERLOAD_AUTO, LIVE));
    /**
     * GstEffdet:max-latency:
     *
     * Milliseconds that a frame of a live pipeline is held for its own result. Then it goes out
     * without; the result goes, when it comes, on the next frame out, marked with the PTS it was
     * computed from. 0 = frames are never held.
     *
     * Since: 0.1
     */
    g_object_class_install_property(
        klass, PROP_MAX_LATENCY,
        g_param_spec_uint("max-latency", "Max latency",
                          "Live: the longest wait of a frame for its result, in milliseconds", 0,
                          G_MAXINT, 100, LIVE));
    /**
     * GstEffdet:enabled:
     *
     * FALSE = buffers pass untouched; the engine stays ready.
     *
     * Since: 0.1
     */
    g_object_class_install_property(
        klass, PROP_ENABLED,
        g_param_spec_boolean("enabled", "Enabled", "Infer at all", TRUE, LIVE));
}

static void install_watch_properties(GObjectClass *klass)
{
    /**
     * GstEffdet:qos:
     *
     * Obey QoS events: where #GstEffdet:overload may leave frames out, those that come too late for
     * the sink are not inferred (skip) or are discarded (drop), with a QOS message each.
     *
     * Since: 0.1
     */
    g_object_class_install_property(
        klass, PROP_QOS,
        g_param_spec_boolean("qos", "QoS", "Leave out frames that are too late for the sink", TRUE,
                             LIVE));
    /**
     * GstEffdet:silence-warning:
     *
     * Seconds of inference without any candidate, even with a confidence of 0.05, after which one
     * warning is on the bus: weights and picture may not fit. 0 = never.
     *
     * Since: 0.1
     */
    g_object_class_install_property(
        klass, PROP_SILENCE_WARNING,
        g_param_spec_uint("silence-warning", "Silence warning",
                          "Seconds without any candidate until a warning, 0 = never", 0, 86400, 30,
                          LIVE));
}

void settings_install_properties(GObjectClass *klass)
{
    install_network_properties(klass);
    install_device_properties(klass);
    install_result_properties(klass);
    install_schedule_properties(klass);
    install_watch_properties(klass);
}
