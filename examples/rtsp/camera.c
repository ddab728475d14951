// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// A stand-in for a network camera: serves a clip over RTSP as Motion-JPEG, again and again, with
// timestamps that go on. It detects nothing; that is watch.c.
//
// The clip is encoded once, at the start, in the wanted size and rate. Every JPEG is a whole
// picture, so that the last one is followed by the first without a seam, and a viewer can come in
// anywhere.
#include <glib-unix.h>
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/rtsp-server/rtsp-server.h>
#include <stdio.h>

#define PATH "/stream"
#define MAX_SIDE 2040 // of RTP's form of JPEG (RFC 2435), which counts in blocks of 8

typedef struct {
    gchar *clip, *size, *user; // from the command line; user is "NAME:PASSWORD"
    gint port, fps, width, height;
    guint listening;     // id of the source that holds the server
    GPtrArray *pictures; // of GstBuffer, the clip in JPEG
} Camera;

// One playing stream. Every viewer of a shared one sees the same. Its thread may outlive the
// camera.
typedef struct {
    GPtrArray *pictures;
    guint64 fps, n_sent;
} Stream;

static gboolean encode_clip(Camera *self, GError **error)
{
    g_autofree gchar *launch =
        g_strdup_printf("filesrc name=file ! decodebin ! videorate ! videoconvert ! videoscale ! "
                        "video/x-raw,format=I420,width=%d,height=%d,framerate=%d/1 ! jpegenc ! "
                        "appsink name=sink sync=false",
                        self->width, self->height, self->fps);
    g_autoptr(GstElement) pipeline = gst_parse_launch(launch, error);
    g_autoptr(GstElement) file = NULL, sink = NULL;
    g_autoptr(GstBus) bus = NULL;
    g_autoptr(GstMessage) message = NULL;
    GstSample *sample;

    if (pipeline == NULL) {
        return FALSE;
    }
    file = gst_bin_get_by_name(GST_BIN(pipeline), "file");
    sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
    g_object_set(file, "location", self->clip, NULL);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    while ((sample = gst_app_sink_pull_sample(GST_APP_SINK(sink))) != NULL) {
        g_ptr_array_add(self->pictures, gst_buffer_ref(gst_sample_get_buffer(sample)));
        gst_sample_unref(sample);
    }
    bus = gst_element_get_bus(pipeline);
    message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    if (message != NULL) {
        gst_message_parse_error(message, error, NULL);
        return FALSE;
    }
    if (self->pictures->len == 0) {
        g_set_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE,
                    "%s: holds no video: give a clip that GStreamer can decode", self->clip);
        return FALSE;
    }
    return TRUE;
}

// The buffers share the memory of the encoded clip; only the timestamps are new.
static void send_picture(GstAppSrc *source, guint wanted, gpointer data)
{
    Stream *stream = data;
    guint64 n = stream->n_sent++;
    GstBuffer *buffer =
        gst_buffer_copy(g_ptr_array_index(stream->pictures, n % stream->pictures->len));

    GST_BUFFER_PTS(buffer) = gst_util_uint64_scale(n, GST_SECOND, stream->fps);
    GST_BUFFER_DTS(buffer) = GST_CLOCK_TIME_NONE;
    GST_BUFFER_DURATION(buffer) = GST_SECOND / stream->fps;
    gst_app_src_push_buffer(source, buffer);
}

static void free_stream(gpointer data)
{
    Stream *stream = data;

    g_ptr_array_unref(stream->pictures);
    g_free(stream);
}

static void start_stream(GstRTSPMediaFactory *factory, GstRTSPMedia *media, gpointer data)
{
    GstAppSrcCallbacks callbacks = {.need_data = send_picture};
    const Camera *camera = data;
    Stream *stream = g_new0(Stream, 1);
    g_autoptr(GstElement) element = gst_rtsp_media_get_element(media);
    g_autoptr(GstElement) source = gst_bin_get_by_name(GST_BIN(element), "source");
    g_autoptr(GstCaps) caps = gst_caps_new_simple(
        "image/jpeg", "width", G_TYPE_INT, camera->width, "height", G_TYPE_INT, camera->height,
        "framerate", GST_TYPE_FRACTION, camera->fps, 1, "parsed", G_TYPE_BOOLEAN, TRUE, NULL);

    stream->pictures = g_ptr_array_ref(camera->pictures);
    stream->fps = (guint64)camera->fps;
    gst_app_src_set_caps(GST_APP_SRC(source), caps);
    gst_app_src_set_callbacks(GST_APP_SRC(source), &callbacks, stream, free_stream);
}

// Whoever does not say the name and the password is answered "401 Unauthorized".
static void require_user(GstRTSPServer *server, GstRTSPMediaFactory *factory, const gchar *user)
{
    g_autoptr(GstRTSPAuth) auth = gst_rtsp_auth_new();
    g_autoptr(GstRTSPToken) token =
        gst_rtsp_token_new(GST_RTSP_TOKEN_MEDIA_FACTORY_ROLE, G_TYPE_STRING, "viewer", NULL);
    g_autofree gchar *basic = g_base64_encode((const guchar *)user, strlen(user));

    gst_rtsp_auth_add_basic(auth, basic, token);
    gst_rtsp_server_set_auth(server, auth);
    gst_rtsp_media_factory_add_role(factory, "viewer", GST_RTSP_PERM_MEDIA_FACTORY_ACCESS,
                                    G_TYPE_BOOLEAN, TRUE, GST_RTSP_PERM_MEDIA_FACTORY_CONSTRUCT,
                                    G_TYPE_BOOLEAN, TRUE, NULL);
}

static GstRTSPServer *serve(Camera *self, GError **error)
{
    GstRTSPServer *server = gst_rtsp_server_new();
    g_autoptr(GstRTSPMountPoints) mounts = gst_rtsp_server_get_mount_points(server);
    GstRTSPMediaFactory *factory = gst_rtsp_media_factory_new();
    g_autofree gchar *service = g_strdup_printf("%d", self->port);

    // identity waits until a picture is due, as the sensor of a camera does
    gst_rtsp_media_factory_set_launch(factory, "( appsrc name=source is-live=true format=time "
                                               "max-buffers=1 max-bytes=0 ! identity sync=true ! "
                                               "rtpjpegpay name=pay0 pt=26 )");
    gst_rtsp_media_factory_set_shared(factory, TRUE);
    g_signal_connect(factory, "media-configure", G_CALLBACK(start_stream), self);
    if (self->user != NULL) {
        require_user(server, factory, self->user);
    }
    gst_rtsp_mount_points_add_factory(mounts, PATH, factory);
    gst_rtsp_server_set_address(server, "127.0.0.1");
    gst_rtsp_server_set_service(server, service);
    self->listening = gst_rtsp_server_attach(server, NULL);
    if (self->listening == 0) {
        g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ,
                    "port %d: cannot be listened on: choose another, or 0 for any free one",
                    self->port);
        g_clear_object(&server);
    }
    return server;
}

static gboolean parse_options(Camera *self, int *argc, char ***argv, GError **error)
{
    const GOptionEntry entries[] = {
        {"clip", 0, 0, G_OPTION_ARG_FILENAME, &self->clip, "Video to show", "FILE"},
        {"port", 0, 0, G_OPTION_ARG_INT, &self->port, "TCP port; 0 = any free one", "N"},
        {"size", 0, 0, G_OPTION_ARG_STRING, &self->size, "Size of the picture", "WxH"},
        {"fps", 0, 0, G_OPTION_ARG_INT, &self->fps, "Pictures a second", "N"},
        {"user", 0, 0, G_OPTION_ARG_STRING, &self->user, "Ask viewers for this", "NAME:PASSWORD"},
        {NULL}};
    g_autoptr(GOptionContext) context =
        g_option_context_new("- a network camera that shows a clip");

    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_add_group(context, gst_init_get_option_group());
    if (!g_option_context_parse(context, argc, argv, error)) {
        return FALSE;
    }
    if (self->size != NULL && sscanf(self->size, "%dx%d", &self->width, &self->height) != 2) {
        self->width = 0;
    }
    if (self->width < 16 || self->width > MAX_SIDE || self->width % 8 != 0 || self->height < 16 ||
        self->height > MAX_SIDE || self->height % 8 != 0) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--size %s: wanted WxH in multiples of 8, at most %d each", self->size,
                    MAX_SIDE);
        return FALSE;
    }
    if (self->fps < 1 || self->fps > 120 || self->port < 0 || self->port > G_MAXUINT16) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--fps takes 1 to 120, --port 0 to 65535");
        return FALSE;
    }
    return TRUE;
}

static gboolean stop(gpointer loop)
{
    g_main_loop_quit(loop);
    return G_SOURCE_CONTINUE;
}

static GstRTSPFilterResult drop_client(GstRTSPServer *server, GstRTSPClient *client, gpointer data)
{
    return GST_RTSP_FILTER_REMOVE;
}

static GstRTSPFilterResult drop_session(GstRTSPSessionPool *pool, GstRTSPSession *session,
                                        gpointer data)
{
    return GST_RTSP_FILTER_REMOVE;
}

// Returns when the threads of all streams have ended.
static void end_streams(GstRTSPServer *server)
{
    g_autoptr(GstRTSPSessionPool) sessions = gst_rtsp_server_get_session_pool(server);

    g_list_free(gst_rtsp_server_client_filter(server, drop_client, NULL));
    g_list_free(gst_rtsp_session_pool_filter(sessions, drop_session, NULL));
    g_object_unref(server);
    gst_rtsp_thread_pool_cleanup();
}

int main(int argc, char **argv)
{
    Camera self = {.port = 8554, .fps = 25, .width = 640, .height = 360};
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(GError) error = NULL;
    GstRTSPServer *server = NULL;

    self.pictures = g_ptr_array_new_with_free_func((GDestroyNotify)gst_buffer_unref);
    if (parse_options(&self, &argc, &argv, &error)) {
        if (self.clip == NULL) {
            self.clip = g_strdup(BUNDLED_CLIP);
        }
        server = encode_clip(&self, &error) ? serve(&self, &error) : NULL;
    }
    if (server == NULL) {
        g_printerr("error: %s\n", error->message);
    } else {
        g_unix_signal_add(SIGINT, stop, loop);
        g_unix_signal_add(SIGTERM, stop, loop);
        g_print("rtsp://127.0.0.1:%d" PATH "\n", gst_rtsp_server_get_bound_port(server));
        g_main_loop_run(loop);
        g_source_remove(self.listening);
        end_streams(server);
    }
    g_ptr_array_unref(self.pictures);
    g_free(self.clip);
    g_free(self.size);
    g_free(self.user);
    gst_deinit();
    return server == NULL ? 1 : 0;
}
