// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Shows a video and the objects in it to browsers. The pipeline ends in JPEGs and texts (frames.c),
// which a web server (server.c) sends to a page that draws the boxes (page/).
#include "frames.h"
#include "server.h"

#include <glib-unix.h>
#include <signal.h>

// The network looks at as many frames as it can, and the tracker moves the boxes on between them.
// JPEG means full-range BT.601 and has no way to say otherwise.
#define PIPELINE                                                                                   \
    "uridecodebin name=source ! videoconvert ! effdet name=detector overload=skip "                \
    "score-threshold=0.3 ! effdettrack name=tracker ! videoconvert ! "                             \
    "video/x-raw,format=I420,colorimetry=1:4:0:0 ! jpegenc ! appsink name=sink"
#define SEAM_MS 100 // between the end and the beginning: a file of one picture must not spin

static gchar *model = NULL, *video = NULL, *address = NULL, **hosts = NULL;
static gint port = 8080;

static GOptionEntry options[] = {
    {"uri", 'u', 0, G_OPTION_ARG_STRING, &video,
     "file or address (default: the bundled clip); what has an end is repeated", "URI"},
    {"model", 'm', 0, G_OPTION_ARG_STRING, &model, "as the property of effdet (default: person)",
     "NAME"},
    {"listen", 'l', 0, G_OPTION_ARG_STRING, &address,
     "IP address to listen on; 0.0.0.0 shows the video to the whole network (default: 127.0.0.1)",
     "ADDRESS"},
    {"port", 'p', 0, G_OPTION_ARG_INT, &port, "TCP port; 0 = any free one (default: 8080)", "N"},
    {"allow-host", 0, 0, G_OPTION_ARG_STRING_ARRAY, &hosts,
     "a name of this machine that browsers may use, beside addresses and localhost", "NAME"},
    {NULL}};

typedef struct {
    GstElement *pipeline;
    GMainLoop *loop;
    Frames *frames;
    Server *server;
    gint status;
} App;

static void have_frame(const gchar *text, GBytes *picture, gpointer data)
{
    server_send(((App *)data)->server, text, picture);
}

static gboolean repeat(gpointer data)
{
    App *app = data;

    if (!gst_element_seek_simple(app->pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 0)) {
        g_printerr("web-viewer: the video has ended, and cannot be repeated\n");
        g_main_loop_quit(app->loop);
    }
    return G_SOURCE_REMOVE;
}

static gboolean have_message(GstBus *bus, GstMessage *message, gpointer data)
{
    App *app = data;
    g_autoptr(GError) error = NULL;

    switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_WARNING:
        gst_message_parse_warning(message, &error, NULL);
        g_printerr("web-viewer: %s: %s\n", GST_MESSAGE_SRC_NAME(message), error->message);
        break;
    case GST_MESSAGE_ERROR:
        gst_message_parse_error(message, &error, NULL);
        // what follows the first one is its consequence
        if (app->status == 0) {
            g_printerr("web-viewer: %s: %s\n", GST_MESSAGE_SRC_NAME(message), error->message);
        }
        app->status = 1;
        g_main_loop_quit(app->loop);
        break;
    case GST_MESSAGE_LATENCY:
        gst_bin_recalculate_latency(GST_BIN(app->pipeline));
        break;
    case GST_MESSAGE_EOS:
        g_timeout_add(SEAM_MS, repeat, app);
        break;
    default:
        break;
    }
    return G_SOURCE_CONTINUE;
}

static gboolean interrupt(gpointer data)
{
    g_main_loop_quit(((App *)data)->loop);
    return G_SOURCE_CONTINUE;
}

static gboolean make_pipeline(App *app, GError **error)
{
    const gchar *wanted = video != NULL ? video : CLIP;
    g_autofree gchar *uri =
        gst_uri_is_valid(wanted) ? g_strdup(wanted) : gst_filename_to_uri(wanted, error);
    g_autoptr(GstElement) source = NULL, detector = NULL, tracker = NULL, sink = NULL;
    g_autoptr(GstPad) objects = NULL;

    app->pipeline = uri != NULL
                        ? gst_parse_launch_full(PIPELINE, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error)
                        : NULL;
    if (app->pipeline == NULL) {
        return FALSE;
    }
    source = gst_bin_get_by_name(GST_BIN(app->pipeline), "source");
    detector = gst_bin_get_by_name(GST_BIN(app->pipeline), "detector");
    tracker = gst_bin_get_by_name(GST_BIN(app->pipeline), "tracker");
    sink = gst_bin_get_by_name(GST_BIN(app->pipeline), "sink");
    objects = gst_element_get_static_pad(tracker, "src");
    g_object_set(source, "uri", uri, NULL);
    g_object_set(detector, "model", model != NULL ? model : "person", NULL);
    app->frames = frames_new(objects, GST_APP_SINK(sink), have_frame, app);
    return TRUE;
}

// Until a signal, an error, or the end of what cannot be repeated.
static void play(App *app)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(app->pipeline);
    g_autofree gchar *url = server_get_url(app->server);

    app->loop = g_main_loop_new(NULL, FALSE);
    gst_bus_add_watch(bus, have_message, app);
    g_unix_signal_add(SIGINT, interrupt, app);
    g_unix_signal_add(SIGTERM, interrupt, app);
    // returns when the model is loaded; failures come by the bus
    if (gst_element_set_state(app->pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE) {
        g_print("%s\n", url);
    }
    g_main_loop_run(app->loop);
    gst_element_set_state(app->pipeline, GST_STATE_NULL);
    gst_bus_remove_watch(bus);
    g_main_loop_unref(app->loop);
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context =
        g_option_context_new("- shows a video and the objects in it to web browsers");
    g_autoptr(GError) error = NULL;
    App app = {0};

    g_option_context_add_main_entries(context, options, NULL);
    g_option_context_add_group(context, gst_init_get_option_group());
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        g_printerr("web-viewer: %s\n", error->message);
        return 2;
    }
    if (argc > 1 || port < 0 || port > G_MAXUINT16) {
        g_printerr("web-viewer: wanted a --port from 0 to 65535 and options alone: see --help\n");
        return 2;
    }
    app.server = server_new(address != NULL ? address : "127.0.0.1", (guint)port,
                            (const gchar *const *)hosts, &error);
    if (app.server != NULL && make_pipeline(&app, &error)) {
        play(&app);
    } else {
        g_printerr("web-viewer: %s\n", error->message);
        app.status = 1;
    }
    g_clear_pointer(&app.frames, frames_free);
    gst_clear_object(&app.pipeline);
    g_clear_pointer(&app.server, server_free);
    g_strfreev(hosts);
    g_free(address);
    g_free(video);
    g_free(model);
    gst_deinit();
    return app.status;
}
