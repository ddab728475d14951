// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Watches RTSP cameras and prints what is seen, whatever the cameras do: one pipeline a camera,
//
//     [ rtspsrc ! decodebin ] ! videoconvert ! effdet ! sink
//
// of which only the bracketed part is thrown away when the camera is lost, and made anew after a
// pause. The detector keeps its network, and the pipeline keeps playing: its running time goes on,
// and rtspsrc, being live, stamps frames with the running time of their arrival, whatever the
// camera's own timestamps say. place_in_time() mends the rest.
#include "report.h"

#include <glib-unix.h>
#include <string.h>

#define FIRST_PAUSE_MS 1000 // before the second attempt; doubled by each one that fails
#define LONGEST_PAUSE_MS 30000
#define STEADY_US (10 * G_USEC_PER_SEC) // who played for so long starts at FIRST_PAUSE_MS again

typedef struct {
    gchar *model, *share_group;
    gint latency_ms, timeout_s, n_attempts;
    gboolean tcp, show, json;
    gchar **locations;
    GMainLoop *loop;
    guint n_watched; // cameras that are not given up
    int status;      // of the program
} Watch;

typedef struct {
    Watch *watch;
    guint number;
    const gchar *location;
    GstElement *pipeline, *entry, *detector; // entry is what sources are linked to
    GstElement *source;                      // NULL while there is none
    guint timer;                             // watchdog of a source, or the pause before the next
    gboolean given_up;
    guint n_failed;          // attempts since it last played steadily
    gint64 playing_since_us; // 0 = no frame yet
    gint64 last_frame_us;    // atomic; monotonic time
    // The two streaming threads', each its own
    gboolean placed;      // the source's first frame has come
    GstClockTime running; // running time of the last frame that left a source
    gchar *seen;
} Camera;

static gboolean connect_source(gpointer data);

// ---- states ----

// Says it without the password that the address may hold.
static gchar *public_location(const Camera *self)
{
    g_autoptr(GstUri) uri = gst_uri_from_string(self->location);

    if (uri == NULL || !gst_uri_set_userinfo(uri, NULL)) {
        return g_strdup("its address");
    }
    return gst_uri_to_string(uri);
}

static void say(const Camera *self, const gchar *state, const gchar *detail)
{
    g_autoptr(GstStructure) stats = NULL;
    g_autofree gchar *fields = NULL;
    guint64 n_inferred = 0;

    g_object_get(self->detector, "stats", &stats, NULL);
    gst_structure_get_uint64(stats, "inferred", &n_inferred);
    fields = g_strdup_printf(",\"inferred\":%" G_GUINT64_FORMAT, n_inferred);
    report_state(self->number, self->watch->json, state, detail, fields);
}

// One timer a camera; a function that runs from it may set it anew.
static void set_timer(Camera *self, guint ms, GSourceFunc function)
{
    if (self->timer != 0) {
        g_source_remove(self->timer);
    }
    self->timer = function != NULL ? g_timeout_add(ms, function, self) : 0;
}

// Its threads have ended when this returns.
static void remove_source(Camera *self)
{
    set_timer(self, 0, NULL);
    if (self->source != NULL) {
        gst_element_set_state(self->source, GST_STATE_NULL);
        gst_bin_remove(GST_BIN(self->pipeline), self->source);
        self->source = NULL;
    }
}

static void give_up(Camera *self, const gchar *reason)
{
    remove_source(self);
    say(self, "given-up", reason);
    self->given_up = TRUE;
    self->watch->status = 1;
    if (--self->watch->n_watched == 0) {
        g_main_loop_quit(self->watch->loop);
    }
}

// Half of the pause is random: cameras behind one restarted switch are not all asked at once.
static void lose(Camera *self, const gchar *reason)
{
    g_autofree gchar *detail = NULL;
    guint pause_ms;

    if (self->playing_since_us != 0 &&
        g_get_monotonic_time() - self->playing_since_us > STEADY_US) {
        self->n_failed = 0;
    }
    self->n_failed++;
    if (self->watch->n_attempts > 0 && self->n_failed >= (guint)self->watch->n_attempts) {
        give_up(self, reason);
        return;
    }
    remove_source(self);
    pause_ms = MIN(FIRST_PAUSE_MS << MIN(self->n_failed - 1, 10), LONGEST_PAUSE_MS);
    pause_ms = (guint)g_random_int_range((gint)pause_ms / 2, (gint)pause_ms + 1);
    detail = g_strdup_printf("%s; next attempt in %.1f s", reason, pause_ms / 1000.0);
    say(self, "lost", detail);
    set_timer(self, pause_ms, connect_source);
}

// Starts again if another frame has come since.
static gboolean look_for_frames(gpointer data)
{
    Camera *self = data;
    gint64 last_us = __atomic_load_n(&self->last_frame_us, __ATOMIC_RELAXED);
    gint64 left_us = last_us + self->watch->timeout_s * G_USEC_PER_SEC - g_get_monotonic_time();

    if (left_us <= 0) {
        g_autofree gchar *reason = g_strdup_printf("no frame for %d s", self->watch->timeout_s);
        lose(self, reason);
    } else {
        set_timer(self, (guint)(left_us / 1000) + 1, look_for_frames);
    }
    return G_SOURCE_REMOVE;
}

// ---- the source's threads ----

// Frames come later than the last one that went through, and not from the future. With rtspsrc they
// do; a source with times of its own is shifted to where the pipeline is.
static void place_in_time(Camera *self, GstPad *pad, const GstSegment *segment, GstClockTime pts)
{
    GstClockTime now = gst_element_get_current_running_time(self->pipeline);
    guint64 running = 0;
    gint sign = gst_segment_to_running_time_full(segment, GST_FORMAT_TIME, pts, &running);
    gint64 signed_running = sign < 0 ? -(gint64)running : (gint64)running;

    if (sign != 0 && GST_CLOCK_TIME_IS_VALID(now) &&
        (sign < 0 || running <= self->running || running > now + GST_SECOND)) {
        gst_pad_set_offset(pad, (gint64)MAX(now, self->running) - signed_running);
    }
}

static void tell_main_loop(Camera *self, GstPad *pad, const gchar *what)
{
    GstObject *source = gst_pad_get_parent(pad);

    gst_element_post_message(GST_ELEMENT(source),
                             gst_message_new_application(source, gst_structure_new_empty(what)));
    gst_object_unref(source);
}

static GstPadProbeReturn from_source(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    Camera *self = data;
    GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
    GstEvent *event;
    const GstSegment *segment;

    if ((GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM) != 0) {
        if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) != GST_EVENT_EOS) {
            return GST_PAD_PROBE_OK;
        }
        tell_main_loop(self, pad, "ended");
        return GST_PAD_PROBE_DROP; // the end of a source is not the end of the pipeline
    }
    __atomic_store_n(&self->last_frame_us, g_get_monotonic_time(), __ATOMIC_RELAXED);
    event = gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0);
    if (event != NULL) {
        gst_event_parse_segment(event, &segment);
        if (!self->placed) {
            place_in_time(self, pad, segment, GST_BUFFER_PTS(buffer));
        }
        self->running =
            gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer)) +
            (GstClockTime)gst_pad_get_offset(pad);
        gst_event_unref(event);
    }
    if (!self->placed) {
        self->placed = TRUE;
        tell_main_loop(self, pad, "playing");
    }
    return GST_PAD_PROBE_OK;
}

// Cameras offer sound and metadata as well.
static gboolean select_stream(GstElement *rtspsrc, guint number, GstCaps *caps, gpointer data)
{
    const gchar *media = gst_structure_get_string(gst_caps_get_structure(caps, 0), "media");

    return g_strcmp0(media, "video") == 0;
}

// A second video stream finds the decoder taken, and is not shown.
static void link_stream(GstElement *rtspsrc, GstPad *pad, gpointer decoder)
{
    g_autoptr(GstPad) sink = gst_element_get_static_pad(decoder, "sink");

    gst_pad_link(pad, sink);
}

static void expose_picture(GstElement *decoder, GstPad *pad, gpointer ghost)
{
    gst_ghost_pad_set_target(ghost, pad);
}

// ---- connections ----

static gboolean connect_source(gpointer data)
{
    Camera *self = data;
    const Watch *watch = self->watch;
    GstElement *rtspsrc = gst_element_factory_make("rtspsrc", NULL);
    GstElement *decoder = gst_element_factory_make("decodebin", NULL);
    GstPad *ghost = gst_ghost_pad_new_no_target("src", GST_PAD_SRC);
    g_autoptr(GstPad) entry = gst_element_get_static_pad(self->entry, "sink");
    g_autofree gchar *location = public_location(self);

    // else a decoder that waits for its first frame would pause the pipeline, for ever if it goes
    self->source = gst_element_factory_make_full("bin", "async-handling", TRUE, NULL);
    self->placed = FALSE;
    self->playing_since_us = 0;
    self->last_frame_us = g_get_monotonic_time();
    g_object_set(rtspsrc, "location", self->location, "latency", (guint)watch->latency_ms,
                 "drop-on-latency", TRUE, "tcp-timeout",
                 (guint64)(watch->timeout_s * G_USEC_PER_SEC), NULL);
    if (watch->tcp) {
        gst_util_set_object_arg(G_OBJECT(rtspsrc), "protocols", "tcp");
    }
    g_signal_connect(rtspsrc, "select-stream", G_CALLBACK(select_stream), NULL);
    g_signal_connect(rtspsrc, "pad-added", G_CALLBACK(link_stream), decoder);
    g_signal_connect(decoder, "pad-added", G_CALLBACK(expose_picture), ghost);
    gst_bin_add_many(GST_BIN(self->source), rtspsrc, decoder, NULL);
    gst_pad_add_probe(ghost, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
                      from_source, self, NULL);
    gst_element_add_pad(self->source, ghost);
    gst_bin_add(GST_BIN(self->pipeline), self->source);
    gst_pad_link(ghost, entry);
    say(self, "connecting", location);
    set_timer(self, (guint)watch->timeout_s * 1000, look_for_frames);
    gst_element_sync_state_with_parent(self->source);
    return G_SOURCE_REMOVE;
}

static void now_playing(Camera *self)
{
    g_autoptr(GstPad) pad = gst_element_get_static_pad(self->entry, "sink");
    g_autoptr(GstCaps) caps = gst_pad_get_current_caps(pad);
    g_autofree gchar *size = NULL;
    gint width = 0, height = 0;

    if (caps != NULL) {
        gst_structure_get(gst_caps_get_structure(caps, 0), "width", G_TYPE_INT, &width, "height",
                          G_TYPE_INT, &height, NULL);
    }
    size = g_strdup_printf("%dx%d", width, height);
    self->playing_since_us = g_get_monotonic_time();
    say(self, "playing", size);
}

// What another attempt does not mend. Cameras lock out who keeps trying a wrong password.
static gboolean is_hopeless(const GError *error)
{
    return g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED) ||
           g_error_matches(error, GST_STREAM_ERROR, GST_STREAM_ERROR_CODEC_NOT_FOUND) ||
           g_error_matches(error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN);
}

static void handle_error(Camera *self, GstMessage *message)
{
    g_autoptr(GError) error = NULL;
    g_autofree gchar *debug = NULL, *text = NULL;
    const gchar *why;

    gst_message_parse_error(message, &error, &debug);
    why = debug != NULL ? strrchr(debug, '\n') : NULL; // behind the place in the source code
    text = g_strdup_printf("%s%s%s", error->message, why != NULL ? " " : "",
                           why != NULL ? why + 1 : "");
    if (self->source != NULL &&
        gst_object_has_as_ancestor(GST_MESSAGE_SRC(message), GST_OBJECT(self->source))) {
        if (is_hopeless(error)) {
            give_up(self, text);
        } else {
            lose(self, text);
        }
    } else if (!self->given_up &&
               gst_object_has_as_ancestor(GST_MESSAGE_SRC(message), GST_OBJECT(self->pipeline))) {
        give_up(self, text); // the detector's or the sink's; what is left comes from lost sources
    }
}

static gboolean handle_message(GstBus *bus, GstMessage *message, gpointer data)
{
    Camera *self = data;

    switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_ERROR:
        handle_error(self, message);
        break;
    case GST_MESSAGE_LATENCY: // a new source has another one
        gst_bin_recalculate_latency(GST_BIN(self->pipeline));
        break;
    case GST_MESSAGE_APPLICATION:
        if (self->source == NULL || GST_MESSAGE_SRC(message) != GST_OBJECT(self->source)) {
            break; // of a source that is gone
        }
        if (gst_message_has_name(message, "playing")) {
            now_playing(self);
        } else {
            lose(self, "the camera ended the stream");
        }
        break;
    default:
        break;
    }
    return G_SOURCE_CONTINUE;
}

// ---- cameras ----

// The detector's thread.
static GstPadProbeReturn from_detector(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    Camera *self = data;
    GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
    g_autoptr(GstEvent) event = gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0);
    GstClockTime running = GST_CLOCK_TIME_NONE;
    const GstSegment *segment;

    if (event != NULL) {
        gst_event_parse_segment(event, &segment);
        running = gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
    }
    report_objects(self->number, self->watch->json, pad, buffer, running,
                   GST_CLOCK_DIFF(running, gst_element_get_current_running_time(self->pipeline)),
                   &self->seen);
    return GST_PAD_PROBE_OK;
}

// A pipeline that waits for a first frame to show would not play, and have no time, without one.
static void do_not_wait(GstBin *bin, GstBin *sub_bin, GstElement *element, gpointer data)
{
    if (GST_OBJECT_FLAG_IS_SET(element, GST_ELEMENT_FLAG_SINK) &&
        g_object_class_find_property(G_OBJECT_GET_CLASS(element), "async") != NULL) {
        g_object_set(element, "async", FALSE, NULL);
    }
}

static gboolean start_camera(Camera *self, GError **error)
{
    const Watch *watch = self->watch;
    g_autoptr(GstElement) end = NULL;
    g_autoptr(GstPad) pad = NULL;
    g_autoptr(GstBus) bus = NULL;

    self->pipeline = gst_pipeline_new(NULL);
    g_signal_connect(self->pipeline, "deep-element-added", G_CALLBACK(do_not_wait), NULL);
    self->entry = gst_element_factory_make("videoconvert", NULL);
    self->detector = gst_element_factory_make_full("effdet", "model", watch->model, "share-group",
                                                   watch->share_group, NULL);
    end = gst_parse_bin_from_description(
        watch->show ? "effdetoverlay ! videoconvert ! autovideosink" : "fakesink sync=false", TRUE,
        error);
    if (self->entry == NULL || self->detector == NULL || end == NULL) {
        g_clear_error(error);
        g_set_error(error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
                    "GStreamer does not find effdet: set GST_PLUGIN_PATH, or use meson devenv");
        return FALSE;
    }
    gst_bin_add_many(GST_BIN(self->pipeline), self->entry, self->detector, gst_object_ref(end),
                     NULL);
    gst_element_link_many(self->entry, self->detector, end, NULL);
    pad = gst_element_get_static_pad(self->detector, "src");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, from_detector, self, NULL);
    bus = gst_element_get_bus(self->pipeline);
    gst_bus_add_watch(bus, handle_message, self);
    // returns when the model is loaded; failures come by the bus
    if (gst_element_set_state(self->pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE) {
        connect_source(self);
    }
    return TRUE;
}

static void stop_camera(Camera *self)
{
    g_autoptr(GstBus) bus = self->pipeline != NULL ? gst_element_get_bus(self->pipeline) : NULL;

    if (bus != NULL) {
        remove_source(self);
        gst_element_set_state(self->pipeline, GST_STATE_NULL);
        gst_bus_remove_watch(bus);
        gst_object_unref(self->pipeline);
    }
    g_free(self->seen);
}

// ---- the program ----

static gboolean parse_options(Watch *self, int *argc, char ***argv, GError **error)
{
    const GOptionEntry entries[] = {
        {"model", 0, 0, G_OPTION_ARG_STRING, &self->model, "As effdet's (person)", "NAME"},
        {"share-group", 0, 0, G_OPTION_ARG_STRING, &self->share_group, "As effdet's", "NAME"},
        {"latency", 0, 0, G_OPTION_ARG_INT, &self->latency_ms, "As rtspsrc's (200)", "MS"},
        {"timeout", 0, 0, G_OPTION_ARG_INT, &self->timeout_s, "Lost without a frame (10)", "S"},
        {"attempts", 0, 0, G_OPTION_ARG_INT, &self->n_attempts, "In a row (no limit)", "N"},
        {"tcp", 0, 0, G_OPTION_ARG_NONE, &self->tcp, "Video over TCP, not UDP", NULL},
        {"show", 0, 0, G_OPTION_ARG_NONE, &self->show, "A window for each camera", NULL},
        {"json", 0, 0, G_OPTION_ARG_NONE, &self->json, "JSON, one object a line", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &self->locations, NULL, "ADDRESS..."},
        {NULL}};
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);

    g_option_context_set_summary(context, "Exit status: 0 stopped, 1 a camera was given up.");
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_add_group(context, gst_init_get_option_group());
    if (!g_option_context_parse(context, argc, argv, error)) {
        return FALSE;
    }
    for (guint i = 0; self->locations != NULL && self->locations[i] != NULL; i++) {
        if (!g_str_has_prefix(self->locations[i], "rtsp")) {
            g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                        "%s: wanted an address that starts with rtsp:// or rtsps://",
                        self->locations[i]);
            return FALSE;
        }
        self->n_watched++;
    }
    if (self->n_watched == 0 || self->timeout_s < 1 || self->latency_ms < 0) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "wanted an address, a --timeout from 1, a --latency from 0: see --help");
        return FALSE;
    }
    return TRUE;
}

static gboolean stop(gpointer loop)
{
    g_main_loop_quit(loop);
    return G_SOURCE_CONTINUE;
}

static gboolean run(Watch *self, GError **error)
{
    guint n = self->n_watched;
    g_autofree Camera *cameras = g_new0(Camera, n);
    gboolean ok = TRUE;

    g_unix_signal_add(SIGINT, stop, self->loop);
    g_unix_signal_add(SIGTERM, stop, self->loop);
    for (guint i = 0; i < n && ok; i++) {
        cameras[i] = (Camera){.watch = self, .number = i + 1, .location = self->locations[i]};
        ok = start_camera(&cameras[i], error);
    }
    if (ok) {
        g_main_loop_run(self->loop);
    }
    for (guint i = 0; i < n; i++) {
        stop_camera(&cameras[i]);
    }
    return ok;
}

int main(int argc, char **argv)
{
    Watch self = {.latency_ms = 200, .timeout_s = 10};
    g_autoptr(GError) error = NULL;

    self.model = g_strdup("person");
    self.loop = g_main_loop_new(NULL, FALSE);
    if (!parse_options(&self, &argc, &argv, &error) || !run(&self, &error)) {
        g_printerr("error: %s\n", error->message);
        self.status = 2;
    }
    g_main_loop_unref(self.loop);
    g_strfreev(self.locations);
    g_free(self.model);
    g_free(self.share_group);
    gst_deinit();
    return self.status;
}
