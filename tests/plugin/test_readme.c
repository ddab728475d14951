// SPDX-FileCopyrightText: effdet contributors
// SPDX-License-Identifier: LGPL-2.1-or-later
// The README's tables of properties say what the elements say: names, defaults, and what can be
// changed while playing. The meaning of each is for people to compare.
#include "fixture.h"
#include "overlay/overlay.h"
#include "publish/gsteffdetpublish.h"
#include "track/gsteffdettrack.h"
#include "zones/gsteffdetzones.h"

#include <string.h>

// Lines of the README from this heading to the next.
static gchar **section(const gchar *heading)
{
    g_autofree gchar *path = g_build_filename(g_getenv("EFFDET_SOURCE_DIR"), "README.md", NULL);
    g_autofree gchar *text = NULL;
    const gchar *start, *end;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    start = strstr(text, heading);
    if (start == NULL) {
        g_error("README.md has no heading '%s'", heading);
    }
    start += strlen(heading);
    end = strstr(start, "\n#");
    g_assert_nonnull(end);
    {
        g_autofree gchar *body = g_strndup(start, (gsize)(end - start));
        return g_strsplit(body, "\n", -1);
    }
}

static gchar *default_text(GParamSpec *spec)
{
    const GValue *value = g_param_spec_get_default_value(spec);

    if (G_IS_PARAM_SPEC_STRING(spec)) {
        const gchar *text = g_value_get_string(value);
        return text == NULL ? g_strdup("none") : g_strdup_printf("`%s`", text);
    }
    if (G_IS_PARAM_SPEC_ENUM(spec)) {
        const GEnumValue *nick =
            g_enum_get_value(G_PARAM_SPEC_ENUM(spec)->enum_class, g_value_get_enum(value));
        return g_strdup_printf("`%s`", nick->value_nick);
    }
    if (G_IS_PARAM_SPEC_BOOLEAN(spec)) {
        return g_strdup(g_value_get_boolean(value) ? "true" : "false");
    }
    if (G_IS_PARAM_SPEC_UINT(spec)) {
        return g_strdup_printf("%u", g_value_get_uint(value));
    }
    if (G_IS_PARAM_SPEC_DOUBLE(spec)) {
        return g_strdup_printf("%g", g_value_get_double(value));
    }
    if (G_IS_PARAM_SPEC_FLAGS(spec)) {
        const GFlagsClass *flags = G_PARAM_SPEC_FLAGS(spec)->flags_class;
        g_autoptr(GString) text = g_string_new(NULL);

        for (guint i = 0; i < flags->n_values; i++) {
            if ((g_value_get_flags(value) & flags->values[i].value) != 0) {
                g_string_append_printf(text, "%s%s", text->len == 0 ? "" : "+",
                                       flags->values[i].value_nick);
            }
        }
        return g_strdup_printf("`%s`", text->str);
    }
    return g_strdup("");
}

static gboolean is_row(const gchar *line)
{
    return g_str_has_prefix(line, "| `");
}

static void compare(const gchar *factory, const gchar *heading, gboolean dots)
{
    GstElement *element = gst_object_ref_sink(gst_element_factory_make(factory, NULL));
    GObjectClass *klass = G_OBJECT_GET_CLASS(element);
    g_auto(GStrv) lines = section(heading);
    g_autofree GParamSpec **specs = NULL;
    guint n_specs, n_rows = 0, n_own = 0;

    for (guint i = 0; lines[i] != NULL; i++) {
        n_rows += is_row(lines[i]);
    }
    specs = g_object_class_list_properties(klass, &n_specs);
    for (guint i = 0; i < n_specs; i++) {
        g_autofree gchar *value = default_text(specs[i]), *row = NULL;
        gboolean playing = (specs[i]->flags & GST_PARAM_MUTABLE_PLAYING) != 0, found = FALSE;

        if (specs[i]->owner_type != G_OBJECT_TYPE(element)) {
            continue;
        }
        row = g_strdup_printf("| `%s`%s | %s%s| ", specs[i]->name, dots && playing ? " •" : "",
                              value, *value ? " " : "");
        for (guint k = 0; lines[k] != NULL && !found; k++) {
            found = g_str_has_prefix(lines[k], row);
        }
        if (!found) {
            g_error("README.md, '%s', has no row that starts '%s'", heading, row);
        }
        g_assert_true(dots || playing);
        n_own++;
    }
    g_assert_cmpuint(n_rows, ==, n_own);
    gst_object_unref(element);
}

static void test_effdet(void)
{
    compare("effdet", "### Properties of `effdet`", TRUE);
}

static void test_overlay(void)
{
    compare("effdetoverlay", "### Properties of `overlay`", FALSE);
}

static void test_track(void)
{
    compare("effdettrack", "### Properties of `effdettrack`", TRUE);
}

static void test_zones(void)
{
    compare("effdetzones", "### Properties of `effdetzones`", TRUE);
}

static void test_publish(void)
{
    compare("effdetpublish", "### Properties of `effdetpublish`", TRUE);
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_assert_true(GST_ELEMENT_REGISTER(effdetoverlay, NULL));
    g_assert_true(GST_ELEMENT_REGISTER(effdettrack, NULL));
    g_assert_true(GST_ELEMENT_REGISTER(effdetzones, NULL));
    g_assert_true(GST_ELEMENT_REGISTER(effdetpublish, NULL));
    g_test_add_func("/readme/effdet", test_effdet);
    g_test_add_func("/readme/overlay", test_overlay);
    g_test_add_func("/readme/track", test_track);
    g_test_add_func("/readme/zones", test_zones);
    g_test_add_func("/readme/publish", test_publish);
    return fixture_run();
}
