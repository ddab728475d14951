// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// Our metas on the way through other people's elements, as README.md says under "What is on a
// buffer". What others draw of them is in test_drawn.c.
#include "fixture.h"

#include "meta/frame_meta.h"
#include "track/gsteffdettrack.h"
#include "zones/gsteffdetzones.h"

#ifdef HAVE_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

#define DETECTOR                                                                                   \
    "effdet ! effdettrack confirm-time=0 ! effdetzones debounce=0 "                                \
    "zones={\\\"zones\\\":[{\\\"name\\\":\\\"all\\\",\\\"polygon\\\":[[0,0],[1,0],[1,1],[0,1]]}]}"

static const EffdetObject one_object[] = {{0, 0.9f, 16, 12, 24, 20}};
static const FakeScript script = {.objects = one_object, .n_objects = 1};

// What of it is on a buffer, in words.
static gchar *describe(GstBuffer *buffer)
{
    GString *text = g_string_new(NULL);
    const EffdetFrameMeta *frame = effdet_frame_meta_get(buffer);
    GstVideoRegionOfInterestMeta *roi;
    gpointer state = NULL;

    while ((roi = (GstVideoRegionOfInterestMeta *)gst_buffer_iterate_meta_filtered(
                buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)) != NULL) {
        g_string_append_printf(text, "roi %s %u,%u %ux%u", g_quark_to_string(roi->roi_type), roi->x,
                               roi->y, roi->w, roi->h);
        for (GList *param = roi->params; param != NULL; param = param->next) {
            g_string_append_printf(text, " %s", gst_structure_get_name(param->data));
        }
        g_string_append(text, "; ");
    }
#ifdef HAVE_ANALYTICS
    GstAnalyticsRelationMeta *relations = gst_buffer_get_analytics_relation_meta(buffer);
    GstAnalyticsODMtd od;
    GstAnalyticsTrackingMtd track;
    gint x, y, w, h;
    gfloat confidence;

    state = NULL;
    while (relations != NULL && gst_analytics_relation_meta_iterate(
                                    relations, &state, gst_analytics_od_mtd_get_mtd_type(), &od)) {
        g_assert_true(gst_analytics_od_mtd_get_location(&od, &x, &y, &w, &h, &confidence));
        g_string_append_printf(text, "analytics %s %d,%d %dx%d %.1f",
                               g_quark_to_string(gst_analytics_od_mtd_get_obj_type(&od)), x, y, w,
                               h, confidence);
        if (gst_analytics_relation_meta_get_direct_related(
                relations, od.id, GST_ANALYTICS_REL_TYPE_ANY,
                gst_analytics_tracking_mtd_get_mtd_type(), NULL, &track)) {
            g_string_append(text, " tracked");
        }
        g_string_append(text, "; ");
    }
#endif
    g_string_append(text, frame != NULL && frame->inferred ? "frame; " : "");
    g_string_append(text, gst_buffer_get_custom_meta(buffer, "EffdetZones") ? "zones; " : "");
    return g_string_free(text, FALSE);
}

typedef enum {
    KEPT,
    BARE, // without the parameters of the region-of-interest metas
    GONE, // but for the metas of the frame
} Left;

typedef struct {
    const gchar *name, *elements, *caps;
    Left left;
    const gchar *box; // in pixels of what comes out
} Way;

#define SAME FRAME_CAPS
#define BOX "16,12 24x20"

static const Way ways[] = {
    {"queue", "queue", SAME, KEPT, BOX},
    {"tee", "tee name=t ! queue ! videobalance brightness=0.1 t. ! queue ! fakesink async=false",
     SAME, KEPT, BOX},
    {"identity", "identity", SAME, KEPT, BOX},
    {"capsfilter", "capsfilter caps=video/x-raw", SAME, KEPT, BOX},
    {"videorate", "videorate", SAME, KEPT, BOX},
    {"videorate-doubles", "videorate", "video/x-raw,format=NV12,width=64,height=48,framerate=50/1",
     KEPT, BOX},
    {"videobalance", "videobalance brightness=0.1", SAME, KEPT, BOX},
    {"videoconvert-idle", "videoconvert", SAME, KEPT, BOX},
    {"videoscale-idle", "videoscale", SAME, KEPT, BOX},
    {"videoconvert", "videoconvert", "video/x-raw,format=RGB,width=64,height=48,framerate=25/1",
     BARE, BOX},
    {"videoscale", "videoscale", "video/x-raw,format=NV12,width=32,height=24,framerate=25/1", BARE,
     "8,6 12x10"},
    {"videoconvertscale", "videoconvertscale",
     "video/x-raw,format=BGRx,width=128,height=96,framerate=25/1", BARE, "32,24 48x40"},
    // an encoder and its decoder hand on what came with the frame, packets do not
    {"jpeg", "jpegenc ! jpegdec", "video/x-raw", KEPT, BOX},
    {"vp8", "videoconvert ! vp8enc deadline=1 ! vp8dec", "video/x-raw", BARE, BOX},
    {"rtp", "jpegenc ! rtpjpegpay ! rtpjpegdepay ! jpegdec", "video/x-raw", GONE, NULL},
#if !GST_CHECK_VERSION(1, 27, 0) // which began to carry boxes through these
    {"videocrop", "videocrop left=8", "video/x-raw", GONE, NULL},
    {"videoflip", "videoflip video-direction=horiz", "video/x-raw", GONE, NULL},
#endif
};

static void test_way(gconstpointer data)
{
    const Way *way = data;
    g_autofree gchar *line = g_strdup_printf(DETECTOR " ! %s", way->elements);
    g_autofree gchar *found = NULL;
    g_autoptr(GString) wanted = g_string_new(NULL);
    g_autoptr(GstBuffer) buffer = NULL;
    GstHarness *h;

    fake_script(&script);
    h = gst_harness_new_parse(line);
    gst_harness_set_live(h, FALSE); // so that every frame is looked at
    gst_harness_set_caps_str(h, FRAME_CAPS, way->caps);
    for (guint n = 0; n < 4; n++) {
        g_assert_cmpint(fixture_push(h, n), ==, GST_FLOW_OK);
    }
    g_assert_true(gst_harness_push_event(h, gst_event_new_eos()));
    for (guint n = 0; n < 3; n++) {
        gst_clear_buffer(&buffer);
        buffer = gst_harness_pull(h);
        g_assert_nonnull(buffer);
    }
    found = describe(buffer);
    if (way->left != GONE) {
        g_string_append_printf(wanted, "roi person %s%s; ", way->box,
                               way->left == KEPT ? " detection object_id zones" : "");
#ifdef HAVE_ANALYTICS
        g_string_append_printf(wanted, "analytics person %s 0.9 tracked; ", way->box);
#endif
    }
    g_string_append(wanted, "frame; zones; ");
    g_assert_cmpstr(found, ==, wanted->str);
    gst_harness_teardown(h);
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_assert_true(GST_ELEMENT_REGISTER(effdettrack, NULL));
    g_assert_true(GST_ELEMENT_REGISTER(effdetzones, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(ways); i++) {
        g_autofree gchar *path = g_strdup_printf("/plugin/interop/%s", ways[i].name);

        g_test_add_data_func(path, &ways[i], test_way);
    }
    return fixture_run();
}
