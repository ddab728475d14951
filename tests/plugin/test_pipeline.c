// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The installed plugin with the real engine, the bundled model, its pictures and the clip: what a
// user's pipeline shows.
#define _GNU_SOURCE // dladdr()
#include "golden.h"

#include <dlfcn.h>
#include <glib/gstdio.h>
#include <gst/check/gstharness.h>
#include <gst/video/video.h>
#include <stdlib.h>

// ---- pictures and golden boxes ----

typedef struct {
    const gchar *caps;
    GoldenLimits limits;
    guint padding; // of the strides
} Case;

static void check_case(GstHarness *h, GstSample *picture, const GArray *golden, const Case *c)
{
    g_autoptr(GstCaps) caps = gst_caps_from_string(c->caps);
    g_autoptr(GError) error = NULL;
    g_autoptr(GstSample) sample = gst_video_convert_sample(picture, caps, 20 * GST_SECOND, &error);
    g_autoptr(GstBuffer) out = NULL;
    g_autoptr(GArray) boxes = NULL;
    GstBuffer *buffer;
    GstVideoInfo info, original;

    g_assert_no_error(error);
    g_assert_true(gst_video_info_from_caps(&original, gst_sample_get_caps(picture)));
    g_assert_true(gst_video_info_from_caps(&info, gst_sample_get_caps(sample)));
    gst_harness_set_src_caps(h, gst_caps_ref(gst_sample_get_caps(sample)));
    buffer = c->padding != 0 ? golden_padded(gst_sample_get_buffer(sample), &info, c->padding)
                             : gst_buffer_copy(gst_sample_get_buffer(sample));
    g_assert_cmpint(gst_harness_push(h, buffer), ==, GST_FLOW_OK);
    out = gst_harness_pull(h);
    g_assert_nonnull(out);
    boxes = golden_found(out, original.width, original.height);
    golden_assert(c->caps, golden, boxes, &c->limits);
}

// One engine sees every format and size in turn, as after so many caps changes.
static void test_pictures(void)
{
    static const gchar *const pictures[] = {"one-person.jpg", "aisle.jpg"};
    static const Case cases[] = {
        {"video/x-raw,format=RGB", {0.3, 0.98, 0.01, 0}, 0},
        {"video/x-raw,format=BGR", {0.3, 0.98, 0.01, 0}, 24},
        {"video/x-raw,format=BGRx", {0.3, 0.98, 0.01, 0}, 0},
        {"video/x-raw,format=xBGR", {0.3, 0.98, 0.01, 0}, 0},
        {"video/x-raw,format=RGBA", {0.3, 0.98, 0.01, 0}, 0},
        {"video/x-raw,format=ARGB", {0.3, 0.98, 0.01, 0}, 0},
        {"video/x-raw,format=NV12", {0.4, 0.9, 0.05, 0.03}, 0},
        {"video/x-raw,format=NV12,colorimetry=bt709", {0.4, 0.9, 0.05, 0.03}, 0},
        {"video/x-raw,format=I420", {0.4, 0.9, 0.05, 0.03}, 24},
        {"video/x-raw,format=P010_10LE", {0.4, 0.9, 0.05, 0.03}, 0},
        {"video/x-raw,format=YUY2", {0.4, 0.9, 0.05, 0.03}, 24},
        {"video/x-raw,format=UYVY", {0.4, 0.9, 0.05, 0.03}, 0},
    };
    // The same scene in other sizes: the network sees other pixels.
    static const Case sizes[] = {
        {"video/x-raw,format=NV12,width=3840,height=2160", {0.6, 0.85, 0.15, 0.03}, 0},
        {"video/x-raw,format=I420,width=577,height=325", {0.6, 0.85, 0.15, 0.03}, 0},
        {"video/x-raw,format=YUY2,width=385,height=217", {0.6, 0.85, 0.15, 0.03}, 24},
    };
    GstHarness *h = gst_harness_new_parse("effdet precision=fp32 score-threshold=0.2");

    gst_harness_set_live(h, FALSE); // every frame waits for its result
    for (guint p = 0; p < G_N_ELEMENTS(pictures); p++) {
        g_autoptr(GstSample) picture = golden_picture(pictures[p]);
        g_autoptr(GArray) golden = golden_boxes(pictures[p]);

        for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
            check_case(h, picture, golden, &cases[i]);
        }
        for (guint i = 0; i < G_N_ELEMENTS(sizes) && p == 0; i++) {
            check_case(h, picture, golden, &sizes[i]);
        }
    }
    gst_harness_teardown(h);
}

// ---- the clip ----

typedef struct {
    GArray *times; // GstClockTime: PTS and duration of every buffer
    guint n_objects, n_with_objects;
} Seen;

static void look(GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer data)
{
    Seen *seen = data;
    guint n = gst_buffer_get_n_meta(buffer, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
    GstClockTime times[2] = {GST_BUFFER_PTS(buffer), GST_BUFFER_DURATION(buffer)};

    g_array_append_vals(seen->times, times, 2);
    seen->n_objects += n;
    seen->n_with_objects += n > 0;
}

static Seen play_clip(const gchar *elements)
{
    Seen seen = {.times = g_array_new(FALSE, FALSE, sizeof(GstClockTime))};
    g_autoptr(GError) error = NULL;
    g_autofree gchar *clip = golden_file("media/one-person.mkv");
    g_autofree gchar *launch =
        g_strdup_printf("filesrc location=\"%s\" ! decodebin ! %s ! fakesink name=sink "
                        "signal-handoffs=true",
                        clip, elements);
    g_autoptr(GstElement) pipeline = gst_parse_launch(launch, &error);
    g_autoptr(GstElement) sink = NULL;
    g_autoptr(GstBus) bus = NULL;
    g_autoptr(GstMessage) message = NULL;

    g_assert_no_error(error);
    bus = gst_element_get_bus(pipeline);
    sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
    g_signal_connect(sink, "handoff", G_CALLBACK(look), &seen);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    message =
        gst_bus_timed_pop_filtered(bus, 100 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    if (message != NULL && GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        gst_message_parse_error(message, &error, NULL);
        g_error("%s", error->message);
    }
    g_assert_nonnull(message);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    return seen;
}

// No buffer lost, none moved, people found.
static void test_clip(void)
{
    Seen bare = play_clip("identity"), detected = play_clip("effdet interval=25 ! overlay");

    g_assert_cmpuint(bare.times->len, ==, 2 * 250);
    g_assert_cmpuint(detected.times->len, ==, bare.times->len);
    g_assert_cmpmem(detected.times->data, detected.times->len * sizeof(GstClockTime),
                    bare.times->data, bare.times->len * sizeof(GstClockTime));
    g_test_message("%u objects on %u of 10 inferred frames", detected.n_objects,
                   detected.n_with_objects);
    g_assert_cmpuint(detected.n_with_objects, >=, 4);
    g_array_unref(bare.times);
    g_array_unref(detected.times);
}

// ---- failures ----

// ---- one engine for two ----

static void note_regions(GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer data)
{
    GString *text = data;
    gpointer state = NULL;
    GstMeta *meta;

    g_string_append_printf(text, "%" G_GUINT64_FORMAT ":", GST_BUFFER_PTS(buffer));
    while ((meta = gst_buffer_iterate_meta_filtered(
                buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)) != NULL) {
        const GstVideoRegionOfInterestMeta *roi = (GstVideoRegionOfInterestMeta *)meta;
        const GstStructure *detection =
            gst_video_region_of_interest_meta_get_param((gpointer)roi, "detection");
        g_autofree gchar *all = gst_structure_to_string(detection);

        g_string_append_printf(text, " %u,%u,%ux%u %s", roi->x, roi->y, roi->w, roi->h, all);
    }
    g_string_append_c(text, '\n');
}

// Two members of a group and one alone look at the same clip and report the same, to the last
// digit.
static void test_shared(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree gchar *clip = golden_file("media/one-person.mkv");
    g_autofree gchar *launch = g_strdup_printf(
        "filesrc location=\"%s\" ! decodebin ! tee name=t "
        "t. ! queue ! effdet share-group=hall interval=30 ! fakesink async=false name=sink0 "
        "t. ! queue ! effdet share-group=hall interval=30 ! fakesink async=false name=sink1 "
        "t. ! queue ! effdet interval=30 ! fakesink async=false name=sink2",
        clip);
    g_autoptr(GstElement) pipeline = gst_parse_launch(launch, &error);
    g_autoptr(GstBus) bus = NULL;
    g_autoptr(GstMessage) message = NULL;
    GString *found[3];

    g_assert_no_error(error);
    for (guint i = 0; i < G_N_ELEMENTS(found); i++) {
        g_autofree gchar *name = g_strdup_printf("sink%u", i);
        g_autoptr(GstElement) sink = gst_bin_get_by_name(GST_BIN(pipeline), name);

        found[i] = g_string_new(NULL);
        g_object_set(sink, "signal-handoffs", TRUE, NULL);
        g_signal_connect(sink, "handoff", G_CALLBACK(note_regions), found[i]);
    }
    bus = gst_element_get_bus(pipeline);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    message =
        gst_bus_timed_pop_filtered(bus, 100 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    g_assert_nonnull(message);
    g_assert_cmpint(GST_MESSAGE_TYPE(message), ==, GST_MESSAGE_EOS);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    g_assert_nonnull(strstr(found[2]->str, "confidence"));
    for (guint i = 0; i < G_N_ELEMENTS(found); i++) {
        g_assert_cmpstr(found[i]->str, ==, found[2]->str);
    }
    for (guint i = 0; i < G_N_ELEMENTS(found); i++) {
        g_string_free(found[i], TRUE);
    }
}

// ---- a project of zylo117's code ----

static gboolean keep_best(GstBuffer *buffer, GstMeta **meta, gpointer data)
{
    const GstVideoRegionOfInterestMeta *roi = (GstVideoRegionOfInterestMeta *)*meta;
    GstVideoRegionOfInterestMeta *best = data;

    if ((*meta)->info->api == GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE && best->w == 0) {
        *best = *roi; // the first is the most confident
    }
    return TRUE;
}

static GstVideoRegionOfInterestMeta best_region(const gchar *project)
{
    GstVideoRegionOfInterestMeta best = {.w = 0};
    g_autofree gchar *launch = g_strdup_printf("effdet project=\"%s\"", project);
    GstHarness *h = gst_harness_new_parse(launch);
    g_autoptr(GstSample) picture = golden_picture("one-person.jpg");
    g_autoptr(GstBuffer) out = NULL;

    gst_harness_set_live(h, FALSE);
    gst_harness_set_src_caps(h, gst_caps_ref(gst_sample_get_caps(picture)));
    g_assert_cmpint(gst_harness_push(h, gst_buffer_copy(gst_sample_get_buffer(picture))), ==,
                    GST_FLOW_OK);
    out = gst_harness_pull(h);
    gst_buffer_foreach_meta(out, keep_best, &best);
    gst_harness_teardown(h);
    return best;
}

// Names and anchors of a project file: of anchors half as large come boxes half as large.
static void test_project(void)
{
    static const gchar text[] =
        "project_name: walkers\n"
        "obj_list: ['walker']\n"
        "anchors_scales: '[2 ** -1, 2 ** (1.0/3.0) / 2, 2 ** (2.0/3.0) / 2]'\n"
        "anchors_ratios: '[(1.0, 1.0), (1.4, 0.7), (0.7, 1.4)]'\n";
    g_autofree gchar *folder = g_dir_make_tmp("effdet-project-XXXXXX", NULL);
    g_autofree gchar *path = g_build_filename(folder, "walkers.yml", NULL);
    GstVideoRegionOfInterestMeta plain = best_region(""), halved;

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    halved = best_region(path);
    g_assert_cmpstr(g_quark_to_string(plain.roi_type), ==, "person");
    g_assert_cmpstr(g_quark_to_string(halved.roi_type), ==, "walker");
    g_assert_cmpint(ABS((gint)halved.w * 2 - (gint)plain.w), <=, 2);
    g_assert_cmpint(ABS((gint)halved.h * 2 - (gint)plain.h), <=, 2);
    g_unlink(path);
    g_rmdir(folder);
}

static void test_missing_weights(void)
{
    g_autoptr(GstBus) bus = gst_bus_new();
    GstElement *element = gst_object_ref_sink(gst_element_factory_make("effdet", NULL));
    GstMessage *message;
    guint n_errors = 0;

    gst_element_set_bus(element, bus);
    g_object_set(element, "model", "d1", NULL);
    g_assert_cmpint(gst_element_set_state(element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
    while ((message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR)) != NULL) {
        g_autoptr(GError) error = NULL;

        gst_message_parse_error(message, &error, NULL);
        g_assert_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND);
        g_assert_null(strchr(error->message, '\n'));
        g_assert_nonnull(strstr(error->message, "d1"));
        g_assert_nonnull(strstr(error->message, "effdet fetch d1"));
        gst_message_unref(message);
        n_errors++;
    }
    g_assert_cmpuint(n_errors, ==, 1);
    gst_element_set_state(element, GST_STATE_NULL);
    gst_element_set_bus(element, NULL);
    gst_object_unref(element);
}

// A program without the address sanitizer loads a plugin with it only so.
static GStrv preload_sanitizer(GStrv environment)
{
    gpointer init = dlsym(RTLD_DEFAULT, "__asan_init");
    Dl_info info;

    if (init != NULL && dladdr(init, &info) != 0) {
        environment = g_environ_setenv(environment, "LD_PRELOAD", info.dli_fname, TRUE);
    }
    return environment;
}

// Runs a command line with no Vulkan driver to be found. Returns whether it exited 0.
static gboolean run_without_driver(const gchar *command, gchar **text)
{
    g_auto(GStrv) environment = g_get_environ();
    g_auto(GStrv) arguments = NULL;
    g_autofree gchar *errors = NULL, *output = NULL;
    g_autofree gchar *folder = g_path_get_dirname(g_getenv("EFFDET_PLUGIN"));
    g_autoptr(GError) error = NULL;
    gint status;

    environment = g_environ_setenv(environment, "VK_ICD_FILENAMES", "/nonexistent/icd.json", TRUE);
    environment = g_environ_setenv(environment, "VK_DRIVER_FILES", "/nonexistent/icd.json", TRUE);
    environment = g_environ_unsetenv(environment, "VK_INSTANCE_LAYERS");
    environment = g_environ_setenv(environment, "GST_PLUGIN_PATH", folder, TRUE);
    environment = g_environ_unsetenv(environment, "GST_TRACERS");
    environment = preload_sanitizer(environment);
    g_assert_true(g_shell_parse_argv(command, NULL, &arguments, NULL));
    g_assert_true(g_spawn_sync(NULL, arguments, environment, G_SPAWN_SEARCH_PATH, NULL, NULL,
                               &output, &errors, &status, &error));
    *text = g_strconcat(output, errors, NULL);
    return g_spawn_check_wait_status(status, NULL);
}

static void test_no_driver(void)
{
    g_autofree gchar *inspected = NULL, *launched = NULL;

    g_assert_true(run_without_driver("gst-inspect-1.0 effdet", &inspected));
    g_assert_nonnull(strstr(inspected, "score-threshold"));
    g_assert_nonnull(strstr(inspected, "effdet check"));
    g_assert_false(run_without_driver(
        "gst-launch-1.0 videotestsrc num-buffers=1 ! effdet ! fakesink", &launched));
    g_test_message("%s", launched);
    g_assert_nonnull(strstr(launched, "ERROR: from element"));
    g_assert_nonnull(strstr(launched, "icd.json"));
}

int main(int argc, char **argv)
{
    GstPlugin *plugin;
    GError *error = NULL;
    int status;

    g_test_init(&argc, &argv, NULL);
    gst_init(&argc, &argv);
    plugin = gst_plugin_load_file(g_getenv("EFFDET_PLUGIN"), &error);
    g_assert_no_error(error);
    gst_object_unref(plugin);
    g_test_add_func("/plugin/pipeline/missing-weights", test_missing_weights);
    g_test_add_func("/plugin/pipeline/no-driver", test_no_driver);
    g_test_add_func("/plugin/pipeline/pictures", test_pictures);
    g_test_add_func("/plugin/pipeline/clip", test_clip);
    g_test_add_func("/plugin/pipeline/shared", test_shared);
    g_test_add_func("/plugin/pipeline/project", test_project);
    status = g_test_run();
    gst_deinit();
    return status;
}
