// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// effdetpublish: what stands in a line, and which frames have one.
#include "publish_video.h"

#include <locale.h>
#include <math.h>
#include <string.h>

#include "meta/frame_meta.h"
#include "meta/zone_meta.h"
#include "publish/gsteffdetpublish.h"
#include "publish/json.h"
#include "publish/record.h"
#include "zones/gsteffdetzones.h"

#define NTP_OF_1970 G_GUINT64_CONSTANT(2208988800)

static gchar *folder; // of this run

static gchar *path_of(const gchar *name)
{
    return g_build_filename(folder, name, NULL);
}

// ---- a line -------------------------------------------------------------------------------------

static JsonObject *object_in(JsonObject *object, const gchar *name)
{
    g_assert_true(json_object_has_member(object, name));
    return json_object_get_object_member(object, name);
}

static JsonObject *item_of(JsonObject *object, const gchar *name, guint n)
{
    JsonArray *array = json_object_get_array_member(object, name);

    g_assert_true(array != NULL && json_array_get_length(array) > n);
    return json_array_get_object_element(array, n);
}

static void assert_text(JsonObject *object, const gchar *name, const gchar *wanted)
{
    g_assert_true(json_object_has_member(object, name));
    g_assert_cmpstr(json_object_get_string_member(object, name), ==, wanted);
}

static void assert_number(JsonObject *object, const gchar *name, double wanted)
{
    g_assert_true(json_object_has_member(object, name));
    g_assert_cmpfloat_with_epsilon(json_object_get_double_member(object, name), wanted, 1e-8);
}

static void assert_members(JsonObject *object, const gchar *wanted)
{
    g_autoptr(GList) names = json_object_get_members(object);
    g_autoptr(GString) found = g_string_new(NULL);

    for (GList *l = names; l != NULL; l = l->next) {
        g_string_append_printf(found, "%s%s", found->len > 0 ? " " : "", (gchar *)l->data);
    }
    g_assert_cmpstr(found->str, ==, wanted);
}

static JsonNode *write_record(const Record *record)
{
    g_autoptr(GString) line = g_string_new(NULL);

    record_write(line, record);
    return publish_parse(line->str);
}

static void test_record(void)
{
    const EffdetDetection objects[] = {
        {.label = g_quark_from_static_string("person"),
         .label_id = 3,
         .confidence = 0.875,
         .x = 16,
         .y = 12,
         .w = 32,
         .h = 60, // reaches below the picture
         .id = 7,
         .track_id = 41,
         .track_label = g_quark_from_static_string("car"),
         .predicted = TRUE},
        {.label_id = -1, .confidence = NAN, .x = -4, .y = 0, .w = 8, .h = 8},
    };
    const EffdetFrameMeta frame = {.inferred = FALSE};
    g_autoptr(GArray) array = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));
    g_autoptr(JsonNode) node = NULL;
    JsonObject *top, *object, *box;

    g_array_append_vals(array, objects, 2);
    node = write_record(&(Record){.width = 64,
                                  .height = 48,
                                  .source = "door",
                                  .stream_time = 1234567890123,
                                  .utc = {.unix_ns = 1700000000123456789, .of_sender = TRUE},
                                  .frame = &frame,
                                  .objects = array});
    top = json_node_get_object(node);
    assert_members(top, "inferred objects resolution source rtp timestamp utc utc_estimated");
    assert_members(object_in(top, "resolution"), "height width");
    assert_number(object_in(top, "resolution"), "width", 64);
    assert_number(object_in(top, "resolution"), "height", 48);
    assert_text(top, "source", "door");
    g_assert_cmpint(json_object_get_int_member(top, "timestamp"), ==, 1234567890123);
    g_assert_cmpint(
        json_object_get_int_member(object_in(top, "rtp"), "sender_ntp_unix_timestamp_ns"), ==,
        1700000000123456789);
    assert_text(top, "utc", "2023-11-14T22:13:20.123456Z");
    g_assert_false(json_object_get_boolean_member(top, "utc_estimated"));
    g_assert_false(json_object_get_boolean_member(top, "inferred"));

    object = item_of(top, "objects", 0);
    assert_members(object, "detection h id predicted region_id roi_type track_label w x y");
    assert_members(object_in(object, "detection"), "bounding_box confidence label label_id");
    box = object_in(object_in(object, "detection"), "bounding_box");
    assert_members(box, "x_max x_min y_max y_min");
    assert_number(box, "x_min", 0.25);
    assert_number(box, "x_max", 0.75);
    assert_number(box, "y_min", 0.25);
    assert_number(box, "y_max", 1.0);
    assert_number(object_in(object, "detection"), "confidence", 0.875);
    assert_text(object_in(object, "detection"), "label", "person");
    assert_number(object_in(object, "detection"), "label_id", 3);
    assert_number(object, "x", 16);
    assert_number(object, "y", 12);
    assert_number(object, "w", 32);
    assert_number(object, "h", 60);
    assert_number(object, "id", 41);
    assert_number(object, "region_id", 7);
    assert_text(object, "roi_type", "person");
    assert_text(object, "track_label", "car");
    g_assert_true(json_object_get_boolean_member(object, "predicted"));

    object = item_of(top, "objects", 1); // nothing is said of what is not known
    assert_members(object, "detection h region_id w x y");
    assert_members(object_in(object, "detection"), "bounding_box");
    assert_number(object_in(object_in(object, "detection"), "bounding_box"), "x_min", 0);
}

static void test_unknown(void)
{
    g_autoptr(GArray) array = g_array_new(FALSE, FALSE, sizeof(EffdetDetection));
    g_autoptr(JsonNode) node =
        write_record(&(Record){.width = 1,
                               .height = 1,
                               .stream_time = GST_CLOCK_TIME_NONE,
                               .objects = array,
                               .utc = {.unix_ns = G_MAXINT64, .estimated = TRUE}});
    g_autoptr(JsonNode) ancient = write_record(&(Record){.width = 1,
                                                         .height = 1,
                                                         .stream_time = 0,
                                                         .objects = array,
                                                         .utc = {.unix_ns = G_MININT64}});

    assert_members(json_node_get_object(node), "objects resolution utc utc_estimated");
    assert_text(json_node_get_object(node), "utc", "2262-04-11T23:47:16.854775Z");
    assert_members(json_node_get_object(ancient), "objects resolution timestamp");
}

// What was written is what is read, whatever it is; and what cannot be is marked.
static void test_hostile_text(void)
{
    static const struct {
        const gchar *text, *wanted;
    } cases[] = {
        {"\"quoted\" \\ and /", NULL},
        {"line\nfeed\r\ttab\b\f", NULL},
        {"\x01\x02\x1f\x7f", NULL},
        {"Fußgänger 行人 🚶", NULL},
        {"", NULL},
        {"\xff", "\xef\xbf\xbd"},
        {"a\xc3", "a\xef\xbf\xbd"},
        {"\xc3(b", "\xef\xbf\xbd(b"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, // half of a pair
        {"\xf5\x80\x80\x80z", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz"},
        {"\"}]}\xc0\x80\n{", "\"}]}\xef\xbf\xbd\xef\xbf\xbd\n{"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) line = g_string_new("{");
        g_autoptr(JsonNode) node = NULL;

        json_add_string_member(line, "text", cases[i].text);
        g_string_append_c(line, '}');
        node = publish_parse(line->str);
        assert_text(json_node_get_object(node), "text",
                    cases[i].wanted != NULL ? cases[i].wanted : cases[i].text);
    }
    for (guint seed = 0; seed < 500; seed++) { // anything at all is one line of JSON
        g_autoptr(GString) line = g_string_new("{");
        gchar bytes[32] = "";

        for (guint i = 0; i < sizeof bytes - 1; i++) {
            bytes[i] = (gchar)g_test_rand_int_range(1, 256);
        }
        json_add_string_member(line, "text", bytes);
        g_string_append_c(line, '}');
        json_node_unref(publish_parse(line->str));
    }
}

static void test_numbers(void)
{
    static const struct {
        double value;
        const gchar *wanted;
    } cases[] = {{0.5, "0.5"},      {-1e-7, "-1e-07"},    {123456.75, "123456.75"},
                 {NAN, "null"},     {INFINITY, "null"},   {-INFINITY, "null"},
                 {1e300, "1e+300"}, {0.1f, "0.100000001"}};

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) text = g_string_new(NULL);

        json_add_double(text, cases[i].value);
        g_assert_cmpstr(text->str, ==, cases[i].wanted);
    }
}

// A locale whose decimal sign is a comma, made here because few machines have one.
static void test_comma_locale(void)
{
    static const gchar characters[] =
        "<code_set_name> ANSI_X3.4-1968\n<comment_char> %\n<escape_char> /\nCHARMAP\n"
        "<U0000>..<U007F> /x00 NULL\nEND CHARMAP\n";
    static const gchar numbers[] = "comment_char %\nescape_char /\nLC_NUMERIC\n"
                                   "decimal_point \",\"\nthousands_sep \"\"\ngrouping -1\n"
                                   "END LC_NUMERIC\n";
    g_autofree gchar *charmap = path_of("characters"), *source = path_of("numbers");
    g_autofree gchar *result = path_of("commaland");
    const gchar *argv[] = {"localedef", "--no-archive", "-c",   "-i", source,
                           "-f",        charmap,        result, NULL};
    gchar sample[16];

    g_assert_true(g_file_set_contents(charmap, characters, -1, NULL));
    g_assert_true(g_file_set_contents(source, numbers, -1, NULL));
    if (!g_spawn_sync(NULL, (gchar **)argv, NULL,
                      G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL,
                      NULL, NULL, NULL, NULL, NULL, NULL)) {
        g_test_skip("there is no localedef");
        return;
    }
    g_setenv("LOCPATH", folder, TRUE);
    if (setlocale(LC_NUMERIC, "commaland") == NULL) {
        g_unsetenv("LOCPATH");
        g_test_skip("localedef made no locale that the C library takes");
        return;
    }
    g_snprintf(sample, sizeof sample, "%.1f", 0.5);
    g_assert_cmpstr(sample, ==, "0,5"); // it is one
    test_record();
    test_numbers();
    setlocale(LC_NUMERIC, "C");
    g_unsetenv("LOCPATH");
}

// ---- frames -------------------------------------------------------------------------------------

// What one frame becomes; NULL = nothing.
static JsonNode *publish_one(GstHarness *h, const gchar *path, GstBuffer *buffer)
{
    guint64 before = publish_stat(h, "published");
    g_autoptr(GPtrArray) lines = NULL;

    gst_buffer_unref(gst_harness_push_and_pull(h, buffer));
    fixture_wait_until(publish_stat(h, "queued") == 0);
    lines = publish_read(path);
    return publish_stat(h, "published") > before ? publish_parse(lines->pdata[lines->len - 1])
                                                 : NULL;
}

static void test_which_frames(void)
{
    g_autofree gchar *path = path_of("which");
    GstHarness *h = publish_harness(path, NULL);
    guint n = 0;

    for (guint choice = 0; choice < 4; choice++) {
        const gboolean inferred_only = choice & 1, empty = choice >> 1;

        g_object_set(h->element, "inferred-only", inferred_only, "empty-frames", empty, NULL);
        for (guint kind = 0; kind < 4; kind++) {
            const gboolean looked = kind & 1, objects = kind >> 1;
            GstBuffer *buffer = publish_frame(n++, objects);
            g_autoptr(JsonNode) node = NULL;

            effdet_frame_meta_set(buffer, looked, GST_CLOCK_TIME_NONE);
            node = publish_one(h, path, buffer);
            g_assert_true((node != NULL) == ((looked || !inferred_only) && (objects || empty)));
            if (node != NULL) {
                g_assert_true(json_object_get_boolean_member(json_node_get_object(node),
                                                             "inferred") == looked);
            }
        }
    }
    publish_stop(h);
}

static void add_time(GstBuffer *buffer, const gchar *reference, guint64 time)
{
    g_autoptr(GstCaps) caps = gst_caps_from_string(reference);

    gst_buffer_add_reference_timestamp_meta(buffer, caps, time, GST_CLOCK_TIME_NONE);
}

static void test_utc(void)
{
    g_autofree gchar *path = path_of("utc");
    GstHarness *h = publish_harness(path, NULL);
    GstBuffer *buffer = publish_frame(1, 1);
    g_autoptr(JsonNode) by_unix = NULL, by_ntp = NULL, estimated = NULL;
    g_autoptr(GDateTime) found = NULL, now = g_date_time_new_now_utc();
    JsonObject *top;

    add_time(buffer, "timestamp/x-unix", 86400 * GST_SECOND + 7000);
    by_unix = publish_one(h, path, buffer);
    top = json_node_get_object(by_unix);
    assert_text(top, "utc", "1970-01-02T00:00:00.000007Z");
    g_assert_false(json_object_get_boolean_member(top, "utc_estimated"));
    g_assert_false(json_object_has_member(top, "rtp"));

    buffer = publish_frame(2, 1);
    add_time(buffer, "timestamp/x-ntp, host=(string)ntp.example", (NTP_OF_1970 + 5) * GST_SECOND);
    by_ntp = publish_one(h, path, buffer);
    top = json_node_get_object(by_ntp);
    assert_text(top, "utc", "1970-01-01T00:00:05.000000Z");
    g_assert_cmpint(
        json_object_get_int_member(object_in(top, "rtp"), "sender_ntp_unix_timestamp_ns"), ==,
        5 * GST_SECOND);

    gst_harness_use_systemclock(h);
    gst_element_set_base_time(h->element,
                              gst_clock_get_time(GST_ELEMENT_CLOCK(h->element)) - 60 * GST_SECOND);
    estimated = publish_one(h, path, publish_frame(25, 1)); // 1 s, a minute after the start
    top = json_node_get_object(estimated);
    g_assert_true(json_object_get_boolean_member(top, "utc_estimated"));
    found = g_date_time_new_from_iso8601(json_object_get_string_member(top, "utc"), NULL);
    g_assert_cmpint(llabs(g_date_time_difference(now, found) - 59 * G_USEC_PER_SEC), <,
                    2 * G_USEC_PER_SEC);
    publish_stop(h);
}

static void test_zones(void)
{
    g_autofree gchar *path = path_of("zones");
    GstElement *zones = gst_object_ref_sink(gst_element_factory_make_full(
        "effdetzones", "debounce", 0, "zones",
        "{\"zones\": [{\"name\": \"a \\\"b\\\"\", \"polygon\": [[0, 0], [1, 0], [1, 1], "
        "[0, 1]]}], \"lines\": [{\"name\": \"gate\", \"from\": [0.5, 0], \"to\": [0.5, 1]}]}",
        NULL));
    GstHarness *before = gst_harness_new_with_element(zones, "sink", "src");
    GstHarness *h = publish_harness(path, NULL);
    GstBuffer *buffer = publish_frame(0, 1);
    EffdetDetection object = {.label = g_quark_from_static_string("person"), .track_id = 9};
    g_autoptr(JsonNode) entered = NULL, quiet = NULL;
    JsonObject *top, *event;

    gst_object_unref(zones);
    gst_harness_set_src_caps_str(before, FRAME_CAPS);
    effdet_meta_set_track(buffer, &object, 0, 0);
    entered = publish_one(h, path, gst_harness_push_and_pull(before, buffer));
    top = json_node_get_object(entered);
    event = item_of(top, "events", 0);
    assert_members(event, "event kind name track label inside entered left");
    assert_text(event, "event", "enter");
    assert_text(event, "name", "a \"b\"");
    assert_number(event, "track", 9);
    assert_number(event, "inside", 1);
    g_assert_cmpstr(json_array_get_string_element(
                        json_object_get_array_member(item_of(top, "objects", 0), "zones"), 0),
                    ==, "a \"b\"");
    assert_number(item_of(top, "zones", 0), "entered", 1);
    assert_text(item_of(top, "lines", 0), "name", "gate");

    buffer = publish_frame(1, 1);
    effdet_meta_set_track(buffer, &object, 0, 0);
    quiet = publish_one(h, path, gst_harness_push_and_pull(before, buffer));
    g_assert_false(json_object_has_member(json_node_get_object(quiet), "events"));
    gst_harness_teardown(before);
    publish_stop(h);
}

// An event is published also where there is nobody any more.
static void test_event_alone(void)
{
    g_autofree gchar *path = path_of("event");
    GstHarness *h = publish_harness(path, "inferred-only", TRUE, NULL);
    GstBuffer *buffer = publish_frame(0, 0);
    g_autoptr(GstStructure) content = gst_structure_new_from_string(
        "x, events=(GstStructure)< [effdet-zone, event=leave, lost=true, dwell=(double)2.5] >");
    g_autoptr(JsonNode) node = NULL;

    g_assert_nonnull(content);
    effdet_frame_meta_set(buffer, FALSE, GST_CLOCK_TIME_NONE);
    effdet_zone_meta_append(buffer, content);
    node = publish_one(h, path, buffer);
    g_assert_nonnull(node);
    assert_number(item_of(json_node_get_object(node), "events", 0), "dwell", 2.5);
    publish_stop(h);
}

static void test_untouched(void)
{
    g_autofree gchar *path = path_of("untouched");
    GstHarness *h = publish_harness(path, NULL);
    GstBuffer *in = publish_frame(3, 2), *out;

    out = gst_harness_push_and_pull(h, gst_buffer_ref(in)); // not even a copy of its shell
    g_assert_true(out == in);
    gst_buffer_unref(in);
    gst_buffer_unref(out);
    publish_stop(h);
}

int main(int argc, char **argv)
{
    int status;

    fixture_init(&argc, &argv);
    g_assert_true(GST_ELEMENT_REGISTER(effdetpublish, NULL));
    g_assert_true(GST_ELEMENT_REGISTER(effdetzones, NULL));
    folder = publish_make_folder();
    g_test_add_func("/plugin/publish/record", test_record);
    g_test_add_func("/plugin/publish/unknown", test_unknown);
    g_test_add_func("/plugin/publish/hostile-text", test_hostile_text);
    g_test_add_func("/plugin/publish/numbers", test_numbers);
    g_test_add_func("/plugin/publish/comma-locale", test_comma_locale);
    g_test_add_func("/plugin/publish/which-frames", test_which_frames);
    g_test_add_func("/plugin/publish/utc", test_utc);
    g_test_add_func("/plugin/publish/zones", test_zones);
    g_test_add_func("/plugin/publish/event-alone", test_event_alone);
    g_test_add_func("/plugin/publish/untouched", test_untouched);
    status = fixture_run();
    publish_remove_folder(folder);
    return status;
}
