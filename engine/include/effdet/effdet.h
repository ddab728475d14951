// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The public API of libeffdet: weights in, video frame in, detections out. No GStreamer, no Vulkan
// type appears here.
//
// One complete calling sequence (error handling left out):
//
//     EffdetEngineParams params = {.model = "person"};
//     EffdetEngine *engine = effdet_engine_new(&params, &error);
//     EffdetFrame frame = {.format = EFFDET_FORMAT_RGB, .width = w, .height = h,
//                          .planes = {{.data = pixels, .stride_bytes = w * 3}}};
//     effdet_engine_submit(engine, &frame, my_cookie, &error);        // EFFDET_OK or EFFDET_BUSY
//     EffdetResult *result = NULL;
//     effdet_engine_collect(engine, -1, &result, &error);             // waits for the oldest frame
//     for (guint i = 0; i < result->n_objects; i++) use(result->objects[i]);
//     effdet_result_free(&result);
//     effdet_engine_free(&engine);
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define EFFDET_VERSION "0.1.0"
#ifndef EFFDET_API
#define EFFDET_API __attribute__((visibility("default")))
#endif

// ---- errors
// ------------------------------------------------------------------------------------------------------

// Domain of every GError of this library. The message is one line: what was wanted, what was found,
// what to do.
#define EFFDET_ERROR (effdet_error_quark())
EFFDET_API GQuark effdet_error_quark(void);

typedef enum {
    EFFDET_ERROR_FAILED,        // anything that has no code of its own
    EFFDET_ERROR_NOT_FOUND,     // no such file, model name or device
    EFFDET_ERROR_BAD_FILE,      // a file that cannot be what it claims: damaged, hostile, truncated
    EFFDET_ERROR_UNSUPPORTED,   // a sound file or a valid wish that this version or device cannot
                                // serve
    EFFDET_ERROR_BAD_VALUE,     // a parameter outside its range or in contradiction to another
    EFFDET_ERROR_NO_VULKAN,     // no loader, no driver or no device with a compute queue
    EFFDET_ERROR_OUT_OF_MEMORY, // host or device memory
    EFFDET_ERROR_DEVICE_LOST, // the device is gone or a frame did not finish in time; the engine is
                              // dead
} EffdetErrorCode;

// Outcome of submit and collect. Only EFFDET_FAILED sets the GError.
typedef enum {
    EFFDET_OK,
    EFFDET_BUSY,  // submit: every slot is in flight; nothing was taken. Collect one, then submit
                  // again.
    EFFDET_AGAIN, // collect: no frame is in flight, or the oldest was not finished within the
                  // timeout
    EFFDET_FAILED,
} EffdetStatus;

// ---- devices
// -----------------------------------------------------------------------------------------------------

// A Vulkan device that could run the engine.
typedef struct {
    guint index;   // position in the loader's order, as accepted by EffdetEngineParams.device
    gchar *name;   // Vulkan deviceName
    gchar *type;   // "discrete", "integrated", "virtual", "cpu" or "other"
    gchar *driver; // driver name and version text, e.g. "llvmpipe (Mesa 22.3.6 (LLVM 15.0.6))"
    gchar *uuid;   // deviceUUID, 32 hexadecimal digits
    gchar *device_class; // class of the kernel table: "cpu-old", "cpu-new", "nvidia", "amd-gcn",
                         // "amd-rdna", "intel", "adreno", "mali", "default"
    gchar **features;    // NULL-terminated names of the optional features found and not disabled
} EffdetDevice;

// Lists the devices with a compute queue. An empty array with *reason set (transfer full) says why
// there are none. Never fails otherwise. Free-threaded. (transfer full) (element-type
// EffdetDevice): g_ptr_array_unref() frees all.
EFFDET_API GPtrArray *effdet_devices(gchar **reason) G_GNUC_WARN_UNUSED_RESULT;

// ---- engine
// ------------------------------------------------------------------------------------------------------

// An engine: one model on one device. Used by one thread at a time, unless a function says
// "free-threaded".
typedef struct EffdetEngine EffdetEngine;

typedef enum {
    EFFDET_PRECISION_AUTO,
    EFFDET_PRECISION_FP16,
    EFFDET_PRECISION_FP32
} EffdetPrecision;

// Zero or NULL in any field means its default. Strings are copied.
typedef struct {
    const gchar
        *model; // name ("d0", "lite0", "person", ...) or path of a weights file. NULL = "person"
    const gchar *weights; // file or folder that overrides where the model's weights are taken from
    const gchar
        *labels; // text file with one label a line; overrides the labels of the weights file
    const gchar *project;      // zylo117 project file (YAML) with obj_list, anchors, mean, std
    const gchar *convention;   // "tf", "rwightman" or "zylo117": defaults of pre- and
                               // post-processing. NULL = the file's own
    const gchar *device;       // index, UUID or part of a name (case-insensitive). NULL or "auto" =
                               // discrete, integrated, CPU
    EffdetPrecision precision; // AUTO = fp16 storage on GPUs with 16-bit storage, else fp32
    guint input_width, input_height; // network input in pixels; 0 = the model's own
    guint queue_depth;               // frames in flight, 1..16. 0 = 2
    guint gpu_timeout_ms; // longest wait for one frame before the device counts as lost. 0 = 5000,
                          // or ten times what the warm-up frame took; G_MAXUINT = never
    gboolean no_fuse; // run the plain graph, one dispatch an operation: the oracle of the fused one
    gboolean random_weights; // deterministic synthetic weights instead of a file (model must be an
                             // architecture name)
    const gchar
        *plan; // "auto", "gpu" or "cpu": which dispatch plan, whatever the device. NULL = "auto"
    gint tune; // 1 = measure kernel variants at start (up to half a minute) and keep what was
               // measured in the cache folder; 0 = use what is kept there, and on GPUs measure at
               // the first start of a network (two seconds); -1 = only the built-in table
} EffdetEngineParams;

// Reads the weights, builds the network, uploads it, compiles the pipelines and runs one warm-up
// frame: tens of milliseconds to seconds. NULL with *error set on failure.
EFFDET_API EffdetEngine *effdet_engine_new(const EffdetEngineParams *params,
                                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

// Waits for the frames in flight, frees everything and sets *engine to NULL. Accepts NULL and a
// pointer to NULL.
EFFDET_API void effdet_engine_free(EffdetEngine **engine);

// What an engine has become; strings live as long as the engine. Free-threaded.
typedef struct {
    const gchar *model;              // architecture, e.g. "tf_efficientdet_lite0"
    const gchar *weights_path;       // the file in use; NULL for random weights
    const gchar *device;             // Vulkan deviceName
    const gchar *driver;             // driver name and version
    const gchar *precision;          // "fp16" or "fp32"
    const gchar *plan;               // "gpu" or "cpu"
    guint input_width, input_height; // pixels
    guint n_classes;
    const gchar *const *labels; // n_classes names, "" where a channel has none; NULL-terminated
    guint queue_depth;
    double suggested_score_threshold; // of the weights file, 0.4 where it has none
    guint n_dispatches, n_pipelines;  // of one frame
    guint64 arena_bytes, arena_lower_bound_bytes, weights_bytes, staging_bytes;
    double start_ms;    // how long effdet_engine_new() took
    gboolean cache_hit; // the pipeline cache on disk was used
} EffdetEngineInfo;
EFFDET_API const EffdetEngineInfo *effdet_engine_info(EffdetEngine *engine);

// ---- frames
// ------------------------------------------------------------------------------------------------------

// Pixel formats, named as GStreamer names them (byte order in memory). 4:2:0 and 4:2:2 chroma sizes
// round up.
typedef enum {
    EFFDET_FORMAT_NV12, // Y; UV interleaved
    EFFDET_FORMAT_I420, // Y; U; V
    EFFDET_FORMAT_P010, // as NV12, 16-bit little endian, value in the upper 10 bits
    EFFDET_FORMAT_YUY2, // Y0 U Y1 V
    EFFDET_FORMAT_UYVY, // U Y0 V Y1
    EFFDET_FORMAT_RGB,
    EFFDET_FORMAT_BGR,
    EFFDET_FORMAT_RGBX, // also RGBA: the fourth byte is ignored
    EFFDET_FORMAT_BGRX,
    EFFDET_FORMAT_XRGB,
    EFFDET_FORMAT_XBGR,
    EFFDET_FORMAT_GRAY8,
    EFFDET_N_FORMATS
} EffdetFormat;

typedef enum {
    EFFDET_MATRIX_BT601,
    EFFDET_MATRIX_BT709,
    EFFDET_MATRIX_BT2020,
    EFFDET_MATRIX_FCC,
    EFFDET_MATRIX_SMPTE240M
} EffdetMatrix;

typedef struct {
    const guint8 *data; // first byte of the first row
    gsize stride_bytes; // from one row to the next
} EffdetPlane;

// One picture in host memory. Read during effdet_engine_submit() only: the caller keeps ownership.
typedef struct {
    EffdetFormat format;
    guint width, height;   // visible pixels, 1..16384
    EffdetPlane planes[3]; // as many as the format has
    EffdetMatrix matrix;   // YUV formats: coefficients
    gboolean full_range; // YUV and GRAY8: 0..255 instead of 16..235 (GRAY8 is full range by default
                         // in GStreamer)
    float pixel_aspect;  // width of a pixel / its height; 0 = 1. The engine works in pixels; kept
                         // for the letterbox
} EffdetFrame;

// ---- detections
// --------------------------------------------------------------------------------------------------

typedef struct {
    gint label_id;    // class channel, from 0
    float confidence; // 0..1
    float x, y, w, h; // pixels of the submitted picture, top-left corner and size
} EffdetObject;

typedef struct {
    gpointer cookie; // as given to submit
    guint n_objects;
    EffdetObject *objects; // falling confidence
    guint n_candidates;    // (anchor, class) pairs above the threshold before NMS
    float best_score;      // highest score among the candidates, 0 without any
    gint64 latency_us;     // submit to result, CPU clock
    gint64 gpu_preprocess_us, gpu_network_us,
        gpu_decode_us; // device clock; -1 where the device has no timestamps
} EffdetResult;

EFFDET_API void effdet_result_free(EffdetResult **result);

// What is reported. Taken over by the next submit; set from any thread (free-threaded).
typedef struct {
    float score_threshold; // 0..1, report confidence >= threshold
    float iou_threshold;   // 0..1, suppress IoU > threshold
    guint max_detections;  // 0 = no limit
    const gchar *classes;  // NULL or "" = all; "person,3,-car": names or channel numbers to report,
                           // -x excludes
} EffdetFilter;

// FALSE with *error when a class is unknown (the message lists what there is) or a number is out of
// its range; the filter in force stays.
EFFDET_API gboolean effdet_engine_set_filter(EffdetEngine *engine, const EffdetFilter *filter,
                                             GError **error);

// Copies the picture into a free slot and starts the device. Never waits for the device.
// EFFDET_BUSY = no free slot. A first frame of a new size or format may allocate; after that
// nothing is allocated per frame.
EFFDET_API EffdetStatus effdet_engine_submit(EffdetEngine *engine, const EffdetFrame *frame,
                                             gpointer cookie,
                                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

// Takes the oldest frame's result. timeout_us < 0 waits for it (bounded by gpu_timeout_ms), 0
// polls. On EFFDET_OK *result is set (transfer full). May run in another thread than submit: one
// thread may submit while one other collects.
EFFDET_API EffdetStatus effdet_engine_collect(EffdetEngine *engine, gint64 timeout_us,
                                              EffdetResult **result,
                                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

// Frames in flight (submitted, not collected) of the engine and all its streams. Free-threaded.
EFFDET_API guint effdet_engine_in_flight(EffdetEngine *engine);

// ---- streams
// ---------------------------------------------------------------------------------------------------------

// One of several sources of frames on one engine: they share its weights and its device, and know
// nothing of each other. Their frames go to the device in the order of their times, so that each
// gets its turn; those that come while the device is busy go to it together, in one submission.
// Results are the same as those of effdet_engine_submit(), which serves a stream of the engine's
// own. One thread may submit to a stream while one other collects from it; different streams are
// independent of each other. Whoever collects waits for the device on behalf of all.
typedef struct EffdetStream EffdetStream;

// queue_depth: frames that it may have in flight, 1..16; 0 = the engine's. All streams of an engine
// may have 256. Makes room for them: milliseconds, and the size of a picture a frame, which the
// engine keeps. The filter is the engine's. NULL with *error. The engine must outlive the stream.
// One thread at a time makes streams of an engine; frames of others may be in flight.
EFFDET_API EffdetStream *effdet_stream_new(EffdetEngine *engine, guint queue_depth,
                                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

// Forgets its frames in flight and sets *stream to NULL; waits for nothing. Accepts NULL and a
// pointer to NULL.
EFFDET_API void effdet_stream_free(EffdetStream **stream);

// As effdet_engine_set_filter(), for this stream alone. Free-threaded.
EFFDET_API gboolean effdet_stream_set_filter(EffdetStream *stream, const EffdetFilter *filter,
                                             GError **error);

// As effdet_engine_submit(). time_ns: of the frame, nanoseconds on the stream's own clock, e.g. its
// presentation time; negative = unknown. It decides whose frame goes first; a stream whose times
// jump, or that joins, is counted on from where the others are.
EFFDET_API EffdetStatus effdet_stream_submit(EffdetStream *stream, const EffdetFrame *frame,
                                             gint64 time_ns, gpointer cookie,
                                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

// As effdet_engine_collect(): the stream's results in the order of its frames. After
// EFFDET_ERROR_DEVICE_LOST every stream of the engine is dead; any other error concerns this frame.
EFFDET_API EffdetStatus effdet_stream_collect(EffdetStream *stream, gint64 timeout_us,
                                              EffdetResult **result,
                                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

// Frames in flight of this stream. Free-threaded.
EFFDET_API guint effdet_stream_in_flight(EffdetStream *stream);

// ---- raw network
// -------------------------------------------------------------------------------------------------

// One head output map: raw logits, [channels][height][width] row-major, valid during the callback
// only.
typedef struct {
    const gchar *kind; // "class" or "box"
    guint level;       // 3..8
    guint channels, height, width;
    const float *data;
} EffdetTensor;
typedef void (*EffdetTensorFunc)(const EffdetTensor *tensor, gpointer user_data);

// Runs the network on a normalised input, [3][input_height][input_width] row-major RGB, and hands
// out every head output. Synchronous; no frame may be in flight. Allocates: for tests and tools.
EFFDET_API gboolean effdet_engine_infer(EffdetEngine *engine, const float *input,
                                        EffdetTensorFunc func, gpointer user_data, GError **error);

// ---- models
// ------------------------------------------------------------------------------------------------------

// A known architecture and the weights found for it.
typedef struct {
    gchar *name;         // short name: "d0", "lite0", "person", ...
    gchar *architecture; // "tf_efficientdet_d0"; NULL where only the file would tell
    gchar *path;         // weights found, or NULL
    guint input_width, input_height;
} EffdetModel;

// All names that a search of the model folders knows. (transfer full) (element-type EffdetModel).
// Free-threaded.
EFFDET_API GPtrArray *effdet_models(void) G_GNUC_WARN_UNUSED_RESULT;

// Messages of the library go to this function (default: g_log with domain "effdet"). level: 0
// error, 1 warning, 2 info, 3 debug. Set before the first engine; func may run in any thread.
typedef void (*EffdetLogFunc)(int level, const gchar *message, gpointer user_data);
EFFDET_API void effdet_set_log_func(EffdetLogFunc func, gpointer user_data);

G_END_DECLS
