// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Counts who enters areas of a video and crosses lines in it. It reads no buffer: everything comes
// in the messages of effdetzones.
#include <gst/gst.h>

#include <glib-unix.h>
#include <signal.h>

#define PIPELINE                                                                                   \
    "uridecodebin name=source ! videoconvert ! effdet name=detector ! effdettrack ! "              \
    "effdetzones name=zones ! fakesink"
#define HALVES                                                                                     \
    "{\"zones\": [{\"name\": \"left half\", \"polygon\": [[0,0],[0.5,0],[0.5,1],[0,1]]},"          \
    "             {\"name\": \"right half\", \"polygon\": [[0.5,0],[1,0],[1,1],[0.5,1]]}],"        \
    " \"lines\": [{\"name\": \"middle\", \"from\": [0.5,1], \"to\": [0.5,0]}]}"

static gchar *model = NULL, *zones_file = NULL, **videos = NULL;
static gint interval = 3;
static gdouble threshold = 0.3;

static GOptionEntry options[] = {
    {"zones", 'z', 0, G_OPTION_ARG_FILENAME, &zones_file,
     "JSON of areas and lines, as effdetzones reads it (default: two halves, and the line between)",
     "FILE"},
    {"model", 'm', 0, G_OPTION_ARG_STRING, &model, "as the property of effdet (default: person)",
     "NAME"},
    {"interval", 'i', 0, G_OPTION_ARG_INT, &interval, "look at every n-th frame (default: 3)", "N"},
    {"score-threshold", 't', 0, G_OPTION_ARG_DOUBLE, &threshold, "of the detector (default: 0.3)",
     "SCORE"},
    {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &videos, NULL, "VIDEO"},
    {NULL}};

typedef struct {
    GstElement *pipeline;
    GMainLoop *loop;
    gint status;
} App;

static void print_event(const GstStructure *event)
{
    const gchar *what = gst_structure_get_string(event, "event");
    const gchar *name = gst_structure_get_string(event, "name");
    const gchar *label = gst_structure_get_string(event, "label");
    gint64 track = 0;
    guint64 pts = 0, forward = 0, backward = 0, entered = 0, left = 0;
    guint inside = 0;

    gst_structure_get_int64(event, "track", &track);
    gst_structure_get_uint64(event, "timestamp", &pts);
    g_print("%.2f s: %s #%" G_GINT64_FORMAT, (gdouble)pts / GST_SECOND, label, track);
    if (g_str_equal(what, "cross")) {
        gst_structure_get_uint64(event, "forward", &forward);
        gst_structure_get_uint64(event, "backward", &backward);
        g_print(" crosses %s, %s: %" G_GUINT64_FORMAT " forward, %" G_GUINT64_FORMAT " backward\n",
                name, gst_structure_get_string(event, "direction"), forward, backward);
        return;
    }
    gst_structure_get_uint(event, "inside", &inside);
    gst_structure_get_uint64(event, "entered", &entered);
    gst_structure_get_uint64(event, "left", &left);
    g_print(" %s %s: %u inside, %" G_GUINT64_FORMAT " entered, %" G_GUINT64_FORMAT " left\n",
            g_str_equal(what, "enter")   ? "enters"
            : g_str_equal(what, "leave") ? "leaves"
                                         : "stays in",
            name, inside, entered, left);
}

static gboolean have_message(GstBus *bus, GstMessage *message, gpointer data)
{
    App *app = data;
    g_autoptr(GError) error = NULL;

    switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_ELEMENT:
        if (gst_message_has_name(message, "effdet-zone")) {
            print_event(gst_message_get_structure(message));
        }
        break;
    case GST_MESSAGE_WARNING:
        gst_message_parse_warning(message, &error, NULL);
        g_printerr("people-counter: %s: %s\n", GST_MESSAGE_SRC_NAME(message), error->message);
        break;
    case GST_MESSAGE_ERROR:
        gst_message_parse_error(message, &error, NULL);
        g_printerr("people-counter: %s: %s\n", GST_MESSAGE_SRC_NAME(message), error->message);
        app->status = 1;
        g_main_loop_quit(app->loop);
        break;
    case GST_MESSAGE_EOS:
        g_main_loop_quit(app->loop);
        break;
    default:
        break;
    }
    return G_SOURCE_CONTINUE;
}

static gboolean interrupt(gpointer data)
{
    App *app = data;

    g_main_loop_quit(app->loop);
    return G_SOURCE_CONTINUE;
}

// NULL, with *error set.
static GstElement *make_pipeline(const gchar *video, GError **error)
{
    g_autofree gchar *uri =
        gst_uri_is_valid(video) ? g_strdup(video) : gst_filename_to_uri(video, error);
    g_autoptr(GstElement) source = NULL, detector = NULL, zones = NULL;
    GstElement *pipeline =
        uri != NULL ? gst_parse_launch_full(PIPELINE, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error)
                    : NULL;

    if (pipeline == NULL) {
        return NULL;
    }
    source = gst_bin_get_by_name(GST_BIN(pipeline), "source");
    detector = gst_bin_get_by_name(GST_BIN(pipeline), "detector");
    zones = gst_bin_get_by_name(GST_BIN(pipeline), "zones");
    g_object_set(source, "uri", uri, NULL);
    g_object_set(detector, "model", model != NULL ? model : "person", "interval", (guint)interval,
                 "score-threshold", threshold, NULL);
    g_object_set(zones, zones_file != NULL ? "zones-file" : "zones",
                 zones_file != NULL ? zones_file : HALVES, NULL);
    return pipeline;
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new("- counts who comes and goes");
    g_autoptr(GError) error = NULL;
    g_autoptr(GstBus) bus = NULL;
    App app = {0};

    g_option_context_add_main_entries(context, options, NULL);
    g_option_context_add_group(context, gst_init_get_option_group());
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        g_printerr("people-counter: %s\n", error->message);
        return 2;
    }
    if (videos != NULL && videos[1] != NULL) {
        g_printerr("people-counter: one video at a time\n");
        return 2;
    }
    if (interval < 1 || threshold < 0 || threshold > 1) {
        g_printerr("people-counter: --interval from 1 on and --score-threshold from 0 to 1 are "
                   "wanted\n");
        return 2;
    }
    app.pipeline = make_pipeline(videos != NULL ? videos[0] : CLIP, &error);
    if (app.pipeline == NULL) {
        g_printerr("people-counter: %s\n", error->message);
        return 1;
    }
    app.loop = g_main_loop_new(NULL, FALSE);
    bus = gst_element_get_bus(app.pipeline);
    gst_bus_add_watch(bus, have_message, &app);
    g_unix_signal_add(SIGINT, interrupt, &app);
    g_unix_signal_add(SIGTERM, interrupt, &app);
    gst_element_set_state(app.pipeline, GST_STATE_PLAYING);
    g_main_loop_run(app.loop);
    gst_element_set_state(app.pipeline, GST_STATE_NULL);
    gst_bus_remove_watch(bus);
    gst_object_unref(app.pipeline);
    g_main_loop_unref(app.loop);
    g_strfreev(videos);
    g_free(model);
    g_free(zones_file);
    return app.status;
}
