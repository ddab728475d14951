// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// JSON of areas and lines: what is taken, and that an error says where, what was wanted and found.
#include <glib/gstdio.h>
#include <string.h>

#include "zones/config.h"

static void test_whole(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ZonesConfig) config = zones_config_parse(
        "{\"zones\": [{\"name\": \"door\", \"polygon\": [[0, 0], [1, 0], [0.5, 0.25]],\n"
        "             \"classes\": [\"person\", \"dog\"], \"dwell\": 5},\n"
        "            {\"polygon\": [[0, 0], [1, 1], [1, 0], [0, 1]], \"name\": "
        "\"bow\\n\\ud83d\\ude00\"}],\n"
        " \"lines\": [{\"name\": \"door\", \"from\": [0.125, 1], \"to\": [1, 0]}]}",
        &error);

    g_assert_no_error(error);
    g_assert_cmpuint(config->n_areas, ==, 2);
    g_assert_cmpuint(config->n_lines, ==, 1);
    g_assert_cmpstr(config->areas[0].name, ==, "door");
    g_assert_cmpuint(config->areas[0].n_points, ==, 3);
    g_assert_cmpfloat(config->areas[0].points[2].y, ==, 0.25);
    g_assert_cmpfloat(config->areas[0].dwell_s, ==, 5.0);
    g_assert_cmpuint(g_strv_length(config->areas[0].classes), ==, 2);
    g_assert_cmpstr(config->areas[0].classes[1], ==, "dog");
    g_assert_cmpstr(config->areas[1].name, ==, "bow\n\360\237\230\200");
    g_assert_null(config->areas[1].classes);
    g_assert_cmpfloat(config->areas[1].dwell_s, ==, 0.0);
    g_assert_cmpfloat(config->lines[0].points[0].x, ==, 0.125);
    g_assert_cmpfloat(config->lines[0].points[1].x, ==, 1.0);
}

static void test_empty(void)
{
    const gchar *texts[] = {"", " \n", "{}", "{\"zones\": []}", "{\"lines\": [], \"zones\": []}"};

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(ZonesConfig) config = zones_config_parse(texts[i], &error);

        g_assert_no_error(error);
        g_assert_cmpuint(config->n_areas + config->n_lines, ==, 0);
    }
}

#define TRIANGLE "[[0, 0], [1, 0], [0.5, 1]]"
#define AREA(members) "{\"zones\": [{\"name\": \"a\", \"polygon\": " TRIANGLE "}, {" members "}]}"
#define LINE(members) "{\"lines\": [{" members "}]}"

static const struct {
    const gchar *text, *message;
} bad[] = {
    {"{\"zones\": [\n{\"name\": \"a\",\n\"polygon\" [}]}",
     "wanted JSON, found in line 3, column *"},
    {"{\"zones\": [", "wanted JSON, found in line 1, column *"},
    {"{'zones': []}", "wanted JSON, found in line 1: \"'zones*"},
    {"{}\n{}", "wanted one document, found in line 2: \"{}\""},
    {"{} // no", "wanted one document, found in line 1: *"},
    {"]", "wanted JSON, found in line 1*"},
    {"[[[[[[[[[[[[[[[[[[[[", "wanted objects in lists in one object, found in line 1: more depth"},
    {"{\"zones\": [{\"name\": \"a\n\"}]}", "wanted JSON, found in line 2: a control character *"},
    {"\xff", "wanted JSON in UTF-8, found other bytes"},
    {"[]", "wanted an object with zones and lines, found something else"},
    {"7", "wanted an object with zones and lines, found in line 1: \"7\""},
    {"\n7 {}", "wanted an object with zones and lines, found in line 2: \"7 {}\""},
    {"\"a\" []", "wanted an object with zones and lines, found in line 1: \"\"a\" []\""},
    {"{\"zone\": []}", "zone: wanted zones or lines, found the key \"zone\""},
    {"{\"zones\": 7}", "zones: wanted a list of at most 64 objects, found 7"},
    {"{\"zones\": [7]}", "zones[0]: wanted an object with name and polygon, found 7"},
    {"{\"lines\": [null]}", "lines[0]: wanted an object with name, from and to, found null"},
    {AREA("\"name\": \"b\""), "zones[1]: wanted the key polygon, found only others"},
    {AREA("\"polygon\": " TRIANGLE), "zones[1]: wanted the key name, found none"},
    {AREA("\"name\": \"a\", \"polygon\": " TRIANGLE),
     "zones[1]: wanted a name of its own, found \"a\" again, as at 0"},
    {AREA("\"name\": \"\""), "zones[1].name: wanted a name, found the text \"\""},
    {AREA("\"name\": 3"), "zones[1].name: wanted a name, found 3"},
#define NO_CHARACTER "wanted JSON, found in line 1: an escape that is no character"
    {AREA("\"name\": \"\\ud800\""), NO_CHARACTER},
    {AREA("\"name\": \"\\ud800\\u0041\""), NO_CHARACTER},
    {AREA("\"name\": \"\\udc00\""), NO_CHARACTER},
    {AREA("\"name\": \"\\ud800\\udn00\""), NO_CHARACTER},
    {AREA("\"name\": \"\\u0000\""), NO_CHARACTER},
    {AREA("\"name\": \"\\x41\""), NO_CHARACTER},
    {"\"\\", "wanted an object *"},
    {"[\"\\", NO_CHARACTER},
    {"[\"\\u12", NO_CHARACTER},
    {AREA("\"from\": [0, 0]"),
     "zones[1].from: wanted name, polygon, classes or dwell, found the key \"from\""},
    {AREA("\"polygon\": [[0, 0], [1, 1]]"),
     "zones[1].polygon: wanted a list of 3 to 256 points [x, y], found a list of 2"},
    {AREA("\"polygon\": {}"), "zones[1].polygon: wanted a list of 3 to 256 *, found an object"},
    {AREA("\"polygon\": [[0, 0], [1, 1], [1]]"),
     "zones[1].polygon[2]: wanted a point [x, y], found a list of 1"},
    {AREA("\"polygon\": [[0, 0], [1, 1], [0, 1.5]]"),
     "zones[1].polygon[2][1]: wanted a number from 0 to 1 (parts of the picture), found 1.5"},
    {AREA("\"polygon\": [[0, 0], [1, 1], [-0.1, 1]]"), "zones[1].polygon[2][0]: *found -0.1"},
    {AREA("\"polygon\": [[0, 0], [1, 1], [\"0\", 1]]"),
     "zones[1].polygon[2][0]: *found the text \"0\""},
    {AREA("\"polygon\": [[0, 0], [1, 1], [true, 1]]"), "zones[1].polygon[2][0]: *found true"},
    {AREA("\"polygon\": [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]"),
     "zones[1].polygon: wanted points that surround an area, found 3 points on one line"},
    {AREA("\"polygon\": [[0.1, 0.1], [0.5, 0.5], [0.3, 0.3], [0.2, 0.2]]"),
     "zones[1].polygon: wanted points that surround an area, found 4 points on one line"},
    {AREA("\"dwell\": -1"), "zones[1].dwell: wanted seconds from 0 to 1000000, found -1"},
    {AREA("\"dwell\": 1e300"), "zones[1].dwell: wanted seconds from 0 to 1000000, found 1e+300"},
    {AREA("\"classes\": []"), "zones[1].classes: wanted a list of class names, *a list of 0"},
    {AREA("\"classes\": \"person\""),
     "zones[1].classes: wanted a list of class names, *the text \"person\""},
    {AREA("\"classes\": [\"a\", 1]"), "zones[1].classes[1]: wanted the name of a class, found 1"},
    {LINE("\"name\": \"l\", \"from\": [0, 0]"),
     "lines[0]: wanted the keys from and to, found only others"},
    {LINE("\"name\": \"l\", \"from\": [0.5, 0], \"to\": [0.5, 0]"),
     "lines[0]: wanted two ends in different places, found from and to in the same place"},
    {LINE("\"dwell\": 1"), "lines[0].dwell: wanted name, from, to or classes, *\"dwell\""},
};

static void test_bad(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(ZonesConfig) config = zones_config_parse(bad[i].text, &error);
        g_autofree gchar *pattern = NULL;

        g_assert_null(config);
        g_assert_error(error, ZONES_CONFIG_ERROR, 0);
        pattern = g_strdup(bad[i].message);
        if (!g_pattern_match_simple(pattern, error->message)) {
            g_error("%s:\nwanted %s\nfound  %s", bad[i].text, pattern, error->message);
        }
        g_assert_null(strchr(error->message, '\n'));
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
    }
}

static void test_limits(void)
{
    g_autoptr(GString) text = g_string_new("{\"zones\": [");
    g_autoptr(ZonesConfig) config = NULL;
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < ZONES_MAX_SHAPES; i++) {
        g_string_append_printf(text, "%s{\"name\": \"%u\", \"polygon\": " TRIANGLE "}",
                               i > 0 ? "," : "", i);
    }
    g_string_append(text, "]}");
    config = zones_config_parse(text->str, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(config->n_areas, ==, ZONES_MAX_SHAPES);
    g_string_truncate(text, text->len - 2);
    g_string_append(text, ",{\"name\": \"x\", \"polygon\": " TRIANGLE "}]}");
    g_assert_null(zones_config_parse(text->str, &error));
    g_assert_cmpstr(error->message, ==,
                    "zones: wanted a list of at most 64 objects, found a list of 65");
}

// Every text that a good one becomes by losing its end or a byte is taken or refused, no more.
static void test_damage(void)
{
    const gchar *good = AREA("\"name\": \"\\u00e4\", \"polygon\": " TRIANGLE
                             ", \"classes\": [\"\xc3\xa4\"], \"dwell\": 1.5");
    gsize length = strlen(good);

    for (gsize at = 0; at < length; at++) {
        for (gint change = 0; change < 256; change++) {
            g_autofree gchar *text = g_strdup(good);
            g_autoptr(GError) error = NULL;
            g_autoptr(ZonesConfig) config = NULL;

            text[at] = (gchar)change; // 0 = the end
            config = zones_config_parse(text, &error);
            g_assert_true((config == NULL) == (error != NULL));
        }
    }
}

static void test_file(void)
{
    g_autofree gchar *folder = g_dir_make_tmp("effdet-zones-XXXXXX", NULL);
    g_autofree gchar *path = g_build_filename(folder, "zones.json", NULL);
    g_autofree gchar *much = g_strnfill(ZONES_CONFIG_MAX_BYTES + 1, ' ');
    g_autoptr(ZonesConfig) config = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_null(zones_config_load(path, &error));
    g_assert_true(g_str_has_prefix(error->message, path));
    g_clear_error(&error);
    g_assert_null(zones_config_load(folder, &error));
    g_assert_true(g_str_has_prefix(error->message, folder));
    g_clear_error(&error);

    g_assert_true(g_file_set_contents(path, "{\"zones\": 1}", -1, NULL));
    g_assert_null(zones_config_load(path, &error));
    g_assert_true(g_str_has_prefix(error->message, path));
    g_assert_nonnull(strstr(error->message, ": zones: wanted a list"));
    g_clear_error(&error);
    g_assert_true(g_file_set_contents(path, much, -1, NULL));
    g_assert_null(zones_config_load(path, &error));
    g_assert_nonnull(strstr(error->message, "wanted at most 1048576 bytes"));
    g_clear_error(&error);
    g_assert_true(g_file_set_contents(path, "{\0}", 3, NULL));
    g_assert_null(zones_config_load(path, &error));
    g_assert_nonnull(strstr(error->message, "found a zero byte"));
    g_clear_error(&error);

    g_assert_true(
        g_file_set_contents(path, AREA("\"name\": \"b\", \"polygon\": " TRIANGLE), -1, NULL));
    config = zones_config_load(path, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(config->n_areas, ==, 2);
    g_unlink(path);
    g_rmdir(folder);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/zones/config/whole", test_whole);
    g_test_add_func("/zones/config/empty", test_empty);
    g_test_add_func("/zones/config/bad", test_bad);
    g_test_add_func("/zones/config/limits", test_limits);
    g_test_add_func("/zones/config/damage", test_damage);
    g_test_add_func("/zones/config/file", test_file);
    return g_test_run();
}
